"""Checks and applies the configuration changes of a resumed run."""

from dataclasses import replace
from typing import Any

from quasistatic.config.json import to_json
from quasistatic.config.tree import Config

CHANGEABLE = (
    "steps", "minutes", "epochs", "checkpoint_every", "held_out_every", "samples_every", "keep", "track", "shard",
    "gradient_checkpointing",
)  # fmt: skip
"""Fields of ``training`` that a resumed run may change."""


def resumed(kept: Config, asked: Config) -> Config:
    """Return the configuration of a resumed run: that of the run, with the requested changes of `CHANGEABLE` fields.

    Args:
        kept: the configuration that the run was started with.
        asked: the requested configuration; None for ``training.steps`` keeps the run's, unless the minutes differ.

    Raises:
        ValueError: if any other field differs; the message names the first.
    """
    fields = {name: getattr(asked.training, name) for name in CHANGEABLE}
    if fields["steps"] is None and fields["minutes"] == kept.training.minutes:
        fields["steps"] = kept.training.steps
    result = replace(kept, training=replace(kept.training, **fields))
    # The data and their condition may be given by another path; the fingerprints are compared elsewhere.
    same_name = replace(asked.data, source=kept.data.source)
    if kept.data.condition is not None and asked.data.condition is not None:
        same_name = replace(same_name, condition=kept.data.condition)
    compared = replace(asked, training=replace(asked.training, **fields), data=same_name)
    if compared != result:
        name, was, wanted = _difference(to_json(result), to_json(compared))
        raise ValueError(
            f"the run was started with {name} = {was}, got {wanted}; a resumed run may change only "
            f"{', '.join(f'training.{field}' for field in CHANGEABLE)}; start another run for the rest"
        )
    return result


def _difference(kept: Any, asked: Any, where: str = "") -> tuple[str, Any, Any]:
    """Return the name of the first field that differs in two trees of JSON values, and both values."""
    if isinstance(kept, dict) and isinstance(asked, dict):
        name = next(name for name in {**kept, **asked} if kept.get(name) != asked.get(name))
        return _difference(kept.get(name), asked.get(name), f"{where}.{name}" if where else name)
    return where, kept, asked
