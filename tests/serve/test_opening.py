"""Opening a run loads its model once; the report on its data is that of `quasistatic check`."""

import json
from collections.abc import Callable

import pytest

from quasistatic.data import inspect
from quasistatic.model import Model
from quasistatic.serve.worker import examples
from quasistatic.serve.worker.desk import Desk


def test_an_opened_model_stays_and_has_been_evaluated(
    desk_for: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, loaded = desk_for("digits"), list[str]()
    load = Model.from_pretrained
    monkeypatch.setattr(Model, "from_pretrained", lambda folder: loaded.append(folder) or load(folder))
    evaluated = list[int]()
    assert examples.open_run(desk, {}) == {"held_out": True}
    desk.model().network.register_forward_hook(lambda *_: evaluated.append(1))
    assert examples.open_run(desk, {}) == {"held_out": True}
    assert len(loaded) == 1
    assert evaluated == [], "a model that is there is not evaluated again"


@pytest.mark.parametrize("name", ["digits", "people", "verse"])
def test_the_report_is_that_of_check(desk_for: Callable[..., Desk], name: str) -> None:
    desk = desk_for(name)
    found = examples.data_report(desk, {})
    json.dumps(found, allow_nan=False)
    source, dataset = desk.known(desk.model())
    expected = inspect(source, desk.model().config.data.reading())
    assert found["report"]["count"] == expected.count
    assert found["report"]["ready"] is True
    assert "/" not in found["report"]["source"]
    assert found["held_out"] == len(desk.model().held_out(dataset))
    assert dict(found["labels"]) == {str(label): count for label, count in expected.labels.items()}


def test_data_that_are_not_known_here_have_no_report(desk_for: Callable[..., Desk]) -> None:
    desk = desk_for("people")
    desk._data = ()
    with pytest.raises(ValueError, match="--data DATA"):
        examples.data_report(desk, {})
