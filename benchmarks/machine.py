"""What a number was measured on, and the file that keeps both."""

import json
import os
from pathlib import Path
from typing import Any

import torch

from quasistatic.runtime.device import precision


def bfloat16_units() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware; elsewhere bfloat16 is emulated, slower than float32."""
    return precision("auto", torch.device("cpu")) == torch.bfloat16


def machine() -> str:
    """Cores and vector units, in words."""
    matrices = " and AMX" if torch.cpu.get_capabilities().get("amx_bf16", False) else ""
    half = ", bf16 units" if bfloat16_units() else ", no bf16 units"
    return f"{os.cpu_count()} cores with {torch.backends.cpu.get_cpu_capability()}{matrices}{half}"


def keep(report: dict[str, Any], file: str | Path | None) -> None:
    """Write a report into ``file``, if there is one, with the machine that it is from."""
    if file:
        Path(file).write_text(json.dumps({**report, "machine": machine()}, indent=1) + "\n", "utf-8")
