"""Folders of diffusers' DDPM pipelines, against diffusers itself."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from quasistatic import sampling
from quasistatic.config import Config, DataConfig, Specification
from quasistatic.data import LevelsCodec
from quasistatic.denoiser.head import GaussianHead, LevelsHead
from quasistatic.model import Model
from quasistatic.model.formats.diffusers import WEIGHTS
from quasistatic.network import TransformerConfig, UNetConfig
from quasistatic.objective import Simple
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine, Linear, Table
from quasistatic.streams import Streams

diffusers = pytest.importorskip("diffusers")


def randomised(network: torch.nn.Module) -> torch.nn.Module:
    """Give every weight a random value, those that start at zero too."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            scale = 1 / parameter[0].numel() ** 0.5 if parameter.ndim > 1 else 0.1
            parameter.copy_(scale * noise + ("norm" in name and name.endswith("weight")))
    return network


def save_pipeline(folder: Path, network: dict | None = None, scheduler: dict | None = None):
    """Save a small pipeline in diffusers' default configuration, and return it."""
    settings = {
        "sample_size": 16,
        "in_channels": 1,
        "out_channels": 1,
        "layers_per_block": 1,
        "block_out_channels": (32, 64),
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    }
    unet = randomised(diffusers.UNet2DModel(**settings | (network or {})))
    pipeline = diffusers.DDPMPipeline(unet, diffusers.DDPMScheduler(**(scheduler or {})))
    pipeline.save_pretrained(folder)
    return pipeline


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("diffusers") / "pipeline"
    save_pipeline(path)
    return path


def states(size: int = 16) -> torch.Tensor:
    return torch.randn(3, 1, size, size, generator=torch.Generator().manual_seed(1))


def their_output(pipeline, x_t: torch.Tensor, index: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return pipeline.unet(x_t, torch.tensor(index)).sample


def our_output(model: Model, x_t: torch.Tensor, index: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model.network(x_t, (torch.tensor(index) + 1).double() / 1000)[:, 0]


@pytest.mark.parametrize(
    "network",
    [
        {},
        {"flip_sin_to_cos": False, "freq_shift": 1, "downsample_padding": 0, "norm_eps": 1e-6},
        {"attention_head_dim": None, "norm_num_groups": 8, "sample_size": (16, 24)},
    ],
    ids=["their default", "as published", "one head"],
)
def test_the_network_gives_their_output(tmp_path: Path, network: dict) -> None:
    pipeline = save_pipeline(tmp_path, network)
    model = Model.from_diffusers(tmp_path, "cpu")
    x_t, index = states(), [0, 3, 999]
    theirs = their_output(pipeline, x_t, index)
    assert theirs.std() > 0.1  # else the comparison says little
    torch.testing.assert_close(our_output(model, x_t, index), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "scheduler",
    [{}, {"beta_schedule": "squaredcos_cap_v2"}, {"beta_schedule": "scaled_linear"}, {"trained_betas": [0.01] * 1000}],
    ids=["linear", "cosine", "scaled", "list"],
)
def test_the_clock_is_theirs(tmp_path: Path, scheduler: dict) -> None:
    pipeline = save_pipeline(tmp_path, scheduler=scheduler)
    schedule = Model.from_diffusers(tmp_path, "cpu").config.process.schedule
    theirs = pipeline.scheduler.alphas_cumprod.double()
    ours = schedule.alpha_bar(torch.arange(1, 1001).double() / 1000)
    torch.testing.assert_close(ours, theirs, rtol=2e-4, atol=0)  # theirs is a product of 1,000 float32 numbers


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_ddim_walks_the_same_path(tmp_path: Path, prediction: str) -> None:
    """From the same noise, ten steps of their DDIM and of ours end alike."""
    pipeline = save_pipeline(tmp_path, scheduler={"prediction_type": prediction})
    model = Model.from_diffusers(tmp_path, "cpu")
    scheduler = diffusers.DDIMScheduler.from_config(
        pipeline.scheduler.config, clip_sample=False, timestep_spacing="trailing", set_alpha_to_one=True
    )
    scheduler.set_timesteps(10)
    x = theirs = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    for index in scheduler.timesteps:
        with torch.no_grad():
            theirs = scheduler.step(pipeline.unet(theirs, index).sample, index, theirs).prev_sample
    step = sampling.sampler("ddim")(model.config.process, model.denoise(), Streams(0, 0, 2))
    with torch.no_grad():
        *_, ours = sampling.sample(step, x, model.times(10, "ddim", "time"))
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3 * theirs.abs().max().item())


def test_all_four_verbs_of_a_pipeline(folder: Path) -> None:
    model = Model.from_diffusers(folder, "cpu")
    drawn = model.sample(2, steps=3)
    assert drawn.shape == (2, 1, 16, 16)
    assert drawn.dtype == torch.uint8
    known = torch.ones_like(drawn, dtype=torch.bool)
    known[..., 8:] = False
    filled = model.infer(drawn, known, steps=3)
    assert torch.equal(filled[:, 0][known], drawn[known])


def test_older_folders_are_flat_and_name_attention_otherwise(folder: Path, tmp_path: Path) -> None:
    for name in ("unet/config.json", "scheduler/scheduler_config.json", "model_index.json"):
        (tmp_path / Path(name).name).write_text((folder / name).read_text())
    older = {}
    for name, value in load_file(folder / "unet" / WEIGHTS).items():
        for new, old in {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}.items():
            name = name.replace(new, old)
        older[name] = value
    assert sum("proj_attn" in name for name in older) > 0
    save_file(older, tmp_path / WEIGHTS)
    one, two = (Model.from_diffusers(path, "cpu") for path in (folder, tmp_path))
    assert torch.equal(our_output(one, states(), [1, 2, 3]), our_output(two, states(), [1, 2, 3]))


PLAIN = UNetConfig(channels=32, multipliers=(1, 2), blocks=1, groups=8, head_width=8, dropout=0.0)
CONFIG = Config(DataConfig("made"), GaussianProcess(Linear()), PLAIN, GaussianHead("noise", "large"), Simple())
SPECIFICATION = Specification("made", (1, 16, 16), LevelsCodec(0, 255, 256))


@pytest.mark.parametrize("schedule", [Linear(), Cosine(), Linear(2e-4, 0.01)], ids=repr)
def test_a_model_becomes_a_pipeline_and_comes_back(tmp_path: Path, schedule) -> None:
    head = GaussianHead("velocity" if isinstance(schedule, Cosine) else "noise", "large")
    model = Model.fresh(replace(CONFIG, process=GaussianProcess(schedule), head=head), SPECIFICATION)
    randomised(model.network)
    model.save_diffusers(tmp_path / "p")
    pipeline = diffusers.DDPMPipeline.from_pretrained(tmp_path / "p")
    index = [0, 500, 999]
    theirs = their_output(pipeline, states(), index)
    assert theirs.std() > 0.1
    torch.testing.assert_close(our_output(model, states(), index), theirs, rtol=0, atol=1e-5)
    kept = schedule.alpha_bar(torch.arange(1, 1001).double() / 1000)
    torch.testing.assert_close(pipeline.scheduler.alphas_cumprod.double(), kept, rtol=2e-4, atol=1e-7)
    again = Model.from_diffusers(tmp_path / "p", "cpu")
    assert torch.equal(our_output(again, states(), index), our_output(model, states(), index))
    assert again.config.head == head


def test_a_model_that_learned_flips_is_a_pipeline_of_images_as_they_are(tmp_path: Path) -> None:
    model = Model.fresh(replace(CONFIG, data=replace(CONFIG.data, flip=True)), SPECIFICATION)
    randomised(model.network)
    model.save_diffusers(tmp_path / "p")
    again = Model.from_diffusers(tmp_path / "p", "cpu")
    assert torch.equal(our_output(again, states(), [0, 500, 999]), our_output(model, states(), [0, 500, 999]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"network": replace(PLAIN, patch=2)}, "patches"),
        ({"network": replace(PLAIN, slim=True)}, "slim upsampling"),
        ({"head": GaussianHead("noise", "learned")}, "learned std"),
        ({"network": TransformerConfig(width=32, depth=1)}, "got TransformerConfig and GaussianHead"),
        ({"head": LevelsHead(256)}, "got UNetConfig and LevelsHead"),
        ({"network": replace(PLAIN, groups=32)}, "the same number of groups"),
    ],
    ids=["patch", "slim", "learned", "transformer", "levels", "groups"],
)
def test_what_a_pipeline_cannot_be(tmp_path: Path, change: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Model.fresh(replace(CONFIG, **change), SPECIFICATION).save_diffusers(tmp_path / "p")
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("unet", {"act_fn": "gelu"}, "act_fn = 'silu' can be read, got 'gelu'"),
        ("unet", {"up_block_types": ["UpBlock2D", "UpBlock2D"]}, "alike on both ways"),
        ("unet", {"block_out_channels": [32, 48]}, "whole multiples"),
        ("unet", {"sample_size": None}, "sample_size, got None"),
        ("unet", {"layers_per_block": 2}, "should hold down_blocks.0.resnets.1"),
        ("scheduler", {"num_train_timesteps": 500}, "1000 training steps can be read, got one of 500"),
        ("scheduler", {"beta_schedule": "sigmoid"}, "got 'sigmoid'; write out trained_betas"),
        ("scheduler", {"rescale_betas_zero_snr": True}, "zero final SNR"),
        ("scheduler", {"variance_type": "learned_range"}, "got 'learned_range'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_pipelines_that_cannot_be_read(folder: Path, tmp_path: Path, file: str, change: dict, words: str) -> None:
    shutil.copytree(folder, tmp_path / "p")
    path = tmp_path / "p" / file / ("config.json" if file == "unet" else "scheduler_config.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=words):
        Model.from_diffusers(tmp_path / "p")


def test_damaged_and_missing_files(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "p")
    weights = tmp_path / "p" / "unet" / WEIGHTS
    whole = weights.read_bytes()
    weights.write_bytes(whole[:1000])
    with pytest.raises(ValueError, match="is damaged"):
        Model.from_diffusers(tmp_path / "p")
    save_file(load_file(folder / "unet" / WEIGHTS) | {"extra.weight": torch.zeros(1)}, weights)
    with pytest.raises(ValueError, match=r"extra\.weight, which has no place"):
        Model.from_diffusers(tmp_path / "p")
    weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"pickled \.bin files"):
        Model.from_diffusers(tmp_path / "p")
    (tmp_path / "p" / "unet" / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="should hold fields, got list"):
        Model.from_diffusers(tmp_path / "p")
    (tmp_path / "p" / "unet" / "config.json").write_text("{")
    with pytest.raises(ValueError, match="should be JSON"):
        Model.from_diffusers(tmp_path / "p")
    (tmp_path / "p" / "unet" / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds config.json"):
        Model.from_diffusers(tmp_path / "p")


def test_the_command_reads_a_pipeline(folder: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from quasistatic.cli.app import app

    result = CliRunner().invoke(app, ["sample", str(folder), "-o", str(tmp_path / "s.npy"), "-n", "2", "--steps", "2"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "s.npy").exists()


def test_a_table_is_kept_as_it_was(tmp_path: Path) -> None:
    save_pipeline(tmp_path, scheduler={"trained_betas": [0.01] * 1000})
    assert Model.from_diffusers(tmp_path, "cpu").config.process.schedule == Table((0.01,) * 1000)


@pytest.mark.parametrize(("variance", "chosen"), [("fixed_large", "own"), ("fixed_small", "large")])
def test_the_command_plans_for_a_pipeline_and_scores_under_it(  # type: ignore[no-untyped-def]
    command, capfd: pytest.CaptureFixture[str], tmp_path: Path, variance: str, chosen: str
) -> None:
    """A default pipeline (fixed_small) gives its last step no width: it is scored with one that is chosen."""
    save_pipeline(tmp_path / "p", scheduler={"variance_type": variance})
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (6, 1, 16, 16), dtype=np.uint8))
    words = (tmp_path / "p", tmp_path / "x.npy", "--steps", 4, "--variance", chosen)
    assert command("plan", *words, "--candidates", 8, "--examples", 4) == 0
    capfd.readouterr()
    assert command("evaluate", *words, "--grid", "planned", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["steps"] == 4
    assert 0 < found["value"] < 1000


def test_a_pipeline_of_small_variance_rules_out_all_data_unless_told_otherwise(  # type: ignore[no-untyped-def]
    command, capfd: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (6, 1, 16, 16), dtype=np.uint8))
    assert command("evaluate", folder, tmp_path / "x.npy", "--steps", 4) == 0
    assert "6 of 6 examples have probability 0" in capfd.readouterr().err


def test_another_network_is_no_pipeline_of_images(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "p")
    for content in ({"_class_name": "UNet2DConditionModel"}, {"sample_size": 16}):
        (tmp_path / "p" / "unet" / "config.json").write_text(json.dumps(content))
        with pytest.raises(ValueError, match="should describe a UNet2DModel and its block_out_channels"):
            Model.from_diffusers(tmp_path / "p")


def test_what_a_file_does_not_say_is_what_diffusers_has(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "p")
    path = tmp_path / "p" / "unet" / "config.json"
    kept = ("sample_size", "in_channels", "out_channels", "layers_per_block", "block_out_channels")
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({name: whole[name] for name in (*kept, "down_block_types", "up_block_types")}))
    one, two = (Model.from_diffusers(place, "cpu") for place in (folder, tmp_path / "p"))
    assert torch.equal(our_output(one, states(), [1, 2, 3]), our_output(two, states(), [1, 2, 3]))
