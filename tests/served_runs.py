"""Small real runs of each kind of data, for tests of the page: made in a few seconds, for two test processes once."""

import csv
import random
from pathlib import Path

import numpy as np
from filelock import FileLock

from quasistatic import recipes
from quasistatic.config import Config, override
from quasistatic.data import Dataset, load
from quasistatic.training.checkpoint import train

SMALL = ("training.steps=6", "training.batch=16", "training.held_out_every=0.0", "training.checkpoint_every=0.0")


RUNS = ("digits", "classes", "people", "verse", "roll", "waves", "bodies")
"""Runs of images, images with labels, a table, text, points, signals and volumes."""

FILES = {"people": "people.csv", "verse": "verse.txt", "waves": "waves.npy", "bodies": "bodies.npy"}
"""The files that runs learned from, which are named by --data."""


def made_once(folder: Path) -> Path:
    """The folder with a run of each of `RUNS`, and the files that four of them learned from."""
    folder.mkdir(exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "ready").exists():
            _make(folder)
            (folder / "ready").touch()
    return folder


def _make(folder: Path) -> None:
    draw = random.Random(0)
    words = ["the", "slow", "walk", "from", "noise", "to", "data", "is", "reversed", "by", "a", "guess"]
    (folder / "verse.txt").write_text(" ".join(draw.choice(words) for _ in range(1500)))
    with (folder / "people.csv").open("w") as file:
        lines = csv.writer(file)
        lines.writerow(["age", "income", "city"])
        for _ in range(300):
            age = draw.randint(18, 80)
            lines.writerow([age, round(draw.gauss(20 + age, 8), 1), draw.choice(["Seoul", "Busan"])])
    chance = np.random.default_rng(0)
    phase, place = chance.uniform(0, 6, (160, 1, 1)), np.arange(32)
    two = np.concatenate([np.sin(place / 3 + phase), np.cos(place / 6 + phase)], 1)
    np.save(folder / "waves.npy", (two + 0.1 * chance.normal(size=two.shape)).astype("float32"))
    np.save(folder / "bodies.npy", chance.normal(size=(64, 8, 8, 8)).cumsum(-1).astype("float32"))
    narrow = ("network.width=32", "network.depth=1")
    _train(folder / "digits", "digits", "digits", ("network.channels=16", "network.head_width=16"))
    tiny = ("network.channels=8", "network.head_width=8", "data.conditional=true", "data.held_out=64")
    told = ("training.steps=40", "training.learning_rate=0.02")  # enough for labels to change what is drawn
    _train(folder / "classes", "digits", "digits", (*tiny, *told))
    _train(folder / "people", "table", str(folder / "people.csv"), narrow)
    _train(folder / "verse", "text", str(folder / "verse.txt"), narrow, length=16)
    _train(folder / "roll", "points", "swiss-roll", narrow)
    thin = ("network.channels=8", "network.head_width=8")
    _train(folder / "waves", "signals", str(folder / "waves.npy"), (*thin, "training.steps=20"), axes=1)
    _train(folder / "bodies", "signals", str(folder / "bodies.npy"), thin, axes=3)


def _train(out: Path, name: str, source: str, changes: tuple[str, ...], **reading: int) -> None:
    data: Dataset = load(source, **reading)
    lengths = [f"data.{key}={value}" for key, value in reading.items()]
    config: Config = override(recipes.recipe(name, data, source), [*SMALL, *changes, *lengths])
    for _ in train(config, data, out):
        pass
