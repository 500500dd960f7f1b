"""A model: what was learned, and the four verbs on it, in raw units, from one folder.

    model.safetensors   the averaged weights
    config.json         the run's configuration, what was found in the data, versions

Nothing on the load path is pickled. Learning itself is in `training`.
"""

from pathlib import Path

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from quasistatic import completing, drawing, evaluation, inputs, interchange, sampling, scoring, store
from quasistatic.building import build, check_file, check_tensors
from quasistatic.config import Config, Specification
from quasistatic.data import Dataset
from quasistatic.data.labels import class_number
from quasistatic.denoiser import Denoise, Denoiser, finite
from quasistatic.device import pick_device, usable
from quasistatic.evaluation import Score
from quasistatic.inference import classifier_free
from quasistatic.network import Network
from quasistatic.planning import Measured
from quasistatic.process import Gaussian
from quasistatic.schedule import grid as grid_of
from quasistatic.schedule import uniform_times
from quasistatic.stream import Streams
from quasistatic.types import Generator, Label, State, Step, Times, Watch, batches


class Model:
    """A network with its process, head and codec: a distribution over data in raw units.

    Args:
        config: the run's configuration.
        specification: what was found in the data.
        network: the network, on the device where the work is to be done.
        measured: paths of few steps and variances, where they were measured (see `planning`).
        step: the training step of the weights, if known.
    """

    def __init__(
        self,
        config: Config,
        specification: Specification,
        network: Network,
        measured: Measured | None = None,
        step: int | None = None,
    ) -> None:
        self.config, self.specification, self.step = config, specification, step
        self.measured = measured or Measured()
        self.network = network.eval()
        self.denoiser = Denoiser(config.process, finite(self.network), config.head)

    @classmethod
    def fresh(cls, config: Config, specification: Specification) -> "Model":
        """Make an untrained model; its weights depend on the configuration's seed only.

        Raises:
            ValueError: if network, head, process and data do not fit each other, or the network into memory.
        """
        return cls(config, specification, build(config, specification))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "Model":
        """Move the weights, or cast them, once for all that follows; returns the model.

        With bfloat16 weights the network works in bfloat16, which is faster where the device has units for it; states,
        what a head reads from its output, and sums stay as they are. It is a model a little different from the first.

        Raises:
            ValueError: if torch cannot use the device, or the network keeps parts in float64, as a table's does: they
                would not be what they were.
        """
        if dtype is not None and not self.network.castable:
            raise ValueError(f"a network with parts in float64 works as it is, got {dtype}; leave the precision out")
        self.network.to(device=None if device is None else usable(device), dtype=dtype)
        return self

    # ---- sample

    def sample(
        self,
        n: int = 64,
        *,
        steps: int = 250,
        sampler: str = "ancestral",
        grid: str | None = None,
        variance: str = "own",
        seed: int = 0,
        label: int | str | None = None,
        scale: float = 1.0,
        first: int = 0,
        watch: Watch | None = None,
    ) -> Shaped[Tensor, "n *shape"]:
        """Draw ``n`` examples.

        Args:
            n: how many.
            steps: of the chain.
            sampler: ``ancestral`` (the law that the bound scores); for Gaussian processes also ``ddim``, ``heun``,
                ``dpm++``, ``dpm++sde`` and ``unipc``, for few steps.
            grid: ``time``, ``log-snr``, ``karras`` or ``planned``; None takes the one that suits the sampler, which for
                ``ancestral`` is the planned one where `quasistatic plan` has made it for these steps.
            variance: of the ancestral step: the head's ``own``, ``small``, ``large`` or ``analytic``.
            seed: with a sample's number it decides the sample, whatever the batch, to the network's rounding.
            label: of a class-conditional model: a class's name or number.
            scale: classifier-free guidance: how many times as far as the label moves the guess; heuristic beyond 1.
            first: number of the first sample, to draw more of the same set later.
            watch: called with (steps done, steps in all).

        Returns:
            Raw values (n, *shape) on the CPU, in the data's own type.

        Raises:
            ValueError: if ``n`` or ``steps`` is too small, or the sampler, grid or label is unknown.
            TypeError: if the sampler is not for this process.
        """
        inputs.check_draws(n, steps, self.specification.dimensions, seed, scale, first)
        make, times, done, rows = sampling.sampler(sampler), self.times(steps, sampler, grid), 0, []
        for count in batches(n, self.batch_size()):
            streams = Streams(seed, first + done, count)
            x_1 = self._prior(count, streams)
            denoise = self.denoise(self.labels(label, count), variance, times, scale)
            step = make(self.config.process, denoise, streams)
            rows.append(self._walk(step, x_1, times, watch, done * steps, n * steps))
            done += count
        return self.specification.codec.decode(torch.cat(rows))

    @torch.inference_mode()
    def trajectory(
        self,
        n: int = 8,
        *,
        steps: int = 250,
        frames: int = 25,
        sampler: str = "ancestral",
        grid: str | None = None,
        seed: int = 0,
    ) -> Shaped[Tensor, "frames n *shape"]:
        """Return states on the way from noise to data, about ``frames`` of them evenly in time, in state units."""
        inputs.check_draws(n, steps, self.specification.dimensions * frames, seed)
        streams = Streams(seed, 0, n)
        x_1 = self._prior(n, streams)
        step = sampling.sampler(sampler)(self.config.process, self.denoise(), streams)
        states = [x_1, *sampling.sample(step, x_1, self.times(steps, sampler, grid))]
        chosen = sorted({round(i * steps / max(frames - 1, 1)) for i in range(frames)})
        return torch.stack([states[i].cpu() for i in chosen])

    # ---- infer

    def infer(
        self,
        observed: Shaped[Tensor, "n *shape"],
        known: Bool[Tensor, "n *shape"],
        *,
        draws: int = 1,
        method: str | None = None,
        steps: int = 250,
        resamplings: int = 1,
        sampler: str = "ancestral",
        particles: int = 64,
        label: int | str | None = None,
        scale: float = 1.0,
        seed: int = 0,
        watch: Watch | None = None,
    ) -> Shaped[Tensor, "n draws *shape"]:
        """Draw what is not known, given what is: ``draws`` completions of each example.

        Args:
            observed: raw values; those that are not known are not read. Arrays and lists are taken as well.
            known: true where a value is known; 1 and 0 are taken as well.
            draws: completions per example.
            method: ``hold`` (heuristic), ``reveal`` (for a process that ends in a mask: exact given the guesses),
                ``condition`` (for tables: the same), ``guide`` (approximate) or ``particle`` (exact in the limit); None
                takes what `inference.fitting` names. For other observations, and for the evidence, see `completing`.
            steps: of the chain, even in time.
            resamplings: how often each stretch of the chain is walked (RePaint); hold and reveal only.
            sampler: the step that is held or revealed.
            particles: of each example; particle only.
            label: of a class-conditional model: a class's name or number.
            scale: classifier-free guidance: how many times as far as the label moves the guess.
            seed: decides the draws, whatever the batch, to the network's rounding.
            watch: called with (steps done, steps in all).

        Returns:
            Raw values (n, draws, *shape) on the CPU; known values are returned as they came.

        Raises:
            ValueError: if shapes differ from the model's, nothing or everything is known, or a name is unknown.
            TypeError: if the method does not apply to the process.
            ContradictionError: if what is known has probability zero (particle).
        """
        observed, known = inputs.tensor("what was observed", observed), inputs.mask("a mask", known)
        effort = drawing.Effort(draws, steps, resamplings, sampler, particles, label=label, scale=scale, seed=seed)
        made = completing.complete(self, completing.known(self, observed, known), method, effort, watch).draws
        return torch.where(known[:, None], observed[:, None].to(made.dtype), made)

    # ---- evaluate

    def evaluate(
        self,
        dataset: Dataset,
        *,
        method: str = "bound",
        steps: int = 1000,
        draws: int | None = 4,
        limit: int | None = None,
        seed: int = 0,
        grid: str | None = None,
        variance: str = "own",
        target_error: float | None = None,
        dequantise: str = "noise",
        last_step: str = "own",
        watch: Watch | None = None,
    ) -> Score:
        """Score a data set in bits/dim of its raw units; each example's own log-likelihood comes with it.

        Args:
            dataset: raw data of the model's shape.
            method: ``bound``: the variational bound, an upper bound on the true value; ``importance``: the same from
                several whole paths, nearer to it; ``flow``: by the probability flow (Gaussian processes); ``exact``: by
                enumeration, where there are few states in all.
            steps: of the grid.
            draws: of the bound, steps looked at per example besides the last (None looks at all of them); of
                importance, paths per example, each of all steps; of the flow, probes of its divergence, which is exact
                up to 32 dimensions.
            limit: score at most so many examples, evenly spread.
            seed: of the estimator.
            grid: as for `sample`.
            variance: as for `sample`.
            target_error: of the bound, in bits/dim: choose ``draws`` and ``limit`` so as to reach it at the least cost.
            dequantise: of the flow on levels: ``noise`` (the process's own, scored back by the decoder) or ``uniform``.
            last_step: of the bound and importance, the model's ``own`` or ``fixed`` as in 2015 (eq. 44).
            watch: called with (examples done, examples in all).

        Raises:
            ValueError: if the data are of another shape or range, the method is unknown, or does not apply.
            TypeError: if the method is not for this process.
            FloatingPointError: if an example's score is not a number.
        """
        effort = scoring.Effort(steps, draws, limit, seed, grid, variance, target_error, dequantise, last_step)
        return scoring.evaluate(self, dataset, method, effort, watch)

    def held_out(self, dataset: Dataset) -> Dataset:
        """Return the part of ``dataset`` that training never saw: all of it, unless the model was trained on it."""
        if inputs.dataset(dataset).fingerprint != self.specification.fingerprint:
            return dataset
        return dataset.split(self.config.data.held_out, self.config.seed)[1]

    def learned(self, dataset: Dataset) -> Dataset:
        """Return the part of ``dataset`` that the model was trained on.

        Raises:
            ValueError: if it is another data set than the model's.
        """
        if inputs.dataset(dataset).fingerprint != self.specification.fingerprint:
            raise ValueError(
                f"what the model learned is a part of {self.specification.name} ({self.specification.examples} "
                f"examples), got {dataset.name} ({len(dataset)} examples), which differs; give the data it was "
                "trained on"
            )
        return dataset.split(self.config.data.held_out, self.config.seed)[0]

    def trained_on(self, dataset: Dataset) -> Dataset:
        """Return the part of ``dataset`` that training saw: all of it, where the model was trained on another set."""
        return self.learned(dataset) if dataset.fingerprint == self.specification.fingerprint else dataset

    # ---- keep

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``model.safetensors`` and ``config.json``, with the training step in both; each is replaced whole."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        weights = {name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()}
        store.write_model(path, self.config, self.specification, weights, self.step)

    @classmethod
    def from_pretrained(cls, folder: str | Path, device: torch.device | str | None = None) -> "Model":
        """Read a model from its folder.

        Raises:
            FileNotFoundError: if there is no model in the folder.
            ValueError: if a file is damaged, is not a model's, or is from a newer version.
        """
        path = store.model_folder(inputs.folder(folder))
        config, specification = store.read_description(path / store.CONFIG)
        check_file(path / store.WEIGHTS, config, specification)
        model = cls.fresh(config, specification)
        model.step = store.read_step(path / store.CONFIG)
        model.measured = Measured.read(Path(folder), config.process, model.step, specification.shape)
        store.read_weights(path / store.WEIGHTS, model.network)
        return model.to(device or pick_device())

    @classmethod
    def from_diffusers(cls, folder: str | Path, device: torch.device | str | None = None) -> "Model":
        """Read a DDPM pipeline's folder, as `diffusers` saves it (a UNet2DModel and its scheduler); see `interchange`.

        Raises:
            FileNotFoundError: if a file is missing.
            ValueError: if a file is damaged, or the pipeline has parts that cannot be represented here.
        """
        config, specification, weights = interchange.read(inputs.folder(folder))
        check_tensors(Path(folder, interchange.WEIGHTS), weights, config, specification)
        model = cls.fresh(config, specification)
        model.measured = Measured.read(Path(folder), config.process, None, specification.shape)
        model.network.load_state_dict(weights)
        return model.to(device or pick_device())

    def save_diffusers(self, folder: str | Path) -> None:
        """Write a folder that `diffusers.DDPMPipeline.from_pretrained` reads.

        Raises:
            ValueError: if the model has parts that a DDPM pipeline does not.
        """
        weights = {name: value.detach().cpu() for name, value in self.network.state_dict().items()}
        interchange.write(Path(folder), self.config, self.specification, weights)

    # ---- what the verbs share

    def batch_size(self) -> int:
        """How many examples are worked on at once, by the memory that an example takes."""
        dimensions = self.specification.dimensions
        return min(max(256, 2**14 // dimensions), max(1, 2**24 // (dimensions * self.config.head.outputs)))

    def times(self, steps: int, sampler: str = "ancestral", grid: str | None = None) -> Times:
        """Return the grid of ``steps`` steps called ``grid``; None is the planned one if there is one, or what suits.

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
        return grid_of(grid or sampling.grid_for(sampler), self.config.process.schedule, steps)

    def denoise(
        self, label: Label | None = None, variance: str = "own", times: Times | None = None, scale: float = 1.0
    ) -> Denoise:
        """Return the denoiser with labels bound and the width called ``variance``; ``times`` is the grid it is for.

        A ``scale`` other than 1 makes it classifier-free guidance: see `inference.classifier_free`.

        Raises:
            ValueError: if there is no such variance, ``analytic`` ones have not been measured, or a label is lacking.
            TypeError: if the process is not Gaussian and the variance is not its own.
        """
        if label is None and scale != 1:
            raise ValueError(f"a scale says how far a label moves the guess, got {scale:g} without a label; name one")
        learned = not self.config.data.conditional or self.config.training.label_dropout > 0
        if not learned and (label is None or scale != 1):
            raise ValueError("the model learned with labels only (training.label_dropout=0); give one, without a scale")
        given = self.denoiser.given(None) if label is None else classifier_free(self.denoiser, label, scale)
        process = self.config.process
        if variance == "own":
            return given
        if not isinstance(process, Gaussian):
            raise TypeError(f"a variance is chosen for a Gaussian process, got {process!r}; leave it own")
        first = (uniform_times(1000) if times is None else times)[-2].item()
        return evaluation.with_variance(process, given, variance, first, self.measured.errors)

    def _prior(self, count: int, streams: Generator) -> State:
        like = torch.zeros(count, *self.specification.shape, device=self.device)
        return self.config.process.prior(like).sample(streams)

    def labels(self, label: int | str | None, count: int) -> Label | None:
        """Return a label, a class's name or number, for each of ``count`` examples.

        Raises:
            ValueError: if the model does not know it.
        """
        if label is None:
            return None
        classes = self.specification.classes if self.config.data.conditional else ()
        return torch.full((count,), class_number(label, classes), device=self.device)

    @torch.inference_mode()
    def _walk(self, step: Step, x_1: State, times: Times, watch: Watch | None, done: int, total: int) -> State:
        state = x_1
        for x_s in sampling.sample(step, x_1, times):
            state, done = x_s, done + len(x_s)
            if watch:
                watch(done, total)
        return state.cpu()
