"""``python -m quasistatic.cli`` runs the command, as ``python -m quasistatic`` does."""

from quasistatic.cli import main

main()
