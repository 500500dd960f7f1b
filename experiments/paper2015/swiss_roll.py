"""Swiss roll (Fig. 1, App. D.1.1): T = 40 steps, rates learned with the model, against the best any rates allow.

Scores are in bits of data in units of one scale for both columns (mean variance 1), as in the paper. They are taken
against the best steps with the same rates (`excess.py`), or the roll's exact density, on the same held-out points: the
error is that of the gap alone. The paper does not say how noisy its roll was; its 2.35 bits need
s ≤ 0.0256 in raw units.
"""

import math
from dataclasses import replace

import torch
from best_roll import best, bound_of, exact_guess
from excess import excess
from matplotlib.figure import Figure
from record import Experiment, Row

import quasistatic as qs
from quasistatic import evaluation
from quasistatic.config import DataConfig, TrainingConfig
from quasistatic.data.synthetic.roll import SwissRoll
from quasistatic.network import MLPConfig, NetworkConfig, RBFConfig

WIDE = MLPConfig(width=96, depth=2)
FIRST = 1e-3  # β_1, which is not learned


def start(noise: float, steps: int) -> qs.Learned:
    """Rates to begin with: the cosine's; for little noise, even falls of the log-SNR from well above the data's own."""
    if noise > 0.1:
        return qs.Learned.from_schedule(qs.Cosine(), steps, first=FIRST)
    own = -2 * math.log(noise / SwissRoll(noise).scale)
    kept = torch.linspace(own + 2, -3, steps, dtype=torch.float64).sigmoid()
    return qs.Learned((1 - kept[0].item(), *(1 - kept[1:] / kept[:-1]).tolist()))


def configuration(noise: float, steps: int, network: NetworkConfig, updates: int) -> qs.Config:
    """T steps with learned rates, every step a Gaussian of diagonal covariance; ``updates`` of the weights."""
    return qs.Config(
        data=DataConfig(f"swiss-roll:{noise:g}", held_out=20_000),
        process=qs.GaussianProcess(start(noise, steps)),
        network=network,
        head=qs.GaussianHead("velocity", "learned") if isinstance(network, qs.MLPConfig) else qs.StepHead(steps),
        objective=qs.Whole(steps),
        training=TrainingConfig(steps=updates, batch=1024, learning_rate=3e-3, weight_decay=0.0, held_out_every=1e4),
    )


def null_of(model: qs.Model, data: qs.Dataset, roll: SwissRoll) -> float:
    """L_null of held-out points, in bits and units of the scale."""
    found = model.evaluate(model.held_out(data), steps=2, limit=20_000)
    return 2 * math.log2(roll.scale) - 2 * found.null["value"]


def score(model: qs.Model, data: qs.Dataset, roll: SwissRoll, experiment: Experiment) -> tuple[float, float, float]:
    """Our K, its error, and the best K that the model's rates allow, in bits and units of the scale."""
    steps = model.config.objective.steps
    k = torch.arange(1, steps + 1, dtype=torch.float64) / steps
    allowed = bound_of(roll, model.config.process.schedule.log_snr(k).tolist())
    rows = torch.arange(500 if experiment.quick else 3000)
    x = model.specification.codec.encode(model.held_out(data).batch(rows)).double()
    later, first = excess(model, exact_guess(roll, model.config.process), x, steps, experiment.seed)
    mean, error = evaluation.mean_and_error(later + first)
    return allowed - mean, error, allowed


def measured(model: qs.Model, data: qs.Dataset, roll: SwissRoll, method: str, steps: int, limit: int) -> list[float]:
    """Our mean and its error by a method of `Model.evaluate`, against the exact density on the same points."""
    unseen = model.held_out(data).select(torch.arange(limit))
    found = model.evaluate(unseen, method=method, steps=steps, draws=None)
    exact = roll.log_density(unseen.batch(torch.arange(len(unseen))))
    gap, error = evaluation.mean_and_error((exact - found.log_likelihoods) / math.log(2))
    return [-entropy(roll) - gap, error]


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
    steps, rows, rates = 10 if experiment.quick else 40, [], {}
    data, roll = qs.load("swiss-roll:0.5"), SwissRoll(0.5)
    bottom, grid = -entropy(roll), torch.linspace(9, -3, 25 if experiment.quick else 145, dtype=torch.float64)
    top, path = best(roll, [steps], grid)[steps]
    networks = (("residual perceptron", WIDE, 1800), ("the paper's RBF network", RBFConfig(16, steps), 500))
    for what, network, updates in networks:
        name = "swiss-roll" if network == WIDE else "swiss-roll-2015"
        model = experiment.learn(configuration(0.5, steps, network, updates), data, name, 30)
        value, error, allowed = score(model, data, roll, experiment)
        k = torch.arange(1, steps + 1, dtype=torch.float64) / steps
        rates[what] = {"log_snr": model.config.process.schedule.log_snr(k).tolist(), "best_with_these": allowed}
        title, null = f"Swiss roll, s = 0.5, T = {steps}, learned rates, {what}", null_of(model, data, roll)
        rows.append(Row(title, "bits", value, error, null, best=top, limit=bottom))
        if network == WIDE:
            rows[0].goal = -2.06
            figure(model, data, experiment)
        experiment.keep(rows, best_log_snr=path, rates=rates)
    config = replace(
        configuration(0.5, steps, WIDE, 12_000), process=qs.GaussianProcess(qs.Cosine()), objective=qs.Bound()
    )
    free = experiment.learn(config, data, "swiss-roll-flow", 30)
    value, error = measured(free, data, roll, "flow", 1000, 256 if experiment.quick else 2000)
    title = "Swiss roll, s = 0.5, exact likelihood by the ODE, T free"
    rows.append(Row(title, "bits", value, error, null_of(free, data, roll), best=bottom, limit=bottom, goal=-1.96))
    experiment.keep(rows, best_log_snr=path, rates=rates)
    thin, fine = SwissRoll(0.01), qs.load("swiss-roll:0.01")
    sharp = replace(WIDE, fourier=(0, 1, 2, 3, 4))
    sharp = experiment.learn(configuration(0.01, steps, sharp, 1500), fine, "swiss-roll-thin", 30)
    value, error = measured(sharp, fine, thin, "bound", steps, 64 if experiment.quick else 2000)
    title = f"Swiss roll, s = 0.01 (the paper's: at most 0.0256), T = {steps}, learned rates"
    null = null_of(sharp, fine, thin)
    rows.append(Row(title, "bits", value, error, null, 2.35, 6.45, limit=-entropy(thin), goal=2.35))
    experiment.finish(rows, best_log_snr=path, rates=rates)


if __name__ == "__main__":
    main()
