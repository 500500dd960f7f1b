"""CIFAR-10: the network of 2015 and a small U-Net on the same images for the same time; and the recipe `images`.

The paper's K = 5.4 ± 0.2 are bits of density per pixel of three values at unit variance: 4.20 ± 0.07 bits/dim of mass,
and not the 5.40 that later tables print beside their own (docs/errata.md). Where the images at hand are JPEGs, scores
are not comparable with those of the original files at all: JPEG takes information away. Scores are minus bits/dim.
"""

from dataclasses import replace
from pathlib import Path

from pair import configurations, rows
from record import Experiment, refuse

import quasistatic as qs
from quasistatic import plotting


def find(experiment: Experiment) -> Path:
    """The file of images: a Parquet file ``train.parquet`` in a folder whose name begins with cifar10."""
    place = experiment.data_dir
    found = sorted(place.glob("cifar10*/train*.parquet")) if place else []
    if not found:
        where = place or "no folder, since neither --data-dir nor $QUASISTATIC_DATA is set"
        refuse(experiment.name, f"needs cifar10*/train.parquet in the data folder, looked in {where}")
    return found[0]


def main() -> None:
    experiment = Experiment.begin("cifar10", __doc__ or "")
    path = find(experiment)
    data = experiment.load(path, limit=200 if experiment.quick else None)
    configs = configurations(str(path), 40 if experiment.quick else 2000, 3.0, dense=0 if experiment.quick else 200)
    if not experiment.quick:
        recipe = qs.recipe("images", data, str(path))
        configs["the recipe's U-Net"] = replace(recipe, data=replace(recipe.data, held_out=2000))
    found, models = rows(experiment, data, configs, f"CIFAR-10 ({path.parent.name})", "bits/dim")
    found[0].paper, found[0].note = -4.20, "the paper's 5.4 bits/pixel; of the original images"
    model = list(models.values())[-1]
    drawn = model.sample(16, steps=5 if experiment.quick else 250, seed=experiment.seed)
    plotting.save_examples(drawn, experiment.picture(), data.codec)
    experiment.finish(found)


if __name__ == "__main__":
    main()
