"""Many requests at once and many jobs that wait: nothing is lost, nothing goes beyond its limit, memory stays flat."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest

from quasistatic.serve.worker.desk import LONGEST

REQUESTS, JOBS, MOST_UPLOAD = 200, 50, 2**20
PARENT_GROWTH, WORKER_GROWTH = 24, 64
"""Megabytes by which the resident sets may grow after a first round: allocators keep some of what is freed."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident sets are read from /proc")


@dataclass
class Visitor:
    """Someone with the page's cookie."""

    base: str
    cookie: str

    def ask(self, path: str, body: bytes | None = None) -> tuple[int, Any]:
        headers = {"Cookie": self.cookie, "Origin": self.base}
        request = urllib.request.Request(self.base + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def asked(self, path: str, **content: Any) -> Any:
        status, answer = self.ask(path, json.dumps(content).encode() if content else None)
        assert status in (200, 202), answer
        return json.loads(answer)


@pytest.fixture
def server(served: Path) -> Iterator[tuple[int, Visitor]]:
    """A server as users start it, with uploads of 1 MB at most: its process and a visitor."""
    command = [sys.executable, "-m", "quasistatic", "serve", str(served), "--max-upload", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        found = re.search(r"(http://[^/\s]+)/\S+", process.stdout.readline())
        assert found is not None
        jar = CookieJar()
        urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar)).open(found[0]).read()
        yield process.pid, Visitor(found[1], "; ".join(f"{one.name}={one.value}" for one in jar))
        process.terminate()


def megabytes(process: int) -> float:
    """The resident set of a process."""
    (line,) = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def child(process: int) -> int:
    return int(Path(f"/proc/{process}/task/{process}/children").read_text().split()[0])


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(lambda call: call(), calls))


def requests_of(visitor: Visitor, run: str) -> list[Callable[[], Any]]:
    """A page's requests, uploads within the limit and beyond it."""
    paths = ["/api/runs", f"/api/runs/{run}", f"/api/runs/{run}/curves", "/api/jobs", "/static/main.js"]
    calls: list[Callable[[], Any]] = [lambda path=path: visitor.ask(path) for path in paths * (REQUESTS // 5 - 6)]
    calls += [lambda: visitor.ask("/api/uploads?name=a.png", b"x" * (MOST_UPLOAD // 2))] * 20
    calls += [lambda: visitor.ask("/api/uploads?name=b.png", b"x" * (MOST_UPLOAD + 1))] * 10
    assert len(calls) == REQUESTS
    return calls


def round_of_work(visitor: Visitor, run: str, first_seed: int) -> None:
    answers = Counter(status for status, _ in at_once(requests_of(visitor, run)))
    assert answers == {200: REQUESTS - 10, 413: 10}
    wanted = [
        lambda seed=seed: visitor.asked("/api/jobs", kind="sample", run=run, n=1, steps=2, seed=seed)["id"]
        for seed in range(first_seed, first_seed + JOBS)
    ]
    ids = at_once(wanted)
    assert len(set(ids)) == JOBS
    began = time.monotonic()
    while True:
        jobs = {job["id"]: job for job in visitor.asked("/api/jobs")["jobs"] if job["id"] in ids}
        if all(job["state"] not in ("waiting", "running") for job in jobs.values()):
            break
        assert time.monotonic() - began < 300
        time.sleep(0.05)
    assert {job["state"] for job in jobs.values()} == {"done"}
    assert set(jobs) == set(ids), "no job was lost"
    assert max(job["seconds"] for job in jobs.values()) < LONGEST
    pictures = {visitor.asked(f"/api/jobs/{one}/result")["examples"]["pictures"][0] for one in ids}
    assert len(pictures) > JOBS / 2, "each seed has its own sample"


def test_two_hundred_requests_and_fifty_jobs_at_once(server: tuple[int, Visitor]) -> None:
    process, visitor = server
    run = next(run["id"] for run in visitor.asked("/api/runs")["runs"] if run["name"] == "digits")
    round_of_work(visitor, run, 0)
    worker = child(process)
    before = megabytes(process), megabytes(worker)
    round_of_work(visitor, run, JOBS)
    assert child(process) == worker, "the worker has not been started anew"
    grown = megabytes(process) - before[0], megabytes(worker) - before[1]
    print(f"parent {before[0]:.0f} MB, {grown[0]:+.1f} MB; worker {before[1]:.0f} MB, {grown[1]:+.1f} MB")
    assert grown[0] < PARENT_GROWTH
    assert grown[1] < WORKER_GROWTH
