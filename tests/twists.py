"""Twists, and the check of an evidence, for tests of particle methods."""

import pytest

from chains import misleading
from oracles import within_4_errors
from quasistatic.inference import (
    Particles,
    flat,
    tempered,
)
from quasistatic.process import (
    GaussianProcess,
)
from quasistatic.schedule import Reciprocal


def backwards(x_t, t, clean, observation):  # type: ignore[no-untyped-def]
    """A positive twist that prefers what does not fit."""
    return (-0.3 * observation.expected(clean)).clamp(-2, 2)


FEW_IS_FINE = pytest.mark.filterwarnings("ignore::quasistatic.inference.FewParticles")
TWISTS = {
    "default": None,
    "tempered": tempered(GaussianProcess(Reciprocal())),
    "flat": flat,
    "misleading": misleading,
    "backwards": backwards,
}


def evidence_holds(found: Particles, truth: float) -> bool:
    """E e^(log Z) is the evidence without bias, over independent examples."""
    return within_4_errors(found.log_evidence.exp(), truth)
