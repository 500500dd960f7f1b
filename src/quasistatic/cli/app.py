"""The command line's entry point. Each command parses, calls one public function and prints.

Exit status: 0 done; 1 the work failed; 2 the request was wrong, explained in one sentence.
Progress goes to stderr; with --json, stdout holds one JSON object and nothing else.
"""

import os
import sys
from typing import Annotated

import typer

from quasistatic import __version__
from quasistatic.cli import failure
from quasistatic.cli.commands.chain import chain
from quasistatic.cli.commands.check import check
from quasistatic.cli.commands.compare import compare
from quasistatic.cli.commands.curve import curve
from quasistatic.cli.commands.demo import demo
from quasistatic.cli.commands.doctor import doctor
from quasistatic.cli.commands.evaluate import evaluate
from quasistatic.cli.commands.export import export
from quasistatic.cli.commands.infer import infer
from quasistatic.cli.commands.merge import merge
from quasistatic.cli.commands.plan import plan
from quasistatic.cli.commands.pull import pull
from quasistatic.cli.commands.push import push
from quasistatic.cli.commands.report import report
from quasistatic.cli.commands.reproduce import reproduce
from quasistatic.cli.commands.sample import sample
from quasistatic.cli.commands.serve import serve
from quasistatic.cli.commands.train import train
from quasistatic.cli.signals import end_with_launcher
from quasistatic.cli.terminal import err

CTRL_C = 130
"""The exit status that typer gives at Ctrl-C, without a message."""

app = typer.Typer(
    name="quasistatic",
    help="Diffusion models as probability distributions: learn, sample, infer, evaluate.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> bool:
    if asked:
        print(f"quasistatic {__version__}")
        raise typer.Exit
    return asked


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Diffusion models as probability distributions: learn, sample, infer, evaluate."""


for command in (
    check,
    train,
    curve,
    sample,
    infer,
    evaluate,
    merge,
    plan,
    compare,
    export,
    push,
    pull,
    chain,
    serve,
    report,
    demo,
    reproduce,
    doctor,
):
    app.command()(command)


def main() -> None:
    """Run the command. Print each error as one sentence: exit 2 for a wrong request, exit 1 for failed work."""
    # On a busy machine, OpenMP threads that busy-wait slow a step fourfold; a low spin count lets them sleep.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        end_with_launcher()
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
