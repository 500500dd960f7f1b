"""Diffusion rates (§2.4.1): what fixed schedules cost on the swiss roll against the best, for T steps.

The paper's footnote 2 says that a fixed schedule is just as effective as learned rates; at T = 40 it is not. With exact
means and variances, K of any schedule is a sum by quadrature, and the best schedule a shortest path (`best_roll.py`).
"""

import math

import torch
from best_roll import best, bound_of
from matplotlib.figure import Figure
from record import Experiment, Row

import quasistatic as qs
from quasistatic.data.synthetic.roll import SwissRoll


def log_snr(schedule: qs.Linear | qs.Cosine | qs.Reciprocal, steps: int) -> list[float]:
    """The levels that T even steps of a schedule pass, from the data on."""
    return schedule.log_snr(torch.arange(1, steps + 1, dtype=torch.float64) / steps).clamp(min=-40).tolist()


def main() -> None:
    experiment = Experiment.begin("diffusion_rate", __doc__ or "")
    roll = SwissRoll(1.0 if experiment.quick else 0.5)
    limit = 2 * math.log2(roll.scale) - roll.entropy()
    counts = [10] if experiment.quick else [10, 40, 100]
    top = best(roll, counts, torch.linspace(9, -3, 49 if experiment.quick else 193, dtype=torch.float64))
    rows, sheet = [], Figure(figsize=(4 * len(counts), 3), dpi=110, layout="constrained")
    for place, steps in enumerate(counts, 1):
        axes = sheet.add_subplot(1, len(counts), place, title=f"T = {steps}", xlabel="step", ylabel="log-SNR")
        schedules = {"1/(T − t + 1), the paper's": qs.Reciprocal(), "cosine": qs.Cosine()}
        if steps > 20:
            schedules["linear × 1000/T"] = qs.Linear(steps=steps)
        for name, schedule in schedules.items():
            levels = log_snr(schedule, steps)
            title = f"Swiss roll, s = {roll.noise:g}, T = {steps}, exact steps, {name}"
            rows.append(Row(title, "bits", bound_of(roll, levels), 0.0, best=top[steps][0], limit=limit))
            axes.plot(range(1, steps + 1), levels, label=name)
        title = f"Swiss roll, s = {roll.noise:g}, T = {steps}, exact steps, best rates"
        rows.append(Row(title, "bits", top[steps][0], 0.0, best=top[steps][0], limit=limit))
        axes.plot(range(1, steps + 1), top[steps][1], "k.", label="best")
        axes.set_ylim(-8, 10)
        axes.legend(frameon=False, fontsize=7)
    sheet.savefig(experiment.picture())
    experiment.finish(rows, best_log_snr={steps: path for steps, (_, path) in top.items()})


if __name__ == "__main__":
    main()
