"""Bounds on the entropy of a reverse step (eq. 24), with and without unit variance, beside the entropy itself.

Data N(0, λ) has H_q(X_s | X_t) in closed form. The paper's upper bound supposes E‖x‖² = D; on data of larger variance
it falls below the entropy, and the bound with CE_s − CE_t does not.
"""

import math

import torch
from matplotlib.figure import Figure
from record import Experiment, Row

import quasistatic as qs
from quasistatic.evaluation import entropy_bounds
from quasistatic.schedule import uniform_times


def true_entropy(process: qs.GaussianProcess, variance: float, times: torch.Tensor) -> torch.Tensor:
    """½ ln 2πe V of each step but the last, V = (1 − r) S_s/S_t (theory.md 5.1), nats."""
    kept = process.schedule.alpha_bar(times)
    spread = kept * variance + 1 - kept
    width = (1 - kept[:-2] / kept[1:-1]) * spread[1:-1] / spread[:-2]
    return 0.5 * (2 * math.pi * math.e * width).log()


def main() -> None:
    experiment = Experiment.begin("entropy_bounds", __doc__ or "")
    steps, count = (20, 2000) if experiment.quick else (100, 50_000)
    process, times = qs.GaussianProcess(qs.Cosine()), uniform_times(steps)
    rows, sheet = [], Figure(figsize=(9, 3), dpi=110, layout="constrained")
    for place, variance in enumerate((1.0, 0.25, 4.0), 1):
        x = math.sqrt(variance) * torch.randn(count, 1, dtype=torch.float64, generator=seeded(experiment.seed))
        x = x * math.sqrt(variance) / x.square().mean().sqrt()  # E‖x‖² as stated: it is what CE depends on
        found, truth = entropy_bounds(process, x, times), true_entropy(process, variance, times)
        for name, bound, sign in (
            ("lower", found.lower, 1),
            ("upper, as printed", found.uncorrected, -1),
            ("upper, with CE_s − CE_t", found.upper, -1),
        ):
            slack = (sign * (truth - bound)).min().item() / math.log(2)
            title = f"N(0, {variance:g}), {steps} steps: least slack of the bound, {name}"
            error = found.standard_error.max().item() / math.log(2) if "CE" in name else 0.0
            rows.append(Row(title, "bits", slack, error, note="below 0: no bound" if slack < -4 * error - 1e-9 else ""))
        axes = sheet.add_subplot(1, 3, place, title=f"λ = {variance:g}", xlabel="t")
        for curve, colour in ((found.lower, "#999999"), (found.uncorrected, "#c98a1b"), (found.upper, "#2f6db3")):
            axes.plot(found.t, curve - truth, color=colour)
        axes.axhline(0, color="#333333", linewidth=0.5)
    sheet.savefig(experiment.picture())
    experiment.finish(rows)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


if __name__ == "__main__":
    main()
