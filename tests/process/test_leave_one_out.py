"""What D3PM's network should predict: each element given the others."""

import pytest
import torch
from torch import Tensor

from finite_laws import at, masses, step
from quasistatic.distribution import Categorical
from quasistatic.process import (
    CategoricalProcess,
    FiniteProcess,
    OrdinalProcess,
    leave_one_out,
)
from quasistatic.schedule import Reciprocal

pytestmark = pytest.mark.usefixtures("double_precision")


# D3PM's own parametrisation (theory.md 4.13)


def two_elements(seed: int, states: int) -> Tensor:
    """A joint law of two elements, shape (K, K)."""
    joint = torch.rand(states, states, generator=torch.Generator().manual_seed(seed)) ** 3
    return joint / joint.sum()


@pytest.mark.parametrize("process", [CategoricalProcess.uniform(Reciprocal(), 3), OrdinalProcess(Reciprocal(), 3, 1.0)])
def test_what_d3pm_should_predict_is_leave_one_out(process: FiniteProcess) -> None:
    """With q(x¹ | x_t²) the step is exact; with the posterior q(x¹ | x_t) it is off by a tenth."""
    data, s, t = two_elements(0, 3), 0.4, 0.6
    q_t, q_s, move = step(process, 0.0, t), step(process, 0.0, s), step(process, s, t)
    joint = torch.einsum("ab,ai,bj->abij", data, q_t, q_t)  # x¹, x², x_t¹, x_t²
    posterior = joint.sum(1) / joint.sum((0, 1))
    others = joint.sum((1, 2)) / joint.sum((0, 1, 2))  # q(x¹ | x_t²)
    both = torch.einsum("ab,ac,ci,bj->cij", data, q_s, move, q_t)
    exact = (both / both.sum(0)).permute(1, 2, 0)  # q(x_s¹ | x_t)
    x_t = torch.arange(3)[:, None].expand(3, 3)
    right = leave_one_out(process, others.log().T[None].expand(3, 3, 3), x_t, at(t, 3))
    wrong = leave_one_out(process, posterior.log().permute(1, 2, 0), x_t, at(t, 3))
    torch.testing.assert_close(masses(right), posterior.permute(1, 2, 0), rtol=0, atol=1e-14)
    error = lambda guess: (masses(process.reverse(x_t, guess, at(t, 3), at(s, 3))) - exact).abs().max()  # noqa: E731
    assert error(right) < 1e-14
    assert error(Categorical(posterior.log().permute(1, 2, 0))) < 1e-14  # a network may give the posterior as it is
    assert error(wrong) > 0.05


def test_leave_one_out_is_d3pms_formula() -> None:
    """p(x_s | x_t) ∝ Q_t[:, x_t] ⊙ (p̃ Q̄_s) (Austin et al. 2021, eq. 4)."""
    process = CategoricalProcess(Reciprocal(), (0.5, 0.3, 0.1, 0.1))
    others = torch.randn(6, 1, 4, generator=torch.Generator().manual_seed(0))
    x_t = torch.randint(4, (6, 1), generator=torch.Generator().manual_seed(1))
    found = process.reverse(x_t, leave_one_out(process, others, x_t, at(0.7, 6)), at(0.7, 6), at(0.2, 6))
    expected = step(process, 0.2, 0.7).T[x_t[:, 0]] * (others[:, 0].softmax(-1) @ step(process, 0.0, 0.2))
    torch.testing.assert_close(masses(found)[:, 0], expected / expected.sum(1, keepdim=True))
