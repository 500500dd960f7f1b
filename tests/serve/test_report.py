"""The report: one file that asks for nothing, with what the run's model draws and scores."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from quasistatic.serve import report
from quasistatic.serve.report import write_report


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "STEPS", 3)


def test_a_report_of_images_has_everything_in_one_file(served: Path, tmp_path: Path) -> None:
    write_report(served / "digits", tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert re.search(r"\d\.\d+ ± 0\.\d+ bits/dim over 256 examples; null model \d", text)
    assert text.count("data:image/png;base64,") == 3
    assert "unet" in text
    addresses = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"'\s>)]+)""", text)
    assert all(address.startswith("data:") for address in addresses)
    assert "<script" not in text
    assert "http" not in re.sub(r"http-equiv", "", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))


@pytest.mark.parametrize("name", ["people", "verse"])
def test_tables_and_text_are_shown_as_such_and_korean_is_written(served: Path, tmp_path: Path, name: str) -> None:
    write_report(served / name, tmp_path / "report.html", language="ko")
    text = (tmp_path / "report.html").read_text()
    assert "표본" in text
    assert "--data" in text, "their data were not named"
    assert ("<th>income</th>" if name == "people" else '<ol class="lines">') in text


def test_what_a_run_is_called_never_becomes_markup(served: Path, tmp_path: Path) -> None:
    (tmp_path / "<b>run").symlink_to(served / "people")
    write_report(tmp_path / "<b>run", tmp_path / "report.html")
    assert "<b>" not in (tmp_path / "report.html").read_text()


def test_the_command_writes_it_and_refuses_other_files(
    served: Path, tmp_path: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("report", served / "people", "--out", tmp_path / "r.html") == 0
    assert command("report", served / "people", "--out", tmp_path / "r.pdf") == 2
    assert command("report", served / "people", "--out", tmp_path / "r.html", "--lang", "xx") == 2
    assert command("report", tmp_path, "--out", tmp_path / "r.html") == 2
    assert "Traceback" not in capsys.readouterr().err
