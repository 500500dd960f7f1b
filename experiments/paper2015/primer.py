"""What the explanations of diffusion models start with, in numbers, with their slips put right.

weather     a two-state chain: two-step forecast, long run, how fast it is reached       theory: rows 2–5
trap        β from 1e-4 to 0.02 in 200 steps leaves a third of every amplitude           row 15
pixel       the law of a pixel (1, −1, −1) after one step of β = 0.02                    row 17
large β     what fewer, larger steps cost the bound of Gaussian data, exactly            row 18
"""

import math

import torch
from matplotlib.figure import Figure
from record import Experiment, Row

import quasistatic as qs
from quasistatic import evaluation
from quasistatic.schedule import uniform_times

WEATHER = qs.MarkovChain([[0.7, 0.3], [0.25, 0.75]], ["sunny", "cloudy"])


def unscaled(steps: int) -> qs.Table:
    """The published range of β in another number of steps, without the factor 1000/steps: the trap."""
    return qs.Table(tuple(torch.linspace(1e-4, 0.02, steps, dtype=torch.float64).tolist()))


def left(schedule: qs.Linear | qs.Table) -> float:
    """√ᾱ(1): what is left of the data's amplitude at the end."""
    return schedule.alpha_bar(torch.ones(1, dtype=torch.float64)).sqrt().item()


def main() -> None:
    experiment = Experiment.begin("primer", __doc__ or "")
    start = torch.tensor([0.8, 0.2], dtype=torch.float64)
    forecast = WEATHER.predict(start, 2)[0].item()
    pixel = qs.GaussianProcess(qs.Table((0.02, 0.5))).marginal(
        torch.tensor([[1.0, -1.0, -1.0]]), torch.tensor([0.5]).double()
    )
    short, right = unscaled(200), qs.Linear(steps=200)
    x = torch.full((1, 1), 1.0)
    prior = {
        name: evaluation.bound(
            qs.GaussianProcess(clock),
            lambda x_t, t: qs.Normal(x_t, torch.ones_like(x_t)),
            lambda c: c,
            x,
            uniform_times(2),
        ).prior.item()
        / math.log(2)
        for name, clock in (("unscaled", short), ("scaled", right))
    }
    rows = [
        Row("Weather, P(sunny in two days | 0.8 today)", "probability", forecast, 0.0, note="printed as 0.524"),
        Row("Weather, long-run share of sunny days", "probability", WEATHER.stationary()[0, 0].item(), 0.0),
        Row("200 linear steps without the factor 5: √ᾱ(1)", "of the amplitude", left(short), 0.0),
        Row("200 linear steps with it", "of the amplitude", left(right), 0.0),
        Row("Pixel of 1 after β = 0.02: mean", "state", pixel.mean[0, 0].item(), 0.0, note="printed as 0.99"),
        Row("Pixel of 1 after β = 0.02: variance", "state²", pixel.variance[0, 0].item(), 0.0),
    ]
    for beta in (0.2, 0.98):
        wide = qs.GaussianProcess(qs.Table((beta, 0.5))).marginal(x, torch.tensor([0.5]).double())
        rows.append(Row(f"Pixel of 1 after β = {beta}: variance", "state²", wide.variance[0, 0].item(), 0.0))
    rows[-1].note = "larger β is wider and nearer to N(0, 1); what it costs the way back is in diffusion_rate"
    sheet = Figure(figsize=(9, 3), dpi=110, layout="constrained")
    days = torch.arange(9)
    axes = sheet.add_subplot(131, title="P(sunny) from 0.8", xlabel="days")
    axes.plot(days, [WEATHER.predict(start, int(n))[0].item() for n in days], "o-", color="#2f6db3")
    axes.axhline(WEATHER.stationary()[0, 0].item(), color="#999999")
    axes = sheet.add_subplot(132, title="√ᾱ over 200 steps", xlabel="step")
    t = torch.linspace(0, 1, 201, dtype=torch.float64)
    for clock, colour in ((short, "#c98a1b"), (right, "#2f6db3")):
        axes.plot(t * 200, clock.alpha_bar(t).sqrt(), color=colour)
    axes = sheet.add_subplot(133, title="a pixel of 1 under larger β", xlabel="value")
    value = torch.linspace(-3, 3, 301)
    for beta in (0.02, 0.2, 0.6, 0.98):
        law = qs.Normal(torch.full_like(value, math.sqrt(1 - beta)), torch.full_like(value, math.sqrt(beta)))
        axes.plot(value, law.log_prob(value).exp(), label=f"β = {beta}")
    axes.legend(frameon=False, fontsize=8)
    sheet.savefig(experiment.picture())
    experiment.finish(rows, prior_kl_bits_of_a_pixel=prior)


if __name__ == "__main__":
    main()
