"""The campaign against runs: kills, crash points, accidents, several processes. Prints its seed and a JSON of figures.

    PYTHONPATH=tests python -m chaos.runs [--seed S] [--kills N] [--only kills,ranks,points,accidents,processes]
        [--json FILE]

Exit 1 if anything was found.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from chaos import forks
from chaos.accidents import Accidents
from chaos.crash_points import crash_points
from chaos.kills import kills
from chaos.processes import processes
from chaos.ranks import ranks

PARTS = ("kills", "ranks", "points", "accidents", "processes")


def campaign(parts: list[str], count: int, seed: int, work: Path) -> dict[str, Any]:
    """Run parts of the campaign in the folder ``work`` and return the figures; call `forks.preload` first."""
    found: dict[str, Any] = {"seed": seed}

    def room(name: str) -> Path:
        say(f"{name} …")
        (work / name).mkdir()
        return work / name

    if "kills" in parts:
        found["kills"] = {
            f"{kind}, keep {keep}": kills(kind, -(-count // 4), seed, room(f"kills-{kind}-{keep}"), keep=keep)
            for kind, keep in (("digits", 2), ("rates", 2), ("bits", 2), ("rates", 1))
        }
    if "ranks" in parts:
        found["ranks"] = ranks(-(-count // 2), seed, room("ranks"))
    if "points" in parts:
        found["points"] = {
            f"{kind}, keep {keep}{', folder there' * there}": crash_points(
                kind, keep, room(f"points-{kind}-{keep}-{there}"), there=there
            )
            for kind, keep, there in (("rates", 1, False), ("rates", 2, False), ("bits", 1, True), ("digits", 2, False))
        }
    if "accidents" in parts:
        accidents = Accidents("bits", seed, room("accidents"))
        found["accidents"] = {}
        for name in ("signals", "lost", "full_disks", "small_files", "read_only", "together", "moved"):
            say(f"accidents, {name} …")
            try:
                found["accidents"][name] = getattr(accidents, name)()
            except PermissionError as error:
                found["accidents"][name] = {}
                say(f"left out: {error}")
    if "processes" in parts:
        found["processes"] = processes(room("processes"))
    return found


def faults(found: Any, where: str = "") -> list[str]:
    """Return every fault in the figures, with its place."""
    if isinstance(found, dict):
        return [fault for name, item in found.items() for fault in faults(item, f"{where} / {name}" if where else name)]
    if isinstance(found, list):
        return [f"{where}: {item}" for item in found]
    return [f"{where}: {found}"] if where.endswith("left_beside") and found else []


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Run the campaign, print the figures, and end with 1 if it found faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3)))
    parser.add_argument("--kills", type=int, default=200, help="of one process; of several, half as many")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    say(f"seed {asked.seed}")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder).resolve()
        forks.preload(work / "home")
        found = campaign(asked.only.split(","), asked.kills, asked.seed, work)
    wrong = faults(found)
    found |= {"seconds": round(time.monotonic() - started), "faults": len(wrong)}
    print(json.dumps(found, indent=1))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")
    for fault in wrong:
        say(f"FAULT {fault}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
