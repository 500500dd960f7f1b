"""A model's verbs in batches of one or two give what one batch gives, to the rounding of its float32 network."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from quasistatic.data import Dataset
from quasistatic.data.dataset import from_tensor
from quasistatic.model import Model
from quasistatic.model.evaluate import evaluate
from quasistatic.model.evaluate.examples import EvaluateOptions

SIZES = pytest.mark.parametrize("size", [1, 2])


@pytest.fixture
def in_batches(monkeypatch: pytest.MonkeyPatch, size: int) -> Callable[[Callable[[], Tensor]], list[Tensor]]:
    """Do some work in batches of ``size``, and in one batch."""

    def both(work: Callable[[], Tensor]) -> list[Tensor]:
        found = []
        for count in (size, 256):
            monkeypatch.setattr(Model, "batch_size", lambda self, count=count: count)
            found.append(work().double())
        return found

    return both


@SIZES
@pytest.mark.parametrize(
    ("method", "effort"),
    [
        ("bound", EvaluateOptions(steps=12, draws=3)),
        ("bound", EvaluateOptions(steps=4, draws=None)),
        ("importance", EvaluateOptions(steps=3, draws=2)),
        pytest.param("flow", EvaluateOptions(draws=2), marks=pytest.mark.slow),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.draws} draws",
)
def test_scores(model: Model, digits: Dataset, in_batches, method: str, effort: EvaluateOptions) -> None:  # type: ignore[no-untyped-def]
    found = in_batches(lambda: evaluate(model, digits, method, replace(effort, limit=3)).log_likelihoods)
    # Each is some hundred nats; the flow is solved to a tolerance.
    torch.testing.assert_close(*found, rtol=1e-3 if method == "flow" else 1e-5, atol=1e-3)


def test_the_first_example_alone(model: Model, digits: Dataset) -> None:
    """A data set of one example scores as that example does among others."""
    x = digits.batch(torch.arange(2))
    for method, effort in (("flow", EvaluateOptions(draws=2)), ("importance", EvaluateOptions(steps=3, draws=2))):
        one, two = (evaluate(model, from_tensor("part", x[:count]), method, effort) for count in (1, 2))
        assert one.log_likelihoods[0].item() == pytest.approx(two.log_likelihoods[0].item(), rel=1e-3)
        assert one.nats_per_example == pytest.approx(one.log_likelihoods[0].item())


@SIZES
@pytest.mark.parametrize("sampler", ["ancestral", "unipc"])
def test_samples(model: Model, in_batches, sampler: str) -> None:  # type: ignore[no-untyped-def]
    one, whole = in_batches(lambda: model.sample(3, steps=4, sampler=sampler))
    assert (one - whole).abs().max() <= 1  # a rounded value may fall to the next level
    assert (one != whole).double().mean() < 0.02


@SIZES
@pytest.mark.parametrize("method", ["hold", "guide", "particle"])
@pytest.mark.filterwarnings("ignore::quasistatic.inference.FewParticles")
def test_completions(model: Model, digits: Dataset, in_batches, method: str) -> None:  # type: ignore[no-untyped-def]
    observed = digits.batch(torch.arange(3))
    known = torch.zeros_like(observed, dtype=torch.bool)
    known[..., :4, :] = True
    one, whole = in_batches(lambda: model.infer(observed, known, draws=2, steps=3, method=method, particles=4))
    assert (one - whole).abs().max() <= 1
    assert (one != whole).double().mean() < 0.02
