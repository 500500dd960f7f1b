"""The command on records of different lengths: train, sample, score, gaps of any length, alternatives, classes."""

import csv
import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest

import quasistatic as qs

SMALL = ("network.width=32", "network.depth=1", "network.head_width=16", "training.batch=32")
PARTS = {"north": ["ka", "mi", "yo"], "south": ["bor", "vik", "sten"]}


def names(kind: str, count: int, seed: int) -> str:
    draw = random.Random(seed)
    lines = ("".join(draw.choices(PARTS[kind], k=draw.randint(1, 3))) for _ in range(count))
    return "".join(f"{line}\n" for line in lines)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    (folder / "classes").mkdir()
    for kind in PARTS:
        (folder / "classes" / f"{kind}.txt").write_text(names(kind, 200, 0))
    (folder / "all.txt").write_text(names("north", 200, 0) + names("south", 200, 0))
    (folder / "new.txt").write_text(names("north", 20, 1))
    return folder


@pytest.fixture(scope="module")
def run(command, place):
    changes = [word for change in (*SMALL, "data.records=true") for word in ("--set", change)]
    assert command("train", place / "all.txt", "--out", place / "run", "--steps", 20, *changes) == 0
    return place / "run"


def test_scores_are_per_character_of_the_records(command, run, place, tmp_path, capfd):
    capfd.readouterr()
    assert command("evaluate", run, place / "new.txt", "--scores", tmp_path / "s.csv", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["unit"] == "bits/character"
    lines = (place / "new.txt").read_text().splitlines()
    units = np.array([len(line) + 1 for line in lines])
    with (tmp_path / "s.csv").open() as file:
        rows = list(csv.DictReader(file))
    bits = np.array([float(row["bits_per_example"]) for row in rows])
    each = np.array([float(row["bits_per_character"]) for row in rows])
    np.testing.assert_allclose(each, bits / units, rtol=1e-4)
    assert found["value"] == pytest.approx(bits.sum() / units.sum(), rel=1e-5)
    # the error of a ratio, by leaving out one record at a time
    left_out = (bits.sum() - bits) / (units.sum() - units)
    jackknife = np.sqrt((len(bits) - 1) / len(bits) * ((left_out - left_out.mean()) ** 2).sum())
    assert found["standard_error"] == pytest.approx(jackknife, rel=0.1)


def test_baselines_are_per_character_too(command, run, place, capfd):
    capfd.readouterr()
    assert command("evaluate", run, place / "all.txt", "--baselines", "--json") == 0
    found = json.loads(capfd.readouterr().out)["baselines"]
    assert found["unigram"]["value"] > found["trigram"]["value"] > 0.3
    assert "xz -9" in found


def test_samples_are_records(command, run, tmp_path):
    assert command("sample", run, "-n", 20, "--steps", 20, "--out", tmp_path / "s.txt") == 0
    lines = (tmp_path / "s.txt").read_text().splitlines()
    assert len(lines) == 20
    assert len({len(line) for line in lines}) > 1
    assert set("".join(lines)) <= set("kamiyobrvkstenl")


def test_single_gaps_keep_what_is_known(command, run, place, tmp_path):
    (tmp_path / "gaps.txt").write_text("ka?iyo\nbor???\n")
    assert command("infer", run, tmp_path / "gaps.txt", "--draws", 3, "-o", tmp_path / "o.txt") == 0
    lines = (tmp_path / "o.txt").read_text().splitlines()
    assert len(lines) == 6
    for line in lines[:3]:
        assert len(line) == 6
        assert line[:2] + line[3:] == "kaiyo"
    for line in lines[3:]:
        assert len(line) == 6
        assert line.startswith("bor")


def test_a_gap_of_unknown_length_has_a_law(command, run, tmp_path, capfd):
    (tmp_path / "gaps.txt").write_text("ka*yo\nbor{vik|mi}\n")
    capfd.readouterr()
    words = ("infer", run, tmp_path / "gaps.txt", "--longest", 4, "--draws", 4, "--particles", 32)
    assert command(*words, "-o", tmp_path / "o.txt") == 0
    lines = (tmp_path / "o.txt").read_text().splitlines()
    assert len(lines) == 8
    assert all(line.startswith("ka") and line.endswith("yo") and 4 <= len(line) <= 8 for line in lines[:4])
    with (tmp_path / "o-readings.csv").open() as file:
        rows = list(csv.DictReader(file))
    first, second = ([row for row in rows if row["text"] == number] for number in "01")
    assert len(first) == 5
    for found in (first, second):
        assert sum(float(row["probability"]) for row in found) == pytest.approx(1, abs=1e-5)
    assert [row["reading"] for row in second] == ["borvik", "bormi"]
    assert command(*words, "-o", tmp_path / "only.csv") == 0  # the ranking alone
    assert (tmp_path / "only.csv").read_text() == (tmp_path / "o-readings.csv").read_text()


def test_a_class_tells_what_records_are_like(command, place, tmp_path, capfd):
    quick = (*SMALL, "data.records=true", "training.warmup=5", "training.learning_rate=0.01")
    changes = [word for change in quick for word in ("--set", change)]
    assert command("train", place / "classes", "--out", tmp_path / "run", "--steps", 80, *changes) == 0
    model = qs.Model.from_pretrained(tmp_path / "run")
    assert model.config.data.conditional
    assert model.specification.classes == ("north", "south")
    words = ("sample", tmp_path / "run", "-n", 30, "--steps", 12, "--label", "south", "-o", tmp_path / "s.txt")
    assert command(*words) == 0
    drawn = (tmp_path / "s.txt").read_text().splitlines()
    south = sum(line[0] in "bvs" for line in drawn if line)
    assert south > 20
    (tmp_path / "gap.txt").write_text("*\n")
    found = {}
    for label in PARTS:
        words = ("infer", tmp_path / "run", tmp_path / "gap.txt", "--label", label, "--longest", 9, "-o")
        assert command(*words, tmp_path / f"{label}.txt", "--draws", 8) == 0
        found[label] = (tmp_path / f"{label}.txt").read_text()
    assert found["north"] != found["south"]


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("ka*yo\n", ("--steps", 3), "weighed and drawn without --steps; leave it out"),
        ("ka*yo\n", ("--method", "reveal"), "weighed by particles, got --method reveal"),
        ("ka?yo\n", ("--longest", 3), "--longest is for texts with gaps of unknown length"),
        ("ka*yo\n", ("--longest", -1), "a gap has 0 characters or more, got --longest -1"),
        ("ka{mi|mi}\n", (), "alternatives are different, got two readings of 'ka{mi|mi}' that are the same"),
        ("kaz*\n", (), "got 'z' (U+007A)"),
        ("k" * 30 + "*\n", (), "got more in every reading"),
        ("*" * 4 + "\n", (), "at most 1000 readings, got 28561"),
        ("ka\n\nmi?\n", (), "got an empty line 2"),
        ("k" * 30 + "?\n", (), "at most 12 elements, got more in every reading"),
    ],
)
def test_what_is_refused(command, run, tmp_path, capfd, text, words, said):
    (tmp_path / "gaps.txt").write_text(text)
    capfd.readouterr()
    assert command("infer", run, tmp_path / "gaps.txt", *words, "-o", tmp_path / "o.txt") == 2
    assert said in " ".join(capfd.readouterr().err.split())
    assert not (tmp_path / "o.txt").exists()


def test_a_picture_is_no_target_of_readings(command, run, tmp_path, capfd):
    (tmp_path / "gaps.txt").write_text("ka*\n")
    assert command("infer", run, tmp_path / "gaps.txt", "-o", tmp_path / "o.npy") == 2
    assert "texts are written to a .txt, and their readings to a .csv" in " ".join(capfd.readouterr().err.split())


def test_records_and_word_pieces_are_inspected(command, place, tmp_path, capfd):
    capfd.readouterr()
    assert command("check", place / "all.txt", "--records", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["count"] == 400
    assert all(size.endswith("characters") for size in found["sizes"])
    (tmp_path / "words.txt").write_text("the cat sat on the mat and ran " * 60)
    assert command("check", tmp_path / "words.txt", "--tokens", 40, "--json") == 0
    assert "256 word-pieces" in json.loads(capfd.readouterr().out)["sizes"]
    assert command("check", tmp_path / "words.txt", "--tokens", "words") == 2
    assert "a number of word-pieces, 2 to 65,536, or bytes, got 'words'" in " ".join(capfd.readouterr().err.split())
    assert command("check", "digits", "--records") == 2
    assert "data.records is for texts" in " ".join(capfd.readouterr().err.split())


def test_word_pieces_without_their_library_are_told(command, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    (tmp_path / "a.txt").write_text("the cat sat on the mat " * 50)
    assert command("check", tmp_path / "a.txt", "--tokens", 40) == 2
    assert "pip install 'quasistatic[tokens]'" in capsys.readouterr().err
