"""How soon the page is there, and how soon it shows the first of 8 completions of a 28×28 image.

    python benchmarks/page.py                     medians of five starts; run it on a quiet machine
    python benchmarks/page.py --rounds 3 --json FILE

server ready       from the start of `quasistatic serve` to the first answer
first paint        first contentful paint in Chromium, after the server is ready; where Chromium does not say, the time
                   until the heading is there
worker ready       from the start to the end of a first small job: torch is imported, the tasks are known
opened             loading the model and evaluating it once, as the page asks for when a run is opened
first draw         from the request for 8 draws to the first one's picture; `all draws`, to the result
…, CPU             processor seconds of the same work by the worker's own code in this process, on one thread: they
                   depend less on what else the machine does; of `worker ready` they are those of its imports
reference          STEPS evaluations of the network for one image and the ancestral steps around them, in this process

`first draw / reference` is what the page, the queue and the pictures add; 1 would be nothing. The model is the recipe
`mnist` without training, which takes as long as a trained one. Chromium is found as `chromium` on the path; without it
there is no first paint.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

import quasistatic as qs
from machine import keep
from quasistatic import recipes, sampling
from quasistatic.config import Specification
from quasistatic.data.dataset import from_tensor
from quasistatic.schedule import uniform_times
from quasistatic.serve.worker.desk import Desk
from quasistatic.serve.worker.tasks import TASKS
from quasistatic.streams import Streams

DRAWS, STEPS, SIDE = 8, 100, 28
HALF = [0] * (SIDE * SIDE // 2) + [1] * (SIDE * SIDE // 2)
"""The mask: the lower half is hidden."""

LIMITS = {"server ready": 3.0, "first paint": 1.0, "first draw": 2.0}
"""Seconds that the page promises on two quiet cores."""


class Page:
    """A page of a running server, by its addresses."""

    def __init__(self, address: str) -> None:
        self.base, self.address = address.partition("/?")[0], address
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.opener.open(address).read()

    def ask(self, path: str, **content: Any) -> Any:
        body = json.dumps(content).encode() if content else None
        request = urllib.request.Request(self.base + path, body, {"Origin": self.base})
        with self.opener.open(request) as answer:
            return json.loads(answer.read())

    def upload(self, file: Path) -> str:
        request = urllib.request.Request(
            f"{self.base}/api/uploads?name={file.name}", file.read_bytes(), {"Origin": self.base}
        )
        with self.opener.open(request) as answer:
            return str(json.loads(answer.read())["upload"])

    def work(self, **asked: Any) -> dict[str, float]:
        """Do a job; return the seconds to its first part, if it has parts, and to its result, both fetched."""
        found: dict[str, float] = {}
        events = self.opener.open(self.base + "/api/events")
        events.readline()
        began = time.perf_counter()
        job = self.ask("/api/jobs", **asked)["id"]
        for line in events:
            told = json.loads(line[6:]) if line.startswith(b"data: {") else {}
            if told.get("id") != job:
                continue
            if told["parts"] and "first" not in found:
                self.ask(f"/api/jobs/{job}/parts/0")
                found["first"] = time.perf_counter() - began
            if told["state"] == "done":
                self.ask(f"/api/jobs/{job}/result")
                events.close()
                return {**found, "all": time.perf_counter() - began}
            if told["state"] in ("failed", "cancelled"):
                raise SystemExit(told["sentence"])
        raise SystemExit("the server ended")


@contextmanager
def server(runs: Path) -> Iterator[tuple[Page, float, float]]:
    """Start a server: its page, when it was started, and the seconds until it answered."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "quasistatic", "serve", str(runs)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        if found is None:
            raise SystemExit("the server did not start")
        page = Page(found[0])
        try:
            yield page, began, time.perf_counter() - began
        finally:
            process.terminate()


def model_and_image(folder: Path) -> tuple[qs.Model, Path]:
    """Make the run and an image to complete."""
    from PIL import Image

    pixels = torch.randint(0, 256, (64, 1, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    model = qs.Model.fresh(recipes.mnist(), Specification.of(from_tensor("pixels", pixels)))
    model.save_pretrained(folder / "runs" / "one")
    image = folder / "one.png"
    Image.fromarray(pixels[0, 0].numpy()).save(image)
    return model, image


def reference(model: qs.Model) -> float:
    """Return the seconds of one chain of `STEPS` steps for one image, in this process, after a first one."""
    x = torch.randn(1, 1, SIDE, SIDE)
    for _ in range(2):
        step = sampling.ancestral(model.config.process, model.denoise(), Streams(0, 0, 1))
        began = time.perf_counter()
        with torch.no_grad():
            for _state in sampling.sample(step, x, uniform_times(STEPS)):
                pass
    return time.perf_counter() - began


def processor_seconds(image: Path) -> dict[str, float | None]:
    """Return the processor seconds of the worker's imports, of opening the run, and of its draws, on one thread."""
    code = "import time, quasistatic.serve.worker.loop as _; print(time.process_time())"
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=alone)
    folder, threads, shown = Path(tempfile.mkdtemp(dir=image.parent)), torch.get_num_threads(), list[float]()
    (folder / "upload").mkdir()
    shutil.copy(image, folder / "upload" / "00000.png")
    paths = {"run": str(image.parent / "runs" / "one"), "typed": "one", "upload": str(folder / "upload")}
    torch.set_num_threads(1)
    desk, began = Desk(), time.process_time()
    desk.begin("open", paths, folder, lambda done, total: None)
    TASKS["open"](desk, {})
    opened, began = time.process_time() - began, time.process_time()
    desk.begin("draw", paths, folder, lambda done, total: None, lambda parts: shown.append(time.process_time() - began))
    TASKS["complete"](desk, {"unknown": HALF, "draws": DRAWS, "steps": STEPS, "upload": "one"})
    drawn = time.process_time() - began
    torch.set_num_threads(threads)
    found = {"worker ready": float(imported.stdout), "opened": opened, "first draw": shown[0], "all draws": drawn}
    return {f"{name}, CPU": seconds for name, seconds in found.items()}


def first_paint(page: Page) -> float | None:
    """Return the seconds to the first contentful paint in Chromium; None without it."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if chromium is None:
        return None
    script = """() => {
        const paint = performance.getEntriesByName("first-contentful-paint")[0];
        return paint ? paint.startTime : performance.now();
    }"""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        tab.goto(page.address)
        tab.locator("h1").wait_for()
        found = float(tab.evaluate(script)) / 1000
        browser.close()
    return found


def one_round(model: qs.Model, image: Path) -> dict[str, float | None]:
    """Start a server, measure, and stop it; the reference is measured while no job runs."""
    with server(image.parent / "runs") as (page, began, ready):
        found: dict[str, float | None] = {"server ready": ready}
        page.work(kind="chain", matrix=[[1]], states=["one"])
        found["worker ready"] = time.perf_counter() - began
        run = page.ask("/api/runs")["runs"][0]["id"]
        found["opened"] = page.work(kind="open", run=run)["all"]
        asked = {"run": run, "upload": page.upload(image), "unknown": HALF, "draws": DRAWS, "steps": STEPS}
        drawn = page.work(kind="complete", **asked)
        found |= {"first draw": drawn["first"], "all draws": drawn["all"], "reference": reference(model)}
        found["first paint"] = first_paint(page)
    return found | processor_seconds(image)


def main() -> None:
    """Measure in rounds, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        model, image = model_and_image(Path(place))
        rounds = [one_round(model, image) for _ in range(options.rounds)]
    rows = {}
    base = statistics.median(one["reference"] or 0.0 for one in rounds)
    table = Table("what", "median", "least to greatest", "over the reference", "promised")
    for name in rounds[0]:
        times = [time for one in rounds if (time := one[name]) is not None]
        if not times:
            continue
        median = statistics.median(times)
        rows[name] = {"seconds": median, "least": min(times), "greatest": max(times), "over_reference": median / base}
        limit = f"{LIMITS[name]:g} s" if name in LIMITS else ""
        table.add_row(name, f"{median:.2f} s", f"{min(times):.2f} to {max(times):.2f}", f"{median / base:.2f}", limit)
    Console().print(table)
    load = os.getloadavg()[0]
    Console().print(
        f"{DRAWS} draws of {STEPS} steps, {SIDE}×{SIDE}; {torch.get_num_threads()} threads, load {load:.1f}"
    )
    keep({**rows, "load": load, "threads": torch.get_num_threads()}, options.json)


if __name__ == "__main__":
    main()
