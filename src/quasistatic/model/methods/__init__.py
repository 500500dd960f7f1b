"""Methods of inference: each says what it accepts, how exact it is and what it costs, and makes draws.

    hold        noised copies of the known elements at every step       heuristic, biased
    reveal      known elements are shown from the start                 absorbing processes: exact given the guesses
    condition   known elements, or block means, are shown to a network  exact given the guesses
    denoise     the chain starts at the noise of the observation        even noise: exact given the guesses
    guide       each step or guess is pulled towards the observation    approximate, biased
    particle    many weighted walks                                     exact in the limit

`METHODS` has them by the name that users type. A new method is a subclass of `Method` with a name, and a line there.
"""

from quasistatic import inference
from quasistatic.inference import Known, Observation
from quasistatic.model.methods.base import OF_A_WALK, Method, limits_of
from quasistatic.model.methods.known import Condition, Hold, Reveal, means_of
from quasistatic.model.methods.soft import FromNoise, Guide, Particle, even_noise
from quasistatic.process import Process

__all__ = ["METHODS", "OF_A_WALK", "Method", "fitting", "method_called"]

METHODS: dict[str, Method] = {
    method.name: method for method in (Hold(), Reveal(), Condition(), FromNoise(), Guide(), Particle())
}
"""Every method by the name that users type."""


def method_called(name: str) -> Method:
    """Return a method by its name.

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in METHODS:
        raise ValueError(f"the method of inference is {', '.join(METHODS)}, got {name!r}")
    return METHODS[name]


def fitting(process: Process, observation: Observation, shown: bool, levels: int = 0) -> Method:
    """Return the most exact method at the cost of a sample; `Guide` if there is none for the observation.

    Args:
        process: the forward process.
        observation: what was observed.
        shown: the network was trained to be shown what is known.
        levels: of the images whose block means the network can be shown; 0 if there are none.
    """
    if means_of(observation, levels) is not None:
        return METHODS["condition"]
    if even_noise(process, observation) is not None:
        return METHODS["denoise"]
    if not any(isinstance(part, Known) for part in observation.parts) or len(observation.parts) > 2:
        return METHODS["guide"]
    if not isinstance(observation, Known) and limits_of(observation) is None:
        return METHODS["guide"]
    if inference.is_absorbing(process):
        return METHODS["reveal"]
    return METHODS["condition" if shown else "hold"]
