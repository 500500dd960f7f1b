"""Reports what this machine has: versions, device, units, compiler, extras, and what will be fast."""

import importlib.metadata as metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

import torch

from quasistatic.runtime.device import DEVICE, memory, pick_device, precision

PACKAGE = "quasistatic"
NAMED = ("quasistatic", "torch", "numpy", "accelerate", "datasets", "pandas", "pyarrow", "scikit-learn", "safetensors")
"""Packages whose versions a report of a bug needs."""

UNITS = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "bf16", "sve_bf16")
"""torch's names of a CPU's capabilities that decide how fast training is."""


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Attributes:
        versions: of Python and of the packages, None where one is not installed.
        system: operating system and processor.
        cores: that this process may use.
        memory: in GiB, that this process may use.
        device: that training uses.
        device_name: of an accelerator, as torch names it; else the processor's architecture.
        units: of the CPU, among `UNITS`.
        precision: that ``training.precision=auto`` uses.
        compiler: for ``training.compile``, on a CPU; None if there is none.
        extras: extra → its packages that are not installed.
        advice: sentences.
    """

    versions: dict[str, str | None]
    system: str
    cores: int
    memory: float
    device: str
    device_name: str
    units: list[str]
    precision: str
    compiler: str | None
    extras: dict[str, list[str]]
    advice: list[str]


def diagnose() -> Diagnosis:
    """Look at this machine.

    Raises:
        ValueError: if $QUASISTATIC_DEVICE names a device that torch cannot use.
    """
    device, found = pick_device(), torch.cpu.get_capabilities()
    units = [name for name in UNITS if found.get(name, False)]
    dtype, compiler = precision("auto", device), _compiler()
    extras = {name: [one for one in needed if _version(one) is None] for name, needed in _extras().items()}
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return Diagnosis(
        versions={
            "python": platform.python_version(),
            **{name: _version(name) for name in NAMED},
            "torch": torch.__version__,  # with its build, as +cu130, which the metadata may leave out
        },
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        cores=cores,
        memory=round(min(memory(), 2**50) / 2**30, 1),
        device=str(device),
        device_name=torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        units=units,
        precision=str(dtype).removeprefix("torch."),
        compiler=compiler,
        extras=extras,
        advice=_advice(device, dtype, cores, compiler, extras),
    )


def _advice(
    device: torch.device, dtype: torch.dtype, cores: int, compiler: str | None, extras: dict[str, list[str]]
) -> list[str]:
    """Return what will be fast here, what will not, and what can be installed."""
    lines = [f"training runs on {device.type} in {'bf16' if dtype == torch.bfloat16 else 'float32'}"]
    if device.type == "cpu" and dtype == torch.float32:
        lines.append("this CPU has no units for bf16, so networks of images train slowly; tables and points are fast")
    if device.type == "cpu" and cores < 4:
        lines.append(
            f"{cores} cores train tables, points and small images in minutes; larger images need an accelerator"
        )
    if os.environ.get(DEVICE):
        lines.append(f"the device is the one named by ${DEVICE}")
    if device.type == "cpu" and compiler is None:
        lines.append("training.compile needs a C++ compiler; install one, or name it in $CXX")
    for name, missing in extras.items():
        if missing:
            lines.append(f"the extra {name} lacks {', '.join(missing)}: pip install '{PACKAGE}[{name}]'")
    return lines


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _extras() -> dict[str, list[str]]:
    """Return the packages of each extra for users, as the installed package declares them."""
    try:
        declared = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {}
    for line in declared:
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", line)
        if extra and extra[1] not in ("dev", "docs"):
            found.setdefault(extra[1], []).append(re.split(r"[^\w.-]", line, maxsplit=1)[0])
    return found


def _compiler() -> str | None:
    """Return the first line of what the C++ compiler says of its version."""
    name = shutil.which(os.environ.get("CXX", "g++"))
    if name is None:
        return None
    try:
        told = subprocess.run([name, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return told.splitlines()[0] if told else name
