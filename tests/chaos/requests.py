"""Commands with odd words: every option of every command, and ``--set`` of every field.

Both are read from the program itself, the command tree and the configuration's dataclasses, so that what is added there
is tried without a change here.
"""

import dataclasses
import json
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from chaos.arrays import saved
from chaos.cases import Case, Directory, Link, Pipe
from chaos.edits import at, places
from chaos.pools import SOURCES, TARGETS, mostly, numbers, texts
from chaos.seeds import KINDS, Files, Seed

CHEAP = {"--steps": "2", "-n": "2", "--limit": "3", "--draws": "2", "--candidates": "6", "--examples": "4"}
"""Options that make a command quick, for those that have them."""

AROUND: Files = {
    "taken.npy": b"taken", "link.npy": Link("taken.npy"), "dangling.npy": Link("gone.npy"),
    "loop.npy": Link("loop.npy"),
    "pipe.npy": Pipe(), "full/x": b"x", "empty": Directory(), "chain.csv": b",a,b\na,0.5,0.5\nb,0.25,0.75\n",
    "mask.npy": saved(np.eye(8, dtype=bool)),
}  # fmt: skip
"""Files beside a command that its words may name."""


@dataclass(frozen=True)
class Parameter:
    """An option or an argument of a command."""

    name: str
    flag: str | None
    """None of an argument."""
    switch: bool
    number: bool
    required: bool
    hints: tuple[str, ...]
    """The words of its help, among which are the names that it takes."""


@cache
def commands() -> dict[str, tuple[Parameter, ...]]:
    """Return the parameters of every command."""
    import typer

    from quasistatic.cli.app import app

    tree: Any = typer.main.get_command(app)
    return {name: tuple(map(_parameter, command.params)) for name, command in tree.commands.items()}


def _parameter(found: Any) -> Parameter:
    kind = str(getattr(getattr(found, "type_descriptor", found), "annotation", getattr(found, "type", "")))
    option = found.param_type_name == "option"
    return Parameter(
        found.name,
        found.opts[0] if option else None,
        bool(getattr(found, "is_flag", False)),
        "int" in kind or "float" in kind,
        found.required,
        tuple(re.findall(r"[a-z][\w+:.-]*\w", getattr(found, "help", None) or "")),
    )


@st.composite
def requests(draw: DrawFn, seeds: dict[str, Seed]) -> Case:
    """A valid command on a valid model and data, of which a few words are odd."""
    command = draw(st.sampled_from(sorted(set(commands()) - {"demo", "reproduce"}) * 4 + ["demo", "reproduce"]))
    seed = seeds[draw(st.sampled_from(sorted(seeds)))]
    parameters = commands()[command]
    needed = [one for one in parameters if one.required]
    optional = [one for one in parameters if not one.required]
    odd = {one.name for one in needed if draw(st.integers(0, 9)) == 7}
    words = [command]
    for one in needed:
        value = draw(_odd(one)) if one.name in odd else _valid(command, one, seed)
        words += [value] if one.flag is None else [one.flag, value]
    chosen = draw(st.lists(st.sampled_from(optional), max_size=4, unique=True)) if optional else []
    for one in chosen:
        words += (
            [one.flag] if one.switch and one.flag else [one.flag, draw(_odd(one))] if one.flag else [draw(_odd(one))]
        )
    flags = {one.flag for one in parameters} - {one.flag for one in chosen}
    words += [word for flag, value in CHEAP.items() if flag in flags for word in (flag, value)]
    if command == "infer" and {"--half", "--mask", "--box", "--super-resolution", "--denoise"} <= flags:
        words += ["--half", "left"] if seed.name not in ("text", "table") else []
    if command == "train" and draw(st.booleans()) and seed.name in KINDS:
        words += KINDS[seed.name].training()
    elif command == "train":
        words += ["--set", "training.batch=2"]
    resumed = "--resume" in words
    return Case(tuple(words), (seed.files if resumed else seed.without("model/checkpoints")) | AROUND)


def _valid(command: str, one: Parameter, seed: Seed) -> str:
    match one.name:
        case "run":
            return "model"
        case "file":
            return "chain.csv"
        case "name":
            return "nothing"
        case "out":
            return {"train": "run", "chain": "out.png"}.get(command, "out.npy")
    return seed.data


def _odd(one: Parameter) -> st.SearchStrategy[str]:
    if one.name in ("data", "observed", "real", "samples", "against", "run", "file"):
        return st.one_of(st.sampled_from(SOURCES), st.sampled_from(tuple(AROUND)), texts())
    if one.name in ("out", "scores", "picture"):
        return mostly(st.sampled_from(("scores.csv", "picture.png", "out/")), st.sampled_from(TARGETS))
    if one.name == "name":
        return texts().map(lambda word: f"not {word}")  # a known experiment takes minutes
    if one.name in ("mask", "data_dir"):
        return mostly(st.sampled_from(("mask.npy", "data")), st.sampled_from((*TARGETS, *AROUND)))
    if one.name == "changes":
        return changes()
    if one.number:
        return mostly(st.integers(0, 8).map(str), st.one_of(numbers(), texts()))
    return mostly(st.sampled_from(one.hints) if one.hints else texts(), st.one_of(numbers(), texts()))


# ---- --set field=value


@cache
def fields() -> dict[str, tuple[str, ...]]:
    """Return the path of every field of the configuration, with the names that it takes if it is a family's."""
    from quasistatic.config import Config

    found: dict[str, set[str]] = {}
    _walk(Config, "", found)
    return {path: tuple(sorted(names)) for path, names in sorted(found.items()) if path}


def _walk(kind: Any, path: str, found: dict[str, set[str]]) -> None:
    from quasistatic.config import FAMILIES

    if path.count(".") > 5:
        return  # a product of products
    names = found.setdefault(path, set())
    arguments = [one for one in typing.get_args(kind) if one in FAMILIES or dataclasses.is_dataclass(one)]
    if kind in FAMILIES:
        names |= set(FAMILIES[kind])
        members = [*FAMILIES[kind].values()]
    elif arguments:
        for place in range(2):
            _walk(arguments[0], f"{path}.{place}", found)
        return
    else:
        members = [kind] if dataclasses.is_dataclass(kind) else []
    for member in members:
        hints = typing.get_type_hints(member)
        for field in dataclasses.fields(member):
            _walk(hints[field.name], f"{path}.{field.name}" if path else field.name, found)


USUAL = ("0", "1", "2", "4", "8", "0.5", "1,2", "true", "false", "none", "auto", "bf16", "found")


@st.composite
def changes(draw: DrawFn, own: Mapping[str, Any] = MappingProxyType({})) -> str:
    """A change of a field, or nearly one; more often of one of ``own``, whose value is known."""
    path = draw(mostly(st.sampled_from(tuple(own or fields())), st.sampled_from(tuple(fields()))))
    names = st.sampled_from(fields().get(path) or USUAL)
    near: st.SearchStrategy[str] = names
    match own.get(path):
        case bool():
            near = st.sampled_from(("true", "false"))
        case int():
            near = st.integers(0, 8).map(str)
        case float():
            near = st.floats(0, 1).map(repr)
    value = draw(mostly(near, st.one_of(names, st.sampled_from(USUAL), numbers(), texts())))
    if path.endswith(".compile") and value.strip().lower() == "true":
        value = "yes"  # compiling takes minutes
    if draw(st.integers(0, 19)) == 7:
        return draw(
            st.sampled_from((path, f"{path}x={value}", f"{path}.x={value}", f" {path} = {value} ", f"={value}"))
        )
    return f"{path}={value}"


@st.composite
def settings(draw: DrawFn, seeds: dict[str, Seed]) -> Case:
    """A short training with one to three fields set to odd values."""
    name = draw(st.sampled_from(sorted(KINDS)))
    seed, kind = seeds[name], KINDS[name]
    words = ["train", seed.data, "--out", "run", *kind.training(), "--steps", "2"]
    content = seed.files["model/config.json"]
    assert isinstance(content, bytes)
    tree = json.loads(content)["config"]
    paths = [path for path in places(tree) if path[-1] != "type" and not isinstance(at(tree, path), dict | list)]
    own = {".".join(map(str, path)): at(tree, path) for path in paths}
    for _ in range(draw(st.integers(1, 3))):
        words += ["--set", draw(changes(own))]
    return Case(tuple(words), seed.without("model/"))
