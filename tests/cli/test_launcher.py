"""Processes that a launcher such as torchrun started end when it is gone, however early it went."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

LAUNCHED = {"TORCHELASTIC_RUN_ID": "run", "TORCHELASTIC_USE_AGENT_STORE": "True", "MASTER_ADDR": "127.0.0.1"}
CHILD = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
from quasistatic.cli.signals import end_with_launcher
end_with_launcher()
print(os.getpid(), flush=True)
time.sleep(60)
"""
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


def command(port: int) -> subprocess.CompletedProcess[str]:
    """A short command of a process that a launcher at this port has started."""
    words = [sys.executable, "-m", "quasistatic", "--version"]
    environment = {**os.environ, **LAUNCHED, "MASTER_PORT": str(port)}
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_launcher_that_went_before_its_process_began_is_told() -> None:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
        place.listen()
        assert command(port).returncode == 0
    done = command(port)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the launcher that started this process has ended; start the run again")


def lives(process: int) -> bool:
    """Whether a process is there and not dead."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_a_process_that_has_not_met_the_others_ends_soon_after_its_launcher() -> None:
    """Even if it takes no notice of SIGTERM, as it waits for them."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        place.listen()
        environment = {**os.environ, **LAUNCHED, "MASTER_PORT": str(place.getsockname()[1])}
        parent = subprocess.Popen([sys.executable, "-c", PARENT], env=environment, stdout=subprocess.PIPE, text=True)
        assert parent.stdout
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        until = time.monotonic() + 30
        while time.monotonic() < until and lives(child):
            time.sleep(0.2)
    assert not lives(child)
