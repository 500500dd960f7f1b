"""Starting: what is refused in one sentence, ports, and that the server's process does not load torch."""

import signal
import socket
import subprocess
import sys
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from quasistatic.serve.launch import _listener, serve


def test_the_server_does_not_load_torch_and_needs_less_than_three_seconds_of_a_core() -> None:
    code = (
        "import sys, time, quasistatic.serve.launch as _;"
        "assert not {'torch', 'numpy', 'PIL'} & set(sys.modules); print(time.process_time())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 3


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no run in .*train one with"):
        serve([tmp_path])


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        serve([tmp_path / "none"])


def test_an_upload_limit_is_at_least_a_megabyte(served: Path) -> None:
    with pytest.raises(ValueError, match="got --max-upload 0"):
        serve([served], max_upload=0)


def test_a_taken_port_is_refused_with_the_next_free_one_and_searched_past_by_default() -> None:
    taken = _listener("127.0.0.1", None)
    port = taken.getsockname()[1]
    with pytest.raises(ValueError, match=rf"{port} is taken; --port \d+ is free") as found:
        _listener("127.0.0.1", port)
    free = int(str(found.value).partition("--port ")[2].split()[0])
    with _listener("127.0.0.1", free) as other, taken:
        assert other.getsockname()[1] == free
    with taken, _listener("127.0.0.1", None) as found_free:
        assert isinstance(found_free, socket.socket)


def test_a_host_that_is_not_here_is_refused() -> None:
    with pytest.raises(ValueError, match="an address of this machine"):
        _listener("203.0.113.7", 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_server_ends_without_a_traceback_while_a_page_is_open(served: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "quasistatic", "serve", str(served), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[3]
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        opener.open(address).read()
        with opener.open(address.partition("?")[0] + "api/events") as events:
            assert events.readline() == b": connected\n"
            server.send_signal(number)
            events.read()
        _, said = server.communicate(timeout=20)
    assert "Traceback" not in said
    assert "ERROR" not in said
