"""Ranks the examples of a data set by their bound: draws until the order is decided, the same times and noise for all.

Effort goes to the examples whose place is open (`evaluation.ranking`). Of images, the complexity is measured.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic import evaluation
from quasistatic.data import BitsCodec, Dataset, LevelsCodec, StatesCodec
from quasistatic.data.dataset import spread
from quasistatic.evaluation import BoundTerms, Ordered, Score, Works
from quasistatic.evaluation.ranking import Order, chances_by_share, complexity, decide, pilot_steps, typicality
from quasistatic.evaluation.ranking.order import FIRST
from quasistatic.model.build import one_by_one
from quasistatic.model.bundle import Bundle
from quasistatic.model.evaluate import bands, evaluate_with_detail
from quasistatic.model.evaluate.examples import EvaluateOptions, examples, fitting_data
from quasistatic.model.evaluate.summary import completed
from quasistatic.runtime.fields import Checked, Range, check_fields, option
from quasistatic.streams import Streams, derived_seed
from quasistatic.types import Watch

DRAWS, PILOT = 4, 8
"""Steps that a round evaluates, besides the last, and examples that decide which steps are drawn."""

TYPICAL = 256
"""Maximum number of typical examples that are scored for p-values."""

BYTE = 256
"""Levels that a compressor of images takes."""

OnElements = Callable[[Int[Tensor, " rows"], Float[Tensor, " rows *shape"]], None]
"""(rows, shares) → None: called for each round with the shares of the elements in minus the bound, in nats."""


@dataclass(frozen=True)
class RankOptions(Checked):
    """When a ranking is decided; each field's metadata has its help text, which the command shows.

    Raises:
        ValueError: if a number is of another type or out of its range.
    """

    certainty: Annotated[float, Range(above=0, below=1)] = option(
        0.95, "Probability to reach that a pair is in order, on average."
    )
    max_draws: Annotated[int, Range(at_least=2 * DRAWS, at_most=10**6)] = option(
        256, "Maximum time steps per example that a ranking evaluates."
    )

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, eq=False)
class Scored:
    """A score with what is known of each example, in the order of the data set; what does not apply is None.

    Attributes:
        score: the score; after a ranking, ``score.ranking`` says how certain the order is.
        detail: what its plot needs; after a ranking, the bound's terms in the rounds that all examples took.
        draws: time steps evaluated for each example.
        certainties: mean probability that an example and another are in the right order; NaN for a single example.
        complexity: bits/dim of a lossless compressor, for images of at most 256 levels.
        typicality: two-sided p-value of the bound among those of typical examples.
        typicality_above_complexity: the same of the bound minus complexity.
        typical_bits: the typical examples' own bits/dim, from the same rounds.
    """

    score: Score
    detail: BoundTerms | Works | Ordered | None = None
    draws: Int[Tensor, " examples"] | None = None
    certainties: Float[Tensor, " examples"] | None = None
    complexity: Float[Tensor, " examples"] | None = None
    typicality: Float[Tensor, " examples"] | None = None
    typicality_above_complexity: Float[Tensor, " examples"] | None = None
    typical_bits: Float[Tensor, " typical"] | None = None

    @property
    def bits_per_dim(self) -> Float[Tensor, " examples"]:
        """Minus the bound of each example, in bits/dim."""
        return self.score.bits(-self.score.log_likelihoods)

    @property
    def columns(self) -> dict[str, Tensor]:
        """What a file of scores shows of each example besides its bound, by name."""
        found = {
            "draws": self.draws,
            "certainty": self.certainties,
            "complexity": self.complexity,
            "bits_above_complexity": self.bits_above_complexity,
            "typicality": self.typicality,
            "typicality_above_complexity": self.typicality_above_complexity,
        }
        return {name: values for name, values in found.items() if values is not None}

    @property
    def bits_above_complexity(self) -> Float[Tensor, " examples"] | None:
        """The bound's bits/dim minus those of the compressor; None without complexity."""
        return None if self.complexity is None else self.bits_per_dim - self.complexity


def rank_examples(
    model: Bundle,
    dataset: Any,
    options: EvaluateOptions,
    ranking: RankOptions,
    typical: Any = None,
    on_elements: OnElements | None = None,
    watch: Watch | None = None,
) -> Scored:
    """Score ``dataset`` by the bound until the order of its examples is certain; see `Model.rank`.

    Args:
        model: the model.
        dataset: raw data of the model's shape.
        options: of the bound; its ``draws`` and ``target_error`` are not used.
        ranking: when the order is decided.
        typical: examples of the usual kind that the model was not trained on; at most `TYPICAL` of them are scored.
        on_elements: called for each round with some examples and their elements' shares in minus the bound, in nats.
        watch: called with (examples done, examples planned), each counted once per round.

    Raises:
        ValueError: if the data are of another shape or range.
        FloatingPointError: if an example's score is not a number.
    """
    dataset = fitting_data(model, model.data(dataset))
    dataset = dataset if options.limit is None else dataset.select(spread(len(dataset), options.limit))
    options = replace(options, draws=DRAWS, limit=None, target_error=None)
    if one_by_one(model.config):
        return _ranked_exactly(model, dataset, options, typical, on_elements, watch)
    chances, spent = _chances(model, dataset, options)
    most = ranking.max_draws // DRAWS
    rounds = Rounds(model, dataset, options, chances, min(FIRST, most), on_elements, watch)
    order = decide(rounds, len(dataset), ranking.certainty, most)
    ranked = replace(_ranked(model, rounds, order, ranking, spent), complexity=complexities(dataset))
    return ranked if typical is None else _among(ranked, rounds, typical, ranking)


def complexities(dataset: Dataset) -> Float[Tensor, " examples"] | None:
    """Return the complexity of each image in bits/dim; None unless the data are images of at most 256 levels."""
    match dataset.codec:
        case LevelsCodec(low, _, levels) if levels <= BYTE:
            low, step = low, dataset.codec.step
        case StatesCodec(states) if states <= BYTE:
            low, step = 0, 1
        case BitsCodec():
            low, step = 0, 1
        case _:
            return None
    if len(dataset.shape) != 3:
        return None
    blocks = torch.arange(len(dataset)).split(BYTE)
    bits = [complexity(((dataset.batch(rows).long() - low) // step).to(torch.uint8)) for rows in blocks]
    return torch.cat(bits) / dataset.dimensions


def _chances(model: Bundle, dataset: Dataset, options: EvaluateOptions) -> tuple[Tensor | None, int]:
    """Return the sampling probability of each step, None if all are evaluated, and the evaluations that this cost."""
    times = model.times(options.steps, grid=options.grid)
    if len(times) - 2 <= DRAWS:
        return None, 0
    few = dataset.select(spread(len(dataset), PILOT))
    seed, process = derived_seed(options.seed, "where to look"), model.config.process
    with torch.inference_mode():
        pilots = [pilot_steps(process, denoise, x, times, seed) for x, denoise, _ in examples(model, few, options)]
    pilot = replace(pilots[0], costs=torch.cat([part.costs for part in pilots], 1))
    return chances_by_share(pilot, len(times) - 2), pilot.evaluations * len(few)


def _ranked_exactly(
    model: Bundle,
    dataset: Dataset,
    options: EvaluateOptions,
    typical: Dataset | None,
    on_elements: OnElements | None,
    watch: Watch | None,
) -> Scored:
    """Return exact scores, whose order is certain."""
    score, detail = evaluate_with_detail(model, dataset, "bound", options, watch)
    if on_elements is not None and isinstance(detail, Ordered):
        on_elements(torch.arange(len(dataset)), -detail.elements)
    ranked = Scored(score, detail, complexity=complexities(dataset))
    if typical is None:
        return ranked
    typical = fitting_data(model, _labelled_like(dataset, typical))
    others = Scored(evaluate_with_detail(model, typical.select(spread(len(typical), TYPICAL)), "bound", options)[0])
    p_values = typicality(ranked.bits_per_dim, others.bits_per_dim)
    return replace(ranked, typicality=p_values, typical_bits=others.bits_per_dim)


def _ranked(model: Bundle, rounds: "Rounds", order: Order, ranking: RankOptions, spent: int) -> Scored:
    """Summarise the rounds of a data set."""
    dimensions, taken = model.specification.dimensions, order.rounds
    scale = 1 / (dimensions * math.log(2))
    prior, diffusion, reconstruction = rounds.sums / taken
    evaluations = int(taken.sum()) * (rounds.draws + 1) + spent
    draws = taken * rounds.draws
    score = Score.of("bound", -order.values, order.errors, rounds.null, dimensions, rounds.options.steps, evaluations)
    detail = BoundTerms(prior, rounds.costs.sum(0), reconstruction, rounds.seen, rounds.costs)
    found: dict[str, Any] = {
        "certainty": order.certainty,
        "target": ranking.certainty,
        "examples": len(taken),
        "draws": {"least": int(draws.min()), "mean": draws.double().mean().item(), "most": int(draws.max())},
        "max_draws": ranking.max_draws,
    }
    score = replace(
        score,
        # All examples share the rounds, so the spread between examples does not contain the error of the rounds.
        standard_error=math.hypot(score.standard_error, order.common_error * scale),
        terms={
            "prior": prior.mean().item() * scale,
            "diffusion": diffusion.mean().item() * scale,
            "reconstruction": reconstruction.mean().item() * scale,
        },
        bands=bands(model, detail),
        ranking=found,
    )
    score = completed(model, rounds.dataset, rounds.options, score)
    return Scored(score, detail, draws, order.certainties)


def _among(ranked: Scored, rounds: "Rounds", typical: Dataset, ranking: RankOptions) -> Scored:
    """Return ``ranked`` with p-values among the scores of ``typical`` examples, from the same rounds."""
    model = rounds.model
    typical = fitting_data(model, _labelled_like(rounds.dataset, typical))
    typical = typical.select(spread(len(typical), TYPICAL))
    among = Rounds(model, typical, rounds.options, rounds.chances, rounds.first)
    order = decide(among, len(typical), ranking.certainty, ranking.max_draws // DRAWS)
    others = replace(_ranked(model, among, order, ranking, 0), complexity=complexities(typical))
    spent = others.score.network_evaluations + ranked.score.network_evaluations
    ranked = replace(
        ranked,
        score=replace(ranked.score, network_evaluations=spent),
        typicality=typicality(ranked.bits_per_dim, others.bits_per_dim),
        typical_bits=others.bits_per_dim,
    )
    ours, theirs = ranked.bits_above_complexity, others.bits_above_complexity
    if ours is None or theirs is None:
        return ranked
    return replace(ranked, typicality_above_complexity=typicality(ours, theirs))


def _labelled_like(dataset: Dataset, typical: Dataset) -> Dataset:
    """Return ``typical`` without labels if ``dataset`` has none, so that both are scored in the same way.

    Raises:
        ValueError: if only ``dataset`` has covariates.
    """
    if dataset.covariates is None:
        typical = replace(typical, covariates=None)
    elif typical.covariates is None:
        raise ValueError(f"{dataset.name} has a condition, and the typical examples have none; leave one of both out")
    return replace(typical, labels=None, classes=()) if dataset.labels is None else typical


class Maps:
    """Collects the share of each element in minus the bound, averaged over the rounds of each example."""

    def __init__(self, dataset: Dataset) -> None:
        self.sums = torch.zeros((len(dataset), *dataset.shape), dtype=torch.float64)
        self.rounds = torch.zeros(len(dataset), dtype=torch.int64)

    def __call__(self, rows: Int[Tensor, " rows"], shares: Float[Tensor, " rows *shape"]) -> None:
        self.sums[rows] += shares
        self.rounds[rows] += 1

    @property
    def bits(self) -> Float[Tensor, " examples *shape"]:
        """Bits of each element; they sum to minus the bound of their example."""
        return self.sums / (self.rounds.reshape(-1, *(1,) * (self.sums.ndim - 1)) * math.log(2))


class Rounds:
    """Scores examples of a data set round by round; a round has the same times and noise for all.

    Args:
        model: the model.
        dataset: raw data of the model's shape.
        options: of the bound.
        chances: sampling probability of each step but the last; None is uniform.
        first: rounds whose terms are kept.
        on_elements: called with the shares of the elements.
    """

    def __init__(
        self,
        model: Bundle,
        dataset: Dataset,
        options: EvaluateOptions,
        chances: Tensor | None,
        first: int = FIRST,
        on_elements: OnElements | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.model, self.dataset, self.options, self.chances = model, dataset, options, chances
        self.first, self.on_elements, self.watch = first, on_elements, watch
        self.times = model.times(options.steps, grid=options.grid)
        self.draws = min(DRAWS, len(self.times) - 2)
        shape = (self.draws * first, len(dataset))
        self.seen, self.costs = torch.zeros(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.float64)
        self.sums = torch.zeros((3, len(dataset)), dtype=torch.float64)  # prior, diffusion, reconstruction
        self.null = torch.zeros(len(dataset), dtype=torch.float64)
        self.done = self.planned = 0

    @torch.inference_mode()
    def __call__(self, rows: Int[Tensor, " rows"], rounds: range) -> Float[Tensor, "rounds rows"]:
        """Return minus the bound of the given examples in the given rounds, in nats of raw units."""
        self.planned += len(rows) * len(rounds)
        process, codec = self.model.config.process, self.model.specification.codec
        parts, done = [], 0
        for x, denoise, jacobian in examples(self.model, self.dataset.select(rows), self.options):
            own, costs = rows[done : done + len(x)], []
            each = codec.log_jacobian(x).double()
            for number in rounds:
                streams = Streams.shared(derived_seed(self.options.seed, f"round {number}"), 0, len(x))
                terms, shares = evaluation.bound_with_map(
                    process, denoise, codec.decoder, x, self.times, self.draws or None, streams, self.chances
                )
                costs.append(-(terms.value + jacobian).cpu())
                self._keep(own, number, terms, jacobian)
                if self.on_elements is not None:
                    self.on_elements(own, (shares - each).cpu())
                self._tell(len(x))
            self.null[own] = (evaluation.null(process, codec.decoder, x) + jacobian).cpu()
            parts.append(torch.stack(costs))
            done += len(x)
        return torch.cat(parts, 1)

    def _keep(self, own: Tensor, number: int, terms: BoundTerms, jacobian: Tensor) -> None:
        self.sums[:, own] += torch.stack([terms.prior, terms.diffusion, terms.reconstruction - jacobian]).cpu()
        if number < self.first:
            place = slice(number * self.draws, (number + 1) * self.draws)
            self.seen[place, own] = terms.times.cpu()
            self.costs[place, own] = terms.step_costs.cpu() / self.first

    def _tell(self, count: int) -> None:
        self.done += count
        if self.watch:
            self.watch(self.done, self.planned)
