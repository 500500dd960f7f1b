"""The bound of a batch: step by step, or of all windows at once where a causal network draws from left to right."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic import evaluation
from quasistatic.config import Config
from quasistatic.denoiser import Denoise
from quasistatic.distribution import Distribution
from quasistatic.evaluation import BoundTerms, GuessWindows
from quasistatic.model.bundle import Bundle
from quasistatic.model.evaluate.examples import EvaluateOptions
from quasistatic.network.transformer import CausalConfig, CausalTransformer, guesses_in_windows
from quasistatic.process import CategoricalProcess
from quasistatic.schedule import Staggered
from quasistatic.streams import Streams
from quasistatic.types import Label, State


def windowed(config: Config) -> bool:
    """Return whether elements are drawn in windows from left to right, by a network that guesses all at once."""
    (clock, *others) = config.process.schedules
    return (
        not others
        and isinstance(clock, Staggered)
        and clock.order == "left"
        and isinstance(config.network, CausalConfig)
    )


def guess_windows(model: Bundle, label: Label | None = None) -> GuessWindows:
    """Return the guesses of all windows by one pass; see `network.transformer.windows`."""
    network, process = model.network, model.config.process
    assert isinstance(network, CausalTransformer)
    assert isinstance(process, CategoricalProcess)

    def guess(x: State, x_t: State, window: Int[Tensor, "batch length"]) -> Distribution:
        output = guesses_in_windows(network, x, x_t, window, label)
        # a masked element tells nothing but that it is masked, at any time
        return model.config.head.read(output, x_t, torch.full((len(x),), 0.5, dtype=torch.float64), process.together)

    return guess


def bound_of(
    model: Bundle,
    x: State,
    denoise: Denoise,
    label: Label | None,
    options: EvaluateOptions,
    streams: Streams,
    chances: Float[Tensor, " steps"] | None,
) -> BoundTerms:
    """Return the bound's terms of a batch, in nats of its states.

    Args:
        model: the model.
        x: the states.
        denoise: the guesses, with labels bound.
        label: of each example.
        options: with the number of steps, and of draws.
        streams: random numbers of each example.
        chances: of the steps, where they are drawn one by one.
    """
    process, decode = model.config.process, model.specification.codec.decoder
    times = model.times(options.steps, grid=options.grid)
    if windowed(model.config):
        guess = guess_windows(model, label)
        return evaluation.bound_in_windows(process, guess, decode, x, times, options.draws, streams)
    return evaluation.bound(process, denoise, decode, x, times, options.draws, streams, chances)
