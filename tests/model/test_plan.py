"""Plans, variances, the flow and a target error through a model and the command: what is promised is scored."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from quasistatic.cli import terminal
from quasistatic.cli.app import app
from quasistatic.config import Specification
from quasistatic.data import Dataset, load
from quasistatic.data.load import is_built_in
from quasistatic.model import Model
from quasistatic.model.measured import PLAN, VARIANCE, Measured
from quasistatic.model.plan import candidate_times, plan_paths
from quasistatic.recipes import recipe
from quasistatic.schedule import Cosine, Linear, Reciprocal, Schedule, uniform_times


@pytest.fixture(scope="module")
def planned(run: Path, digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planned") / "run"
    shutil.copytree(run, folder)
    model = Model.from_pretrained(folder, device="cpu")
    measured, _ = plan_paths(model, digits, [5], candidates=16, examples=128)
    measured.write(folder, model.config.process, model.step)
    return folder


@pytest.mark.parametrize("clock", [Cosine(), Linear(), Reciprocal()], ids=repr)
@pytest.mark.parametrize("count", [4, 5, 16, 100])
def test_candidates_are_as_many_as_asked_and_apart(clock: Schedule, count: int) -> None:
    """Two that all but meet would make a step of no length, whose cost is 0/0."""
    times = candidate_times([clock], count)
    assert len(times) == count
    assert times[0] == 1
    assert times[-1].item() == pytest.approx(1e-3)
    assert (times.diff() < -1e-9).all()


def test_a_plan_is_kept_and_taken(planned: Path) -> None:
    model = Model.from_pretrained(planned, device="cpu")
    grid = model.times(5)
    assert torch.equal(grid, model.measured.grids[5])
    assert math.isfinite(model.measured.bits_per_dim[5])
    assert (len(grid), grid[0].item(), grid[-1].item()) == (6, 1.0, 0.0)
    assert not torch.equal(grid, uniform_times(5))
    assert torch.equal(model.times(5, grid="time"), uniform_times(5))
    assert torch.equal(model.times(6), uniform_times(6))
    with pytest.raises(ValueError, match=r"has plans for 5, got 6 steps; plan them with"):
        model.times(6, grid="planned")


def test_a_plan_costs_what_it_promised_and_less_than_an_even_path(planned: Path, digits: Dataset) -> None:
    """The bound over the planned path against the promise, and against five even steps; 4 errors."""
    model = Model.from_pretrained(planned, device="cpu")
    seen = model.trained_on(digits).select(torch.arange(400))
    ours = model.evaluate(seen, steps=5, draws=None)
    even = model.evaluate(seen, steps=5, draws=None, grid="time")
    error = math.hypot(ours.standard_error, ours.standard_error * math.sqrt(400 / 128))
    assert abs(ours.value - model.measured.bits_per_dim[5]) < 4 * error
    gap = ours.log_likelihoods - even.log_likelihoods
    assert gap.mean() > 4 * gap.std() / 20


@pytest.mark.parametrize("variance", ["small", "large", "analytic"])
def test_a_plan_for_any_variance_is_finite(variance: str, planned: Path, digits: Dataset) -> None:
    """The last step keeps the model's own mass: with the width 0 of `small` it would cost +∞."""
    model = Model.from_pretrained(planned, device="cpu")
    measured, costs = plan_paths(model, digits, [5], variance=variance, candidates=8, examples=32)
    assert math.isfinite(measured.bits_per_dim[5])
    assert costs.last.isfinite().all()
    score = model.evaluate(digits, steps=5, variance=variance, limit=16, draws=None)
    assert math.isfinite(score.value)
    assert model.sample(2, steps=3, variance=variance).shape == (2, 1, 8, 8)


def test_errors_are_measured_without_a_plan(planned: Path, digits: Dataset) -> None:
    """With no number of steps, only the squared errors that `analytic` widths need are measured."""
    measured, _ = plan_paths(Model.from_pretrained(planned), digits, [], candidates=8, examples=16)
    assert measured.errors is not None
    assert measured.grids == {}


def test_what_was_measured_of_another_model_is_not_used(planned: Path, tmp_path: Path) -> None:
    """Of other rates, of another step, or of an unknown one (version 0.1): said, and never taken unasked."""
    folder = tmp_path / "copy"
    shutil.copytree(planned, folder)
    for change in ({"process": {"type": "gaussian", "schedule": {"type": "reciprocal"}}}, {"step": 7}, {"step": None}):
        content = json.loads((planned / PLAN).read_text()) | change
        (folder / PLAN).write_text(json.dumps(content))
        model = Model.from_pretrained(folder, device="cpu")
        assert torch.equal(model.times(5), uniform_times(5))
        assert model.measured.errors is None
        with pytest.raises(ValueError, match=r"was measured (with|at) .* of step 8; run `quasistatic plan .*` again"):
            model.times(5, grid="planned")


def test_damaged_plans_are_refused(planned: Path, tmp_path: Path) -> None:
    process = Model.from_pretrained(planned, device="cpu").config.process
    folder = tmp_path / "copy"
    shutil.copytree(planned, folder)
    for text in ("{", "[]", '{"process": 1}'):
        (folder / PLAN).write_text(text)
        with pytest.raises(ValueError, match="damaged"):
            Measured.read(folder, process)
    (folder / PLAN).unlink()
    (folder / VARIANCE).write_bytes(b"1234")
    with pytest.raises(ValueError, match="damaged"):
        Measured.read(folder, process)
    save_file({"other": torch.zeros(1)}, folder / VARIANCE)
    with pytest.raises(ValueError, match="damaged"):
        Measured.read(folder, process)


def test_the_flow_through_a_model_says_what_it_cost(model: Model, digits: Dataset) -> None:
    """An untrained network: finite, per example, with an error from two probes; uniform noise bounds the same mass."""
    few = digits.select(torch.arange(3))
    score = model.evaluate(few, method="flow", draws=2)
    assert score.method == "flow"
    assert score.log_likelihoods.isfinite().all()
    assert (score.errors > 0).all()
    assert score.network_evaluations > 3 * 20
    assert model.evaluate(few, method="flow", draws=1, dequantise="uniform").log_likelihoods.isfinite().all()
    with pytest.raises(ValueError, match="by noise or uniform, got 'none'"):
        model.evaluate(few, method="flow", dequantise="none")


def test_a_target_error_is_met_and_its_search_is_counted(model: Model, digits: Dataset) -> None:
    score = model.evaluate(digits, target_error=0.1)
    assert score.standard_error < 0.12  # the pilot's own spread is known to a tenth or so
    full = model.evaluate(digits, draws=None, steps=40, limit=200)
    finer = model.evaluate(digits, target_error=0.1, steps=40)
    assert abs(full.value - finer.value) < 4 * math.hypot(full.standard_error, finer.standard_error)
    assert score.network_evaluations > 2 * 64 * 17
    for target in (0.0, -1.0):
        with pytest.raises(ValueError, match="above 0 bits/dim"):
            model.evaluate(digits, target_error=target)
    with pytest.raises(ValueError, match="a target error is for the bound, got method flow"):
        model.evaluate(digits, method="flow", target_error=0.1)
    with pytest.raises(ValueError, match="over two examples or more, got 1; leave it out"):
        model.evaluate(digits, target_error=0.1, limit=1)


def test_the_command_plans_and_refuses(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    told = CliRunner().invoke(
        app, ["plan", str(folder), "--steps", "3", "--candidates", "6", "--examples", "16", "--json"]
    )
    assert told.exit_code == 0, told.output
    assert (folder / PLAN).is_file()
    assert (folder / VARIANCE).is_file()
    assert math.isfinite(json.loads(told.stdout)["plans"]["3"])
    refused = CliRunner().invoke(app, ["plan", str(folder), "--steps", "9", "--candidates", "6"])
    assert isinstance(refused.exception, ValueError)
    assert "1 to 6 steps, got [9]" in str(refused.exception)


def test_a_model_from_elsewhere_names_no_data_to_plan_on(run: Path, tmp_path: Path) -> None:
    """What its config.json calls the source is read only if it is a built-in set, or given by the user."""
    shutil.copytree(run, tmp_path / "run")
    shutil.copytree(Path(__file__).parents[2] / "docs" / "pictures", tmp_path / "private")
    config = tmp_path / "run" / "config.json"
    for source in (str(tmp_path / "private"), "hf:someone/else", "./digits", "digits:1"):
        content = json.loads(config.read_text())
        content["config"]["data"]["source"] = source
        config.write_text(json.dumps(content))
        refused = CliRunner().invoke(app, ["plan", str(tmp_path / "run"), "--steps", "3"])
        assert isinstance(refused.exception, ValueError)
        assert f"only if they are a built-in set, got {source!r}; name them" in str(refused.exception)
    words = ["plan", str(tmp_path / "run"), "digits", "--steps", "3", "--candidates", "6", "--examples", "16"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert all(map(is_built_in, ("digits", "mnist", "heartbeat:20:5", "swiss-roll", "dead-leaves", "texture:grass")))


def test_a_plan_without_a_finite_path_is_refused(tmp_path: Path) -> None:
    """A network whose log-odds are −∞ rules out every one: no path scores a heartbeat."""
    beats = load("heartbeat")
    model = Model.fresh(recipe("heartbeat", beats, beats.name), Specification.of(beats))
    *_, bias = model.network.parameters()
    with torch.no_grad():
        bias.fill_(-3e38)
    model.save_pretrained(tmp_path / "run")
    words = ["plan", str(tmp_path / "run"), "heartbeat", "--steps", "2", "--steps", "3", "--candidates", "8"]
    done = CliRunner().invoke(app, [*words, "--examples", "16"])
    assert isinstance(done.exception, ArithmeticError)
    assert "every path of 2 or 3 steps gives some training data probability 0" in str(done.exception)
    assert not (tmp_path / "run" / PLAN).exists()


def test_each_planned_path_is_reported_in_words(capfd: pytest.CaptureFixture[str]) -> None:
    terminal.plan(Measured({}, {2: math.inf, 5: 1.25}))
    first, second = capfd.readouterr().err.splitlines()
    assert first == "2 steps: no path gives all training data a probability above 0; plan for more steps"
    assert second == "5 steps: about 1.250 bits/dim on the training data; --steps 5 now takes this path"
