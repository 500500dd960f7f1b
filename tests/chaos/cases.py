"""A case of the fuzzer: the words of one command, and the files that its folder holds.

Cases are plain values, so that a seed repeats them. A case that fails is kept as a folder: its files as they were, and
the words in ``words.json``; `chaos.fuzz --replay FOLDER` runs it again.
"""

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

MANY = 10_000
"""Words with a number of this size may ask for hours of work, rightly: such a command gets Ctrl-C after a while."""
WORDS = "words.json"


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True)
class Pipe:
    """A FIFO: whoever opens it to read waits for good."""


@dataclass(frozen=True)
class Directory:
    """An empty folder."""


Content: TypeAlias = bytes | Link | Pipe | Directory


@dataclass(frozen=True, repr=False)
class Case:
    """A command's words and the files by their path, relative to the folder that the command runs in."""

    words: tuple[str, ...]
    files: Mapping[str, Content] = field(default_factory=dict)
    long: bool = False
    """The files themselves may ask for hours of work."""

    def __repr__(self) -> str:
        return f"Case({self.words}, {sorted(self.files)})"

    @property
    def patient(self) -> bool:
        """Whether the command may rightly take long, and is stopped by Ctrl-C."""
        numbers = re.findall(r"-?\d[\d_.]*(?:e[+-]?\d+)?|inf|nan", " ".join(self.words[1:]), re.IGNORECASE)
        return self.long or self.words[:1] == ("demo",) or any(map(_large, numbers))


def renamed(case: Case, old: str, new: str) -> Case:
    """Return the case with the file or folder ``old`` called ``new``, in its words as well."""
    words = tuple(new if word == old else word for word in case.words)
    files = {
        new + name[len(old) :] if f"{name}/".startswith(f"{old}/") else name: case.files[name] for name in case.files
    }
    return Case(words, files, case.long)


def _large(number: str) -> bool:
    try:
        return not abs(float(number)) < MANY
    except ValueError:
        return True


def write(case: Case, folder: Path) -> None:
    """Make the case's files in ``folder``, which is new."""
    folder.mkdir(parents=True)
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match content:
            case bytes():
                path.write_bytes(content)
            case Link():
                path.symlink_to(content.target)
            case Pipe():
                os.mkfifo(path)
            case Directory():
                path.mkdir(exist_ok=True)


def snapshot(folder: Path) -> dict[str, str]:
    """Return what each path below ``folder`` is: its kind, and a digest of its content."""
    found = {}
    for here, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(here, name)
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                found[str(path.relative_to(folder))] = f"link {os.readlink(path)}"
            elif stat.S_ISREG(mode):
                digest = hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
                found[str(path.relative_to(folder))] = f"file {digest}"
            else:
                found[str(path.relative_to(folder))] = stat.filemode(mode)[0]
    return found


def keep(case: Case, folder: Path, told: Sequence[str]) -> None:
    """Keep a case in ``folder`` for another look, with what was wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    write(case, folder)
    (folder / WORDS).write_text(json.dumps({"words": case.words, "long": case.long, "faults": told}, indent=1))


def read(folder: Path) -> Case:
    """Read a case that `keep` wrote."""
    about = json.loads((folder / WORDS).read_text())
    files: dict[str, Content] = {}
    for name, kind in snapshot(folder).items():
        path = folder / name
        if kind.startswith("file") and name != WORDS:
            files[name] = path.read_bytes()
        elif kind.startswith("link"):
            files[name] = Link(os.readlink(path))
        elif kind == "p":
            files[name] = Pipe()
        elif kind == "d":
            files[name] = Directory()
    return Case(tuple(about["words"]), files, about["long"])
