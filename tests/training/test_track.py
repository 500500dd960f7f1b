"""Trackers: events are read back by TensorBoard's own reader, and W&B's offline file by its own message types."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import quasistatic as qs
from quasistatic.config import Config, override, resumed
from quasistatic.data import Dataset
from quasistatic.training.monitor import track
from quasistatic.training.monitor.track import check_trackers, flattened, tracked
from tiny_runs import trained


def tracking(config: Config, *names: str) -> Config:
    return replace(config, training=replace(config.training, track=names, held_out_every=0.0))


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_what_the_metrics_hold(tiny: Config, beats: Dataset, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    steps = trained(tracking(tiny, "tensorboard"), beats, tmp_path / "run")
    reader = EventAccumulator(str(tmp_path / "run" / "tracked"))
    reader.Reload()
    found, written = reader.Scalars, lines(tmp_path / "run")
    assert [event.step for event in found("loss")] == [line["step"] for line in written] == steps
    for name, key in {"loss": "loss", "held_out_bits_per_dim": "held_out", "learning_rate": "learning_rate"}.items():
        values = [line[key] for line in written if line[key] is not None]
        assert len(values) > 1
        assert [event.value for event in found(name)] == pytest.approx(values, rel=1e-6)


def records(file: Path) -> Iterator[bytes]:
    """The records of W&B's offline file: a header of 7 bytes, then blocks of 32 KiB in the form of LevelDB's log."""
    content, place, whole = file.read_bytes(), 7, b""
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        size, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        whole += content[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield whole
            whole = b""


@pytest.mark.slow
def test_wandb_keeps_the_run_offline(
    tiny: Config, beats: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="W&B is an extra of its own: pip install 'quasistatic[wandb]'")
    from wandb.proto.wandb_internal_pb2 import Record

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    steps = trained(tracking(tiny, "wandb"), beats, tmp_path / "run")
    (file,) = (tmp_path / "run").glob("wandb/offline-run-*/*.wandb")
    read = [Record.FromString(content) for content in records(file)]
    found = [{item.key or "/".join(item.nested_key): item.value_json for item in one.history.item} for one in read]
    found = [items for items in found if "loss" in items]
    assert [int(items["_step"]) for items in found] == steps
    written = lines(tmp_path / "run")
    assert [float(items["loss"]) for items in found] == pytest.approx([line["loss"] for line in written])


def test_jsonl_is_the_file_alone(tiny: Config, beats: Dataset, tmp_path: Path) -> None:
    steps = trained(tracking(tiny, "jsonl"), beats, tmp_path / "run")
    assert len(lines(tmp_path / "run")) == len(steps)
    assert not (tmp_path / "run" / "tracked").exists()


def test_a_resumed_run_may_choose_another(tiny: Config) -> None:
    assert resumed(tiny, tracking(tiny, "tensorboard")).training.track == ("tensorboard",)


# ---- what cannot be used


def test_an_unknown_tracker_is_refused(tiny: Config) -> None:
    with pytest.raises(ValueError, match="one or more of jsonl, tensorboard, wandb, mlflow, got 'tensorbord'"):
        override(tiny, ["training.track=tensorbord"])
    assert override(tiny, ["training.track=tensorboard,wandb"]).training.track == ("tensorboard", "wandb")


@pytest.mark.parametrize(
    ("name", "how"),
    [("tensorboard", r"quasistatic\[track\]"), ("wandb", r"quasistatic\[wandb\]"), ("mlflow", "mlflow")],
)
def test_an_absent_package_is_named_before_anything_is_written(
    tiny: Config, beats: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, how: str
) -> None:
    monkeypatch.setattr(track, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=rf"training.track={name} needs the package {name}; pip install .*{how}"):
        trained(tracking(tiny, name), beats, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_in_memory_has_no_place_for_events(tiny: Config) -> None:
    with pytest.raises(ValueError, match="needs a folder for the run, got none; name it as `out`"):
        check_trackers(tracking(tiny, "tensorboard"), None)
    with pytest.raises(ValueError, match="needs a folder"):
        qs.fit("swiss-roll", steps=1, track="tensorboard", progress=False)


@dataclass(frozen=True)
class Seen:
    step: int
    note: str | None = None


def test_a_tracker_that_fails_does_not_end_the_run(
    tiny: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("the disk of events is full")

    monkeypatch.setattr(track.Accelerator, "log", fail)

    def run() -> Iterator[Seen]:
        yield from (Seen(1, "hot"), Seen(2), Seen(3))

    found = list(tracked(run(), tracking(tiny, "tensorboard"), tmp_path))
    assert [one.note for one in found] == [
        "hot; tensorboard failed and are left out: 'the disk of events is full'",
        None,
        None,
    ]


def test_a_configuration_is_flat_for_trackers() -> None:
    assert flattened({"a": {"b": 1, "c": [1, 2]}, "d": None, "e": "x"}) == {
        "a.b": 1,
        "a.c": "[1, 2]",
        "d": "None",
        "e": "x",
    }
