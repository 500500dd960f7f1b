"""Finds runs under the given folders and reads what a card shows, without torch.

A run is known to the page by an id, never by its path. Links are not followed.
"""

import hashlib
import json
import math
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG, WEIGHTS, METRICS, GRIDS = "config.json", "model.safetensors", "metrics.jsonl", "samples"

DEEPEST, MOST_FOLDERS = 5, 5_000
"""Levels below a given folder, and folders in all, that are searched for runs."""

LARGEST_TEXT = 64 * 2**20
"""Maximum bytes that are read of a run's JSON files."""

MOST_REPORTS = 2_000
"""Maximum points of a training curve; more are thinned evenly."""

LIVE_SECONDS = 120.0
"""A run that is not finished is live if its files changed so recently."""

CURVES = ("loss", "held_out", "gradient_norm", "learning_rate", "rate", "seconds")


@dataclass(frozen=True)
class Run:
    """A run: its id, its name on the page, its folder, and the folder as the user would type it."""

    id: str
    name: str
    folder: Path
    typed: str

    @property
    def version(self) -> float:
        """When the weights last changed; a new checkpoint has another one."""
        try:
            return (self.folder / WEIGHTS).lstat().st_mtime
        except OSError:
            return 0.0


def find_runs(places: Iterable[Path]) -> dict[str, Run]:
    """Return the runs in the given folders and below, by id, those that changed last first."""
    found: dict[str, Run] = {}
    for place in places:
        root = place.resolve()
        for folder in _folders(root, DEEPEST, [MOST_FOLDERS]):
            if not _is_file(folder / CONFIG) or not _describes_a_run(folder / CONFIG):
                continue
            key = hashlib.sha256(str(folder).encode("utf-8", "surrogateescape")).hexdigest()[:16]
            inner = folder.relative_to(root)
            name = root.name if inner == Path() else str(inner)
            found.setdefault(key, Run(key, name, folder, str(place / inner)))
    return dict(sorted(found.items(), key=lambda item: -_changed(item[1].folder)))


def _folders(folder: Path, depth: int, left: list[int]) -> Iterator[Path]:
    """Yield ``folder`` and those in it that are no links, hidden or checkpoints; ``left`` counts down in all."""
    left[0] -= 1
    yield folder
    if depth == 0:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        hidden = entry.name.startswith(".") or entry.name in ("checkpoints", GRIDS)
        if left[0] > 0 and not hidden and entry.is_dir(follow_symlinks=False):
            yield from _folders(Path(entry.path), depth - 1, left)


def _is_file(path: Path) -> bool:
    """Return whether ``path`` is a regular file, and no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _changed(folder: Path) -> float:
    times = [path.lstat().st_mtime for name in (CONFIG, METRICS) if _is_file(path := folder / name)]
    return max(times, default=0.0)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; an empty one if it is damaged, too large or none."""
    try:
        if not _is_file(path) or path.stat().st_size > LARGEST_TEXT:
            return {}
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _describes_a_run(path: Path) -> bool:
    content = read_json(path)
    return isinstance(content.get("config"), dict) and isinstance(content.get("data"), dict)


UNITS = {"records": "character", "tokens": "character", "bytes": "byte"}
"""What a score is per, by the name of the codec; others are per value."""


def data_kind(codec: str, shape: list[int]) -> str:
    """Return the kind of data that the page shows in one way, by the name of the codec and an example's shape."""
    if codec == "table":
        return "table"
    if codec in ("symbols", "records", "tokens", "bytes"):
        return "text"
    if len(shape) == 3:
        return "images"
    if len(shape) == 4:
        return "volumes"
    if codec not in ("affine", "levels"):
        return "digits"
    if len(shape) == 2:
        return "signals"
    return "points" if codec == "affine" and shape == [2] else "series"


def card(run: Run) -> dict[str, Any]:
    """Return what the card of a run shows, as far as its files tell."""
    content = read_json(run.folder / CONFIG)
    data, config = content.get("data", {}), content.get("config", {})
    codec = data.get("codec") if isinstance(data.get("codec"), dict) else {}
    shape = [side for side in data.get("shape", []) if isinstance(side, int)]
    reports = list(_reports(run.folder / METRICS))
    last = reports[-1] if reports else {}
    scores = [report["held_out"] for report in reports if _number(report.get("held_out")) is not None]
    step, steps = _whole(last.get("step")) or _whole(content.get("step")), _whole(last.get("steps"))
    done = step is not None and steps is not None and step >= steps
    recent = time.time() - _changed(run.folder) < LIVE_SECONDS
    return {
        "id": run.id,
        "name": run.name,
        "kind": data_kind(str(codec.get("type")), shape),
        "unit": UNITS.get(str(codec.get("type")), "dim"),
        "shape": shape,
        "data": str(data.get("name", ""))[:200],
        "examples": _whole(data.get("examples")),
        "classes": [str(name) for name in data.get("classes", []) if config.get("data", {}).get("conditional")][:1000],
        "process": str(config.get("process", {}).get("type", "")),
        "step": step,
        "steps": steps,
        "seconds": _number(last.get("seconds")),
        "held_out": scores[-1] if scores else None,
        "state": "done" if done or not reports else "live" if recent else "stopped",
        "version": run.version,
    }


def curves(run: Run) -> dict[str, list[Any]]:
    """Return a run's metrics as columns, thinned to `MOST_REPORTS`; reports with a held-out score all stay."""
    reports = list(_reports(run.folder / METRICS))
    every = max(1, math.ceil(len(reports) / MOST_REPORTS))
    last = len(reports) - 1
    kept = [r for i, r in enumerate(reports) if i % every == 0 or i == last or r.get("held_out") is not None]
    found: dict[str, list[Any]] = {"step": [report["step"] for report in kept]}
    return found | {name: [_number(report.get(name)) for report in kept] for name in CURVES}


def grids(run: Run) -> list[int]:
    """Return the steps at which the run drew a grid of samples."""
    try:
        names = [entry.name for entry in os.scandir(run.folder / GRIDS) if entry.is_file(follow_symlinks=False)]
    except OSError:
        return []
    return sorted(int(found[1]) for name in names if (found := re.fullmatch(r"step-(\d{1,12})\.png", name)))


def grid_file(run: Run, step: int) -> Path | None:
    """Return the picture of the samples at a step, or None."""
    return run.folder / GRIDS / f"step-{step}.png" if step in grids(run) else None


def _reports(path: Path) -> Iterator[dict[str, Any]]:
    try:
        if not _is_file(path) or path.stat().st_size > LARGEST_TEXT:
            return
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            report = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(report, dict) and _whole(report.get("step")) is not None:
            yield report


def _number(value: object) -> float | None:
    """Return a finite number, else None: JSON has no NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
