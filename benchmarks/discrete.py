"""What a step back costs over K states: seconds and peak memory of reverse and draw, for K = 2, 4, …, 256.

    python benchmarks/discrete.py                        a batch of 32 of 32×32×3, two processes
    python benchmarks/discrete.py --json discrete.json   the numbers in a file too
    python benchmarks/discrete.py --quick                a batch of 2, to see that it runs

Each case is a process of its own, so that none finds memory which another left. Memory is the peak of the resident set
during the step less what was resident before it; the guess, 4 K bytes per element, is there before and is given beside.
Time is the least of several rounds: others on the machine only add to it. Work per element is a part that does not
depend on K and a part that is linear in it, so seconds are fitted by a + b K, and by K^p from K = 16 on, where the
second part is most of it.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from machine import keep

STATES = (2, 4, 8, 16, 32, 64, 128, 256)
PROCESSES = ("uniform", "absorbing")
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
LARGE = 16
"""From so many states on the exponent is fitted."""

CONSOLE = Console(width=120)


def case(name: str, states: int, batch: int, rounds: int, threads: int, clock: str) -> dict[str, float]:
    """Walk one step back from t = 0.5 to s = 0.25 with a random guess; return its seconds and bytes."""
    import torch

    from quasistatic.distribution import Categorical
    from quasistatic.process import CategoricalProcess
    from quasistatic.schedule import Reciprocal

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    process = getattr(CategoricalProcess, name)(Reciprocal(), states)
    guess = Categorical(torch.randn(batch, 3, 32, 32, states))
    t, s = (torch.full((batch,), value, dtype=torch.float64) for value in (0.5, 0.25))
    x_t = process.prior(guess.logits[..., 0]).sample() if name == "uniform" else half_masked(guess.logits, states)

    def step() -> None:
        with torch.inference_mode():
            process.reverse(x_t, guess, t, s).sample()

    small = Categorical(guess.logits[:1, :1, :1, :1])
    process.reverse(x_t[:1, :1, :1, :1], small, t[:1], s[:1]).sample()  # loads what is loaded once
    before = resident()
    step()
    peak = highest() - before
    now, seconds = CLOCKS[clock], []
    for _ in range(rounds):
        start = now()
        step()
        seconds.append(now() - start)
    return {"seconds": min(seconds), "peak_bytes": max(peak, 0), "guess_bytes": guess.logits.nbytes}


def half_masked(logits, states: int):  # type: ignore[no-untyped-def]
    """States of which every second one is the mask."""
    import torch

    x_t = torch.randint(0, states - 1, logits.shape[:-1])
    return torch.where(torch.rand(x_t.shape) < 0.5, states - 1, x_t)


def resident() -> int:
    """Bytes in memory now, where the system tells (Linux); else the most so far."""
    status = Path("/proc/self/status")
    return of_status("VmRSS") if status.exists() else highest()


def highest() -> int:
    """The most bytes in memory so far."""
    if Path("/proc/self/status").exists():
        return of_status("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def of_status(name: str) -> int:
    """An entry of this process's status on Linux, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def fits(rows: list[dict]) -> dict[str, float]:
    """Fit seconds by a + b K over all rows and by K^p over those of many states."""
    states, seconds = (np.array([row[name] for row in rows], dtype=float) for name in ("states", "seconds"))
    large = states >= LARGE
    exponent, _ = np.polyfit(np.log(states[large]), np.log(seconds[large]), 1)
    # relative errors count alike for few states and for many
    slope, fixed = np.polyfit(states, seconds, 1, w=1 / seconds)
    worst = np.abs((fixed + slope * states) / seconds - 1).max()
    return {"exponent": exponent, "fixed_seconds": fixed, "seconds_per_state": slope, "worst_relative_error": worst}


def run(options: argparse.Namespace) -> dict:
    """Measure every case in a process of its own."""
    report: dict = {
        "batch": options.batch,
        "shape": [3, 32, 32],
        "threads": options.threads,
        "clock": options.clock,
        "processes": {},
    }
    cases = [(name, states) for name in PROCESSES for states in STATES]
    for name, states in track(cases, description="cases", console=Console(stderr=True), transient=True):
        words = [sys.executable, __file__, "--case", name, str(states)]
        settings = {"batch": options.batch, "rounds": options.rounds, "threads": options.threads}
        words += [word for key, value in settings.items() for word in (f"--{key}", str(value))]
        done = subprocess.run([*words, "--clock", options.clock], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"the case of {name} with {states} states failed:\n{done.stderr}")
        report["processes"].setdefault(name, {"rows": []})["rows"].append({"states": states, **json.loads(done.stdout)})
    for part in report["processes"].values():
        part["fit"] = fits(part["rows"])
    return report


def show(report: dict) -> None:
    """Print a table for each process, and what was fitted."""
    for name, part in report["processes"].items():
        table = Table(
            title=f"{name}, batch {report['batch']}, threads {report['threads']}, {report['clock']} time",
            title_justify="left",
        )
        for column in ("K", "ms", "ns per value and state", "peak MiB", "with its guess"):
            table.add_column(column, justify="right")
        values = report["batch"] * 3 * 32 * 32
        for row in part["rows"]:
            peak, guess = (row[key] / 2**20 for key in ("peak_bytes", "guess_bytes"))
            each = row["seconds"] * 1e9 / values / row["states"]
            cells = (f"{row['seconds'] * 1e3:.1f}", f"{each:.2f}", f"{peak:.0f}", f"{peak + guess:.0f}")
            table.add_row(str(row["states"]), *cells)
        CONSOLE.print(table)
        fit = part["fit"]
        CONSOLE.print(
            f"time ∝ K^{fit['exponent']:.2f} from K = {LARGE} on; {fit['fixed_seconds'] * 1e3:.1f} ms + "
            f"{fit['seconds_per_state'] * 1e3:.3f} ms × K fits all within {fit['worst_relative_error']:.0%}\n"
        )


def main() -> None:
    """Read the arguments, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a batch of 2 and few rounds")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=CLOCKS, default="cpu", help="cpu: this process's own time; or wall")
    parser.add_argument("--json", metavar="FILE", help="write the numbers here too")
    parser.add_argument("--case", nargs=2, metavar=("PROCESS", "K"), help="measure this one alone, and print JSON")
    options = parser.parse_args()
    if options.quick:
        options.batch, options.rounds = 2, 2
    if options.case:
        name, states = options.case
        found = case(name, int(states), options.batch, options.rounds, options.threads, options.clock)
        print(json.dumps(found))
        return
    report = run(options)
    show(report)
    keep(report, options.json)


if __name__ == "__main__":
    main()
