"""The doctor says what is there, and what to do about what is not."""

import json
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError

import pytest
import torch

from quasistatic.runtime import doctor

Call = Callable[..., int]


def test_it_finds_this_machine() -> None:
    found = doctor.diagnose()
    assert found.versions["torch"] == torch.__version__
    assert found.versions["quasistatic"] is not None
    assert found.cores >= 1
    assert found.memory > 0.1
    assert found.precision in ("float32", "bfloat16")
    assert f"training runs on {torch.device(found.device).type}" in found.advice[0]
    for name, missing in found.extras.items():
        said = [line for line in found.advice if line.startswith(f"the extra {name} lacks")]
        assert len(said) == bool(missing)
        assert name != "dev"


def test_what_is_missing_has_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor.metadata.version

    def without(name: str) -> str:
        if name in ("onnx", "openpyxl"):
            raise PackageNotFoundError(name)
        return real(name)

    declared = ["torch>=2.6", "onnx>=1.16; extra == 'onnx'", 'openpyxl>=3.1 ; extra == "xlsx"', 'ruff; extra == "dev"']
    monkeypatch.setattr(doctor.metadata, "version", without)
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: declared)
    monkeypatch.setenv("CXX", "no-such-compiler")
    found = doctor.diagnose()
    assert found.extras == {"onnx": ["onnx"], "xlsx": ["openpyxl"]}
    assert found.compiler is None
    assert "the extra onnx lacks onnx: pip install 'quasistatic[onnx]'" in found.advice
    if found.device == "cpu":
        assert any("training.compile needs a C++ compiler" in line for line in found.advice)


def test_a_bare_checkout_has_no_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "requires", nothing)
    assert doctor.diagnose().extras == {}


def test_the_command_prints_or_gives_json(command: Call, capfd: pytest.CaptureFixture[str]) -> None:
    assert command("doctor") == 0
    shown = capfd.readouterr().out
    for word in ("versions", "system", "device", "units", "compiler", "extras", "note: training runs on"):
        assert word in shown
    assert command("doctor", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["versions"]["torch"] == torch.__version__


def test_a_device_that_is_not_there_is_one_sentence(
    command: Call, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QUASISTATIC_DEVICE", "moon")
    assert command("doctor") == 2
    assert "the device is one that torch can use here" in capfd.readouterr().err
