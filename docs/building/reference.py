"""Writes the reference pages at the start of a build: interface, command line, configuration, files.

Their text is that of docstrings, of the command's parser and of the configuration's dataclasses.
"""

import dataclasses
import importlib
import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from sphinx.application import Sphinx

import quasistatic
from quasistatic.cli.app import app as command
from quasistatic.config import FAMILIES, Config, DataConfig, TrainingConfig
from quasistatic.runtime.fields import misfit

PACKAGES = (
    "data",
    "distribution",
    "schedule",
    "markov",
    "process",
    "network",
    "denoiser",
    "denoiser.head",
    "objective",
    "sampling",
    "inference",
    "evaluation",
    "evaluation.fidelity",
    "config",
    "model",
    "model.baselines",
    "training",
    "recipes",
    "recipes.fit",
    "sklearn",
)
"""Packages with a page of their own, in the order of the data flow."""

FILES = ("model.folder", "training.checkpoint.run", "model.measured", "model.formats.card", "training.monitor.track")
"""Modules whose docstrings describe files."""


# ---- the interface


def public(module: Any) -> list[str]:
    """Return the names of the classes and functions that a package shows and that it or a part of it defines."""
    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    found = {name: getattr(module, name) for name in names}
    own = {
        name: value
        for name, value in found.items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__.startswith(module.__name__)
        and value.__name__ == name
    }
    return list(own)


def api(package: str) -> str:
    """Return the page of a package."""
    module = importlib.import_module(f"quasistatic.{package}")
    lines = [f"# `quasistatic.{package}`", "", "```{eval-rst}", f".. automodule:: {module.__name__}", "   :no-members:"]
    lines += ["   :no-index:", ""]
    for name in public(module):
        value = getattr(module, name)
        lines.append(f".. auto{'class' if inspect.isclass(value) else 'function'}:: {module.__name__}.{name}")
        if inspect.isclass(value):
            lines += ["   :members:", "   :show-inheritance:"]
            lines += ["   :inherited-members: Module, object"] if name == "Model" else []
        lines.append("")
    return "\n".join([*lines, "```", ""])


def interface() -> str:
    """Return the page of all names of ``import quasistatic as qs``, each with a link to its description."""
    rows = ["| name | what it is |", "|---|---|"]
    for name in quasistatic.__all__:
        value = getattr(quasistatic, name)
        if name == "__version__" or getattr(value, "__name__", "") != name:
            continue
        home = max((p for p in PACKAGES if value.__module__.startswith(f"quasistatic.{p}")), key=len, default="")
        home = next(
            (p for p in PACKAGES if p == home and name in public(importlib.import_module(f"quasistatic.{p}"))), ""
        )
        link = f"[`qs.{name}`](#quasistatic.{home}.{name})" if home else f"`qs.{name}`"
        rows.append(f"| {link} | {first_line(value)} |")
    return "\n".join(
        ["# Python", "", "`import quasistatic as qs` has these names; each is loaded at its first use.", "", *rows, ""]
    )


def first_line(value: Any) -> str:
    """Return the first sentence of a docstring, for a cell of a table."""
    text = inspect.getdoc(value) or ""
    return " ".join(text.split("\n\n")[0].split()).replace("|", "\\|").replace("``", "`")


# ---- the command line


def commands() -> str:
    """Return the page of all commands with their arguments and options, from the parser."""
    group: Any = typer.main.get_command(command)
    lines = ["# Command line", "", f"{group.help}", ""]
    lines += ["Exit status: 0 done; 1 the work failed; 2 the request was wrong, explained in one sentence.", ""]
    for name, one in group.commands.items():
        arguments = [part for part in one.params if part.param_type_name == "argument"]
        usage = " ".join(["quasistatic", name, *(str(part.metavar) for part in arguments), "[OPTIONS]"])
        lines += [f"## {name}", "", str(one.help), "", "```text", usage, "```", ""]
        hints = typing.get_type_hints(inspect.unwrap(one.callback))
        lines += ["| | value | default | meaning |", "|---|---|---|---|"]
        for part in one.params:
            if not getattr(part, "hidden", False):
                lines.append(_row(part, hints))
        lines.append("")
    return "\n".join(lines)


VALUES = {str: "TEXT", int: "INTEGER", float: "NUMBER", Path: "PATH", list[str]: "TEXT …", list[int]: "INTEGER …"}


def _value(part: Any, hints: dict[str, Any]) -> str:
    """Return what an option takes."""
    kind = hints[part.name]
    return str(part.metavar or next(text for one, text in VALUES.items() if one in (kind, *typing.get_args(kind))))


def _row(part: Any, hints: dict[str, Any]) -> str:
    argument = part.param_type_name == "argument"
    called = f"`{part.metavar}`" if argument else ", ".join(f"`{name}`" for name in (*part.opts, *part.secondary_opts))
    kind = "" if argument or part.is_flag else _value(part, hints)
    given = part.default
    default = "required" if part.required else "" if given in (None, False, ()) or callable(given) else f"`{given}`"
    told = re.sub(r"([|$<*])", r"\\\1", part.help or "")
    return f"| {called} | {kind} | {default} | {told} |"


# ---- the configuration


def configuration() -> str:
    """Return the page of every field of a configuration, from the dataclasses."""
    lines = [
        "# Configuration",
        "",
        "`--set field=value` and keywords of `quasistatic.fit` change one field of this tree.",
        "",
    ]
    lines += ["A member of a family is chosen by its name: `--set process.schedule=linear`.", ""]
    for title, kind in (("The tree", Config), ("data", DataConfig), ("training", TrainingConfig)):
        lines += [f"## {title}", "", first_line(kind), "", *_fields(kind), ""]
    for base, members in FAMILIES.items():
        lines += [f"## {base.__name__}", "", first_line(base), ""]
        for name, member in members.items():
            lines += [f"### {name}", "", f"`{member.__name__}`: {first_line(member)}", "", *_fields(member), ""]
    return "\n".join(lines)


def _fields(kind: Any) -> Iterator[str]:
    told, hints = attributes(kind), typing.get_type_hints(kind, include_extras=True)
    fields = [field for field in dataclasses.fields(kind) if field.init]
    if fields:
        yield "| field | value | default | meaning |"
        yield "|---|---|---|---|"
    for field in fields:
        default = "required"
        if field.default is not dataclasses.MISSING:
            default = f"`{field.default}`" if len(str(field.default)) < 60 else "see its class"
        elif field.default_factory is not dataclasses.MISSING:
            default = "its own defaults"
        text = field.metadata.get("help") or told.get(field.name, "")
        yield f"| `{field.name}` | {wanted(hints[field.name])} | {default} | {text} |".replace("$", "\\$")


def wanted(hint: Any) -> str:
    """Return what a field takes, in the words of the message for a wrong value."""
    found = misfit(hint, object())
    if found is None:
        return "anything"
    text = found[1].removeprefix("must be ").partition(", got")[0]
    return re.sub(r" \((at least -?[\d,]+ and )?at most 9,223[\d,]+\)", "", text)


def attributes(kind: Any) -> dict[str, str]:
    """Return the texts of a docstring's section of attributes, by name."""
    section = re.search(r"^(?:Attributes|Args):\n((?:[ ]+.*\n?|\n)+)", inspect.getdoc(kind) or "", re.MULTILINE)
    entries = re.split(r"^    (\w+): ", section[1], flags=re.MULTILINE) if section else [""]
    texts = [" ".join(text.split()).replace("|", "\\|").replace("``", "`") for text in entries[2::2]]
    return dict(zip(entries[1::2], texts, strict=True))


# ---- files


def files() -> str:
    """Return the page of the files that the library writes, from the docstrings of the modules that do."""
    lines = ["# Files", ""]
    for name in FILES:
        lines += [f"## `quasistatic.{name}`", "", "```{eval-rst}", f".. automodule:: quasistatic.{name}"]
        lines += ["   :no-members:", "   :no-index:", "", "```", ""]
    return "\n".join(lines)


def write(app: Sphinx) -> None:
    """Write all pages into ``reference/`` of the sources, each only if its text has changed."""
    pages = {"python": interface(), "command-line": commands(), "configuration": configuration(), "files": files()}
    pages |= {f"quasistatic.{package}": api(package) for package in PACKAGES}
    entries = "\n".join(pages)
    pages["index"] = f"# Reference\n\nMade from docstrings, parser and dataclasses.\n\n```{{toctree}}\n{entries}\n```\n"
    folder = Path(app.srcdir, "reference")
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.md"):
        if old.stem not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
