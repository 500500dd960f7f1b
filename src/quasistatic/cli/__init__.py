"""The command: each file parses one command's options, makes one public call and prints.

    app.py            the commands, and what ends them       infer.py demo.py reproduce.py     larger commands
    arguments.py      names of data, models and files        options.py                        shared options
    terminal.py       progress and reports                   output.py                         files by their ending
    signals.py        soft ends of a run                     failure.py                        errors as sentences

It may import everything.
"""

from quasistatic.cli.app import main

__all__ = ["main"]
