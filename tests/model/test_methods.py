"""Each method of inference says what it takes, and ignores nothing."""

import pytest
import torch

from quasistatic.inference import Known
from quasistatic.model.bench import Bench, DrawOptions
from quasistatic.model.draw import draw
from quasistatic.model.methods import METHODS, OF_A_WALK
from quasistatic.process import CategoricalProcess
from quasistatic.schedule import Reciprocal

MASKED = CategoricalProcess.absorbing(Reciprocal(), 3)
CHANGED = {"resamplings": 2, "sampler": "ddim"}


def bench() -> Bench:
    return Bench(MASKED, lambda count: None, torch.zeros(1, 4, dtype=torch.long), lambda clean: clean, 16)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("option", OF_A_WALK)
@pytest.mark.parametrize("name", METHODS)
def test_an_option_of_a_walk_is_used_or_refused(name: str, option: str) -> None:
    method, options = METHODS[name], DrawOptions(**{option: CHANGED[option]})
    seen = Known(torch.ones(1, 4, dtype=torch.bool), torch.zeros(1, 4, dtype=torch.long))
    assert method.name == name
    if option not in method.takes:
        with pytest.raises(ValueError, match=rf"^{option} is for .*, got {CHANGED[option]} with {name}; leave it out"):
            method.check(bench(), seen, options)


def test_condition_drops_no_guidance_scale() -> None:
    shown = Bench(MASKED, bench().denoise, bench().template, bench().decode, 16, given=lambda seen: None)  # type: ignore[arg-type, return-value]
    seen = Known(torch.ones(1, 4, dtype=torch.bool), torch.zeros(1, 4, dtype=torch.long))
    with pytest.raises(ValueError, match="condition takes no guidance scale"):
        draw(shown, seen, 1, "condition", DrawOptions(scale=2.0))
