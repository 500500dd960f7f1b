"""What is wrong with how a command ended, by the contract: a sentence and an exit status, and nothing half done."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chaos.cases import Case
from chaos.forks import Outcome

SORTS = {
    "traceback": "a Python traceback, or a last-resort message of a bug",
    "hang": "more than the time limit",
    "signal": "killed by a signal",
    "status": "an exit status other than 0, 1 and 2",
    "silent": "exit 1 or 2 without a sentence on stderr",
    "several": "more than one error sentence",
    "part": "a part file left behind",
    "half": "a result left behind by a command that failed",
    "missing": "exit 0 without the result",
    "changed": "an input file changed",
    "nan": "NaN in --json or in samples, exit 0",
    "unclear": "an error in Python's or torch's words",
}
BUG = re.compile(r"bug in quasistatic|please report", re.IGNORECASE)
PART = re.compile(r"(^|/)\.|\.part|\.tmp|~$")
LOCKS = re.compile(r"(^|/)\.?(run\.)?lock$")
OUTS = ("--out", "-o", "--scores", "--picture")


@dataclass(frozen=True)
class Fault:
    """A sort of `SORTS`, and what was seen."""

    sort: str
    detail: str


def faults(
    case: Case, folder: Path, before: Mapping[str, str], after: Mapping[str, str], ended: Outcome, bare: str = ""
) -> list[Fault]:
    """Return what is wrong.

    Args:
        case: what was run.
        folder: where.
        before: the folder's `snapshot` before the command.
        after: the same after it.
        ended: how the command ended.
        bare: where an error came from that the project did not word itself; see `forks.wording`.
    """
    found = [*_ending(case, ended), *_files(case, folder, before, after, ended.code)]
    if bare and not found:
        found = [Fault("unclear", f"{ended.last} ({bare})")]
    if ended.code == 0:
        found += _results(case, folder, ended)
    return found


def _ending(case: Case, ended: Outcome) -> list[Fault]:
    if ended.hung:
        return [Fault("hang", f"after {ended.seconds:.0f} s")]
    if ended.traceback or BUG.search(ended.err):
        return [Fault("traceback", ended.last)]
    if ended.code < 0:
        return [Fault("signal", f"signal {-ended.code}")]
    if ended.code > 2:
        return [Fault("status", f"exit {ended.code}: {ended.last}")]
    sentences = re.findall(r"^error: .*|^Error: .*|─ Error ─|^interrupted.*", ended.err, re.MULTILINE)
    told = case.words[:1] == ("check",) and ended.code == 2 and bool(ended.out.strip())
    if ended.code and not sentences and not told:
        return [Fault("silent", f"exit {ended.code}: {ended.last}")]
    if len(sentences) > 1:
        return [Fault("several", " | ".join(sentences))]
    return []


def _files(case: Case, folder: Path, before: Mapping[str, str], after: Mapping[str, str], code: int) -> list[Fault]:
    command, outs = case.words[0], {_inside(folder, out) for out in targets(case)}
    grown = {"train", "plan", "demo", "reproduce"}  # these may leave what they did when they are stopped
    own = {case.words[1]} if command == "plan" else outs
    new = sorted(set(after) - set(before))
    found = [Fault("part", name) for name in new if PART.search(name) and not LOCKS.search(name) and name not in outs]
    if code == 2 or (code == 1 and command not in grown):
        found += [Fault("half", name) for name in new if not PART.search(name)]
    if code == 0 and command not in grown:
        found += [Fault("missing", out) for out in outs if out not in after and out != "."]
    changed = sorted(name for name in before if after.get(name) != before[name])
    allowed = own if code == 0 or (code == 1 and command in grown) else set()
    return found + [Fault("changed", name) for name in changed if not _below(name, allowed)]


def targets(case: Case) -> list[str]:
    """Return the words that name where results go."""
    pairs = zip(case.words, case.words[1:], strict=False)
    return [value for flag, value in pairs if flag in OUTS]


def _inside(folder: Path, out: str) -> str:
    """The path relative to the folder; a link's target is what is written."""
    path = folder / out
    try:
        return str((path.resolve() if path.is_symlink() else path).relative_to(folder))
    except (ValueError, OSError, RuntimeError):
        return "."


def _below(name: str, places: set[str]) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in places)


def _results(case: Case, folder: Path, ended: Outcome) -> list[Fault]:
    if "--json" in case.words:
        try:
            shown = json.loads(ended.out, parse_constant=_refuse)
        except ValueError as error:
            return [Fault("nan", f"--json is not one JSON object of numbers ({error}): {ended.out[:200]}")]
        if case.words[0] == "evaluate" and shown["value"] is None and "probability 0" not in ended.err:
            return [Fault("nan", f"a score of null: {ended.out[:200]}")]
        if case.words[0] == "plan" and None in shown["plans"].values() and "inf bits/dim" not in ended.err:
            return [Fault("nan", f"a plan of null bits/dim: {ended.out[:200]}")]
    for out in targets(case):
        path = folder / out
        if path.suffix == ".npy" and path.is_file() and path.lstat().st_size:
            array = np.load(path)
            if array.dtype.kind == "f" and np.isnan(array).any():
                return [Fault("nan", f"NaN in {out}")]
    return []


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
