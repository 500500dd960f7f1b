"""Runs the 2015 paper's experiments: scripts of the source checkout that use the library's public calls.

experiments/paper2015/NAME.py   one script per experiment; helper files there have no ``main``
"""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

PLACE = Path("experiments") / "paper2015"
CHECKOUT = Path(__file__).resolve().parents[4]
"""The checkout that contains this file. No other folder is searched, because its scripts are executed."""
INTERRUPTED = 130


def scripts(checkout: Path = CHECKOUT) -> dict[str, Path]:
    """Return the experiments of a checkout by name.

    Raises:
        FileNotFoundError: if there are none, as when the library was installed without its checkout.
    """
    files = sorted((checkout / PLACE).glob("*.py")) if (checkout / "pyproject.toml").is_file() else []
    paths = [path for path in files if "\ndef main(" in path.read_text("utf-8")]
    if not paths:
        raise FileNotFoundError(
            f"the experiments come with the source checkout, and {checkout} is none; clone the repository and install "
            "it from there with `pip install --editable .`"
        )
    return {path.stem: path for path in paths}


def reproduce(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An experiment of the 2015 paper, or all.")],
    quick: Annotated[bool, typer.Option("--quick", help="Run a small version, under a minute.")] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the JSON and the figures.")] = Path("paper2015"),
    device: Annotated[str | None, typer.Option(help="Device: cpu, cuda, …; default: the one torch finds.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of mnist and cifar10; default: $QUASISTATIC_DATA.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
) -> None:
    """Reproduce an experiment of the 2015 paper. Interrupted runs resume."""
    known = scripts()
    if name != "all" and name not in known:
        raise ValueError(f"the experiment is one of {', '.join(known)} or all, got {name!r}")
    options = ["--out", str(out), "--seed", str(seed), *(["--quick"] if quick else [])]
    for flag, value in (("--device", device), ("--data-dir", data_dir)):
        options += [flag, str(value)] if value else []
    failed = []
    for path in known.values() if name == "all" else [known[name]]:
        code = _run([sys.executable, str(path), *options])
        failed += [code] if code else []
        if code == INTERRUPTED:
            break
    if failed:
        raise typer.Exit(2 if set(failed) == {2} else 1)


def _run(command: list[str]) -> int:
    """Return the exit status. At Ctrl-C, which the script receives too, wait until it has saved its checkpoint."""
    process = subprocess.Popen(command)
    try:
        return process.wait()
    except KeyboardInterrupt:
        return process.wait()
