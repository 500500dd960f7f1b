"""The held-out score of a run on several processes, which share the examples."""

from contextlib import suppress

import torch
from accelerate import Accelerator

from quasistatic.data import Dataset
from quasistatic.data.dataset import spread
from quasistatic.evaluation import Score
from quasistatic.model import Model
from quasistatic.model.evaluate import chances_of_steps
from quasistatic.model.evaluate.examples import EvaluateOptions, fitting_data
from quasistatic.model.evaluate.rows import score_rows
from quasistatic.model.evaluate.summary import per_unit
from quasistatic.training.parallel.exchange import gathered, lost_told


def scored_together(world: Accelerator, model: Model, data: Dataset, draws: int, limit: int) -> Score:
    """Score held-out examples by the bound, a share in each process; all processes return the score of all.

    It is that of one process, up to rounding. All processes call the network equally often, as sharded weights need:
    one whose share is an example short scores its last one twice.

    Raises:
        FloatingPointError: in all processes, if an example's score is not a number.
    """
    asked = EvaluateOptions(draws=draws)
    whole = fitting_data(model, data)
    whole = whole.select(spread(len(whole), limit))
    shares = torch.arange(len(whole)).tensor_split(world.num_processes)
    mine = shares[world.process_index]
    rows = torch.cat([mine, (mine[-1:] if len(mine) else shares[0][-1:]).expand(len(shares[0]) - len(mine))])
    found = torch.full((len(mine),), torch.nan, dtype=torch.float64)
    with lost_told(world):
        with suppress(FloatingPointError):
            chances, _ = chances_of_steps(model, whole, asked)
            score = score_rows(model, whole.select(rows), rows, "bound", asked, chances)
            found = score.log_likelihoods.double().cpu()[: len(mine)]
        values = gathered(world, found.to(world.device), len(whole))
    if bool(values.isnan().any()):
        raise FloatingPointError("the score of held-out examples is not a number, since the model's guesses are not")
    empty = torch.zeros_like(values)
    score = Score.of("bound", values, empty, empty, model.specification.dimensions, asked.steps, len(values))
    return per_unit(model, whole, score)
