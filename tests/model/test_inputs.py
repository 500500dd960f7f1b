"""What a script hands over: arrays and 0/1 masks just work, the rest is one sentence that says what to do."""

import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import quasistatic as qs
from quasistatic.config import TrainingConfig
from quasistatic.data import Dataset
from quasistatic.data.labels import class_number
from quasistatic.evaluation.fidelity import compare
from quasistatic.model import Model, complete, draw, evaluate, inputs
from quasistatic.model.plan import plan_paths
from quasistatic.runtime.device import pick_device
from quasistatic.runtime.fields import check_fields
from quasistatic.schedule import Cosine, grid, uniform_times


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function without the checks of types that only tests have."""
    return inspect.unwrap(function)


@pytest.fixture
def halves(digits: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    truth = digits.batch(torch.arange(2))
    known = torch.ones_like(truth, dtype=torch.bool)
    known[..., 4:, :] = False
    return truth, known


@pytest.mark.parametrize(
    "turned",
    [
        lambda x, mask: (x.numpy(), mask.numpy()),
        lambda x, mask: (x.tolist(), mask.tolist()),
        lambda x, mask: (x, mask.int()),
        lambda x, mask: (x.numpy(), mask.float().numpy()),
    ],
)
def test_arrays_lists_and_masks_of_ones_are_taken(model: Model, halves: tuple, turned: Callable[..., Any]) -> None:
    expected = model.infer(*halves, draws=2, steps=2)
    assert torch.equal(plain(Model.infer)(model, *turned(*halves), draws=2, steps=2), expected)


@pytest.mark.parametrize(
    ("observed", "mask", "error", "sentence"),
    [
        ("picture.png", None, TypeError, "what was observed is a tensor, an array or a list of numbers, got str"),
        ([[1, 2], [3]], None, TypeError, "what was observed is a tensor, an array or a list of numbers, got list"),
        (np.array([{}]), None, TypeError, "a list of numbers, got ndarray of shape (1,)"),
        (None, None, TypeError, "a list of numbers, got NoneType None"),
        (0, 2, ValueError, "a mask holds true and false, or 1 and 0, got other values of type torch.int64"),
        (0, 0.5, ValueError, "a mask holds true and false, or 1 and 0, got other values of type torch.float"),
        (torch.zeros(2, 3), 1, ValueError, "the model was made for examples of 1×8×8 (digits), got observations of 3"),
        (torch.tensor(1.0), 1, ValueError, "made for examples of 1×8×8 (digits), got observations of"),
    ],
)
def test_observations_of_another_kind(
    model: Model, halves: tuple, observed: Any, mask: Any, error: type[Exception], sentence: str
) -> None:
    truth, known = halves
    masked = known if mask is None else torch.full_like(known, mask, dtype=torch.tensor(mask).dtype)
    with pytest.raises(error) as found:
        plain(complete.known)(model, truth if isinstance(observed, int) else observed, masked)
    assert sentence in str(found.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"n": "3"}, "n must be a whole number, got '3'"),
        ({"n": 2.5}, "n must be a whole number, got 2.5"),
        ({"n": True}, "n must be a whole number, got True"),
        ({"n": -1}, "a sample needs n of at least 1, got -1"),
        ({"n": 10**12}, "1000000000000 samples need 476,837.2 GiB of memory, and there are"),
        ({"seed": 2**63}, "seed must be at least -9,223,372,036,854,775,808 and at most"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"first": -1}, "first must be at least 0"),
        ({"scale": "2"}, "a guidance scale is a number, got '2'"),
        ({"steps": 10**12}, "steps must be at most 1,000,000, got 1000000000000"),
        ({"steps": "3"}, "steps must be a whole number (at most 1,000,000), got '3'"),
        ({"steps": 2.5}, "steps must be a whole number (at most 1,000,000), got 2.5"),
        ({"steps": 10**12, "grid": "log-snr"}, "steps must be at most 1,000,000"),
        ({"steps": 10**12, "grid": "karras"}, "steps must be at most 1,000,000"),
    ],
)
def test_samples_of_odd_numbers(model: Model, change: dict[str, Any], sentence: str) -> None:
    with pytest.raises((ValueError, TypeError)) as found:
        plain(Model.sample)(model, **{"n": 1, "steps": 2} | change)
    assert sentence in str(found.value)


@pytest.mark.parametrize("label", [[0, 1], torch.tensor([0]), 1.0, True, (0,)])
def test_a_label_is_one_class(label: object) -> None:
    with pytest.raises(TypeError, match=r"a label is the name or the number of one class, got "):
        plain(class_number)(label, ("a", "b"))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: evaluate.EvaluateOptions(steps=10**12), "steps must be at most 1,000,000"),
        (lambda: evaluate.EvaluateOptions(draws=10**12), "draws must be at most 1,000,000"),
        (lambda: evaluate.EvaluateOptions(target_error=math.inf), "target_error must be finite, got inf"),
        (lambda: evaluate.EvaluateOptions(seed=2**64), "seed must be at least"),
        (lambda: draw.DrawOptions(resamplings=10**12), "resamplings must be at most 1,000, got"),
        (lambda: draw.DrawOptions(particles=10**12), "particles must be at most 1,000,000, got"),
        (lambda: uniform_times(10**12), "steps must be at most 1,000,000"),
        (lambda: grid("time", Cosine(), 10**12), "steps must be at most 1,000,000"),
    ],
)
def test_efforts_have_ends(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        make()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"candidates": 10**12}, "candidates must be at least 4 and at most 5,000, got 1000000000000"),
        ({"candidates": -1}, "candidates must be at least 4 and at most 5,000, got -1"),
        ({"examples": 0}, "examples must be at least 1, got 0"),
        ({"examples": -1}, "examples must be at least 1, got -1"),
        ({"seed": 2**70}, "seed must be at least"),
    ],
)
def test_plans_of_odd_numbers(model: Model, digits: Dataset, change: dict[str, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        plan_paths(model, digits, [3], **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("std", [math.inf, math.nan, 0.0, -1.0])
def test_noise_has_a_finite_width(model: Model, halves: tuple, std: float) -> None:
    with pytest.raises(ValueError, match=f"^noise has a std above 0, got {std}"):
        complete.noisy(model, halves[0], std)


@pytest.mark.parametrize("factor", [1, 0, -1, 9, 10**12, 99999999])
def test_a_factor_of_images_fits_into_them(command, capfd, run: Path, tmp_path: Path, factor: int) -> None:  # type: ignore[no-untyped-def]
    words = ("infer", run, "digits", "-o", tmp_path / "a.npy", "--limit", 1, "--steps", 2)
    assert command(*words, "--super-resolution", factor) == 2
    assert f"got {factor}" in capfd.readouterr().err


def test_compare_takes_a_seed_of_32_bits(digits: Dataset) -> None:
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match=r"^seed must be at least 0 and at most 4,294,967,295"):
            compare(digits, digits, seed=seed)


@pytest.mark.parametrize("value", ["digits", Path("digits"), None, 3, {"a": 1}, [[1, 2], [3]], np.array(["a"])])
def test_other_things_are_no_data(model: Model, value: object) -> None:
    for verb in (evaluate.evaluate_with_detail, Model.held_out, Model.learned):
        with pytest.raises(TypeError, match=r"in memory (is|are needed here, got .*`quasistatic.load` reads names)"):
            plain(verb)(model, value)


@pytest.mark.parametrize("value", [{"a": 1}, None, 3, [[1.0], [2.0, 3.0]], ["a"], object()])
def test_a_source_is_a_name_or_values(value: object) -> None:
    with pytest.raises(TypeError, match=r"^a data set in memory is a NumPy array, .* of numbers; got "):
        plain(qs.load)(value)


def test_a_models_folder_is_a_folder(run: Path) -> None:
    with pytest.raises(NotADirectoryError, match=r"a model is a folder, and .*config\.json is a file"):
        Model.from_pretrained(run / "config.json")
    for read in (Model.from_pretrained, Model.from_diffusers):
        with pytest.raises(FileNotFoundError, match="a model is a folder of this machine, and there is no owner/name;"):
            read("owner/name")
        with pytest.raises(TypeError, match="a model's folder is named by a path, got int 3"):
            plain(read)(Model, 3) if not inspect.ismethod(read) else plain(read.__func__)(Model, 3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there(model: Model, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = r"the device is one that torch can use here \(cpu, .*\), got 'cuda'; name another"
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        model.to("cuda")
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        Model.from_pretrained(run, device="cuda")
    with pytest.raises(ValueError, match="got 'nonsense'; name another"):
        model.to("nonsense")
    monkeypatch.setenv("QUASISTATIC_DEVICE", "cuda")
    with pytest.raises(ValueError, match=f"^{sentence}, or unset .QUASISTATIC_DEVICE$"):
        pick_device()


def test_what_is_converted_keeps_its_values() -> None:
    assert torch.equal(inputs.tensor("x", np.arange(3)), torch.arange(3))
    frozen = np.arange(3.0)
    frozen.setflags(write=False)
    assert inputs.tensor("x", frozen).dtype == torch.float64
    assert inputs.mask("m", [[1, 0]]).tolist() == [[True, False]]


@pytest.mark.parametrize("change", [{"batch": "3"}, {"clip": "1"}, {"ema": None}, {"steps": 2.0}, {"compile": 1}])
def test_strings_are_no_numbers(change: dict[str, object]) -> None:
    settings = TrainingConfig()
    for name, value in change.items():
        object.__setattr__(settings, name, value)
    with pytest.raises(ValueError, match=rf"^{min(change)} must be "):
        check_fields(settings)
