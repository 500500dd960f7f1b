"""What the verbs share: a network with its process, head and codec; denoiser, times, labels, batch size.

A bundle knows nothing of the verbs. They are functions of a bundle, each in a module of its own. `Model` is a bundle
with the verbs as its methods.
"""

from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from quasistatic import evaluation, sampling
from quasistatic.config import Config, Specification
from quasistatic.data import Dataset
from quasistatic.data.labels import class_number
from quasistatic.denoiser import Denoise, Denoiser, Shown, finite, only_finite
from quasistatic.denoiser.head import ProductHead
from quasistatic.distribution import Distribution
from quasistatic.inference import classifier_free
from quasistatic.model import inputs
from quasistatic.model.build import levels_of_means, one_by_one
from quasistatic.model.core import Core
from quasistatic.model.measured import Measured
from quasistatic.network import Network
from quasistatic.network.transformer import CausalTransformer, Memory
from quasistatic.process import CategoricalProcess, GaussianProcess
from quasistatic.schedule import grid as grid_of
from quasistatic.schedule import uniform_times
from quasistatic.types import Generator, Label, State, Times


class Bundle(Core):
    """A network with its process, head and codec: a distribution over data in raw units, without the verbs.

    Args:
        config: the run's configuration.
        specification: what was found in the data.
        network: the network, on the device where the work is to be done.
        measured: paths of few steps and variances, where they were measured (see `model.plan`).
        step: the training step of the weights, if known.
        score: held-out bits/dim when they were last scored in training, if known.
    """

    def __init__(
        self,
        config: Config,
        specification: Specification,
        network: Network,
        measured: Measured | None = None,
        step: int | None = None,
        score: float | None = None,
    ) -> None:
        super().__init__(config, specification, network, measured or Measured(), step, score)
        self.denoiser = Denoiser(config.process, finite(self.network), config.head)

    def batch_size(self) -> int:
        """Return the number of examples per batch, from the memory that an example needs."""
        dimensions = self.specification.dimensions
        return min(max(256, 2**14 // dimensions), max(1, 2**24 // (dimensions * self.config.head.outputs)))

    def walk(self, steps: int, sampler: str = "ancestral", grid: str | None = None) -> Times:
        """Return the grid of a sampler: as `times`, without steps that would change nothing."""
        most = self.config.process.most_steps
        return self.times(steps if most is None else min(steps, most), sampler, grid)

    def times(self, steps: int, sampler: str = "ancestral", grid: str | None = None) -> Times:
        """Return the grid of ``steps`` steps called ``grid``; by default the planned one, or the sampler's.

        A plan is made for the bound, so only ``ancestral`` takes it unasked.

        Raises:
            ValueError: if there is no such grid, or it cannot have so few steps.
        """
        planned = self.measured.grids
        if grid == "planned" or (grid is None and steps in planned and sampling.grid_for(sampler) == "time"):
            if steps not in planned:
                known = ", ".join(map(str, sorted(planned))) or "no numbers of steps"
                raise ValueError(
                    self.measured.stale
                    or f"the model has plans for {known}, got {steps} steps; plan them with "
                    f"`quasistatic plan RUN --steps {steps}`"
                )
            return planned[steps]
        name = grid or sampling.grid_for(sampler)
        return uniform_times(steps) if name == "time" else grid_of(name, self.config.process.schedule, steps)

    def denoise(
        self, label: Label | None = None, variance: str = "own", times: Times | None = None, scale: float = 1.0
    ) -> Denoise:
        """Return the denoiser with labels bound, and the variance called ``variance`` for the grid ``times``.

        A ``scale`` other than 1 makes it classifier-free guidance: see `inference.classifier_free`.

        Raises:
            ValueError: if there is no such variance, ``analytic`` ones have not been measured, or a label is lacking.
            TypeError: if the process is not Gaussian and the variance is not its own.
        """
        self._check_label(label, scale)
        given = self.denoiser.given(None) if label is None else classifier_free(self.denoiser, label, scale)
        process = self.config.process
        if variance == "own":
            return given
        if not isinstance(process, GaussianProcess):
            raise TypeError(f"a variance is chosen for a Gaussian process, got {process!r}; leave it own")
        first = (uniform_times(1000) if times is None else times)[-2].item()
        return evaluation.with_variance(process, given, variance, first, self.measured.errors)

    @property
    def follows(self) -> bool:
        """Whether `follow` draws the same as the chain: from left to right, one element after another."""
        return one_by_one(self.config)

    def follow(self, label: Label | None = None) -> sampling.Follow:
        """Return the law of each element given those before it, for rows that grow; it keeps what it read of them.

        Raises:
            ValueError: if a label is lacking.
        """
        self._check_label(label, 1.0)
        network, process = self.network, self.config.process
        assert isinstance(network, CausalTransformer)
        assert isinstance(process, CategoricalProcess)
        memory, plain = Memory(network, label), process.together

        def law(x: State) -> Distribution:
            hidden = x.new_full((len(x), 1), plain.states - 1)  # the mask, which tells nothing at any time
            at = torch.full((len(x),), 0.5, dtype=torch.float64)
            return self.config.head.read(only_finite(memory(x))[..., None], hidden, at, plain)

        return law

    def given(self, label: Label | None, observed: State | Shown) -> Denoise:
        """Return the denoiser with labels bound, and shown what is ``observed``; elements that are NaN are not known.

        Raises:
            ValueError: if a label is lacking.
        """
        self._check_label(label, 1.0)
        return self.denoiser.given(label, observed)

    def _check_label(self, label: Label | None, scale: float) -> None:
        if label is None and scale != 1:
            raise ValueError(f"a scale says how far a label moves the guess, got {scale:g} without a label; name one")
        conditional = self.config.data.conditional or self.specification.covariates is not None
        learned = not conditional or self.config.training.label_dropout > 0
        if not learned and (label is None or scale != 1):
            what = "labels" if self.config.data.conditional else "conditions"
            raise ValueError(
                f"the model learned with {what} only (training.label_dropout=0); give one, without a scale"
            )

    @property
    def shown(self) -> bool:
        """Whether the network was trained to be shown what is known."""
        return isinstance(self.config.head, ProductHead) or self.config.training.shown > 0

    @property
    def levels_of_means(self) -> int:
        """Levels of the images whose block means the network was trained to be shown; 0 if there are none."""
        return levels_of_means(self.config, self.specification)

    def prior(self, count: int, streams: Generator) -> State:
        """Draw ``count`` states of noise."""
        like = torch.zeros(count, *self.specification.shape, device=self.device)
        return self.config.process.prior(like).sample(streams)

    def labels(self, label: Any, count: int, condition: Any = None) -> Label | None:
        """Return a label, a class's name or number, or else one condition, for each of ``count`` examples.

        Args:
            label: one for all examples, or a list of one for each.
            count: how many examples.
            condition: one for all of them.

        Raises:
            ValueError: if the model does not know it, there are several conditions, or another number of labels.
        """
        told = self.conditions(condition)
        if told is not None:
            if label is not None or len(told) != 1:
                raise ValueError(
                    f"all examples have one condition and no label, got {len(told)} rows"
                    + (f" and label {label}" if label is not None else "; use `sample`, or give one")
                )
            return told.expand(count, -1)
        if label is None:
            return None
        classes = self.specification.classes if self.config.data.conditional else ()
        own = inputs.labels(label)
        numbers = [class_number(one, classes) for one in own] if isinstance(own, list) else [class_number(own, classes)]
        if isinstance(own, list) and len(own) != count:
            raise ValueError(f"several labels are one for each of {count} examples, got {len(own)}")
        return torch.tensor(numbers, device=self.device).expand(count)

    def conditions(self, condition: Any) -> Float[Tensor, "rows features"] | None:
        """Return what the network is told of each row of a condition (see `Covariates.rows`); None for None.

        Raises:
            ValueError: if the model was trained without conditions, or with others.
            FileNotFoundError: if there is no such file.
        """
        if condition is None:
            return None
        covariates = self.specification.covariates
        if covariates is None:
            raise ValueError(
                "the model learned no law given a condition; train one with --set data.condition=FILE, or leave it out"
            )
        told = covariates.encode(covariates.rows(condition)).to(self.device)
        if not self.config.training.label_dropout and bool(told.isnan().any()):
            raise ValueError(
                "the model learned with whole conditions only (training.label_dropout=0); give every value"
            )
        return told

    def told(self, dataset: Dataset, rows: Int[Tensor, " batch"]) -> Label | None:
        """Return what the network is told of the given examples: their class or their covariates, if there are any."""
        covariates = self.specification.covariates
        if covariates is not None:
            own = dataset.covariates
            return None if own is None else covariates.encode(own.batch(rows)).to(self.device)
        if not self.config.data.conditional or dataset.labels is None:
            return None
        return dataset.labels[rows].to(self.device)

    def data(self, examples: Any) -> Dataset:
        """Return examples as a data set: one that was loaded, or an array, a tensor or a frame of the model's data.

        Raises:
            TypeError: if they are something else.
            ValueError: if they cannot be read.
        """
        return inputs.dataset(examples, self.config.data, self.specification)

    def observed(self, examples: Any) -> Shaped[Tensor, " n *shape"]:
        """Return partly known examples as raw values, NaN where a value is not known; a frame by its columns' names.

        Raises:
            TypeError: if they are something else.
            ValueError: if they cannot be read.
        """
        return inputs.observed(examples, self.config.data, self.specification)

    def held_out(self, dataset: Any) -> Dataset:
        """Return the held-out part of ``dataset``: all of it, unless the model was trained on it; see `data`."""
        dataset = self.data(dataset)
        if dataset.fingerprint != self.specification.fingerprint:
            return dataset
        return dataset.split(self.config.data.held_out, self.config.seed)[1]

    def learned(self, dataset: Any) -> Dataset:
        """Return the part of ``dataset`` that the model was trained on; see `data`.

        Raises:
            ValueError: if it is another data set than the model's.
        """
        dataset = self.data(dataset)
        if dataset.fingerprint != self.specification.fingerprint:
            raise ValueError(
                f"what the model learned is a part of {self.specification.name} ({self.specification.examples} "
                f"examples), got {dataset.name} ({len(dataset)} examples), which differs; give the data it was "
                "trained on"
            )
        return dataset.split(self.config.data.held_out, self.config.seed)[0]

    def trained_on(self, dataset: Dataset) -> Dataset:
        """Return the training split of ``dataset``; all of it, if the model was trained on another set."""
        return self.learned(dataset) if dataset.fingerprint == self.specification.fingerprint else dataset
