"""Completes texts whose gaps have several readings: gaps of unknown length, and alternatives."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from quasistatic.cli import arguments, terminal
from quasistatic.cli.terminal import bar, err

if TYPE_CHECKING:
    from quasistatic.model import Model
    from quasistatic.model.bench import DrawOptions
    from quasistatic.model.complete.texts import Filled

TAKEN = ("run", "observed", "out", "draws", "particles", "islands", "label", "condition", "limit", "seed", "precision")
"""Parameters of `infer` that texts with several readings take, besides ``longest`` and ``method``."""

SHOWN = 5
"""Readings of a text that are printed."""


def completed_texts(
    context: arguments.Context, model: "Model", source: str, out: str, effort: Callable[..., "DrawOptions"]
) -> bool:
    """Complete a file of texts if one of them has several readings; return whether it has.

    Raises:
        ValueError: if an option has no effect on it, or see `write_readings`.
    """
    given, texts = context.params, read_open(model, source)
    check_options(context, texts)
    if texts is None:
        return False
    counts = arguments.counts_for("particle", particles=given["particles"], islands=given["islands"])
    write_readings(model, texts[: given["limit"]], out, given["longest"], effort(given["draws"], **counts))
    return True


def read_open(model: "Model", source: str) -> list[str] | None:
    """Return the texts of a file if one has several readings: its records, or the whole; otherwise None."""
    from quasistatic.data import RecordsCodec, TextCodec
    from quasistatic.data.source.text import read_text
    from quasistatic.model.complete.texts import is_open

    path, codec = Path(source), model.specification.codec
    if path.suffix.lower() != ".txt" or not path.is_file() or not isinstance(codec, TextCodec):
        return None
    text = read_text(path)
    if not is_open(text.text, codec):
        return None
    return text.lines() if isinstance(codec, RecordsCodec) else [text.text.removesuffix("\n")]


def check_options(context: arguments.Context, texts: list[str] | None) -> None:
    """Raise ValueError if an option is given that has no effect on ``texts`` with several readings, or on others."""
    given = [name for name in context.params if arguments.is_given(context, name)]
    if "longest" in given and not any("*" in text for text in texts or ()):
        raise ValueError("--longest is for texts with gaps of unknown length, marked *, got none; leave it out")
    if texts is None:
        return
    method = context.params["method"]
    if method not in (None, "particle"):
        raise ValueError(f"readings of a text are weighed by particles, got --method {method}; leave it out")
    useless = [name for name in given if name not in (*TAKEN, "longest", "method")]
    if useless:
        raise ValueError(
            f"readings of a text are weighed and drawn without --{useless[0].replace('_', '-')}; leave it out"
        )


def write_readings(model: "Model", texts: list[str], out: str, longest: int | None, options: "DrawOptions") -> None:
    """Weigh and draw the readings of texts, and write them: draws to a .txt, and readings beside it or to a .csv.

    Raises:
        ValueError: if the target is another file, or a text has no reading that the model could have made.
    """
    from quasistatic.inference import FewParticles
    from quasistatic.model.complete import texts as readings
    from quasistatic.runtime.files import replace_file

    target, most = Path(out), readings.LONGEST if longest is None else longest
    if target.suffix.lower() not in (".txt", ".csv"):
        raise ValueError(f"texts are written to a .txt, and their readings to a .csv, got {out}; name one of these")
    if most < 0:
        raise ValueError(f"a gap has 0 characters or more, got --longest {most}")
    filled = []
    with terminal.notes(FewParticles), bar("weighing readings") as watch:
        for text in texts:
            filled.append(readings.fill(model, text, most, options, watch))
    beside = target if target.suffix.lower() == ".csv" else target.with_name(f"{target.stem}-readings.csv")
    replace_file(beside, lambda part: part.write_text(_table(filled), encoding="utf-8"))
    if beside != target:
        lines = "".join(f"{draw}\n" for one in filled for draw in one.draws)
        replace_file(target, lambda part: part.write_text(lines, encoding="utf-8"))
        err.print(f"{options.draws} draws for each of {len(texts)} texts in {target}; exact in the limit of particles")
    err.print(f"readings with their probabilities in {beside}")
    for candidate in filled[0].candidates[:SHOWN]:
        print(f"{candidate.probability:8.4f}  {candidate.text}")


def _table(filled: "list[Filled]") -> str:
    """Return all readings as a .csv, the most probable of each text first."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("text", "reading", "probability", "log_evidence", "standard_error"))
    for number, one in enumerate(filled):
        for found in one.candidates:
            numbers = (f"{found.probability:.6g}", f"{found.log_evidence:.6f}", f"{found.error:.6f}")
            rows.writerow((number, found.text, *numbers))
    return table.getvalue()
