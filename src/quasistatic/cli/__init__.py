"""The command line: each file in ``commands/`` parses one command's options, makes one public call and prints.

    app.py            registers the commands; exit status    commands/                         one file per command
    arguments.py      shared arguments and options           demo.py                           the demo's work
    terminal.py       progress and reports                   output.py                         writes files by suffix
    signals.py        graceful stop on signals               failure.py                        errors as sentences

This package may import everything.
"""

from quasistatic.cli.app import main

__all__ = ["main"]
