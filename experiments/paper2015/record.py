"""What every experiment shares: its arguments, its runs, and the rows it leaves for docs/results.md.

    OUT/NAME.json     {"name", "form": "full" or "quick", "seconds", "learned": {…}, "rows": [Row, …], "more": {…}}
    OUT/NAME.png      the figure, in the layout of the paper's
    OUT/models/MODEL  a run's folder; a full form that was cut short goes on from there, and takes what is ready

Values are log-likelihoods in bits, higher better, as in the paper's table 1; `results.py` reads full forms only.
"""

import argparse
import json
import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import quasistatic as qs
from quasistatic.runtime.device import DEVICE, pick_device


@dataclass
class Row:
    """A line of the table of results.

    Attributes:
        what: the model and what is measured of it.
        unit: of all the numbers.
        value: ours, with its ``standard_error``; 0 where it is computed.
        null: L_null, the same measure under the process's prior.
        paper: the 2015 paper's number, and ``paper_gain`` its K − L_null.
        best: the best that any model of this class can reach.
        limit: what no model can pass: minus the entropy of the data.
        goal: what had to be reached; ``note`` is what a reader must know.
    """

    what: str
    unit: str
    value: float
    standard_error: float
    null: float | None = None
    paper: float | None = None
    paper_gain: float | None = None
    best: float | None = None
    limit: float | None = None
    goal: float | None = None
    note: str = ""


@dataclass
class Experiment:
    """An experiment under way: what was asked for, where its files go, and what it has learned."""

    name: str
    quick: bool
    out: Path
    data_dir: Path | None
    seed: int
    started: float
    learned: dict[str, dict[str, float]] = field(default_factory=dict)

    @classmethod
    def begin(cls, name: str, about: str) -> "Experiment":
        """Read the command line."""
        parser = argparse.ArgumentParser(prog=name, description=about, formatter_class=argparse.RawTextHelpFormatter)
        parser.add_argument("--quick", action="store_true", help="a small form of it, under a minute")
        parser.add_argument("--out", type=Path, default=Path("paper2015"), help="folder of the JSON and the figures")
        parser.add_argument("--device", help="cpu, cuda, …; else what torch finds")
        known = os.environ.get("QUASISTATIC_DATA") or None
        parser.add_argument("--data-dir", type=Path, default=known, help="of mnist, cifar10; else $QUASISTATIC_DATA")
        parser.add_argument("--seed", type=int, default=0)
        asked = parser.parse_args()
        os.environ[DEVICE] = asked.device or os.environ.get(DEVICE, "")
        try:
            pick_device()
            asked.out.mkdir(parents=True, exist_ok=True)
        except (ValueError, OSError) as error:
            refuse(name, error)
        return cls(name, asked.quick, asked.out, asked.data_dir, asked.seed, time.monotonic())

    def load(self, source: str | Path, **options: Any) -> qs.Dataset:
        """Load a set; if something is missing, say which file and where it was looked for, and end with 2."""
        try:
            return qs.load(source, data_dir=self.data_dir, **options)
        except (ValueError, FileNotFoundError) as error:
            refuse(self.name, error)

    def learn(self, config: qs.Config, data: qs.Dataset, name: str, quick_steps: int) -> qs.Model:
        """Train the model called ``name``, or go on where it was left, showing on stderr where it stands."""
        folder = self.out / "models" / (f"quick-{name}" if self.quick else name)
        config = replace(config, seed=self.seed)
        if self.quick:
            config = qs.override(config, [f"training.steps={quick_steps}"])
        begun = not self.quick and (folder / "config.json").exists()
        if not begun:
            shutil.rmtree(folder, ignore_errors=True)
        elif not alike(qs.Model.from_pretrained(folder, "cpu").config, config):
            refuse(self.name, f"{folder} holds a model of another configuration; remove it, or name another --out")
        for at in qs.train(config, data, folder, resume=begun, every=10.0):
            print(f"{name}: step {at.step}/{at.steps} loss {at.loss:.4f} held out {at.held_out}", file=sys.stderr)
        last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
        if last["step"] < last["steps"]:
            print(f"{self.name}: stopped; the same command goes on from step {last['step']}", file=sys.stderr)
            raise SystemExit(130)
        self.learned[name] = {"steps": last["steps"], "seconds": round(last["seconds"])}
        return qs.Model.from_pretrained(folder, device="auto")

    def picture(self) -> Path:
        """Where the figure goes."""
        return self.out / f"{self.name}.png"

    def keep(self, rows: list[Row], **more: Any) -> None:
        """Write the rows there are; of a run that is cut short they stay."""
        found = {
            "name": self.name,
            "form": "quick" if self.quick else "full",
            "seconds": round(time.monotonic() - self.started),
            "processor_seconds": round(time.process_time()),
            "learned": self.learned,
            "rows": [asdict(row) for row in rows],
            "more": more,
        }
        text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
        (self.out / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")

    def finish(self, rows: list[Row], **more: Any) -> None:
        """Write the rows and print them."""
        self.keep(rows, **more)
        for row in rows:
            rest = f"(paper {row.paper}, best {row.best}, limit {row.limit})"
            print(f"{row.what}: {row.value:.4f} ± {row.standard_error:.4f} {row.unit} {rest}")


def refuse(name: str, what: object) -> NoReturn:
    """Say in one sentence what is wrong with a request, and end with 2."""
    print(f"{name}: {what}", file=sys.stderr)
    raise SystemExit(2)


def alike(left: qs.Config, right: qs.Config) -> bool:
    """Whether two runs are the same but for how many steps they take, and for rates that were learned meanwhile."""

    def plain(config: qs.Config) -> qs.Config:
        learned = isinstance(config.process.schedule, qs.Learned)
        process = replace(config.process, schedule=qs.Cosine()) if learned else config.process
        return replace(config, process=process, training=replace(config.training, steps=None))

    return plain(left) == plain(right)
