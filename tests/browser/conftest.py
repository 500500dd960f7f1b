"""A server as users start it, and Chromium at its page. A request that leaves the loopback fails its test."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from served_runs import FILES

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 60_000
"""Milliseconds that an element may take to appear: a job on a busy machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.filterwarnings("default"))
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="there is no Chromium; on Debian, apt-get install chromium"))


@contextmanager
def serving(*words: str) -> Iterator[str]:
    """Serve runs as the command does: the address that it prints, with its token."""
    command = [sys.executable, "-m", "quasistatic", "serve", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found is not None
        try:
            yield found[0]
        finally:
            server.terminate()


@pytest.fixture(scope="session")
def address(served: Path) -> Iterator[str]:
    """The address of the runs that all tests share."""
    with serving(str(served), *(word for name in FILES.values() for word in ("--data", str(served / name)))) as found:
        yield found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Reader:
    """Someone at the page, with what their browser asked for and complained of."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1200, "height": 800}, **options})
        self.context.set_default_timeout(PATIENCE)
        self.address, self.strangers, self.errors = address, list[str](), list[str]()
        self.expected: tuple[str, ...] = ()
        self.context.on("request", lambda request: self._asked(request.url))
        self.page = self.tab()

    def tab(self) -> Any:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        page.goto(self.address)
        return page

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1":
            self.strangers.append(url)

    def at(self, view: str, query: str = "") -> Any:
        """Go to a view; ``digits/samples`` is that of the run called so."""
        name, _, tab = view.partition("/")
        told = self.page.evaluate("fetch('/api/runs').then((answer) => answer.json())")
        ids = {run["name"]: run["id"] for run in told["runs"]}
        target = f"/run/{ids[name]}/{tab}" if name in ids else f"/{view}"
        self.page.goto(f"{self.address.partition('?')[0]}{query}#{target}")
        return self.page


@pytest.fixture
def reader(chromium: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Callable[..., Reader]]:
    """Opens the page as a reader, with options of the browser; keeps a screenshot and checks what was asked for."""
    readers: list[Reader] = []

    def opened(where: str = address, **options: Any) -> Reader:
        readers.append(Reader(chromium, where, **options))
        return readers[-1]

    yield opened
    folder = os.environ.get("QUASISTATIC_SCREENSHOTS")
    for number, one in enumerate(readers):
        if folder:
            name = re.sub(r"\W+", "-", request.node.name).strip("-")
            one.page.screenshot(path=Path(folder) / f"{name}-{number}.png", full_page=True)
        strangers, errors = one.strangers, [e for e in one.errors if not e.startswith(one.expected or ("\0",))]
        one.context.close()
        assert strangers == [], "a request left this machine"
        assert errors == []
