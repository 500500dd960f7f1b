"""A server in this process, without its worker, and the runs that it serves."""

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from quasistatic.serve.app import Page, build_app
from quasistatic.serve.security import Door
from quasistatic.serve.worker.desk import Desk
from served_runs import FILES

PORT = 8642
ADDRESS = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def page(served: Path, tmp_path: Path) -> Page:
    return Page([served], tmp_path, 2**20, {})


@pytest.fixture
def door() -> Door:
    return Door(PORT)


@pytest.fixture
def outside(page: Page, door: Door) -> TestClient:
    """A client without the cookie."""
    return TestClient(build_app(page, door), base_url=ADDRESS, follow_redirects=False)


@pytest.fixture
def client(outside: TestClient, door: Door) -> TestClient:
    """The page: it has opened the address with the token."""
    outside.get("/", params={"token": door.token})
    outside.headers["origin"] = ADDRESS
    return outside


@pytest.fixture
def desk_for(served: Path, tmp_path: Path) -> Callable[..., Desk]:
    """Makes a desk at a run, as the worker has it; its progress is in ``desk.steps``."""

    def made(name: str, upload: Path | None = None) -> Desk:
        data = FILES.get(name)
        desk = Desk([str(served / data)] if data else [])
        paths = {"run": str(served / name), "typed": name} | ({"upload": str(upload)} if upload else {})
        desk.begin("job", paths, tmp_path, lambda done, total: None)
        return desk

    return made
