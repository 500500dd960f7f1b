"""Sampling with NumPy and onnxruntime alone: no torch, no quasistatic.

    quasistatic train swiss-roll --out run && quasistatic export run --out model.onnx
    python examples/onnx_sampling.py model.onnx --out samples.npy -n 1000 --steps 50

The samples are those of `quasistatic sample run --sampler ddim` with the same seed, to the network's rounding. The file
is that of a model of continuous values: Gaussian process, Gaussian head, affine codec. Its metadata say the rest.

DDIM (Song et al. 2021, arXiv:2010.02502, eq. 12), with the guess's mean m and α = √ᾱ, σ = √(1 − ᾱ):

    x_s = α_s m + σ_s (x_t − α_t m)/σ_t
"""

import argparse
import json
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import onnxruntime

GAMMA, FIRST, SECOND = (np.uint64(c) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def mix(z: np.ndarray) -> np.ndarray:
    """SplitMix64's scramble of 64 bits (Steele, Lea & Flood 2014)."""
    z = (z ^ (z >> np.uint64(30))) * FIRST
    z = (z ^ (z >> np.uint64(27))) * SECOND
    return z ^ (z >> np.uint64(31))


def noise(seed: int, examples: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return N(0, 1) numbers (examples, *shape): those that quasistatic draws for the first examples of a seed."""
    start = mix(np.array([seed % 2**64], dtype=np.uint64) + GAMMA)
    keys = mix(start + np.arange(examples, dtype=np.uint64) * GAMMA)
    places = np.arange(1, math.prod(shape) + 1, dtype=np.uint64)
    bits = mix(keys[:, None] + places * GAMMA)
    uniform = ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    normal = np.vectorize(NormalDist().inv_cdf)(uniform)
    return normal.astype(np.float32).reshape(examples, *shape)


def cosine(schedule: dict[str, Any], t: float) -> float:
    """ᾱ(t) of the cosine schedule (Nichol & Dhariwal 2021, eq. 17)."""
    offset = schedule["offset"]
    start = math.cos(offset / (1 + offset) * math.pi / 2) ** 2
    return 1.0 if t == 0 else math.cos((t + offset) / (1 + offset) * math.pi / 2) ** 2 / start


SCHEDULES: dict[str, Callable[[dict[str, Any], float], float]] = {"cosine": cosine, "reciprocal": lambda _, t: 1 - t}
MEANS: dict[str, Callable[[np.ndarray, np.ndarray, np.float32, np.float32], np.ndarray]] = {
    "noise": lambda output, x_t, alpha, sigma: (x_t - sigma * output) / alpha,
    "data": lambda output, x_t, alpha, sigma: output,
    "velocity": lambda output, x_t, alpha, sigma: alpha * x_t - sigma * output,
}
"""(output, x_t, α, σ) → the mean of the guess."""


def sample(file: str | Path, n: int = 64, steps: int = 50, seed: int = 0) -> np.ndarray:
    """Draw ``n`` examples from an exported model, in raw units.

    Raises:
        ValueError: if the model is not of continuous values, or has another schedule.
    """
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["quasistatic"])
    process, head, codec = about["config"]["process"], about["config"]["head"], about["data"]["codec"]
    schedule = process.get("schedule", {"type": "none"})
    if (process["type"], head["type"], codec["type"]) != ("gaussian", "gaussian", "affine"):
        raise ValueError(
            f"this example samples continuous values, got {process['type']}, {head['type']}, {codec['type']}"
        )
    if schedule["type"] not in SCHEDULES:
        raise ValueError(f"this example knows the schedules {', '.join(SCHEDULES)}, got {schedule['type']}")
    alpha_bar, mean_of = SCHEDULES[schedule["type"]], MEANS[head["prediction"]]
    x_t = noise(seed, n, tuple(about["data"]["shape"]))
    times = np.linspace(1, 0, steps + 1)
    for t, s in pairwise(times):
        at_t, at_s = alpha_bar(schedule, float(t)), alpha_bar(schedule, float(s))
        alpha, sigma = np.float32(math.sqrt(at_t)), np.float32(math.sqrt(1 - at_t))
        (output,) = session.run(["output"], {"x_t": x_t, "t": np.full(n, t)})
        mean = mean_of(output[:, 0], x_t, alpha, sigma)
        guessed = (x_t - alpha * mean) / sigma
        x_t = np.float32(math.sqrt(at_s)) * mean + np.float32(math.sqrt(1 - at_s)) * guessed
    axes = (1, -1, *(1,) * (x_t.ndim - 2))
    return (x_t * np.reshape(codec["scale"], axes) + np.reshape(codec["center"], axes)).astype(np.float32)


def main() -> None:
    """Write samples to a .npy file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="FILE.onnx, written by `quasistatic export`")
    parser.add_argument("--out", default="samples.npy")
    parser.add_argument("-n", type=int, default=64)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    np.save(given.out, sample(given.file, given.n, given.steps, given.seed))


if __name__ == "__main__":
    main()
