"""Swiss roll (Fig. 1, App. D.1.1): T = 40 steps, rates learned with the model, against the best any rates allow.

Scores are in bits of data in units of one scale for both columns (mean variance 1), as in the paper. They are taken
against the roll's exact density on the same held-out points: K = −h − mean( log₂ p(x) − K(x) ), whose error is that of
the gap alone. The paper does not say how noisy its roll was; its 2.35 bits need s ≤ 0.0256 in raw units.
"""

import math
from dataclasses import replace

import torch
from best_roll import best, bound_of
from matplotlib.figure import Figure
from record import Experiment, Row, learn

import quasistatic as qs
from quasistatic import evaluation
from quasistatic.config import DataConfig, TrainingConfig
from quasistatic.data.roll import SwissRoll
from quasistatic.network import MLPConfig, RBFConfig

PAPER = {"paper": 2.35, "paper_gain": 6.45}
FIRST = 1e-3  # β_1, which is not learned


def configuration(noise: float, steps: int, network: qs.MLPConfig | RBFConfig) -> qs.Config:
    """T steps with learned rates, every step a Gaussian of diagonal covariance."""
    first = min(FIRST, (noise / SwissRoll(noise).scale) ** 2)
    return qs.Config(
        data=DataConfig(f"swiss-roll:{noise:g}", held_out=20_000),
        process=qs.Gaussian(qs.Learned.from_schedule(qs.Cosine(), steps, first=first)),
        network=network,
        head=qs.GaussianHead("velocity", "learned") if isinstance(network, qs.MLPConfig) else qs.StepHead(steps),
        objective=qs.Whole(steps),
        training=TrainingConfig(steps=8000, batch=512, learning_rate=2e-3, weight_decay=0.0, held_out_every=60.0),
    )


def score(model: qs.Model, data: qs.Dataset, experiment: Experiment, method: str, steps: int) -> tuple[float, ...]:
    """Our mean, its error and L_null in bits, in units of the roll's scale."""
    roll = SwissRoll(float(data.name.split(":")[1]))
    unseen = model.held_out(data).select(torch.arange(512 if experiment.quick else 20_000))
    found = model.evaluate(unseen, method=method, steps=steps, draws=None, seed=experiment.seed)
    exact = roll.log_density(unseen.batch(torch.arange(len(unseen))))
    gap, error = evaluation.mean_and_error((exact - found.log_likelihoods) / math.log(2))
    units = 2 * math.log2(roll.scale)
    return -entropy(roll) - gap, error, units - 2 * found.null["value"]


def entropy(roll: SwissRoll) -> float:
    """h in bits and units of the scale: by quadrature, or for little noise (here to 1e-3 bits) that of a thin curve."""
    if roll.noise >= 0.3:
        return roll.entropy() - 2 * math.log2(roll.scale)
    u = torch.linspace(1.5 * math.pi, 4.5 * math.pi, 100_001, dtype=torch.float64)
    along = (3 * math.pi * (1 + u**2).sqrt()).log2().mean().item()
    return along + 0.5 * math.log2(2 * math.pi * math.e * roll.noise**2) - 2 * math.log2(roll.scale)


def figure(model: qs.Model, data: qs.Dataset, experiment: Experiment) -> None:
    """Figure 1: the data on their way to noise, the model's way back, and its drift f_μ(x, t) − x."""
    process, codec, steps = model.config.process, model.specification.codec, model.config.objective.steps
    x = codec.encode(data.batch(torch.arange(2000)))
    walk = model.trajectory(2000, steps=steps, frames=steps + 1, seed=experiment.seed)
    places = torch.cartesian_prod(*[torch.linspace(-2.5, 2.5, 21)] * 2)
    sheet = Figure(figsize=(8, 8), dpi=110, layout="constrained")
    for row, name in enumerate(("data, forward", "model, reverse", "drift")):
        for column, k in enumerate((0, steps // 2, steps)):
            axes = sheet.add_subplot(3, 3, 3 * row + column + 1, xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
            axes.set_title(f"{name}, t = {k}", fontsize=9)
            t = torch.full((2000,), k / steps, dtype=torch.float64)
            if row < 2:
                noised = process.marginal(x, t).sample(torch.Generator().manual_seed(0)) if k else x
                points = noised if row == 0 else walk[steps - k]
                axes.scatter(*points.T, s=1, color="#2f6db3" if row else "#777777")
            else:
                at = t[: len(places)].clamp(min=1 / steps)
                with torch.inference_mode():
                    step = process.reverse(places, model.denoiser(places, at), at, at - 1 / steps)
                axes.quiver(*places.T, *(step.mean - places).T, color="#333333")
    sheet.savefig(experiment.picture())


def main() -> None:
    experiment = Experiment.begin("swiss_roll", __doc__ or "")
    wide, rows, rates = MLPConfig(width=128, depth=3), [], {}
    data, roll = qs.load("swiss-roll:0.5"), SwissRoll(0.5)
    bottom, steps = -entropy(roll), 40
    grid = torch.linspace(9, -3, 25 if experiment.quick else 145, dtype=torch.float64)
    top, path = best(roll, [steps], grid)[steps]
    for what, network in (("residual perceptron", wide), ("the paper's RBF network", RBFConfig(16, steps))):
        model = learn(configuration(0.5, steps, network), data, 30 if experiment.quick else None)
        value, error, null = score(model, data, experiment, "bound", steps)
        k = torch.arange(1, steps + 1, dtype=torch.float64) / steps
        learned = model.config.process.schedule.log_snr(k).tolist()
        rates[what] = {"log_snr": learned, "best_with_these": bound_of(roll, learned)}
        title = f"Swiss roll, s = 0.5, T = {steps}, learned rates, {what}"
        goal = -2.06 if network == wide else None
        rows.append(Row(title, "bits", value, error, null, best=top, limit=bottom, goal=goal))
        if network == wide:
            figure(model, data, experiment)
            modern = model
    flow = Row("Swiss roll, s = 0.5, exact likelihood by the ODE, T free", "bits", limit=bottom, goal=-1.96)
    if "flow" in evaluation.METHODS:
        free = replace(
            configuration(0.5, 1000, replace(wide, width=256)), process=qs.Gaussian(qs.Cosine()), objective=qs.Bound()
        )
        modern = learn(free, data, 30 if experiment.quick else None)
        flow.value, flow.standard_error, flow.null = score(modern, data, experiment, "flow", 1000)
    else:
        flow.note = "unmeasured: this version has no `evaluate(method='flow')`"
    thin, fine = SwissRoll(0.01), qs.load("swiss-roll:0.01")
    sharp = learn(
        configuration(0.01, steps, MLPConfig(128, 3, fourier=(0, 1, 2, 3, 4))), fine, 30 if experiment.quick else None
    )
    value, error, null = score(sharp, fine, experiment, "bound", steps)
    title = "Swiss roll, s = 0.01 (the paper's must be ≤ 0.0256), T = 40, learned rates"
    rows += [flow, Row(title, "bits", value, error, null, limit=-entropy(thin), goal=2.35, **PAPER)]
    experiment.finish(rows, best_log_snr=path, rates=rates)


if __name__ == "__main__":
    main()
