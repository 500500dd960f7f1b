"""What single steps of the reverse chain cost, and how to make a few of them enough.

entropy.py     bounds on the entropy of each reverse step
plan.py        cost of every step, and the best grid of K steps
variance.py    standard deviations of the guess that are not learned
"""
