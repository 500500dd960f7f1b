"""`compare --features classifier` and `--training`: what is printed, and which request is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from quasistatic.data import Dataset

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(command: Callable[..., int], capfd: pytest.CaptureFixture[str]) -> Call:
    """Run compare with words: (status, stdout, stderr in one line)."""

    def called(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        status = command("compare", *words)
        shown = capfd.readouterr()
        return status, shown.out, " ".join(shown.err.split())

    return called


def saved(path: Path, digits: Dataset, first: int, last: int) -> Path:
    """Digits as a labelled .npz of 4×4 pixels, which are judged quickly."""
    rows = torch.arange(first, last)
    small = torch.nn.functional.max_pool2d(digits.batch(rows).float(), 2).squeeze(1).numpy().astype(np.uint8)
    np.savez(path, small, labels=digits.labels_of(rows).numpy())
    return path


def test_a_judge_and_copies_in_json(call: Call, tmp_path: Path, digits: Dataset) -> None:
    """Samples are training examples here: all near to training, and labelled as they are judged."""
    real, samples = saved(tmp_path / "real.npz", digits, 0, 300), saved(tmp_path / "samples.npz", digits, 300, 450)
    training = saved(tmp_path / "training.npz", digits, 300, 900)
    words = (real, samples, "--features", "classifier:8", "--training", training, "--limit", 60, "--json")
    status, out, _ = call(*words)
    assert status == 0
    found = json.loads(out)
    assert (found["features"], found["dimensions"], found["examples"]) == ("classifier:8", 8, 60)
    judge, copies = found["judge"], found["copies"]
    assert (judge["classes"], judge["learned_from"], judge["held_out"]) == (10, 600, 120)
    assert (copies["training"], copies["held_out"]) == (600, 300)
    for one in ("sure", "accuracy", "evenness", "class_distance"):
        assert set(judge[one]) == {"samples", "real"}
        assert set(judge[one]["real"]) == set(judge[one]["samples"]) == {"value", "standard_error"}
    assert judge["accuracy"]["samples"]["value"] >= judge["accuracy"]["real"]["value"] > 0.6
    assert copies["nearer_to_training"]["samples"]["value"] > 0.95
    assert copies["nearer_to_training"]["real"]["value"] < 0.8
    assert found["reference"]["frechet"].keys() == found["frechet"].keys()


def test_a_judge_in_text(call: Call, tmp_path: Path, digits: Dataset) -> None:
    """Samples without labels, and no training data: the text says what it would need."""
    real, samples = saved(tmp_path / "real.npz", digits, 0, 450), tmp_path / "samples.npy"
    np.save(samples, np.load(saved(tmp_path / "s.npz", digits, 450, 600))["arr_0"])
    status, out, err = call(real, samples, "--features", "classifier:8", "--limit", 60)
    assert status == 0
    rows = {line[:38].strip(): line[38:].split() for line in out.splitlines()}
    assert rows["share judged as labelled"][0] == "–"
    assert 0 <= float(rows["share that the judge is sure of"][0]) <= 1
    assert "evenness of classes" in rows
    assert "distance of class shares" in rows
    assert "share of close copies" not in rows
    assert "the judge learned 10 classes from 300 real examples; samples are compared with 120 others" in err
    assert "copies are not looked for: give the model's training data as --training, and held-out data as REAL" in err


def test_copies_without_a_judge(call: Call, tmp_path: Path, digits: Dataset) -> None:
    real, training = saved(tmp_path / "real.npz", digits, 0, 300), saved(tmp_path / "training.npz", digits, 300, 900)
    status, out, err = call(real, training, "--training", training, "--features", "pca:2", "--limit", 60)
    assert status == 0
    assert "share nearer to training data" in out
    assert "judge" not in out + err
    assert "copies: searched in 600 training and 300 held-out examples" in err


MISTAKES = {
    "no labels": (["plain.npy", "plain.npy", "--features", "classifier"], "plain.npy has none: images get labels from"),
    "no labels in a table": (
        ["t.csv", "t.csv", "--features", "classifier"],
        "two tables of named columns are compared column by column (--features raw), got classifier",
    ),
    "one class": (["one.npz", "plain.npy", "--features", "classifier"], "all of one.npz is of class '0'"),
    "few of a class": (["few.npz", "plain.npy", "--features", "classifier"], "few.npz has fewer of '1' (2); add some"),
    "few samples": (
        ["digits", "plain.npy", "--features", "classifier", "--limit", "50"],
        "needs at least 71 examples of each set, got 50; give more, or compare fewer features with --features classif",
    ),
    "no features": (["digits", "plain.npy", "--features", "classifier:0"], "from 1 to 4,096 features, as in"),
    "no such training data": (["digits", "plain.npy", "--training", "nowhere"], "no file or folder is called nowhere"),
    "training data of another shape": (
        ["digits", "plain.npy", "--training", "t.csv"],
        "training data should have the shape of the real examples, 1×8×8, got 2",
    ),
    "the same data twice": (
        ["digits", "plain.npy", "--training", "digits"],
        "that equal one of the training data; give held-out examples as REAL",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_2(
    name: str, call: Call, tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    x = digits.batch(torch.arange(100)).squeeze(1).numpy()
    np.save("plain.npy", x)
    np.savez("one.npz", x, labels=np.zeros(100, int))
    np.savez("few.npz", x, labels=(np.arange(100) < 2).astype(int))
    Path("t.csv").write_text("a,b\n" + "1.5,x\n2.5,y\n" * 50)
    words, sentence = MISTAKES[name]
    status, out, err = call(*words)
    assert (status, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err
