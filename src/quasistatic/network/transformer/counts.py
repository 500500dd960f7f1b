"""Counts of what followed each context in the training data: an n-gram model, as a part of a network.

    p(w | h) = [ c(h w) + T(h) p(w | h′) ] / [ c(h) + T(h) ],        p(w | ) from p = 1/K

for a state w after the states h; h′ omits the oldest of them; T(h) is the number of different states that followed h.
In training, an element's own occurrence is left out of all counts, so what the network learns to add fits new data.
Source: Witten & Bell 1991, method C; interpolated as in Chen & Goodman 1999, eq. 14.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

UNUSED = torch.iinfo(torch.int64).max
"""Key of a row that holds no context."""


class ContextCounts(nn.Module):
    """The n-gram model of up to ``order`` states of context, by a table of at most ``contexts`` of them.

    Args:
        states: K, the number of states; others, such as a mask, belong to no context.
        order: states of the longest context.
        contexts: rows of the table; if there are more contexts, the most frequent ones are kept.
    """

    keys: Tensor
    counts: Tensor

    def __init__(self, states: int, order: int, contexts: int) -> None:
        super().__init__()
        self.states, self.order = states, order
        self.register_buffer("keys", torch.full((contexts,), UNUSED))
        self.register_buffer("counts", torch.zeros(contexts + 1, states, dtype=torch.int32))  # the last: not seen

    @torch.no_grad()
    def fit(self, x: Int[Tensor, "n length"], there: Bool[Tensor, "n length"] | None = None) -> None:
        """Count contexts and what follows them; contexts do not cross examples.

        Args:
            x: states.
            there: whether each element is counted as a follower; None counts all.
        """
        keys, counts = [], []
        for length in range(min(self.order, x.shape[1] - 1) + 1):
            key, follows = self._keys(x, length).flatten(), x[:, length:].flatten()
            if there is not None:
                kept = there[:, length:].flatten()
                key, follows = key[kept], follows[kept]
            found, which = key.unique(return_inverse=True)
            pairs = which * self.states + follows
            keys.append(found)
            counts.append(torch.bincount(pairs, minlength=len(found) * self.states).view(-1, self.states))
        key, count, rows = torch.cat(keys), torch.cat(counts), len(self.keys)
        most = count.sum(1).argsort(descending=True, stable=True)[:rows]
        most = most[key[most].argsort()]
        self.keys.fill_(UNUSED)[: len(most)] = key[most]
        self.counts.zero_()[: len(most)] = count[most].int()

    def forward(
        self, x: Int[Tensor, "batch length"], truth: Int[Tensor, "batch length"] | None = None
    ) -> Float[Tensor, "batch length states"]:
        """Return log p of each state at each place, given the states before it.

        Args:
            x: states; contexts with others, such as a mask, have no counts, and shorter ones are used.
            truth: training data, whose own state at each place is left out of the counts.
        """
        p = torch.full((*x.shape, self.states), 1 / self.states, device=x.device)
        for length in range(min(self.order, x.shape[1] - 1) + 1):
            key = self._keys(x, length)
            place = torch.searchsorted(self.keys, key).clamp(max=len(self.keys) - 1)
            row = torch.where(self.keys[place] == key, place, len(self.keys))
            count = self.counts[row].float()
            if truth is not None:
                there = truth[:, length:, None]
                count = count.scatter_add(-1, there, torch.full_like(there, -1, dtype=count.dtype)).clamp_(min=0)
            different = (count > 0).sum(-1, keepdim=True)
            total = count.sum(-1, keepdim=True) + different
            longer = (count + different * p[:, length:]) / total.clamp(min=1)
            p = torch.cat([p[:, :length], torch.where(total > 0, longer, p[:, length:])], 1)
        return p.log()

    def _keys(self, x: Int[Tensor, "n length"], context: int) -> Int[Tensor, "n places"]:
        """Return a number of the context of each place that has one of this length."""
        places = x.shape[1] - context
        key = torch.zeros(len(x), places, dtype=torch.int64, device=x.device)
        for back in range(1, context + 1):
            key = key * (self.states + 2) + x[:, context - back : context - back + places] + 1
        return key
