"""Binary heartbeat (App. D.1.2): bits with a one every fifth place, and how far K can be from log₂(1/5) at all.

    excess = Σ_k E_q KL( p*(x_s | x_t) ‖ p(x_s | x_t) ),    K = K* − excess

p* is the best factorised step, that of the exact posterior over the five phases; K* is summed exactly over what a state
says of the phases: how many ones each of the five classes of places has (5⁵ states). The excess compares both models on
the same noised states, so its error is that of small numbers.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from record import Experiment, Row, learn
from scipy.stats import binom
from torch import Tensor

import quasistatic as qs
from quasistatic import evaluation
from quasistatic.network import SigmoidMLPConfig
from quasistatic.recipes import heartbeat
from quasistatic.types import per_example

PHASES = (torch.arange(20) % 5 == torch.arange(5)[:, None]).double()
PAPER = {"paper": -2.414, "paper_gain": 12.024}
Denoise = Callable[[Tensor, Tensor], qs.Bernoulli]


def exact_guess(process: qs.BernoulliProcess) -> Denoise:
    """p(x_i = 1 | x_t): a phase's posterior is ∝ exp of the evidence for ones, summed over its places."""

    def denoise(x_t: Tensor, t: Tensor) -> qs.Bernoulli:
        one, zero = (process.marginal(torch.full_like(x_t, bit), t).log_prob(x_t) for bit in (1, 0))
        share = ((one - zero) @ PHASES.T).softmax(-1)
        return qs.Bernoulli((share @ PHASES).log() - (share @ (1 - PHASES)).log())

    return denoise


def best(process: qs.BernoulliProcess, steps: int) -> tuple[float, float]:
    """K* in bits with the standard and with the paper's last step, summed exactly for the first phase."""
    counts = torch.cartesian_prod(*[torch.arange(5)] * 5)
    place = torch.arange(20) // 5
    states = (counts[:, torch.arange(20) % 5] > place).double()
    x, guess, kl = PHASES[:1].expand(len(states), -1), exact_guess(process), 0.0
    for k in range(1, steps + 1):
        t, s = (torch.full((len(states),), n / steps, dtype=torch.float64) for n in (k, k - 1))
        kept = process.schedule.alpha_bar(t[:1]).item()
        own, other = kept + (1 - kept) * process.bias, (1 - kept) * process.bias
        chance = torch.from_numpy(binom.pmf(counts.numpy(), 4, [own, *[other] * 4])).prod(1)
        if k == 1:
            last_steps = (guess(states, t), process.forward(states, s, t))
            last = [(chance * per_example(step.log_prob(x))).sum().item() for step in last_steps]
        else:
            kl += (chance * per_example(process.step_kl(x, states, guess(states, t), t, s))).sum().item()
    prior = per_example(process.marginal(x[:1], t[:1]).kl(process.prior(x[:1]))).item()
    return (last[0] - kl - prior) / math.log(2), (last[1] - kl - prior) / math.log(2)


@torch.inference_mode()
def excess(model: qs.Model, steps: int, paths: int, seed: int) -> tuple[Tensor, Tensor]:
    """What the model loses against the best factorised steps, in bits of each example: later steps, and the first."""
    process, generator = model.config.process, torch.Generator().manual_seed(seed)
    guess, x = exact_guess(process), PHASES.repeat(paths // 5, 1)
    lost = torch.zeros(2, len(x), dtype=torch.float64)
    for k in range(1, steps + 1):
        t, s = (torch.full((len(x),), n / steps, dtype=torch.float64) for n in (k, k - 1))
        x_t = process.marginal(x, t).sample(generator)
        learned = qs.Bernoulli(model.denoiser(x_t.float(), t).logits.double())
        true, ours = (process.reverse(x_t, clean, t, s) for clean in (guess(x_t, t), learned))
        lost[int(k == 1)] += per_example(true.kl(ours)) / math.log(2)
    return lost[0], lost[1]


def run(experiment: Experiment, config: qs.Config, what: str) -> tuple[list[Row], qs.Model]:
    """Train one model and score it in both ways."""
    steps, data = config.objective.steps, qs.load("heartbeat")
    model = learn(config, data, 60 if experiment.quick else None)
    top = best(model.config.process, steps)
    later, first = excess(model, steps, 20 if experiment.quick else 500, experiment.seed)
    null = evaluation.null(model.config.process, lambda clean: clean, PHASES).mean().item() / math.log(2)
    rows = []
    for name, limit, lost in (("standard bound", top[0], later + first), ("the paper's bound", top[1], later)):
        mean, error = evaluation.mean_and_error(lost)
        published = PAPER if steps == 2000 and name != "standard bound" else {}
        rows.append(
            Row(
                f"Heartbeat, {what}, T = {steps}, {name}",
                "bits/sequence",
                limit - mean,
                error,
                null,
                best=limit,
                limit=-math.log2(5),
                **published,
            )
        )
    return rows, model


def main() -> None:
    experiment = Experiment.begin("heartbeat", __doc__ or "")
    rows = []
    for steps in (10,) if experiment.quick else (1000, 2000):
        config = replace(heartbeat(), objective=qs.Bound(steps))
        modern, model = run(experiment, config, "residual perceptron")
        old, _ = run(experiment, replace(config, network=SigmoidMLPConfig(steps=steps)), "the paper's network")
        rows += modern + old
        if steps == 1000:
            rows[0].goal = -2.332
        if steps == 2000:
            rows[-3].goal = -2.380
    samples = model.sample(1000, steps=steps, seed=experiment.seed).double()
    valid = (samples[:, None] == PHASES).all(-1).any(-1).double().mean().item()
    experiment.finish(rows, valid_samples=valid)


if __name__ == "__main__":
    main()
