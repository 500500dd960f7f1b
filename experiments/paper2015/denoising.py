"""Denoising (fig. 3 and 4): images seen through noise of known size, drawn again.

    paper    every step is multiplied by r(x) = N(y; x, τ²), the same at each, from the observation on       (eq. 22)
    half     the same with r^{1/2}: near equilibrium r leads to the posterior under r², and this to that under r
    start    the observation is a state at the time whose noise it has: walk on from there, exact given the model

Each is measured by how far the mean of its draws lies from the truth, and by how far its draws spread about their mean:
draws from the posterior lie as far from their mean as the truth does, up to the number of draws.
"""

from collections.abc import Callable

import torch
from matplotlib.figure import Figure
from record import Experiment, Row
from torch import Tensor

import quasistatic as qs
from quasistatic import evaluation, sampling
from quasistatic.recipes import digits
from quasistatic.schedule import uniform_times
from quasistatic.types import Time

TAU = 0.5
DRAWS = 8


def multiplied(model: qs.Model, y: Tensor, power: float) -> Callable[[Tensor, Time, Time], Tensor]:
    """A step of the reverse chain times N(y; x_s, τ²/power), both Gaussian, so exactly their product."""

    def step(x_t: Tensor, t: Time, s: Time) -> Tensor:
        law = model.config.process.reverse(x_t, model.denoiser(x_t, t), t, s)
        if not bool(s.any()):
            return law.mean
        weight = 1 / (1 / law.variance + power / TAU**2)
        return qs.Normal(weight * (law.mean / law.variance + power * y / TAU**2), weight.sqrt()).sample()

    return step


@torch.inference_mode()
def draws(model: qs.Model, y: Tensor, method: str, steps: int) -> Tensor:
    """Draw each image DRAWS times, (draws, n, …), in states."""
    process, many = model.config.process, y.repeat(DRAWS, 1, 1, 1)
    if method == "start":
        begin = process.schedule.time_of(torch.tensor([-2.0 * torch.tensor(TAU).log().item()], dtype=torch.float64))
        state = many * process.schedule.alpha_bar(begin).sqrt().item()
        times, step = uniform_times(steps) * begin, sampling.ancestral(process, model.denoiser.given(None))
    else:
        state, times, step = many, uniform_times(steps), multiplied(model, many, 1.0 if method == "paper" else 0.5)
    *_, state = sampling.sample(step, state, times)
    return state.unflatten(0, (DRAWS, -1))


def main() -> None:
    experiment = Experiment.begin("denoising", __doc__ or "")
    data = qs.load("digits")
    model = experiment.learn(qs.override(digits(), ["training.steps=500"]), data, "digits", 10).to("cpu")
    torch.manual_seed(experiment.seed)
    unseen = model.held_out(data)
    x = data.codec.encode(unseen.batch(torch.arange(8 if experiment.quick else 100)))
    y = x + TAU * torch.randn_like(x)
    rows, shown = [], [x, y]
    for method in ("paper", "half", "start"):
        drawn = draws(model, y, method, 10 if experiment.quick else 250)
        value, error = evaluation.mean_and_error((drawn.mean(0) - x).square().flatten(1).mean(1).sqrt())
        rows.append(Row(f"Digits with noise τ = {TAU}, {method}: RMSE of the mean draw", "states", value, error))
        value, error = evaluation.mean_and_error(drawn.var(0).flatten(1).mean(1).sqrt())
        rows.append(Row(f"Digits with noise τ = {TAU}, {method}: spread of the draws", "states", value, error))
        shown.append(drawn[0])
    rows[-1].note = rows[-2].note = "exact given the model"
    sheet = Figure(figsize=(8, 5), dpi=110, layout="constrained")
    for row, (name, images) in enumerate(zip(("truth", "seen", "paper", "half", "start"), shown, strict=True)):
        for column in range(8):
            axes = sheet.add_subplot(5, 8, 8 * row + column + 1, xticks=[], yticks=[])
            axes.imshow(images[column, 0], cmap="gray", vmin=-1, vmax=1)
            axes.set_ylabel(name if column == 0 else "")
    sheet.savefig(experiment.picture())
    experiment.finish(rows)


if __name__ == "__main__":
    main()
