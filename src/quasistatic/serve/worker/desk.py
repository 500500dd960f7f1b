"""What the tasks share: the job's folder, models and data that stay in memory, and a stop within a step."""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from quasistatic.data import Dataset, load
from quasistatic.data.load import is_built_in
from quasistatic.model import Model

MOST_MODELS = 3
"""Models that stay in memory."""

PART = "part-"
"""How the names of files begin that hold parts of a result: part-0.json, part-1.json …"""

LONGEST = 1800.0
"""Maximum seconds of a job."""


class CancelledError(Exception):
    """Raised within the work of a job that was cancelled."""


class Desk:
    """Where the tasks work.

    Args:
        data: data sets that the user named; a run's held-out part is read from the one that it was trained on.
    """

    def __init__(self, data: Sequence[str] = ()) -> None:
        self.cancelled: str | None = None
        self.folder = Path()
        self.paths: dict[str, str] = {}
        self.watch: Callable[[int, int], None] = lambda done, total: None
        self._share: Callable[[int], None] = lambda count: None
        self._parts = 0
        self._data, self._job, self._began = tuple(data), "", 0.0
        self._models: OrderedDict[tuple[str, float], Model] = OrderedDict()
        self._sources: dict[str, tuple[str, Dataset] | None] = {}

    def begin(
        self,
        job: str,
        paths: dict[str, str],
        folder: Path,
        watch: Callable[[int, int], None],
        share: Callable[[int], None] = lambda count: None,
    ) -> None:
        """Begin a job; ``watch`` gets its progress, ``share`` the number of its parts that can be shown already."""
        self._job, self.paths, self.folder, self.watch, self._began = job, paths, folder, watch, time.monotonic()
        self._share, self._parts = share, 0
        self.check()

    def show(self, part: dict[str, Any]) -> None:
        """Show a part of the result before the rest is there."""
        (self.folder / f"{PART}{self._parts}.json").write_text(json.dumps(part, allow_nan=False))
        self._parts += 1
        self._share(self._parts)

    def check(self) -> None:
        """Stop the job if it is to stop.

        Raises:
            CancelledError: if it was cancelled.
            ValueError: if it has taken too long.
        """
        if self.cancelled == self._job:
            raise CancelledError
        if time.monotonic() - self._began > LONGEST:
            raise ValueError(
                f"a job may take {LONGEST / 60:.0f} minutes, and this one took longer; ask for less at once"
            )

    def progress(self, done: int, total: int) -> None:
        """Tell how far the job is, unless it is to stop."""
        self.check()
        self.watch(done, total)

    def model(self) -> Model:
        """Return the model of the job's run, as it is now."""
        folder = self.paths["run"]
        key = (folder, Path(folder, "model.safetensors").stat().st_mtime if Path(folder).is_dir() else 0.0)
        if key not in self._models:
            while len(self._models) >= MOST_MODELS:
                self._models.popitem(last=False)
            model = Model.from_pretrained(folder)
            model.network.register_forward_pre_hook(self._stop)
            self._models[key] = model
        self._models.move_to_end(key)
        return self._models[key]

    def open(self) -> Model:
        """Return the job's model after it has been evaluated once: what the first evaluation sets up is then there."""
        before = len(self._models)
        model = self.model()
        if len(self._models) > before or before == MOST_MODELS:
            model.sample(1, steps=1)
        return model

    def _stop(self, network: nn.Module, inputs: object) -> None:
        """Stop before the next evaluation of the network: within a step of whatever runs."""
        self.check()

    def source(self, model: Model) -> tuple[str, Dataset] | None:
        """Return the model's data and their name; None unless they are built in or were named by the user.

        A run from elsewhere may name any file, so its own source is not read.
        """
        key = model.specification.fingerprint
        if key not in self._sources:
            self._sources[key] = self._found(model)
        return self._sources[key]

    def held_out(self, model: Model) -> Dataset | None:
        """Return the held-out part of the model's data; None if they are not known here."""
        found = self.source(model)
        return None if found is None else model.held_out(found[1])

    def _found(self, model: Model) -> tuple[str, Dataset] | None:
        own = model.config.data.source
        for source in (*self._data, *((own,) if is_built_in(own) and own != "mnist" else ())):
            try:
                dataset = load(source, model.config.data.reading(like=model.specification.codec))
            except (ValueError, TypeError, OSError):
                continue
            if dataset.fingerprint == model.specification.fingerprint:
                return source, dataset
        return None

    def unseen(self, model: Model) -> Dataset:
        """Return the held-out part of the model's data.

        Raises:
            ValueError: if the data are not known here.
        """
        return model.held_out(self.known(model)[1])

    def known(self, model: Model) -> tuple[str, Dataset]:
        """Return the model's data and their name.

        Raises:
            ValueError: if the data are not known here.
        """
        found = self.source(model)
        if found is None:
            raise ValueError(
                "this needs the run's data, and they are not built in; start with --data DATA to name them"
            )
        return found

    def some_unseen(self, model: Model, count: int) -> Dataset:
        """Return at most ``count`` held-out examples."""
        found = self.unseen(model)
        return found.select(torch.arange(min(count, len(found))))
