"""Reads and writes folders of diffusers' DDPM pipelines: a UNet2DModel and its scheduler.

    unet/config.json, unet/diffusion_pytorch_model.safetensors      the network
    scheduler/scheduler_config.json                                 the list of β, what is predicted, the width
    model_index.json                                                what the pipeline is made of

Older folders hold the same files side by side. Step i = 0 … 999 there is the time t = (i + 1)/1000 here. The order of
sines and cosines in the time embedding is a matter of the columns of the first weight, which are swapped on the way.
What their samplers clip to [−1, 1] is not clipped here: what is sampled is the law that is scored.
Source: the files of huggingface/diffusers 0.42 (`DDPMPipeline.save_pretrained`); Ho et al. 2020 for the network.
"""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from quasistatic.config import Config, DataConfig, Specification, TrainingConfig, read_object
from quasistatic.data import LevelsCodec
from quasistatic.denoiser.head import GaussianHead
from quasistatic.model.folder import check_finite
from quasistatic.model.formats.names import our_weights, their_weights
from quasistatic.network import UNetConfig
from quasistatic.objective import Simple
from quasistatic.process import GaussianProcess
from quasistatic.runtime.fields import Embedded, Fraction, Positive, Range, Steps, Width, brief, check
from quasistatic.runtime.files import replace_file
from quasistatic.schedule import Linear, Schedule, Table, uniform_times

INDEX, WEIGHTS = "model_index.json", "diffusion_pytorch_model.safetensors"
STEPS = 1000
PREDICTIONS = {"noise": "epsilon", "data": "sample", "velocity": "v_prediction"}
VARIANCES = {"fixed_small": "small", "fixed_small_log": "small", "fixed_large": "large", "fixed_large_log": "large"}

DEFAULTS: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "layers_per_block": 2,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "dropout": 0.0,
}
"""What a UNet2DModel has where its file does not say."""

FIXED = {
    "act_fn": "silu",
    "add_attention": True,
    "center_input_sample": False,
    "class_embed_type": None,
    "num_class_embeds": None,
    "downsample_type": "conv",
    "upsample_type": "conv",
    "mid_block_scale_factor": 1,
    "resnet_time_scale_shift": "default",
    "time_embedding_type": "positional",
    "attn_norm_num_groups": None,
    "time_embedding_dim": None,
}
"""What a UNet2DModel may vary and our network does not."""

UNET: dict[str, Any] = {
    "in_channels": Width,
    "out_channels": Width,
    "layers_per_block": Annotated[int, Range(at_least=1, at_most=100)],
    "block_out_channels": tuple[Embedded, ...],
    "down_block_types": tuple[str, ...],
    "up_block_types": tuple[str, ...],
    "attention_head_dim": Width | None,
    "norm_num_groups": Width,
    "norm_eps": Annotated[float, Range(above=0, at_most=1)],
    "downsample_padding": Annotated[int, Range(at_least=0, at_most=1)],
    "flip_sin_to_cos": bool,
    "freq_shift": Annotated[int, Range(at_least=0, at_most=1)],
    "dropout": Fraction,
    "sample_size": Width | tuple[Width, ...] | None,
}
"""Types and ranges of what is read of a UNet2DModel."""

TIMING: dict[str, Any] = {
    "num_train_timesteps": STEPS,
    "beta_schedule": "linear",
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "variance_type": "fixed_small",
    "prediction_type": "epsilon",
}
"""What a DDPMScheduler has where its file does not say."""

SCHEDULER: dict[str, Any] = {
    "num_train_timesteps": Steps,
    "beta_schedule": str,
    "beta_start": Positive,
    "beta_end": Positive,
    "variance_type": str,
    "prediction_type": str,
    "rescale_betas_zero_snr": bool | None,
    "trained_betas": tuple[float, ...] | None,
}
"""Types and ranges of what is read of a DDPMScheduler."""

Parts = tuple[Config, Specification, dict[str, Tensor]]


def is_pipeline(folder: Path) -> bool:
    """Return whether ``folder`` holds a diffusers pipeline."""
    return (folder / INDEX).is_file()


# ---- read


def read(folder: Path) -> Parts:
    """Return the configuration, the specification and the weights of the model in a pipeline's folder.

    Images are taken to have 8 bits; how the model was trained is not known, so the training part holds defaults.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is damaged, or the pipeline has parts that cannot be represented here.
    """
    unet = folder / "unet" if (folder / "unet").is_dir() else folder
    scheduler = folder / "scheduler" if (folder / "scheduler").is_dir() else folder
    named = _json(unet / "config.json", {}, {})
    if named.get("_class_name", "UNet2DModel") != "UNet2DModel" or "block_out_channels" not in named:
        raise ValueError(
            f"{unet / 'config.json'} should describe a UNet2DModel and its block_out_channels, got "
            f"{brief(named.get('_class_name', 'something else'))}; other pipelines cannot be read"
        )
    found = _json(unet / "config.json", UNET, DEFAULTS)
    timing = _json(scheduler / "scheduler_config.json", SCHEDULER, TIMING)
    with _in_file(unet / "config.json"):
        network = _network(found)
    with _in_file(scheduler / "scheduler_config.json"):
        process, head = GaussianProcess(_schedule(timing)), _head(timing)
        head.check(process)
    config = Config(
        data=DataConfig(source=folder.name),
        process=process,
        network=network,
        head=head,
        objective=Simple(),
        training=TrainingConfig(),
    )
    size = found.get("sample_size")
    sides = (size, size) if isinstance(size, int) else size or ()
    if len(sides) != 2:
        raise ValueError(f"{unet / 'config.json'} should give the images' sample_size, got {size!r}; add it there")
    specification = Specification(folder.name, (found["in_channels"], *sides), LevelsCodec(0, 255, 256))
    theirs = _weights(unet / WEIGHTS)
    with _in_file(unet / WEIGHTS):
        return config, specification, our_weights(theirs, network, found["flip_sin_to_cos"])


@contextmanager
def _in_file(path: Path) -> Iterator[None]:
    """Add the file's name to errors about its fields."""
    try:
        yield
    except (ValueError, RuntimeError, IndexError) as error:  # the last two are torch's, of shapes
        raise ValueError(f"{path}: {str(error).splitlines()[0]}") from None


def _json(path: Path, fields: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Return a file's content over ``defaults``, lists as tuples; ``fields`` are checked for type and range."""
    if not path.is_file():
        raise FileNotFoundError(f"a diffusers pipeline of images holds {path.name}, got none at {path}")
    content = read_object(path)
    typed = {name: tuple(value) if isinstance(value, list) else value for name, value in (defaults | content).items()}
    for name, hint in fields.items():
        check(f"{path}: {name}", hint, typed.get(name))
    return typed


def _weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(
            f"the weights of a diffusers pipeline are read from {path.name}, got none at {path}; pickled .bin files "
            "are not read: save the pipeline again with safe_serialization=True"
        )
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is damaged: {str(error).splitlines()[0]}") from None
    check_finite(path, weights)
    return weights


def _schedule(timing: dict[str, Any]) -> Schedule:
    steps, kind = timing["num_train_timesteps"], timing["beta_schedule"]
    if steps != STEPS:
        raise ValueError(f"a pipeline of {STEPS} training steps can be read, got one of {steps}")
    start, end = float(timing["beta_start"]), float(timing["beta_end"])
    if timing.get("rescale_betas_zero_snr"):
        raise ValueError("β rescaled to zero final SNR cannot be read; write them out as trained_betas")
    if timing.get("trained_betas") is not None:
        return Table(tuple(map(float, timing["trained_betas"])))
    if kind == "linear":
        return Linear(start, end, steps)
    if kind == "scaled_linear":
        return Table(tuple((torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2).tolist()))
    if kind == "squaredcos_cap_v2":
        return Table(tuple(min(1 - _cosine((i + 1) / steps) / _cosine(i / steps), 0.999) for i in range(steps)))
    raise ValueError(f"β_schedule is linear, scaled_linear or squaredcos_cap_v2, got {kind!r}; write out trained_betas")


def _cosine(t: float) -> float:
    return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2


def _head(timing: dict[str, Any]) -> GaussianHead:
    width = timing["variance_type"]
    if width not in VARIANCES:
        raise ValueError(f"variance_type is one of {', '.join(VARIANCES)}, got {width!r}, which cannot be read")
    return GaussianHead(timing["prediction_type"], VARIANCES[width])


def _network(found: dict[str, Any]) -> UNetConfig:
    for name, value in FIXED.items():
        if found.get(name, value) != value:
            raise ValueError(f"a UNet2DModel with {name} = {value!r} can be read, got {found[name]!r}")
    sizes, down, up = (tuple(found[name]) for name in ("block_out_channels", "down_block_types", "up_block_types"))
    attention = tuple(level for level, kind in enumerate(down) if kind == "AttnDownBlock2D")
    expected = (_blocks("Down", attention, len(sizes)), _blocks("Up", attention, len(sizes))[::-1])
    if (list(down), list(up)) != expected:
        raise ValueError(f"blocks with and without attention, alike on both ways, can be read, got {down} and {up}")
    if any(size % sizes[0] for size in sizes) or found["in_channels"] != found["out_channels"]:
        raise ValueError(
            f"levels in whole multiples of the first, and as many channels out as in, can be read, got {sizes} with "
            f"{found['in_channels']} channels in and {found['out_channels']} out"
        )
    return UNetConfig(
        channels=sizes[0],
        multipliers=tuple(size // sizes[0] for size in sizes),
        blocks=found["layers_per_block"],
        attention=attention,
        head_width=found["attention_head_dim"],
        groups=found["norm_num_groups"],
        dropout=float(found["dropout"]),
        narrow=1,
        epsilon=float(found["norm_eps"]),
        border=found["downsample_padding"],
        shift=found["freq_shift"],
    )


def _blocks(way: str, attention: tuple[int, ...], levels: int) -> list[str]:
    return [f"{'Attn' if level in attention else ''}{way}Block2D" for level in range(levels)]


# ---- write


def write_pipeline(folder: Path, config: Config, specification: Specification, weights: dict[str, Tensor]) -> None:
    """Write a pipeline's folder, which `diffusers.DDPMPipeline.from_pretrained` reads; files are replaced atomically.

    Raises:
        ValueError: if the model has parts that a DDPM pipeline does not.
    """
    network, head, process = config.network, config.head, config.process
    if (
        not isinstance(network, UNetConfig)
        or not isinstance(head, GaussianHead)
        or not isinstance(process, GaussianProcess)
    ):
        raise ValueError(
            f"a DDPM pipeline is a U-Net with a Gaussian head, got {type(network).__name__} and {type(head).__name__}"
        )
    named = ("fourier", "patch", "slim", "coordinates", "readout", "centers")
    unlike = any(getattr(network, name) != getattr(UNetConfig(), name) for name in named)
    told = config.data.conditional or specification.covariates is not None
    if unlike or head.std == "learned" or told:
        raise ValueError(
            "a DDPM pipeline has no fourier features, patches, slim upsampling, coordinates, readout other than 3, "
            "centers, learned std, labels or conditions; train a model without them"
        )
    _check_groups(network)
    made = {"_class_name": "UNet2DModel", **_their_network(network, specification.shape)}
    timing = {"_class_name": "DDPMScheduler", **_their_scheduler(process.schedule, head)}
    index = {
        "_class_name": "DDPMPipeline",
        "scheduler": ["diffusers", "DDPMScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
    }
    for part in (folder / "unet", folder / "scheduler"):
        part.mkdir(parents=True, exist_ok=True)
    theirs = {name: value.contiguous() for name, value in their_weights(weights, network).items()}
    replace_file(folder / "unet" / WEIGHTS, lambda part: save_file(theirs, part))
    pages = {"unet/config.json": made, "scheduler/scheduler_config.json": timing, INDEX: index}
    for name, content in pages.items():
        text = json.dumps(content, indent=2) + "\n"
        replace_file(folder / name, lambda part, text=text: part.write_text(text))  # type: ignore[misc]


def _check_groups(network: UNetConfig) -> None:
    widths = {network.level_channels(level) for level in range(len(network.multipliers))}
    used = {network.norm(width).num_groups for width in widths | {a + b for a in widths for b in widths}}
    if used != {network.groups}:
        raise ValueError(
            f"a DDPM pipeline has the same number of groups in every GroupNorm, got {sorted(used)}; train with "
            "network.narrow=1 and network.groups a divisor of all channels"
        )


def _their_network(network: UNetConfig, shape: tuple[int, ...]) -> dict[str, Any]:
    channels, height, width = shape
    levels = len(network.multipliers)
    return FIXED | {
        "sample_size": height if height == width else [height, width],
        "in_channels": channels,
        "out_channels": channels,
        "layers_per_block": network.blocks,
        "block_out_channels": [network.level_channels(level) for level in range(levels)],
        "down_block_types": _blocks("Down", network.attention, levels),
        "up_block_types": _blocks("Up", network.attention, levels)[::-1],
        "attention_head_dim": network.head_width,
        "norm_num_groups": network.groups,
        "norm_eps": network.epsilon,
        "downsample_padding": network.border,
        "flip_sin_to_cos": False,
        "freq_shift": network.shift,
        "dropout": network.dropout,
    }


def _their_scheduler(schedule: Schedule, head: GaussianHead) -> dict[str, Any]:
    shared = {
        "num_train_timesteps": STEPS,
        "prediction_type": PREDICTIONS[head.prediction],
        "variance_type": f"fixed_{head.std}",
        "clip_sample": False,
    }
    if isinstance(schedule, Linear) and schedule.steps == STEPS:
        return shared | {"beta_schedule": "linear", "beta_start": schedule.beta_start, "beta_end": schedule.beta_end}
    kept = schedule.alpha_bar(uniform_times(STEPS).flip(0))
    return shared | {"beta_schedule": "linear", "trained_betas": (1 - kept[1:] / kept[:-1]).tolist()}
