"""Runs the worker: `python -m quasistatic.serve.worker`."""

from quasistatic.serve.worker.loop import work

work()
