"""The command's options, Model's keywords and the options objects are the same: names, defaults, types and help."""

import inspect
from collections.abc import Callable
from dataclasses import Field, fields
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
from typer.models import OptionInfo

from quasistatic.cli.commands.evaluate import evaluate
from quasistatic.cli.commands.infer import infer
from quasistatic.cli.commands.sample import sample
from quasistatic.model import Model
from quasistatic.model.bench import DrawOptions
from quasistatic.model.evaluate.examples import EvaluateOptions
from quasistatic.model.sample import SampleOptions

VERBS = [
    (SampleOptions, Model.sample, sample, {"first"}),
    (DrawOptions, Model.infer, infer, {"islands", "sampler", "particles"}),
    (EvaluateOptions, Model.evaluate, evaluate, set()),
]
"""Options, verb, command, and fields that one of the last two does not offer or leaves unset by default."""


def plain(hint: Any) -> Any:
    """A type without its range or option."""
    if get_origin(hint) is Annotated:
        return plain(get_args(hint)[0])
    parts = [part for part in get_args(hint) if part is not type(None)]
    return plain(parts[0]) if len(parts) == 1 and len(get_args(hint)) == 2 else hint


def help_of(place: Any) -> str:
    """Return the help text of an options field, or of a command's parameter by its annotation."""
    if isinstance(place, Field):
        return place.metadata["help"]
    (text,) = [note.help for note in get_args(place) if isinstance(note, OptionInfo)]
    return text


@pytest.mark.parametrize("options", [options for options, *_ in VERBS])
def test_every_option_has_a_help_text(options: type) -> None:
    for field in fields(options):
        assert help_of(field).endswith("."), field.name


@pytest.mark.parametrize(("options", "verb", "command", "own"), VERBS, ids=lambda one: getattr(one, "__name__", ""))
def test_options_do_not_drift(
    options: type, verb: Callable[..., Any], command: Callable[..., Any], own: set[str]
) -> None:
    hints = get_type_hints(options)
    for function in (inspect.unwrap(verb), inspect.unwrap(command)):
        parameters = inspect.signature(function, eval_str=True).parameters
        for field in fields(options):
            if field.name in own and function is not inspect.unwrap(verb):
                continue
            if field.name == "islands":
                continue  # `complete` has it; Model.infer returns no evidence
            assert field.name in parameters, f"{function.__qualname__} has no {field.name}"
            found = parameters[field.name]
            if field.name == "where" and function is not inspect.unwrap(verb):
                continue  # the command takes a list
            assert found.default == field.default, f"{function.__qualname__}: {field.name}"
            wanted = plain(hints[field.name])
            if field.name == "condition":  # the verb takes rows too
                wanted = str if function is inspect.unwrap(command) else Any
            if field.name != "label":  # the command takes text, which may be a number
                assert plain(found.annotation) == wanted, f"{function.__qualname__}: {field.name}"


@pytest.mark.parametrize(("options", "verb", "command", "own"), VERBS, ids=lambda one: getattr(one, "__name__", ""))
def test_the_command_shows_the_help_of_the_fields(
    options: type, verb: Callable[..., Any], command: Callable[..., Any], own: set[str]
) -> None:
    parameters = inspect.signature(inspect.unwrap(command), eval_str=True).parameters
    shown = {
        field.name: help_of(parameters[field.name].annotation) for field in fields(options) if field.name in parameters
    }
    assert len(shown) >= len(fields(options)) - 1
    assert shown == {field.name: help_of(field) for field in fields(options) if field.name in parameters}
