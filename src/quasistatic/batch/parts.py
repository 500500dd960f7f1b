"""Parts of a job, one file each, and their joining: what a job array needs, and no more.

    OUT.parts/3-of-64.safetensors    the arrays of some rows, and what they were made of

A part is written aside and renamed, so there is either all of it or nothing. A job that is started again finds its part
and does nothing. Parts are joined only if all were made of the same model, data and options.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from quasistatic.model import Model
from quasistatic.runtime.digest import digest
from quasistatic.runtime.files import replace_file

FORMAT = 1
"""Of a part's description; a newer one is refused."""

ENDING = ".safetensors"


@dataclass(frozen=True)
class Shard:
    """The part ``number``, from 1, of ``count``.

    Raises:
        ValueError: if it is none.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(f"a shard I/N has I from 1 to N, got {self.number}/{self.count}; correct it")

    @classmethod
    def of(cls, text: str) -> "Shard":
        """Return the shard written I/N.

        Raises:
            ValueError: if it is not written so, or I is out of range.
        """
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal()):
            raise ValueError(f"a shard is written I/N, as 3/64, got {text!r}; correct it")
        return cls(int(number), int(count))

    def rows(self, total: int, batch: int) -> range:
        """Return the rows of this part of ``total``: whole batches of ``batch`` rows, about as many in each part.

        The network then sees the same batches whatever the number of parts, and rounds alike.
        """
        batches = -(-total // batch)
        first, last = ((self.number - 1 + end) * batches // self.count * batch for end in (0, 1))
        return range(min(first, total), min(last, total))


@dataclass(frozen=True, eq=False)
class Portion:
    """What a job made.

    Attributes:
        made_of: the verb, the hashes of model and data, and all that decides the result.
        rows: numbers of its rows.
        total: rows of the whole.
        arrays: by name, a row each.
    """

    made_of: Mapping[str, Any]
    rows: range
    total: int
    arrays: Mapping[str, Tensor]


def print_of(model: Model) -> str:
    """Return the hash of a model's weights and their type."""
    weights = model.network.state_dict()
    return digest(*(part for name in sorted(weights) for part in (name, weights[name].float().cpu())), _type(model))


def _type(model: Model) -> str:
    return str(next((value.dtype for value in model.network.parameters()), torch.float32))


def parts_folder(out: Path) -> Path:
    """Return the folder of the parts of ``out``."""
    return out.with_name(f"{out.name}.parts")


def part_file(out: Path, shard: Shard) -> Path:
    """Return the file of a part of ``out``."""
    return parts_folder(out) / f"{shard.number:0{len(str(shard.count))}}-of-{shard.count}{ENDING}"


def is_made(file: Path, made_of: Mapping[str, Any]) -> bool:
    """Return whether the part is there, made of the same.

    Raises:
        ValueError: if it is there and made of something else, or cannot be read.
    """
    if not file.exists():
        return False
    _check_alike(file, _read(file).made_of, made_of, "this job")
    return True


def write_part(file: Path, part: Portion) -> None:
    """Write a part atomically.

    Raises:
        OSError: if it cannot be written.
    """
    about = {"format": FORMAT, "made_of": part.made_of, "first": part.rows.start, "total": part.total}
    arrays = {name: value.detach().cpu().contiguous() for name, value in part.arrays.items()}
    arrays["row"] = torch.arange(part.rows.start, part.rows.stop)
    file.parent.mkdir(exist_ok=True)
    replace_file(file, lambda path: save_file(arrays, path, {"quasistatic": json.dumps(about, sort_keys=True)}))


def merged(out: Path) -> Portion:
    """Return all rows of the parts of ``out``, in order.

    Raises:
        FileNotFoundError: if there are no parts.
        ValueError: if parts are missing (the message says which), damaged, or made of different things.
    """
    files = sorted(parts_folder(out).glob(f"*-of-*{ENDING}"))
    if not files:
        raise FileNotFoundError(f"there are no parts in {parts_folder(out)}; make them with --shard 1/N to N/N")
    count = int(files[0].stem.partition("-of-")[2])
    wanted = [part_file(out, Shard(number, count)) for number in range(1, count + 1)]
    others = [file.name for file in files if file not in wanted]
    if others:
        raise ValueError(
            f"parts of {count} are joined by themselves, and {parts_folder(out)} also holds {others[0]}; remove those "
            "that are not wanted"
        )
    missing = [str(number) for number, file in enumerate(wanted, 1) if not file.exists()]
    if missing:
        told = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise ValueError(
            f"all {count} parts are needed, and {told} of them are not there yet; run --shard {missing[0]}/{count}"
        )
    parts = [_read(file) for file in wanted]
    for file, part in zip(wanted[1:], parts[1:], strict=True):
        _check_alike(file, part.made_of, parts[0].made_of, wanted[0].name)
    rows = torch.cat([part.arrays["row"] for part in parts])
    if not torch.equal(rows, torch.arange(parts[0].total)):
        raise ValueError(f"the parts in {parts_folder(out)} do not hold each row once; remove them and make them again")
    full = [part for part in parts if len(part.rows)]
    arrays = {name: torch.cat([part.arrays[name] for part in full]) for name in full[0].arrays}
    return Portion(parts[0].made_of, range(parts[0].total), parts[0].total, arrays)


def _read(file: Path) -> Portion:
    try:
        with safe_open(file, "pt") as opened:
            about = json.loads((opened.metadata() or {})["quasistatic"])
        if about["format"] > FORMAT:
            raise ValueError(f"{file} is of a newer format, {about['format']}; update quasistatic to read it")
        arrays = load_file(file)
        rows = range(about["first"], about["first"] + len(arrays["row"]))
        return Portion(about["made_of"], rows, about["total"], arrays)
    except (SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{file} is not a part, or damaged ({error}); remove it and make it again") from None


def _check_alike(file: Path, found: Mapping[str, Any], wanted: Mapping[str, Any], other: str) -> None:
    """Raise ValueError if two parts are made of different things; the message names the first."""
    apart = [name for name in [*wanted, *found] if found.get(name) != wanted.get(name)]
    if apart:
        name = apart[0]
        raise ValueError(
            f"parts are made of the same model, data and options, and {file} differs from {other} in its {name}: "
            f"{_short(found.get(name))} and {_short(wanted.get(name))}; remove one of them"
        )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"
