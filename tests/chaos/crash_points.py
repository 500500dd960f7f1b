"""Kills a run before each single operation on its folder, resumes it, and looks at what is left.

Python's audit events (open to write, mkdir, rename, remove, rmdir, chmod) below the run's folder are numbered; try k
sends the process SIGKILL just before event k. Files that safetensors writes have no event of their own, but the file
is made, its mode set and it is renamed by Python.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chaos import forks, verify
from chaos.kinds import KINDS

WRITING = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod"}


def crash_points(kind: str, keep: int, work: Path, *, steps: int = 3, there: bool = False) -> dict[str, Any]:
    """Try every crash point of a short run that saves at each step; call `forks.preload` first.

    Args:
        kind: of the run.
        keep: checkpoints kept.
        work: a folder of its own.
        steps: of the run.
        there: whether the run's folder exists, empty, before it begins.
    """
    log, whole, run = work / "events", work / "whole", work / "run"

    def begin(place: Path) -> None:
        shutil.rmtree(place, ignore_errors=True)
        if there:
            place.mkdir()

    begin(whole)
    done = forks.run(_trained(kind, keep, whole, steps, False, None, log), work)
    if done.code:
        raise RuntimeError(f"the undisturbed run failed: {done.err}")
    events = log.read_text().splitlines()
    faults: dict[str, list[str]] = {}
    for number, event in enumerate(events, 1):
        begin(run)
        killed = forks.run(_trained(kind, keep, run, steps, False, number, work / "ignored"), work)
        wrong = [] if killed.code == -signal.SIGKILL else [f"not killed: exit {killed.code} {killed.last}"]
        wrong += verify.problems(run)
        resume = run.exists() and any(run.glob("checkpoints/step-*"))
        ended = forks.run(_trained(kind, keep, run, steps, resume, None, work / "ignored"), work)
        if ended.code:
            wrong.append(f"going on fails: {ended.last}")
        else:
            wrong += [f"other bits: {name}" for name in verify.differences(whole, run)[:3]]
            wrong += [f"left: {name}" for name in verify.leftovers(run)]
        if wrong:
            faults[f"{number}: {event}"] = wrong
    return {"points": len(events), "faults": faults}


def _trained(
    kind: str, keep: int, run: Path, steps: int, resume: bool, event: int | None, log: Path
) -> Callable[[], None]:
    """Return a run that reports and saves at every step, and dies before ``event``."""

    def act() -> None:
        from quasistatic.config import override
        from quasistatic.data import load
        from quasistatic.recipes import recipe
        from quasistatic.training.checkpoint import train

        words = KINDS[kind]
        name = words[words.index("--recipe") + 1] if "--recipe" in words else None
        changes = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
        data = load(words[0], limit=600)
        config = override(recipe(name, data, words[0]), [*changes, f"training.steps={steps}", f"training.keep={keep}"])
        log.unlink(missing_ok=True)
        _watch(run, event, log)
        for _ in train(config, data, run, resume=resume, every=0.0):
            pass

    return act


def _watch(run: Path, event: int | None, log: Path) -> None:
    """Number the operations on a run's folder, or on what becomes one, and die before ``event``."""
    count, places = 0, (str(run), f"{run.parent}/.{run.name}.")

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if name == "open":
            if not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
                return
        elif name not in WRITING:
            return
        paths = arguments[:2] if name == "os.rename" else arguments[:1]
        texts = [str(path) for path in paths if isinstance(path, str | Path)]
        # rmtree names what is in a folder by its name alone
        below = any(text.startswith(places) or "/" not in text for text in texts)
        if not below or str(log) in texts:
            return
        count += 1
        with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "w") as file:
            file.write(f"{name} {' '.join(text.removeprefix(str(run.parent)) for text in texts)}\n")
        if count == event:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
