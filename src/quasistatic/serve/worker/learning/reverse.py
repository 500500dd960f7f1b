"""The lesson of the reverse process: back from noise, by an exact guess of the digits or by a run's own model.

The exact guess takes the data to be the digits themselves, each as likely as another:

    w_i ∝ q(x_t | x_i),    E[x | x_t] = Σ w_i x_i,    x_s ~ q(x_s | x_t, x_i) with i ~ w

so the reverse chain is exact at any number of steps, and ends at one of the digits. A model knows only examples of its
law; what it draws at the end is new.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic import sampling
from quasistatic.data import Codec, load
from quasistatic.model import Model
from quasistatic.plotting.picture import pictures
from quasistatic.process import GaussianProcess
from quasistatic.schedule import uniform_times
from quasistatic.serve.worker import asked, shown
from quasistatic.serve.worker.desk import Desk
from quasistatic.serve.worker.learning.forward import schedule_of
from quasistatic.streams import Streams
from quasistatic.types import State, Time

CHAINS, FRAMES = 4, 13
"""Pictures that go back from noise at once, and times that are shown."""

Guess = Callable[[State, Time], tuple[State, float | None]]
"""(x_t, t) → the mean guess of the data, and the effective number of digits that it is an average of."""


class Digits:
    """The exact denoiser of data that are one of ``known``, each as likely as another."""

    def __init__(self, process: GaussianProcess, known: Float[Tensor, " n *shape"]) -> None:
        self.process, self.known = process, known

    def weights(self, x_t: Float[Tensor, " batch *shape"], t: Time) -> Float[Tensor, "batch n"]:
        """Return p(x = known_i | x_t)."""
        at = t[:1].expand(len(self.known))
        law = self.process.forward(self.known, torch.zeros_like(at), at)
        return torch.stack([law.log_prob(one.expand_as(self.known)).flatten(1).double().sum(1) for one in x_t]).softmax(
            1
        )

    def guess(self, x_t: State, t: Time) -> tuple[State, float | None]:
        """Return E[x | x_t], and how many digits it is an average of: exp of the weights' mean entropy."""
        weights = self.weights(x_t, t)
        entropy = -(weights * weights.clamp(min=1e-300).log()).sum(1).mean()
        return torch.einsum("bn,n...->b...", weights, self.known.double()).to(x_t), entropy.exp().item()

    def step(self, x_t: State, t: Time, s: Time, generator: torch.Generator) -> State:
        """Draw x_s: one of the digits by its weight, then the step back that leads there."""
        chosen = self.known[torch.multinomial(self.weights(x_t, t), 1, generator=generator)[:, 0]]
        return self.process.reverse(x_t, self.process.point(chosen), t, s).sample(generator)


def reverse_walk(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Walk back from noise; return states and guesses at some times, and how many digits a guess is an average of.

    Raises:
        ValueError: if a run is named whose data are no images, or whose process is not Gaussian.
    """
    steps = asked.whole(request, "reverse_steps", 60, 1000)
    seed = asked.whole(request, "seed", 0, 2**53, 0)
    if request.get("run") is not None:
        return _by_model(desk, steps, seed)
    process, dataset = GaussianProcess(schedule_of(request)), load("digits")
    exact = Digits(process, dataset.codec.encode(dataset.batch(torch.arange(len(dataset)))))
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(CHAINS, *dataset.shape, generator=generator)
    walk = sampling.sample(lambda x_t, t, s: exact.step(x_t, t, s, generator), x, uniform_times(steps))
    found = _frames(desk, walk, x, steps, exact.guess, dataset.codec)
    return {**found, "of": len(dataset)}


def _by_model(desk: Desk, steps: int, seed: int) -> dict[str, Any]:
    model: Model = desk.model()
    process, codec = model.config.process, model.specification.codec
    if not isinstance(process, GaussianProcess) or shown.kind_of_data(model.specification) != "images":
        raise ValueError(
            "this lesson goes back to images by a Gaussian process, and this run has others; choose another"
        )
    denoise, streams = model.denoise(), Streams(seed, 0, CHAINS)
    x = process.prior(torch.zeros(CHAINS, *model.specification.shape, device=model.device)).sample(streams)
    step = sampling.ancestral(process, denoise, streams)

    def guess(x_t: State, t: Time) -> tuple[State, float | None]:
        return denoise(x_t, t).mean, None

    return {**_frames(desk, sampling.sample(step, x, uniform_times(steps)), x, steps, guess, codec), "of": None}


def _frames(desk: Desk, walk: Any, x: State, steps: int, guess: Guess, codec: Codec) -> dict[str, Any]:
    """Return pictures of the states and the guesses at about `FRAMES` times, the first at t = 1."""
    every = max(1, -(-steps // (FRAMES - 1)))
    times, states, guesses, counts = [], [], [], []

    def keep(state: State, t: float) -> None:
        mean, count = (state, 1.0) if t == 0 else guess(state, torch.full((len(state),), t, dtype=torch.float64))
        times.append(t)
        states.append([shown.uri(one) for one in pictures(codec.decode(state), codec)])
        guesses.append([shown.uri(one) for one in pictures(codec.decode(mean), codec)])
        counts.append(count)

    with torch.no_grad():
        keep(x, 1.0)
        for done, state in enumerate(walk, 1):
            desk.progress(done, steps)
            if done % every == 0 or done == steps:
                keep(state, 1 - done / steps)
    return {"times": times, "states": states, "guesses": guesses, "counts": None if None in counts else counts}
