"""Costs of single reverse steps, and the best grids and variances for few steps.

entropy.py     bounds on the entropy of each reverse step
plan.py        cost of every step, and the best grid of K steps
variance.py    standard deviations of the guess that are not learned
"""
