"""Every network is one graph for torch's compiler, in training and in evaluation."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ALL = 16
"""Cases of `compiling`."""


@pytest.mark.parametrize("names", [["MLP", "columns"], pytest.param([], marks=pytest.mark.slow)], ids=["two", "all"])
def test_each_network_is_one_graph_and_other_batch_sizes_compile_it_once_more(names: list[str]) -> None:
    script = Path(__file__).with_name("compiling.py")
    ran = subprocess.run([sys.executable, script, *names], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = json.loads(ran.stdout)
    assert len(found) == (len(names) or ALL)
    for name, counts in found.items():
        assert 1 <= counts["training"] <= 2, name
        assert 1 <= counts["evaluation"] <= 2, name
        assert counts["error"] < 1e-5, name
