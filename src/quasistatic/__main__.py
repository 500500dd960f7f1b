"""``python -m quasistatic`` is the command."""

from quasistatic.cli import main

main()
