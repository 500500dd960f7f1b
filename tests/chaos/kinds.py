"""Small runs of three kinds: the words of ``quasistatic train`` before ``--out``."""

from pathlib import Path

OFTEN = ["--set", "training.checkpoint_every=0", "--set", "training.held_out_every=1e9", "--set", "data.held_out=16"]
MLP = ["--set", "network.width=16", "--set", "network.depth=1", "--set", "training.batch=16"]

KINDS: dict[str, list[str]] = {
    # dropout and labels: random draws besides the noise
    "digits": ["digits", "--set", "network.channels=8", "--set", "network.head_width=none", "--set", "training.batch=8",
               "--set", "data.conditional=true", *OFTEN],
    # the schedule is learned: config.json changes with the weights
    "rates": ["swiss-roll", "--recipe", "rates", *MLP, *OFTEN],
    "bits": ["heartbeat", *MLP, *OFTEN],
}  # fmt: skip


def train(kind: str, out: Path, steps: int, *more: str) -> list[str]:
    """Return the words of a command that trains a run of this kind."""
    return ["train", *KINDS[kind], "--steps", str(steps), "--out", str(out), *more]
