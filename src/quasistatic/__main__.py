"""``python -m quasistatic`` is the command."""

from quasistatic.cli.app import main

main()
