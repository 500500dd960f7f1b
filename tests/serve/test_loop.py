"""The worker's lines: how a job ends, with its result or a sentence without paths."""

import io
import json
import os
import queue
from collections.abc import Callable
from typing import Any

import pytest

from quasistatic.serve.worker import loop
from quasistatic.serve.worker.desk import Desk


def ended(desk: Desk, kind: str, **request: Any) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    job = {"id": "one", "kind": kind, "request": request, "paths": desk.paths, "folder": str(desk.folder)}
    loop._do(job, desk, lambda **fields: said.append(fields))
    return said


def test_a_job_tells_its_progress_and_leaves_its_result(desk_for: Callable[..., Desk]) -> None:
    desk = desk_for("digits")
    said = ended(desk, "sample", n=2, steps=3)
    assert said[-1] == {"state": "done"}
    assert said[0]["state"] == "running"
    assert 0 < said[0]["done"] <= said[0]["total"] == 6
    assert len(json.loads((desk.folder / "result.json").read_text())["examples"]["pictures"]) == 2


def test_a_job_that_fails_says_so_in_a_sentence_without_paths(desk_for: Callable[..., Desk]) -> None:
    desk = desk_for("digits")
    assert ended(desk, "sample", sampler="none")[-1]["state"] == "failed"
    desk.paths = {"run": desk.paths["run"] + "-gone", "typed": "gone"}
    (said,) = ended(desk, "sample")
    assert said["state"] == "failed"
    assert "/" not in said["sentence"]


def test_parts_are_told_as_they_come(desk_for: Callable[..., Desk]) -> None:
    said = ended(desk_for("digits"), "complete", unknown=[0] * 32 + [1] * 32, draws=3, steps=2)
    assert [one["parts"] for one in said if "parts" in one] == [1, 2]


def test_a_job_that_comes_again_is_cancelled_no_more(desk_for: Callable[..., Desk]) -> None:
    desk, jobs = desk_for("digits"), queue.SimpleQueue[Any]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "_exit", lambda status: None)
        lines = io.StringIO('{"id": "one"}\n{"cancel": "one"}\n')
        loop._listen(lines, jobs, desk)
        assert desk.cancelled == "one"
        loop._listen(io.StringIO('{"id": "one"}\n'), jobs, desk)
    assert desk.cancelled is None
    assert jobs.get() == jobs.get() == {"id": "one"}


def test_a_cancelled_job_says_so(desk_for: Callable[..., Desk]) -> None:
    desk = desk_for("digits")
    desk.cancelled = "one"
    assert ended(desk, "sample") == [{"state": "cancelled"}]


@pytest.mark.parametrize(
    ("sentence", "clean"),
    [
        ("/data/runs/one holds config.json", "the run holds config.json"),
        ("there is no file: /home/someone/secret/x.png", "there is no file: x.png"),
        ("bits/dim and 3/4 stay", "bits/dim and 3/4 stay"),
    ],
)
def test_paths_are_left_out_of_sentences(sentence: str, clean: str) -> None:
    assert loop.without_paths(sentence, {"run": "/data/runs/one"}) == clean
