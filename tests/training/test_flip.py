"""Horizontal flips in training: the network is told, so what it samples and scores is the data as they are."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from quasistatic.config import Config, Specification, override
from quasistatic.data import Dataset, load
from quasistatic.data.dataset import from_tensor
from quasistatic.denoiser import Denoiser
from quasistatic.denoiser.head import GaussianHead
from quasistatic.model import Model
from quasistatic.network import MultiScaleConfig, TransformerConfig
from quasistatic.objective import TimeDensity
from quasistatic.recipes import recipe
from quasistatic.training import checkpoint
from quasistatic.training.batch import draw_batch
from quasistatic.training.loop import Training

BRIGHT, DARK = 200, 55


@pytest.fixture(scope="module")
def halves() -> Dataset:
    """Images whose left half is bright and whose right half is dark, with a little noise."""
    raw = torch.full((64, 1, 4, 4), DARK)
    raw[..., :2] = BRIGHT
    noise = torch.randint(-20, 21, raw.shape, generator=seed(0))
    return from_tensor("halves", (raw + noise).to(torch.uint8), labels=torch.arange(64) % 2, classes=("a", "b"))


def seed(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def flipping(config: Config, *changes: str) -> Config:
    return override(config, ["data.flip=true", *changes])


def drawn(config: Config, count: int = 50, step: int = 3):  # type: ignore[no-untyped-def]
    return draw_batch(config, TimeDensity(config.objective.steps), count, step, attempt=0)


def test_half_of_the_examples_are_mirrored_and_all_other_draws_stay(small: Config) -> None:
    plain, flips = (drawn(override(small, ["training.batch=400", f"data.flip={on}"])) for on in ("false", "true"))
    for name in ("rows", "k", "weight", "hide"):
        assert torch.equal(getattr(plain, name), getattr(flips, name)), name
    assert not plain.mirror.any()
    assert 160 <= int(flips.mirror.sum()) <= 240
    assert torch.equal(flips.mirror, drawn(flipping(small, "training.batch=400")).mirror)


def test_an_example_its_mirror_and_its_label_stay_together(halves: Dataset, small: Config) -> None:
    """Also in uneven parts, as processes and micro-batches get them."""
    config = flipping(small, "data.conditional=true", "training.batch=7")
    batch = drawn(config, len(halves))
    assert batch.mirror.any()
    assert not batch.mirror.all()
    parts = batch.split(3)
    assert [len(part.rows) for part in parts] == [3, 2, 2]
    examples, labels = batch.examples(halves), batch.labels(halves, config.data)
    assert torch.equal(torch.cat([part.examples(halves) for part in parts]), examples)
    assert torch.equal(torch.cat([part.labels(halves, config.data) for part in parts]), labels)
    for n, (x, label) in enumerate(zip(examples, labels, strict=True)):
        raw = halves.batch(batch.rows[n : n + 1])[0]
        assert torch.equal(x, raw.flip(-1) if batch.mirror[n] else raw)
        own = 2 if batch.hide[n] else halves.labels_of(batch.rows)[n]
        assert label == own + 3 * batch.mirror[n]


def test_without_classes_the_label_is_the_flip(halves: Dataset, small: Config) -> None:
    batch, config = drawn(flipping(small), len(halves)), flipping(small)
    assert torch.equal(batch.labels(halves, config.data), batch.mirror.long())
    assert batch.labels(halves, small.data) is None


@pytest.mark.parametrize("conditional", ["false", "true"])
def test_a_fresh_bound_does_not_depend_on_the_flip(conditional: str, small: Config, digits: Dataset) -> None:
    change = f"data.conditional={conditional}"
    plain = Model.fresh(override(small, [change]), Specification.of(digits))
    flips = Model.fresh(flipping(small, change), Specification.of(digits))
    own, other = plain.network.state_dict(), flips.network.state_dict()
    assert other.keys() - own.keys() == {"condition.mirrored"}
    assert all(torch.equal(own[name], other[name]) for name in own)
    few = digits.select(torch.arange(5))
    assert flips.evaluate(few, steps=3).value == plain.evaluate(few, steps=3).value


@pytest.mark.parametrize("classes", [0, 2])
@pytest.mark.parametrize("kind", ["unet", "transformer"])
def test_the_vector_moves_mirrored_examples_only(kind: str, classes: int, small: Config) -> None:
    config = small.network if kind == "unet" else TransformerConfig(width=16, depth=1, head_width=8)
    network, generator = config.build((1, 8, 8), 2, classes).eval(), seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    network.learn_mirrored()
    x_t, t = torch.randn(3, 1, 8, 8, generator=generator), torch.full((3,), 0.5, dtype=torch.float64)

    def guesses(first: int) -> list[torch.Tensor]:
        return [network(x_t, t, torch.full((3,), first + label)) for label in range(classes + 1)]

    before = guesses(0)
    assert torch.equal(network(x_t, t), before[-1])
    assert all(torch.equal(own, mirrored) for own, mirrored in zip(before, guesses(classes + 1), strict=True))
    with torch.no_grad():
        network.condition.mirrored.normal_(generator=generator)
    assert all(torch.equal(own, again) for own, again in zip(before, guesses(0), strict=True))
    assert not any(torch.allclose(own, mirrored) for own, mirrored in zip(before, guesses(classes + 1), strict=True))


def test_samples_are_not_mirrored_though_half_of_the_training_is(small: Config) -> None:
    raw = torch.tensor([[BRIGHT, DARK], [BRIGHT, DARK]]).expand(64, 1, 2, 2)
    halves = from_tensor("halves", (raw + torch.randint(-20, 21, raw.shape, generator=seed(0))).to(torch.uint8))
    changes = ("objective=simple", "training.steps=60", "training.batch=32", "training.warmup=5", "training.ema=0.9")
    config = flipping(small, *changes, "training.learning_rate=0.03")
    config = replace(config, network=TransformerConfig(width=32, depth=1), head=GaussianHead("data", "small"))
    training = Training(config, Specification.of(halves))
    for _ in training.run(halves):
        pass
    samples = training.model.sample(32, steps=20).double()
    assert (samples[..., 0] > samples[..., 1]).all()
    denoiser = Denoiser(config.process, training.model.network, config.head)
    noise, one = torch.randn(8, 1, 2, 2, generator=seed(1)), torch.ones(8, dtype=torch.float64)
    told = denoiser(noise, one, torch.ones(8, dtype=torch.int64)).mean
    assert (told[..., 1] > told[..., 0] + 0.5).all()


@pytest.mark.parametrize("batch", [1, 6])
def test_a_resumed_run_is_the_same_to_the_bit(batch: int, halves: Dataset, small: Config, tmp_path: Path) -> None:
    """A batch of one, and one of six in three micro-batches that no epoch of 56 examples ends with."""
    changes = ("data.held_out=8", "data.conditional=true", "head=gaussian", "training.steps=8")
    config = flipping(small, *changes, f"training.batch={batch}", f"training.accumulate={min(batch, 3)}")
    whole, data = Training(config, Specification.of(halves)), halves.split(8, 0)[0]
    for progress in whole.run(data, every=0.0):
        if progress.step == 3:
            place = checkpoint.save(whole, tmp_path)
    resumed = Training(config, Specification.of(halves))
    checkpoint.load(resumed, place)
    for _ in resumed.run(data):
        pass
    left, right = whole.state()[0], resumed.state()[0]
    assert left.keys() == right.keys()
    assert left["network.condition.mirrored"].any()
    for name in left:
        assert torch.equal(left[name].nan_to_num(-1.0), right[name].nan_to_num(-1.0)), name


def test_classes_and_their_guidance_go_on_with_flips(halves: Dataset, small: Config, tmp_path: Path) -> None:
    changes = ("data.held_out=8", "data.conditional=true", "head=gaussian", "training.samples_every=none")
    config = flipping(small, *changes)
    for _ in checkpoint.train(config, halves, tmp_path / "run"):
        pass
    model = Model.from_pretrained(tmp_path / "run", device="cpu")
    assert model.config.data.flip
    assert model.network.condition.mirrored.any()
    assert model.sample(2, steps=2, label="b", scale=2.0).shape == (2, 1, 4, 4)
    assert model.evaluate(halves.select(torch.arange(4)), steps=2).conditional
    with pytest.raises(ValueError, match="knows 2 classes, got label 3"):
        model.sample(2, steps=2, label=3)


def test_only_images_are_mirrored(command, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "words.txt").write_text("a few words " * 50)
    assert command("train", tmp_path / "words.txt", "--out", tmp_path / "run", "--set", "data.flip=true") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "data.flip mirrors images left-right, got words.txt with rows of 256 values; set data.flip=false" in said
    assert not (tmp_path / "run").exists()
    points = load("swiss-roll", limit=50)
    with pytest.raises(ValueError, match=r"got swiss-roll:0\.5 with rows of 2 values; set data\.flip=false"):
        Training(flipping(recipe(None, points, "swiss-roll")), Specification.of(points))


def test_a_network_that_cannot_be_told_says_so(small: Config, digits: Dataset) -> None:
    config = flipping(replace(small, network=MultiScaleConfig(features=2, layers=1, scales=1)))
    with pytest.raises(ValueError, match=r"a U-Net or a transformer, got MultiScale; set data\.flip=false"):
        Training(config, Specification.of(digits))
