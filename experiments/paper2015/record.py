"""What every experiment shares: its arguments, its runs, and the rows it leaves for docs/results.md.

    OUT/NAME.json    {"name", "form": "full" or "quick", "seconds", "rows": [Row, …], "more": {…}}
    OUT/NAME.png     the figure, in the layout of the paper's

Values are log-likelihoods in bits, higher better, as in the paper's table 1; `results.py` reads full forms only.
"""

import argparse
import json
import math
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import quasistatic as qs


@dataclass
class Row:
    """A line of the table of results.

    Attributes:
        what: the model and what is measured of it.
        unit: of all the numbers.
        value: ours, with its ``standard_error``.
        null: L_null, the same measure under the process's prior.
        paper: the 2015 paper's number, and ``paper_gain`` its K − L_null.
        best: the best that any model of this class can reach.
        limit: what no model can pass: minus the entropy of the data.
        goal: what had to be reached.
        note: what a reader must know.
    """

    what: str
    unit: str
    value: float | None = None
    standard_error: float | None = None
    null: float | None = None
    paper: float | None = None
    paper_gain: float | None = None
    best: float | None = None
    limit: float | None = None
    goal: float | None = None
    note: str = ""


@dataclass
class Experiment:
    """An experiment under way: what was asked for, and where its files go."""

    name: str
    quick: bool
    out: Path
    data_dir: Path | None
    seed: int
    started: float

    @classmethod
    def begin(cls, name: str, about: str) -> "Experiment":
        """Read the command line."""
        parser = argparse.ArgumentParser(prog=name, description=about)
        parser.add_argument("--quick", action="store_true", help="a small form of it, under a minute")
        parser.add_argument("--out", type=Path, default=Path("paper2015"), help="folder of the JSON and the figures")
        parser.add_argument("--device", help="cpu, cuda, …; else what torch finds")
        parser.add_argument("--data-dir", type=Path, help="where mnist and cifar10 are; else $QUASISTATIC_DATA")
        parser.add_argument("--seed", type=int, default=0)
        asked = parser.parse_args()
        if asked.device:
            os.environ["QUASISTATIC_DEVICE"] = asked.device
        named = os.environ.get("QUASISTATIC_DATA")
        place = asked.data_dir or (Path(named) if named else None)
        asked.out.mkdir(parents=True, exist_ok=True)
        return cls(name, asked.quick, asked.out, place, asked.seed, time.monotonic())

    def load(self, source: str, **options: Any) -> qs.Dataset:
        """Load a set from where the user keeps data; if it is not there, say which file is missing and end with 2."""
        try:
            return qs.load(source, data_dir=self.data_dir, **options)
        except FileNotFoundError as error:
            print(f"{self.name}: {error}", file=sys.stderr)
            raise SystemExit(2) from None

    def picture(self, part: str = "") -> Path:
        """Where a figure goes."""
        return self.out / f"{self.name}{'-' if part else ''}{part}.png"

    def finish(self, rows: list[Row], **more: Any) -> None:
        """Write the rows and print them."""
        found = {
            "name": self.name,
            "form": "quick" if self.quick else "full",
            "seconds": round(time.monotonic() - self.started),
            "rows": [asdict(row) for row in rows],
            "more": more,
        }
        (self.out / f"{self.name}.json").write_text(json.dumps(found, indent=1) + "\n")
        for row in rows:
            error = f" ± {row.standard_error:.4f}" if row.standard_error is not None else ""
            ours = "not measured" if row.value is None else f"{row.value:.4f}{error}"
            print(f"{row.what}: {ours} {row.unit} (paper {row.paper}, best {row.best}, limit {row.limit})")


def learn(config: qs.Config, data: qs.Dataset, quick_steps: int | None = None) -> qs.Model:
    """Train a model, showing where it stands on stderr; ``quick_steps`` replaces the number of steps."""
    if quick_steps is not None:
        config = qs.override(config, [f"training.steps={quick_steps}"])
    with tempfile.TemporaryDirectory() as folder:
        for at in qs.train(config, data, Path(folder) / "run", every=10.0):
            print(f"step {at.step}/{at.steps} loss {at.loss:.4f} held out {at.held_out}", file=sys.stderr)
        return qs.Model.from_pretrained(Path(folder) / "run")


def bits(score: Any, value: float | None = None) -> float:
    """The mean log-likelihood of an example, in bits, of a `Score` in bits/dim."""
    return -(score.value if value is None else value) * score.dimensions


def finite(value: float) -> float | None:
    """A number that JSON can hold."""
    return value if math.isfinite(value) else None
