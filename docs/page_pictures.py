"""Train four small models, and take the four pictures of the page that the README and docs/page.md show.

    .venv/bin/python docs/page_pictures.py                    about ten minutes on two quiet cores; needs Chromium
    .venv/bin/python docs/page_pictures.py --runs FOLDER      keeps the runs there, or takes those that are there

The runs are real ones, only short: 8×8 digits, the wine table of scikit-learn, the text of these docs, and signals of
two channels. The pictures show the page as it is, after the clicks below. Each ends below an element that is whole.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pictures import MOST
from PIL import Image
from sklearn.datasets import load_wine

import quasistatic as qs

HERE = Path(__file__).parent
WIDE, HIGH, SCALE, COLOURS = 900, 960, 1.5, 256
"""Width and greatest height of what is shown, pixels of the picture for each of its own, and its colours."""

OFTEN = ("training.held_out_every=20.0", "training.checkpoint_every=30.0")


def make(folder: Path) -> None:
    """Train the runs that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    wine, text = folder / "wine.csv", folder / "docs.txt"
    load_wine(as_frame=True).frame.iloc[:, [0, 5, 6, 9, 12, 13]].to_csv(wine, index=False)
    if not text.exists():  # later docs would be other data than the run learned from
        text.write_text("\n".join(path.read_text() for path in sorted(HERE.glob("*.md"))), encoding="utf-8")
    chance, place = np.random.default_rng(0), np.arange(64)
    phase, speed = chance.uniform(0, 6.28, (600, 1, 1)), chance.uniform(0.15, 0.45, (600, 1, 1))
    waves = np.concatenate([np.sin(speed * place + phase), 0.5 * np.cos(2 * speed * place + phase)], 1)
    np.save(folder / "waves.npy", (waves + 0.05 * chance.normal(size=waves.shape)).astype("float32"))
    thin = ("network.channels=32", "network.head_width=32")
    slim = ("network.channels=48", "network.head_width=48", "training.batch=64")
    train(folder / "digits", "demo", "digits", 1000, slim)
    train(folder / "wine", "table", str(wine), 600, ())
    train(folder / "docs", "text", str(text), 800, ("network.width=96", "network.depth=2"), length=64)
    train(folder / "waves", "signals", str(folder / "waves.npy"), 400, thin, axes=1)


def train(out: Path, recipe: str, source: str, steps: int, changes: tuple[str, ...], **reading: int) -> None:
    """Train a run, unless it is there."""
    if (out / "model.safetensors").exists():
        return
    data = qs.load(source, **reading)
    own = [f"data.{name}={value}" for name, value in reading.items()]
    length = [f"training.steps={steps}", "training.minutes=30"]
    config = qs.override(qs.recipe(recipe, data, source), [*length, *OFTEN, *changes, *own])
    for progress in qs.train(config, data, out):
        print(f"\r{out.name}: step {progress.step} of {steps}", end="", file=sys.stderr)
    print(file=sys.stderr)


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Serve the runs; yields the address with its token."""
    data = [word for name in ("wine.csv", "docs.txt", "waves.npy") for word in ("--data", str(folder / name))]
    command = [sys.executable, "-m", "quasistatic", "serve", str(folder), *data]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        if found is None:
            raise SystemExit("the server did not start")
        try:
            yield found[0]
        finally:
            process.terminate()


def take(page: Any, name: str, top: str, last: str) -> None:
    """Write what the page shows, from the element ``top`` to the last one like ``last`` that is whole, in few colours.

    Raises:
        SystemExit: if the page is wider than its window, or no such element is whole.
    """
    page.evaluate("document.activeElement?.blur()")
    page.mouse.move(0, 0)
    page.locator(top).first.evaluate("(one) => scrollTo(0, one.getBoundingClientRect().top + scrollY - 16)")
    page.wait_for_timeout(700)
    ends = page.locator(last).evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().bottom)")
    whole = [end for end in ends if 0 < end <= HIGH - 16]
    if not whole or page.evaluate("document.documentElement.scrollWidth") > WIDE:
        raise SystemExit(f"{name}: something is cut off")
    path = HERE / "pictures" / f"page-{name}.png"
    page.screenshot(path=path, clip={"x": 0, "y": 0, "width": WIDE, "height": max(whole) + 8})
    Image.open(path).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def runs(page: Any, address: str, ids: dict[str, str]) -> None:
    """The list of runs, with samples and scores."""
    page.goto(f"{address}#/")
    page.locator(".card .score", has_text="±").nth(len(ids) - 1).wait_for()
    take(page, "runs", "body", ".card")


def complete(page: Any, address: str, ids: dict[str, str]) -> None:
    """A held-out digit whose lower half is hidden, and its completions."""
    page.goto(f"{address}#/run/{ids['digits']}/complete")
    page.get_by_role("button", name="Lower half").click()
    page.get_by_role("button", name="Complete").click()
    page.locator(".method").wait_for()
    take(page, "complete", "main .box", ".bench .box, .bench .grid")


def score(page: Any, address: str, ids: dict[str, str]) -> None:
    """Held-out digits from the strangest, each with its error bar and a map of its bits."""
    page.goto(f"{address}#/run/{ids['digits']}/score")
    page.get_by_role("button", name="Score held-out examples").click()
    page.locator(".ranked > li").first.wait_for()
    take(page, "score", ".side", ".ranked > li")


def learn(page: Any, address: str, ids: dict[str, str]) -> None:
    """The lesson of the forward process, after a handle of the schedule was moved by keys."""
    page.goto(f"{address}#/learn/noise")
    page.locator(".frames img").first.wait_for()
    knot = page.get_by_role("slider", name="ᾱ at t = 0.5")
    for _ in range(6):
        knot.press("ArrowUp")
    page.wait_for_timeout(1500)
    take(page, "learn", "main .box", ".chart")


def main() -> None:
    """Train, serve, take the pictures; all pictures of the README stay under 2 MB."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, help="folder of the runs; a temporary one if not given")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("the pictures need Chromium; on Debian, apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as place:
        folder = options.runs or Path(place)
        make(folder)
        with server(folder) as address, sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            window = {
                "viewport": {"width": WIDE, "height": HIGH},
                "device_scale_factor": SCALE,
                "color_scheme": "light",
            }
            page = browser.new_page(**window)
            page.set_default_timeout(600_000)
            page.goto(address)
            told = page.evaluate("fetch('/api/runs').then((answer) => answer.json())")
            ids = {run["name"]: run["id"] for run in told["runs"]}
            for picture in (runs, complete, score, learn):
                picture(page, address.partition("?")[0], ids)
            browser.close()
    size = sum(path.stat().st_size for path in (HERE / "pictures").iterdir())
    if size > MOST:
        raise SystemExit(f"the README's pictures should stay under 2 MB, got {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
