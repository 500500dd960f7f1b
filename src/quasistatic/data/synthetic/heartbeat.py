"""Heartbeats: bits with a 1 every PERIOD positions, every phase equally often.

heartbeat[:LENGTH[:PERIOD]]    20 and 5 by default
"""

import numpy as np

from quasistatic.data.source.arrays import Array

HEARTBEATS = 20_000
"""Approximate number of rows; adjusted so that every phase is equally frequent."""

LONGEST = 4096
"""Maximum number of bits per row."""


def heartbeat(name: str) -> Array:
    """Return the set called ``name``, as above. Its entropy is log₂ PERIOD bits per sequence.

    Raises:
        ValueError: unless LENGTH and PERIOD are whole numbers with 2 ≤ PERIOD ≤ LENGTH.

    Source: Sohl-Dickstein et al. 2015, App. D.1.2 (length 20, period 5).
    """
    given = name.split(":")[1:]
    numbers = [int(part) for part in given if part.isascii() and part.isdigit()]
    length, period = [*numbers, *(20, 5)[len(numbers) :]][:2]
    if len(numbers) != len(given) or len(given) > 2 or not 2 <= period <= length <= LONGEST:
        raise ValueError(
            f"heartbeats are written heartbeat:LENGTH:PERIOD with 2 ≤ PERIOD ≤ LENGTH ≤ {LONGEST}, got {name!r}"
        )
    rows, places = np.arange(max(1, HEARTBEATS // period) * period)[:, None], np.arange(length)
    return Array(name, ((places - rows) % period == 0).astype(np.uint8))
