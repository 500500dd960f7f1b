"""Signals that end a run softly: after the step it is at, with a checkpoint. For the command alone."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SOFT = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]

IMPATIENT = 0.5
"""Seconds after the first signal from which Ctrl-C ends the run at once."""


@contextmanager
def soft_signals() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether a signal has asked the process to end.

    A second Ctrl-C raises KeyboardInterrupt, once `IMPATIENT` seconds have passed. One of several processes waits for
    the others instead: their launcher repeats each signal, and kills what does not end. A signal that was ignored
    before stays ignored, as after `nohup`. Outside the main thread nothing changes.
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
