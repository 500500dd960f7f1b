"""The training loop: a generator of progress. The caller decides what to do with it (show, save, stop).

Every random draw of step n is a function of (seed, n, slot in the batch, attempt): the rows, the times, the noise, the
dropout. So a run that is resumed at step n goes on as if it had never stopped, to the bit, and a run on another number
of processes, or with the batch in other parts, is the same run up to the order of sums. With a budget of minutes this
holds given the same decisions about the number of steps (see `duration`).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs, KwargsHandler
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from quasistatic.config import Config, Specification
from quasistatic.data import Dataset
from quasistatic.data.dataset import mean_units
from quasistatic.data.labels import relabelled
from quasistatic.denoiser import Denoiser
from quasistatic.model import Model
from quasistatic.model.build import check_head
from quasistatic.network import Network
from quasistatic.network.operations import dropping
from quasistatic.objective import TimeDensity
from quasistatic.runtime.device import compile_in_place, pick_device, precision
from quasistatic.training import optimizer
from quasistatic.training.batch import Batch, draw_batch, parted, seed_of, seeded, streams_of
from quasistatic.training.beginning import begin_network
from quasistatic.training.duration import Course, Ending, Session, most_steps
from quasistatic.training.monitor.held_out import HeldOut
from quasistatic.training.monitor.progress import Progress
from quasistatic.training.optimizer import learning_rate, optimizer_of
from quasistatic.training.parallel.blocks import recompute
from quasistatic.training.parallel.exchange import PATIENCE, agreed, average_gradient, gathered, lost_told, shared
from quasistatic.training.parallel.held_out import scored_together
from quasistatic.training.parallel.placement import placement_of
from quasistatic.training.rates import check_objective, clock_of, on_clock
from quasistatic.training.state import Parts

CHECK = 25
"""Steps between checks that the weights are finite; the state is kept at each."""

ATTEMPTS = 3
"""Most times that a run goes back to its last good state."""


class Training:
    """A run in progress: weights, their average, optimizer, time density, step.

    Args:
        config: the run; where ``training.steps`` is None, it ends after ``training.minutes``.
        specification: what was found in the data.

    Raises:
        ValueError: if the parts of the configuration do not fit each other.
    """

    def __init__(self, config: Config, specification: Specification) -> None:
        check_head(config, specification)
        check_objective(config)
        self.config, self.specification = config, specification
        device = pick_device()
        # Buffers are the same in all processes, which may use the network a different number of times in a step.
        handlers: list[KwargsHandler] = [
            DistributedDataParallelKwargs(broadcast_buffers=False),
            InitProcessGroupKwargs(timeout=timedelta(seconds=PATIENCE)),
        ]
        self.accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="no", kwargs_handlers=handlers)
        if config.training.batch < self.accelerator.num_processes:
            raise ValueError(
                f"each of {self.accelerator.num_processes} processes needs an example of every batch, got "
                f"training.batch={config.training.batch}; start at most {config.training.batch}, or raise it"
            )
        self.placement = placement_of(config.training, self.accelerator)
        network = Model.fresh(config, specification).network.train()
        self.ema = self.placement.average(AveragedModel(network, multi_avg_fn=self._average))
        if config.training.gradient_checkpointing:
            recompute(network)
        if config.training.compile:
            compile_in_place(network, self.accelerator.device)
        self.clock = clock_of(config)
        rates = self.clock.parameters() if self.clock else ()
        mover = optimizer_of(config.training, network, rates)
        self.network, self.optimizer = self.placement.prepare(network, mover)
        process = on_clock(config.process, self.clock) if self.clock else config.process
        self.denoiser = Denoiser(process, self.network, config.head, precision(config.training.precision, device))
        self.density = TimeDensity(config.objective.steps)
        self.step, self.attempt, self.seconds = 0, 0, 0.0
        self.units = float(specification.dimensions)
        """Mean number of values, or of characters, of an example."""
        self.score: float | None = None
        """Held-out bits/dim of the EMA weights when they were last scored."""
        self.course = Course() if config.training.steps is None else Course.fixed(config.training.steps)
        self.ending, self.saving = list[Ending](), 0.0
        """Work after the last step, and the seconds that the last checkpoint took."""
        self._good: dict[str, Any] | None = None

    @property
    def model(self) -> Model:
        """A model with the averaged weights, which follow the run; trained rates are in its configuration."""
        config = self.config
        if self.clock:
            config = replace(config, process=on_clock(config.process, self.clock.learned()))
        return Model(config, self.specification, cast(Network, self.ema.module), step=self.step, score=self.score)

    def run(
        self,
        data: Dataset,
        held_out: Dataset | None = None,
        every: float = 0.5,
        stop: Callable[[], bool] = lambda: False,
        doing: Callable[[str], None] = lambda what: None,
    ) -> Iterator[Progress]:
        """Train to the last step, yielding about every ``every`` seconds and at the end.

        Args:
            data: the training set, in raw units.
            held_out: the held-out set, scored every ``training.held_out_every`` seconds.
            every: seconds between reports.
            stop: asked after every step; true in any process ends the run in all of them.
            doing: called with what the run does other than steps, and with "" when it goes on.

        Raises:
            FloatingPointError: if the loss stays non-finite after going back three times.
            ConnectionError: if another process of the run ended or does not answer.
        """
        settings, count, total = self.config.training, 0, torch.zeros((), device=self.accelerator.device)
        shared_score = None if self.accelerator.num_processes == 1 else partial(scored_together, self.accelerator)
        watch = None if held_out is None else HeldOut(lambda: self.model, held_out, together=shared_score)
        works = [*self.ending, *([watch] if watch else [])]
        session, data = self._session(works, len(data)), self._ready(data, works)
        reported, ended = session.clock(), self.over
        while not ended:
            with lost_told(self.accelerator):
                loss, norm = self.take_step(data)
                total, count = total + loss, count + 1
                if session.clock() - reported >= every:
                    total.item()  # waits for the device, so that its work counts as steps
                now = session.stepped()
                due = watch is not None and watch.due(settings.held_out_every)
                asked, due, told = self._agreed(session, stop(), due, now - reported >= every)
            note = self._checked(norm) if self.step % CHECK == 0 or self.over else None
            self.seconds, ended = now, asked or self.over
            if not (told or ended or due) and note is None:
                continue
            steps, score = session.expected(self.step, self.course.at(self.step)), None
            note = note or session.on_epochs(steps * settings.batch, len(data))
            # Weights that are not finite are not scored: the next check goes back from them.
            if watch is not None and (due or ended) and self.finite:
                doing("scoring held-out examples")
                score, turned = watch.look()
                self.score = score if math.isfinite(score) else None
                doing("")
                note = note or turned
            self.seconds = session.clock()
            rate = count * settings.batch / max(now - reported, 1e-9)
            numbers = (total.item() / count, self._rate(), norm.item(), rate, self.seconds)
            yield Progress(self.step, steps, *numbers, score, note, f"bits/{self.specification.codec.unit}")
            total, count, reported = torch.zeros_like(total), 0, session.paused()

    def _ready(self, data: Dataset, works: Sequence[Ending]) -> Dataset:
        """Prepare the first step; return the data as the network is to see them."""
        if self.config.data.conditional:
            data = relabelled(data, self.specification.classes)
        self.units = mean_units(data)
        if self.step == 0:
            self.begin(data)
        self.spread()
        self._good = self._good or self._snapshot()
        if self.config.training.steps is None and not self.over:
            for work in works:
                work.try_out()
        return data

    def begin(self, data: Dataset) -> None:
        """Fit what has a closed form before the first step: the head's start, and parts of the network."""
        network = self.accelerator.unwrap_model(self.network)
        begin_network(network, self.config, self.specification, data)
        shared(self.accelerator, network)
        self.ema.module.load_state_dict(network.state_dict())

    def spread(self) -> None:
        """Place the weights for training; with ``training.shard``, every process keeps a share of them from here on."""
        self.placement.spread(self.network, self.ema.module, self.optimizer)

    def take_step(self, data: Dataset) -> tuple[Tensor, Tensor]:
        """Take an optimizer step; return its loss and the norm of its gradient."""
        settings, world = self.config.training, self.accelerator
        batch = draw_batch(self.config, self.density, len(data), self.step, self.attempt)
        mine = batch.at(torch.arange(settings.batch).tensor_split(world.num_processes)[world.process_index])
        optimizer.set_rate(self.optimizer, self._rate())
        # Nothing here draws from torch's global generator; parts of your own may.
        with seeded(seed_of(self.config.seed, self.step, 1 + world.process_index, self.attempt), world.device):
            loss, costs = self._backward(data, mine)
        norm = self._update()
        self.step += 1
        self.ema.update_parameters(world.unwrap_model(self.network))
        costs = gathered(world, costs, settings.batch)
        self.density.update(batch.k, costs.nan_to_num(posinf=0.0))
        return loss if world.num_processes == 1 else self._scale * (costs * batch.weight).sum(), norm

    def _backward(self, data: Dataset, mine: Batch) -> tuple[Tensor, Tensor]:
        """Accumulate the gradient of this process's examples; return their loss and costs."""
        world, parts = self.accelerator, mine.split(self.config.training.accumulate)
        # Gradients are averaged over processes, whose shares of the batch may differ by one example.
        scale = world.num_processes * self._scale
        return self.placement.backward(self.network, parts, partial(self._cost, data), scale)

    @property
    def _scale(self) -> float:
        """From the weighted costs of a batch, in nats, to the loss in bits/dim, or per character."""
        return 1 / (self.config.training.batch * self.units * math.log(2))

    def _update(self) -> Tensor:
        """Clip the gradient, move the weights and rates by it, and clear it; return its norm before clipping."""
        clip = self.config.training.clip
        if self.clock:
            average_gradient(self.accelerator, self.clock.parameters())
            torch.nn.utils.clip_grad_norm_(self.clock.parameters(), clip)
        norm = self.placement.clip(self.network.parameters(), clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return norm

    def _session(self, works: Sequence[Ending], examples: int) -> Session:
        """Return the clock of the session that begins, and its budget if it has one."""
        settings, saving = self.config.training, lambda: self.saving + sum(work.expected() for work in works)
        budget = None if settings.steps else 60 * settings.minutes
        session = Session(self.seconds, budget, saving, most_steps(settings, examples))
        session.told = self.step > 0
        return session

    def _agreed(self, session: Session, stop: bool, *due: bool) -> list[bool]:
        """Return whether any process wants to stop, and what is due in the first; all call this after the same step.

        If it is time to decide on the number of steps, the first process does it for all.
        """
        steps = None
        if not self.course.known(self.step):
            steps = session.plan(self.step, self.course.at(self.step))
        steps, found = agreed(self.accelerator, steps, stop, *due)
        if steps is not None:
            self.course.decide(self.step, steps)
        return found

    @property
    def over(self) -> bool:
        """Whether the run has all its steps."""
        return self.course.over(self.step)

    def _rate(self) -> float:
        """Return the learning rate of the next step."""
        return learning_rate(self.config.training, self.step, self.course.at(self.step).done)

    def _cost(self, data: Dataset, batch: Batch) -> Tensor:
        """Return the objective's cost of each example, in nats."""
        device, objective = self.accelerator.device, self.config.objective
        streams = streams_of(batch, self.config.seed, self.step, self.attempt)
        x = self.specification.codec.encode(batch.examples(data, streams)).to(device, non_blocking=True)
        label = batch.labels(data, self.config.data, self.specification.covariates, streams)
        label = None if label is None else label.to(device)
        t, observed = batch.k.double() / objective.steps, None
        if self.config.training.shown or self.config.training.missing:
            x, observed = parted(x, self.config, self.specification, streams)
        decode = self.specification.codec.decoder
        with dropping(self.network, streams):
            return objective.of(self.denoiser, decode, x, t, label, observed, streams)

    def _average(self, averaged: Any, current: Any, _: Tensor | int) -> None:
        decay = min(self.config.training.ema, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(averaged, current, 1 - decay)

    @property
    def finite(self) -> bool:
        """Whether the weights, their average and the rates are all finite numbers."""
        rates = self.clock.parameters() if self.clock else ()
        return self.placement.finite([*self.network.parameters(), *self.ema.module.parameters(), *rates])

    def go_back(self) -> None:
        """Return to the last finite state, if there is one."""
        if self._good is not None:
            self._restore(self._good)

    def _checked(self, norm: Tensor) -> str | None:
        """Keep this state if it is finite; otherwise return to the last finite one, and return a note."""
        if math.isfinite(norm.item()) and self.finite:
            self._good = self._snapshot()
            return None
        failed, attempt = self.step, self.attempt + 1
        if attempt > ATTEMPTS or self._good is None:
            raise FloatingPointError(
                f"the loss was not finite at step {failed}, after going back {ATTEMPTS} times; "
                "lower training.learning_rate, or look at the data with `quasistatic check`"
            )
        self.go_back()
        self.attempt = attempt
        return (
            f"the loss was not finite by step {failed}: back to step {self.step}, "
            f"with other noise ({attempt} of {ATTEMPTS})"
        )

    def _snapshot(self) -> dict[str, Any]:
        tensors, numbers = self.state()
        return {"tensors": {name: value.detach().clone() for name, value in tensors.items()}, "numbers": numbers}

    def _restore(self, good: dict[str, Any]) -> None:
        self.load(good["tensors"], good["numbers"])

    # ---- the state, as a checkpoint keeps it

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all tensors by name, and the numbers, that a bit-exact resume needs."""
        numbers = {"step": self.step, "attempt": self.attempt, "seconds": self.seconds}
        return self._parts.tensors(), {**numbers, "decisions": self.course.rows()}

    def load(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Restore a state that `state` returned; its tensors may be on any device.

        Raises:
            ValueError: if it is of another network, is incomplete, or has values that are not finite.
        """
        self._parts.load(tensors, begun=numbers["step"] > 0)
        if not self.finite:
            raise ValueError("the checkpoint holds weights that are not finite numbers")
        self.step, self.attempt, self.seconds = numbers["step"], numbers["attempt"], numbers["seconds"]
        if self.config.training.steps is None:
            self.course = Course.of(numbers.get("decisions", []))

    def room(self, sizes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
        """Return tensors of these sizes to read a state into; see `Parts.room`."""
        return self._parts.room(sizes)

    @property
    def _parts(self) -> Parts:
        network = self.accelerator.unwrap_model(self.network)
        return Parts(network, self.ema, self.optimizer, self.clock, self.density)
