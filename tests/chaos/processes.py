"""Several processes on CPUs (gloo): a rank that dies, signals to the launcher, resuming on other numbers of processes.

These are real launches; each takes as long as its imports.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from chaos import verify
from chaos.kinds import train

NEVER = ["--set", "training.checkpoint_every=1e9"]
ENDLESS = 10**7
PATIENCE = 240.0

Faults = dict[str, list[str]]


class Launch:
    """A command in a session of its own, with its output in a file."""

    def __init__(self, words: list[str], count: int, work: Path) -> None:
        self.log, self.seen = work / "log", set[int]()
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "QUASISTATIC_DEVICE": "cpu", "CUDA_VISIBLE_DEVICES": ""}
        with self.log.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, *torchrun, "-m", "quasistatic", *words],
                cwd=work,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # a shell's background jobs ignore SIGINT, and so would their children
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )
        self.begun = time.monotonic()

    def ranks(self) -> list[int]:
        """Return the process ids of the launcher's children."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = sorted(map(int, children.read_text().split()))
        self.seen |= set(found)
        return found

    def until(self, ready: Callable[[], bool]) -> None:
        """Wait until ``ready`` holds, or the command ends."""
        while self.process.poll() is None and not ready() and time.monotonic() - self.begun < PATIENCE:
            time.sleep(0.1)

    def end(self) -> int:
        """Wait for the end; what takes too long is killed."""
        try:
            return self.process.wait(max(1, PATIENCE - (time.monotonic() - self.begun)))
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()


def processes(work: Path, kind: str = "bits") -> Faults:
    """Run the cases and return what went wrong in each."""
    found: Faults = {}
    for name, send in {
        "SIGTERM to the launcher": lambda launch: os.kill(launch.process.pid, signal.SIGTERM),
        "Ctrl-C in the terminal": lambda launch: os.killpg(launch.process.pid, signal.SIGINT),
        "SIGKILL of a rank": lambda launch: os.kill(launch.ranks()[-1], signal.SIGKILL),
    }.items():
        found[name] = _disturbed(work, kind, send, saved="SIGKILL" not in name)
    run = work / "run"
    shutil.rmtree(run, ignore_errors=True)
    for count, steps in ((2, 20), (1, 40), (2, 60)):
        launch = Launch([*train(kind, run, steps), *NEVER, *(["--resume"] if run.exists() else [])], count, work)
        code = launch.end()
        wrong = [] if code == 0 else [f"exit {code}: {launch.log.read_text()[-600:]}"]
        wrong += [] if verify.last_step(run) == steps else [f"the last checkpoint is of step {verify.last_step(run)}"]
        found[f"{steps} steps, the last 20 on {count}"] = wrong + verify.problems(run)
    for name, changes in {
        "a batch of 5 over two": ["training.batch=5"],
        "a batch of 5 in 5 parts over two": ["training.batch=5", "training.accumulate=5"],
    }.items():
        run = work / "uneven"
        shutil.rmtree(run, ignore_errors=True)
        launch = Launch([*train(kind, run, 20), *(word for change in changes for word in ("--set", change))], 2, work)
        code = launch.end()
        wrong = [] if code == 0 else [f"exit {code}: {launch.log.read_text()[-600:]}"]
        found[name] = wrong + verify.problems(run)
    run = work / "few"
    launch = Launch([*train(kind, run, 4), "--set", "training.batch=1"], 2, work)
    launch.end()
    told = "each of 2 processes needs an example of every batch, got training.batch=1" in launch.log.read_text()
    found["a batch of one over two"] = ([] if told else ["no sentence"]) + (["a folder"] if run.exists() else [])
    return found


def _disturbed(work: Path, kind: str, send: Callable[[Launch], None], saved: bool) -> list[str]:
    run = work / "disturbed"
    shutil.rmtree(run, ignore_errors=True)
    launch = Launch([*train(kind, run, ENDLESS), *NEVER], 2, work)
    launch.until((run / "metrics.jsonl").exists)
    time.sleep(1)
    before = launch.ranks()
    send(launch)
    code = launch.end()
    time.sleep(1)
    wrong = verify.problems(run) + (["it ended well"] if code == 0 else [])
    wrong += [f"killed after {PATIENCE:.0f} s"] if code == -signal.SIGKILL else []
    wrong += [f"rank {rank} lives on" for rank in before if Path(f"/proc/{rank}").exists()]
    if saved and verify.last_step(run) < 1:
        wrong.append(f"no checkpoint of the steps that were done: {launch.log.read_text()[-600:]}")
    return wrong
