"""A small classifier, trained on the labels of real examples, that judges samples and held-out real examples.

    images       sides of at most 32 (averaged) → three strided convolutions → linear → features → class
    other data   flattened states → two linear layers → features → class

The features are the last hidden layer (after its ReLU), divided by one number: their average variance is 1 over the
examples that the classifier learned from. Nothing that it learned from is compared with the samples.
Images of 16 pixels a side or more are shifted by up to a pixel in training. There is no batch normalisation: with it, a
classifier of MNIST was sure of uniform noise (docs/log.md).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from quasistatic.data import Dataset
from quasistatic.data.labels import listed, relabelled
from quasistatic.evaluation.fidelity.features import applied, encoded
from quasistatic.evaluation.fidelity.options import Tick
from quasistatic.runtime.device import pick_device
from quasistatic.streams import derived_seed
from quasistatic.types import Label, State

NAME = "classifier"
"""Name of the features, as users type it."""
WIDTH, WIDEST = 64, 4096
"""Number of features if none is asked for, and the maximum."""
HELD_OUT = 1 / 3
"""Fraction of the real examples that the classifier does not learn from, if the training data are not given."""
FEWEST = 15
"""Minimum number of examples of each class."""
SIDE = 32
"""Maximum side of the images that the classifier works on."""
LEARNED, BYTES = 50_000, 2**28
"""Maximum number of examples that the classifier learns from, and of bytes that they take."""
EPOCHS, FEWEST_SEEN, MOST_SEEN = 20, 20_000, 100_000
"""Training sees each example this often, but at least and at most this many examples in all."""
BATCH, RATE = 64, 3e-3
"""Batch size and maximum learning rate."""
SHIFTED = 16
"""Minimum side of images that are shifted in training."""
STAGES = 20
"""Stages of training that are reported as progress."""
MEASURED = 2**13
"""Maximum number of examples that decide the scale of the features."""
BLOCK = 2**22
"""Numbers that are read at a time."""

HOW_TO_LABEL = (
    "images get labels from two or more sub-folders or an IDX file of labels beside them, arrays from `labels` in an "
    ".npz; or use --features raw or pca:N"
)


def width_of(features: str) -> int:
    """Return N of ``classifier:N``, and the default for ``classifier``.

    Raises:
        ValueError: if N is not a whole number from 1 to `WIDEST`.
    """
    count = features.partition(":")[2]
    if features == NAME:
        return WIDTH
    if not count.isdecimal() or not 1 <= int(count) <= WIDEST:
        raise ValueError(f"a classifier has from 1 to {WIDEST:,} features, as in {NAME}:32, got {features!r}")
    return int(count)


@dataclass(frozen=True, eq=False)
class JudgeData:
    """What the classifier learns from, and the real examples that it does not see. Both number classes alike.

    ``note`` says in an error where real examples went.
    """

    learned: Dataset
    held_out: Dataset
    note: str


def parts(real: object, training: object, seed: int) -> JudgeData:
    """Choose what the classifier learns from: the model's training data if they are labelled, else part of ``real``.

    Args:
        real: the real examples.
        training: the model's training data, which exclude ``real``; or None.
        seed: of the choice.

    Raises:
        TypeError: if ``real`` is not a data set.
        ValueError: if it has no labels, or the labels have one class, too few examples of a class, or other names than
            those of ``training``.
    """
    if not isinstance(real, Dataset):
        raise TypeError(
            "a classifier learns from a data set with labels, got a tensor; give "
            "`quasistatic.data.from_tensor(name, values, labels=...)` for both sets"
        )
    if real.labels is None:
        raise ValueError(f"a classifier learns from labels, and {real.name} has none: {HOW_TO_LABEL}")
    if isinstance(training, Dataset) and training.labels is not None:
        training = _with_class_names(training)
        _check_classes(training)
        return JudgeData(training, _named_alike(_with_class_names(real), training), "")
    real = _with_class_names(real)
    _check_classes(real)
    from sklearn.model_selection import train_test_split

    known, unseen = train_test_split(
        np.arange(len(real)), test_size=HELD_OUT, stratify=_labels(real).numpy(), random_state=seed
    )
    learned, held_out = (real.select(torch.from_numpy(rows)) for rows in (known, unseen))
    note = f" (the classifier learns from {len(learned)} of {len(real)} real examples, which are not compared)"
    return JudgeData(learned, held_out, note)


def _labels(dataset: Dataset) -> Label:
    return dataset.labels_of(torch.arange(len(dataset)))


def _with_class_names(dataset: Dataset) -> Dataset:
    """Return a labelled data set whose classes have names: their numbers, unless it has names."""
    count = int(_labels(dataset).max()) + 1
    return dataset if len(dataset.classes) >= count else replace(dataset, classes=tuple(map(str, range(count))))


def _check_classes(dataset: Dataset) -> None:
    """Raise ValueError unless there are two or more classes, each with enough examples."""
    counts = torch.bincount(_labels(dataset), minlength=len(dataset.classes)).tolist()
    present = [name for name, count in zip(dataset.classes, counts, strict=True) if count]
    if len(present) < 2:
        raise ValueError(
            f"a classifier needs at least two classes, and all of {dataset.name} is of class {present[0]!r}: "
            f"{HOW_TO_LABEL}"
        )
    few = [f"{name!r} ({count})" for name, count in zip(dataset.classes, counts, strict=True) if 0 < count < FEWEST]
    if few:
        raise ValueError(
            f"a classifier needs at least {FEWEST} examples of each class, and {dataset.name} has fewer of "
            f"{listed(few)}; add some, drop or merge these classes, or use --features raw or pca:N"
        )


def _named_alike(real: Dataset, training: Dataset) -> Dataset:
    try:
        return relabelled(real, training.classes)
    except ValueError:
        raise ValueError(
            f"{real.name} and the training data need the same class names, got {listed(real.classes)} and "
            f"{listed(training.classes)}; rename them"
        ) from None


def with_labels(samples: Dataset, classes: tuple[str, ...]) -> Dataset:
    """Return ``samples`` with labels numbered as in ``classes``; without labels if a name is not in ``classes``."""
    if samples.labels is None:
        return samples
    try:
        return relabelled(_with_class_names(samples), classes)
    except ValueError:
        return replace(samples, labels=None, classes=())


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a classifier says of examples: features (n, width), class probabilities, and the labels that they have."""

    features: Float[np.ndarray, "n width"]
    chances: Float[np.ndarray, "n classes"]
    labels: Int[np.ndarray, " n"] | None

    def of(self, rows: slice) -> "Judgement":
        """Return the judgement of some rows."""
        return Judgement(self.features[rows], self.chances[rows], None if self.labels is None else self.labels[rows])


class Judge(nn.Module):
    """A classifier: states (batch, *shape) → features and class probabilities (batch, width + classes).

    Attributes:
        width: number of features.
        examples: number of examples that it learned from.
    """

    scale: Tensor

    def __init__(self, shape: tuple[int, ...], width: int, classes: int) -> None:
        super().__init__()
        self.width, self.examples, self.image = width, 0, len(shape) == 3
        self.factor = math.ceil(max(shape[1:]) / SIDE) if self.image else 1
        if self.image:
            sides = [math.ceil(math.ceil(side / self.factor) / 8) for side in shape[1:]]  # each convolution halves
            layers: list[nn.Module] = [
                nn.Conv2d(shape[0], 32, 5, 2, 2),
                nn.Conv2d(32, 64, 3, 2, 1),
                nn.Conv2d(64, 64, 3, 2, 1),
            ]
            count = 64 * math.prod(sides)
        else:
            layers, count = [nn.Linear(math.prod(shape), 256)], 256
        hidden = [part for layer in layers for part in (layer, nn.ReLU())]
        self.body = nn.Sequential(*hidden, nn.Flatten(), nn.Linear(count, width), nn.ReLU())
        self.last = nn.Linear(width, classes)
        self.register_buffer("scale", torch.ones(()))
        for name, value in self.body.named_parameters():
            nn.init.zeros_(value) if name.endswith("bias") else nn.init.kaiming_normal_(value, nonlinearity="relu")

    def inputs(self, x: State) -> Float[Tensor, "batch ..."]:
        """Return states as the layers take them: small images, or flat."""
        if not self.image:
            return x.flatten(1).float()
        small = F.avg_pool2d(x.float(), self.factor, ceil_mode=True) if self.factor > 1 else x.float()
        return small.contiguous(memory_format=torch.channels_last)

    def forward(self, x: State) -> Float[Tensor, "batch width_and_classes"]:
        features = self.body(self.inputs(x))
        return torch.cat([features / self.scale, self.last(features).softmax(1)], 1)


def trained(labelled: Dataset, real: Dataset, width: int, seed: int, tick: Tick) -> Judge:
    """Train a classifier on a labelled data set, on the chosen device; at most `LEARNED` examples, taken at random.

    Args:
        labelled: examples with labels.
        real: the set whose codec makes states of them.
        width: number of features.
        seed: of the first weights, the choice and order of examples and the shifts.
        tick: called `STAGES` times.

    Returns:
        The classifier, in evaluation mode.

    Raises:
        ArithmeticError: if all features are constant: the classifier learned nothing.
    """
    first, device = encoded(labelled, real, np.arange(1)), pick_device()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derived_seed(seed, "weights of the judge"))
        judge = Judge(tuple(first.shape[1:]), width, len(labelled.classes))
    judge.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    draws = torch.Generator().manual_seed(derived_seed(seed, "examples of the judge"))
    most = max(1, min(LEARNED, BYTES // (4 * judge.inputs(first).numel())))
    rows = torch.randperm(len(labelled), generator=draws)[:most]
    inputs = torch.cat([judge.inputs(encoded(labelled, real, block)).to(device) for block in _blocks(rows, labelled)])
    judge.examples = len(rows)
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        _fit(judge, inputs, labelled.labels_of(rows).to(device), draws, tick)
    judge.eval()
    variance = float(applied(judge.body, inputs[:MEASURED]).var(0).mean())
    if not variance > 0:
        raise ArithmeticError(
            f"the classifier's features are the same for all examples of {labelled.name}: it learned nothing from "
            "their labels; use --features raw or pca:N"
        )
    judge.scale.fill_(variance**0.5)
    return judge


def _blocks(rows: Int[Tensor, " n"], dataset: Dataset) -> Iterator[Int[np.ndarray, " block"]]:
    """Split rows into blocks that fit into memory."""
    return (block.numpy() for block in rows.split(max(1, BLOCK // dataset.dimensions)))


def _fit(judge: Judge, inputs: Tensor, labels: Label, draws: torch.Generator, tick: Tick) -> None:
    count, size = len(inputs), min(BATCH, len(inputs))
    seen = min(max(EPOCHS * count, FEWEST_SEEN), MOST_SEEN)
    order = torch.cat([torch.randperm(count, generator=draws) for _ in range(math.ceil(seen / count))])
    steps, order = seen // size, order.to(inputs.device)
    shifts = torch.randint(3, (steps, 2), generator=draws).tolist()
    moves = judge.image and min(inputs.shape[2:]) >= SHIFTED
    optimizer = torch.optim.AdamW(judge.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps)
    for step, rows in enumerate(order.split(size)[:steps]):
        x = shifted_by(inputs[rows], *shifts[step]) if moves else inputs[rows]
        optimizer.zero_grad()
        F.cross_entropy(judge.last(judge.body(x)), labels[rows]).backward()
        optimizer.step()
        schedule.step()
        for _ in range((step + 1) * STAGES // steps - step * STAGES // steps):
            tick()


def shifted_by(x: Float[Tensor, "batch c h w"], down: int, right: int) -> Float[Tensor, "batch c h w"]:
    """Return images shifted by ``down`` − 1 and ``right`` − 1 pixels (0, 1 or 2); the border is repeated."""
    height, width = x.shape[2:]
    return F.pad(x, (1, 1, 1, 1), mode="replicate")[..., 2 - down :, 2 - right :][..., :height, :width]


def judged(judge: Judge, dataset: Dataset, real: Dataset, rows: Int[np.ndarray, " n"]) -> Judgement:
    """Return what a classifier says of the given rows of ``dataset``, read in the units of ``real``."""
    blocks = _blocks(torch.from_numpy(rows), dataset)
    found = np.concatenate([applied(judge, encoded(dataset, real, block)) for block in blocks])
    labels = None if dataset.labels is None else dataset.labels.numpy()[rows]
    return Judgement(found[:, : judge.width], found[:, judge.width :], labels)
