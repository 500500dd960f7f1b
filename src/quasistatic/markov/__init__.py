"""Finite Markov chains: forecasts, stationary laws, classes and periods, mixing times, simulation, diagrams.

    MarkovChain          one transition matrix, every step                   chain.py
    InhomogeneousChain   one transition matrix for each step                 inhomogeneous.py
    RateMatrix           continuous time, P(τ) = exp(Gτ)                     rates.py
    read_chain           a MarkovChain from a CSV file                       table.py

The forward half of a diffusion of bits or categories is one of these.
"""

from quasistatic.markov.chain import CommunicatingClass, MarkovChain
from quasistatic.markov.inhomogeneous import InhomogeneousChain
from quasistatic.markov.rates import RateMatrix
from quasistatic.markov.table import read_chain

__all__ = ["CommunicatingClass", "InhomogeneousChain", "MarkovChain", "RateMatrix", "read_chain"]
