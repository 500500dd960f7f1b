"""Every field of a configuration has a type and a range, and says both when it is given something else."""

import dataclasses
import json
import math
import re
from typing import Any

import pytest

from quasistatic.config import FAMILIES, Config, DataConfig, Specification, TrainingConfig, from_json, override, to_json
from quasistatic.data import AffineCodec, LevelsCodec
from quasistatic.network import MLPConfig, UNetConfig
from quasistatic.objective import Bound
from quasistatic.recipes import RECIPES
from quasistatic.runtime.fields import Checked, Range, misfit
from quasistatic.schedule import Cosine, Linear

SENSELESS = {
    "training.clip=0": "above 0, got 0.0",
    "training.clip=-1": "above 0, got -1.0",
    "training.clip=nan": "above 0, got nan",
    "training.ema=1": "at least 0 and below 1, got 1.0",
    "training.ema=-0.1": "at least 0 and below 1, got -0.1",
    "training.label_dropout=12": "at least 0 and at most 1, got 12.0",
    "training.final_rate=-1": "at least 0 and at most 1, got -1.0",
    "training.final_rate=2": "at least 0 and at most 1, got 2.0",
    "training.warmup=-5": "at least 0 and at most 1,000,000,000,000, got -5",
    "training.minutes=nan": "above 0 and at most 10,000,000, got nan",
    "training.minutes=inf": "above 0 and at most 10,000,000, got inf",
    "training.checkpoint_every=nan": "at least 0, got nan",
    "training.held_out_every=-1": "at least 0, got -1.0",
    "training.weight_decay=-0.1": "at least 0, got -0.1",
    "training.weight_decay=nan": "at least 0, got nan",
    "training.learning_rate=inf": "above 0, got inf",
    "training.learning_rate=nan": "above 0, got nan",
    "training.shown=1.5": "at least 0 and at most 1, got 1.5",
    "training.batch=-1": "above 0 and at most 10,000,000, got -1",
    "data.held_out=0": "a whole number (at least 1) or a number (above 0 and below 1), got 0",
    "data.held_out=-3": "a whole number (at least 1) or a number (above 0 and below 1), got -3",
    "data.held_out=1.0": "a whole number (at least 1) or a number (above 0 and below 1), got 1.0",
    "data.held_out=nan": "a whole number (at least 1) or a number (above 0 and below 1), got nan",
    "data.channels=9": "at least 1 and at most 4, got 9",
    "data.length=0": "at least 1 and at most 10,000,000, got 0",
    "network.channels=1000000000": "at least 4 and at most 65,536, got 1000000000",
    "network.dropout=1": "at least 0 and below 1, got 1.0",
    "network.blocks=0": "at least 1 and at most 100, got 0",
    "network.patch=0": "at least 1 and at most 64, got 0",
    "network.epsilon=0": "above 0 and at most 1, got 0.0",
    "network.groups=0": "at least 1 and at most 65,536, got 0",
    "head.gain=nan": "above 0, got nan",
    "objective.steps=1000000000000": "at least 1 and at most 1,000,000, got 1000000000000",
    "process.schedule.offset=-1": "at least 0 and at most 1, got -1.0",
    "seed=99999999999999999999": "9,223,372,036,854,775,807, got 99999999999999999999",
}


@pytest.mark.parametrize("change", SENSELESS)
def test_a_senseless_value_is_refused_with_its_range(small: Config, change: str) -> None:
    sentence = f"config.{change.partition('=')[0]} must be "
    with pytest.raises(ValueError, match="^" + re.escape(sentence) + ".*" + re.escape(SENSELESS[change]) + "$"):
        override(small, [change])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: TrainingConfig(ema=1.0), "TrainingConfig.ema must be at least 0 and below 1, got 1.0"),
        (lambda: UNetConfig(multipliers=(1, 2, 10**6)), "UNetConfig.multipliers.2 must be at least 1"),
        (lambda: UNetConfig(multipliers=(1,) * 40, attention=()), "a U-Net has 1 to 12 levels with a multiplier each"),
        (lambda: UNetConfig(readout=2), "readout is odd, got 2"),
        (lambda: MLPConfig(fourier=(2000,)), "MLPConfig.fourier.0 must be at least 0 and at most 60, got 2000"),
        (lambda: Linear(beta_start=math.nan), "Linear.beta_start must be above 0, got nan"),
        (lambda: Linear(steps=10**12), "Linear.steps must be at least 1 and at most 1,000,000"),
        (lambda: Cosine(offset=math.inf), "Cosine.offset must be at least 0 and at most 1, got inf"),
        (lambda: Bound(steps=0), "Bound.steps must be at least 1"),
        (lambda: LevelsCodec(0, 10**30, 2), "LevelsCodec.high must be at least"),
        (lambda: LevelsCodec(0, 10**6, 10**6 + 1), "LevelsCodec.levels must be at most 65,536"),
        (lambda: Specification("x", (0,), AffineCodec((0.0,), (1.0,))), "Specification.shape.0 must be at least 1"),
        (lambda: DataConfig("x", size=(0,)), "DataConfig.size.0 must be at least 1 and at most 65,536, got 0"),
    ],
)
def test_objects_refuse_the_same(make: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        make()


def test_every_recipe_keeps_its_ranges() -> None:
    for recipe in RECIPES.values():
        assert from_json(Config, json.loads(json.dumps(to_json(recipe("x"))))) == recipe("x")


def test_every_number_of_a_configuration_is_checked() -> None:
    """A field of numbers refuses NaN, true and text, in whatever class it is declared."""
    classes = {TrainingConfig, DataConfig, *(member for family in FAMILIES.values() for member in family.values())}
    for kind in classes:
        assert issubclass(kind, Checked)
        for field in dataclasses.fields(kind):
            hint = kind.__dataclass_fields__[field.name].type
            if field.type in (int, float) or "Range" in str(hint):
                for wrong in (math.nan, True, [1]):
                    assert misfit(hint, wrong) is not None, (kind, field.name, wrong)


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        (float, True, "x takes a number, got True"),
        (float, 10**400, "x takes a number, got 1000"),
        (int, 2.0, "x takes a whole number, got 2.0"),
        (tuple[int, ...], {"1": 2}, "x takes whole numbers with commas between, got {'1': 2}"),
        (tuple[int, ...], 3, "x takes whole numbers with commas between, got 3"),
        (str, None, "x takes text, got None"),
        (Config, [], "x holds fields, got []"),
        (TrainingConfig, {"steps": [[[[[[[[]]]]]]]]}, "x.steps takes a whole number or none, got [[[[[[[...]]]]]]]"),
    ],
)
def test_json_of_the_wrong_type_names_its_field(kind: Any, value: object, sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        from_json(kind, value, "x")


def test_a_range_says_its_ends() -> None:
    assert str(Range()) == "finite"
    assert str(Range(above=0, at_most=10**6)) == "above 0 and at most 1,000,000"
    assert Range().holds(1.0)
    assert not any(Range().holds(wrong) for wrong in (math.nan, math.inf, -math.inf, 10**400))
    assert Range(at_least=0, below=1).holds(0)
    assert not Range(at_least=0, below=1).holds(1)
