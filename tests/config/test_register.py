"""Parts that users bring: named once, then known to configurations like the library's own."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

import quasistatic as qs
from quasistatic.config import FAMILIES, SCHEDULES, Config, from_json, to_json
from quasistatic.schedule import Cosine, Schedule


@dataclass(frozen=True)
class Power(Schedule):
    """ᾱ(t) = (1 − t)^exponent."""

    exponent: float = 2.0

    def alpha_bar(self, t: Tensor) -> Tensor:
        return (1 - t) ** self.exponent


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    families = [dict(family) for family in FAMILIES.values()]
    yield
    for family, before in zip(FAMILIES.values(), families, strict=True):
        family.clear()
        family.update(before)


def test_a_registered_part_is_configured_like_any_other() -> None:
    small = qs.recipe(None, qs.load("swiss-roll"), "swiss-roll")
    with pytest.raises(ValueError, match=r"process.schedule is one of linear, cosine"):
        qs.override(small, ["process.schedule=power"])
    qs.register("schedule", "power", Power)
    config = qs.override(small, ["process.schedule=power", "process.schedule.exponent=3"])
    assert config == replace(small, process=replace(small.process, schedule=Power(3.0)))
    written = to_json(config)
    assert written["process"]["schedule"] == {
        "type": "power",
        "import": f"{__name__}:Power",
        "exponent": 3.0,
    }
    assert from_json(Config, written) == config
    half = torch.tensor([0.5], dtype=torch.float64)
    assert config.process.schedule.alpha_bar(half).item() == 0.125


def test_a_name_that_is_taken_is_refused() -> None:
    for name in ("cosine", "squaredcos_cap_v2"):
        with pytest.raises(ValueError, match=f"the schedule {name} exists already; choose a name other than linear"):
            qs.register("schedule", name, Power)
    qs.register("schedule", "power", Power)
    with pytest.raises(ValueError, match="the schedule power exists already"):
        qs.register("schedule", "power", Power)
    with pytest.raises(TypeError, match="Power is registered already, as power"):
        qs.register("schedule", "power2", Power)
    assert SCHEDULES["cosine"] is Cosine


@dataclass
class Thawed(Schedule):
    def alpha_bar(self, t: Tensor) -> Tensor:
        return 1 - t


def test_what_is_no_part_is_refused() -> None:
    with pytest.raises(ValueError, match="a family is one of process, schedule, network, head, objective, codec, got"):
        qs.register("clock", "power", Power)
    with pytest.raises(ValueError, match="a name has letters, digits"):
        qs.register("schedule", "process.power", Power)
    with pytest.raises(TypeError, match="a process is a subclass of Process, got"):
        qs.register("process", "power", Power)
    for cls in (Schedule, Thawed):
        with pytest.raises(TypeError, match=r"a schedule is a frozen dataclass .*, got"):
            qs.register("schedule", "thawed", cls)
