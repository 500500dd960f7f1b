"""Starting: what is refused in one sentence, ports, and that the server's process does not load torch."""

import socket
import subprocess
import sys
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
