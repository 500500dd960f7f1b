"""Fetches data that are named by an address, as ``s3://bucket/train.parquet``, into a cache on this machine.

The standard library opens http:// and https://, `fsspec` all others, most with a package of their own (s3fs, gcsfs,
adlfs). An address names a file, a folder, or files by a pattern of `*`; on the web a file. What was fetched stays in
the cache, and is used again as long as the sizes and dates at the address are the same.
"""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.request import urlopen

from filelock import FileLock

from quasistatic.data.source.guard import first_line
from quasistatic.runtime.files import new_folder

BLOCK = 2**23
"""Bytes that are fetched at once."""

TIMEOUT = 60.0
"""Seconds that a web server may be silent."""

STAMPS = ("size", "ETag", "etag", "md5", "LastModified", "last_modified", "mtime", "updated", "created")
"""What file systems say of a file that changes with it."""

Progress = Callable[[int, int], None]


def is_address(source: str) -> bool:
    """Return whether ``source`` is an address rather than a path or a name."""
    return "://" in source


def cache() -> Path:
    """Return the folder of fetched data: `quasistatic` in $XDG_CACHE_HOME, or in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quasistatic" / "fetched"


def fetched(address: str, progress: Progress | None = None) -> Path:
    """Return the file or folder on this machine that holds what ``address`` names, fetched if need be.

    Args:
        address: of a file, of a folder, or a pattern.
        progress: called with (bytes fetched, bytes in all); in all are 0 if the address does not say.

    Raises:
        FileNotFoundError: if there is nothing at the address, or it cannot be reached.
        ValueError: if no installed package opens such addresses.
        OSError: if the cache cannot be written.
    """
    if address.startswith("file://"):
        return Path(address.removeprefix("file://"))
    system, found = _listed(address)
    stamp = sha256(address.encode())
    for path, told in sorted(found.items()):
        stamp.update(repr((path, [str(told[key]) for key in STAMPS if told.get(key) is not None])).encode())
    name, alone = PurePosixPath(address.split("?")[0]).name, len(found) == 1
    place = cache() / stamp.hexdigest()[:32]
    inside = _inside(list(found))
    # a folder keeps its own name, as data sets are called by it
    home = place if alone else place / (name if name and "*" not in name else "files")
    cache().mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_suffix(".lock")):  # processes of one run fetch once
        if not place.is_dir():
            with new_folder(place) as part:
                to = {path: part / home.relative_to(place) / inside[path] for path in found}
                _fetch(system, to, {path: told.get("size") for path, told in found.items()}, progress)
    return home / inside[next(iter(found))] if alone else home


class Web:
    """Files of web servers, in the form of fsspec's systems."""

    def info(self, address: str) -> dict[str, Any]:
        """Return what the server says of a file: a part of `STAMPS`. Many servers refuse to say it without the file."""
        with self.open(address, "rb") as answer:
            told = answer.headers
        size = told.get("Content-Length", "")
        found = {"ETag": told.get("ETag"), "LastModified": told.get("Last-Modified")}
        return found | {"size": int(size) if size.isdecimal() else None}

    def open(self, address: str, mode: str) -> Any:
        """Return the open answer."""
        return urlopen(address, timeout=TIMEOUT)


def _listed(address: str) -> tuple[Any, dict[str, dict[str, Any]]]:
    """Return the file system of an address, and what it says of each file there.

    Raises:
        FileNotFoundError: if there is nothing, or it cannot be reached.
        ValueError: if no installed package opens such addresses.
    """
    system, path = (Web(), address) if address.startswith(("http://", "https://")) else _system(address)
    try:
        if isinstance(system, Web) or system.isfile(path):
            found = {path: system.info(path)}
        elif "*" in path:
            found = {name: told for name, told in system.glob(path, detail=True).items() if told["type"] == "file"}
        else:
            found = system.find(path, detail=True)
    except Exception as error:  # each file system has errors of its own
        raise FileNotFoundError(f"{address} should give data, got: {first_line(error)}; see that it is there") from None
    if not found:
        raise FileNotFoundError(f"{address} should give data, and there are no files; see that it is there")
    return system, found


def _system(address: str) -> tuple[Any, str]:
    """Return fsspec's file system of an address, and the path in it.

    Raises:
        ValueError: if no installed package opens such addresses.
    """
    import fsspec

    try:
        return fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        kind = address.partition("://")[0]
        raise ValueError(
            f"{address}: a package with which fsspec opens {kind}:// is needed, got none ({first_line(error)}); "
            "install it, or copy the data to this machine"
        ) from None


def _inside(paths: list[str]) -> dict[str, PurePosixPath]:
    """Return each file's path below what is common to all.

    Raises:
        ValueError: if one would leave its folder.
    """
    pure = {path: PurePosixPath(path.split("?")[0] if "://" in path else path) for path in paths}
    top = os.path.commonpath([path.parent for path in pure.values()])
    below = {path: whole.relative_to(top) for path, whole in pure.items()}
    for path, inner in below.items():
        if ".." in inner.parts or inner.is_absolute():
            raise ValueError(f"{path}: names of files below an address stay below it, got one with ..")
    return below


def _fetch(system: Any, files: dict[str, Path], sizes: dict[str, int | None], progress: Progress | None) -> None:
    """Copy files to this machine.

    Raises:
        OSError: if one cannot be read, other bytes came than the address says, or the disk is full.
    """
    total = sum(size or 0 for size in sizes.values())
    done = 0
    for path, local in files.items():
        local.parent.mkdir(parents=True, exist_ok=True)
        try:
            source = system.open(path, "rb")
        except Exception as error:  # each file system has errors of its own
            raise FileNotFoundError(f"{path} cannot be fetched: {first_line(error)}") from None
        with source, local.open("wb") as target:
            while block := source.read(BLOCK):
                target.write(block)
                done += len(block)
                if progress:
                    progress(done, max(total, done))
        size, came = sizes[path], local.stat().st_size
        if size not in (None, came):  # a connection that breaks may look like the end of the file
            raise OSError(f"{path} has {size:,} bytes, and {came:,} came; fetch it again")
