"""--shard and merge: the parts of a job array give what one job gives, and bad requests are told apart."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

EVALUATE = ["--steps", 10, "--draws", 3, "--limit", 300]


def test_scores_of_parts_are_those_of_one_job(command, run: Path, tmp_path: Path, capsys) -> None:
    """To the bit: parts are whole batches of the model, and the pilot is of the whole set."""
    whole, out = tmp_path / "whole.csv", tmp_path / "scores.csv"
    assert command("evaluate", run, "digits", *EVALUATE, "--scores", whole, "--json") == 0
    one = json.loads(capsys.readouterr().out)
    for number in (2, 1, 2):  # the second time it is there already
        assert command("evaluate", run, "digits", *EVALUATE, "--scores", out, "--shard", f"{number}/2") == 0
    assert "is in" in capsys.readouterr().err
    assert command("merge", run, out, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    for name in ("value", "standard_error", "examples", "steps", "method", "null"):
        assert found[name] == one[name], name
    rows, wanted = (list(csv.reader(file.read_text().splitlines())) for file in (out, whole))
    assert rows == [row[:5] for row in wanted]
    assert len(rows) == 301


@pytest.mark.parametrize("ending", ["npy", "csv"])
def test_samples_of_parts_are_those_of_one_job(command, run: Path, tmp_path: Path, ending: str) -> None:
    whole, out = tmp_path / f"whole.{ending}", tmp_path / f"out.{ending}"
    words = ["-n", 300, "--steps", 2, "--seed", 3]
    assert command("sample", run, "--out", whole, *words) == 0
    for number in (1, 2, 3):
        assert command("sample", run, "--out", out, *words, "--shard", f"{number}/3") == 0
    assert command("merge", run, out) == 0
    assert out.read_bytes() == whole.read_bytes()


def test_completions_of_parts_are_those_of_one_job(command, run: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole.npy", tmp_path / "out.npy"
    words = ["--half", "top", "--steps", 2, "--draws", 2, "--limit", 200, "--method", "hold"]
    assert command("infer", run, "digits", "--out", whole, *words) == 0
    for number in (1, 2):
        assert command("infer", run, "digits", "--out", out, *words, "--shard", f"{number}/2") == 0
    assert command("merge", run, out) == 0
    assert np.array_equal(np.load(out), np.load(whole))


def test_bad_requests_are_one_sentence(command, run: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out.npy"
    cases = {
        "a shard I/N has I from 1 to N, got 3/2": ["sample", run, "--out", out, "--shard", "3/2"],
        "a shard is written I/N": ["sample", run, "--out", out, "--shard", "half"],
        "there are no parts in": ["merge", run, out],
        "without --scores FILE.csv": ["evaluate", run, "digits", "--limit", 4, "--shard", "1/2"],
        "--picture needs the whole set": [
            *("evaluate", run, "digits", "--limit", 4, "--draws", 2, "--shard", "1/2"),
            *("--picture", tmp_path / "a.png", "--scores", tmp_path / "a.csv"),
        ],
        "got flow": ["evaluate", run, "digits", "--method", "flow", "--scores", tmp_path / "a.csv", "--shard", "1/2"],
    }
    for sentence, words in cases.items():
        assert command(*words) == 2, words
        assert sentence in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []


def test_parts_of_another_model_are_refused(command, run: Path, tmp_path: Path, capsys) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    other, out = tmp_path / "other", tmp_path / "out.npy"
    shutil.copytree(run, other)
    weights = load_file(other / "model.safetensors")
    name = next(name for name, value in weights.items() if value.is_floating_point())
    from safetensors import safe_open

    with safe_open(other / "model.safetensors", "pt") as file:
        about = file.metadata()
    save_file(weights | {name: weights[name] + 1}, other / "model.safetensors", about)
    words = ["--out", out, "-n", 300, "--steps", 1, "--shard"]
    assert command("sample", run, *words, "1/2") == 0
    assert command("sample", other, *words, "2/2") == 0
    assert command("merge", run, out) == 2
    assert "in its model" in " ".join(capsys.readouterr().err.split())
    assert command("sample", other, *words, "1/2") == 2
    assert "differs from this job in its model" in " ".join(capsys.readouterr().err.split())
    assert not out.exists()
