"""Completion of raw values by every method; what is observed in raw units; what is refused."""

import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import norm

from quasistatic.config import Config, Specification
from quasistatic.data import AffineCodec, BitsCodec, Dataset, LevelsCodec, SymbolsCodec, from_tensor, load
from quasistatic.inference import ContradictionError, FewParticles, Function
from quasistatic.model import Model
from quasistatic.model.bench import DrawOptions
from quasistatic.model.complete import as_states, complete, known, low_resolution, noisy, states
from quasistatic.network import TransformerConfig
from quasistatic.recipes import fitted, points, text

LIGHT = DrawOptions(draws=3, steps=3, particles=12)


@pytest.fixture
def raw(digits: Dataset) -> torch.Tensor:
    return digits.batch(torch.arange(2))


def half(raw: torch.Tensor) -> torch.Tensor:
    mask = torch.ones_like(raw, dtype=torch.bool)
    mask[..., 4:, :] = False
    return mask


@pytest.mark.filterwarnings("ignore::quasistatic.inference.FewParticles")
@pytest.mark.parametrize("method", ["hold", "guide", "particle"])
def test_known_values_come_back_by_every_method(model: Model, raw: torch.Tensor, method: str) -> None:
    mask = half(raw)
    found = complete(model, known(model, torch.where(mask, raw, 255), mask), method, LIGHT)
    assert found.draws.shape == (2, 3, 1, 8, 8)
    assert found.draws.dtype == torch.uint8
    assert (found.draws[:, :, :, :4] == raw[:, None, :, :4]).all()
    assert not torch.equal(found.draws[:, 0], found.draws[:, 1])
    rows = {"hold": 3, "guide": 3 * 3, "particle": 12 * 3}[method]  # a gradient costs two more
    assert found.network_evaluations == 2 * 3 * rows
    assert found.exactness.startswith({"hold": "heuristic", "guide": "approximate", "particle": "exact in"}[method])
    assert (found.log_evidence is not None) == (method == "particle")
    again = complete(model, known(model, raw, mask), method, LIGHT)
    assert torch.equal(found.draws, again.draws)


def test_draws_come_as_they_are_done_and_are_those_of_one_group(model: Model, raw: torch.Tensor) -> None:
    given, came = known(model, raw, half(raw)), list[torch.Tensor]()
    options = replace(LIGHT, draws=5)
    found = complete(model, given, "hold", options, on_draws=came.append)
    assert [len(rows) for rows in came] == [1, 2, 4, 3]
    assert torch.equal(torch.cat(came), found.draws.flatten(0, 1))
    whole = complete(model, given, "hold", options)
    same = (whole.draws == found.draws).double().mean().item()
    assert same > 0.99, "rounding aside, groups do not change the draws"
    assert whole.network_evaluations == found.network_evaluations


@pytest.mark.filterwarnings("ignore::quasistatic.inference.FewParticles")
@pytest.mark.parametrize("method", ["guide", "particle"])
def test_noise_and_coarse_pixels_and_any_function(model: Model, raw: torch.Tensor, method: str) -> None:
    seen = [
        noisy(model, raw.float() + 0.5, 2.0),
        low_resolution(model, torch.nn.functional.avg_pool2d(raw.float(), 2), 2, 0.5),
        states(Function(lambda x: x.flatten(1).sum(1)), 2) * known(model, raw, half(raw)),
    ]
    for given in seen:
        assert complete(model, given, method, LIGHT).draws.shape == (2, 3, 1, 8, 8)
    assert complete(model, seen[0], None, LIGHT).method == "denoise"  # the default, where all have the same noise
    assert complete(model, seen[1], None, LIGHT).method == "guide"


def test_little_noise_leaves_little_choice(model: Model, raw: torch.Tensor) -> None:
    """Levels seen with a std of a twentieth of a level are those levels."""
    found = complete(model, noisy(model, raw.float() + 0.02, 0.05), "guide", LIGHT)
    assert torch.equal(found.draws[:, 0], raw)


def test_units_of_states() -> None:
    levels, slope = as_states(LevelsCodec(0, 16, 17), torch.tensor([[0.0, 8.0, 16.0, 20.0]]))
    assert levels.tolist() == [[-1, 0, 1, 1.5]]
    assert slope.unique().item() == pytest.approx(1 / 8)
    affine, slope = as_states(AffineCodec((1.0, 2.0), (2.0, 4.0)), torch.tensor([[5.0, 4.0]]))
    assert (affine.tolist(), slope.tolist()) == ([[2, 0.5]], [[0.5, 0.25]])
    assert as_states(BitsCodec(), torch.tensor([[0.4]]))[0].item() == pytest.approx(0.4)
    with pytest.raises(TypeError, match="noise and averages are of numbers, and the model's data are an alphabet"):
        as_states(SymbolsCodec("ab"), torch.zeros(1, 1))


@pytest.mark.filterwarnings("ignore::quasistatic.inference.FewParticles")
def test_evidence_is_of_raw_values() -> None:
    """An untrained velocity head knows N(0, 1): p(raw) = N(raw; center, scale²), and so with noise."""
    data = from_tensor("points", torch.randn(64, 2, generator=torch.Generator().manual_seed(0)) * 8 + 3)
    model = Model.fresh(points("points"), Specification.of(data))
    codec = data.codec
    assert isinstance(codec, AffineCodec)
    seen, mask = torch.tensor([[5.0, math.nan]]), torch.tensor([[True, False]])
    effort = DrawOptions(steps=10, particles=400, islands=8)
    for given, std in ((known(model, seen, mask), 0.0), (noisy(model, seen, 6.0, mask), 6.0)):
        found = complete(model, given, "particle", effort)
        assert found.log_evidence is not None
        assert found.error is not None
        truth = norm(codec.center[0], math.hypot(codec.scale[0], std)).logpdf(5.0)
        assert abs(found.log_evidence.item() - truth) < 4 * found.error.item() + 0.05
    full = model.infer(seen, mask, draws=3, steps=2)
    assert (full[..., 0] == 5.0).all()  # as it came, whatever the codec's rounding
    assert full[..., 1].isfinite().all()


@pytest.mark.filterwarnings("ignore::quasistatic.inference.FewParticles")
def test_text_by_reveal_particle_and_guide(tmp_path: Path) -> None:
    (tmp_path / "abc.txt").write_text("abcabcab" * 40)
    data = load(str(tmp_path / "abc.txt"), length=8)
    network = TransformerConfig(width=16, depth=1, head_width=8)
    model = Model.fresh(fitted(replace(text("text"), network=network), data), Specification.of(data))
    raw = data.batch(torch.arange(2))
    mask = torch.arange(8).expand(2, 8) % 2 == 0
    for method in ("reveal", "particle", "guide"):
        found = complete(model, known(model, raw, mask), method, LIGHT)
        assert (found.draws[:, :, ::2] == raw[:, None, ::2]).all()
    assert complete(model, known(model, raw, mask), None, LIGHT).method == "reveal"


def test_what_is_impossible_is_said(model: Model, raw: torch.Tensor) -> None:
    never = states(Function(lambda x: torch.full((len(x),), -math.inf)), 2)
    with pytest.raises(ContradictionError, match="probability zero under the model"):
        complete(model, never, "particle", LIGHT)
    with pytest.raises(ValueError, match=r"log r\(x\) is a number or −∞, got nan"):
        complete(model, states(Function(lambda x: x.flatten(1).sum(1) * math.nan), 2), "particle", LIGHT)
    with pytest.raises(ValueError, match=r"follows the gradient of log r\(x\), and this one has none; use particle"):
        complete(model, never, "guide", LIGHT)
    with pytest.warns(FewParticles, match="12 particles are too few for 2 of 2 examples"):
        complete(model, known(model, raw, half(raw)), "particle", LIGHT)


def test_refusals(model: Model, raw: torch.Tensor) -> None:
    mask, seen = half(raw), known(model, raw, half(raw))
    blurry = noisy(model, raw.float(), 1.0)
    cases = [
        (
            ValueError,
            "the method of inference is hold, reveal, condition, denoise, guide, particle, got 'x'",
            seen,
            "x",
            LIGHT,
        ),
        (TypeError, "hold needs values that are known without noise", blurry, "hold", LIGHT),
        (TypeError, "reveal needs an absorbing process", seen, "reveal", LIGHT),
        (
            ValueError,
            "resamplings is for hold, reveal, condition, got 2 with guide",
            seen,
            "guide",
            DrawOptions(resamplings=2),
        ),
        (
            ValueError,
            "sampler is for hold, reveal, condition, denoise, got ddim",
            seen,
            "particle",
            DrawOptions(sampler="ddim"),
        ),
        (ValueError, "one draw or more of each example, got 0", seen, "guide", DrawOptions(draws=0)),
        (ValueError, "one particle or more, got 0", seen, "particle", DrawOptions(particles=0)),
        (ValueError, "islands divide the particles", seen, "particle", DrawOptions(particles=10, islands=3)),
        (ValueError, "the model knows 0 classes, got label 1", seen, "guide", DrawOptions(label=1)),
        (ValueError, "got 2 without a label", seen, "guide", DrawOptions(scale=2.0)),
    ]
    for error, sentence, given, method, effort in cases:
        with pytest.raises(error, match=sentence):
            complete(model, given, method, effort)
    with pytest.raises(ValueError, match="got everything known"):
        known(model, raw, torch.ones_like(mask))
    with pytest.raises(ValueError, match="needs something observed, got nothing"):
        noisy(model, raw.float(), 1.0, torch.zeros_like(mask))
    with pytest.raises(ValueError, match="noise has a std above 0, got 0"):
        noisy(model, raw.float(), 0.0)
    with pytest.raises(ValueError, match="means over 2×2 pixels of images of 1×8×8 have that size divided, got 1×8×8"):
        low_resolution(model, raw, 2, 0.5)
    with pytest.raises(ValueError, match="of the same examples, got 2 and 3 of them"):
        seen * states(Function(lambda x: x.flatten(1).sum(1)), 3)


def test_labels_and_scale_reach_the_guess(small: Config, digits: Dataset) -> None:
    """Of an untrained conditional model all guesses agree; with other weights the scale moves the samples."""
    config = replace(small, data=replace(small.data, conditional=True))
    model = Model.fresh(config, Specification.of(digits))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in model.network.parameters():
            weights += 0.2 * torch.randn(weights.shape, generator=generator)
    drawn = [model.sample(2, steps=2, label=3, scale=scale) for scale in (0.0, 1.0, 4.0)]
    assert not torch.equal(drawn[1], drawn[2])
    assert torch.equal(drawn[0], model.sample(2, steps=2, label=5, scale=0.0))
    with pytest.raises(ValueError, match="without a label; name one"):
        model.sample(2, steps=2, scale=2.0)
    observed = digits.batch(torch.arange(1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewParticles)
        for method in ("hold", "guide", "particle"):
            full = model.infer(observed, half(observed), method=method, label=3, scale=2.0, steps=2, particles=4)
            assert np.array_equal(full[:, 0, :, :4], observed[:, :, :4])
