"""Shows a run's progress in a terminal or a notebook. Importing this file does not load torch."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Protocol, TypeVar, runtime_checkable

from rich.console import Console


@runtime_checkable
class Reported(Protocol):
    """What a run reports as it goes, as far as it is shown."""

    @property
    def step(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def loss(self) -> float: ...
    @property
    def rate(self) -> float: ...
    @property
    def held_out(self) -> float | None: ...
    @property
    def note(self) -> str | None: ...
    @property
    def unit(self) -> str: ...


Progress = TypeVar("Progress", bound=Reported)


def on_stderr() -> Console:
    """Return a console on stderr, with bars only where they can be redrawn: terminals, and notebooks with ipywidgets.

    A notebook's cells and some CI services set FORCE_COLOR, with which rich takes a pipe for a terminal.
    """
    return Console(
        stderr=True,
        soft_wrap=True,
        highlight=False,
        markup=False,
        emoji=False,
        force_terminal=None if sys.stderr is not None and sys.stderr.isatty() else False,
        force_jupyter=None if find_spec("ipywidgets") else False,
    )


def can_redraw(console: Console) -> bool:
    """Return whether a bar can be drawn; elsewhere rich, in some versions, ends a hidden one with an empty line."""
    return console.is_terminal or console.is_jupyter


def followed(begin: Callable[[Callable[[str], None]], Iterator[Progress]], console: Console) -> Progress | None:
    """Go through a run, with a bar and one line per score of the held-out set; return its last progress.

    Args:
        begin: (doing) → the run's progress; ``doing`` is called with what the run does other than steps.
        console: where the lines go.
    """
    last = None
    with following("starting", console) as (doing, show):
        for last in begin(doing):
            show(last, f"step {last.step:,}/{last.steps:,}  loss {last.loss:.3f}  {last.rate:,.0f} examples/s")
            if last.held_out is not None:
                held_out = f"held out {last.held_out:.3f} {last.unit}"
                console.print(f"step {last.step:,}  loss {last.loss:.3f}  {held_out}")
            if last.note:
                console.print(f"note: {last.note}")
    return last


@contextmanager
def following(title: str, console: Console) -> Iterator[tuple[Callable[[str], None], Callable[[Reported, str], None]]]:
    """Show a bar for a run.

    Yields two functions: one of what the run does other than steps, which the bar then shows in place of its text; and
    one of the run's progress with the bar's text.
    """
    if not can_redraw(console):
        yield lambda what: None, lambda at, description: None
        return
    from rich import progress

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=console, transient=True) as shown:
        task, text = shown.add_task(title, total=None), title

        def show(at: Reported, description: str) -> None:
            nonlocal text
            text = description
            shown.update(task, description=text, completed=at.step, total=at.steps)

        def doing(what: str) -> None:
            shown.update(task, description=f"{what} …" if what else text)
            shown.refresh()

        yield doing, show
