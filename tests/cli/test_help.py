"""The help of every command and option: present, and at most twelve words."""

import pytest
import typer

from quasistatic.cli.app import app

WORDS = 12
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_a_short_sentence(name: str) -> None:
    command = COMMANDS[name]
    texts = {param.name: getattr(param, "help", None) for param in command.params} | {name: command.help}
    assert [option for option, text in texts.items() if not text] == []
    assert [option for option, text in texts.items() if len(text.split()) > WORDS] == []
    assert command.help.endswith(".")
