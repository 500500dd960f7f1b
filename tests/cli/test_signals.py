"""The command on signals (channels, length): train, sample, forecast and score, and what it refuses."""

import json

import numpy as np
import pytest
import torch

import quasistatic as qs

LENGTH = 24
SMALL = ("network.channels=8", "network.head_width=8", "training.batch=16", "data.axes=1")


def waves(count: int, seed: int) -> np.ndarray:
    """Two channels: a sine of random phase and its double, with a little noise."""
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * (np.arange(LENGTH) / 12 + rng.uniform(size=(count, 1)))
    both = np.stack([np.sin(angle), 10 + 2 * np.sin(angle)], 1)
    return (both + 0.05 * rng.normal(size=both.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signals")
    np.save(folder / "waves.npy", waves(200, 0))
    np.save(folder / "new.npy", waves(5, 1))
    return folder


@pytest.fixture(scope="module")
def run(command, place):
    changes = [word for change in SMALL for word in ("--set", change)]
    assert command("train", place / "waves.npy", "--out", place / "run", "--steps", 6, *changes) == 0
    return place / "run"


def test_the_recipe_is_that_of_signals_and_samples_have_their_shape(command, run, place, tmp_path):
    assert qs.Model.from_pretrained(run).config.network.multipliers == (1, 1, 2)
    assert command("sample", run, "-n", 3, "--steps", 4, "--out", tmp_path / "s.npy") == 0
    drawn = np.load(tmp_path / "s.npy")
    assert drawn.shape == (3, 2, LENGTH)
    assert abs(drawn[:, 1].mean() - 10) < 3  # each channel has a scale of its own
    assert command("sample", run, "-n", 3, "--steps", 4, "--out", tmp_path / "s.png") == 0
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_a_forecast_keeps_what_is_known(command, run, place, tmp_path, capfd):
    words = ("infer", run, place / "new.npy", "--half", "right", "--draws", 3, "--steps", 4)
    capfd.readouterr()
    assert command(*words, "--out", tmp_path / "f.npy") == 0
    assert "method condition: exact given the model's guesses" in " ".join(capfd.readouterr().err.split())
    drawn, new = np.load(tmp_path / "f.npy"), np.load(place / "new.npy")
    assert drawn.shape == (5, 3, 2, LENGTH)
    half = LENGTH // 2
    np.testing.assert_allclose(
        drawn[..., :half], np.broadcast_to(new[:, None, :, :half], drawn[..., :half].shape), atol=1e-5
    )
    assert np.abs(drawn[..., half:].std(1)).min() > 0
    assert command(*words, "--out", tmp_path / "f.png") == 0
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


def test_missing_values_are_filled(command, run, place, tmp_path):
    gaps = np.load(place / "new.npy")
    gaps[:, 0, 5:9] = np.nan
    np.save(tmp_path / "gaps.npy", gaps)
    assert command("infer", run, tmp_path / "gaps.npy", "--draws", 2, "--steps", 4, "--out", tmp_path / "g.npy") == 0
    drawn = np.load(tmp_path / "g.npy")
    assert np.isfinite(drawn).all()
    np.testing.assert_allclose(drawn[:, 0, 1], gaps[:, 1], atol=1e-5)


def test_signals_are_scored_as_a_density(command, run, place, capfd):
    capfd.readouterr()
    assert command("evaluate", run, place / "new.npy", "--steps", 20, "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["examples"] == 5
    assert np.isfinite(found["value"])


def test_one_channel_and_volumes(command, tmp_path):
    """(N, length) is one channel; data.axes=3 reads volumes."""
    np.save(tmp_path / "line.npy", waves(40, 2)[:, 0])
    np.save(tmp_path / "box.npy", np.random.default_rng(0).normal(size=(30, 4, 5, 6)).astype(np.float32))
    changes = [word for change in SMALL[:3] for word in ("--set", change)]
    for name, axes, shape in (("line", 1, (1, LENGTH)), ("box", 3, (1, 4, 5, 6))):
        words = ("--out", tmp_path / name, "--steps", 2, "--set", f"data.axes={axes}", *changes)
        assert command("train", tmp_path / f"{name}.npy", *words) == 0
        assert command("sample", tmp_path / name, "-n", 2, "--steps", 2, "--out", tmp_path / f"{name}-s.npy") == 0
        assert np.load(tmp_path / f"{name}-s.npy").shape == (2, *shape)


@pytest.mark.parametrize(
    ("shape", "axes", "sentence"),
    [
        ((9, 2, 3, 4), 1, "data.axes=1 reads signals (N, length) or (N, channels, length), got shape (9, 2, 3, 4)"),
        ((9, 20), 3, "data.axes=3 reads volumes (N, depth, height, width), got shape (9, 20)"),
        ((9, 20), 2, "data.axes is 1 for signals or 3 for volumes, got 2"),
        ((3, 1, 4, 4, 4), None, "set data.axes=3 for volumes"),
    ],
)
def test_another_shape_is_refused(command, tmp_path, capfd, shape, axes, sentence):
    np.save(tmp_path / "x.npy", np.zeros(shape, dtype=np.float32) + np.arange(shape[-1]))
    words = () if axes is None else ("--set", f"data.axes={axes}")
    capfd.readouterr()
    assert command("train", tmp_path / "x.npy", "--out", tmp_path / "r", "--steps", 1, *words) == 2
    err = " ".join(capfd.readouterr().err.split())
    assert sentence in err
    assert "Traceback" not in err
    assert not (tmp_path / "r").exists()


def test_axes_are_for_arrays(command, tmp_path, capfd):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    capfd.readouterr()
    assert command("train", tmp_path / "t.csv", "--out", tmp_path / "r", "--steps", 1, "--set", "data.axes=1") == 2
    assert "data.axes is for arrays of signals or volumes" in " ".join(capfd.readouterr().err.split())


def test_signals_in_memory():
    """A tensor is read as the file is, and what a model scores and completes has the model's shape."""
    data = qs.load(torch.from_numpy(waves(20, 3)), axes=1)
    assert data.shape == (2, LENGTH)
    alone = qs.load(waves(20, 3)[:, 0], axes=1)
    assert alone.shape == (1, LENGTH)
