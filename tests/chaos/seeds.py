"""Tiny valid models and their data, made once for a campaign: two training steps of each kind, with a plan.

digits    grey pictures, labels     points   vectors, scored as densities     text     characters
rates     vectors, learned rates    bits     vectors of bits                  states   vectors of categories
table     named columns             colour   a folder of colour pictures      pipeline a diffusers folder
"""

import csv
import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chaos import forks
from chaos.arrays import saved
from chaos.cases import Content
from chaos.pictures import painted

Files = dict[str, Content]
CHEAP = ("training.batch=4", "training.held_out_every=1e9")
SMALL = ("network.width=8", "network.depth=1")
SMALL_UNET = (
    "network.channels=8",
    "network.head_width=none",
    "network.multipliers=1",
    "network.attention=",
    "network.blocks=1",
)


@dataclass(frozen=True)
class Kind:
    """Data of one kind, and how a small model of them is trained."""

    data: str
    files: Callable[[], Files]
    recipe: str
    sets: tuple[str, ...]

    def training(self) -> list[str]:
        """Words after ``train DATA --out RUN``."""
        return ["--recipe", self.recipe, *(word for change in (*self.sets, *CHEAP) for word in ("--set", change))]


def _random() -> np.random.Generator:
    return np.random.default_rng(0)


def _digits() -> Files:
    file = io.BytesIO()
    images = _random().integers(0, 17, (40, 8, 8), dtype=np.uint8)
    np.savez(file, images=images, labels=np.arange(40) % 3)
    return {"data.npz": file.getvalue()}


def _table() -> Files:
    file, random = io.StringIO(), _random()
    rows = [
        [f"{random.normal():.3f}", random.integers(0, 9), random.choice(["red", "green", "blue"]),
        random.choice(["true", "false"])]
        for _ in range(40)
    ]  # fmt: skip
    rows[3][0] = rows[5][2] = ""
    csv.writer(file, lineterminator="\n").writerows([["x", "count", "colour", "new"], *rows])
    return {"data.csv": file.getvalue().encode()}


def _numbers(array: Callable[[np.random.Generator], np.ndarray]) -> Callable[[], Files]:
    return lambda: {"data.npy": saved(array(_random()))}


def _text() -> Files:
    return {"data.txt": "".join(_random().choice(list("abc "), 400)).encode()}


def _colour() -> Files:
    return {f"data/{'ab'[n % 2]}/{n}.png": painted("PNG", "RGB", (8, 8), n) for n in range(12)}


KINDS: dict[str, Kind] = {
    "digits": Kind("data.npz", _digits, "digits", (*SMALL_UNET, "data.conditional=true", "data.held_out=8")),
    "points": Kind("data.npy", _numbers(lambda r: r.normal(size=(64, 2)).astype(np.float32)), "points", SMALL),
    "rates": Kind("data.npy", _numbers(lambda r: r.normal(size=(64, 2)).astype(np.float32)), "rates", SMALL),
    "bits": Kind("data.npy", _numbers(lambda r: r.integers(0, 2, (64, 6), dtype=np.uint8)), "heartbeat", SMALL),
    "states": Kind(
        "data.npy",
        _numbers(lambda r: r.integers(0, 4, (64, 6), dtype=np.uint8)),
        "text",
        (*SMALL, "network.head_width=4", "data.states=found"),
    ),
    "text": Kind("data.txt", _text, "text", (*SMALL, "network.head_width=4", "data.length=8")),
    "table": Kind("data.csv", _table, "table", SMALL),
    "colour": Kind("data", _colour, "images", (*SMALL_UNET, "data.held_out=4")),
}


def make(folder: Path) -> None:
    """Train a model of each kind in ``folder``; a failure is reported at once."""
    for name, kind in KINDS.items():
        place = folder / name
        for path, content in kind.files().items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            assert isinstance(content, bytes)
            (place / path).write_bytes(content)
        _done(place, "train", kind.data, "--out", "model", "--steps", "2", *kind.training())
        if name not in ("states", "text", "table", "bits"):
            _done(place, "plan", "model", kind.data, "--steps", "2", "--candidates", "6", "--examples", "4")
    place = folder / "pipeline"
    place.mkdir()
    with suppress(ImportError):
        ended = forks.run(_pipeline, place)
        assert not ended.code, ended.err
    for path, content in KINDS["colour"].files().items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(content)  # type: ignore[arg-type]


def _done(place: Path, *words: str) -> None:
    ended = forks.run(forks.command(words), place)
    assert ended.code == 0, f"{' '.join(words)} should make a seed, and ended with {ended.code}: {ended.err}"


def _pipeline() -> None:
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    blocks = ("DownBlock2D", "DownBlock2D"), ("UpBlock2D", "UpBlock2D")
    unet = UNet2DModel(
        sample_size=8, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=(4, 4), norm_num_groups=2,
        attention_head_dim=2, down_block_types=blocks[0], up_block_types=blocks[1],
    )  # fmt: skip
    DDPMPipeline(unet, DDPMScheduler()).save_pretrained("model")


class Seed:
    """A valid model and its data, as the files of a case. (Hypothesis prints all of a dataclass.)"""

    def __init__(self, name: str, data: str, files: Files) -> None:
        self.name, self.data, self.files = name, data, files

    def __repr__(self) -> str:
        return f"Seed({self.name})"

    def without(self, *prefixes: str) -> Files:
        """Return the files but those whose path begins so."""
        return {name: content for name, content in self.files.items() if not name.startswith(prefixes)}


def read(folder: Path) -> dict[str, Seed]:
    """Read what `make` made."""
    found = {}
    for place in sorted(folder.iterdir()):
        files: Files = {str(p.relative_to(place)): p.read_bytes() for p in sorted(place.rglob("*")) if p.is_file()}
        data = KINDS[place.name].data if place.name in KINDS else "data"
        found[place.name] = Seed(place.name, data, files)
    return found
