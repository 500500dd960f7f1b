"""Reads a folder of image files, with its sub-folders as classes, or a single image file.

Links that lead out of a folder, and links to folders, are followed only with ``data.links=true``. Otherwise a folder
from elsewhere could add any image of this machine to a data set. Pipes, devices and sockets are never opened.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from quasistatic.data.source.frame import ENDINGS, Encoded
from quasistatic.data.source.images import Images, Source


@final
class Files(Source):
    """Image files below a folder, named by their relative paths."""

    def __init__(self, root: Path, paths: Sequence[str]):
        self.root = root
        self.paths = paths
        self.names = [shown(path) for path in paths]

    def read(self, rows: Sequence[int]) -> Iterator[Encoded]:
        for row in rows:
            yield self.root / self.paths[row]


def read_folder(path: Path, links: bool = False) -> Images:
    """List the images below ``path``, sorted; the sub-folders of their common folder are the classes.

    Hidden files and folders are skipped, and a single sub-folder is entered. If images lie next to class folders, the
    set has no labels. Without labels, the set keeps the names of single sub-folders, one of which may be a class.

    Args:
        path: the folder.
        links: follow links to folders, and links that lead out of ``path``.
    """
    walk = FolderWalk(path, links)
    files = sorted(path / name for name in walk.files())
    root = Path(os.path.commonpath([file.parent for file in files])) if files else path
    parts = [file.relative_to(root).parts for file in files]
    classes = sorted({part[0] for part in parts if len(part) > 1})
    labels: Tensor | None = None
    notes = walk.notes
    if classes and all(len(part) > 1 for part in parts):
        number = {name: place for place, name in enumerate(classes)}
        labels = torch.tensor([number[part[0]] for part in parts])
    elif classes:
        loose = sum(len(part) == 1 for part in parts)
        classes, notes = [], (*notes, f"no labels, because some images lie beside the sub-folders ({loose})")
    lone = root.relative_to(path).parts if labels is None else ()
    source = Files(path, [file.relative_to(path).as_posix() for file in files])
    return Images(shown(path.resolve().name), source, labels, _shown(classes), notes, _shown(lone))


def read_image(path: Path) -> Images:
    """Return the contents of the single image at ``path``."""
    return Images(path.name, Files(path.parent, (path.name,)))


@dataclass(frozen=True)
class FolderWalk:
    """A walk through a folder.

    Attributes:
        root: the top folder.
        links: follow links to folders, and links that lead out of ``root``.
        passed: what was skipped → how often.
    """

    root: Path
    links: bool
    passed: Counter[str] = field(default_factory=Counter)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was skipped, one phrase each."""
        return tuple(f"{what}: {count}" for what, count in sorted(self.passed.items()))

    def files(self) -> Iterator[str]:
        """Yield the path of each image file, relative to the root."""
        home = os.path.realpath(self.root)
        left: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", ())]
        while left:
            below, above = left.pop()
            folder = os.path.join(self.root, below)
            status = os.stat(folder)
            here = (status.st_dev, status.st_ino)
            if here in above:
                continue  # a link to a parent folder
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = f"{below}{entry.name}"
                    if entry.name.startswith(".") or not self._taken(entry, home):
                        continue
                    if _holds(entry.is_dir):
                        left.append((f"{name}/", (*above, here)))
                    elif entry.name.lower().endswith(ENDINGS):
                        yield name

    def _taken(self, entry: os.DirEntry[str], home: str) -> bool:
        image = entry.name.lower().endswith(ENDINGS)
        folder = _holds(entry.is_dir)
        if entry.is_symlink() and not self.links:
            inside = os.path.commonpath([home, os.path.realpath(entry.path)]) == home
            if folder or (image and not inside):
                self.passed["links that are not followed without data.links=true"] += 1
                return False
        if image and not folder and not _holds(entry.is_file) and os.path.exists(entry.path):
            self.passed["pipes, devices or sockets passed over"] += 1
            return False
        return True


def _holds(is_kind: Callable[[], bool]) -> bool:
    """Call a test of a folder entry; False for a circular link."""
    try:
        return is_kind()
    except OSError:
        return False


def shown(name: str) -> str:
    """Return a file's name as printable text, whatever bytes it contains."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _shown(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(shown, names))
