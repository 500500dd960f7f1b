"""A run whose weights are sharded over processes is the run of one process; activations may be computed twice."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributed.checkpoint import HuggingFaceStorageReader

from quasistatic.config import Specification, TrainingConfig, override
from quasistatic.model import Model
from quasistatic.network import CausalConfig, Network, UNetConfig
from quasistatic.network.operations import dropping
from quasistatic.streams import Streams
from quasistatic.training import checkpoint
from quasistatic.training.loop import Training
from quasistatic.training.parallel.blocks import blocks_of, recompute
from worlds import Stage, data_of, runs

SHARD = ("training.shard=true",)
KINDS = ["digits", "text", "table", "heartbeat"]
STEPS = 6


def averaged(run: Path) -> Tensor:
    """The averaged weights of a run, in one vector."""
    tensors = load_file(run / "model.safetensors")
    return torch.cat([tensors[name].double().flatten() for name in sorted(tensors)])


def apart(one: Path, other: Path) -> float:
    first, second = averaged(one), averaged(other)
    return ((first - second).norm() / first.norm()).item()


def lines(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_sharded_run_is_the_run_of_one_process(kind: str, tmp_path: Path) -> None:
    """Losses, held-out scores and weights of 1 process, of 2 and 3 that share them, and of runs that change at resume.

    In a table's network a direction has no gradient (`test_worlds`), so its weights are not compared.
    """
    ends = (f"training.steps={STEPS}", "training.held_out_every=0")
    shared, last = (*ends, *SHARD), STEPS + 1
    stages = [
        Stage(1, "one", last, changes=ends),
        Stage(2, "two share", last, changes=shared),
        Stage(3, "three share", last, changes=shared),
        Stage(2, "two parts", last, changes=(*shared, "training.accumulate=2")),
        Stage(1, "whole, shared, whole", 2, changes=ends),
        Stage(2, "whole, shared, whole", 4, changes=shared, resume=True),
        Stage(1, "whole, shared, whole", last, changes=ends, resume=True),
        Stage(3, "three, then two", STEPS // 2, changes=shared),
        Stage(2, "three, then two", last, changes=shared, resume=True),
    ]
    runs(kind, tmp_path, stages)
    one = lines(tmp_path / "one")
    for name in dict.fromkeys(stage.out for stage in stages[1:]):
        found = lines(tmp_path / name)
        assert [row["step"] for row in found] == [row["step"] for row in one]
        for what in ("loss", "gradient_norm", "held_out"):
            # a session ends with a held-out score, wherever it ends
            pairs = [(one_row[what], row[what]) for one_row, row in zip(one, found, strict=True)]
            known = torch.tensor([pair for pair in pairs if None not in pair])
            assert len(known)
            torch.testing.assert_close(known[:, 1], known[:, 0], rtol=1e-4, atol=0, msg=f"{name}, {what}: {pairs}")
        assert kind == "table" or apart(tmp_path / "one", tmp_path / name) < 1e-5
    places = {out: tmp_path / out / "checkpoints" / f"step-{STEPS}" for out in ("two share", "whole, shared, whole")}
    assert (places["two share"] / "training").is_dir()
    assert not (places["two share"] / "training.safetensors").exists()
    assert (places["whole, shared, whole"] / "training.safetensors").is_file()


@pytest.mark.slow
def test_each_process_keeps_its_share_and_the_model_is_whole(tmp_path: Path) -> None:
    runs("digits", tmp_path, [Stage(2, "run", 3, changes=SHARD)])
    data, config = data_of("digits", tmp_path)
    model = Model.from_pretrained(tmp_path / "run")
    place = tmp_path / "run" / "checkpoints" / "step-3"
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, Model.from_pretrained(place).network.state_dict()[name])
    files = sorted((place / "training").iterdir())
    numbers = [sum(value.numel() for value in load_file(file).values()) for file in files]
    weights = sum(value.numel() for value in model.network.parameters())
    assert len(files) == 2
    assert sum(numbers) == pytest.approx(4 * weights, rel=0.01)  # weights, their average, two moments
    assert max(numbers) < 0.6 * sum(numbers)
    whole = Training(override(config, ["training.steps=3"]), Specification.of(data))
    names = HuggingFaceStorageReader(str(place / "training")).read_metadata().state_dict_metadata
    assert {name for name in names if not name.startswith("optimizer.")} == set(whole.state()[0])


@pytest.mark.slow
def test_a_grid_of_samples_is_drawn_together(tmp_path: Path) -> None:
    """All processes draw, the first writes; the picture is that of one process to the bit of a pixel, or nearly."""
    ends = ("training.steps=3", "training.checkpoint_every=0")
    runs("digits", tmp_path, [Stage(1, "one", 4, changes=ends), Stage(2, "two", 4, changes=(*ends, *SHARD))])
    files = [tmp_path / run / "samples" / "step-3.png" for run in ("one", "two")]
    one, two = (np.asarray(Image.open(file).convert("L"), float) for file in files)
    assert one.shape == two.shape
    assert np.abs(one - two).mean() < 1


def test_one_of_several_that_is_asked_to_stop_saves_the_shares_of_all(tmp_path: Path) -> None:
    """And one process goes on from them as if it had never been several."""
    runs("heartbeat", tmp_path, [Stage(3, "run", 4, asks=2, changes=SHARD), Stage(1, "run", 6, resume=True)])
    assert [(tmp_path / f"run-{rank}.txt").read_text() for rank in range(3)] == ["4"] * 3
    runs("heartbeat", tmp_path, [Stage(1, "whole", 6)])
    assert apart(tmp_path / "run", tmp_path / "whole") < 1e-5


@pytest.mark.slow
def test_a_process_that_dies_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    runs("heartbeat", tmp_path, [Stage(2, "run", 2, changes=SHARD)])
    runs("heartbeat", tmp_path, [Stage(2, "run", 4, changes=SHARD, resume=True, dies=1)])
    assert (tmp_path / "run-0.txt").read_text().startswith("another of the 2 processes ended")
    assert {place.name for place in (tmp_path / "run" / "checkpoints").iterdir()} == {"step-0", "step-2"}
    runs("heartbeat", tmp_path, [Stage(1, "run", 6, resume=True), Stage(1, "whole", 6)])
    assert apart(tmp_path / "run", tmp_path / "whole") < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["cut", "lost", "another"])
def test_damaged_shares_are_named(harm: str, tmp_path: Path) -> None:
    runs("heartbeat", tmp_path, [Stage(2, "run", 2, changes=SHARD)])
    place = tmp_path / "run" / "checkpoints" / "step-2"
    file = sorted((place / "training").iterdir())[1]
    if harm == "cut":
        file.write_bytes(file.read_bytes()[:1000])
    elif harm == "lost":
        file.unlink()
    changes = ("network.width=12",) if harm == "another" else ()
    data, config = data_of("heartbeat", tmp_path)
    training = Training(override(config, list(changes)), Specification.of(data))
    with pytest.raises(ValueError, match=r"step-2.*; remove it to go on from the one before"):
        checkpoint.load(training, place)


def test_shards_need_an_example_in_each_part(tmp_path: Path) -> None:
    changes = (*SHARD, "training.batch=8", "training.accumulate=8")
    with pytest.raises(
        AssertionError, match=r"needs an example in each of 8 parts, got training\.batch=8; raise it to 16"
    ):
        runs("heartbeat", tmp_path, [Stage(2, "run", 2, changes=changes)])
    with pytest.raises(ValueError, match=r"training\.shard and training\.compile do not go together"):
        TrainingConfig(shard=True, compile=True)


# ---- activations that are computed again


def a_unet() -> Network:
    config = UNetConfig(channels=8, multipliers=(1, 2), blocks=1, attention=(1,), head_width=None, dropout=0.3)
    network = config.build((1, 8, 8), 2)
    for value in network.parameters():
        nn.init.normal_(value, std=0.2)
    return network.train()


def test_blocks_are_what_runs_one_after_another() -> None:
    network = a_unet()
    assert len(blocks_of(network)) == len(network.down) + len(network.middle) + len(network.up)  # type: ignore[arg-type]
    text = CausalConfig(width=16, depth=3, head_width=8, embedding=4).build((12,), 5, 0, 6)
    assert blocks_of(text) == list(text.blocks)  # type: ignore[arg-type]
    assert blocks_of(nn.Linear(2, 2)) == []


def test_computing_again_gives_the_same_gradient_from_less_memory() -> None:
    """To the bit, dropout included; what is kept for the backward pass is less than half."""
    torch.manual_seed(0)
    network = a_unet()
    x, t, streams = torch.randn(4, 1, 8, 8), torch.rand(4, dtype=torch.float64), Streams(0, 0, 4)

    def gradient() -> tuple[Tensor, int]:
        kept = [0]

        def keep(value: Tensor) -> Tensor:
            kept[0] += value.numel()
            return value

        network.zero_grad()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
            with dropping(network, streams):
                first = network(x, t)
                loss = (first * network(x, t)).sum()
            held = kept[0]
            loss.backward()
        return torch.cat([value.grad.flatten() for value in network.parameters() if value.grad is not None]), held

    plain, much = gradient()
    again, _ = gradient()
    recompute(network)
    found, little = gradient()
    assert torch.equal(plain, again)
    assert torch.equal(plain, found)
    assert little < much / 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_computes_again_is_the_same_run(kind: str, tmp_path: Path) -> None:
    data, config = data_of(kind, tmp_path)
    ends = []
    for asked in ("false", "true"):
        training = Training(override(config, [f"training.gradient_checkpointing={asked}"]), Specification.of(data))
        training.begin(data)
        for _ in range(3):
            training.take_step(data)
        ends.append(torch.cat([value.detach().flatten() for value in training.network.parameters()]))
    assert torch.equal(*ends)
