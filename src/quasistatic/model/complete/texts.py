"""Texts with gaps: of one character (``?``), of unknown length (``*``), or one of several texts (``{can|could}``).

A text with ``*`` or alternatives is one of several candidates, each with single gaps only. Each has its evidence, the
model's probability of what is known of it, and given the text as it was written,

    p(candidate) = evidence of the candidate / Σ evidence of all candidates

which ranks alternatives, and is the law of a gap's length. Draws take a candidate by this law, then fill its gaps.
The evidence of a candidate without single gaps is exact; else by particles (`inference.particles.gaps`), exact in the
limit of many.
"""

import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from quasistatic.data import BytesCodec, Codec, RecordsCodec, TextCodec
from quasistatic.data.codec.text import CharactersCodec, excerpt
from quasistatic.data.observed import UNKNOWN
from quasistatic.denoiser import Denoise, Denoiser, distinct
from quasistatic.denoiser.denoiser import finite
from quasistatic.distribution import Categorical, Distribution, standard_uniform
from quasistatic.evaluation.likelihood.ordered import mask_of
from quasistatic.inference import FewParticles, Known, ParticleOptions, Particles, filled_gaps, gaps_of
from quasistatic.inference.particles.walk import warn_of_few
from quasistatic.model.bench import DrawOptions
from quasistatic.model.build import one_by_one
from quasistatic.model.bundle import Bundle
from quasistatic.process import CategoricalProcess
from quasistatic.streams import Streams, derived_seed
from quasistatic.types import State, Time, Watch

ANY = "*"
"""The character that marks a gap of unknown length."""

CHOICE = re.compile(r"\{([^{}]*\|[^{}]*)\}")
"""Alternatives, with | between them."""

MOST, ISLANDS = 1000, 4
"""Maximum number of candidates of a text, and groups of particles of each."""

LONGEST = 12
"""Characters that a gap of unknown length has at most, unless another number is given."""

PROBABLE = 0.01
"""Probability of a reading from which few effective particles are warned of."""


@dataclass(frozen=True)
class Candidate:
    """One reading of a text, with ``?`` for each unknown character.

    Attributes:
        text: the text.
        probability: among all candidates.
        log_evidence: log p of what is known of it, in nats.
        error: standard error of ``log_evidence``, from the spread of groups of particles; 0 if it is exact.
    """

    text: str
    probability: float
    log_evidence: float
    error: float


@dataclass(frozen=True, eq=False)
class Filled:
    """A text whose gaps were filled.

    Attributes:
        candidates: all readings of the text, the most probable first.
        draws: whole texts.
        network_evaluations: of all readings; each particle counts.
    """

    candidates: tuple[Candidate, ...]
    draws: tuple[str, ...]
    network_evaluations: int = 0


def is_open(text: str, codec: Codec) -> bool:
    """Return whether a text has alternatives or gaps of unknown length; not if their signs are in the alphabet.

    A single gap opens a record, too: what is unknown there is a character, and not the record's end.
    """
    signs = (ANY, UNKNOWN) if isinstance(codec, RecordsCodec) else (ANY,)
    return any(one in text and _free(one, codec) for one in signs) or (
        _free("{|}", codec) and CHOICE.search(text) is not None
    )


def readings(text: str, codec: Codec, longest: int) -> list[str]:
    """Return the candidates of a text, with gaps of up to ``longest`` characters for each ``*``.

    Raises:
        ValueError: if there are too many, or an alternative is there twice.
    """
    parts: list[Sequence[str]] = [[part] for part in re.split(r"(\*|\{[^{}]*\|[^{}]*\})", text)]
    for place, (part,) in enumerate(parts):
        if part == ANY and _free(ANY, codec):
            parts[place] = [UNKNOWN * length for length in range(longest + 1)]
        elif (found := CHOICE.fullmatch(part)) and _free("{|}", codec):
            parts[place] = found[1].split("|")
    total = math.prod(map(len, parts))
    if total > MOST:
        raise ValueError(
            f"a text has at most {MOST} readings, got {total} of {excerpt(text)!r}; give fewer alternatives, or a "
            "smaller --longest"
        )
    made = ["".join(chosen) for chosen in product(*parts)]
    if len(set(made)) < len(made):
        raise ValueError(f"alternatives are different, got two readings of {excerpt(text)!r} that are the same")
    return made


def fill(
    model: Bundle,
    text: str,
    longest: int = LONGEST,
    options: DrawOptions | None = None,
    watch: Watch | None = None,
) -> Filled:
    """Weigh the readings of a text, and draw texts given what is known.

    Args:
        model: one that draws texts from left to right.
        text: with ``?``, ``*`` or ``{one|other}`` for what is not known; for a model of records, one record.
        longest: characters that a ``*`` stands for at most; fewer where the model's examples end before.
        options: number of draws, particles and islands, label, condition and seed.
        watch: called with (readings done, readings in all).

    Raises:
        ValueError: if the model is of other data, a character is not in the alphabet, or no reading fits.
        TypeError: if the model does not draw from left to right.

    Warns:
        FewParticles: if few of the particles of a probable reading count.
    """
    options, codec = options or DrawOptions(), model.specification.codec
    if not isinstance(codec, TextCodec):
        raise ValueError(f"gaps in texts are filled by a model of texts, got one of {codec}; give it data of its kind")
    if not one_by_one(model.config) or options.scale != 1:
        raise TypeError(
            "readings of a text are weighed by a model that draws from left to right, without a guidance scale, got "
            "another; train one by the recipe text, or leave --scale out"
        )
    texts = readings(text, codec, longest)
    most = codec.longest if isinstance(codec, RecordsCodec) else model.specification.dimensions
    long = len if isinstance(codec, RecordsCodec) else lambda one: len(_states(model, one)[0])
    fitting = [one for one in texts if long(one) <= most]
    if not fitting:
        raise ValueError(
            f"the model's texts have at most {most} elements, got more in every reading of {excerpt(text)!r}; cut it"
        )
    found = [
        _weighed(model, one, options, number, watch and partial(watch, number + 1, len(fitting)))
        for number, one in enumerate(fitting)
    ]
    chance = torch.tensor([one.log_evidence for one in found], dtype=torch.float64).softmax(0)
    for share, one in zip(chance.tolist(), found, strict=True):
        if share > PROBABLE and one.particles is not None:
            warn_of_few(one.particles.lowest, one.particles.x.shape[1])
    order = chance.argsort(descending=True, stable=True).tolist()
    candidates = tuple(Candidate(fitting[k], chance[k].item(), found[k].log_evidence, found[k].error) for k in order)
    evaluations = sum(one.network_evaluations for one in found)
    return Filled(candidates, tuple(_drawn(model, found, chance, options)), evaluations)


@dataclass(frozen=True, eq=False)
class _Weighed:
    """A reading with its particles; without single gaps, its text."""

    log_evidence: float
    error: float
    text: str
    network_evaluations: int
    particles: Particles | None = None


def _states(model: Bundle, text: str) -> tuple[Int[Tensor, " elements"], Bool[Tensor, " elements"]]:
    """Return the states of a reading, and the mask of known ones.

    Raises:
        ValueError: if a character is not in the alphabet.
    """
    codec = model.specification.codec
    assert isinstance(codec, TextCodec)
    if isinstance(codec, RecordsCodec) and len(text) <= codec.longest:
        text = codec.padded(text)
    gaps = torch.tensor([one == UNKNOWN for one in text]) if isinstance(codec, CharactersCodec) else None
    if gaps is None or not _free(UNKNOWN, codec):
        states = codec.encode(codec.split(text)[None])[0]
        return states, torch.ones_like(states, dtype=torch.bool)
    filler = codec.text(codec.decode(torch.zeros(1, dtype=torch.int64)))
    return codec.encode(codec.split(text.replace(UNKNOWN, filler))[None])[0], ~gaps


def _weighed(model: Bundle, text: str, options: DrawOptions, number: int, done: Callable[[], None] | None) -> _Weighed:
    """Return a reading with its evidence; its random numbers depend on its ``number``."""
    states, known = _states(model, text)
    whole, islands = bool(known.all()), options.islands
    count = 1 if whole else options.particles
    if not whole and islands == 1 and count % ISLANDS == 0:
        islands = ISLANDS
    plain = _without_clock(model)
    label = model.labels(options.label, count, options.condition)
    guess = distinct(lambda rows: plain.given(None if label is None else label[:rows]), count)
    seen = Known(known[None].to(model.device), states[None].to(model.device))
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FewParticles)  # said of probable readings only
        found = filled_gaps(
            _without_end(guess, model.specification.codec),
            lambda x: plain.left_to_right(x, None if label is None else label[: len(x)]).log_prob(x),
            seen,
            mask_of(model.config.process),
            count,
            ParticleOptions(
                islands=1 if whole else islands,
                generator=Streams(derived_seed(options.seed, f"reading {number}"), 0, count),
            ),
        )
    if done:
        done()
    gaps = [stop - first + 1 for first, stop, _ in gaps_of(known)]  # a pass for each element, one to weigh each gap
    calls, evidence = count * max(1, sum(gaps)), found.log_evidence.item()
    return _Weighed(evidence, 0.0, text, calls) if whole else _Weighed(evidence, found.error.item(), text, calls, found)


def _without_end(denoise: Denoise, codec: Codec) -> Denoise:
    """Return guesses of characters: in a gap of a record, none is its end. Weights are those of the model's own law."""
    if not isinstance(codec, RecordsCodec):
        return denoise

    def guess(x_t: State, t: Time) -> Distribution:
        found = denoise(x_t, t)
        assert isinstance(found, Categorical)
        ends = torch.arange(found.logits.shape[-1], device=found.logits.device) == len(codec.alphabet)
        hidden = (x_t > len(codec.alphabet))[..., None]
        return Categorical(found.logits.masked_fill(ends & hidden, -math.inf))

    return guess


def _without_clock(model: Bundle) -> Denoiser:
    """Return the model's guesses for sequences of any length: its process with one clock for all elements."""
    process = model.config.process
    assert isinstance(process, CategoricalProcess)
    return Denoiser(process.together, finite(model.network), model.config.head)


def _drawn(
    model: Bundle, found: Sequence[_Weighed], chance: Float[Tensor, " readings"], options: DrawOptions
) -> Iterator[str]:
    """Yield texts: each takes a reading by its chance, and one of its particles by weight."""
    codec = model.specification.codec
    assert isinstance(codec, TextCodec)
    streams = Streams(derived_seed(options.seed, "which reading"), 0, options.draws)
    u = standard_uniform(torch.zeros(options.draws, 2, dtype=torch.float64), streams)
    chosen = torch.searchsorted(chance.cumsum(0), u[:, 0].contiguous()).clamp(max=len(found) - 1)
    for place, own in zip(chosen.tolist(), u[:, 1], strict=True):
        one = found[place]
        if one.particles is None:
            yield one.text
            continue
        weights = one.particles.log_weights[0].exp().cumsum(0)
        row = min(int(torch.searchsorted(weights, own.to(weights))), len(weights) - 1)
        yield codec.text(codec.decode(one.particles.x[0, row].cpu()))


def _free(characters: str, codec: Codec) -> bool:
    """Return whether characters are in no alphabet, so that they can be signs."""
    return not isinstance(codec, BytesCodec) and not set(characters) & set(getattr(codec, "alphabet", ""))
