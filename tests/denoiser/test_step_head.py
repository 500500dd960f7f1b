"""The 2015 parametrisation of a step (eq. 64–65)."""

import pytest
import torch

from oracles import seeded
from quasistatic.config import from_json, to_json
from quasistatic.denoiser.head import Head, StepHead
from quasistatic.process import BernoulliProcess, GaussianProcess
from quasistatic.schedule import Cosine, Linear, Reciprocal

T = 8


@pytest.mark.parametrize("schedule", [Cosine(), Linear(), Reciprocal()], ids=repr)
def test_the_step_has_the_mean_and_variance_of_the_paper(schedule) -> None:  # type: ignore[no-untyped-def]
    """μ = (x_t − z)(1 − Σ) + z; Σ rises from β̃ to 1 with z_Σ; both of the reverse step that the guess makes."""
    process, head = GaussianProcess(schedule), StepHead(T)
    x_t = torch.randn(T, 5, dtype=torch.float64, generator=seeded())
    z = torch.randn(T, 2, 5, dtype=torch.float64, generator=seeded(1))
    t = torch.arange(1, T + 1, dtype=torch.float64) / T
    s = t - 1 / T
    first, later = slice(0, 1), slice(1, None)
    clean = head.read(z, x_t, t, process)
    for part in (first, later):
        rows = type(clean)(clean.mean[part], clean.std[part])
        step = process.reverse(x_t[part], rows, t[part], s[part])
        small = process.bridge(t[part], s[part]).v[:, None]
        assert (step.variance >= small).all()
        assert (step.variance <= 1 + 1e-9).all()
        mean = (x_t[part] - z[part, 0]) * (1 - step.variance) + z[part, 0]
        torch.testing.assert_close(step.mean, mean, rtol=1e-8, atol=1e-8)


def test_the_step_starts_with_the_forward_variance() -> None:
    """z_Σ = 0 gives Σ = β_t."""
    process, t = GaussianProcess(Cosine()), torch.arange(2, T, dtype=torch.float64) / T
    x_t = torch.zeros(len(t), 3, dtype=torch.float64)
    clean = StepHead(T).read(torch.zeros(len(t), 2, 3, dtype=torch.float64), x_t, t, process)
    beta = 1 - process.schedule.alpha_bar(t) / process.schedule.alpha_bar(t - 1 / T)
    variance = process.reverse(x_t, clean, t, t - 1 / T).variance
    torch.testing.assert_close(variance, beta[:, None].expand_as(variance), rtol=1e-9, atol=0)


def test_a_head_is_its_configuration() -> None:
    assert from_json(Head, to_json(StepHead(7))) == StepHead(7)


def test_other_states_and_no_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="StepHead reads states of a Gaussian process"):
        StepHead(T).check(BernoulliProcess(Reciprocal(), 0.5))
    with pytest.raises(ValueError, match="a step head needs one step or more, got 0"):
        StepHead(0)
