"""A Markov chain whose moves change with time: one transition matrix for each step.

    law after n steps: μ P₁ P₂ ⋯ Pₙ

A diffusion of categories is such a chain, with β_t for the chance of a redraw at step t.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.markov.stochastic import Matrix, Start, as_law, as_names, as_steps, as_stochastic, normalised, walk
from quasistatic.types import Generator


@dataclass(frozen=True, init=False, eq=False)
class InhomogeneousChain:
    """A Markov chain with its own transition matrix at each step.

    Attributes:
        transitions: float64, shape (steps, states, states); the first moves the state at time 0 to time 1.
        states: one name per state.

    >>> half, stay = [[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [0.0, 1.0]]
    >>> InhomogeneousChain([stay, half], states=["heads", "tails"]).predict("heads", steps=2)
    tensor([0.5000, 0.5000], dtype=torch.float64)
    """

    transitions: Float[Tensor, "steps states states"]
    states: tuple[str, ...]

    def __init__(self, transitions: Sequence[Matrix] | Tensor, states: Sequence[str] | None = None) -> None:
        """Check the matrices and the names.

        Args:
            transitions: one matrix per step, each of shape (states, states), in the order of time.
            states: names; the default is "0", "1", …

        Raises:
            ValueError: for no matrix, matrices of different sizes, or as for `MarkovChain`; the step and row are named.
        """
        matrices = [as_stochastic(one, states, f"step {step} (from 0)") for step, one in enumerate(transitions)]
        if not matrices:
            raise ValueError("a chain needs at least one transition matrix, got none")
        sizes = [len(one) for one in matrices]
        if len(set(sizes)) > 1:
            raise ValueError(f"every step moves between the same states, got matrices of {sizes} states")
        object.__setattr__(self, "transitions", torch.stack(matrices))
        object.__setattr__(self, "states", as_names(states, sizes[0]))

    def transition(self, s: int, t: int) -> Float[Tensor, "states states"]:
        """Return the transition matrix from time ``s`` to time ``t``: the product of steps s, …, t − 1.

        Raises:
            ValueError: unless 0 ≤ s ≤ t ≤ number of steps.
        """
        if not 0 <= s <= t <= len(self.transitions):
            raise ValueError(f"a move goes from s to t with 0 ≤ s ≤ t ≤ {len(self.transitions)}, got s = {s}, t = {t}")
        result = torch.eye(len(self.states), dtype=torch.float64)
        for one in self.transitions[s:t]:
            result = normalised(result @ one)
        return result

    def predict(self, start: Start, steps: int | None = None) -> Float[Tensor, " states"]:
        """Return the law of the state after ``steps`` steps (by default, all).

        Args:
            start: the name of a state, its index from 0, or a law over the states.
            steps: from 0 to the number of matrices.

        Raises:
            ValueError: if there is no such state, the numbers are not a law, or there are too many steps.
        """
        law = as_law(start, self.states)
        for one in self.transitions[: as_steps(self._all(steps), len(self.transitions))]:
            law = law @ one
        return law

    def simulate(
        self, start: Start, steps: int | None = None, chains: int = 1, generator: Generator = None
    ) -> Int[Tensor, "chains times"]:
        """Draw paths of ``steps`` steps (by default, all).

        Args:
            start: a name, an index or a law.
            steps: from 0 to the number of matrices.
            chains: number of independent paths.
            generator: source of random numbers, for the lot or one per chain.

        Returns:
            Indices of states, shape (chains, steps + 1); the first column is the start.

        Raises:
            ValueError: for a bad start, too many steps, or no chain.
        """
        count = as_steps(self._all(steps), len(self.transitions))
        return walk(as_law(start, self.states), self.transitions[:count], chains, generator)

    def _all(self, steps: int | None) -> int:
        return len(self.transitions) if steps is None else steps
