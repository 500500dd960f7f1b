"""A product of two schedules: every verb works or refuses in a sentence, and none takes the first part's for all."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from quasistatic import plotting
from quasistatic.config import Config, Specification
from quasistatic.data import Dataset, load
from quasistatic.denoiser.head import GaussianHead, ProductHead
from quasistatic.model import Model
from quasistatic.model.evaluate import evaluate_with_detail
from quasistatic.model.evaluate.examples import EvaluateOptions
from quasistatic.model.plan import candidate_times, plan_paths
from quasistatic.network import ColumnsConfig
from quasistatic.objective import Hybrid, Objective, Simple, WeightedBound
from quasistatic.process import GaussianProcess, Part, ProductProcess
from quasistatic.recipes import recipe
from quasistatic.schedule import Cosine, Learned, Linear, Reciprocal, Schedule, uniform_times
from quasistatic.training.checkpoint import train
from quasistatic.training.duration import with_steps
from quasistatic.training.loop import Training

DIFFERENT = r"one schedule for all columns, got .* different ones \(\[0\]: Cosine\(.*\), \[1\]: Reciprocal\(.*\)\)"


def product(*schedules: Schedule) -> ProductProcess:
    """Numbers, each column with a schedule of its own."""
    return ProductProcess(tuple(Part(GaussianProcess(one), (column,)) for column, one in enumerate(schedules)))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    values = torch.randn(200, 2, generator=torch.Generator().manual_seed(0)).tolist()
    file = tmp_path_factory.mktemp("two") / "two.csv"
    file.write_text("".join(f"{x:.6f},{y:.6f}\n" for x, y in values))
    return load(file)


@pytest.fixture(scope="module")
def config(dataset: Dataset) -> Config:
    found = recipe("points", dataset, dataset.name)
    head, small = GaussianHead("velocity", "learned"), ColumnsConfig(width=8, depth=1)
    training = replace(found.training, batch=16, compile=False)
    parts = {"process": product(Cosine(), Reciprocal()), "head": ProductHead((head, head))}
    return with_steps(replace(found, network=small, training=training, **parts), 3)


@pytest.fixture(scope="module")
def model(config: Config, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("product") / "run"
    *_, last = train(config, dataset, folder)
    assert last.step == 3
    return Model.from_pretrained(folder, device="cpu")


def test_the_schedule_of_a_product_is_the_one_its_parts_share() -> None:
    assert product(Cosine(), Cosine()).schedule == Cosine()
    assert product(Cosine(), Cosine()).schedules == (Cosine(),)
    assert product(Cosine(), Reciprocal(), Cosine()).schedules == (Cosine(), Reciprocal())
    with pytest.raises(ValueError, match=DIFFERENT):
        _ = product(Cosine(), Reciprocal()).schedule


def test_it_samples_and_scores_on_even_times(model: Model, dataset: Dataset) -> None:
    assert torch.equal(model.times(7), uniform_times(7))
    assert model.sample(4, steps=5).isfinite().all()
    score, _ = evaluate_with_detail(model, dataset, "bound", EvaluateOptions(steps=20, limit=50))
    assert math.isfinite(score.value)
    assert score.bands == []  # a step has no log-SNR of its own


def test_other_grids_are_refused_in_one_sentence(model: Model) -> None:
    for grid in ("log-snr", "karras"):
        with pytest.raises(ValueError, match=DIFFERENT):
            model.times(7, grid=grid)


@pytest.mark.parametrize("count", [4, 5, 16, 101])
@pytest.mark.parametrize("schedules", [(Cosine(), Reciprocal()), (Cosine(), Linear(), Reciprocal())])
def test_a_plan_chooses_among_times_of_all_schedules(schedules: tuple[Schedule, ...], count: int) -> None:
    """As many as asked, apart, the same in every order of the parts, and between the times of each schedule alone."""
    times = candidate_times(schedules, count)
    assert len(times) == count
    assert (times.diff() < -1e-9).all()
    assert torch.equal(times, candidate_times(schedules[::-1], count))
    alone = torch.stack([candidate_times([one], count) for one in schedules])
    assert (times >= alone.amin(0) - 1e-12).all()
    assert (times <= alone.amax(0) + 1e-12).all()


def test_a_plan_is_made(model: Model, dataset: Dataset) -> None:
    measured, _ = plan_paths(model, dataset, [3], candidates=8, examples=16)
    assert len(measured.grids[3]) == 4
    assert math.isfinite(measured.bits_per_dim[3])


def test_pictures_leave_out_the_log_snr(model: Model, dataset: Dataset, tmp_path: Path) -> None:
    _, terms = evaluate_with_detail(model, dataset, "bound", EvaluateOptions(steps=20, limit=20))
    assert terms is not None
    plotting.score(terms, None, 2, tmp_path / "bound.png")
    codec, raw = model.specification.codec, dataset.batch(torch.arange(20))
    plotting.forward(model.config.process, raw, tmp_path / "forward.png", codec, columns=3)
    plotting.forward(product(Cosine(), Cosine()), raw, tmp_path / "shared.png", codec, columns=3)
    assert (tmp_path / "bound.png").exists()
    assert (tmp_path / "forward.png").read_bytes() != (tmp_path / "shared.png").read_bytes()


@pytest.mark.parametrize("objective", [WeightedBound(50), Simple(50), Hybrid(50)])
def test_weights_per_time_are_refused_before_a_run(objective: Objective, config: Config, dataset: Dataset) -> None:
    with pytest.raises(ValueError, match=r"this objective needs one schedule for all columns, .* set objective=bound"):
        Training(replace(config, objective=objective), Specification.of(dataset))


def test_learned_schedules_in_a_product_are_refused(config: Config, dataset: Dataset) -> None:
    learned = Learned.from_schedule(Cosine(), 10)
    for process in (product(learned, learned), product(Cosine(), learned)):
        with pytest.raises(ValueError, match=r"got a product with a learned schedule; give its parts a fixed schedule"):
            Training(replace(config, process=process), Specification.of(dataset))


def test_the_command_evaluates_with_a_picture(
    command: Callable[..., int], model: Model, dataset: Dataset, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model.save_pretrained(tmp_path / "model")
    rows = dataset.batch(torch.arange(20)).tolist()
    file = tmp_path / "rows.csv"
    file.write_text("".join(f"{x},{y}\n" for x, y in rows))
    words = ("evaluate", tmp_path / "model", file, "--steps", 10, "--picture", tmp_path / "bound.png")
    assert command(*words) == 0
    assert (tmp_path / "bound.png").exists()
    assert command(*words, "--grid", "log-snr") == 2
    assert "one schedule for all columns" in capfd.readouterr().err.replace("\n", " ")
