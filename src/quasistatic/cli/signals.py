"""Stops a training run gracefully: on a signal after the current step, with a checkpoint, and when its launcher died.

Command line only.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SOFT = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]

IMPATIENT = 0.5
"""Seconds after the first signal; later, Ctrl-C ends the run at once."""

LAUNCHED = "TORCHELASTIC_RUN_ID"
"""Environment variable that torchrun and `accelerate launch` set for the processes of a run."""

STORE = "TORCHELASTIC_USE_AGENT_STORE"
"""Environment variable that says whether the launcher answers at $MASTER_ADDR and $MASTER_PORT."""

LOOK, GRACE, EARLY = 0.5, 120.0, 5.0
"""Seconds between two looks whether the launcher lives, and those that a process has to end after it died: with a
checkpoint, or early, when the processes have not met yet and there is nothing to save."""


def end_with_launcher() -> None:
    """End this process when the launcher that started it dies: as on SIGTERM, and at once after `GRACE` seconds.

    A launcher that is killed leaves its processes behind; they would hold the run's folder, and nobody would know.

    Raises:
        ConnectionError: if it is dead already.
    """
    if LAUNCHED not in os.environ:
        return
    launcher = os.getppid()
    if os.environ.get(STORE) == "True" and _refuses(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])):
        raise ConnectionError("the launcher that started this process has ended; start the run again, with --resume")

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(LOOK)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE if _met() else EARLY)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="launcher", daemon=True).start()


def _refuses(host: str, port: int) -> bool:
    """Return whether nobody listens at an address."""
    try:
        socket.create_connection((host, port), timeout=10).close()
    except ConnectionRefusedError:
        return True
    except OSError:  # a slow network is no answer
        return False
    return False


def _met() -> bool:
    """Return whether the processes of the run have met."""
    distributed = sys.modules.get("torch.distributed")
    return distributed is not None and distributed.is_available() and distributed.is_initialized()


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
