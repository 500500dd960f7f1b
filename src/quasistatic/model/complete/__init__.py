"""Draws completions of examples from a model, in raw units, given any observation.

    known, within, noisy, low_resolution    make an observation of raw values     states    takes one in state units
    complete                        draws the data given the observation, by one of the `methods.METHODS`

A `Completion` says which method made it and how exact that is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from quasistatic import inference
from quasistatic.data import AffineCodec, BitsCodec, Codec, LevelsCodec, TableCodec
from quasistatic.data.table.conditions.loose import Loose
from quasistatic.denoiser import Denoise, distinct
from quasistatic.distribution.limits import Limit, Noise
from quasistatic.inference import InOrder, Known, Noisy, Observation
from quasistatic.model import inputs
from quasistatic.model.bench import Bench, DrawOptions
from quasistatic.model.bundle import Bundle
from quasistatic.model.draw import draw
from quasistatic.model.methods import METHODS, fitting, method_called
from quasistatic.process import FiniteProcess
from quasistatic.runtime.fields import Positive, brief, misfit
from quasistatic.types import Nats, Watch, per_example

OnDraws = Callable[[Shaped[Tensor, " some *shape"]], None]
"""Takes raw draws as they are done."""


@dataclass(frozen=True, eq=False)
class Given:
    """What was observed of ``count`` examples.

    Attributes:
        observation: in the units of the states.
        count: how many examples.
        log_jacobian: converts its evidence to raw units, in nats.
        numbers: of the examples, which decide their random numbers; None: from 0 on.
    """

    observation: Observation
    count: int
    log_jacobian: Nats
    numbers: Int[Tensor, " count"] | None = None

    def take(self, rows: Int[Tensor, " rows"], numbers: Int[Tensor, " rows"] | None = None) -> "Given":
        """Return what was observed of the examples ``rows``, under other ``numbers`` or those that they had."""
        if numbers is None:
            numbers = rows if self.numbers is None else self.numbers[rows]
        return Given(self.observation.take(rows), len(rows), self.log_jacobian[rows], numbers)

    def __mul__(self, other: "Given") -> "Given":
        if self.count != other.count:
            raise ValueError(f"observations are of the same examples, got {self.count} and {other.count} of them")
        return Given(
            self.observation * other.observation, self.count, self.log_jacobian + other.log_jacobian, self.numbers
        )


@dataclass(frozen=True, eq=False)
class Completion:
    """Draws of the data given what was observed.

    Attributes:
        draws: raw values (n, draws, *shape), on the CPU.
        method: hold, reveal, condition, denoise, guide or particle.
        network_evaluations: of the network, for all draws of all examples; a backward pass counts as two.
        effective: lowest effective number of particles of each example; particle only.
        log_evidence: log-probability of what was observed, raw values, in nats; particle only.
        error: its standard error, NaN for one island; particle only.
    """

    draws: Shaped[Tensor, "n draws *shape"]
    method: str
    network_evaluations: int
    effective: Float[Tensor, " n"] | None = None
    log_evidence: Nats | None = None
    error: Nats | None = None

    @property
    def exactness(self) -> str:
        """How exact the method is, in words."""
        return METHODS[self.method].exactness


def known(model: Bundle, observed: Shaped[Tensor, " n *shape"], mask: Bool[Tensor, " n *shape"]) -> Given:
    """Observe raw values where ``mask``; those outside it are not read.

    Raises:
        ValueError: if shapes differ from the model's, or nothing or everything is known.
    """
    observed, mask = inputs.tensor("what was observed", observed), inputs.mask("a mask", mask)
    model.specification.check_shape(observed.shape[1:], "observations")
    if mask.shape != observed.shape:
        raise ValueError(f"a mask covers {tuple(observed.shape)}, got one of shape {tuple(mask.shape)}")
    if bool(mask.all()) or not bool(mask.any()):
        share = "everything" if bool(mask.all()) else "nothing"
        raise ValueError(f"inference needs some values known and some not, got {share} known; use `sample` for none")
    codec = model.specification.codec
    # What is not known may be NaN, or no level: it is given a value that the codec can read.
    filler = codec.decode(torch.zeros(1, *observed.shape[1:])).to(observed.dtype)
    x = codec.encode(torch.where(mask, observed, filler)).to(model.device)
    there = mask.to(model.device)
    return Given(Known(there, x), len(x), per_example(torch.where(there, codec.log_jacobian(x), 0)).double().cpu())


def within(
    model: Bundle, observed: Float[Tensor, "n columns"], mask: Bool[Tensor, "n columns"], loose: Mapping[int, Loose]
) -> Given:
    """Observe raw cells of a table where ``mask``, and others loosely: within limits, or with noise.

    Raises:
        ValueError: see `known`; nothing need be known for certain.
    """
    if bool(mask.any()):
        given = known(model, observed, mask)
    else:
        there = mask.to(model.device)
        given = Given(Known(there, torch.zeros_like(there, dtype=torch.float32)), len(mask), torch.zeros(len(mask)))
    codec = model.specification.codec
    assert isinstance(codec, TableCodec)
    limits = {}
    for column, own in loose.items():
        noise = Noise(own.y, own.std, own.ends, codec.columns[column].decode) if own.noisy else None
        limits[column] = Limit(own.parts, noise)
    return Given(given.observation * inference.Within(limits), given.count, given.log_jacobian.double())


def noisy(
    model: Bundle, observed: Shaped[Tensor, " n *shape"], std: float, mask: Bool[Tensor, " n *shape"] | None = None
) -> Given:
    """Observe raw values with noise N(0, std²), of all elements or those where ``mask``.

    Raises:
        TypeError: if the model's data are no numbers.
        ValueError: if shapes differ from the model's, nothing was observed, or ``std`` is not above 0.
    """
    observed = inputs.tensor("what was observed", observed)
    check_std(std)
    model.specification.check_shape(observed.shape[1:], "observations")
    mask = torch.ones_like(observed, dtype=torch.bool) if mask is None else inputs.mask("a mask", mask)
    if mask.shape != observed.shape:
        raise ValueError(f"a mask covers {tuple(observed.shape)}, got one of shape {tuple(mask.shape)}")
    if not bool(mask.any()):
        raise ValueError("inference needs something observed, got nothing; use `sample`")
    y, slope = as_states(model.specification.codec, torch.where(mask, observed, 0))
    mask = mask.to(model.device)
    jacobian = per_example(torch.where(mask, slope.log(), 0)).double().cpu()
    return Given(Noisy(y.to(model.device), (slope * std).to(model.device).contiguous(), mask), len(y), jacobian)


def low_resolution(
    model: Bundle, observed: Shaped[Tensor, "n channels rows columns"], factor: int, std: float
) -> Given:
    """Observe raw means over blocks of ``factor`` × ``factor`` pixels, with noise N(0, std²).

    Raises:
        TypeError: if the model's data are no numbers.
        ValueError: if the blocks do not make up the model's images, or ``factor`` or ``std`` is too small.
    """
    observed, shape = inputs.tensor("what was observed", observed), model.specification.shape
    check_factor(factor, shape)
    check_std(std)
    wanted = (shape[0], *(side // factor for side in shape[1:])) if factor > 1 else shape
    if len(shape) != 3 or any(side % factor for side in shape[1:]) or tuple(observed.shape[1:]) != wanted:
        made, came = ("×".join(map(str, sides)) for sides in (shape, observed.shape[1:]))
        raise ValueError(f"means over {factor}×{factor} pixels of images of {made} have that size divided, got {came}")
    y, slope = as_states(model.specification.codec, observed)
    if bool((slope != slope.flatten()[0]).any()):
        raise TypeError("super-resolution needs one scale for all channels; train with data in the same units")
    scale = slope.flatten()[0]
    made_of = inference.super_resolution(y.to(model.device), factor, std * scale.item())
    return Given(made_of, len(y), torch.full((len(y),), y[0].numel() * scale.log().item(), dtype=torch.float64))


def check_factor(factor: int, shape: tuple[int, ...]) -> None:
    """Check that blocks of ``factor`` × ``factor`` pixels fit images of this ``shape``.

    Raises:
        ValueError: if the factor is below 2 or beyond the image's sides, or the examples are no images.
    """
    if isinstance(factor, bool) or not isinstance(factor, int) or factor < 2:
        raise ValueError(f"super-resolution has a factor of 2 or more, got {brief(factor)}")
    if len(shape) != 3 or factor > min(shape[1:]):
        sides = "×".join(map(str, shape))
        raise ValueError(
            f"super-resolution divides the sides of images, and an example is {sides}, got {brief(factor)}"
        )


def check_std(std: float) -> None:
    """Check that a standard deviation of noise is above 0 and finite.

    Raises:
        ValueError: if ``std``, in raw units, is not above 0 and finite.
    """
    if misfit(Positive, std) is not None:
        raise ValueError(
            f"noise has a std above 0, got {brief(std)}; what is certain is `Known`, and infinite noise says nothing"
        )


def nearest(model: Bundle, values: Shaped[Tensor, " n *shape"], mask: Bool[Tensor, " n *shape"]) -> Tensor:
    """Return observed numbers, which may be noisy or means, as the nearest raw values of the model where ``mask``."""
    codec = model.specification.codec
    if not isinstance(codec, LevelsCodec) or not values.is_floating_point():
        return values
    return codec.decode(as_states(codec, values.where(mask, codec.low))[0])


def states(observation: Observation, count: int) -> Given:
    """Wrap an observation in state units; its evidence is in state units too."""
    return Given(observation, count, torch.zeros(count, dtype=torch.float64))


def as_states(codec: Codec, raw: Shaped[Tensor, " n *shape"]) -> tuple[Float[Tensor, " n *shape"], Tensor]:
    """Return raw numbers, levels or not, in the units of the states, and states per raw unit of each.

    Raises:
        TypeError: if the codec's values are no numbers.
    """
    match codec:
        case LevelsCodec():
            slope = torch.full(raw.shape, 2 / (codec.high - codec.low))
            return ((raw.double() - codec.low) * slope - 1).float(), slope
        case AffineCodec():
            return codec.encode(raw), codec.log_jacobian(raw).float().exp().expand(raw.shape)
        case BitsCodec():
            return raw.float(), torch.ones(raw.shape)
    raise TypeError(f"noise and averages are of numbers, and the model's data are {codec}; give known values instead")


def complete(
    model: Bundle,
    given: Given,
    method: str | None = None,
    options: DrawOptions | None = None,
    watch: Watch | None = None,
    on_draws: OnDraws | None = None,
) -> Completion:
    """Draw data given what was observed.

    Args:
        model: whose distribution it is.
        given: what was observed; see `known`, `noisy`, `low_resolution` and `states`.
        method: ``hold`` (heuristic), ``reveal`` (for a process that ends in a mask: exact given the guesses) and
            ``condition`` (for tables: the same) take known values only, ``denoise`` (the same) even noise on all
            values; ``guide`` (approximate) and ``particle`` (exact in the limit) take anything. None takes the most
            exact that costs no more than a sample, or ``guide`` if there is none.
        options: how draws are made; `DrawOptions` has the defaults.
        watch: called with (steps done, steps in all).
        on_draws: called with raw values of the draws that are done, in order: all of the first example, then of the
            next. Few draws are then made at once at first. Particles are drawn together, without such calls.

    Raises:
        ValueError: if a name or number makes no sense.
        TypeError: if the method does not apply to this observation or process.
        ContradictionError: if what was observed has probability zero.

    Warns:
        FewParticles: if the effective number of particles is low.
    """
    method, options = method_for(model, given, method), options or DrawOptions()
    parts = replace(bench(model, options), numbers=given.numbers)
    if on_draws is not None:
        decode, seen = model.specification.codec.decode, on_draws
        parts = replace(parts, on_rows=lambda rows: seen(decode(rows)))
    found = draw(parts, given.observation, given.count, method, options, watch)
    raw = model.specification.codec.decode(found.x.flatten(0, 1)).unflatten(0, found.x.shape[:2])
    log_evidence = None if found.log_evidence is None else found.log_evidence + given.log_jacobian
    return Completion(raw, method, found.network_evaluations, found.effective, log_evidence, found.error)


def method_for(model: Bundle, given: Given, name: str | None = None) -> str:
    """Return the name of a method; None chooses the most exact at the cost of a sample (`methods.fitting`).

    Raises:
        ValueError: if there is no such method.
    """
    if name:
        return method_called(name).name
    return fitting(model.config.process, given.observation, model.shown, model.levels_of_means).name


def bench(model: Bundle, options: DrawOptions) -> Bench:
    """Return the parts of a model that inference methods use.

    Raises:
        ValueError: if the model does not know the label, or there is a scale without one.
    """
    follows, process = model.follows and options.scale == 1, model.config.process

    def guess(count: int) -> Denoise:
        return model.denoise(model.labels(options.label, count, options.condition), scale=options.scale)

    return Bench(
        process,
        partial(distinct, guess) if isinstance(process, FiniteProcess) else guess,
        torch.zeros(1, *model.specification.shape, device=model.device),
        model.specification.codec.decoder,
        model.batch_size(),
        (lambda seen: model.given(model.labels(options.label, len(seen), options.condition), seen))
        if model.shown
        else None,
        model.levels_of_means,
        partial(_in_order, model, options) if follows else None,
        (lambda count: model.follow(model.labels(options.label, count, options.condition))) if follows else None,
    )


def _in_order(model: Bundle, options: DrawOptions, count: int) -> InOrder:
    label = model.labels(options.label, count, options.condition)
    return lambda x: model.denoiser.left_to_right(x, None if label is None else label[: len(x)]).log_prob(x)
