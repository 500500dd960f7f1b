"""Markov chains with known answers."""

import torch

from quasistatic.markov import MarkovChain

WEATHER = MarkovChain([[0.7, 0.3], [0.25, 0.75]], ["sunny", "cloudy"])


def close(actual: torch.Tensor, expected: object, tolerance: float = 1e-12) -> None:
    expected = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def random_chain(states: int, seed: int, zeros: float = 0.0) -> MarkovChain:
    generator = torch.Generator().manual_seed(seed)
    rows = -torch.rand(states, states, generator=generator, dtype=torch.float64).log()
    rows *= (torch.rand(states, states, generator=generator) >= zeros) | torch.eye(states, dtype=torch.bool)
    return MarkovChain(rows / rows.sum(1, keepdim=True))


def cycle(length: int) -> MarkovChain:
    return MarkovChain(torch.eye(length, dtype=torch.float64).roll(1, 1))


RANDOM = [random_chain(states, seed) for seed, states in enumerate([2, 3, 5, 9, 20])]
