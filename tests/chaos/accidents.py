"""Signals, full and read-only disks, limits on file size, two runs in one folder, folders that move.

Each returns its cases with what went wrong in each; nothing where nothing did.
"""

import random
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from chaos import forks, verify
from chaos.kinds import train

NEVER = ("--set", "training.checkpoint_every=1e9")
SHARES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.1, 1.25)
"""Sizes of a full disk, in sizes of a finished run."""

Faults = dict[str, list[str]]


class Accidents:
    """Accidents that befall short runs of one kind; each compares what goes on with an undisturbed run."""

    def __init__(self, kind: str, seed: int, work: Path, steps: int = 400) -> None:
        self.kind, self.seed, self.work, self.steps = kind, seed, work, steps
        self.whole = work / "whole"
        done = self.train(self.whole)
        if done.code:
            raise RuntimeError(f"the undisturbed run failed: {done.err}")

    def train(self, run: Path, *more: str, file_size: int | None = None, **how: object) -> forks.Outcome:
        limits = forks.Limits(seconds=600, file_size=file_size)
        words = train(self.kind, run, self.steps, *more)
        return forks.run(forks.command(words), self.work, limits, **how)

    def fresh(self, name: str) -> Path:
        shutil.rmtree(self.work / name, ignore_errors=True)
        return self.work / name

    def after(self, ended: forks.Outcome, run: Path, codes: Sequence[int] = (1,)) -> list[str]:
        """Return what is wrong after an accident: how the command ended, and what is in the folder."""
        wrong = [] if ended.code in codes else [f"exit {ended.code}: {ended.last}"]
        wrong += ["a traceback"] if ended.traceback else []
        return wrong + verify.problems(run)

    def goes_on(self, run: Path) -> list[str]:
        """Resume, or begin where there is nothing to resume, and return what is wrong at the end."""
        ended = self.train(run, *(["--resume"] if run.exists() else []))
        if ended.code:
            return [f"going on: exit {ended.code}: {ended.last}"]
        wrong = [f"other bits: {name}" for name in verify.differences(self.whole, run)[:3]]
        return wrong + [f"left: {name}" for name in verify.leftovers(run)]

    def signals(self) -> Faults:
        """Send one and two signals, at once and soon after one another: a checkpoint, exit 1, and it goes on."""
        term, ctrl_c, hup = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
        cases = {
            "SIGTERM": [(0.3, term)],
            "SIGINT": [(0.3, ctrl_c)],
            "SIGHUP": [(0.3, hup)],
            "SIGINT twice": [(0.3, ctrl_c), (0.35, ctrl_c)],
            "SIGTERM twice": [(0.3, term), (0.32, term)],
            "SIGTERM, SIGINT": [(0.3, term), (0.31, ctrl_c)],
            "SIGINT twice, a second apart": [(0.3, ctrl_c), (1.3, ctrl_c)],
        }
        found: Faults = {}
        for name, sent in cases.items():
            run = self.fresh("signalled")
            ended = self.train(run, *NEVER, signals=sent, once=(run / "metrics.jsonl").exists)
            begun = [] if verify.last_step(run) > 0 else ["no checkpoint of the steps that were done"]
            found[name] = self.after(ended, run) + begun + self.goes_on(run)
        return found

    def lost(self, tries: int = 20) -> Faults:
        """Send one SIGTERM at random moments of a run without end: each ends it."""
        chance, found = random.Random(self.seed), Faults()
        for number in range(tries):
            run = self.fresh("lost")
            sent = [(chance.random(), signal.SIGTERM), (15.0, signal.SIGKILL)]
            words = [*train(self.kind, run, 10**8), *NEVER]
            ended = forks.run(
                forks.command(words), self.work, forks.Limits(200), signals=sent, once=(run / "metrics.jsonl").exists
            )
            found[f"try {number}"] = self.after(ended, run)
        return found

    def full_disks(self) -> Faults:
        """Fill the disk at different moments: one sentence, a whole folder, and it goes on when there is room."""
        used = sum(path.stat().st_size for path in self.whole.rglob("*") if path.is_file())
        found: Faults = {}
        for share in SHARES:
            with mounted(self.fresh("small"), f"size={max(4096, int(used * share) // 4096 * 4096)}") as place:
                run = place / "run"
                wrong = self.after(self.train(run), run)
                subprocess.run(["mount", "-o", f"remount,size={used * 8}", str(place)], check=True)
                found[f"a disk of {share:.2f} of a run"] = wrong + self.goes_on(run)
        return found

    def small_files(self) -> Faults:
        """Limit the size of files to just below that of each file of a run."""
        sizes = sorted({path.stat().st_size for path in self.whole.rglob("*") if path.is_file()} - {0})
        found: Faults = {}
        for size in (100, *[one - 1 for one in sizes], sizes[-1] // 2):
            run = self.fresh("limited")
            # Metrics differ in size from run to run: a limit just below the largest of one may spare another.
            wrong = self.after(self.train(run, file_size=size), run, codes=(0, 1))
            found[f"files of at most {size} bytes"] = wrong + self.goes_on(run)
        return found

    def read_only(self) -> Faults:
        """Make the disk read-only: every command that writes to it says so."""
        found: Faults = {}
        with mounted(self.fresh("fixed"), "size=50m") as place:
            run = place / "run"
            self.train(run, signals=[(0.2, signal.SIGINT)], once=(run / "metrics.jsonl").exists)
            subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
            found["train"] = self.after(self.train(place / "new"), run)
            found["train --resume"] = self.after(self.train(run, "--resume"), run)
            for words in (
                ["sample", run, "-n", 1, "--steps", 2, "--out", place / "o.npy"],
                ["plan", run, "--candidates", 5, "--steps", 2, "--examples", 4],
                ["evaluate", run, "heartbeat", "--limit", 2, "--steps", 4, "--scores", place / "s.csv"],
            ):
                ended = forks.run(forks.command(words), self.work)
                told = [] if "Read-only file system" in ended.last else [f"it says {ended.last!r}"]
                found[str(words[0])] = self.after(ended, run) + told
        return found

    def together(self) -> Faults:
        """Start two runs in one folder: one goes on, the other is refused, and nothing mixes."""
        found: Faults = {}
        for name, more in (("two new runs", ()), ("two that resume", ("--resume",))):
            run, ended = self.fresh("shared"), list[forks.Outcome]()
            if more:
                self.train(run, signals=[(0.2, signal.SIGINT)], once=(run / "metrics.jsonl").exists)
            both = [threading.Thread(target=lambda: ended.append(self.train(run, *more))) for _ in range(2)]  # noqa: B023
            for one in both:
                one.start()
            for one in both:
                one.join()
            codes = sorted(one.code for one in ended)
            wrong = [] if codes in ([0, 2], [0, 0]) else [f"exits {codes}: {[one.last for one in ended]}"]
            # The second may come when the first is done, and then has nothing left to do.
            found[name] = wrong + [f"other bits: {bit}" for bit in verify.differences(self.whole, run)[:3]]
        return found

    def moved(self) -> Faults:
        """Move a run's folder between two sessions, and move and remove one while it runs."""
        run, other = self.fresh("here"), self.fresh("there é [x]")
        self.train(run, signals=[(0.2, signal.SIGINT)], once=(run / "metrics.jsonl").exists)
        run.rename(other)
        found = {"moved between sessions": self.goes_on(other)}
        for name, act in (("moved", lambda: run.rename(self.work / "gone")), ("removed", lambda: shutil.rmtree(run))):
            self.fresh("here"), self.fresh("gone")
            timer = threading.Timer(2.0, act)
            timer.start()
            ended = self.train(run)
            timer.join()
            wrong = self.after(ended, run, codes=(0, 1))
            found[f"{name} while it runs"] = wrong + (self.goes_on(self.work / "gone") if name == "moved" else [])
        return found


@contextmanager
def mounted(place: Path, options: str) -> Iterator[Path]:
    """Mount a small file system; this needs root.

    Raises:
        PermissionError: if it cannot be mounted.
    """
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        raise PermissionError("a small file system cannot be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
