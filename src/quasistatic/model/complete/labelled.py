"""Completes examples that have labels of their own."""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from quasistatic.model import inputs
from quasistatic.model.bench import DrawOptions
from quasistatic.model.bundle import Bundle
from quasistatic.model.complete import complete, known
from quasistatic.streams import derived_seed
from quasistatic.types import Watch


def complete_labelled(
    model: Bundle,
    observed: Shaped[Tensor, " n *shape"],
    mask: Bool[Tensor, " n *shape"],
    label: Any,
    method: str | None,
    options: DrawOptions,
    watch: Watch | None = None,
) -> Shaped[Tensor, "n draws *shape"]:
    """Draw raw completions of examples, given one label for all of them or a list of one for each.

    Examples of one label are completed together. With several labels, each has random numbers of its own.

    Raises:
        ValueError: if there is another number of labels than of examples; or see `complete`.
        TypeError: see `complete`.
    """
    own = inputs.labels(label)
    if not isinstance(own, list):
        return complete(model, known(model, observed, mask), method, replace(options, label=own), watch).draws
    if len(own) != len(observed):
        raise ValueError(f"several labels are one for each of {len(observed)} examples, got {len(own)}")
    parts, rows, before = list[Tensor](), list[int](), 0
    for place, one in enumerate(dict.fromkeys(own)):
        mine = [row for row, other in enumerate(own) if other == one]
        told = replace(options, label=one, seed=derived_seed(options.seed, f"label {place}"))
        own_watch = None if watch is None else _share(watch, before, len(mine), len(own))
        parts.append(complete(model, known(model, observed[mine], mask[mine]), method, told, own_watch).draws)
        rows, before = [*rows, *mine], before + len(mine)
    return torch.cat(parts)[torch.tensor(rows).argsort()]


def _share(watch: Watch, before: int, mine: int, total: int) -> Watch:
    """Return a watch of a part of the examples, from that of all of them."""
    return lambda done, steps: watch(before * steps + mine * done, total * steps)
