"""Stops a training run gracefully on a signal: after the current step, with a checkpoint. Command line only."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SOFT = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]

IMPATIENT = 0.5
"""Seconds after the first signal; later, Ctrl-C ends the run at once."""


@contextmanager
def soft_signals() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether a signal has asked the process to stop.

    A second Ctrl-C, at least `IMPATIENT` seconds later, raises KeyboardInterrupt. In a distributed run it does not: the
    launcher repeats each signal and kills processes that do not end. Signals that were ignored before, as after
    `nohup`, stay ignored. Outside the main thread nothing changes.
    """
    came: list[float] = []
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1

    def soft(number: int, _: FrameType | None) -> None:
        came.append(time.monotonic())
        if number == signal.SIGINT and alone and came[-1] - came[0] > IMPATIENT:
            raise KeyboardInterrupt

    before = {}
    with suppress(ValueError):  # signals belong to the main thread
        for number in SOFT:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, soft)
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
