"""Texture (in place of the bark of fig. 5, which is not public): pieces of scikit-image's photograph of grass.

The paper's −0.55 bits/pixel are of another photograph at unit variance, and cannot be compared.
"""

import math

import torch
from pair import configurations, rows
from record import Experiment

from quasistatic import plotting


def main() -> None:
    experiment = Experiment.begin("texture", __doc__ or "")
    source = "texture:grass:16" if experiment.quick else "texture:grass:32"
    data = experiment.load(source)
    configs = configurations(source, 100, 3.0, dense=0)
    found, models = rows(experiment, data, configs, source, "bits/pixel")
    # As mass on 256 levels; per unit of standard deviation it would be more by log₂ of the levels in one.
    values = data.batch(torch.arange(len(data))).double()
    for row in found:
        row.note = f"mass on 256 levels; + {math.log2(values.std().item()):.3f} at unit variance"
    drawn = models["small U-Net"].sample(16, steps=10 if experiment.quick else 250, seed=experiment.seed)
    plotting.save_examples(drawn, experiment.picture(), data.codec)
    experiment.finish(found)


if __name__ == "__main__":
    main()
