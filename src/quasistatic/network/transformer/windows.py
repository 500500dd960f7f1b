"""Guesses of a causal transformer in all windows of a sequence, by one pass.

Where elements are masked in windows one after another, all earlier windows are known and all later ones masked. One
pass gives the same as `CausalTransformer.forward` on each window in turn: earlier windows are read once, as from left
to right, and each window has slots of its own beside them.

    slots of x (whole)          attend to slots of x before them
    slots of x_t (own window)   attend to slots of x in earlier windows, and to known ones of x_t in their window
    queries                     the same

Source: blocks in one pass, Arriola et al. 2025 (arXiv:2503.09573), section 5; here with the queries of `causal`.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from quasistatic.network.transformer.causal import CausalTransformer, certain_ends
from quasistatic.types import Label


def guesses_in_windows(
    network: CausalTransformer,
    x: Int[Tensor, "batch length"],
    x_t: Int[Tensor, "batch length"],
    window: Int[Tensor, "batch length"],
    label: Label | None = None,
) -> Float[Tensor, "batch outputs length"]:
    """Return the outputs of each element given ``x`` of earlier windows and what is known in ``x_t`` of its own.

    Args:
        network: the network.
        x: clean states.
        x_t: states, some of them masked.
        window: number of each element's window, from 0; it does not fall along a sequence.
        label: of each example.
    """
    length, mask = x.shape[1], network.states - 1
    known, shown = x_t != mask, F.pad(window, (1, 0), value=-1)  # slot i shows the element before it
    whole = network._before(x, label) + network.nothing()
    slots = _seen(network, x, x_t, window, shown) + network._label(label, len(x)) + network.nothing()
    own = _seen(network, x, x_t, window, F.pad(window, (0, 1)))[:, :length] + network._label(label, len(x))
    queries = own + _behind(network, x_t, window)
    to_queries, to_slots = _attended(known, shown, window), _attended(known, shown, shown)
    places, keys = network.turns(x, 0), network.turns(x, -1)
    now = places[0][:length], places[1][:length]
    for block in network.layers:
        key, value = block.shown(whole, keys)
        both = [torch.cat(pair, 2) for pair in zip((key, value), block.shown(slots, keys), strict=True)]
        queries = block(queries, now, both[0], both[1], to_queries)
        slots = block(slots, places, both[0], both[1], to_slots)
        whole = block(whole, places, key, value, None)
    return _read(network, queries, x, x_t, window)


def _attended(
    known: Bool[Tensor, "batch length"], shown: Int[Tensor, "batch slots"], own: Int[Tensor, "batch queries"]
) -> Bool[Tensor, "batch 1 queries keys"]:
    """Return which slots of x, then of x_t, each of some queries or slots with the windows ``own`` attends to."""
    earlier = shown[:, None] < own[..., None]
    earlier[..., 0] = True  # the start
    same = (shown[:, None] == own[..., None]) & F.pad(known, (1, 0))[:, None]
    if own.shape[1] == shown.shape[1]:  # slots attend to those up to themselves
        same &= torch.ones(same.shape[1:], dtype=torch.bool, device=same.device).tril()
    return torch.cat([earlier, same], -1)[:, None]


def _seen(
    network: CausalTransformer, x: Tensor, x_t: Tensor, window: Tensor, own: Int[Tensor, "batch slots"]
) -> Float[Tensor, "batch slots width"]:
    """Return the features of the elements before each slot, as they are seen from the window ``own`` of each."""
    place = torch.arange(own.shape[1], device=x.device)[:, None] + torch.arange(-network.config.window, 0).to(x.device)
    inside = place.clamp(min=0)
    states = torch.where(window[:, inside] < own[..., None], x[:, inside], x_t[:, inside])
    return _features(network.before, network, torch.where(place < 0, network.states, states))


def _behind(network: CausalTransformer, x_t: Tensor, window: Tensor) -> Float[Tensor, "batch length width"]:
    """Return the features of the elements behind each one, of which those in later windows are masked."""
    length, mask = x_t.shape[1], network.states - 1
    place = torch.arange(length, device=x_t.device)[:, None] + 1
    place = place + torch.arange(network.config.window, device=x_t.device)
    inside = place.clamp(max=length - 1)
    there = (place < length) & (window[:, inside] == window[..., None])
    return _features(network.behind, network, torch.where(there, x_t[:, inside], mask))


def _features(layer: nn.Module, network: CausalTransformer, states: Int[Tensor, "batch places window"]) -> Tensor:
    return layer(F.embedding(states, network.embedding.weight).transpose(2, 3).flatten(2))


def _read(
    network: CausalTransformer, queries: Float[Tensor, "batch length width"], x: Tensor, x_t: Tensor, window: Tensor
) -> Float[Tensor, "batch outputs length"]:
    """Return outputs, with what counts tell in each window."""
    h = network.norm(queries)
    output = network.last(h).to(torch.get_default_dtype())
    if network.counted is None and not network.config.ends:
        return output.transpose(1, 2)
    mask, found = network.states - 1, torch.zeros_like(output)
    for number in window[x_t == mask].unique().tolist():
        states = torch.where(window < number, x, torch.where(window == number, x_t, mask))
        here = output
        if network.counted is not None:
            counted = network.counted
            told, complete = counted.around(states), counted.around.complete(states)
            here = here + counted.joined(h, counted.before(states), told, complete)
        if network.config.ends:
            here = certain_ends(here.transpose(1, 2), states, mask - 1, in_order=False).transpose(1, 2)
        found = torch.where((window == number)[..., None], here, found)
    return found.transpose(1, 2)
