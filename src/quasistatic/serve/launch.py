"""Starts the server: checks what was given, picks the port and the token, and prints the address to open."""

import errno
import shutil
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from quasistatic.serve.app import Page, build_app
from quasistatic.serve.jobs import Jobs
from quasistatic.serve.runs import find_runs
from quasistatic.serve.security import LOOPBACK, Door

PORT, PORTS = 8642, 200
"""The usual port, and how many after it are tried in a search for a free one."""

ANYWHERE = ("0.0.0.0", "::", "")
"""Hosts that stand for every address of the machine."""


def serve(
    places: Sequence[Path],
    host: str = "127.0.0.1",
    port: int | None = None,
    max_upload: int = 64,
    data: Sequence[str] = (),
    show: bool = False,
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        places: runs, or folders that hold some.
        host: address to listen on.
        port: to listen on; None takes the first free one from `PORT` on.
        max_upload: maximum size of an upload, in MB.
        data: data sets that the runs were trained on, so that their held-out parts can be shown; built-in ones are
            known.
        show: open the page in a browser.

    Raises:
        FileNotFoundError: if a folder does not exist, or none holds a run.
        ValueError: if a limit is too small, or the port is taken.
    """
    if max_upload < 1:
        raise ValueError(f"an upload may have 1 MB or more, got --max-upload {max_upload}")
    for place in places:
        if not place.is_dir():
            raise FileNotFoundError(f"runs are read from folders, and there is no folder {place}; name another")
    if not find_runs(places):
        named = ", ".join(map(str, places))
        raise FileNotFoundError(
            f"no run in {named}: train one with `quasistatic train DATA --out RUN`, or name another"
        )
    listener = _listener(host, port)
    door = Door(listener.getsockname()[1], (host.lower(), socket.gethostname().lower()), host in ANYWHERE)
    root = Path(tempfile.mkdtemp(prefix="quasistatic-"))
    shown = "127.0.0.1" if host in ANYWHERE else f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{door.port}/?token={door.token}"
    if host not in LOOPBACK:
        print(f"warning: others on the network can reach this page on {host}; its token lets them in", file=sys.stderr)
    print(f"quasistatic serve: open {address}  (Ctrl-C ends it)", flush=True)
    page = Page(list(places), root, max_upload * 2**20, {"data": list(data)})
    quiet = uvicorn.Config(
        build_app(page, door), log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=1
    )
    try:
        if show:
            webbrowser.open(address)
        _Server(quiet, page.jobs).run(sockets=[listener])
    finally:
        shutil.rmtree(root, ignore_errors=True)


class _Server(uvicorn.Server):
    """A server that ends the streams of events before it waits for its connections."""

    def __init__(self, config: uvicorn.Config, jobs: Jobs) -> None:
        super().__init__(config)
        self.jobs = jobs

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.jobs.hang_up()
        await super().shutdown(sockets)


def _listener(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens on ``port``, or on the first free one.

    Raises:
        ValueError: if it is taken; the sentence names the next free one.
    """
    first = PORT if port is None else port
    for tried in range(first, min(first + PORTS, 2**16)):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, tried))
            listener.listen(256)
        except OSError as error:
            listener.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise ValueError(
                    f"the page listens on an address of this machine, got --host {host}; name another"
                ) from None
            continue
        if port is not None and tried != port:
            listener.close()
            raise ValueError(f"the page needs a free port, and {port} is taken; --port {tried} is free")
        return listener
    raise ValueError(f"no port from {first} on is free; name another by --port")
