"""The law of each masked element given all known ones, under an n-gram model of the training data, in closed form.

An n-gram model is a Markov chain whose state is the last k elements, so that the law of a hidden element is

    p(x_i = w | known) ∝ Σ α_i(b c w) β_i(b c w)                                                         (k = 3)
    α_i(b c d) = Σ_a α_{i−1}(a b c) p(d | a b c) e_i(d)          e_i(d): 1 where x_i may be d, else 0
    β_{i−1}(a b c) = Σ_d p(d | a b c) e_i(d) β_i(b c d)

by one pass to the right and one to the left. p(d | a b c) are counts of the training data, smoothed as in
`ContextCounts`. Such a model is coherent: the chain rule gives the same log p(x) in any order of its elements.
Source: Rabiner 1989, eq. 19–27 (forward–backward); Witten & Bell 1991, method C.
"""

from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

ENTRIES = 2**20
"""Maximum number of probabilities p(d | a b c)."""

LEAST = 1e-12
"""Least probability of a law: three of them in a row are still numbers in single precision."""

LONGEST = 3
"""Maximum number of elements of context."""


class NgramMarginals(nn.Module):
    """Laws of hidden elements by an n-gram model of the longest context that fits into `ENTRIES`, up to `LONGEST`.

    Args:
        states: K, the number of states; others, such as a mask, are hidden elements.
    """

    counts: Tensor

    def __init__(self, states: int) -> None:
        super().__init__()
        self.states = states
        self.context = max((k for k in range(LONGEST + 1) if states ** (k + 1) <= ENTRIES), default=0)
        self.register_buffer("counts", torch.zeros((states,) * (self.context + 1), dtype=torch.int32))

    @torch.no_grad()
    def fit(self, x: Int[Tensor, "n length"]) -> None:
        """Count what follows each context in the training data ``x``; contexts do not cross examples."""
        self.counts.copy_(self._counted(x))

    @torch.no_grad()
    def forward(
        self, x: Int[Tensor, "batch length"], truth: Int[Tensor, "batch length"] | None = None
    ) -> Float[Tensor, "batch length states"]:
        """Return what elements known behind tell of each hidden one, in nats to add to a log-probability.

        That is log p(x_i | all known) − log p(x_i | known before) if the ``context`` elements before it are known; else
        log p(x_i | all known). It is 0 for known elements, and where nothing is known behind.

        Args:
            x: states.
            truth: training data; each example is left out of its own counts, as far as it is in them: one that is cut
                elsewhere has contexts across two examples.
        """
        known, found = x < self.states, torch.zeros(*x.shape, self.states, device=x.device)
        shared = None
        for row, seen in enumerate(known):
            parts = self._parts(seen)
            if not parts:
                continue
            if truth is None and shared is None:
                shared = laws(self.counts)
            own = shared if truth is None else laws((self.counts - self._counted(truth[row : row + 1])).clamp(min=0))
            assert own is not None
            for first, last in parts:
                found[row, first : last + 1] = self._told(own, x[row].tolist(), first, last)
        return found.masked_fill_(known[..., None], 0)

    def complete(self, x: Int[Tensor, "batch length"]) -> Bool[Tensor, "batch length"]:
        """Return whether all of the ``context`` elements before each one are known; those outside count as known."""
        unknown = F.pad((x >= self.states).long(), (self.context, 0)).cumsum(1)
        unknown = F.pad(unknown, (1, 0))
        length = x.shape[1]
        return unknown[:, self.context : self.context + length] == unknown[:, :length]

    def _counted(self, x: Int[Tensor, "n length"]) -> Int[Tensor, "*contexts"]:
        places = max(x.shape[1] - self.context, 0)
        key = torch.zeros(len(x), places, dtype=torch.int64, device=x.device)
        for shift in range(self.context + 1):
            key = key * self.states + x[:, shift : shift + places]
        return torch.bincount(key.flatten(), minlength=self.counts.numel()).view(self.counts.shape).int()

    def _parts(self, known: Bool[Tensor, " length"]) -> list[tuple[int, int]]:
        """Return the first and last hidden element of each part that no known context divides; none at the end."""
        if not self.context:
            return []
        places = known.nonzero()[:, 0]
        if not len(places):
            return []
        hidden = (~known[: int(places[-1])]).nonzero()[:, 0].tolist()
        if not hidden:
            return []
        breaks = [(one, other) for one, other in pairwise(hidden) if other - one > self.context]
        starts = [hidden[0], *(other for _, other in breaks)]
        return list(zip(starts, [*(one for one, _ in breaks), hidden[-1]], strict=True))

    def _told(self, p: tuple[Tensor, Tensor], x: list[int], first: int, last: int) -> Float[Tensor, "places states"]:
        """Return `forward`'s values for the elements from ``first`` to ``last``, which are one part."""
        start, law = p
        k, places = self.context, range(max(first - self.context, 0), min(last + self.context + 1, len(x)))
        known = [state < self.states for state in x]
        chosen = {place: slice(x[place], x[place] + 1) if known[place] else slice(None) for place in places}
        whole = first < k  # the part begins with the example: elements before it are anything
        begin = 0 if whole else first
        before = [slice(None)] * k if whole else [chosen[place] for place in range(first - k, first)]
        alpha, forward, seen = start[tuple(before)], {}, {}
        for place in range(begin, places[-1] + 1):
            seen[place] = law[(*before, chosen[place])]
            joint = (alpha[..., None] * seen[place]).sum(0)
            forward[place] = joint / joint.sum()
            alpha, before = forward[place], [*before[1:], chosen[place]]
        beta, told = torch.ones_like(alpha), {}
        for place in range(places[-1], begin - 1, -1):
            if not known[place]:
                ahead, both = _last(forward[place]), _last(forward[place].double() * beta)
                full = all(known[max(place - k, 0) : place])
                told[place] = (both / both.sum()).log() - (ahead.log() if full else 0)
            beta = (seen[place] * beta).sum(-1)
            beta = beta / beta.amax()
        nothing = start.new_zeros(self.states)
        return torch.stack([told.get(place, nothing).float() for place in range(first, last + 1)])


def _last(joint: Float[Tensor, "*contexts states"]) -> Float[Tensor, " states"]:
    """Return the marginal law of the last axis."""
    return joint.reshape(-1, joint.shape[-1]).sum(0)


def laws(counts: Int[Tensor, "*contexts"]) -> tuple[Float[Tensor, "*start"], Float[Tensor, "*contexts"]]:
    """Return p(a b c) of a context and p(d | a b c), from the counts of a b c d.

    p(d | a b c) = [ c(a b c d) + T p(d | b c) ] / [ c(a b c) + T ],  T the number of different d; p(d | ) from 1/K.

    No probability is below `LEAST`.
    """
    states, axes = counts.shape[-1], counts.ndim
    p, start = torch.full((states,), 1 / states, device=counts.device), torch.ones((), device=counts.device)
    for longest in range(axes):
        count = counts.sum(tuple(range(axes - 1 - longest))) if longest < axes - 1 else counts
        different = (count > 0).sum(-1, keepdim=True)
        total = count.sum(-1, keepdim=True) + different
        p = torch.where(total > 0, (count + different * p) / total.clamp(min=1), p)
        if longest < axes - 1:
            start = start[..., None] * p
    return start, p.clamp(min=LEAST)
