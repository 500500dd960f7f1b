"""Reports on the machine and the installation."""

from dataclasses import asdict

from quasistatic.cli import arguments, terminal
from quasistatic.cli.arguments import Json


@arguments.working()
def doctor(as_json: Json = False) -> None:
    """Report versions, device, units, compiler and extras."""
    from quasistatic.runtime.doctor import diagnose

    found = diagnose()
    if as_json:
        terminal.as_json(asdict(found))
    else:
        terminal.diagnosis(found)
