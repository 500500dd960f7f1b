"""Seconds until something can be used: imports, the command's help, a first sample; each in a fresh process.

    python benchmarks/startup.py                 medians of five rounds, alternating
    python benchmarks/startup.py --json FILE

The first sample is of an untrained U-Net of a few thousand weights: what is timed is all that is not the network.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from machine import keep

MADE = """
import sys
import quasistatic as qs
from quasistatic.config import Specification
data = qs.load("digits")
config = qs.override(qs.recipe("digits", data, "digits"), ["network.channels=8", "network.head_width=8"])
qs.Model.fresh(config, Specification.of(data)).save_pretrained(sys.argv[1])
"""


def works(folder: Path) -> dict[str, list[str]]:
    """Return the commands by what they show."""
    python, command = sys.executable, str(Path(sys.executable).with_name("quasistatic"))
    subprocess.run([python, "-c", MADE, str(folder / "run")], check=True)
    found = {
        "python -c pass": [python, "-c", "pass"],
        "import quasistatic": [python, "-c", "import quasistatic"],
        "quasistatic --help": [command, "--help"],
        "import torch": [python, "-c", "import torch"],
        "quasistatic.Model": [python, "-c", "import quasistatic; quasistatic.Model"],
        "quasistatic sample": [command, "sample", str(folder / "run"), "-o", str(folder / "s.npy"), "-n", "1"],
    }
    theirs = "from diffusers import DDPMPipeline"
    if subprocess.run([python, "-c", theirs], capture_output=True, check=False).returncode == 0:
        found["diffusers.DDPMPipeline"] = [python, "-c", theirs]
    return found


def main() -> None:
    """Time every command in turn, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        commands = works(Path(place))
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for turn in track(range(options.rounds + 1), "rounds", console=Console(stderr=True), transient=True):
            for name, command in commands.items():
                started = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                if turn:
                    seconds[name].append(time.perf_counter() - started)
    base = statistics.median(seconds["import torch"])
    rows = {
        name: {
            "seconds": statistics.median(times),
            "least": min(times),
            "greatest": max(times),
            "over_torch": statistics.median(times) / base,
        }
        for name, times in seconds.items()
    }
    table = Table("what", "median", "least to greatest", "over `import torch`")
    for name, row in rows.items():
        spread = f"{row['least']:.2f} to {row['greatest']:.2f}"
        table.add_row(name, f"{row['seconds']:.2f} s", spread, f"{row['over_torch']:.2f}")
    Console().print(table)
    keep(rows, options.json)


if __name__ == "__main__":
    main()
