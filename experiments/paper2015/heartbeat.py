"""Binary heartbeat (App. D.1.2): bits with a one every fifth place, and how far K can be from log₂(1/5) at all.

The best factorised step is that of the exact posterior over the five phases. Its K is summed exactly over what a state
says of the phases: how many ones each of the five classes of places has. A model's K is that less its
excess (`excess.py`). One network serves both numbers of steps: time is continuous, and T is a matter of the grid.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from excess import excess
from record import Experiment, Row
from scipy.stats import binom
from torch import Tensor

import quasistatic as qs
from quasistatic import evaluation
from quasistatic.network import SigmoidMLPConfig
from quasistatic.recipes import heartbeat
from quasistatic.types import per_example

PHASES = (torch.arange(20) % 5 == torch.arange(5)[:, None]).double()
Denoise = Callable[[Tensor, Tensor], qs.Bernoulli]


def exact_guess(process: qs.BernoulliProcess) -> Denoise:
    """p(x_i = 1 | x_t): a phase's posterior is ∝ exp of the evidence for ones, summed over its places."""

    def denoise(x_t: Tensor, t: Tensor) -> qs.Bernoulli:
        one, zero = (process.marginal(torch.full_like(x_t, bit), t).log_prob(x_t) for bit in (1, 0))
        share = ((one - zero) @ PHASES.T).softmax(-1)
        return qs.Bernoulli((share @ PHASES).log() - (share @ (1 - PHASES)).log())

    return denoise


@cache
def best(process: qs.BernoulliProcess, steps: int) -> tuple[float, float]:
    """K* in bits with the standard and with the paper's last step, summed exactly for the first phase."""
    # The four phases that are not x's are alike: of states that swap them one is kept, with how many there are.
    others, alike = torch.cartesian_prod(*[torch.arange(5)] * 4).sort(1).values.unique(dim=0, return_counts=True)
    counts = torch.cat([torch.arange(5).repeat_interleave(len(others))[:, None], others.repeat(5, 1)], 1)
    place = torch.arange(20) // 5
    states = (counts[:, torch.arange(20) % 5] > place).double()
    x, guess, kl = PHASES[:1].expand(len(states), -1), exact_guess(process), 0.0
    for k in range(1, steps + 1):
        t, s = (torch.full((len(states),), n / steps, dtype=torch.float64) for n in (k, k - 1))
        kept = process.schedule.alpha_bar(t[:1]).item()
        own, other = kept + (1 - kept) * process.bias, (1 - kept) * process.bias
        chance = torch.from_numpy(binom.pmf(counts.numpy(), 4, [own, *[other] * 4])).prod(1) * alike.repeat(5)
        if k == 1:
            last_steps = (guess(states, t), process.forward(states, s, t))
            last = [(chance * per_example(step.log_prob(x))).sum().item() for step in last_steps]
        else:
            kl += (chance * per_example(process.step_kl(x, states, guess(states, t), t, s))).sum().item()
    prior = per_example(process.marginal(x[:1], t[:1]).kl(process.prior(x[:1]))).item()
    return (last[0] - kl - prior) / math.log(2), (last[1] - kl - prior) / math.log(2)


def rows_of(model: qs.Model, steps: int, what: str, experiment: Experiment) -> list[Row]:
    """Score a model over ``steps`` steps, with the standard last step and with the paper's."""
    process, best_guess = model.config.process, exact_guess(model.config.process)
    top = best(process, steps)
    x = PHASES.repeat(4 if experiment.quick else 60, 1)
    later, first = excess(model, best_guess, x, steps, experiment.seed)
    null = evaluation.null(process, lambda clean: clean, PHASES).mean().item() / math.log(2)
    rows = []
    for name, limit, lost in (("standard bound", top[0], later + first), ("the paper's bound", top[1], later)):
        mean, error = evaluation.mean_and_error(lost)
        title = f"Heartbeat, T = {steps}, {name}, {what}"
        rows.append(Row(title, "bits/sequence", limit - mean, error, null, best=limit, limit=-math.log2(5)))
    return rows


def main() -> None:
    experiment = Experiment.begin("heartbeat", __doc__ or "")
    data, longest, rows = qs.load("heartbeat"), 20 if experiment.quick else 2000, []
    config = qs.override(heartbeat(), [f"objective.steps={longest}", "training.steps=12000"])
    modern = experiment.learn(config, data, "heartbeat", 60)
    for steps in (10, 20) if experiment.quick else (100, 1000, 2000):
        rows += rows_of(modern, steps, "residual perceptron", experiment)
    few = 20 if experiment.quick else 100
    changes = [f"objective.steps={few}", "training.steps=1500"]
    old = qs.override(replace(config, network=SigmoidMLPConfig(steps=few)), changes)
    paper = experiment.learn(old, data, "heartbeat-2015", 60)
    rows += rows_of(paper, few, "the paper's network", experiment)
    for row in rows:
        if "T = 2000, the paper's" in row.what:
            row.paper, row.paper_gain = -2.414, 12.024
    if not experiment.quick:
        rows[2].goal, rows[5].goal = -2.332, -2.380
    samples = modern.sample(1000, steps=longest, seed=experiment.seed).double()
    valid = (samples[:, None] == PHASES).all(-1).any(-1).double().mean().item()
    experiment.finish(rows, valid_samples=valid)


if __name__ == "__main__":
    main()
