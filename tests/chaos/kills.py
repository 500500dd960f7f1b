"""Kills a run at random moments, resumes it, and holds its end to that of an undisturbed run, to the bit."""

import random
import shutil
import signal
from pathlib import Path
from typing import Any

from chaos import forks, verify
from chaos.kinds import train


def kills(kind: str, count: int, seed: int, work: Path, *, steps: int = 300, keep: int = 2) -> dict[str, Any]:
    """Kill runs of a kind ``count`` times in all; call `forks.preload` first.

    A run is resumed after each kill, with the same words and ``--resume`` once there is a folder; runs that come to
    their end are compared with one that nobody disturbed. A fault is what `verify.problems` says after a kill, a
    restart that fails, an end that differs by a bit, or a part that is left.
    """
    chance = random.Random(f"{seed} {kind}")
    words = ["--seed", str(seed), "--set", f"training.keep={keep}"]
    whole = work / f"{kind}-whole"
    done = forks.run(forks.command(train(kind, whole, steps, *words)), work, forks.Limits(seconds=900))
    if done.code:
        raise RuntimeError(f"the undisturbed run failed: {done.err}")
    faults: dict[str, list[str]] = {}
    killed, finished, ending = 0, 0, False
    run = work / f"{kind}-run"
    while killed < count or not ending:  # the last one comes to its end, and clears what the kill before it left
        resume = ["--resume"] if run.exists() else []
        # Half of the kills come while the run goes on, the others at any moment from its start.
        moment = [(chance.uniform(0.05, 1.1 * done.seconds), signal.SIGKILL)] if killed < count else []
        began = (run / "metrics.jsonl").exists if chance.random() < 0.5 else lambda: True
        ended = forks.run(
            forks.command(train(kind, run, steps, *words, *resume)),
            work,
            forks.Limits(seconds=900),
            signals=moment,
            once=began,
        )
        ending = ended.code != -signal.SIGKILL or ended.hung
        if not ending:
            killed += 1
            wrong = verify.problems(run)
            if wrong:
                faults[f"kill {killed}"] = wrong
            continue
        finished += 1
        wrong = [f"exit {ended.code}: {ended.last}"] if ended.code else verify.problems(run)
        wrong += [] if ended.code else [f"other bits: {name}" for name in verify.differences(whole, run)[:5]]
        wrong += [f"left: {name}" for name in verify.leftovers(run)]
        wrong += [] if ended.code or verify.at_last_step(run) else ["the model is not that of the last checkpoint"]
        if wrong:
            faults[f"end {finished}"] = wrong
        shutil.rmtree(run)
    left = verify.leftovers(work)
    return {"kills": killed, "finished": finished, "faults": faults, "left_beside": len(left)}
