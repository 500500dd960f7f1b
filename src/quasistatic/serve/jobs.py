"""The queue of work, and the one process that works through it.

The server writes a line of JSON to the process for each job, and reads lines of its progress. A job's result and files
lie in a folder of its own. Jobs that the user waits for come before previews of cards.
"""

import asyncio
import itertools
import json
import secrets
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOST_QUEUED = 64
"""Maximum jobs that wait."""

MOST_KEPT = 60
"""Finished jobs whose results are kept; the oldest are removed."""

PATIENCE = 10.0
"""Seconds that a cancelled job has to stop before its process is ended."""

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"

WORKER = (sys.executable, "-m", "quasistatic.serve.worker.loop")

LINE = 2**20
"""Maximum bytes of a line from the worker; results are files."""


class FullQueueError(RuntimeError):
    """Raised when too many jobs wait."""


@dataclass
class Job:
    """A piece of work, and how far it is.

    Attributes:
        kind: name of the task; see `worker.tasks`.
        request: what the page asked for.
        paths: the run's folder and the upload's, by the names that the task knows.
        urgent: False for a preview, which waits until nothing else does, and begins again if something else comes.
        parts: how many parts of the result can be shown already.
        put_back: True for a running preview that makes way.
        stopping: True once it was cancelled; it may run on until the process sees it.
    """

    kind: str
    request: dict[str, Any]
    paths: dict[str, str]
    urgent: bool = True
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: str = WAITING
    done: int = 0
    total: int = 0
    parts: int = 0
    sentence: str | None = None
    seconds: float = 0.0
    put_back: bool = False
    stopping: bool = False

    def told(self) -> dict[str, Any]:
        """Return what the page is told of the job."""
        names = ("id", "kind", "state", "done", "total", "parts", "sentence", "seconds")
        return {"run": self.request.get("run"), **{name: getattr(self, name) for name in names}}


@dataclass(eq=False)
class _Tab:
    """What a reader of `Jobs.events` has not read: each job that changed, as it is now."""

    changed: dict[str, dict[str, Any]] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False


class Jobs:
    """The jobs of all tabs, and their process, which is started on `start` and again if it ends.

    Args:
        root: an empty folder for results.
        settings: told to the worker at its start, such as the data that may be read.
        command: starts the worker.
    """

    def __init__(self, root: Path, settings: dict[str, Any], command: tuple[str, ...] = WORKER) -> None:
        self.root, self.settings, self.command = root, settings, command
        self.jobs: dict[str, Job] = {}
        self._tabs: set[_Tab] = set()
        self._wake = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._worker: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to work."""
        self._worker = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """End the process, whatever it does."""
        if self._worker is not None:
            self._worker.cancel()
            with suppress(asyncio.CancelledError):
                await self._worker
        await self._end()

    def submit(self, job: Job) -> Job:
        """Queue a job; one that waits or runs for the same request, and was not cancelled, is returned in its place.

        Raises:
            FullQueueError: if too many jobs wait.
        """
        for other in self.jobs.values():
            same = (other.kind, other.request, other.paths) == (job.kind, job.request, job.paths)
            if same and other.state in (WAITING, RUNNING) and not other.stopping:
                return other
        if sum(other.state == WAITING for other in self.jobs.values()) >= MOST_QUEUED:
            raise FullQueueError(f"{MOST_QUEUED} jobs wait already; cancel some, or wait until one has ended")
        self.jobs[job.id] = job
        self._forget()
        self._changed(job)
        self._make_way(job)
        self._wake.set()
        return job

    def cancel(self, job: Job) -> None:
        """Cancel a job that waits, or ask the process to stop one that runs."""
        job.put_back, job.stopping = False, True
        if job.state == WAITING:
            self._set(job, state=CANCELLED)
        elif job.state == RUNNING and self._process is not None:
            self._tell({"cancel": job.id})
            asyncio.get_running_loop().call_later(PATIENCE, self._kill_if_running, job)

    def _make_way(self, job: Job) -> None:
        """Put a running preview back for a job that the user waits for."""
        for other in self.jobs.values():
            if job.urgent and not other.urgent and other.state == RUNNING and not other.put_back:
                other.put_back = True
                self._tell({"cancel": other.id})

    def folder(self, job: Job) -> Path:
        """Return the folder of a job's result and files."""
        return self.root / job.id

    async def events(self) -> AsyncIterator[dict[str, Any] | None]:
        """Yield jobs as they change, until `hang_up`; None every few seconds in which nothing did.

        Whoever reads slowly gets each job as it is now, and misses only what lay between.
        """
        tab = _Tab()
        self._tabs.add(tab)
        try:
            while not tab.ended:
                with suppress(TimeoutError):
                    await asyncio.wait_for(tab.wake.wait(), 5.0)
                tab.wake.clear()
                if not tab.changed and not tab.ended:
                    yield None
                while tab.changed:
                    yield tab.changed.pop(next(iter(tab.changed)))
        finally:
            self._tabs.discard(tab)

    def hang_up(self) -> None:
        """End all `events`, as the server ends: it would wait for them, and then cut them off with an error."""
        for tab in self._tabs:
            tab.ended = True
            tab.wake.set()

    def _set(self, job: Job, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(job, name, value)
        self._changed(job)

    def _changed(self, job: Job) -> None:
        for tab in self._tabs:
            tab.changed.pop(job.id, None)  # the order is that of the last changes
            tab.changed[job.id] = job.told()
            tab.wake.set()

    def _forget(self) -> None:
        ended = [job for job in self.jobs.values() if job.state not in (WAITING, RUNNING)]
        for job in ended[: max(0, len(ended) - MOST_KEPT)]:
            del self.jobs[job.id]
            shutil.rmtree(self.folder(job), ignore_errors=True)

    def _next(self) -> Job | None:
        waiting = [job for job in self.jobs.values() if job.state == WAITING]
        return next(itertools.chain((job for job in waiting if job.urgent), waiting), None)

    async def _work(self) -> None:
        while True:
            if self._process is None or self._process.returncode is not None:
                await self._begin()
            job = self._next()
            if job is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._run(job)

    async def _run(self, job: Job) -> None:
        began = time.monotonic()
        folder = self.folder(job)
        folder.mkdir(parents=True, exist_ok=True)
        self._set(job, state=RUNNING)
        self._tell({"id": job.id, "kind": job.kind, "request": job.request, "paths": job.paths, "folder": str(folder)})
        assert self._process is not None
        assert self._process.stdout is not None
        while job.state == RUNNING:
            try:
                line = await self._process.stdout.readline()
            except ValueError:  # a line beyond the limit
                line = b""
            if not line:
                await self._end()
                self._set(job, state=FAILED, sentence="the worker ended, as for lack of memory; ask for less at once")
                return
            with suppress(ValueError):
                said = json.loads(line)
                if said.get("id") == job.id:
                    fields = {
                        name: said[name] for name in ("state", "done", "total", "parts", "sentence") if name in said
                    }
                    if job.put_back and fields.get("state") == CANCELLED:
                        fields, job.put_back = {"state": WAITING, "done": 0}, False
                    self._set(job, **fields, seconds=round(time.monotonic() - began, 3))

    async def _begin(self) -> None:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*self.command, stdin=pipe, stdout=pipe, limit=LINE)
        self._tell(self.settings)

    def _tell(self, message: dict[str, Any]) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError, RuntimeError):
                self._process.stdin.write(json.dumps(message).encode() + b"\n")

    def _kill_if_running(self, job: Job) -> None:
        if job.state == RUNNING and self._process is not None and self._process.returncode is None:
            job.sentence = None
            self._process.kill()

    async def _end(self) -> None:
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._process = None
