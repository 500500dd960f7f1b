"""The interface of codecs, which convert raw units to states and back."""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int, Shaped
from torch import Tensor

from quasistatic.distribution import Distribution
from quasistatic.runtime.fields import Checked
from quasistatic.types import State


class Codec(Checked, ABC):
    """A one-to-one map between raw units and states, elementwise; a frozen dataclass of plain numbers."""

    @property
    @abstractmethod
    def measure(self) -> str:
        """The kind of a score in raw units: ``mass`` (discrete values) or ``density`` (per raw unit)."""

    @property
    def unit(self) -> str:
        """What a score is given per: a value (``dim``), a character or a byte."""
        return "dim"

    def units(self, x: State) -> Int[Tensor, " batch"] | None:
        """Return how many of its unit each example has; None if its elements are the units."""
        return None

    @abstractmethod
    def encode(self, raw: Shaped[Tensor, " batch *shape"]) -> State:
        """Return the states of ``raw``: float32, or int64 if elements are one of K states.

        Raises:
            ValueError: if a value is NaN, infinite or not a value of this codec.
        """

    @abstractmethod
    def decode(self, x: State) -> Shaped[Tensor, " batch *shape"]:
        """Return the raw values nearest to the states ``x``."""

    @abstractmethod
    def log_jacobian(self, x: State) -> Float[Tensor, " batch *shape"]:
        """log |d state / d raw| of each element at the states ``x``, in nats; 0 if scores are masses."""

    @abstractmethod
    def decoder(self, clean: Distribution) -> Distribution:
        """Turn a guess of the states into the distribution that scores states of this codec."""


def refuse_nan(values: Shaped[Tensor, "*shape"]) -> None:
    """Raise ValueError if a value is NaN or infinite."""
    bad = int((~values.isfinite()).sum())
    if bad:
        raise ValueError(f"every value should be a finite number, got {bad} NaN or infinite of {values.numel()}")
