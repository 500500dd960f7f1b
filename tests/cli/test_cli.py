"""The command's contract: what it prints, where, and how it ends. Mistakes are one sentence and exit 2."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from quasistatic.data import Dataset

SMALL = [
    *("--set", "network.channels=8"),
    *("--set", "network.multipliers=1"),
    *("--set", "network.blocks=1"),
    *("--set", "network.head_width=none"),
    *("--set", "training.batch=16"),
]


class Ended:
    """What a call printed and how it ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


def width(path: Path) -> int:
    with Image.open(path) as image:
        return image.size[0]


@pytest.fixture
def call(command: Callable[..., int], capfd: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    def called(*words: object) -> Ended:
        capfd.readouterr()
        status = command(*words)
        captured = capfd.readouterr()
        return Ended(status, captured.out, captured.err)

    return called


def test_the_library_and_help_do_not_load_torch() -> None:
    code = (
        "import sys, quasistatic; sys.argv = ['quasistatic', '--help']\n"
        "from quasistatic import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'numpy', 'matplotlib', 'sklearn'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("check", "train", "sample", "infer", "evaluate", "demo"):
        assert command in done.stdout


def test_python_runs_the_package_as_the_command() -> None:
    words = [sys.executable, "-m", "quasistatic", "sample", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Draw new examples." in done.stdout


def test_train_sample_infer_evaluate(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run = tmp_path / "run"
    done = call("train", "digits", "--out", run, "--steps", 3, "--seed", 5, *SMALL)
    assert (done.status, done.out) == (0, "")
    assert "learned in" in done.err
    assert (run / "metrics.jsonl").exists()

    assert call("sample", run, "--out", tmp_path / "s.npz", "-n", 3, "--steps", 2).status == 0
    drawn = np.load(tmp_path / "s.npz")["arr_0"]
    assert (drawn.shape, drawn.dtype, drawn.max() <= 16) == ((3, 8, 8, 1), np.uint8, True)
    assert call("sample", run, "--out", tmp_path / "s.png", "-n", 4, "--steps", 2).status == 0
    assert width(tmp_path / "s.png") > 40
    assert call("sample", run, "--out", f"{tmp_path}/s/", "-n", 2, "--steps", 2, "--sampler", "ddim").status == 0
    assert sorted(file.name for file in (tmp_path / "s").iterdir()) == ["00000.png", "00001.png"]
    assert call("sample", run, "--out", tmp_path / "s.csv", "-n", 2, "--steps", 2).status == 0
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 3

    half = np.full((2, 8, 8, 1), np.nan)
    half[:, :4] = 3.0
    np.save(tmp_path / "half.npy", half)
    done = call("infer", run, tmp_path / "half.npy", "--out", tmp_path / "full.npy", "--draws", 3, "--steps", 2)
    assert done.status == 0
    assert "heuristic" in done.err
    full = np.load(tmp_path / "full.npy")
    assert full.shape == (2, 3, 8, 8, 1)
    assert (full[:, :, :4] == 3).all()

    done = call("evaluate", run, "digits", "--steps", 10, "--draws", 2, "--limit", 8, "--json")
    assert done.status == 0
    score = json.loads(done.out)
    assert score["unit"] == "bits/dim"
    assert score["examples"] == 8
    assert score["dimensions"] == 64
    assert set(score["terms"]) == {"prior", "diffusion", "reconstruction"}
    assert "value" in score["null"]
    assert {"method", "value", "standard_error", "nats_per_example", "steps", "network_evaluations"} <= set(score)
    assert "held out" in done.err


def test_infer_with_a_mask_and_scores_by_record(call, run: Path, tmp_path: Path, digits: Dataset) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(3):
        pixels = digits.batch(digits.labels.new_tensor([number]))[0, 0].numpy()
        Image.fromarray(pixels).save(folder / f"{number}.png")
    mask = np.zeros((8, 8), dtype=np.uint8)
    mask[4:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    words = ("infer", run, folder, "--mask", tmp_path / "mask.png", "--steps", 2, "--draws", 2)
    assert call(*words, "--out", tmp_path / "done.png").status == 0
    assert width(tmp_path / "done.png") > 40
    assert call(*words, "--out", tmp_path / "done.npz").status == 0
    full = np.load(tmp_path / "done.npz")["arr_0"]
    known = np.stack([digits.batch(digits.labels.new_tensor([n]))[0, 0, :4].numpy() for n in range(3)])
    assert (full[:, :, :4, :, 0] == known[:, None]).all()
    assert call("evaluate", run, folder, "--steps", 6, "--draws", 3, "--scores", tmp_path / "scores.csv").status == 0
    lines = (tmp_path / "scores.csv").read_text().splitlines()
    assert lines[0] == "id,bits_per_dim,standard_error,null,bits_per_example"
    assert [line.split(",")[0] for line in lines[1:]] == ["0.png", "1.png", "2.png"]


def test_check_prints_or_gives_json(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = call("check", "digits")
    assert done.status == 0
    assert "1797" in done.out
    assert "17 levels" in done.out
    report = json.loads(call("check", "digits", "--json").out)
    assert (report["count"], report["ready"]) == (1797, True)
    np.save(tmp_path / "bad.npy", np.array([[1.0, np.nan], [2.0, 3.0]]))
    done = call("check", tmp_path / "bad.npy")
    assert done.status == 2
    assert "NaN" in done.err


def test_compare_prints_or_gives_json(call, tmp_path: Path, digits: Dataset) -> None:  # type: ignore[no-untyped-def]
    """Samples as `sample` writes them, (n, height, width, channels), here real digits turned upside down."""
    drawn = digits.batch(torch.arange(200)).movedim(1, -1).numpy()
    np.savez(tmp_path / "s.npz", drawn[:, ::-1])
    words = ("compare", "digits", tmp_path / "s.npz", "--features", "pca:4", "--limit", 120)
    found = json.loads(call(*words, "--json").out)
    assert (found["examples"], found["dimensions"], found["features"]) == (120, 4, "pca:4")
    assert set(found["frechet"]) == {"value", "standard_error"}
    reference = found["reference"]
    assert found["frechet"]["value"] > reference["frechet"]["value"]
    assert abs(reference["frechet"]["value"]) < 4 * reference["frechet"]["standard_error"]
    assert found["auc"]["value"] - 0.5 > 4 * found["auc"]["standard_error"]
    assert abs(reference["auc"]["value"] - 0.5) < 4 * reference["auc"]["standard_error"]
    shown = call(*words)
    assert shown.status == 0
    assert f"{found['recall']['value']:.4f} ± {found['recall']['standard_error']:.4f}" in shown.out
    assert "120 examples of each, 120 in the reference; 4 features (pca:4), 5 neighbours" in shown.err


def test_another_precision_is_chosen_for_each_verb(call, run: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    score = [
        json.loads(call("evaluate", run, "digits", "--limit", 8, "--steps", 5, "--json", *words).out)
        for words in ([], ["--precision", "bf16"])
    ]
    values = [found["value"] for found in score]
    assert values[0] != values[1]
    assert values[0] == pytest.approx(values[1], abs=0.01)
    assert call("sample", run, "-n", 2, "--steps", 2, "--precision", "auto", "-o", tmp_path / "s.npy").status == 0
    words = ["--half", "bottom", "--limit", 2, "--steps", 2, "--precision", "bf16", "-o", tmp_path / "i.png"]
    assert call("infer", run, "digits", *words).status == 0


@pytest.mark.parametrize(("named", "said"), [("no", "float32"), ("bf16", "bfloat16")])
def test_training_says_what_it_works_in(call, named: str, said: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = call(
        "train", "digits", "--out", tmp_path / "r", "--steps", 1, *SMALL, "--set", f"training.precision={named}"
    )
    assert done.status == 0
    assert f"(in {said} on cpu)" in " ".join(done.err.split())


def test_resume_from_the_command(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run = tmp_path / "run"
    assert call("train", "digits", "--out", run, "--steps", 2, *SMALL).status == 0
    done = call("train", "digits", "--out", run, "--steps", 4, "--resume_from_checkpoint")
    assert done.status == 0
    assert (run / "checkpoints" / "step-4").is_dir()
    assert "nothing left to do" in call("train", "digits", "--out", run, "--resume").err


MISTAKES = {
    "no such file": (["train", "nowhere", "--out", "{tmp}/r"], "no file or folder is called nowhere"),
    "empty folder": (["train", "{tmp}/empty", "--out", "{tmp}/r"], "empty"),
    "NaN": (["train", "{tmp}/nan.npy", "--out", "{tmp}/r"], "NaN"),
    "unknown field": (
        ["train", "digits", "--out", "{tmp}/r", "--set", "training.setps=5"],
        "has no field setps; it has",
    ),
    "wrong type": (["train", "digits", "--out", "{tmp}/r", "--set", "training.batch=big"], "takes a whole number"),
    "unknown recipe": (["train", "digits", "--out", "{tmp}/r", "--recipe", "cake"], "the recipe is one of digits"),
    "another run": (["train", "digits", "--out", "{run}"], "holds another run"),
    "no model": (["sample", "{tmp}", "--out", "{tmp}/a.png"], "without config.json"),
    "n 0": (["sample", "{run}", "--out", "{tmp}/a.png", "-n", "0"], "n of at least 1, got 0"),
    "precision": (["sample", "{run}", "--out", "{tmp}/a.png", "--precision", "fp8"], "a precision is auto, no or bf16"),
    "no steps": (["sample", "{run}", "--out", "{tmp}/a.png", "--steps", "0"], "at least one step"),
    "ending": (["sample", "{run}", "--out", "{tmp}/a.jpg"], "an output file ends in .png"),
    "no folder": (["sample", "{run}", "--out", "{tmp}/no/a.png"], "make it first"),
    "mask size": (["infer", "{run}", "digits", "--mask", "{tmp}/m.png", "--out", "{tmp}/a.png"], "8×8, got 5×5"),
    "no mask": (["infer", "{run}", "digits", "--out", "{tmp}/a.png"], "give --mask"),
    "missing mask": (["infer", "{run}", "digits", "--mask", "{tmp}/x.png", "--out", "{tmp}/a.png"], "no mask file"),
    "not a mask": (["infer", "{run}", "digits", "--mask", "{tmp}/m.txt", "--out", "{tmp}/a.png"], "cannot be read"),
    "other size": (["evaluate", "{run}", "{tmp}/wide.npy"], "made for examples of 1×8×8"),
    "method": (["evaluate", "{run}", "digits", "--method", "guess"], "the method of evaluation"),
    "features": (
        ["compare", "digits", "digits", "--features", "inception"],
        "features are raw, pca:N with N components",
    ),
    "too few": (["compare", "digits", "{tmp}/few.npy"], "needs at least 71 examples of each set, got 60"),
    "other shape": (["compare", "digits", "{tmp}/wide.npy"], "the shape of the real examples, 1×8×8, got 1×9×9"),
    "other units": (["compare", "digits", "{tmp}/grey.npy"], "should hold 17 levels from 0 to 16, got the value 255"),
    "no option": (["sample", "{run}"], "Missing option"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_2(call, name: str, run: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "empty").mkdir()
    np.save(tmp_path / "nan.npy", np.full((4, 2), np.nan))
    np.save(tmp_path / "wide.npy", np.zeros((4, 9, 9), dtype=np.uint8) + np.arange(9, dtype=np.uint8))
    np.save(tmp_path / "few.npy", np.arange(60 * 64, dtype=np.uint8).reshape(60, 8, 8) % 17)
    np.save(tmp_path / "grey.npy", np.full((99, 8, 8), 255, dtype=np.uint8))
    Image.fromarray(np.zeros((5, 5), dtype=np.uint8)).save(tmp_path / "m.png")
    (tmp_path / "m.txt").write_text("no picture")
    before = set(tmp_path.rglob("*"))
    words, sentence = MISTAKES[name]
    done = call(*[word.format(tmp=tmp_path, run=run) for word in words])
    assert done.status == 2
    assert sentence in " ".join(done.err.split())
    assert "Traceback" not in done.err
    if name != "no option":
        assert len(done.err.strip().splitlines()) <= 2
    assert set(tmp_path.rglob("*")) == before | ({tmp_path / "r"} & set(tmp_path.iterdir()))


def test_a_newer_model_is_refused(call, run: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    content = json.loads((run / "config.json").read_text()) | {"format": 9}
    (tmp_path / "config.json").write_text(json.dumps(content))
    (tmp_path / "model.safetensors").write_bytes((run / "model.safetensors").read_bytes())
    done = call("sample", tmp_path, "--out", tmp_path / "a.png")
    assert done.status == 2
    assert "format 9" in done.err
    assert not (tmp_path / "a.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_a_usable_checkpoint(number: signal.Signals, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = [
        sys.executable,
        "-m",
        "quasistatic.cli.app",
        "train",
        "digits",
        "--out",
        str(run),
        "--steps",
        "100000",
        *SMALL,
    ]
    quiet = {"stderr": subprocess.DEVNULL, "env": {**os.environ, "OMP_NUM_THREADS": "1"}}
    with subprocess.Popen(words, **quiet) as process:  # type: ignore[call-overload]
        for _ in range(600):
            if (run / "metrics.jsonl").exists():
                break
            time.sleep(0.1)
        process.send_signal(number)
        assert process.wait(60) == 1
    resumed = [*words[: -len(SMALL)], *SMALL, "--resume"]
    resumed[resumed.index("100000")] = "1"
    assert subprocess.run(resumed, check=False, capture_output=True).returncode == 0


def test_evaluate_takes_the_papers_last_step(call, run: Path) -> None:  # type: ignore[no-untyped-def]
    options = ("evaluate", run, "digits", "--steps", 10, "--limit", 20, "--json")
    own, fixed = (json.loads(call(*options, *more).out)["terms"] for more in ((), ("--last-step", "fixed")))
    assert own["prior"] == fixed["prior"]
    assert own["reconstruction"] != fixed["reconstruction"]
    wrong = call(*options, "--last-step", "sideways")
    assert wrong.status == 2
    assert "the last step is own (the model's) or fixed (as in 2015), got 'sideways'" in " ".join(wrong.err.split())
