"""The 2015 paper's experiments, run from the checkout: they use the library as a script does, and are no part of it.

experiments/paper2015/NAME.py   one script each; helpers beside them have no ``main``
"""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

import quasistatic

FOLDER = Path(quasistatic.__file__).parents[2] / "experiments" / "paper2015"
"""Where the scripts are in a checkout."""


def scripts(folder: Path = FOLDER) -> dict[str, Path]:
    """Return the experiments by name.

    Raises:
        FileNotFoundError: the library was installed without its checkout.
    """
    found = {path.stem: path for path in sorted(folder.glob("*.py")) if "\ndef main(" in path.read_text("utf-8")}
    if not found:
        raise FileNotFoundError(
            f"the experiments come with the source checkout and are not in {folder}; "
            "clone the repository and install it with `pip install -e .`"
        )
    return found


def command(path: Path, options: list[str]) -> list[str]:
    """Return the command line of an experiment."""
    return [sys.executable, str(path), *options]


def reproduce(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An experiment of the 2015 paper, or all.")],
    quick: Annotated[bool, typer.Option("--quick", help="A small form of it, under a minute.")] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the JSON and the figures.")] = Path("paper2015"),
    device: Annotated[str | None, typer.Option(help="cpu, cuda, …; else what torch finds.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where mnist and cifar10 are; else $QUASISTATIC_DATA.")] = None,
    seed: Annotated[int, typer.Option(help="Decides every random draw.")] = 0,
) -> None:
    """Run an experiment of Sohl-Dickstein et al. 2015 and write its rows and figures."""
    known = scripts()
    if name != "all" and name not in known:
        raise ValueError(f"the experiment is one of {', '.join(known)} or all, got {name!r}")
    options = ["--out", str(out), "--seed", str(seed), *(["--quick"] if quick else [])]
    for flag, value in (("--device", device), ("--data-dir", data_dir)):
        options += [flag, str(value)] if value else []
    codes = [subprocess.run(command(path, options)).returncode for path in _chosen(known, name)]
    if any(codes):
        raise typer.Exit(max(codes, key=abs) if max(codes, key=abs) > 0 else 1)


def _chosen(known: dict[str, Path], name: str) -> list[Path]:
    return list(known.values()) if name == "all" else [known[name]]
