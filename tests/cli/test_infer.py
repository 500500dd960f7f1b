"""The command infer: every way to say what was observed, what it tells of the method, and how mistakes end."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

LIGHT = ("--steps", 2, "--draws", 2, "--limit", 2)


@pytest.fixture
def call(command: Callable[..., int], capfd: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Run infer with words: (status, stdout, stderr in one line)."""

    def called(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        status = command("infer", *words)
        shown = capfd.readouterr()
        return status, shown.out, " ".join(shown.err.split())

    return called


HIDDEN = {
    ("--half", "top"): np.s_[:4, :],
    ("--half", "bottom"): np.s_[4:, :],
    ("--half", "left"): np.s_[:, :4],
    ("--half", "right"): np.s_[:, 4:],
    ("--box", "2,1,5,7"): np.s_[2:5, 1:7],
}


@pytest.mark.parametrize("area", HIDDEN, ids=lambda area: " ".join(area))
@pytest.mark.parametrize("method", ["hold", "guide"])
def test_areas_are_inferred_and_the_rest_is_kept(call, run: Path, tmp_path: Path, method: str, area) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "full.npy"
    status, _, told = call(run, "digits", *area, "--method", method, "--out", out, *LIGHT)
    assert status == 0
    assert ("heuristic" if method == "hold" else "approximate") in told
    full = np.load(out)[..., 0]
    hidden = np.zeros((8, 8), dtype=bool)
    hidden[HIDDEN[area]] = True
    assert full.shape == (2, 2, 8, 8)
    assert (full[:, 0][:, ~hidden] == full[:, 1][:, ~hidden]).all()
    assert (full[:, 0][:, hidden] != full[:, 1][:, hidden]).any()


def test_particles_tell_their_evidence_and_warn_when_few(call, run: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    words = (run, "digits", "--half", "left", "--method", "particle", "--particles", 8, "--islands", 2)
    status, out, told = call(*words, "--out", tmp_path / "a.png", *LIGHT)
    assert (status, out) == (0, "")
    assert "note: 8 particles are too few for 2 of 2 examples: the effective sample size fell to" in told
    assert "(method particle: exact in the limit of many particles)" in told
    assert "log-probability of what was observed: -" in told
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 5 * 40  # given, two draws, mean, std, truth


def test_coarse_and_noisy_images(call, run: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    small = np.random.default_rng(0).integers(0, 17, (3, 4, 4, 1)).astype(np.uint8)
    np.save(tmp_path / "small.npy", small)
    assert call(run, tmp_path / "small.npy", "--super-resolution", 2, "--out", tmp_path / "big.npy", *LIGHT)[0] == 0
    assert np.load(tmp_path / "big.npy").shape == (2, 2, 8, 8, 1)
    status, _, told = call(run, "digits", "--super-resolution", 2, "--out", tmp_path / "big.png", *LIGHT)
    assert status == 0
    assert "its means over 2×2 pixels are observed" in told
    np.save(tmp_path / "four.npy", np.zeros((4, 4, 4, 1)))  # its first axis of four might be one of channels
    words = (run, tmp_path / "four.npy", "--super-resolution", 2, "--denoise", 1, "--out", tmp_path / "four.png")
    assert call(*words, *LIGHT)[0] == 0
    noisy = np.random.default_rng(1).normal(8, 4, (2, 8, 8, 1))
    np.save(tmp_path / "noisy.npy", noisy)
    for ending in ("npy", "png"):
        out = tmp_path / f"clean.{ending}"
        assert call(run, tmp_path / "noisy.npy", "--denoise", 3, "--out", out, *LIGHT)[0] == 0
    noisy[:, :4] = np.nan
    np.save(tmp_path / "gaps.npy", noisy)
    words = (run, tmp_path / "gaps.npy", "--denoise", 3, "--method", "particle", "--particles", 4)
    assert call(*words, "--out", tmp_path / "whole.npy", *LIGHT)[0] == 0


def test_a_report_is_printed(call, run: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    status, out, _ = call(run, "digits", "--half", "top", "--report", "--out", tmp_path / "a.npy", *LIGHT)
    assert status == 0
    assert "hold on a mixture of normals of 1×8×8 elements, 2 steps:" in out
    assert "of the way from prior to posterior mean (1 is right)" in out


MISTAKES = {
    "nothing said": (("digits",), "--half, --box, --super-resolution or --denoise"),
    "said twice": (("digits", "--half", "top", "--box", "0,0,2,2"), "got --half and --box; choose one"),
    "twice again": (("digits", "--half", "top", "--super-resolution", "2"), "got --half and --super-resolution"),
    "half": (("digits", "--half", "middle"), "top, bottom, left, right, got 'middle'"),
    "box": (("digits", "--box", "0,0,9,9"), "a box inside 8×8 is r0,c0,r1,c1"),
    "box text": (("digits", "--box", "a"), "got 'a'"),
    "factor": (("digits", "--super-resolution", "3"), "have that size divided, got"),
    "factor 1": (("digits", "--super-resolution", "1"), "a factor of 2 or more, got 1"),
    "std": (("digits", "--denoise", "-1"), "noise has a std above 0"),
    "method": (
        ("digits", "--half", "top", "--method", "x"),
        "hold, reveal, condition, denoise, guide, particle, got 'x'",
    ),
    "hold noisy": (("digits", "--denoise", "1", "--method", "hold"), "known without noise; use guide or particle"),
    "label": (("digits", "--half", "top", "--label", "3"), "the model knows 0 classes, got label 3"),
    "scale": (("digits", "--half", "top", "--scale", "3"), "got 3 without a label"),
    "walks": (("digits", "--half", "top", "--method", "guide", "--resamplings", "3"), "resamplings is for hold"),
    "islands": (
        ("digits", "--half", "top", "--method", "particle", "--particles", "9", "--islands", "2"),
        "got 9 particles in 2 islands",
    ),
    "no islands": (
        ("digits", "--half", "top", "--method", "particle", "--islands", "0"),
        "got 64 particles in 0 islands",
    ),
    "particles": (("digits", "--half", "top", "--particles", "9"), "--particles is for --method particle, got hold"),
    "limit": (("digits", "--half", "top", "--limit", "0"), "one example or more, got --limit 0"),
    "mask's size": (("digits", "--mask", "{folder}/large.png"), "a mask is as large as the examples, 8×8, got 9×8"),
    "all hidden": (("digits", "--mask", "{folder}/all.png"), "got nothing known; use `sample` for none"),
    "none hidden": (("digits", "--mask", "{folder}/none.png"), "got everything known"),
    "no mask": (("digits", "--mask", "{folder}/no.png"), "no mask file is called"),
    "gaps and an area": (("{folder}/gaps.npy", "--half", "top"), "marks what is unknown itself, got --half as well"),
    "gaps and 0 noise": (("{folder}/gaps.npy", "--denoise", "0"), "noise has a std above 0"),
    "report": (("digits", "--denoise", "1", "--report"), "a report is for known and unknown elements"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_2(call, name: str, run: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    words, sentence = MISTAKES[name]
    for mask, shape, white in (("large", (9, 8), 0), ("all", (8, 8), 255), ("none", (8, 8), 0)):
        Image.fromarray(np.full(shape, white, dtype=np.uint8)).save(tmp_path / f"{mask}.png")
    np.save(tmp_path / "gaps.npy", np.where(np.arange(8) < 4, np.nan, 8.0) * np.ones((2, 8, 8)))
    words = [word.format(folder=tmp_path) for word in words]
    status, out, told = call(run, "--out", tmp_path / "a.npy", "--steps", 2, "--limit", 1, *words)
    assert status == 2
    assert sentence in told
    assert "Traceback" not in told
    assert out == ""
    assert not (tmp_path / "a.npy").exists()


def test_contradictory_evidence_ends_with_1(call, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """A chain whose guesses rule out what was given: here every known value's mass is made 0."""
    import torch

    from quasistatic.inference import tilt

    def impossible(law, mask, values):  # type: ignore[no-untyped-def]
        return law, torch.where(mask, -torch.inf, 0)

    monkeypatch.setattr(tilt, "pinned", impossible)
    words = (run, "digits", "--half", "top", "--method", "particle", "--particles", 4, "--out", tmp_path / "a.npy")
    status, _, told = call(*words, *LIGHT)
    assert status == 1
    assert "what was observed has probability zero under the model in example 0 (2 of 2)" in told
    assert not (tmp_path / "a.npy").exists()
