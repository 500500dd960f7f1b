"""What a run reports as it goes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Progress of a run.

    Attributes:
        step: optimizer steps done, of ``steps``.
        steps: of the whole run; an estimate that changes, where the run has a budget of minutes.
        loss: mean since the last report; in bits/dim where the objective is the bound.
        learning_rate: of the last step.
        gradient_norm: of the last step, before clipping.
        rate: examples per second since the last report.
        seconds: of training, earlier sessions included.
        held_out: held-out bits/dim of the EMA weights, if just evaluated.
        note: one sentence about something that happened, else None.
        unit: of ``held_out``: bits/dim, or bits per character or byte.
    """

    step: int
    steps: int
    loss: float
    learning_rate: float
    gradient_norm: float
    rate: float
    seconds: float
    held_out: float | None = None
    note: str | None = None
    unit: str = "bits/dim"
