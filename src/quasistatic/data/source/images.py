"""Data sets of encoded images: reads all headers first, then decodes once, or on demand.

Sets of at most `HELD_BYTES` raw bytes are decoded once and held as uint8; larger ones are decoded on demand.
"""

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import final

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from quasistatic.data.codec.levels import LevelsCodec
from quasistatic.data.contents import Contents, DataOptions
from quasistatic.data.dataset import Dataset, Storage, from_tensor, spread
from quasistatic.data.source.frame import ENDINGS, Encoded, Frame, Header, read_header, reason, strict_pillow
from quasistatic.runtime.digest import digest

HELD_BYTES = 2**30
BROKEN_SHARE = 0.05
FINGERPRINT_ROWS = 256
BLOCK = 256
LARGE_PIXELS = 2**16


class Source(ABC):
    """Encoded images in a fixed order."""

    names: Sequence[str]

    @abstractmethod
    def read(self, rows: Sequence[int]) -> Iterator[Encoded]:
        """Yield the encoded image of each row."""


@final
@dataclass(frozen=True)
class Scan:
    """Result of reading the headers: the header of each readable row, and the reason for each other."""

    headers: dict[int, Header]
    broken: dict[str, str]

    @property
    def total(self) -> int:
        return len(self.headers) + len(self.broken)


@final
class Streamed(Storage):
    """Rows decoded on demand: the rows of the source with readable headers."""

    dtype = torch.uint8

    def __init__(self, source: Source, scan: Scan, frame: Frame, shape: tuple[int, ...]):
        self.source = source
        self.rows = list(scan.headers)
        self.threads = threads(scan)
        self.frame = frame
        self.shape = shape

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, rows: Int[Tensor, " batch"]) -> UInt8[Tensor, " batch *shape"]:
        """Decode the given rows.

        Raises:
            ValueError: if an image is damaged after its header.
        """
        wanted = [self.rows[row] for row in rows.tolist()]
        pixels = torch.empty(len(wanted), *self.shape, dtype=torch.uint8)
        for done, image in decode(self.source, wanted, self.frame, self.threads, self.shape):
            if isinstance(image, str):
                name = self.source.names[wanted[done]]
                raise ValueError(f"{name} could not be read ({image}); take it away, `check` lists all such files")
            pixels[done] = image
        return pixels


@final
@dataclass(frozen=True, eq=False)
class Images(Contents):
    """Encoded images of one source, with optional classes."""

    name: str
    source: Source
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def dataset(self, options: DataOptions) -> Dataset:
        """Return the images as a data set of one shape; damaged ones are skipped and named in its notes.

        Raises:
            ValueError: if there are no images, sizes differ and none is requested, or over 5 % of them are damaged.
        """
        scan = scan_headers(self.source, spread(len(self.source.names), options.limit).tolist())
        self._accept(scan, options)
        frame = frame_of(scan, options)
        shape = (frame.channels, *(frame.size or next(iter(scan.headers.values())).size))
        large = len(scan.headers) * prod(shape) > HELD_BYTES
        dataset = self._streamed(scan, frame, shape) if large else self._held(scan, frame, shape, options)
        return replace(dataset, folders=self.folders)

    def _held(self, scan: Scan, frame: Frame, shape: tuple[int, ...], options: DataOptions) -> Dataset:
        rows = list(scan.headers)
        pixels = torch.empty(len(rows), *shape, dtype=torch.uint8)
        headers, broken = dict(scan.headers), dict(scan.broken)
        for done, image in decode(self.source, rows, frame, threads(scan), shape):
            if isinstance(image, str):
                broken[self.source.names[rows[done]]] = image
                del headers[rows[done]]
            else:
                pixels[done] = image
            if options.progress:
                options.progress(done + 1, len(rows))
        scan = Scan(headers, broken)
        self._accept(scan, options)
        if len(headers) < len(rows):
            pixels = pixels[[row in headers for row in rows]]
        names, labels, notes = self._of(scan, frame)
        return from_tensor(self.name, pixels, labels=labels, classes=self.classes, names=names, notes=notes)

    def _streamed(self, scan: Scan, frame: Frame, shape: tuple[int, ...]) -> Dataset:
        names, labels, notes = self._of(scan, frame)
        storage = Streamed(self.source, scan, frame, shape)
        notes = (*notes, "too large for memory: decoded as it is used")
        print_ = fingerprint(self.source, list(scan.headers), frame)
        return Dataset(self.name, storage, LevelsCodec(0, 255, 256), print_, labels, self.classes, names, notes)

    def _of(self, scan: Scan, frame: Frame) -> tuple[list[str], Tensor | None, tuple[str, ...]]:
        rows = list(scan.headers)
        labels = None if self.labels is None else self.labels[rows]
        notes = self.notes + frame.notes(scan.headers.values())
        if scan.broken:
            notes = (*notes, f"{_share(scan)} could not be read and are skipped: {_some(scan.broken)}")
        return [self.source.names[row] for row in rows], labels, notes

    def _accept(self, scan: Scan, options: DataOptions) -> None:
        for problem in image_problems(self.name, scan, options, self.notes):
            raise ValueError(problem)


def image_problems(name: str, scan: Scan, options: DataOptions, notes: Sequence[str] = ()) -> list[str]:
    """Return the reasons why the scanned images cannot be a data set, one sentence each."""
    if not scan.total:
        passed = f" ({'; '.join(notes)})" if notes else ""
        return [
            f"{name}: a folder of images holds files that end in {', '.join(ENDINGS)}, got none{passed}; name another "
            "folder"
        ]
    found = []
    if len(scan.broken) > BROKEN_SHARE * scan.total:
        found.append(
            f"{name}: at most {BROKEN_SHARE:.0%} of the images may be unreadable, got {_share(scan)}: "
            f"{_some(scan.broken)}; repair or remove them"
        )
    sizes = Counter(header.size for header in scan.headers.values())
    if options.size is None and len(sizes) > 1:
        common = ", ".join(f"{height}×{width} ({count})" for (height, width), count in sizes.most_common(3))
        found.append(
            f"{name}: images need one size, got {len(sizes)} sizes (height × width), the commonest {common}; "
            "set one, as in `--set data.size=32` or `--set data.size=32,48`"
        )
    return found


def scan_headers(source: Source, rows: Sequence[int]) -> Scan:
    """Read the headers of the given rows, without decoding."""
    headers, broken = {}, {}
    with strict_pillow():
        for row, file in zip(rows, source.read(rows), strict=True):
            try:
                headers[row] = read_header(file)
            except Exception as error:  # decoders raise many kinds of exceptions on damaged files
                broken[source.names[row]] = reason(error)
    return Scan(headers, broken)


def frame_of(scan: Scan, options: DataOptions) -> Frame:
    """Return the requested frame, or one that fits all images: grey if all are grey, otherwise RGB."""
    channels = options.channels or (1 if all(header.grey for header in scan.headers.values()) else 3)
    return Frame(channels, options.height_width)


def fingerprint(source: Source, rows: Sequence[int], frame: Frame) -> str:
    """sha256 of the number of images, the frame and 256 encoded images evenly spread: cheap for any set."""
    chosen = [rows[row] for row in spread(len(rows), FINGERPRINT_ROWS).tolist()]
    files = (file.read_bytes() if isinstance(file, Path) else file.getvalue() for file in source.read(chosen))
    return digest(f"{len(rows)} {frame}", *files)


def decode(
    source: Source, rows: Sequence[int], frame: Frame, threads: int, shape: tuple[int, ...] | None = None
) -> Iterator[tuple[int, Tensor | str]]:
    """Yield (place in ``rows``, its pixels or why it has none), in order; ``shape`` is what each must have."""

    def one(file: Encoded) -> Tensor | str:
        try:
            pixels = frame.of_file(file)
            if shape in (None, tuple(pixels.shape)):
                return pixels
            return "its header says another size"
        except Exception as error:  # as in `scan_headers`
            return reason(error)

    with ThreadPoolExecutor(threads) as pool:
        each = pool.map if threads > 1 else map
        for start in range(0, len(rows), BLOCK):
            with strict_pillow():
                images = list(each(one, source.read(rows[start : start + BLOCK])))
            yield from enumerate(images, start)


def threads(scan: Scan) -> int:
    """Return the number of decoding threads: one for small images, where Python's own work dominates."""
    pixels = [prod(header.size) for header in scan.headers.values()]
    return min(8, os.cpu_count() or 1) if sum(pixels) > LARGE_PIXELS * len(pixels) else 1


def _share(scan: Scan) -> str:
    return f"{len(scan.broken)} of {scan.total} files"


def _some(broken: dict[str, str]) -> str:
    shown = ", ".join(f"{name} ({why})" for name, why in list(broken.items())[:5])
    return shown + ", …" * (len(broken) > 5)
