"""Labels matched by name."""

import numpy as np
import pytest
from PIL import Image

from quasistatic.data.contents import DataOptions
from quasistatic.data.labels import class_count, class_number, relabelled
from quasistatic.data.load import load
from quasistatic.data.source.arrays import Array

MODEL = ("ant", "bee", "cat")


def folder(place, *names):
    for number, name in enumerate(names):
        (place / name).mkdir(parents=True)
        Image.fromarray(np.full((4, 4), number, np.uint8)).save(place / name / "1.png")
    return load(place)


def test_labels_are_numbered_as_in_the_model(tmp_path):
    data = folder(tmp_path, "bee", "cat")
    assert data.labels.tolist() == [0, 1]
    found = relabelled(data, MODEL)
    assert (found.labels.tolist(), found.classes) == ([1, 2], MODEL)
    assert relabelled(found, MODEL) is found
    assert found.fingerprint == data.fingerprint
    rest, held_out = found.split(1, 0)
    assert sorted([*rest.labels.tolist(), *held_out.labels.tolist()]) == [1, 2]


def test_a_class_that_no_example_has_is_no_hindrance():
    data = Array("a", np.arange(6).reshape(3, 2), np.array([0, 2, 2]), ("ant", "wasp", "bee")).dataset(DataOptions())
    assert relabelled(data, MODEL).labels.tolist() == [0, 1, 1]
    seen = Array("a", np.arange(2).reshape(1, 2), np.array([1]), ("ant", "wasp")).dataset(DataOptions())
    with pytest.raises(ValueError, match="matched by name, and the model knows ant, bee, cat; got 'wasp'; rename"):
        relabelled(seen, MODEL)


@pytest.mark.parametrize(("below", "label"), [("cat", 2), ("test/bee", 1), ("ant/deep", 0)])
def test_the_only_sub_folder_may_be_a_class(tmp_path, below, label):
    data = folder(tmp_path, below)
    assert data.labels is None
    assert relabelled(data, MODEL).labels.tolist() == [label]


def test_an_unknown_only_sub_folder_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"got images in the sub-folder 'dog' only; rename it, or give .*/dog itself"):
        relabelled(folder(tmp_path, "dog"), MODEL)
    with pytest.raises(ValueError, match="lie in bee/ant, which names 2 of the model's classes"):
        relabelled(folder(tmp_path / "both", "bee/ant"), MODEL)


def test_data_without_labels_stay_without(tmp_path):
    folder(tmp_path, "dog")
    for data in (load(tmp_path / "dog"), load("heartbeat", limit=3)):
        assert relabelled(data, MODEL) is data


def test_a_class_is_named_or_numbered():
    assert [class_number(label, MODEL) for label in ("bee", "2", 0)] == [1, 2, 0]
    assert class_number("1", ("1", "10", "2")) == 0, "a text that is both is a name"
    for label in ("dog", "-1", 3, -1, "²"):
        with pytest.raises(
            ValueError, match=rf"knows 3 classes, got label {label}; name one of ant, bee, cat, or give"
        ):
            class_number(label, MODEL)
    with pytest.raises(ValueError, match="knows 0 classes, got label cat; leave it out"):
        class_number("cat", ())
    with pytest.raises(ValueError, match=r"one of 0, 1, .*, 11, … \(40 in all\), or give its number from 0 to 39"):
        class_number(40, tuple(map(str, range(40))))


def test_a_conditional_model_needs_classes():
    assert class_count("a", MODEL) == 3
    with pytest.raises(ValueError, match="needs labels, and a has no labels"):
        class_count("a", ())
