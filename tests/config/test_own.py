"""Parts of the user's own: a plain module as a network, saved with its import path, imported only if it is allowed."""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import quasistatic as qs
from quasistatic.config import FAMILIES, Specification, import_parts
from quasistatic.config.registry import OPEN, OWN
from quasistatic.network import Foreign

MODULE = """
from dataclasses import dataclass

import torch
from torch import nn

import quasistatic as qs


class Exact(nn.Module):
    '''The exact guess for states N(mean, variance): its mean, and the log-odds of its variance over 1 - alpha_bar.'''

    def __init__(self, mean, variance):
        super().__init__()
        self.mean = nn.Parameter(torch.tensor(mean, dtype=torch.float64))
        self.variance = variance

    def forward(self, x_t, t):
        kept = qs.Cosine().alpha_bar(t.double())[:, None]
        total = kept * self.variance + 1 - kept
        middle = self.mean + kept.sqrt() * self.variance / total * (x_t - kept.sqrt() * self.mean)
        return torch.stack([middle, (self.variance / total).logit().expand_as(middle)], 1)


@dataclass(frozen=True)
class ExactConfig(qs.NetworkConfig):
    mean: float = 0.0
    variance: float = 0.5

    def build(self, shape, outputs=1, classes=0, states=0):
        return Exact(self.mean, self.variance)


class Stranger:
    pass
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module that nobody imported yet."""
    (tmp_path / "their_nets.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "their_nets"
    sys.modules.pop("their_nets", None)
    forget()


def forget() -> None:
    for family in OPEN.values():
        for name, member in list(FAMILIES[family].items()):
            if member in OWN:
                del FAMILIES[family][name]
                OWN.discard(member)


@pytest.fixture
def saved(elsewhere: str, tmp_path: Path) -> Path:
    """The folder of a model with such a network; the class is then forgotten, as in another program."""
    import their_nets  # type: ignore[import-not-found]

    qs.register("network", "exact", their_nets.ExactConfig)
    data = qs.load(torch.randn(64, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    config = qs.override(
        qs.recipe("points", data, "points"), {"network": their_nets.ExactConfig(0.3, 0.5), "head.prediction": "data"}
    )
    model = qs.Model.fresh(config, Specification.of(data))
    model.save_pretrained(tmp_path / "run")
    forget()
    del sys.modules["their_nets"]
    return tmp_path / "run"


def test_the_import_path_is_saved(saved: Path) -> None:
    network = json.loads((saved / "config.json").read_text())["config"]["network"]
    assert network == {"type": "exact", "import": "their_nets:ExactConfig", "mean": 0.3, "variance": 0.5}


def test_nothing_is_imported_unasked(saved: Path) -> None:
    with pytest.raises(ValueError, match=r"'their_nets:ExactConfig'; register it .* QUASISTATIC_TRUST=their_nets"):
        qs.Model.from_pretrained(saved)
    assert "their_nets" not in sys.modules


def test_a_trusted_model_is_its_own_law(saved: Path) -> None:
    """With an exact guess the bound is the log-likelihood of N(0.3, 0.5) in states, whatever the path."""
    model = qs.Model.from_pretrained(saved, trust=True)
    assert isinstance(model.network, Foreign)
    data = torch.randn(256, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    codec = model.specification.codec
    states = codec.encode(data).double()
    law = torch.distributions.Normal(0.3, math.sqrt(0.5))
    truth = (law.log_prob(states) + codec.log_jacobian(data)).sum(1).mean().item()
    score = model.evaluate(data, steps=50, draws=50)
    assert abs(score.nats_per_example - truth) < 4 * score.standard_error * 2 * math.log(2)
    assert score.standard_error * 2 * math.log(2) < 0.2
    drawn = codec.encode(model.sample(2000, steps=50)).double()
    assert ((drawn.mean(0) - 0.3).abs() < 4 * math.sqrt(0.5 / 2000)).all()


def test_a_named_module_is_trusted(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUASISTATIC_TRUST", "others, their_nets")
    assert qs.Model.from_pretrained(saved).config.network.variance == 0.5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (
            "no_such_module:Net",
            "cannot be imported: No module named 'no_such_module'; its folder must be on PYTHONPATH",
        ),
        ("their_nets:Nothing", "cannot be imported: module 'their_nets' has no attribute 'Nothing'"),
        ("their_nets:Stranger", "which is of no family"),
        ("__main__:Net", "was defined in a script or notebook"),
    ],
)
def test_what_cannot_be_imported_is_named(elsewhere: str, place: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        import_parts({"network": {"type": "theirs", "import": place}}, True, "the model")


def test_an_instance_without_a_name_is_told_how_to_get_one(elsewhere: str) -> None:
    import their_nets

    data = qs.load(torch.randn(64, 2))
    with pytest.raises(ValueError, match=r'quasistatic.register\("network", "my-name", ExactConfig\)'):
        qs.override(qs.recipe("points", data, "points"), {"network": their_nets.ExactConfig()})


class Wrong(torch.nn.Module):
    def forward(self, x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return x_t[:, :1]


def test_a_module_of_another_shape_is_named() -> None:
    network, t = Foreign(Wrong(), (3,), 1, 0), torch.ones(2, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"Wrong should return \(2, 1, 3\) or \(2, 3\) .* got \(2, 1\)"):
        network(torch.zeros(2, 3), t)
    with pytest.raises(ValueError, match="unconditional, got a label"):
        network(torch.zeros(2, 3), t, torch.zeros(2, dtype=torch.int64))


def test_maps_of_convolutional_networks_are_split() -> None:
    """Two outputs of three channels come as six channels: the first three are the first output."""

    class Maps(torch.nn.Module):
        def forward(self, x_t: torch.Tensor, t: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
            return torch.cat([x_t, -x_t], 1)

    x_t, t = torch.randn(2, 3, 4, 4), torch.ones(2, dtype=torch.float64)
    found = Foreign(Maps(), (3, 4, 4), 2, 5)(x_t, t, torch.zeros(2, dtype=torch.int64))
    torch.testing.assert_close(found, torch.stack([x_t, -x_t], 1))
