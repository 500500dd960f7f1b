"""Tasks of the teaching part, which need no run.

chain.py     a Markov chain                          reverse.py   back from noise, by an exact guess or a run's model
forward.py   a picture on its way to noise           terms.py     the bound's three terms
"""

from quasistatic.serve.worker.learning.chain import study_chain
from quasistatic.serve.worker.learning.forward import noise_forward
from quasistatic.serve.worker.learning.reverse import reverse_walk
from quasistatic.serve.worker.learning.terms import bound_terms

__all__ = ["bound_terms", "noise_forward", "reverse_walk", "study_chain"]
