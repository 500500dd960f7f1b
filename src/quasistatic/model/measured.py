"""Measurements stored with a model: planned few-step grids, and the variances of its guesses.

plan.json               the process, and for each number of steps its grid of times and what it costs
variance.safetensors    E (x − m)² of each element over log-SNR (Gaussian processes)
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from quasistatic.config import from_json, read_object, to_json
from quasistatic.evaluation.steps.variance import SquaredErrors
from quasistatic.model.folder import read_step, stepped
from quasistatic.process import Process
from quasistatic.runtime.fields import Count, brief, check
from quasistatic.runtime.files import replace_file
from quasistatic.types import Times

if TYPE_CHECKING:
    pass


PLAN, VARIANCE = "plan.json", "variance.safetensors"


@dataclass(frozen=True, eq=False)
class Measured:
    """The measurements of a model.

    Attributes:
        grids: the planned grid of each number of steps.
        bits_per_dim: what each is expected to cost.
        errors: E (x − m)², where the process is Gaussian.
        stale: why what lies in the folder is not used: it was measured at another step of training. Else empty.
    """

    grids: dict[int, Times] = field(default_factory=dict)
    bits_per_dim: dict[int, float] = field(default_factory=dict)
    errors: SquaredErrors | None = None
    stale: str = ""

    def write(self, folder: Path, process: Process, step: int | None = None) -> None:
        """Write both files into a model's folder, with their training step; each is replaced atomically."""
        plans = {
            str(steps): {"times": self.grids[steps].tolist(), "bits_per_dim": self.bits_per_dim[steps]}
            for steps in sorted(self.grids)
        }
        text = json.dumps({"step": step, "process": to_json(process), "plans": plans}, indent=2) + "\n"
        replace_file(folder / PLAN, lambda part: part.write_text(text))
        if self.errors is not None:
            tensors = {"log_snr": self.errors.log_snr, "values": self.errors.values.float()}
            replace_file(folder / VARIANCE, lambda part: save_file(tensors, part, stepped(step)))

    @classmethod
    def read(
        cls, folder: Path, process: Process, step: int | None = None, shape: tuple[int, ...] | None = None
    ) -> "Measured":
        """Read the measurements in a model's folder; an empty `Measured` if there are none.

        What was measured of another process or at another training step is not used, and ``stale`` says so.

        Raises:
            ValueError: if a file is damaged.
        """
        grids, costs, errors, stale = {}, {}, None, ""
        try:
            if (folder / PLAN).is_file():
                found = read_object(folder / PLAN)
                check("step", Count | None, found.get("step"))
                stale = _stale(folder, from_json(Process, found["process"]) == process, found.get("step"), step)
                for steps, plan in {} if stale else found["plans"].items():
                    grids[int(steps)] = _times(plan["times"], int(steps))
                    costs[int(steps)] = float(plan["bits_per_dim"])
            if (folder / VARIANCE).is_file():
                stale = stale or _stale(folder, True, read_step(folder / VARIANCE), step)
                tensors = load_file(folder / VARIANCE)
                errors = None if stale else _errors(tensors["log_snr"], tensors["values"].double(), shape)
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError, SafetensorError, OSError) as error:
            raise ValueError(f"{folder / PLAN} or {VARIANCE} is damaged: {error}; make it again") from None
        return cls(grids, costs, errors, stale)


def _times(values: Any, steps: int) -> Times:
    """Return a planned grid.

    Raises:
        ValueError: unless it falls from 1 to 0 in so many steps.
    """
    check("times", tuple[float, ...], tuple(values))
    times = torch.tensor(values, dtype=torch.float64)
    if len(times) != steps + 1 or times[0] != 1 or times[-1] != 0 or not bool((times.diff() < 0).all()):
        raise ValueError(f"the times of {steps} steps fall from 1 to 0, got {brief(values)}")
    return times


def _errors(log_snr: Tensor, values: Tensor, shape: tuple[int, ...] | None) -> SquaredErrors:
    """Return measured variances.

    Raises:
        ValueError: unless they are finite, not negative, at rising log-SNRs, and of examples of this ``shape``.
    """
    fits = log_snr.ndim == 1 and len(log_snr) == len(values) > 1 and log_snr.is_floating_point()
    sound = fits and bool((log_snr.diff() > 0).all()) and bool((values.isfinite() & (values >= 0)).all())
    if not sound or (shape is not None and values.shape[1:] != shape):
        raise ValueError(
            "variances are finite and not negative, one of each element at two or more rising log-SNRs, got shapes "
            f"{tuple(log_snr.shape)} and {tuple(values.shape)}"
        )
    return SquaredErrors(log_snr, values)


def _stale(folder: Path, same_process: bool, measured_at: int | None, step: int | None) -> str:
    """Return why the measurements belong to another model or step; empty if they fit."""
    if same_process and measured_at == step:
        return ""
    where = "at an unknown step" if measured_at is None else f"at step {measured_at}"
    was = where if same_process else "with other rates"
    now = "" if step is None else f", and the model is of step {step}"
    return f"the plan in {folder} was measured {was}{now}; run `quasistatic plan {folder}` again"
