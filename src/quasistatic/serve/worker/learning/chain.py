"""The lesson of a Markov chain: forecast, stationary law, structure and a simulated path."""

from typing import Any

import torch

from quasistatic.markov import MarkovChain
from quasistatic.serve.worker import asked
from quasistatic.serve.worker.desk import Desk

MOST_STATES, LONGEST_WALK = 8, 200
"""Maximum states and steps of a chain on the page."""


def study_chain(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Return the forecast, the stationary law, the structure and a simulated path of a chain."""
    rows, names = request.get("matrix"), request.get("states")
    if not isinstance(rows, list) or not isinstance(names, list) or not 1 <= len(names) <= MOST_STATES:
        raise ValueError(f"a chain has a matrix and names of 1 to {MOST_STATES} states, got something else")
    if not all(isinstance(name, str) and 0 < len(name) <= 40 for name in names):
        raise ValueError("each state has a name of 1 to 40 characters, got something else")
    chain = MarkovChain([[_probability(cell) for cell in row] if isinstance(row, list) else [] for row in rows], names)
    start, steps = asked.whole(request, "start", 0, len(names) - 1, 0), asked.whole(request, "steps", 12, LONGEST_WALK)
    path = chain.simulate(steps, start, 1, torch.Generator().manual_seed(asked.whole(request, "seed", 0, 2**53, 0)))
    return {
        **chain.summary(start, steps),
        "forecast": [chain.predict(start, n).tolist() for n in range(steps + 1)],
        "path": path[0].tolist(),
        "states": names,
    }


def _probability(cell: object) -> float:
    if isinstance(cell, bool) or not isinstance(cell, int | float) or not 0 <= cell <= 1:
        raise ValueError(f"a transition has a probability from 0 to 1, got {str(cell)[:40]}")
    return float(cell)
