"""Converts between the weight names of diffusers' UNet2DModel and ours."""

from collections.abc import Iterator

import torch
from torch import Tensor

from quasistatic.network import UNetConfig


def _pairs(network: UNetConfig) -> Iterator[tuple[str, str]]:
    """Yield (our name, their name) of every module with a weight and a bias; q, k and v of an attention are one."""
    levels = len(network.multipliers)
    yield from (("condition.first", "time_embedding.linear_1"), ("condition.second", "time_embedding.linear_2"))
    yield from (("stem", "conv_in"), ("norm", "conv_norm_out"), ("last", "conv_out"))
    yield from _block("middle.0", "mid_block", 0, True)
    yield from _block("middle.1", "mid_block", 1, False)
    for way, count, more in (("down", network.blocks, "downsamplers"), ("up", network.blocks + 1, "upsamplers")):
        step = 0
        for place in range(levels):
            level = place if way == "down" else levels - 1 - place
            for block in range(count):
                yield from _block(f"{way}.{step}", f"{way}_blocks.{place}", block, level in network.attention)
                step += 1
            if place != levels - 1:
                yield f"{way}.{step}.conv", f"{way}_blocks.{place}.{more}.0.conv"
                step += 1


def _block(our: str, their: str, number: int, attention: bool) -> Iterator[tuple[str, str]]:
    names = {"norm1": "norm1", "conv1": "conv1", "shift": "time_emb_proj", "norm2": "norm2", "conv2": "conv2"}
    for mine, other in (names | {"shortcut": "conv_shortcut"}).items():
        yield f"{our}.residual.{mine}", f"{their}.resnets.{number}.{other}"
    if attention:
        for mine, other in {"norm": "group_norm", "project": "to_q to_k to_v", "last": "to_out.0"}.items():
            yield f"{our}.attention.{mine}", f"{their}.attentions.{number}.{other}"


OLDER = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
"""What attention's weights were called in the first folders."""


def _parts(their: str) -> list[str]:
    """Return the names of their modules that correspond to one of ours."""
    place, _, last = their.rpartition(".")
    return [f"{place}.{name}" for name in last.split(" ")] if " " in last else [their]


def our_weights(theirs: dict[str, Tensor], network: UNetConfig, cosines_first: bool = False) -> dict[str, Tensor]:
    """Rename the weights of a UNet2DModel to those of ``network``.

    Args:
        theirs: its state by name.
        network: the same network here.
        cosines_first: whether its time embedding is [cos, sin]; ours is [sin, cos].

    Raises:
        ValueError: if a weight is missing, or has no place in ``network``.
    """
    left = {_newer(name): value for name, value in theirs.items()}
    ours = {}
    for our, their in _pairs(network):
        if our.endswith("shortcut") and f"{their}.weight" not in left:
            continue
        for kind in ("weight", "bias"):
            wanted = [f"{part}.{kind}" for part in _parts(their)]
            missing = [name for name in wanted if name not in left]
            if missing:
                raise ValueError(f"the pipeline's weights should hold {missing[0]}, and do not; the folder is damaged")
            ours[f"{our}.{kind}"] = torch.cat([left.pop(name) for name in wanted])
    if left:
        raise ValueError(f"the pipeline's weights hold {next(iter(left))}, which has no place in {network}")
    if cosines_first:
        ours["condition.first.weight"] = _swapped(ours["condition.first.weight"])
    return ours


def their_weights(ours: dict[str, Tensor], network: UNetConfig) -> dict[str, Tensor]:
    """Rename the weights of ``network`` to those of a UNet2DModel."""
    theirs = {}
    for our, their in _pairs(network):
        for kind in ("weight", "bias"):
            if f"{our}.{kind}" in ours:
                names = _parts(their)
                for name, value in zip(names, ours[f"{our}.{kind}"].chunk(len(names)), strict=True):
                    theirs[f"{name}.{kind}"] = value
    return theirs


def _newer(name: str) -> str:
    for new, old in OLDER.items():
        name = name.replace(f".{old}.", f".{new}.") if ".attentions." in name else name
    return name


def _swapped(weight: Tensor) -> Tensor:
    half = weight.shape[1] // 2
    return torch.cat([weight[:, half:], weight[:, :half]], dim=1)
