"""The command on bits, text and states: train, sample, infer and evaluate each."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from quasistatic.denoiser.head import CategoricalHead
from quasistatic.model import Model

TEXT = "the quick brown fox jumps over the lazy dog " * 40


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("discrete")


@pytest.fixture(scope="module")
def text_run(command, place: Path) -> Path:  # type: ignore[no-untyped-def]
    (place / "fox.txt").write_text(TEXT)
    small = ("network.width=16", "network.depth=1", "network.head_width=8", "training.batch=4", "data.length=16")
    changes = [word for change in small for word in ("--set", change)]
    assert command("train", place / "fox.txt", "--out", place / "fox", "--steps", 4, *changes) == 0
    return place / "fox"


@pytest.fixture(scope="module")
def beat_run(command, place: Path) -> Path:  # type: ignore[no-untyped-def]
    small = ("network.width=8", "network.depth=1", "training.batch=8")
    changes = [word for change in small for word in ("--set", change)]
    assert command("train", "heartbeat:6:3", "--out", place / "beat", "--steps", 4, *changes) == 0
    return place / "beat"


def test_text_is_sampled(command, text_run: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for ending in ("txt", "npy", "csv"):
        assert command("sample", text_run, "--out", tmp_path / f"s.{ending}", "-n", 3, "--steps", 4) == 0
    lines = (tmp_path / "s.txt").read_text().splitlines()
    assert [len(line) for line in lines] == [16] * 3
    assert set("".join(lines)) <= set(TEXT)
    assert ["".join(map(chr, row)) for row in np.load(tmp_path / "s.npy")] == lines
    assert (tmp_path / "s.csv").read_text().splitlines()[1].replace(",", "") == lines[0]


def test_gaps_in_text_are_filled(command, text_run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    asked = "the q?ick brown f?x jumps"
    (tmp_path / "gap.txt").write_text(asked + "\n")
    done = command("infer", text_run, tmp_path / "gap.txt", "--out", tmp_path / "o.txt", "--draws", 2, "--steps", 4)
    assert done == 0
    assert "method reveal: exact given the model's guesses" in capfd.readouterr().err
    filled = (tmp_path / "o.txt").read_text().splitlines()
    assert len(filled) == 2
    for line in filled:
        assert len(line) == len(asked)
        assert all(one in (other, "?") for one, other in zip(asked, line, strict=True))
        assert "?" not in line


def test_text_is_scored(command, text_run: Path, place: Path, capfd: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    assert command("evaluate", text_run, place / "fox.txt", "--steps", 8, "--draws", 3, "--json") == 0
    shown = capfd.readouterr()
    score = json.loads(shown.out)
    assert (score["dimensions"], score["examples"], score["null"]["value"]) == (16, 11, None)
    assert "scoring the 11 examples held out" in shown.err
    assert command("evaluate", text_run, place / "fox.txt", "--steps", 8, "--draws", 3) == 0
    shown = capfd.readouterr().out
    assert " ± " in shown.splitlines()[0]
    assert command("evaluate", text_run, place / "fox.txt", "--steps", 8, "--limit", 1) == 0
    assert "±" not in capfd.readouterr().out.splitlines()[0]  # the error over one example is unknown
    assert "probability 0: the prior holds no such data" in shown
    assert "each value by itself" in shown
    states = Model.from_pretrained(text_run).specification.codec.states  # type: ignore[attr-defined]
    assert 3 < score["marginal_null"]["value"] < math.log2(states)


def test_bits_by_every_method(command, beat_run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    """Exact and importance say the same within 4 standard errors, and the bound no more."""
    scores = {}
    for name, draws in (("bound", 40), ("importance", 40), ("exact", 1)):
        words = ("--method", name, "--steps", 4, "--draws", draws, "--limit", 30, "--json")
        assert command("evaluate", beat_run, "heartbeat:6:3", *words) == 0
        scores[name] = json.loads(capfd.readouterr().out)
    exact, importance, bound = (scores[name] for name in ("exact", "importance", "bound"))
    assert exact["value"] <= importance["value"] + 4 * importance["standard_error"]
    assert importance["value"] <= bound["value"] + 4 * bound["standard_error"]
    assert command("sample", beat_run, "--out", tmp_path / "s.txt", "-n", 2, "--steps", 3) == 0
    assert all(set(line) <= {"0", "1"} for line in (tmp_path / "s.txt").read_text().splitlines())
    np.save(tmp_path / "o.npy", np.array([[0, 1, np.nan, np.nan, np.nan, 0]]))
    assert command("infer", beat_run, tmp_path / "o.npy", "--out", tmp_path / "f.npy", "--steps", 3, "--draws", 2) == 0
    full = np.load(tmp_path / "f.npy")
    assert full.shape == (1, 2, 6)
    assert (full[..., [0, 1, 5]] == [0, 1, 0]).all()


def test_bits_in_every_form(command, beat_run: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """The same three samples as .npy, .csv and .txt; known bits in each of these forms stay as they were."""
    for ending in ("npy", "csv", "txt"):
        assert command("sample", beat_run, "--out", tmp_path / f"s.{ending}", "-n", 3, "--steps", 3) == 0
    rows = np.load(tmp_path / "s.npy").tolist()
    assert (tmp_path / "s.csv").read_text().splitlines() == [
        "c0,c1,c2,c3,c4,c5",
        *(",".join(map(str, r)) for r in rows),
    ]
    assert (tmp_path / "s.txt").read_text().splitlines() == ["".join(map(str, row)) for row in rows]
    (tmp_path / "o.csv").write_text("a,b,c,d,e,f\n0,1,,,,0\n1,,,1,0,\n")
    (tmp_path / "o.txt").write_text("01???0\n1??10?\n")
    for ending in ("csv", "txt"):
        words = ("--out", tmp_path / f"f.{ending}", "--steps", 3, "--draws", 2)
        assert command("infer", beat_run, tmp_path / f"o.{ending}", *words) == 0
    table = [line.replace(",", "") for line in (tmp_path / "f.csv").read_text().splitlines()[1:]]
    lines = (tmp_path / "f.txt").read_text().splitlines()
    assert table == lines
    asked = ["01???0", "01???0", "1??10?", "1??10?"]
    for line, given in zip(lines, asked, strict=True):
        assert all(one in (other, "?") for one, other in zip(given, line, strict=True))


@pytest.mark.parametrize("method", ["hold", "guide", "particle"])
def test_bits_are_completed_by_every_method(command, beat_run: Path, tmp_path: Path, method: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "o.txt").write_text("01???0\n1??10?\n")
    words = ("--method", method, "--steps", 3, "--draws", 2)
    assert command("infer", beat_run, tmp_path / "o.txt", "--out", tmp_path / "f.txt", *words) == 0
    lines = (tmp_path / "f.txt").read_text().splitlines()
    assert [line[:2] + line[5] for line in lines[:2]] == ["010", "010"]
    assert [line[0] + line[3:5] for line in lines[2:]] == ["110", "110"]


@pytest.mark.parametrize("method", ["reveal", "guide", "particle"])
def test_gaps_by_every_method(command, text_run: Path, tmp_path: Path, method: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "o.txt").write_text("the ???ck")
    words = ("--method", method, "--steps", 3, "--draws", 2)
    assert command("infer", text_run, tmp_path / "o.txt", "--out", tmp_path / "f.txt", *words) == 0
    lines = (tmp_path / "f.txt").read_text().splitlines()
    assert [(line[:4], line[7:9], len(line)) for line in lines] == [("the ", "ck", 9)] * 2


def test_simple_models_of_text_are_scored_beside(  # type: ignore[no-untyped-def]
    command, text_run: Path, place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new.txt").write_text("fox jumps over the lazy dog the quick brown ")
    words = ("--steps", 4, "--draws", 2, "--scores", tmp_path / "s.csv")
    assert command("evaluate", text_run, place / "fox.txt", *words, "--baselines", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert set(found["baselines"]) == {"unigram", "trigram", "6-gram", "xz -9"}
    six, one = (found["baselines"][name]["value"] for name in ("6-gram", "unigram"))
    assert max(six, found["value"]) < one
    assert found["baselines"]["xz -9"]["standard_error"] is None
    table = np.genfromtxt(tmp_path / "s.csv", delimiter=",", names=True)
    own = ("id", "bits_per_dim", "standard_error", "null", "bits_per_example")
    assert table.dtype.names == (*own, "unigram", "trigram", "6gram")
    assert np.isinf(table["null"]).all()
    for column, value in (("bits_per_dim", found["value"]), ("6gram", found["baselines"]["6-gram"]["value"])):
        assert table[column].mean() == pytest.approx(value, abs=1e-5)
    assert command("evaluate", text_run, tmp_path / "new.txt", *words, "--against", place / "fox.txt") == 0
    shown = capfd.readouterr().out
    assert all(name in shown for name in ("null model", "unigram", "trigram", "6-gram", "xz -9"))


@pytest.mark.parametrize("method", ["bound", "importance"])
def test_a_score_is_drawn(command, method: str, beat_run: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    words = ("--method", method, "--steps", 5, "--limit", 20, "--picture", tmp_path / "p.png")
    assert command("evaluate", beat_run, "heartbeat:6:3", *words) == 0
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_an_exact_score_says_what_it_does_not_take_and_has_a_picture(  # type: ignore[no-untyped-def]
    command, text_run: Path, place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("evaluate", text_run, place / "fox.txt", "--limit", 5, "--picture", tmp_path / "p.png")
    capfd.readouterr()
    assert command(*words) == 0
    assert "had no effect" not in capfd.readouterr().err
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert command(*words, "--steps", 6, "--draws", 2) == 0
    assert "exact without draws, so --steps and --draws had no effect" in " ".join(capfd.readouterr().err.split())
    assert command(*words, "--method", "flow") == 2


def test_text_that_the_model_rules_out_has_probability_0(  # type: ignore[no-untyped-def]
    command, text_run: Path, place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A guess over all letters but the last: a piece of text with a z in it is impossible, the others are not."""
    model = Model.from_pretrained(text_run)
    narrow = replace(model.config, head=CategoricalHead(model.specification.codec.states - 1))  # type: ignore[attr-defined]
    Model.fresh(narrow, model.specification).save_pretrained(tmp_path / "run")
    (tmp_path / "z.txt").write_text("the quick brown over the lazy dog".ljust(48))
    _impossible(command, tmp_path / "run", tmp_path / "z.txt", 1, 3, capfd, exact="ordered")


def test_bits_that_the_model_rules_out_have_probability_0(  # type: ignore[no-untyped-def]
    command, beat_run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A network whose log-odds are −∞ is certain of zeros; a row with a one is impossible."""
    model = Model.from_pretrained(beat_run)
    *_, weight, bias = model.network.parameters()
    with torch.no_grad():
        weight.zero_()
        bias.fill_(-3e38)
    model.save_pretrained(tmp_path / "run")
    np.save(tmp_path / "rows.npy", np.array([[0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]], dtype=np.uint8))
    _impossible(command, tmp_path / "run", tmp_path / "rows.npy", 1, 2, capfd)


def _impossible(  # type: ignore[no-untyped-def]
    command, run: Path, data: Path, count: int, examples: int, capfd: pytest.CaptureFixture[str], exact: str = "bound"
) -> None:
    """Every method says −∞ in words, as JSON and in the file of scores; other examples keep theirs."""
    scores = run.parent / "s.csv"
    capfd.readouterr()
    for method in ("bound", "importance"):
        words = ("evaluate", run, data, "--method", method, "--steps", 6, "--draws", 2, "--scores", scores)
        assert command(*words) == 0
        shown = capfd.readouterr()
        assert f"{count} of {examples} examples have probability 0 under the model: log p = −∞" in shown.err
        said = exact if method == "bound" else method
        assert shown.out.startswith(f"infinite bits/dim ({said}, lower is better; {examples} examples")
        assert "nan" not in shown.out
        assert command(*words, "--json") == 0
        found = json.loads(capfd.readouterr().out)
        assert (found["value"], found["nats_per_example"], found["impossible"]) == (None, None, count)
        values = [float(line.split(",")[1]) for line in scores.read_text().splitlines()[1:]]
        assert [np.isinf(value) for value in values].count(True) == count
    assert command("evaluate", run, data, "--steps", 6, "--picture", run.parent / "p.png") == 2
    assert f"{count} of {examples} examples have probability 0; leave them out" in capfd.readouterr().err


def test_a_coin_that_ends_in_zeros_holds_no_ones(  # type: ignore[no-untyped-def]
    command, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """p₀ = 0: the prior gives a heartbeat probability 0, as a mask does to text; the bound stays finite."""
    small = ("network.width=8", "network.depth=1", "training.batch=8", "process.bias=0")
    changes = [word for change in small for word in ("--set", change)]
    assert command("train", "heartbeat:6:3", "--out", tmp_path / "r", "--steps", 2, *changes) == 0
    capfd.readouterr()
    assert command("evaluate", tmp_path / "r", "heartbeat:6:3", "--steps", 5, "--limit", 9) == 0
    shown = capfd.readouterr()
    assert "null model              probability 0: the prior holds no such data" in shown.out
    assert "inf" not in shown.out.replace("infer", "")
    assert "probability 0 under the model" not in shown.err


WEATHER = ",sunny,cloudy\nsunny,0.7,0.3\ncloudy,0.25,0.75\n"


FEW = ("--set", "data.states=3")
MISTAKES = {
    "state": (("chain", "{tmp}/w.csv", "--start", "rain"), "no state 'rain'"),
    "row": (("chain", "{tmp}/bad.csv"), "cloudy"),
    "picture": (("chain", "{tmp}/w.csv", "--out", "{tmp}/w.jpg"), "a picture ends in .png, .svg or .pdf"),
    "alphabet": (("evaluate", "{text}", "{tmp}/odd.txt"), "got '!' (U+0021) in row 0, place 3"),
    "short": (("train", "{tmp}/w.csv", "--out", "{tmp}/r", "--recipe", "text"), "choose a recipe for such data"),
    "short text": (("train", "{tmp}/odd.txt", "--out", "{tmp}/r"), "pieces of 256 characters, got 32 in all"),
    "too many states": (("evaluate", "{text}", "{tmp}/even.txt", "--method", "exact"), "at most 4096 states"),
    "another kind": (("infer", "{beat}", "{tmp}/odd.txt", "--out", "{tmp}/a.txt"), "the model is one of bits"),
    "method": (("evaluate", "{beat}", "heartbeat:6:3", "--method", "guess"), "exact or ordered, got 'guess'"),
    "flow": (("evaluate", "{beat}", "heartbeat:6:3", "--method", "flow"), "use bound, or importance"),
    "reveal": (
        ("infer", "{beat}", "{tmp}/nan.npy", "--out", "{tmp}/a.npy", "--method", "reveal"),
        "reveal needs an absorbing process",
    ),
    "state found": (
        ("train", "{tmp}/nan.npy", "--out", "{tmp}/r", "--set", "data.states=some"),
        "at least 2, or `found`",
    ),
    "state too large": (("train", "{tmp}/five.npy", "--out", "{tmp}/r", *FEW), "3 states are 0 to 2, got 4 in row 1"),
    "no whole state": (("train", "{tmp}/half.csv", "--out", "{tmp}/r", *FEW), "whole numbers, got 0.5 in row 1, place"),
    "no bit": (("evaluate", "{beat}", "{tmp}/five.npy"), "made for examples of 6"),
    "not trained on": (("evaluate", "{text}", "{tmp}/even.txt", "--baselines"), "give the data it was trained on"),
    "against": (("evaluate", "{text}", "{tmp}/even.txt", "--against", "{tmp}/even.txt"), "is a part of fox.txt"),
    "scores": (("evaluate", "{text}", "{tmp}/even.txt", "--scores", "{tmp}/s.txt"), "ending in .csv, in a folder"),
    "score's picture": (
        ("evaluate", "{text}", "{tmp}/even.txt", "--picture", "{tmp}/no/p.png"),
        "ending in .png, in a folder that exists",
    ),
    "exact picture": (
        ("evaluate", "{beat}", "heartbeat:6:3", "--method", "exact", "--picture", "{tmp}/p.png"),
        "and exact has none of them",
    ),
    "absorbing": (
        ("train", "{tmp}/even.txt", "--out", "{tmp}/r", "--set", "data.length=8", "--set", "process.schedule=cosine"),
        "needs ᾱ(1) = 0 exactly",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_2(  # type: ignore[no-untyped-def]
    command, name: str, text_run: Path, beat_run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "w.csv").write_text(WEATHER)
    (tmp_path / "bad.csv").write_text(WEATHER.replace("0.75", "0.7"))
    (tmp_path / "odd.txt").write_text("the!" * 8)
    (tmp_path / "even.txt").write_text("the fox " * 8)
    np.save(tmp_path / "five.npy", np.array([[0, 1, 2], [4, 0, 0]]))
    (tmp_path / "half.csv").write_text("a,b\n0,1\n2,0.5\n")
    np.save(tmp_path / "nan.npy", np.array([[0, 1, np.nan, 0, 0, 0]]))
    words, sentence = MISTAKES[name]
    capfd.readouterr()
    assert command(*[word.format(tmp=tmp_path, text=text_run, beat=beat_run) for word in words]) == 2
    shown = capfd.readouterr()
    assert sentence in " ".join(shown.err.split())
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_states_and_bits_have_all_shades() -> None:
    """State 0 is black and the last one white; so are bits."""
    from quasistatic.data import BitsCodec, Codec, StatesCodec
    from quasistatic.plotting.picture import brightness

    cases: list[tuple[Codec, list[int], list[int]]] = [
        (StatesCodec(5), [0, 1, 4], [0, 64, 255]),
        (BitsCodec(), [0, 1, 1], [0, 255, 255]),
    ]
    for codec, values, shades in cases:
        assert brightness(torch.tensor(values).reshape(1, 1, 1, 3), codec).flatten().tolist() == shades


@pytest.mark.slow
def test_gaps_in_a_text_of_strong_structure_are_restored(command, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Of letters that follow one another in a fixed order, most gaps come back; by chance one in eight would."""
    text = "abcdefgh" * 500
    (tmp_path / "order.txt").write_text(text)
    small = ("network.width=32", "network.depth=1", "network.head_width=16", "training.batch=32", "data.length=16")
    changes = [word for change in (*small, "training.warmup=10") for word in ("--set", change)]
    assert command("train", tmp_path / "order.txt", "--out", tmp_path / "run", "--steps", 150, *changes) == 0
    (tmp_path / "gap.txt").write_text(
        "".join("?" if place % 5 in (1, 2) else one for place, one in enumerate(text[:160]))
    )
    done = command("infer", tmp_path / "run", tmp_path / "gap.txt", "--out", tmp_path / "full.txt", "--steps", 16)
    assert done == 0
    full = (tmp_path / "full.txt").read_text().rstrip("\n")
    right = [one == other for place, (one, other) in enumerate(zip(full, text, strict=False)) if place % 5 in (1, 2)]
    assert len(full) == 160
    assert sum(right) / len(right) > 0.9
