"""The addresses of the server and what they answer. Errors are one sentence, without paths.

/  /static/…                      the page                      /api/runs, /api/runs/ID/…   what the runs' files tell
/api/uploads                      files from the page           /api/jobs, /api/jobs/ID/…   work, and what it made
/api/events                       changes of jobs and runs, as server-sent events
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from quasistatic import __version__
from quasistatic.serve import runs
from quasistatic.serve.jobs import DONE, FullQueueError, Job, Jobs
from quasistatic.serve.runs import Run
from quasistatic.serve.security import Door, Guard, refusal
from quasistatic.serve.uploads import UploadRefusedError, Uploads

STATIC = Path(__file__).parent / "static"

KINDS = (
    *("open", "preview", "sample", "film", "held_out", "read", "complete", "score", "baselines", "data"),
    *("chain", "noising", "reverse", "terms"),
)
"""Names of the tasks that the page may ask for; `worker.tasks` has their work."""

WITHOUT_RUN = ("chain", "noising", "reverse", "terms")
"""Those that need no run; ``reverse`` may have one."""

LARGEST_REQUEST = 4 * 2**20
"""Maximum bytes of a request's JSON; larger things are uploads."""

FRESH = 2.0
"""Seconds for which the list of runs is not searched again."""


class Page:
    """The state behind the addresses: folders, jobs and uploads."""

    def __init__(self, places: list[Path], root: Path, max_upload: int, settings: dict[str, Any]) -> None:
        self.places = places
        self.jobs = Jobs(root / "jobs", settings)
        self.uploads = Uploads(root / "uploads", max_upload)
        self._found: dict[str, Run] = {}
        self._at = -FRESH

    def runs(self) -> dict[str, Run]:
        """Return the runs by id, searched for anew from time to time."""
        if time.monotonic() - self._at > FRESH:
            self._found, self._at = runs.find_runs(self.places), time.monotonic()
        return self._found

    def run(self, key: object) -> Run:
        """Return a run.

        Raises:
            HTTPException: 404 if there is none of that id.
        """
        found = self.runs().get(key) if isinstance(key, str) else None
        if found is None:
            raise HTTPException(404, "there is no such run any more; go back to the list of runs")
        return found

    def job(self, key: str) -> Job:
        """Return a job.

        Raises:
            HTTPException: 404 if there is none of that id.
        """
        if key not in self.jobs.jobs:
            raise HTTPException(404, "this result is gone; ask for it again")
        return self.jobs.jobs[key]


def page(request: Request) -> Page:
    """Return the state of the server that was asked."""
    found = request.app.state.page
    assert isinstance(found, Page)
    return found


def index(request: Request) -> Response:
    """Answer with the page."""
    return FileResponse(STATIC / "index.html")


def list_runs(request: Request) -> Response:
    """Answer with a card of each run."""
    return JSONResponse({"version": __version__, "runs": [runs.card(run) for run in page(request).runs().values()]})


def one_run(request: Request) -> Response:
    """Answer with what a run's files tell of it."""
    run = page(request).run(request.path_params["run"])
    described = runs.read_json(run.folder / runs.CONFIG)
    about = {name: described.get(name) for name in ("config", "data", "versions", "format", "step")}
    return JSONResponse(_finite({**runs.card(run), "typed": run.typed, "grids": runs.grids(run), "about": about}))


def run_curves(request: Request) -> Response:
    """Answer with the curves of a run's training."""
    return JSONResponse(runs.curves(page(request).run(request.path_params["run"])))


def run_grid(request: Request) -> Response:
    """Answer with the samples that a run drew at a step."""
    file = runs.grid_file(page(request).run(request.path_params["run"]), request.path_params["step"])
    if file is None:
        raise HTTPException(404, "the run drew no samples at this step")
    return FileResponse(file, media_type="image/png")


async def upload(request: Request) -> Response:
    query = request.query_params
    key = await page(request).uploads.add(request.stream(), query.get("name", "file"), query.get("into"))
    return JSONResponse({"upload": key})


async def submit(request: Request) -> Response:
    asked, here = await _object(request), page(request)
    kind = asked.pop("kind", None)
    if kind not in KINDS:
        raise HTTPException(400, f"a job is one of {', '.join(KINDS)}, got another")
    paths: dict[str, str] = {}
    if kind not in WITHOUT_RUN or asked.get("run") is not None:
        run = here.run(asked.get("run"))
        paths |= {"run": str(run.folder), "typed": run.typed}
        asked["version"] = run.version
    if asked.get("upload") is not None:
        paths["upload"] = str(here.uploads.folder(asked["upload"]))
    urgent = kind != "preview"
    if not urgent:
        for job in here.jobs.jobs.values():
            if (job.kind, job.request, job.state) == (kind, asked, DONE):
                return JSONResponse(job.told())
    return JSONResponse(here.jobs.submit(Job(kind, asked, paths, urgent)).told(), 202)


def list_jobs(request: Request) -> Response:
    """Answer with all jobs."""
    return JSONResponse({"jobs": [job.told() for job in page(request).jobs.jobs.values()]})


async def cancel(request: Request) -> Response:
    here = page(request)
    job = here.job(request.path_params["job"])
    here.jobs.cancel(job)
    return JSONResponse(job.told())


def made(request: Request) -> Response:
    """Answer with a file that a finished job made: its result, or one that its result names."""
    here, name = page(request), request.path_params.get("name", "result.json")
    job = here.job(request.path_params["job"])
    folder = here.jobs.folder(job)
    names = {path.name: path for path in folder.iterdir() if path.is_file()} if folder.is_dir() else {}
    if job.state != DONE or name not in names:
        raise HTTPException(404, "the job has made no such file")
    kept = None if name == "result.json" else name
    return FileResponse(names[name], filename=kept, content_disposition_type="attachment" if kept else "inline")


def part(request: Request) -> Response:
    """Answer with a part of a job's result, which may be there before the rest."""
    here, number = page(request), request.path_params["number"]
    job = here.job(request.path_params["job"])
    file = here.jobs.folder(job) / f"part-{number}.json"
    if number >= job.parts or not file.is_file():
        raise HTTPException(404, "the job has no such part yet")
    return FileResponse(file, media_type="application/json")


async def events(request: Request) -> Response:
    here = page(request)

    async def lines() -> AsyncIterator[str]:
        yield ": connected\n\n"
        seen, looked = "", 0.0
        async for job in here.jobs.events():
            if job is not None:
                yield f"event: job\ndata: {json.dumps(job)}\n\n"
            if time.monotonic() - looked > FRESH:
                looked = time.monotonic()
                now = json.dumps(await asyncio.to_thread(lambda: [runs.card(run) for run in here.runs().values()]))
                yield f"event: runs\ndata: {now}\n\n" if now != seen else ": nothing new\n\n"
                seen = now

    return StreamingResponse(lines(), media_type="text/event-stream")


async def _object(request: Request) -> dict[str, Any]:
    """Return the JSON object in a request.

    Raises:
        HTTPException: 4xx if it is larger than allowed, or none.
    """
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST_REQUEST:
            raise HTTPException(
                413, f"a request has at most {LARGEST_REQUEST // 2**20} MB; send larger things as files"
            )
    try:
        found = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise HTTPException(400, "a request is a JSON object, got something else") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "a request is a JSON object, got something else")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def _finite(value: Any) -> Any:
    """Return a tree of JSON values with numbers that JSON lacks as text."""
    if (isinstance(value, float) and value != value) or value in (float("inf"), float("-inf")):
        return str(value)
    if isinstance(value, dict):
        return {name: _finite(own) for name, own in value.items()}
    return [_finite(own) for own in value] if isinstance(value, list) else value


def refused(request: Request, error: Exception) -> Response:
    """Turn an exception into an answer of one sentence."""
    match error:
        case HTTPException():
            sentence = {404: "there is nothing at this address", 405: "this address does not take such a request"}
            own = error.detail and error.detail not in ("Not Found", "Method Not Allowed")
            return refusal(error.status_code, error.detail if own else sentence.get(error.status_code, "wrong request"))
        case UploadRefusedError():
            return refusal(error.status, str(error))
        case FullQueueError():
            return refusal(429, str(error))
        case ClientDisconnect():
            return refusal(400, "the request was cut short")
    return refusal(400, "this request cannot be read")


def build_app(page: Page, door: Door) -> Guard:
    """Return the server's application."""

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        page.jobs.start()
        yield
        await page.jobs.stop()

    routes = [
        Route("/", index),
        Route("/api/runs", list_runs),
        Route("/api/runs/{run}", one_run),
        Route("/api/runs/{run}/curves", run_curves),
        Route("/api/runs/{run}/grids/{step:int}", run_grid),
        Route("/api/uploads", upload, methods=["POST"]),
        Route("/api/jobs", list_jobs),
        Route("/api/jobs", submit, methods=["POST"]),
        Route("/api/jobs/{job}/cancel", cancel, methods=["POST"]),
        Route("/api/jobs/{job}/result", made),
        Route("/api/jobs/{job}/parts/{number:int}", part),
        Route("/api/jobs/{job}/files/{name}", made),
        Route("/api/events", events),
        Mount("/static", StaticFiles(directory=STATIC, follow_symlink=False)),
    ]
    handled = (HTTPException, UploadRefusedError, FullQueueError, ClientDisconnect)
    app = Starlette(routes=routes, lifespan=life, exception_handlers=dict.fromkeys(handled, refused))
    app.state.page = page
    return Guard(app, door)
