"""The causal transformer: one pass gives what masked states give in as many as there are elements."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from quasistatic.denoiser import Denoiser
from quasistatic.denoiser.head import CategoricalHead
from quasistatic.evaluation import ordered
from quasistatic.evaluation.baselines.ngram import ngrams
from quasistatic.network import CausalConfig, CausalTransformer, TransformerConfig
from quasistatic.network.transformer import ContextCounts, NgramMarginals
from quasistatic.objective import OneByOne
from quasistatic.process import CategoricalProcess
from quasistatic.schedule import Reciprocal, Staggered

SMALL = CausalConfig(width=16, depth=2, head_width=8, embedding=4, window=3)
LENGTH, STATES = 7, 5
MASK = STATES - 1


def network(classes: int = 0, context: int = 0) -> CausalTransformer:
    """The network with weights away from zero, so that every part of it counts."""
    torch.manual_seed(0)
    found = replace(SMALL, context=context, contexts=64).build((LENGTH,), MASK, classes, STATES)
    found.begin(data(50))
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return found.eval()


def times(batch: int) -> Tensor:
    return torch.full((batch,), 0.5, dtype=torch.float64)


def data(batch: int) -> Tensor:
    return torch.randint(MASK, (batch, LENGTH), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("batch", [0, 1, 5])
@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("context", [0, 2])
def test_one_pass_gives_what_masked_states_give(batch: int, classes: int, context: int) -> None:
    """The output of element i, with masks from i on, equals that of the pass over the whole example."""
    made, x = network(classes, context), data(batch)
    label = torch.arange(batch) % (classes + 1) if classes else None
    whole = made(x, None, label)
    assert whole.shape == (batch, MASK, LENGTH)
    for place in range(LENGTH):
        x_t = x.clone()
        x_t[:, place:] = MASK
        torch.testing.assert_close(made(x_t, times(batch), label)[..., place], whole[..., place], rtol=1e-5, atol=1e-5)


def test_a_guess_sees_known_elements_on_both_sides_and_nothing_else() -> None:
    """The output of a masked element changes with each known one, near or far, and never with a masked one."""
    made = network()
    x_t = torch.tensor([[0, MASK, 1, MASK, MASK, 2, 3]])
    before = made(x_t, times(1))[..., 3]
    for place in (0, 2, 5, 6):
        other = x_t.clone()
        other[:, place] = (other[:, place] + 1) % MASK
        assert (made(other, times(1))[..., 3] - before).abs().max() > 1e-4
    longer = x_t.clone()
    longer[:, 1] = 0
    assert (made(longer, times(1))[..., 3] - before).abs().max() > 1e-4
    torch.testing.assert_close(made(x_t, 0.2 * times(1))[..., 3], before)


def test_the_score_of_an_order_is_the_same_in_one_pass() -> None:
    process = CategoricalProcess.absorbing(Staggered(Reciprocal(), (LENGTH,)), STATES)
    denoiser, x = Denoiser(process, network(), CategoricalHead(MASK)), data(4)
    with torch.no_grad():
        slow = ordered(process, denoiser, x)
        fast = ordered(process, denoiser, x, whole=lambda x: denoiser.left_to_right(x).log_prob(x))
    assert (slow.evaluations, fast.evaluations) == (LENGTH, 1)
    torch.testing.assert_close(slow.value, fast.value, rtol=1e-5, atol=1e-5)


def test_the_objective_is_minus_the_likelihood_or_the_bound_of_masks_anywhere() -> None:
    """At times above the masked share, the cost of an example is −log p(x); below, it varies with the masks."""
    process = CategoricalProcess.absorbing(Staggered(Reciprocal(), (LENGTH,)), STATES)
    denoiser, x = Denoiser(process, network(), CategoricalHead(MASK)), data(6)
    objective = OneByOne(100, masked=0.3)
    late, early = (torch.full((6,), t, dtype=torch.float64) for t in (0.31, 0.15))
    with torch.no_grad():
        costs = objective.of(denoiser, lambda clean: clean, x, late)
        torch.testing.assert_close(costs, -ordered(process, denoiser, x).value.float(), rtol=1e-5, atol=1e-5)
        torch.manual_seed(1)
        mixed = torch.stack([objective.of(denoiser, lambda clean: clean, x, early) for _ in range(8)])
    assert mixed.isfinite().all()
    assert (mixed.std(0) > 0).any()


def test_all_masked_at_the_end_of_time_costs_one_step_of_all() -> None:
    """At t = 1 all elements are masked: the last of T steps shows each with probability 1/T."""
    process = CategoricalProcess.absorbing(Staggered(Reciprocal(), (LENGTH,)), STATES)
    denoiser, x = Denoiser(process, network(), CategoricalHead(MASK)), data(3)
    objective, top = OneByOne(10, masked=1.0), torch.ones(3, dtype=torch.float64)
    with torch.no_grad():
        cost = objective.of(denoiser, lambda clean: clean, x, top)
        guess = denoiser(torch.full_like(x, MASK), top)
    torch.testing.assert_close(cost, -guess.log_prob(x).sum(1), rtol=1e-5, atol=1e-5)


def counted() -> CausalTransformer:
    """A network with counts of some data."""
    torch.manual_seed(0)
    made = replace(SMALL, context=2, contexts=64).build((LENGTH,), MASK, 0, STATES)
    made.begin(data(50))
    return made.eval()


def test_counts_start_as_the_baseline_n_gram() -> None:
    """Without training, log p of held-out data is that of the interpolated trigram of the same training data."""
    made, train, test = (
        counted(),
        data(50),
        torch.randint(MASK, (9, LENGTH), generator=torch.Generator().manual_seed(2)),
    )
    found = made(test, None).movedim(1, -1).log_softmax(-1).gather(-1, test[..., None])[..., 0].sum(1)
    torch.testing.assert_close(found.double(), ngrams(train, test, MASK, [3])[3], rtol=1e-5, atol=1e-5)


def test_counts_of_both_sides_tell_of_an_element_before_any_training() -> None:
    """After a known context, p ∝ p(x | before) p(x | all)/p(x | chain before); after a gap, the chain's p(x | all)."""
    made, train = counted(), data(50)
    both, around = ContextCounts(MASK, 2, 64), NgramMarginals(MASK)
    both.fit(train)
    around.fit(train)
    x_t = torch.tensor([[0, 1, 3, MASK, 2, MASK, MASK]])
    found, told = made(x_t, times(1)).movedim(1, -1)[0], around(x_t)[0]
    for place, expected in ((3, both(x_t)[0, 3] + told[3]), (5, both(x_t)[0, 5]), (6, both(x_t)[0, 6])):
        torch.testing.assert_close(found[place].softmax(-1), expected.softmax(-1), rtol=1e-5, atol=1e-5)
    x_t = torch.tensor([[0, MASK, 3, MASK, 2, MASK, MASK]])
    torch.testing.assert_close(
        made(x_t, times(1))[0, :, 3].softmax(-1), around(x_t)[0, 3].softmax(-1), rtol=1e-5, atol=1e-5
    )


def test_in_training_an_element_is_left_out_of_its_own_counts() -> None:
    """Counted by hand: the last 3 of the first example, after a 2."""
    train = torch.tensor([[0, 1, 2, 3], [0, 1, 2, 0], [3, 3, 1, 2]])
    whole = ContextCounts(MASK, 1, 32)
    whole.fit(train)
    left = whole(train[:1], train[:1]).gather(-1, train[:1, :, None])[0, 3, 0]
    # After 2: 3 and 0 were seen; without the own 3, only 0. Of single states, one 3 of twelve is left out too.
    unigram = (torch.tensor([3, 3, 3, 2]) + 4 * 0.25) / (11 + 4)
    assert left.exp().item() == pytest.approx((0 + 1 * unigram[3].item()) / (1 + 1), abs=1e-6)


def test_one_pass_gives_what_masked_states_give_with_counts_too() -> None:
    made, x = counted(), data(4)
    whole = made(x, None)
    for place in range(LENGTH):
        x_t = x.clone()
        x_t[:, place:] = MASK
        torch.testing.assert_close(made(x_t, times(4))[..., place], whole[..., place], rtol=1e-5, atol=1e-5)


def test_what_it_refuses() -> None:
    with pytest.raises(ValueError, match="takes sequences of states that end in a mask, got states of shape"):
        SMALL.build((1, 4, 4), 3, 0, 5)
    with pytest.raises(ValueError, match="takes sequences of states that end in a mask"):
        SMALL.build((7,), 3)
    with pytest.raises(ValueError, match="head_width is even and divides width"):
        CausalConfig(width=20, head_width=8)
    with pytest.raises(ValueError, match="this network is unconditional, got labels"):
        network()(data(1), None, torch.zeros(1, dtype=torch.int64))
    assert not TransformerConfig().build((4,), 3, 0, 5).causal
