"""A model moves, copies and shows itself as people who know torch expect, and takes their arrays and frames."""

import copy
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import quasistatic as qs
from quasistatic.config import Config, Specification
from quasistatic.data import Dataset
from quasistatic.denoiser.head import LevelsHead
from quasistatic.model import Model
from quasistatic.recipes import recipe


@pytest.fixture(scope="session")
def classy(small: Config, digits: Dataset) -> Model:
    """An untrained model of digits given their class, whose output is not 0."""
    config = replace(small, data=replace(small.data, conditional=True), head=LevelsHead(17))
    model = Model.fresh(config, Specification.of(digits))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(1))
    return model


FRAME = pd.DataFrame({"height": np.linspace(1, 2, 60) + np.arange(60) % 7, "sex": ["a", "b", "a"] * 20})


@pytest.fixture(scope="session")
def people() -> Model:
    """An untrained model of a table."""
    data = qs.load(FRAME)
    config = qs.override(recipe(None, data, "frame"), ["network.width=8", "network.depth=1"])
    return Model.fresh(config, Specification.of(data))


@pytest.mark.parametrize(
    "move",
    [
        lambda model: model.to(torch.bfloat16),
        lambda model: model.to("cpu", torch.bfloat16),
        lambda model: model.to(torch.device("cpu"), dtype=torch.bfloat16),
        lambda model: model.to(torch.zeros(1, dtype=torch.bfloat16)),
        lambda model: model.to(device="cpu", dtype=torch.bfloat16, non_blocking=True),
    ],
)
def test_to_has_the_forms_of_torch(run: Path, move) -> None:  # type: ignore[no-untyped-def]
    model = Model.from_pretrained(run)
    assert move(model) is model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def test_to_refuses_what_is_no_place(model: Model, people: Model) -> None:
    with pytest.raises(TypeError, match=r"weights are floating-point numbers, got torch.int8"):
        model.to(torch.int8)
    with pytest.raises(ValueError, match="the device is one that torch can use here"):
        model.to("cuda:7" if torch.cuda.is_available() else "cuda")
    with pytest.raises(ValueError, match="the device is one that torch can use here"):
        model.to("moon")
    with pytest.raises(ValueError, match="parts in float64 works as it is"):
        people.to(torch.bfloat16)
    assert people.to("cpu", torch.float32) is people


def test_a_model_is_read_onto_the_cpu(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quasistatic.model.model.pick_device", lambda: torch.device("meta"))
    assert Model.from_pretrained(run).device == torch.device("cpu")
    assert Model.from_pretrained(run, device="auto").device == torch.device("meta")


def test_it_says_what_it_is(model: Model) -> None:
    count = sum(parameter.numel() for parameter in model.network.parameters())
    shown = repr(model)
    for part in ("digits (1,797 examples of 1×8×8", f"{count:,} parameters", "8 steps", f"{model.score:.3f} bits/dim"):
        assert part in shown
        assert part in model._repr_html_()
    assert model._repr_html_().startswith("<table>")


def test_a_name_in_html_is_text(model: Model) -> None:
    named = Model(model.config, replace(model.specification, name="<b>"), model.network)
    assert "&lt;b&gt;" in named._repr_html_()


def test_the_score_is_kept_with_the_model(run: Path, model: Model, digits: Dataset, tmp_path: Path) -> None:
    """As training scored it: 128 held-out examples, with the averaged weights."""
    assert model.score == pytest.approx(model.evaluate(model.held_out(digits), draws=3, limit=128).value, abs=1e-6)
    model.save_pretrained(tmp_path)
    assert Model.from_pretrained(tmp_path).score == model.score
    text = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(
        text.replace('"held_out_bits_per_dim": ', '"held_out_bits_per_dim": "x", "y": ')
    )
    with pytest.raises(ValueError, match="is damaged: held_out_bits_per_dim must be a number"):
        Model.from_pretrained(tmp_path)


@pytest.mark.parametrize("copied", [lambda one: pickle.loads(pickle.dumps(one)), copy.deepcopy])
def test_copies_are_the_same_model(run: Path, people: Model, copied) -> None:  # type: ignore[no-untyped-def]
    model = Model.from_pretrained(run).to(torch.bfloat16)
    again = copied(model)
    assert again is not model
    assert repr(again) == repr(model)
    assert torch.equal(again.sample(2, steps=3), model.sample(2, steps=3))
    with torch.no_grad():
        next(again.parameters()).add_(1)
    assert not torch.equal(next(again.parameters()), next(model.parameters()))
    assert torch.equal(copied(people).sample(3, steps=3), people.sample(3, steps=3))


def test_weights_go_from_one_model_to_another(model: Model, run: Path, people: Model) -> None:
    fresh = Model.fresh(model.config, model.specification)
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh.eval().sample(2, steps=3), model.sample(2, steps=3))
    with pytest.raises(ValueError, match="the weights are of another network"):
        fresh.load_state_dict(people.state_dict())


def test_arrays_are_scored_as_the_data_set_is(model: Model, digits: Dataset) -> None:
    part = digits.select(torch.arange(6))
    expected = model.evaluate(part, steps=10)
    for values in (part[:], part[:].numpy(), part[:].float().numpy(), part[:].tolist(), part[:][:, 0]):
        assert model.evaluate(values, steps=10).log_likelihoods.tolist() == expected.log_likelihoods.tolist()
    ranked = model.rank(part[:].numpy(), typical=digits[100:110], steps=10, max_draws=8)
    assert ranked.typicality is not None
    with pytest.raises(ValueError, match=r"made for examples of 1×8×8 \(digits\), got array of 1×4×4"):
        model.evaluate(np.arange(32, dtype=np.uint8).reshape(2, 4, 4) % 17)
    with pytest.raises(ValueError, match="should hold 17 levels from 0 to 16, got the value 200"):
        model.evaluate(np.full((2, 8, 8), 200, dtype=np.uint8), steps=4)


def test_the_training_data_are_known_again(model: Model, digits: Dataset) -> None:
    assert len(model.held_out(digits[:])) == 360


def test_frames_are_scored_and_completed(people: Model) -> None:
    turned = FRAME[["sex", "height"]].iloc[:9]
    expected = people.evaluate(qs.load(FRAME).select(torch.arange(9)), steps=10).log_likelihoods
    assert people.evaluate(turned, steps=10).log_likelihoods.tolist() == expected.tolist()
    gaps = FRAME.copy()
    gaps.loc[3, "height"] = np.nan
    gaps.loc[5, "sex"] = None
    drawn = people.infer(gaps, draws=3, steps=4)
    assert drawn.shape == (60, 3, 2)
    whole = people.data(FRAME)[:]
    known = torch.ones_like(whole, dtype=torch.bool)
    known[3, 0] = known[5, 1] = False
    assert torch.equal(drawn[:, 0][known], whole[known])
    with pytest.raises(ValueError, match="the columns of the model are needed"):
        people.evaluate(FRAME.rename(columns={"sex": "gender"}))


def test_nan_is_what_is_unknown(model: Model, digits: Dataset) -> None:
    observed = digits[:2].float()
    observed[..., 4:, :] = torch.nan
    expected = model.infer(observed, ~observed.isnan(), steps=3)
    for values in (observed, observed.numpy(), observed.numpy().astype(np.float64)):
        assert torch.equal(model.infer(values, steps=3), expected)
    with pytest.raises(ValueError, match="what is unknown is NaN or has a mask, got neither; give `known`"):
        model.infer(digits[:2], steps=3)


def test_each_sample_has_its_label(classy: Model) -> None:
    mixed = classy.sample(label=[3, 8, 3], steps=4, seed=1)
    assert len(mixed) == 3
    for place, label in enumerate((3, 8, 3)):
        assert torch.equal(mixed[place], classy.sample(3, label=label, steps=4, seed=1)[place])
    for labels in (torch.tensor([3, 8, 3]), np.array([3, 8, 3]), ("3", "8", "3")):
        assert torch.equal(classy.sample(3, label=labels, steps=4, seed=1), mixed)
    assert torch.equal(classy.sample(2, label=np.int64(3), steps=4), classy.sample(2, label=3, steps=4))
    with pytest.raises(ValueError, match="got 3 labels and n = 2; leave n out"):
        classy.sample(2, label=[1, 2, 3], steps=4)
    with pytest.raises(ValueError, match="the model knows 10 classes, got label 11"):
        classy.sample(label=[1, 11], steps=4)
    with pytest.raises(TypeError, match=r"a label is the name or the number of one class, got \[1\]"):
        classy.sample(label=[[1], [2]], steps=4)


def test_each_completion_has_its_label(classy: Model, digits: Dataset) -> None:
    """Of the same law as with one label; each label has random numbers of its own, and the first those of one label."""
    observed = digits[:4].float()
    observed[..., 4:, :] = torch.nan
    seen = list[tuple[int, int]]()
    mixed = classy.infer(observed, label=[3, 8, 3, 8], draws=2, steps=4, watch=lambda *at: seen.append(at))
    assert mixed.shape == (4, 2, 1, 8, 8)
    same = classy.infer(observed, label=[3] * 4, draws=2, steps=4)
    known = ~observed.isnan()
    assert torch.equal(mixed[:, 0][known].float(), observed[known])
    assert not torch.equal(mixed[1], same[1])
    assert seen[-1][0] == seen[-1][1]
    with pytest.raises(ValueError, match="several labels are one for each of 4 examples, got 2"):
        classy.infer(observed, label=[3, 8], steps=4)
