"""The command on finite chains."""

import json
from pathlib import Path

import pytest

WEATHER = ",sunny,cloudy\nsunny,0.7,0.3\ncloudy,0.25,0.75\n"


def test_a_chain_is_described(command, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    """theory.md rows 3 to 5: two steps from sunny 0.565, π = (5/11, 6/11), λ₂ = 0.45."""
    (tmp_path / "weather.csv").write_text(WEATHER)
    assert command("chain", tmp_path / "weather.csv", "--steps", 2, "--json", "--out", tmp_path / "w.png") == 0
    found = json.loads(capfd.readouterr().out)
    assert set(found) == {"prediction", "stationary", "classes", "period", "second_eigenvalue", "mixing_time"}
    assert found["prediction"]["sunny"] == pytest.approx(0.565)
    assert found["stationary"][0]["cloudy"] == pytest.approx(6 / 11)
    assert found["second_eigenvalue"] == pytest.approx(0.45)
    assert (tmp_path / "w.png").read_bytes().startswith(b"\x89PNG")
    assert command("chain", tmp_path / "weather.csv", "--start", "cloudy") == 0
    out = capfd.readouterr().out
    assert "after 1 step " in out
    assert "sunny 0.25, cloudy 0.75" in out
