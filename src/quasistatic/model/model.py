"""A trained model: a bundle and the verbs on it, in raw units, read from and written to one folder.

    model.safetensors   the averaged weights
    config.json         the run's configuration, what was found in the data, versions

Nothing on the load path is pickled. Learning itself is in `training`.
"""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from quasistatic.config import Config, Specification
from quasistatic.evaluation import Score
from quasistatic.model import inputs
from quasistatic.model.bench import DrawOptions
from quasistatic.model.build import build, check_tensors, check_weights_file
from quasistatic.model.bundle import Bundle
from quasistatic.model.complete.labelled import complete_labelled
from quasistatic.model.evaluate import evaluate
from quasistatic.model.evaluate.examples import EvaluateOptions
from quasistatic.model.evaluate.ranking import OnElements, RankOptions, Scored, rank_examples
from quasistatic.model.folder import (
    CONFIG,
    WEIGHTS,
    model_folder,
    read_description,
    read_score,
    read_step,
    read_weights,
    write_model,
)
from quasistatic.model.formats import diffusers, hub, onnx
from quasistatic.model.formats.card import publish
from quasistatic.model.measured import Measured
from quasistatic.model.sample import SampleOptions, sample, trajectory
from quasistatic.runtime.device import pick_device
from quasistatic.types import Watch


class Model(Bundle):
    """A distribution over data in raw units, with the verbs sample, infer and evaluate.

    `Bundle` has the arguments. `fresh` makes an untrained model, `from_pretrained` reads a trained one.
    """

    @classmethod
    def fresh(cls, config: Config, specification: Specification) -> "Model":
        """Make an untrained model; its weights depend on the configuration's seed only.

        Raises:
            ValueError: if network, head, process and data do not fit each other, or the network into memory.
        """
        return cls(config, specification, build(config, specification))

    def sample(
        self,
        n: int | None = None,
        *,
        steps: int = 250,
        sampler: str = "ancestral",
        grid: str | None = None,
        variance: str = "own",
        seed: int = 0,
        label: Any = None,
        scale: float = 1.0,
        first: int = 0,
        condition: Any = None,
        where: tuple[str, ...] = (),
        watch: Watch | None = None,
    ) -> Shaped[Tensor, " n *shape"]:
        """Draw ``n`` examples.

        Args:
            n: how many; 64 if not given, or one per label.
            steps: of the chain.
            sampler: ``ancestral`` (the law that the bound scores); for Gaussian processes also ``ddim``, ``heun``,
                ``dpm++``, ``dpm++sde`` and ``unipc``, for few steps.
            grid: ``time``, ``log-snr``, ``karras`` or ``planned``; None takes the one that suits the sampler, which for
                ``ancestral`` is the planned one where `quasistatic plan` has made it for these steps.
            variance: of the ancestral step: the head's ``own``, ``small``, ``large`` or ``analytic``.
            seed: with a sample's number it decides the sample, whatever the batch, to the network's rounding.
            label: of a class-conditional model: a class's name or number, or a list of one for each sample.
            scale: classifier-free guidance: how many times as far as the label moves the guess; heuristic beyond 1.
            first: number of the first sample, to draw more of the same set later.
            condition: of a model trained with ``data.condition``: a file, a mapping or a text NAME=VALUE,… for one row,
                or numbers (rows, columns); each row has ``n`` samples, one after another. See `Covariates.rows`.
            where: conditions on a table's rows, such as ``age>=60``, ``income=>50K`` or ``low<=high``; rows have the
                model's law given that all hold, as exactly as its guesses are.
            watch: called with (steps done, steps in all).

        Returns:
            Raw values (n, *shape) on the CPU, in the data's own type; with several rows of a condition, of all of them.

        Raises:
            ValueError: if ``n`` or ``steps`` is too small, the sampler, grid or label is unknown, or a condition
                cannot be read, contradicts another or hardly ever holds.
            TypeError: if the sampler is not for this process.
        """
        n = inputs.count(n, label)
        inputs.check_draws(n, steps, self.specification.dimensions, seed, scale, first)
        options = SampleOptions(n, steps, sampler, grid, variance, seed, label, scale, first, condition, where)
        return sample(self, options, watch)

    def trajectory(
        self,
        n: int = 8,
        *,
        steps: int = 250,
        frames: int = 25,
        sampler: str = "ancestral",
        grid: str | None = None,
        seed: int = 0,
        label: Any = None,
        scale: float = 1.0,
    ) -> Shaped[Tensor, "frames n *shape"]:
        """Return states on the way from noise to data, about ``frames`` of them evenly in time, in state units."""
        inputs.check_draws(n, steps, self.specification.dimensions * frames, seed, scale)
        return trajectory(self, SampleOptions(n, steps, sampler, grid, seed=seed, label=label, scale=scale), frames)

    def infer(
        self,
        observed: Any,
        known: Any = None,
        *,
        draws: int = 1,
        method: str | None = None,
        steps: int = 250,
        resamplings: int = 1,
        sampler: str = "ancestral",
        particles: int = 64,
        label: Any = None,
        condition: Any = None,
        scale: float = 1.0,
        seed: int = 0,
        watch: Watch | None = None,
    ) -> Shaped[Tensor, "n draws *shape"]:
        """Draw the unknown elements given the known ones: ``draws`` completions of each example.

        Args:
            observed: raw values (n, *shape); those that are not known are not read. A tensor, an array, a list, or a
                frame with the columns of the model's table.
            known: true where a value is known, or 1 and 0; None if all values but NaN are.
            draws: completions per example.
            method: ``hold`` (heuristic), ``reveal`` (for a process that ends in a mask: exact given the guesses),
                ``condition`` (for tables: the same), ``guide`` (approximate) or ``particle`` (exact in the limit); None
                takes the one that fits. For other observations, and for the evidence, see `model.complete`.
            steps: of the chain, even in time.
            resamplings: how often each stretch of the chain is walked (RePaint); hold and reveal only.
            sampler: the step that is held or revealed.
            particles: of each example; particle only.
            label: of a class-conditional model: a class's name or number, or a list of one for each example.
            condition: of a model trained with ``data.condition``: one for all examples; see `sample`.
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
        observed = self.observed(observed)
        known = inputs.there(observed) if known is None else inputs.mask("a mask", known)
        options = DrawOptions(
            draws, steps, resamplings, sampler, particles, condition=condition, scale=scale, seed=seed
        )
        made = complete_labelled(self, observed, known, label, method, options, watch)
        return torch.where(known[:, None], observed[:, None].to(made.dtype), made)

    def evaluate(
        self,
        dataset: Any,
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
        order: str = "left",
        given: str | None = None,
        watch: Watch | None = None,
    ) -> Score:
        """Score a data set in bits/dim of its raw units; each example's own log-likelihood comes with it.

        Args:
            dataset: raw data of the model's shape: a data set, an array, a tensor or a frame; see `data`.
            method: ``bound``: the variational bound, an upper bound on the true value; ``importance``: the same from
                several whole paths, nearer to it; ``flow``: by the probability flow (Gaussian processes); ``exact``: by
                enumeration, where there are few states in all; ``ordered``: exactly, of the chain that shows elements
                in one order (processes that end in a mask).
            steps: of the grid; of ``ordered``, blocks, at most as many as elements.
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
            order: of ``ordered``: ``left``, ``right``, ``confidence`` (the surest first) or ``random:SEED``.
            given: score the rest of each example given this part: columns NAME,NAME of a table, or a mask file whose
                white elements are unknown.
            watch: called with (examples done, examples in all).

        Raises:
            ValueError: if the data are of another shape or range, the method is unknown, or does not apply.
            TypeError: if the method is not for this process.
            FloatingPointError: if an example's score is not a number.
        """
        options = EvaluateOptions(
            steps, draws, limit, seed, grid, variance, target_error, dequantise, last_step, order, given
        )
        return evaluate(self, dataset, method, options, watch)

    def rank(
        self,
        dataset: Any,
        *,
        certainty: float = 0.95,
        max_draws: int = 256,
        typical: Any = None,
        steps: int = 1000,
        seed: int = 0,
        grid: str | None = None,
        variance: str = "own",
        last_step: str = "own",
        on_elements: OnElements | None = None,
        watch: Watch | None = None,
    ) -> Scored:
        """Score a data set by the bound until the order of its examples is certain, with what tells unusual ones.

        All examples share times and noise, so that their differences have small errors. Examples whose place is open
        take more draws than others.

        Args:
            dataset: raw data of the model's shape: a data set, an array, a tensor or a frame; see `data`.
            certainty: mean probability to reach that two examples are in the right order.
            max_draws: time steps per example, besides the last, at which to stop in any case.
            typical: examples of the usual kind for p-values, which the model was not trained on; 256 of them at most.
            steps: of the grid.
            seed: of the times and noise.
            grid: as for `sample`.
            variance: as for `sample`.
            last_step: as for `evaluate`.
            on_elements: called in each round with rows and their elements' shares in minus the bound, in nats.
            watch: called with (examples done, examples planned), counted once per round.

        Raises:
            ValueError: if the data are of another shape or range.
            FloatingPointError: if an example's score is not a number.
        """
        options = EvaluateOptions(steps, seed=seed, grid=grid, variance=variance, last_step=last_step)
        typical = None if typical is None else self.data(typical)
        return rank_examples(self, dataset, options, RankOptions(certainty, max_draws), typical, on_elements, watch)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``model.safetensors`` and ``config.json``, both with the training step; each is replaced atomically."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        write_model(path, self.config, self.specification, self._weights(), self.step, self.score)

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, device: torch.device | str = "cpu", *, revision: str | None = None, trust: bool = False
    ) -> "Model":
        """Read a model from its folder.

        Args:
            folder: of the model; ``hf:owner/name`` is a model of the Hugging Face hub.
            device: where it is to work, as torch names it; ``auto`` takes the accelerator that torch finds, if any.
            revision: branch, tag or commit, of the hub.
            trust: import the modules of its author's own parts, which runs their code; see `register`.

        Raises:
            FileNotFoundError: if there is no model in the folder.
            ValueError: if a file is damaged, not a model's, from a newer version, or needs a class that is not known.
            OSError: if the hub cannot be reached.
        """
        path = model_folder(inputs.folder(hub.local(folder, revision)))
        config, specification = read_description(path / CONFIG, trust)
        check_weights_file(path / WEIGHTS, config, specification)
        model = cls.fresh(config, specification)
        model.step, model.score = read_step(path / CONFIG), read_score(path / CONFIG)
        model.measured = Measured.read(Path(folder), config.process, model.step, specification.shape)
        read_weights(path / WEIGHTS, model.network)
        return model.to(pick_device() if device == "auto" else device)

    def push_to_hub(
        self, name: str, *, private: bool = False, score: Score | None = None, samples: str | Path | None = None
    ) -> str:
        """Upload to the Hugging Face hub as ``owner/name``, new or not; return the address.

        Its card may show a ``score`` that `evaluate` returned, and a picture of ``samples``.

        Raises:
            ValueError, OSError: if the name has another form or is refused; if the hub cannot be reached.
        """
        return publish(self, name, private, score, samples)

    @classmethod
    def from_diffusers(cls, folder: str | Path, device: torch.device | str = "cpu") -> "Model":
        """Read a DDPM pipeline's folder, as `diffusers` saves it (a UNet2DModel and its scheduler).

        `model.formats.diffusers` says what can be.

        Raises:
            FileNotFoundError: if a file is missing.
            ValueError: if a file is damaged, or the pipeline has parts that cannot be represented here.
        """
        config, specification, weights = diffusers.read(inputs.folder(folder))
        check_tensors(Path(folder, diffusers.WEIGHTS), weights, config, specification)
        model = cls.fresh(config, specification)
        model.measured = Measured.read(Path(folder), config.process, None, specification.shape)
        model.network.load_state_dict(weights)
        return model.to(pick_device() if device == "auto" else device)

    def save_diffusers(self, folder: str | Path) -> None:
        """Write a folder that `diffusers.DDPMPipeline.from_pretrained` reads.

        Raises:
            ValueError: if the model has parts that a DDPM pipeline does not.
        """
        diffusers.write_pipeline(Path(folder), self.config, self.specification, self._weights())

    def export_onnx(self, path: str | Path) -> None:
        """Write the network as an ONNX file, with a free batch; `model.formats.onnx` says what goes in and out.

        Raises:
            ValueError: if the extra ``onnx`` is not installed, the path does not end in .onnx, or the network has an
                operation that ONNX does not.
            OSError: if it cannot be written.
        """
        onnx.write_onnx(self, Path(path))

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()}
