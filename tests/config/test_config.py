"""Configurations survive JSON, and changes to them are read or refused in one sentence."""

import json
import re
from dataclasses import replace

import pytest

from quasistatic.config import Config, DataConfig, Specification, TrainingConfig, from_json, override, to_json
from quasistatic.data import AffineCodec, LevelsCodec
from quasistatic.data.contents import DataOptions
from quasistatic.denoiser.head import GaussianHead, LevelsHead
from quasistatic.network import MLPConfig
from quasistatic.process import BernoulliProcess
from quasistatic.recipes import RECIPES
from quasistatic.schedule import Linear, Reciprocal, Table


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_survives_json(name: str) -> None:
    config = RECIPES[name]("some/folder")
    assert from_json(Config, json.loads(json.dumps(to_json(config)))) == config


def test_tuples_and_families_survive_json(small: Config) -> None:
    config = replace(small, process=replace(small.process, schedule=Table((0.1, 0.5, 1.0))), head=GaussianHead("data"))
    config = replace(config, data=DataConfig("x", size=(24, 32), held_out=0.25, channels=3))
    assert from_json(Config, json.loads(json.dumps(to_json(config)))) == config


@pytest.mark.parametrize("codec", [LevelsCodec(0, 16, 17), AffineCodec((1.0, 2.5), (0.5, 3.0))])
def test_specifications_survive_json(codec: LevelsCodec | AffineCodec) -> None:
    found = Specification("digits", (1, 8, 8), codec, ("a", "b"), 5, "abc")
    assert from_json(Specification, json.loads(json.dumps(to_json(found)))) == found


def test_changes_are_read_in_the_type_of_the_field(small: Config) -> None:
    changed = override(
        small,
        [
            "training.steps=500",
            "training.learning_rate=1e-4",
            "network.multipliers=1,2,4",
            "network.head_width=none",
            "data.size=24x32",
            "data.held_out=0.25",
            "data.conditional=true",
            "process.schedule=linear",
            "process.schedule.steps=200",
            "head.levels=33",
            "seed=7",
        ],
    )
    assert changed.training.steps == 500
    assert changed.training.learning_rate == 1e-4
    assert changed.network.multipliers == (1, 2, 4)
    assert changed.network.head_width is None
    assert changed.data == DataConfig("digits", size=(24, 32), held_out=0.25, conditional=True)
    assert changed.process.schedule == Linear(steps=200)
    assert changed.head == LevelsHead(33)
    assert changed.seed == 7
    assert small.training.steps == 4


@pytest.mark.parametrize(
    ("text", "size", "height_width"),
    [("32", 32, (32, 32)), ("32,48", (32, 48), (32, 48)), ("32x48", (32, 48), (32, 48)), ("none", None, None)],
)
def test_a_size_is_a_side_or_two(small: Config, text: str, size: object, height_width: object) -> None:
    data = override(small, [f"data.size={text}"]).data
    assert data.size == size
    assert DataOptions(size=data.size).height_width == height_width
    assert from_json(DataConfig, json.loads(json.dumps(to_json(data)))) == data


@pytest.mark.parametrize("text", ["", "a", "3.5", "32x", "32,", "0", "1,2,3", "-4", "99999999"])
def test_what_is_no_size_is_refused(small: Config, text: str) -> None:
    ours = r"data\.size (takes a whole number or|must be at least 1 and at most 65,536, got)"
    with pytest.raises(ValueError, match=f"{ours}|an image size is"):
        DataOptions(size=override(small, [f"data.size={text}"]).data.size)


def test_a_part_without_defaults_is_chosen_and_then_filled(small: Config) -> None:
    rates = override(small, ["process.schedule=table", "process.schedule.beta=0.1,0.5"]).process.schedule
    assert rates == Table((0.1, 0.5))
    bits = ["process=bernoulli", "process.schedule=reciprocal", "process.bias=0.25", "head=bernoulli"]
    assert override(small, bits).process == BernoulliProcess(Reciprocal(), 0.25)


def test_the_fields_other_spellings_are_taken(small: Config) -> None:
    changed = override(small, ["process.schedule=squaredcos_cap_v2", "head=gaussian", "head.prediction=v_prediction"])
    assert changed.process.schedule == small.process.schedule
    assert changed.head == GaussianHead("velocity")
    assert override(small, ["network=mlp"]).network == MLPConfig()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("training.setps=5", "training has no field setps; it has steps, minutes, epochs, batch"),
        ("sampling=5", "the configuration has no field sampling; it has data, process"),
        ("training.steps=many", "training.steps takes a whole number or none, got 'many'"),
        ("training.steps=2.5", "training.steps takes a whole number or none, got '2.5'"),
        ("data.conditional=maybe", "data.conditional takes true or false, got 'maybe'"),
        ("network.multipliers=1,two", "network.multipliers takes whole numbers with commas between, got '1,two'"),
        (
            "process.schedule=square",
            "process.schedule is one of linear, cosine, reciprocal, table, learned, staggered, got",
        ),
        ("training=5", "training holds fields; set one of steps"),
        ("training.steps", "a change is written field=value, got 'training.steps'"),
        ("training.steps.x=1", "training.steps has no field x; it has none"),
        ("process.schedule=table", "config.process.schedule is incomplete: it needs beta"),
    ],
)
def test_a_bad_change_is_one_sentence(small: Config, change: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        override(small, [change])


def test_a_field_of_what_is_not_chosen_says_what_to_choose(small: Config) -> None:
    with pytest.raises(ValueError, match=r"process\.schedule has no default; choose it first, as"):
        override(small, ["process=gaussian", "process.schedule.offset=0.1"])


def test_a_damaged_file_is_named(small: Config) -> None:
    content = to_json(small)
    with pytest.raises(ValueError, match="config has no field extra"):
        from_json(Config, {**content, "extra": 1})
    with pytest.raises(ValueError, match="config is incomplete"):
        from_json(Config, {"seed": 1})
    with pytest.raises(ValueError, match=r"config\.process is one of"):
        from_json(Config, {**content, "process": {"type": "quantum"}})
    with pytest.raises(ValueError, match=r"config\.training holds fields"):
        from_json(Config, {**content, "training": 3})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"batch": 0}, "batch must be above 0"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"accumulate": 3}, "accumulate must divide the batch"),
        ({"precision": "fp8"}, "precision is auto, no or bf16"),
    ],
)
def test_training_refuses(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TrainingConfig(**change)  # type: ignore[arg-type]
