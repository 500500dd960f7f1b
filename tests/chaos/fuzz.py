"""The fuzzer: thousands of odd inputs to every command, each in its own child; breaches of the contract are counted.

    PYTHONPATH=tests python -m chaos.fuzz [--seed S] [--cases N] [--only KIND,…] [--keep DIR] [--json FILE]
    PYTHONPATH=tests python -m chaos.fuzz --replay DIR/CASE…

A seed repeats its cases. A case with a fault is kept in DIR with its files and its words. Exit 1 if there were any.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from chaos import cases, forks, judge, near, requests, seeds, verbs
from chaos.cases import Case
from chaos.seeds import Seed

KINDS: dict[str, tuple[int, Callable[[dict[str, Seed]], st.SearchStrategy[Case]]]] = {
    **{
        name: (weight, lambda found, name=name: verbs.on_data(found, verbs.KINDS_OF_DATA[name]))
        for name, weight in (("arrays", 12), ("tables", 14), ("pictures", 14))
    },
    "sources": (4, verbs.sources),
    "masks": (4, verbs.masks),
    "near": (14, near.near),
    "gaps": (8, verbs.gaps),
    "chains": (4, verbs.chains),
    "models": (18, verbs.models),
    "requests": (14, requests.requests),
    "settings": (12, requests.settings),
}
"""Kinds of cases: their share, and their strategy."""

LIMITS = forks.Limits(seconds=60.0, memory=6 * forks.GIB)
PATIENCE = 10.0
"""Seconds until Ctrl-C, of a command that may rightly take hours."""
BATCH = 60


@dataclass
class Tally:
    """What a batch of cases came to."""

    kind: str
    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[dict[str, Any]] = field(default_factory=list)
    stopped: int = 0
    slowest: float = 0.0
    peak: int = 0


def batch(work: Path, keep: Path, kind: str, count: int, seed: int) -> Tally:
    """Run ``count`` cases of a kind."""
    tally, found = Tally(kind), seeds.read(work / "seeds")

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count, database=None, deadline=None, phases=(Phase.generate,), suppress_health_check=[*HealthCheck]
    )
    @hypothesis.given(KINDS[kind][1](found))
    def each(case: Case) -> None:
        tally.cases += 1
        place = work / f"{kind}-{seed}"
        ended, faults = tried(case, place)
        tally.statuses[ended.code] += 1
        tally.stopped += case.patient and ended.seconds >= PATIENCE
        tally.slowest, tally.peak = max(tally.slowest, ended.seconds), max(tally.peak, ended.peak)
        if faults:
            name = f"{kind}-{seed}-{tally.cases}"
            cases.keep(case, keep / name, [f"{fault.sort}: {fault.detail}" for fault in faults])
            for fault in faults:
                cause = causes(case, place, fault)
                shown = {
                    "case": name,
                    "words": " ".join(case.words)[:300],
                    "sort": fault.sort,
                    "detail": fault.detail[:300],
                }
                tally.faults.append({"kind": kind, **shown, "cause": cause})
        shutil.rmtree(place, ignore_errors=True)

    each()
    return tally


def tried(case: Case, place: Path, **environment: str) -> tuple[forks.Outcome, list[judge.Fault]]:
    """Run a case in the folder ``place``, which is made anew."""
    shutil.rmtree(place, ignore_errors=True)
    cases.write(case, place)
    before = cases.snapshot(place)
    signals, note = [(PATIENCE, signal.SIGINT)] if case.patient else [], place.with_suffix(".note")
    note.unlink(missing_ok=True)
    act = forks.wording(forks.command(case.words), note)
    ended = forks.run(act, place, LIMITS, signals=signals, environment=environment)
    bare = note.read_text() if note.exists() else ""
    return ended, judge.faults(case, place, before, cases.snapshot(place), ended, bare)


def causes(case: Case, place: Path, fault: judge.Fault) -> str:
    """Return where a fault comes from: the innermost frame of the project, or the sort and the command."""
    if fault.sort not in ("traceback", "unclear"):
        return f"{fault.sort} {case.words[0]} {''.join(c for c in fault.detail[:60] if not c.isdigit())}"
    ended, _ = tried(case, place, QUASISTATIC_TRACEBACK="1")
    frames = [
        line.strip() for line in ended.err.splitlines() if line.strip().startswith("File ") and "quasistatic" in line
    ]
    inner = frames[-1].rpartition("quasistatic/")[2].replace('"', "") if frames else "?"
    return f"{fault.sort} {inner}: {ended.last.partition(':')[0][:60]}"


def plan(total: int, seed: int, kinds: list[str]) -> Iterator[tuple[str, int, int]]:
    """Yield (kind, cases, seed) of each batch."""
    whole = sum(KINDS[kind][0] for kind in kinds)
    for kind in kinds:
        left, number = -(-total * KINDS[kind][0] // whole), 0
        while left > 0:
            yield kind, min(left, BATCH), zlib.crc32(f"{seed} {kind} {number}".encode())
            left, number = left - BATCH, number + 1


def campaign(total: int, seed: int, keep: Path, *, kinds: list[str] | None = None, workers: int = 2) -> dict[str, Any]:
    """Run ``total`` cases and return the figures; call `forks.preload` first."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "seeds").mkdir()
        seeds.make(work / "seeds")
        batches = [(work, keep, *each) for each in plan(total, seed, kinds or [*KINDS])]
        with multiprocessing.get_context("fork").Pool(workers) as pool:
            tallies = list(pool.imap_unordered(_batch, batches))
    return summary(tallies, seed, time.monotonic() - started)


def _batch(arguments: tuple[Path, Path, str, int, int]) -> Tally:
    tally = batch(*arguments)
    print(f"{tally.kind} {arguments[-1]}: {tally.cases} cases, {len(tally.faults)} faults", file=sys.stderr, flush=True)
    return tally


def summary(tallies: list[Tally], seed: int, seconds: float) -> dict[str, Any]:
    """Return the figures of a campaign as JSON values."""
    kinds: dict[str, Counter[str]] = {}
    for tally in tallies:
        statuses = Counter(
            {f"exit {code}" if code >= 0 else f"signal {-code}": n for code, n in tally.statuses.items()}
        )
        kinds[tally.kind] = kinds.get(tally.kind, Counter()) + statuses
    found = sorted(
        (fault for tally in tallies for fault in tally.faults), key=lambda fault: (fault["cause"], fault["case"])
    )
    sorts = Counter(fault["sort"] for fault in found)
    return {
        "seed": seed,
        "cases": sum(tally.cases for tally in tallies),
        "seconds": round(seconds),
        "kinds": {kind: dict(sorted(found.items())) for kind, found in sorted(kinds.items())},
        "stopped_by_ctrl_c": sum(tally.stopped for tally in tallies),
        "slowest_seconds": round(max(tally.slowest for tally in tallies), 1),
        "peak_mib": round(max(tally.peak for tally in tallies) / 2**20),
        "faults": {sort: sorts[sort] for sort in judge.SORTS},
        "causes": dict(Counter(fault["cause"] for fault in found).most_common()),
        "found": found,
    }


def replay(folder: Path) -> bool:
    """Run a kept case again, print how it ends and return whether it is well."""
    case = cases.read(folder)
    with tempfile.TemporaryDirectory() as work:
        ended, faults = tried(
            case,
            Path(work) / "case",
            **({"QUASISTATIC_TRACEBACK": "1"} if "QUASISTATIC_TRACEBACK" in os.environ else {}),
        )
    print(
        f"{folder.name}: {' '.join(case.words)}\n  exit {ended.code} in {ended.seconds:.1f} s, {ended.peak >> 20} MiB"
    )
    print("  " + "\n  ".join((ended.out[-500:] + ended.err[-3000:]).splitlines()))
    for fault in faults:
        print(f"  FAULT {fault.sort}: {fault.detail}")
    return not faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3)))
    parser.add_argument("--cases", type=int, default=2400)
    parser.add_argument("--only", default=",".join(KINDS), help=f"of {', '.join(KINDS)}")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=Path("chaos-faults"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--replay", type=Path, nargs="+")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        forks.preload(Path(home))
        if asked.replay:
            sys.exit(0 if min([replay(folder) for folder in asked.replay]) else 1)
        print(f"seed {asked.seed}", flush=True)
        found = campaign(asked.cases, asked.seed, asked.keep, kinds=asked.only.split(","), workers=asked.workers)
    shown = {name: value for name, value in found.items() if name != "found"}
    if asked.json:
        asked.json.write_text(
            json.dumps({name: value for name, value in shown.items() if name != "causes"}, indent=2) + "\n"
        )
    print(json.dumps(shown, indent=1, ensure_ascii=False))
    if found["found"]:
        asked.keep.mkdir(exist_ok=True)
        (asked.keep / "found.json").write_text(json.dumps(found["found"], indent=1))
        print(f"cases with faults are kept in {asked.keep}")
    sys.exit(bool(found["found"]))


if __name__ == "__main__":
    main()
