"""Texts scored one character after another: exact, in one pass, given the text before."""

import math

import pytest
import torch

import quasistatic as qs
from quasistatic.config import override
from quasistatic.model import Model
from quasistatic.model.bench import DrawOptions
from quasistatic.model.complete import complete, known
from quasistatic.recipes import recipe
from quasistatic.training.loop import Training

LENGTH = 12
SMALL = [
    "training.steps=4",
    "training.batch=4",
    "network.width=16",
    "network.depth=1",
    "network.head_width=8",
    "network.embedding=4",
    "network.contexts=200",
    "data.held_out=3",
]


@pytest.fixture(scope="module")
def learned(tmp_path_factory) -> tuple[Model, qs.Dataset]:
    folder = tmp_path_factory.mktemp("text")
    generator = torch.Generator().manual_seed(0)
    text = "".join("abcd "[i] for i in torch.randint(5, (20 * LENGTH,), generator=generator))
    (folder / "a.txt").write_text(text)
    data = qs.load(folder / "a.txt", length=LENGTH)
    config = override(recipe(None, data, "a"), [f"data.length={LENGTH}", *SMALL])
    training = Training(config, qs.config.Specification.of(data))
    for _ in training.run(data.split(3, 0)[0]):
        pass
    return training.model, data


def by_masks(model: Model, x: torch.Tensor, places: range) -> torch.Tensor:
    """log p of some characters of each row given those before them, by one masked state each."""
    denoise, mask, total = model.denoise(), model.config.process.states - 1, torch.zeros(len(x))
    for place in places:
        x_t = x.clone()
        x_t[:, place:] = mask
        with torch.no_grad():
            total += denoise(x_t, torch.full((len(x),), 0.5).double()).log_prob(x)[:, place]
    return total


def test_the_first_half_of_a_piece_is_given_the_end_of_the_piece_before(learned) -> None:
    model, data = learned
    held_out, half = model.held_out(data), LENGTH // 2
    assert len(held_out) == 3
    score = model.evaluate(held_out)
    x = model.specification.codec.encode(held_out.batch(torch.arange(3)))
    before = model.specification.codec.encode(held_out.before(torch.arange(3))[0])
    joined = torch.cat([before[:, half:], x[:, :half]], 1)
    expected = by_masks(model, joined, range(half, LENGTH)) + by_masks(model, x, range(half, LENGTH))
    torch.testing.assert_close(score.log_likelihoods.float(), expected, rtol=1e-4, atol=1e-4)
    assert score.method == "ordered"
    assert score.value == pytest.approx(-expected.mean().item() / LENGTH / math.log(2), rel=1e-4)


def test_a_text_that_begins_anew_is_scored_alone(learned) -> None:
    """Rows that are no pieces of a text, and the first piece of one, have nothing before them."""
    model, data = learned
    score = model.evaluate(data.select(torch.tensor([0])))
    x = model.specification.codec.encode(data.batch(torch.tensor([0])))
    torch.testing.assert_close(score.log_likelihoods.float(), by_masks(model, x, range(LENGTH)), rtol=1e-4, atol=1e-4)


def test_an_exact_score_is_ranked_as_it_is(learned) -> None:
    model, data = learned
    held_out = model.held_out(data)
    ranked = model.rank(held_out)
    torch.testing.assert_close(ranked.score.log_likelihoods, model.evaluate(held_out).log_likelihoods)
    assert (ranked.score.errors == 0).all()


def test_draws_and_gaps(learned) -> None:
    """Draws hold characters of the alphabet; a gap is filled, and what is known stays."""
    model, data = learned
    assert set("".join(map(chr, model.sample(3, steps=LENGTH, seed=0).flatten().tolist()))) <= set("abcd ")
    x = data.batch(torch.tensor([0]))
    mask = torch.ones_like(x, dtype=torch.bool)
    mask[:, 4:7] = False
    filled = model.infer(x, mask, draws=5, steps=LENGTH)
    assert (filled[0, :, mask[0]] == x[0, mask[0]]).all()
    assert {chr(value) for value in filled.flatten().tolist()} <= set("abcd ")


def test_a_gap_costs_as_many_evaluations_as_it_has_characters(learned) -> None:
    """Steps in which only known characters move are left out; the last one to the data stays."""
    model, data = learned
    x = data.batch(torch.tensor([0, 1]))
    mask = torch.ones_like(x, dtype=torch.bool)
    mask[:, 4:7] = False
    given = known(model, x, mask)
    done = complete(model, given, None, DrawOptions(draws=2, steps=LENGTH))
    assert done.method == "reveal"
    assert done.network_evaluations == 2 * 2 * (3 + 1)


@pytest.mark.parametrize("order", ["right", "random:3", "confidence"])
def test_other_orders_are_scored_too(learned, order: str) -> None:
    """The clocks run from left to right; guesses depend on the masks alone, so any order has a likelihood."""
    model, data = learned
    held_out = model.held_out(data)
    score = model.evaluate(held_out, method="ordered", order=order)
    assert score.log_likelihoods.isfinite().all()
    if order == "right":
        x, total = model.specification.codec.encode(held_out.batch(torch.arange(3))), torch.zeros(3)
        for place in range(LENGTH - 1, -1, -1):
            x_t = x.clone()
            x_t[:, : place + 1] = model.config.process.states - 1
            with torch.no_grad():
                output = model.network(x_t, torch.ones(3).double())[..., place]
            total += output.log_softmax(-1).gather(-1, x[:, place, None])[:, 0]
        torch.testing.assert_close(score.log_likelihoods.float(), total, rtol=1e-4, atol=1e-4)


def test_particles_fill_gaps_by_the_law_from_left_to_right(learned) -> None:
    """With one character unknown, weights and evidence are exact: p(x | rest) by all texts that differ there only."""
    model, data = learned
    raw = data.batch(torch.arange(1))
    mask = torch.ones_like(raw, dtype=torch.bool)
    mask[:, 5] = False
    codec = model.specification.codec
    options = DrawOptions(draws=400, particles=2000, islands=4, seed=1)
    found = complete(model, known(model, raw, mask), "particle", options)
    every = codec.encode(raw).repeat(codec.states, 1)
    every[:, 5] = torch.arange(codec.states)
    with torch.no_grad():
        law = model.denoiser.left_to_right(every).log_prob(every).sum(1).double()
    assert found.log_evidence is not None
    assert found.log_evidence.item() == pytest.approx(law.logsumexp(0).item(), abs=0.05)
    drawn = torch.bincount(codec.encode(found.draws[0])[:, 5].long(), minlength=codec.states) / 400
    torch.testing.assert_close(drawn.double(), law.softmax(0), atol=0.06, rtol=0)
    assert found.network_evaluations == 2000 * 2
    assert found.exactness == "exact in the limit of many particles"


def test_particles_do_not_depend_on_the_other_texts(learned) -> None:
    model, data = learned
    raw = data.batch(torch.arange(3))
    mask = torch.rand(raw.shape, generator=torch.Generator().manual_seed(2)) < 0.7
    options = DrawOptions(draws=2, particles=128, seed=4)
    whole = complete(model, known(model, raw, mask), "particle", options)
    first = complete(model, known(model, raw[:1], mask[:1]), "particle", options)
    assert torch.equal(whole.draws[0], first.draws[0])
    assert (whole.draws == raw[:, None])[mask[:, None].expand_as(whole.draws)].all()


def test_clocks_that_overlap_are_scored_in_all_windows_at_once(learned) -> None:
    from quasistatic import evaluation
    from quasistatic.model.evaluate.examples import EvaluateOptions
    from quasistatic.model.evaluate.rows import score_rows

    model, data = learned
    config = override(model.config, ["process.schedule.overlap=0.3", "objective=bound"])
    other, held_out = Model(config, model.specification, model.network), model.held_out(data)
    looks = torch.stack([other.evaluate(held_out, steps=48, draws=2, seed=seed).log_likelihoods for seed in range(24)])
    x = model.specification.codec.encode(held_out.batch(torch.arange(3)))
    times = qs.schedule.uniform_times(48)
    with torch.inference_mode():
        steps = torch.stack(
            [evaluation.bound(config.process, other.denoise(), lambda clean: clean, x, times).value for _ in range(10)]
        )
    error = (looks.var(0) / len(looks) + steps.var(0) / len(steps)).sqrt()
    assert ((looks.mean(0) - steps.mean(0)).abs() < 4 * error).all()
    found = other.evaluate(held_out, steps=48, draws=2)
    assert found.network_evaluations == 3 * 3
    rows = score_rows(other, held_out.select(torch.tensor([2])), torch.tensor([2]), "bound", EvaluateOptions(48, 2))
    torch.testing.assert_close(rows.log_likelihoods, found.log_likelihoods[2:], rtol=1e-5, atol=1e-5)


def pairs(found: torch.Tensor) -> torch.Tensor:
    """How often each pair of states is there."""
    return torch.zeros(5, 5).index_put((found[:, 0], found[:, 1]), torch.ones(()), accumulate=True)


def expected_pairs(model: Model, begun: torch.Tensor) -> torch.Tensor:
    """The probability of each pair of states after what is there, by masked states."""
    at, n = begun.shape[1], torch.arange(5)
    rest = torch.zeros(25, LENGTH - at - 2, dtype=torch.int64)
    x = torch.cat([begun.expand(25, -1), torch.cartesian_prod(n, n), rest], 1)
    return by_masks(model, x, range(at, at + 2)).exp().view(5, 5)


def fits(count: torch.Tensor, p: torch.Tensor) -> bool:
    n = count.sum()
    return bool(((count - n * p) ** 2 / (n * p)).sum() < 51)  # 24 degrees of freedom: probability 0.001


def test_texts_are_drawn_by_the_law_that_scores_them_whatever_the_steps(learned) -> None:
    model, _ = learned
    raw = model.sample(4000, seed=1)
    x = model.specification.codec.encode(raw)
    assert fits(pairs(x), expected_pairs(model, x[:1, :0]))
    assert fits(pairs(x[(x[:, 0] == 1)][:, 1:]), expected_pairs(model, torch.tensor([[1]])))
    assert torch.equal(model.sample(3, seed=1, steps=2, first=7), raw[7:10])
    told = list[tuple[int, int]]()
    model.sample(2, watch=lambda done, total: told.append((done, total)))
    assert told[-1] == (2 * LENGTH, 2 * LENGTH)


def test_a_text_is_continued_by_the_law_that_scores_it(learned) -> None:
    model, data = learned
    raw = data.batch(torch.tensor([1, 2]))
    mask = torch.arange(LENGTH) < torch.tensor([[3], [5]])
    drawn = model.infer(raw, mask, method="reveal", draws=2000, seed=2)
    found = model.specification.codec.encode(drawn.flatten(0, 1)).view(2, 2000, LENGTH)
    for row, at in enumerate((3, 5)):
        begun = model.specification.codec.encode(raw)[row : row + 1, :at]
        assert torch.equal(found[row, :, :at], begun.expand(2000, -1))
        assert fits(pairs(found[row, :, at:]), expected_pairs(model, begun))
    again = model.infer(raw, mask, method="reveal", draws=2000, seed=2, steps=5)
    assert torch.equal(again, drawn)


def test_what_stands_behind_a_gap_counts(learned) -> None:
    """A letter in a gap is drawn by the guess that sees both sides, which is not that of its beginning."""
    model, data = learned
    raw = data.batch(torch.tensor([1]))
    mask = torch.ones(1, LENGTH, dtype=torch.bool)
    mask[:, 4] = False
    drawn = model.infer(raw, mask, method="reveal", draws=4000, seed=2)
    assert bool((drawn[..., mask[0]] == raw[:, None, mask[0]]).all())
    x = model.specification.codec.encode(raw)
    found = model.specification.codec.encode(drawn.flatten(0, 1))[:, 4].bincount(minlength=5)
    x_t = x.masked_fill(~mask, model.config.process.states - 1)
    with torch.no_grad():
        p = model.denoise()(x_t, torch.full((1,), 0.5).double()).logits[0, 4, :5].softmax(-1)
    assert ((found - 4000 * p) ** 2 / (4000 * p)).sum() < 18.5  # 4 degrees of freedom: probability 0.001


def test_rows_of_which_all_is_known_come_back(learned) -> None:
    """A part of a job may have such rows only."""
    model, data = learned
    raw, mask = data.batch(torch.tensor([0, 1])), torch.ones(2, LENGTH, dtype=torch.bool)
    mask[1, 5:] = False
    given = known(model, raw, mask).take(torch.tensor([0]))
    assert torch.equal(complete(model, given, "reveal", DrawOptions(draws=3)).draws, raw[:1, None].expand(1, 3, -1))
