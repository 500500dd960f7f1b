"""Reads a line of JSON for each job, and writes lines about how far it is: `python -m quasistatic.serve.worker.loop`.

stdin   {"data": […]} once; then {"id", "kind", "request", "paths", "folder"} and {"cancel": id}
stdout  {"id", "state": "running", "done", "total"} or {…, "parts"}
        at last {"id", "state", "sentence"}: done, failed or cancelled
"""

import json
import os
import queue
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from quasistatic.runtime.failure import told
from quasistatic.serve.worker.desk import CancelledError, Desk
from quasistatic.serve.worker.tasks import TASKS

EVERY = 0.1
"""Seconds between lines about progress."""

Say = Callable[..., None]


def work() -> None:
    """Work until stdin is closed."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes to stderr
    jobs: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    settings = json.loads(sys.stdin.readline() or "{}")
    desk = Desk(settings.get("data", []))
    threading.Thread(target=_listen, args=(sys.stdin, jobs, desk), daemon=True).start()
    while (job := jobs.get()) is not None:
        _do(job, desk, lambda job=job, **fields: print(json.dumps({"id": job["id"], **fields}), file=out))
    os._exit(0)


def _listen(lines: Iterable[str], jobs: "queue.SimpleQueue[dict[str, Any] | None]", desk: Desk) -> None:
    for line in lines:
        message = json.loads(line)
        if "cancel" in message:
            desk.cancelled = message["cancel"]
            continue
        if message["id"] == desk.cancelled:  # a preview that made way comes again
            desk.cancelled = None
        jobs.put(message)
    os._exit(0)  # the server has ended: so does the work


def _do(job: dict[str, Any], desk: Desk, say: Say) -> None:
    """Do a job, write its result, and say how it ended."""
    last = 0.0

    def watch(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > EVERY:
            last = time.monotonic()
            say(state="running", done=done, total=total)

    folder = Path(job["folder"])
    try:
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter("always", UserWarning)
            desk.begin(job["id"], job["paths"], folder, watch, lambda parts: say(state="running", parts=parts))
            result = TASKS[job["kind"]](desk, job["request"])
        result["notes"] = [*result.get("notes", ()), *dict.fromkeys(str(one.message) for one in notes if _is_own(one))]
        (folder / "result.json").write_text(json.dumps(result, allow_nan=False))
        say(state="done")
    except CancelledError:
        say(state="cancelled")
    except Exception as error:
        say(state="failed", sentence=without_paths(told(error)[0], job["paths"]))


def _is_own(note: warnings.WarningMessage) -> bool:
    return note.category.__module__.startswith("quasistatic")


def without_paths(sentence: str, paths: dict[str, str]) -> str:
    """Return a sentence with the names of files in place of their paths."""
    for name, path in paths.items():
        sentence = sentence.replace(path, "the run" if name == "run" else "the file" if name == "upload" else path)
    return re.sub(r"(?<![\w.])/(?:[^\s/:;,'\"]+/)+([^\s/:;,'\"]*)", r"\1", sentence)


if __name__ == "__main__":
    work()
