"""Features for comparing two sets: (n, d) numbers, float64.

raw            the examples' states: images in [−1, 1], columns in standard deviations, categories one-hot
pca:N          the first N principal components of the real set's states
classifier:N   the last hidden layer of a classifier of the real set's labels; see `judge`
a function     states (batch, *shape) → (batch, d): a torch module in evaluation mode, or any callable
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from quasistatic.data import Codec, Dataset
from quasistatic.evaluation.fidelity.options import Examples
from quasistatic.types import State, batches

Function: TypeAlias = Callable[[Tensor], Tensor | np.ndarray]
"""States (batch, *shape) → features (batch, d)."""

BATCH = 256


def numbers(raw: Shaped[Tensor, "n ..."], codec: Codec) -> Shaped[Tensor, "n ..."]:
    """Return the states of ``raw``; unordered states are one-hot, along a last axis.

    Raises:
        ValueError: if ``raw`` holds values that the codec does not have.
    """
    x = codec.encode(raw)
    return x if x.is_floating_point() else torch.nn.functional.one_hot(x, codec.states).float()  # type: ignore[attr-defined]


def encoded(examples: Examples, real: Examples, rows: Int[np.ndarray, " n"]) -> State:
    """Return the states of some examples, in the units of ``real``.

    Raises:
        ValueError: if a data set holds values that the codec of ``real`` does not have.
    """
    chosen = torch.from_numpy(rows)
    if isinstance(examples, Dataset) and isinstance(real, Dataset):
        try:
            return numbers(examples.batch(chosen), real.codec)
        except ValueError as error:
            raise ValueError(f"{examples.name}, read as {real.name}: {error}") from None
    return torch.as_tensor(examples)[chosen]


def extracted(
    features: str | Function, real: State, samples: Shaped[Tensor, " others *shape"], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of both sets.

    Raises:
        ValueError: see `component_count` and `applied`.
    """
    if not isinstance(features, str):
        return applied(features, real), applied(features, samples)
    flat = [x.flatten(1).double().cpu().numpy() for x in (real, samples)]
    for name, values in zip(("real", "samples"), flat, strict=True):
        check_numbers(values, f"the {name}")
    count = component_count(features)
    if count is None:
        return flat[0], flat[1]
    if count > min(flat[0].shape):
        raise ValueError(
            f"{len(real)} real examples of {flat[0].shape[1]} values have at most {min(flat[0].shape)} principal "
            f"components, got {features}; ask for fewer"
        )
    from sklearn.decomposition import PCA

    components = PCA(count, random_state=seed).fit(flat[0])
    return components.transform(flat[0]), components.transform(flat[1])


def component_count(name: str) -> int | None:
    """Return N of ``pca:N``, None for ``raw``.

    Raises:
        ValueError: if it is neither.
    """
    kind, _, count = name.partition(":")
    if name == "raw":
        return None
    if kind != "pca" or not count.isdecimal() or int(count) < 1:
        raise ValueError(
            f"features are raw, pca:N with N components of at least 1, or classifier for labelled data, got {name!r}"
        )
    return int(count)


@torch.inference_mode()
def applied(function: Function, x: State) -> Float[np.ndarray, "n d"]:
    """Apply ``function`` to ``x`` in batches, on the function's device if it is a module.

    Raises:
        ValueError: if the module is in training mode, or a result has a wrong shape or values that are not finite.
    """
    if isinstance(function, nn.Module) and function.training:
        raise ValueError("a module of features is needed in evaluation mode, got it in training mode; call .eval()")
    home = next(function.parameters(), x).device if isinstance(function, nn.Module) else x.device
    found: list[np.ndarray] = []
    start = 0
    for size in batches(len(x), BATCH):
        part = x[start : start + size].to(home)
        values = function(part)
        values = values.double().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values, dtype=np.float64)
        width = found[0].shape[1] if found else values.shape[-1] if values.ndim else 0
        if values.shape != (size, width) or not width:
            wanted = f"({size}, {width})" if found else f"({size}, d)"
            raise ValueError(
                f"a function of features returns (batch, d), {wanted} for states {tuple(part.shape)}, got "
                f"{values.shape}; flatten or average what it returns"
            )
        found.append(values)
        start += size
    features = np.concatenate(found)
    check_numbers(features, "the features")
    return features


def check_numbers(values: np.ndarray, what: str) -> None:
    """Raise ValueError if a value of the rows ``values`` is NaN or infinite."""
    bad = ~np.isfinite(values)
    if bad.any():
        first = int(bad.any(1).argmax())
        raise ValueError(
            f"{what} should be finite numbers, got {int(bad.sum())} NaN or infinite in {int(bad.any(1).sum())} of "
            f"{len(values)} examples, the first in row {first}; drop these or fix their source"
        )
