"""Two models of images, to be compared on the same data for the same time: the network of 2015 and a small U-Net.

Both are trained on the bound and scored in the same way; only the clock, the network and the reading of it differ.
"""

from dataclasses import replace

from record import Experiment, Row

import quasistatic as qs
from quasistatic.config import DataConfig, TrainingConfig
from quasistatic.network import MultiScaleConfig

STEPS = 1000


def configurations(source: str, held_out: int, minutes: float, dense: int, features: int = 20) -> dict[str, qs.Config]:
    """Return the run of 2015 and the modern one."""
    unet = qs.UNetConfig(channels=32, multipliers=(1, 2), blocks=1, attention=(1,), head_width=32, dropout=0.0, patch=2)
    modern = qs.Config(
        data=DataConfig(source, held_out=held_out),
        process=qs.GaussianProcess(qs.Cosine()),
        network=unet,
        head=qs.GaussianHead("velocity", "learned"),
        objective=qs.Bound(STEPS),
        training=TrainingConfig(minutes=minutes, batch=32, learning_rate=1e-3, held_out_every=120.0),
    )
    old = replace(
        modern,
        process=qs.GaussianProcess(qs.Reciprocal()),
        network=MultiScaleConfig(features=features, layers=4, dense=dense),
        head=qs.StepHead(STEPS),
    )
    return {"the paper's network": old, "small U-Net": modern}


def rows(
    experiment: Experiment, data: qs.Dataset, configs: dict[str, qs.Config], title: str, unit: str, draws: int = 4
) -> tuple[list[Row], dict[str, qs.Model]]:
    """Train and score each on what it did not see, as log-likelihood in bits per value of an example."""
    found, models = [], {}
    for name, config in configs.items():
        words = f"{experiment.name} {name}".replace("'", "").replace("_", " ").split()
        model = experiment.learn(config, data, "-".join(words).lower(), 2)
        limit = 8 if experiment.quick else 500
        score = model.evaluate(model.held_out(data), limit=limit, draws=draws, seed=experiment.seed)
        found.append(Row(f"{title}, {name}", unit, -score.value, score.standard_error, -score.null["value"]))
        models[name] = model
    return found, models
