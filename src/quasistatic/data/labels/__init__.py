"""Matches class labels: a data set's labels with a model's classes by name, and one class by name or number."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from quasistatic.data.dataset import Dataset
from quasistatic.runtime.fields import brief

SHOWN = 12
"""Class names listed in a message."""


def relabelled(dataset: Dataset, classes: tuple[str, ...]) -> Dataset:
    """Return ``dataset`` with its labels numbered as in ``classes``, matched by name.

    If all images are in one sub-folder with the name of a class, they get that class. A set without labels and without
    sub-folders stays unlabelled.

    Raises:
        ValueError: if a label, or the only sub-folder, is not in ``classes``.
    """
    if dataset.labels is None:
        return _of_one_folder(dataset, classes) if dataset.folders else dataset
    if dataset.classes == classes:
        return dataset
    places = {name: place for place, name in enumerate(classes)}
    used = dataset.labels.unique().tolist()
    unknown = [dataset.classes[label] for label in used if dataset.classes[label] not in places]
    if unknown:
        raise ValueError(
            f"{dataset.name}: labels are matched by name, and the model knows {listed(classes)}; got "
            f"{listed([repr(name) for name in unknown])}; rename or drop these examples"
        )
    numbers = torch.tensor([places.get(name, -1) for name in dataset.classes])
    return replace(dataset, labels=numbers[dataset.labels], classes=classes)


def _of_one_folder(dataset: Dataset, classes: tuple[str, ...]) -> Dataset:
    found = [name for name in dataset.folders if name in classes]
    below = "/".join(dataset.folders)
    if len(found) > 1:
        raise ValueError(
            f"{dataset.name}: the images lie in {below}, which names {len(found)} of the model's classes; give the "
            "folder above the class folder"
        )
    if not found:
        raise ValueError(
            f"{dataset.name}: labels are matched by name, and the model knows {listed(classes)}; got images in the "
            f"sub-folder {below!r} only; rename it, or give {dataset.name}/{below} itself to use them without labels"
        )
    return replace(dataset, labels=torch.full((len(dataset),), classes.index(found[0])), classes=classes)


def class_number(label: Any, classes: tuple[str, ...]) -> int:
    """Return the number of the class ``label``, a name or a number from 0. A text that is both counts as a name.

    Raises:
        TypeError: if it is neither.
        ValueError: if there are no classes, or none has this name or number.
    """
    if not classes:
        raise ValueError(
            f"the model knows 0 classes, got label {label}; leave it out, or train on labelled data with "
            "data.conditional=true"
        )
    if isinstance(label, str) and label in classes:
        return classes.index(label)
    if isinstance(label, bool) or not isinstance(label, int | str):
        raise TypeError(f"a label is the name or the number of one class, got {brief(label)}")
    number = label if not isinstance(label, str) else int(label) if label.isascii() and label.isdigit() else -1
    if not 0 <= number < len(classes):
        raise ValueError(
            f"the model knows {len(classes)} classes, got label {label}; name one of {listed(classes)}, or give its "
            f"number from 0 to {len(classes) - 1}"
        )
    return number


def class_count(name: str, classes: tuple[str, ...]) -> int:
    """Return the number of classes of the data called ``name``, for a class-conditional model.

    Raises:
        ValueError: if there are none.
    """
    if not classes:
        raise ValueError(
            f"a class-conditional model needs labels, and {name} has no labels: images get them from two or more "
            "sub-folders, arrays from `labels`; add them, or set data.conditional=false"
        )
    return len(classes)


def listed(names: Sequence[str]) -> str:
    """Return the first names, separated by commas, and the total number if some are omitted."""
    return ", ".join(names[:SHOWN]) + (f", … ({len(names)} in all)" if len(names) > SHOWN else "")
