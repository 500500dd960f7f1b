"""Kills any rank of a run on several processes, or the launcher, at random moments; holds its end to one process's."""

import os
import random
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaos import forks, verify
from chaos.kinds import train
from chaos.processes import Launch

NEAR = 1e-5
"""Largest relative difference of weights and moments from those of one process."""

GONE = 60.0
"""Seconds in which all processes of a run end after one of them, or the launcher, was killed."""


def ranks(count: int, seed: int, work: Path, *, kind: str = "bits", steps: int = 400, world: int = 2) -> dict[str, Any]:
    """Kill a rank or the launcher ``count`` times in all; call `forks.preload` first.

    A run is resumed after each kill with the same words; ends are compared with the run of one process that nobody
    disturbed. Half of the kills come while the run goes on, the others at any moment from the launch.
    """
    chance = random.Random(f"{seed} ranks {kind}")
    words = ["--seed", str(seed)]
    whole, run = work / "whole", work / "run"
    done = forks.run(forks.command(train(kind, whole, steps, *words)), work, forks.Limits(seconds=900))
    if done.code:
        raise RuntimeError(f"the undisturbed run failed: {done.err}")
    faults: dict[str, list[str]] = {}
    killed, finished, victims, further = 0, 0, Counter[str](), 0
    while killed < count or run.exists():
        before = verify.last_step(run) if run.exists() else -1
        launch = Launch([*train(kind, run, steps, *words), *(["--resume"] if run.exists() else [])], world, work)
        victim = _kill(launch, chance, run) if killed < count else None
        code = launch.end()
        killed += victim is not None
        victims[victim or "none"] += 1
        wrong = _left(launch) + verify.problems(run)
        if run.exists() and verify.last_step(run) < before:
            wrong.append(f"it went back from step {before} to {verify.last_step(run)}")
        further += run.exists() and verify.last_step(run) > before
        if victim is None and code:
            wrong.append(f"exit {code}: {launch.log.read_text()[-600:]}")
        if wrong:
            faults[f"kill {killed} ({victim})"] = wrong
        if code == 0 and run.exists() and verify.last_step(run) == steps:  # else it goes on, and mends its model's file
            finished += 1
            wrong = [f"left: {name}" for name in verify.leftovers(run)] + apart(whole, run)
            wrong += [] if verify.at_last_step(run) else ["the model is not that of the last checkpoint"]
            if wrong:
                faults[f"end {finished}"] = wrong
            shutil.rmtree(run)
        elif victim is None:
            shutil.rmtree(run, ignore_errors=True)
    left = [name for name in verify.leftovers(work) if not name.startswith("run/")]
    return {
        "kills": killed,
        "of": dict(sorted(victims.items())),
        "launches that went on": further,
        "finished": finished,
        "faults": faults,
        "left_beside": len(left),
    }


def _kill(launch: Launch, chance: random.Random, run: Path) -> str | None:
    """Kill one process of a launch at a random moment; return which, or None if the run ended before."""
    at = run / "metrics.jsonl"
    begun = at.stat().st_size if at.exists() else 0
    if chance.random() < 0.5:
        launch.until(lambda: at.exists() and at.stat().st_size > begun)
        moment = chance.uniform(0.0, 3.0)
    else:
        moment = chance.uniform(0.5, 12.0)
    until = time.monotonic() + moment
    launch.until(lambda: time.monotonic() > until)
    if launch.process.poll() is not None:
        return None
    places = launch.ranks()
    victim = chance.choice(["launcher", *range(len(places))])
    with suppress(ProcessLookupError):
        if isinstance(victim, int):
            os.kill(places[victim], signal.SIGKILL)
            return f"rank {victim}"
        launch.process.send_signal(signal.SIGKILL)
        return "launcher"
    return None


def _left(launch: Launch) -> list[str]:
    """Wait until all processes of a launch are gone; say which live on."""
    until, left = time.monotonic() + GONE, list[int]()
    while time.monotonic() < until:
        left = [one for one in launch.seen if _lives(one)]
        if not left:
            return []
        time.sleep(0.2)
    for one in left:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    return [f"process {one} lives on" for one in left]


def _lives(number: int) -> bool:
    """Return whether a process is there and not dead."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def apart(one: Path, other: Path) -> list[str]:
    """Return the tensors in which two finished runs differ by more than `NEAR`, in checkpoint or model."""
    a, b = verify.tensors(one), verify.tensors(other)
    found = [f"only in one: {name}" for name in sorted(set(a) ^ set(b))]
    for name in sorted(set(a) & set(b)):
        x, y = a[name].double(), b[name].double()
        size, gap = ((value.abs().max().item() if value.numel() else 0.0) for value in (x, x - y))
        gap = gap / size if gap and size else gap
        if not gap <= NEAR:
            found.append(f"{name} differs by {gap:.1e}")
    return found
