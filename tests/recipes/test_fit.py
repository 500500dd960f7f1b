"""One call trains a model of any data, and says in one sentence what it cannot do."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import quasistatic as qs
from quasistatic.config import field_called
from quasistatic.data import Dataset
from quasistatic.model import Model
from quasistatic.recipes.fit import fit
from quasistatic.runtime.progress import can_redraw, on_stderr
from quasistatic.training import checkpoint

TINY: dict[str, Any] = {
    "steps": 2,
    "batch_size": 8,
    "network__channels": 8,
    "network__multipliers": (1,),
    "network__blocks": 1,
    "network__head_width": None,
    "network__attention": (),
}
MLP: dict[str, Any] = {"steps": 2, "batch_size": 8, "network__width": 8, "network__depth": 1}
FRAME = pd.DataFrame({"height": np.linspace(1, 2, 60) + np.arange(60) % 7, "sex": ["a", "b", "a"] * 20})
POINTS = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)


def test_a_name_is_trained_on(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = fit("digits", lr=1e-3, seed=3, **TINY)
    assert isinstance(model, Model)
    assert (model.step, model.config.training.batch, model.config.training.learning_rate) == (2, 8, 1e-3)
    assert model.config.seed == 3
    assert model.score is not None
    told = capsys.readouterr()
    assert told.out == ""
    assert "learning digits: 1797 examples" in told.err
    assert "and 2 steps" in told.err
    assert "\n\n" not in told.err
    assert model.sample(2, steps=2).shape == (2, 1, 8, 8)


def test_without_a_folder_the_model_is_that_of_a_folder(digits: Dataset, tmp_path: Path) -> None:
    alone = fit(digits, progress=False, **TINY)
    kept = fit(digits, tmp_path / "run", progress=False, **TINY)
    for one, other in zip(alone.parameters(), kept.parameters(), strict=True):
        assert torch.equal(one, other)
    assert repr(alone) == repr(kept)
    assert torch.equal(Model.from_pretrained(tmp_path / "run").sample(2, steps=2), alone.sample(2, steps=2))
    with pytest.raises(FileExistsError, match="holds another run"):
        fit(digits, tmp_path / "run", progress=False, **TINY)


def test_a_run_is_resumed(tmp_path: Path) -> None:
    fit(POINTS, tmp_path / "run", progress=False, **MLP)
    longer = fit(POINTS, tmp_path / "run", resume=True, progress=False, steps=4)
    assert longer.step == 4
    assert longer.config.network.width == 8  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="a run is resumed in its folder, got none"):
        fit(POINTS, resume=True)
    with pytest.raises(ValueError, match="was trained on other data"):
        fit(POINTS + 1, tmp_path / "run", resume=True, progress=False)


def test_frames_and_arrays_have_their_recipes() -> None:
    people = fit(FRAME, progress=False, columns=("sex=category",), **MLP)
    assert "TableCodec" in type(people.specification.codec).__name__
    assert people.config.data.columns == ("sex=category",)
    assert people.infer(FRAME.assign(sex=None), steps=2).shape == (60, 1, 2)
    assert fit(POINTS, progress=False, **MLP).sample(4, steps=2).shape == (4, 3)


def test_labels_make_a_conditional_model() -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    model = fit(images, labels=["cat", "dog"] * 20, progress=False, size=4, **TINY)
    assert model.specification.classes == ("cat", "dog")
    assert model.sample(label=["dog", "cat"], steps=2).shape == (2, 1, 4, 4)


def test_minutes_alone_plan_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("quasistatic.recipes.fit._in_memory", lambda config, *rest: asked.append(config))
    inspect.unwrap(fit)(FRAME, minutes=3)
    inspect.unwrap(fit)(FRAME)
    assert (asked[0].training.steps, asked[0].training.minutes) == (None, 3)
    assert asked[1].training.steps is not None  # the recipe of a table has steps


def test_parts_are_chosen_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("quasistatic.recipes.fit._in_memory", lambda config, *rest: asked.append(config))
    schedule = qs.Linear()
    inspect.unwrap(fit)(POINTS, process=qs.GaussianProcess(schedule), network="mlp")
    assert asked[0].process == qs.GaussianProcess(schedule)
    with pytest.raises(ValueError, match=r"network is one of unet, mlp, .*, got 3"):
        fit(POINTS, network=3)


def test_keywords_name_fields() -> None:
    assert field_called("lr") == "training.learning_rate"
    assert field_called("held_out") == "data.held_out"
    assert field_called("network__width") == "network.width"
    assert field_called("training.ema") == "training.ema"
    assert field_called("seed") == "seed"
    assert field_called("nonsense") == "nonsense"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"learning": 1},
            "the configuration has no field learning; it has data, .*; did you mean training.learning_rate?",
        ),
        ({"image_size": 8}, "did you mean data.size?"),
        ({"network__chanels": 8}, "network has no field chanels; it has .*; did you mean network.channels?"),
        (
            {"zzz": 8},
            "the configuration has no field zzz; it has data, process, network, head, objective, training, seed$",
        ),
        ({"steps": 2, "minutes": 1}, "either a number of steps or minutes, got both"),
        ({"batch": 2, "batch_size": 1}, "a field is set once, got batch, batch_size"),
        ({"steps": "many"}, "training.steps takes a whole number or none, got 'many'"),
        ({"steps": 2.5}, "training.steps takes a whole number or none, got 2.5"),
        ({"recipe": "cake"}, "the recipe is one of digits"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        fit("digits", **changes)


def test_what_was_loaded_is_not_read_again(digits: Dataset) -> None:
    with pytest.raises(ValueError, match="digits is loaded already, got options of reading"):
        fit(digits, size=4)
    with pytest.raises(FileNotFoundError, match="no file or folder is called nowhere"):
        fit("nowhere")


def test_ctrl_c_leaves_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(begin: Any, console: Any) -> None:
        for progress in begin(lambda _: None):
            if progress.step:
                raise KeyboardInterrupt

    monkeypatch.setattr("quasistatic.recipes.fit.followed", stopped)
    with pytest.raises(KeyboardInterrupt):
        fit(POINTS, tmp_path / "run", **MLP | {"steps": 50})
    assert checkpoint.latest(tmp_path / "run") is not None


def test_a_notebook_without_widgets_gets_lines_and_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks set FORCE_COLOR; rich would draw each step of a bar as a line, with warnings about ipywidgets."""
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("quasistatic.runtime.progress.find_spec", lambda name: None)
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = on_stderr()
    assert not console.is_jupyter
    assert not can_redraw(console)
