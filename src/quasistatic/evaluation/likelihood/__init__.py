"""Estimates of log p(x) under a model, one function each: bound, importance, flow, exact; see `evaluation`."""
