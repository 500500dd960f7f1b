"""Neither the number of processes nor the parts of a batch matter: the same run, up to the order of sums."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from quasistatic.config import Specification, override
from quasistatic.model import Model
from quasistatic.network.operations import Dropout, dropping
from quasistatic.streams import Streams
from quasistatic.training.batch import draw_batch
from quasistatic.training.loop import Training
from worlds import Stage, data_of, runs

KINDS = ["digits", "text", "table", "heartbeat"]
MOST = {"digits": 6, "text": 20, "table": 20, "heartbeat": 20}
"""Steps of a run: a U-Net of digits is slow."""


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_example_costs_does_not_depend_on_its_part_of_the_batch(kind: str, tmp_path: Path) -> None:
    """Times, noise, dropout, hidden labels, covered parts and cuts of a text, each drawn for the slot in the batch."""
    data, config = data_of(kind, tmp_path)
    training = Training(override(config, ["training.label_dropout=0.5"]), Specification.of(data))
    training.begin(data)
    for _ in range(2):
        training.take_step(data)
    batch = draw_batch(training.config, training.density, len(data), training.step, 0)
    with torch.no_grad():
        whole = training._cost(data, batch)
        parts = torch.cat([training._cost(data, part) for part in batch.split(3)])
        training.attempt = 1
        other = training._cost(data, batch)
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-5)
    assert (other - whole).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_accumulating_gives_the_gradient_of_the_whole_batch(kind: str, tmp_path: Path) -> None:
    data, config = data_of(kind, tmp_path)
    found = []
    for accumulate in (1, 4):
        training = Training(override(config, [f"training.accumulate={accumulate}"]), Specification.of(data))
        training.begin(data)
        training._backward(data, draw_batch(training.config, training.density, len(data), 0, 0))
        found.append(torch.cat([parameter.grad.flatten() for parameter in training.network.parameters()]))
    assert (found[1] - found[0]).norm() < 1e-6 * found[0].norm()


def test_what_is_dropped_of_an_example_depends_on_its_stream_only() -> None:
    """Not on its batch nor on how maps lie in memory; another layer and another pass drop other features."""
    network = torch.nn.Sequential(Dropout(0.5), Dropout(0.5))
    first, second = network
    streams = Streams(0, 0, 7)
    for shape in ((7, 8, 5, 3), (7, 6, 5), (7, 33)):
        h = torch.ones(shape)
        with dropping(network, streams):
            one, again, other = first(h), first(h), second(h)
        with dropping(network, streams.at(torch.tensor([4, 2]))):
            assert torch.equal(first(h[:2]), one[[4, 2]])
        if h.ndim == 4:
            with dropping(network, streams):
                assert torch.equal(first(h.contiguous(memory_format=torch.channels_last)), one)
        assert (one != again).double().mean() == pytest.approx(0.5, abs=0.2)
        assert (one != other).double().mean() == pytest.approx(0.5, abs=0.2)
    assert first.keys is None
    with dropping(network, streams), pytest.raises(ValueError, match="6 examples came with 7 streams"):
        first(torch.ones(6, 2))


def test_dropout_by_streams_drops_its_share_independently() -> None:
    """Within an example, between neighbouring examples, layers and passes: correlations within 4 standard errors."""
    network = torch.nn.Sequential(Dropout(0.5), Dropout(0.5))
    with dropping(network, Streams(3, 0, 4)):
        passes = [layer(torch.ones(4, 100_003)) != 0 for layer in (network[0], network[0], network[1])]
    kept = [part.double() - 0.5 for part in passes]
    limit = 4 * 0.25 / 100_003**0.5
    for part in kept:
        assert part.mean(1).abs().max() < 2 * limit
    pairs = [(kept[0][:, lag:], kept[0][:, :-lag]) for lag in (1, 2, 3, 4, 5)]
    pairs += [(kept[0][1:], kept[0][:-1]), (kept[0], kept[1]), (kept[0], kept[2]), (kept[1], kept[2])]
    for one, two in pairs:
        assert (one * two).mean(1).abs().max() < limit
    layer = Dropout(0.1)
    with dropping(layer, Streams(4, 0, 1)):
        share = (layer(torch.ones(1, 1_000_000)) == 0).double().mean().item()
    assert share == pytest.approx(0.1, abs=4 * (0.09 / 1e6) ** 0.5)


def weights(place: Path) -> Tensor:
    """All weights, their average and the optimizer's moments of a checkpoint, in one vector."""
    tensors = load_file(place / "training.safetensors") | load_file(place / "model.safetensors")
    return torch.cat([tensors[name].double().flatten() for name in sorted(tensors) if name != "density"])


def apart(one: Tensor, two: Tensor) -> float:
    return ((one - two).norm() / one.norm()).item()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_any_number_of_processes_gives_the_same_run(kind: str, tmp_path: Path) -> None:
    """1, 2 and 3 processes (8 examples: 3 + 3 + 2), 1 and 4 parts, and a run that goes on on 3 and then on 2.

    In a table's network a direction has no gradient, as log-weights may move together: there AdamW moves by the sign
    of what rounding leaves. So its guesses are compared.
    """
    last, parts = MOST[kind], ("training.accumulate=4",)
    stages = [Stage(count, f"{count} processes", last) for count in (1, 2, 3)]
    stages += [
        Stage(1, "1 process, 4 parts", last, changes=parts),
        Stage(2, "2 processes, 4 parts", last, changes=parts),
    ]
    stages += [Stage(1, "1, 3, 2 processes", last // 3), Stage(3, "1, 3, 2 processes", 2 * last // 3, resume=True)]
    stages += [Stage(2, "1, 3, 2 processes", last, resume=True)]
    runs(kind, tmp_path, stages)
    data, _ = data_of(kind, tmp_path)

    def found(out: str) -> Tensor:
        if kind != "table":
            return weights(tmp_path / out / "checkpoints" / f"step-{last}")
        return Model.from_pretrained(tmp_path / out, "cpu").evaluate(data, limit=64).log_likelihoods.double()

    one = found("1 processes")
    assert {out: apart(one, found(out)) for out in dict.fromkeys(stage.out for stage in stages)} == pytest.approx(
        dict.fromkeys((stage.out for stage in stages), 0.0), abs=1e-5
    )
    if kind != "table":
        assert apart(one, weights(tmp_path / "1, 3, 2 processes" / "checkpoints" / f"step-{2 * last // 3}")) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_several_processes_find_the_gradient_of_one(kind: str, tmp_path: Path) -> None:
    runs(kind, tmp_path, [Stage(count, str(count), 1, gradient=True) for count in (1, 2, 3)])
    one, *others = (torch.load(tmp_path / f"{count}.pt") for count in (1, 2, 3))
    for other in others:
        assert one.keys() == other.keys()
        assert apart(*(torch.cat([part[name].flatten() for name in one]) for part in (one, other))) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("dies", [1, 0])
def test_a_process_that_dies_ends_the_others_with_a_sentence(dies: int, tmp_path: Path) -> None:
    """And with a good checkpoint, from which the run goes on on one process; rank 0 alone writes it."""
    stages = [Stage(3, "run", 3, dies=dies), Stage(1, "run", 6, resume=True)]
    runs("heartbeat", tmp_path, stages)
    for rank in {0, 1, 2} - {dies}:
        told = (tmp_path / f"run-{rank}.txt").read_text()
        assert told.startswith("another of the 3 processes ended")
        assert "--resume goes on from it" in told
    runs("heartbeat", tmp_path, [Stage(1, "whole", 6)])
    whole, found = (weights(tmp_path / name / "checkpoints" / "step-6") for name in ("whole", "run"))
    assert apart(whole, found) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("asks", [0, 2])
def test_one_process_that_is_asked_to_stop_stops_all_at_the_same_step(asks: int, tmp_path: Path) -> None:
    runs("heartbeat", tmp_path, [Stage(3, "run", 4, asks=asks)])
    assert [(tmp_path / f"run-{rank}.txt").read_text() for rank in range(3)] == ["4"] * 3
    assert (tmp_path / "run" / "checkpoints" / "step-4" / "training.safetensors").is_file()


@pytest.mark.slow
def test_a_batch_smaller_than_the_world_says_the_largest_one(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"each of 3 processes needs an example .* start at most 2, or raise it"):
        runs("heartbeat", tmp_path, [Stage(3, "run", 4, changes=("training.batch=2",))])
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["heartbeat", "text"])
def test_processes_share_the_held_out_score(kind: str, tmp_path: Path) -> None:
    """Of a run that ends: the score and the loss that three processes report are those of one."""
    ends = ("training.steps=3",)
    runs(kind, tmp_path, [Stage(count, str(count), 4, changes=ends) for count in (1, 3)])
    one, three = (
        [json.loads(line) for line in (tmp_path / count / "metrics.jsonl").read_text().splitlines()]
        for count in ("1", "3")
    )
    assert three[-1]["held_out"] == pytest.approx(one[-1]["held_out"], rel=1e-5)
    assert [row["loss"] for row in three] == pytest.approx([row["loss"] for row in one], rel=1e-5)
