"""Marginal laws of an n-gram model given what is known: by enumeration, and by the chain rule in any order."""

from itertools import product

import pytest
import torch
from torch import Tensor

from quasistatic.network.transformer import NgramMarginals
from quasistatic.network.transformer.marginals import laws

STATES, LENGTH = 3, 7
TRAIN = torch.randint(STATES, (6, LENGTH), generator=torch.Generator().manual_seed(0))
EVERY = torch.tensor(list(product(range(STATES), repeat=LENGTH)))


def model() -> NgramMarginals:
    made = NgramMarginals(STATES)
    made.fit(TRAIN)
    return made


def log_p(counts: Tensor, x: Tensor) -> Tensor:
    """log p of whole examples: a context of any elements comes first and is summed over."""
    start, law = (part.double() for part in laws(counts))
    before = torch.tensor(list(product(range(STATES), repeat=3)))
    whole = torch.cat([before.repeat_interleave(len(x), 0), x.repeat(len(before), 1)], 1)
    total = start[tuple(whole[:, :3].T)].log()
    for place in range(x.shape[1]):
        total = total + law[tuple(whole[:, place : place + 4].T)].log()
    return total.view(len(before), len(x)).logsumexp(0)


def test_laws_by_hand() -> None:
    """Counts 3 and 1 after state 0, none after 1: p(0) = (3 + 2/2)/(4 + 2), p(0 | 0) = (3 + 2 p(0))/(4 + 2)."""
    start, law = laws(torch.tensor([[3, 1], [0, 0]], dtype=torch.int32))
    torch.testing.assert_close(start, torch.tensor([4 / 6, 2 / 6]))
    first = (3 + 2 * 4 / 6) / 6
    torch.testing.assert_close(law, torch.tensor([[first, 1 - first], [4 / 6, 2 / 6]]))


def test_laws_sum_to_one_and_are_never_0() -> None:
    start, law = laws(model().counts)
    torch.testing.assert_close(law.sum(-1), torch.ones(STATES, STATES, STATES))
    torch.testing.assert_close(start.sum(), torch.ones(()))
    assert (law > 0).all()


@pytest.mark.parametrize("known", ["1010101", "0000001", "1110111", "0111110", "1001001", "0100000", "1011101"])
def test_what_is_told_is_the_conditional_law(known: str) -> None:
    """By summing p over all examples that agree with what is known; before it alone, where a context is complete."""
    made, seen = model(), torch.tensor([one == "1" for one in known])
    weights = log_p(made.counts, EVERY)
    truth = torch.tensor([0, 2, 1, 1, 0, 2, 2])
    found = made(torch.where(seen, truth, STATES)[None])[0]
    full = made.complete(torch.where(seen, truth, STATES)[None])[0]
    last = int(seen.nonzero()[-1])
    for place in range(LENGTH):
        if seen[place] or place > last:
            assert (found[place] == 0).all()
            continue
        given = (EVERY[:, seen] == truth[seen]).all(1)
        before = (EVERY[:, :place][:, seen[:place]] == truth[:place][seen[:place]]).all(1)
        law = [
            torch.stack([weights[rows & (EVERY[:, place] == w)].logsumexp(0) for w in range(STATES)]).log_softmax(0)
            for rows in (given, before)
        ]
        expected = law[0] - law[1] if full[place] else law[0]
        torch.testing.assert_close(found[place].double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("states", "context"), [(40, 2), (150, 1)])
def test_many_states_have_shorter_contexts_and_the_same_law(states: int, context: int) -> None:
    """One hidden element: p(w | all) ∝ the product of the laws of the elements that see it, w itself among them."""
    generator = torch.Generator().manual_seed(1)
    made, x = NgramMarginals(states), torch.randint(states, (1, 9), generator=generator)
    made.fit(torch.randint(states, (300, 9), generator=generator))
    assert made.context == context
    _, law = (part.double() for part in laws(made.counts))
    whole = x.repeat(states, 1)
    whole[:, 4] = torch.arange(states)
    seen = [law[tuple(whole[:, place - context : place + 1].T)].log() for place in range(4, 5 + context)]
    x[0, 4] = states
    expected = torch.stack(seen).sum(0).log_softmax(0) - seen[0]
    torch.testing.assert_close(made(x)[0, 4].double(), expected, rtol=1e-4, atol=1e-5)
    x[0, :3] = states  # a gap before and at the beginning
    assert made(x).isfinite().all()


def test_the_chain_rule_holds_in_every_order() -> None:
    """Σ_j log p(x at σ_j | x at σ_1 … σ_{j−1}) = log p(x), if what is known always ends behind what is asked for."""
    made, x = model(), torch.tensor([[0, 1, 2, 2, 1, 0, 1]])
    ends = log_p(made.counts, EVERY)[(EVERY[:, -1] == x[0, -1])].logsumexp(0)
    for order in ([0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2]):
        total, x_t = ends.clone(), torch.full_like(x, STATES)
        x_t[0, -1] = x[0, -1]
        for place in order:
            value = made(x_t)[0, place]
            if made.complete(x_t)[0, place]:
                value = value + before_by_enumeration(made.counts, x[0], x_t[0] < STATES, place)
            total, x_t[0, place] = total + value[x[0, place]].double(), x[0, place]
        assert total.item() == pytest.approx(log_p(made.counts, x).item(), abs=1e-5)


def before_by_enumeration(counts: Tensor, x: Tensor, known: Tensor, place: int) -> Tensor:
    """log p(x at a place | the known ones before it)."""
    weights = log_p(counts, EVERY)
    rows = (EVERY[:, :place][:, known[:place]] == x[:place][known[:place]]).all(1)
    return torch.stack([weights[rows & (EVERY[:, place] == w)].logsumexp(0) for w in range(STATES)]).log_softmax(0)


def test_training_examples_are_left_out_of_their_own_counts() -> None:
    """The same as a model of the other examples."""
    made, others = model(), NgramMarginals(STATES)
    others.fit(TRAIN[1:])
    x_t = TRAIN[:1].clone()
    x_t[0, 2:4] = STATES
    torch.testing.assert_close(made(x_t, TRAIN[:1]), others(x_t))
    assert (made(x_t) - others(x_t)).abs().max() > 1e-3


def test_a_training_example_may_be_cut_across_two() -> None:
    """Contexts across the edge of two examples were not counted: nothing to leave out, and laws stay laws."""
    made, cut = model(), torch.cat([TRAIN[0, 3:], TRAIN[1, :3]])[None]
    assert (made.counts - made._counted(cut)).min() < 0
    x_t = cut.clone()
    x_t[0, 2:6] = STATES
    assert made(x_t, cut).isfinite().all()


@pytest.mark.parametrize(("states", "context"), [(2, 3), (27, 3), (32, 3), (33, 2), (101, 2), (257, 1), (5000, 0)])
def test_the_context_fits_a_table(states: int, context: int) -> None:
    assert NgramMarginals(states).context == context


def test_batches_of_none_and_of_what_is_all_known_or_all_hidden() -> None:
    made = model()
    assert made(TRAIN[:0]).shape == (0, LENGTH, STATES)
    assert (made(TRAIN) == 0).all()
    assert (made(torch.full_like(TRAIN, STATES)) == 0).all()
    both = torch.stack([TRAIN[0], torch.where(torch.arange(LENGTH) == 2, STATES, TRAIN[1])])
    torch.testing.assert_close(made(both)[1], made(both[1:])[0])


def test_many_states_have_no_contexts_and_tell_nothing() -> None:
    x = torch.tensor([[3, 5000, 7]])
    made = NgramMarginals(5000)
    made.fit(torch.tensor([[1, 2, 3]]))
    assert (made(x) == 0).all()


def test_what_is_told_is_finite_however_unlikely() -> None:
    """After each state another one follows all but always, so that most sequences are all but impossible."""
    made = model()
    made.counts.zero_()
    for state in range(STATES):
        made.counts[..., state, (state + 1) % STATES] = 10**9
    for row in ([0, 1, 2, 0, STATES, 2, 0], [0, 0, 0, 0, STATES, 0, 0], [2, STATES, 0, STATES, STATES, 1, 1]):
        assert made(torch.tensor([row])).isfinite().all()
