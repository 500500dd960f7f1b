"""The command: it parses, calls one public function, prints. A script makes the same calls.

Exit status: 0 done; 1 the work failed; 2 the request was wrong, said in one sentence.
Progress goes to stderr; with --json, stdout holds one JSON object and nothing else.
"""

import os
import sys

import typer

from quasistatic.cli import failure
from quasistatic.cli.commands.chain import chain
from quasistatic.cli.commands.check import check
from quasistatic.cli.commands.compare import compare
from quasistatic.cli.commands.demo import demo
from quasistatic.cli.commands.evaluate import evaluate
from quasistatic.cli.commands.infer import infer
from quasistatic.cli.commands.plan import plan
from quasistatic.cli.commands.reproduce import reproduce
from quasistatic.cli.commands.sample import sample
from quasistatic.cli.commands.train import train
from quasistatic.cli.terminal import err

CTRL_C = 130
"""The status with which typer ends a command at Ctrl-C, without a word."""

app = typer.Typer(
    name="quasistatic",
    help="Diffusion models as probability distributions: learn, sample, infer, evaluate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


for command in (check, train, sample, infer, evaluate, plan, compare, chain, demo, reproduce):
    app.command()(command)


def main() -> None:
    """Run the command; a mistake of the user's is one sentence and exit 2, failed work one sentence and exit 1."""
    # On a busy machine, threads that spin while they wait for each other slow a step fourfold; these soon sleep.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        with failure.safe_streams():
            app()
    except Exception as error:
        if os.environ.get(failure.TRACEBACK):
            raise
        sentence, status = failure.told(error)
        err.print(f"error: {sentence}")
        sys.exit(status)
    except SystemExit as end:
        if end.code != CTRL_C:
            raise
        err.print("interrupted")
        sys.exit(1)


if __name__ == "__main__":
    main()
