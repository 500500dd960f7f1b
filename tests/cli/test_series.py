"""Rows that belong together on the command line: forecasts of a first-order autoregression, next to its own law."""

import csv
import json

import numpy as np
import pytest

FACTOR, ROWS = 0.9, 5


def write(path, seed, groups):
    """Write groups of `ROWS` rows in random order: x follows x' = FACTOR x + √(1 − FACTOR²) ε, with variance 1."""
    rng = np.random.default_rng(seed)
    lines = []
    for group in range(groups):
        x, kind = rng.normal(), str(rng.choice(["left", "right"]))
        for month in range(ROWS):
            lines.append((f"g{group}", f"2024-{month + 1:02d}-01", kind, round(float(x), 4)))
            x = FACTOR * x + (1 - FACTOR**2) ** 0.5 * rng.normal()
    rng.shuffle(lines)
    path.write_text("\n".join(["name,month,kind,x", *(",".join(map(str, line)) for line in lines)]) + "\n")


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    write(folder / "panel.csv", 0, 400)
    write(folder / "new.csv", 1, 30)
    return folder


@pytest.fixture(scope="module")
def run(files, command):
    words = ["--group", "name", "--time", "month", "--set", "network.width=32", "--set", "training.batch=32"]
    assert command("train", files / "panel.csv", "--out", files / "run", "--steps", 30, *words) == 0
    return files / "run"


def test_check_says_how_many_examples_the_rows_make(files, command, capfd):
    assert command("check", files / "panel.csv", "--group", "name", "--time", "month", "--json") == 0
    notes = json.loads(capfd.readouterr().out)["notes"]
    assert any("400 groups make 400 examples of up to 5 rows" in note for note in notes)


def test_samples_are_groups_of_rows(run, files, command):
    assert command("sample", run, "-n", 7, "--out", files / "drawn.csv") == 0
    rows = read(files / "drawn.csv")
    assert list(rows[0]) == ["name", "month", "kind", "x"]
    assert [row["name"] for row in rows] == [str(group) for group in range(1, 8) for _ in range(ROWS)]
    for group in range(7):
        own = rows[ROWS * group : ROWS * (group + 1)]
        assert len({row["kind"] for row in own}) == 1
        assert [row["month"] for row in own] == sorted({row["month"] for row in own})


def test_a_forecast_has_the_law_of_the_autoregression(run, files, command):
    rows = read(files / "new.csv")
    last = {row["name"]: float(row["x"]) for row in rows if row["month"] == "2024-03-01"}
    for row in rows:
        if row["month"] > "2024-03-01":
            row["x"] = ""
    with (files / "gaps.csv").open("w") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    assert command("infer", run, files / "gaps.csv", "--draws", 20, "--out", files / "filled.csv") == 0
    filled = read(files / "filled.csv")
    assert [row["name"] for row in filled[::20]] == [row["name"] for row in rows]
    assert all(given["x"] in ("", made["x"]) for given, made in zip(rows, filled[::20], strict=True))
    for ahead, month in ((1, "2024-04-01"), (2, "2024-05-01")):
        draws = {name: [] for name in last}
        for row in filled:
            if row["month"] == month:
                draws[row["name"]].append(float(row["x"]))
        gaps = np.array([np.mean(own) - FACTOR**ahead * last[name] for name, own in draws.items()])
        spread = np.mean([np.var(own) for own in draws.values()]) ** 0.5
        expected = (1 - FACTOR ** (2 * ahead)) ** 0.5
        assert np.sqrt(np.mean(gaps**2)) < 0.3 * expected
        assert spread == pytest.approx(expected, rel=0.15)


def test_groups_are_scored_by_name(run, files, command):
    assert command("evaluate", run, files / "new.csv", "--scores", files / "scores.csv", "--draws", 4) == 0
    scores = read(files / "scores.csv")
    assert {row["id"] for row in scores} == {f"g{group}" for group in range(30)}


def test_a_file_without_the_groups_is_refused(run, files, command, capfd):
    lines = [line.split(",", 1)[1] for line in (files / "new.csv").read_text().splitlines()]
    (files / "alone.csv").write_text("\n".join(lines) + "\n")
    assert command("evaluate", run, files / "alone.csv") == 2
    assert "'name'" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--group", "nobody"], "got 'nobody'"),
        (["--group", "name", "--rows", 0], "rows"),
        (["--rows", 3], "no data.group and no data.time"),
        (["--group", "name", "--time", "kind"], "numbers or dates"),
    ],
)
def test_what_makes_no_series_is_refused(files, command, capfd, words, message):
    for verb in (["check", files / "panel.csv"], ["train", files / "panel.csv", "--out", files / "none"]):
        assert command(*verb, *words) == 2
        shown = capfd.readouterr()
        assert message in " ".join((shown.err + shown.out).split())
