"""Writes what the page shows of a run into one HTML file, which needs no server: pictures and styles are in it.

Nothing in it runs, and it asks for nothing: its policy allows pictures and styles of its own only.
"""

import base64
import html
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from quasistatic import __version__, plotting
from quasistatic.data import Dataset
from quasistatic.model import Model
from quasistatic.runtime.files import replace_file
from quasistatic.serve import runs
from quasistatic.serve.worker import drawing, shown
from quasistatic.serve.worker.desk import Desk
from quasistatic.types import Watch

STATIC = Path(__file__).parent / "static"

SAMPLES, COMPLETED, DRAWS, STEPS = 36, 4, 6, 100
"""Samples, completed examples, draws of each, and steps of all of them."""

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

Words = Callable[..., str]


def words_of(language: str) -> Words:
    """Return the function from a key and its values to the page's words in a language.

    Raises:
        ValueError: if there are none in the language.
    """
    known = sorted(path.stem for path in (STATIC / "words").glob("*.json"))
    if language not in known:
        raise ValueError(f"a report is written in {' or '.join(known)}, got {language!r}")
    words = json.loads((STATIC / "words" / f"{language}.json").read_text(encoding="utf-8"))

    def t(key: str, **values: object) -> str:
        text: str = words[key]
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    return t


def write_report(
    run: Path, out: Path, data: Sequence[str] = (), language: str = "en", watch: Watch | None = None
) -> None:
    """Write the report of a run.

    Args:
        run: its folder.
        out: the .html to write.
        data: data sets, one of which the run was trained on; built-in ones are known.
        language: en or ko.
        watch: called with (steps done, steps in all) of each part.

    Raises:
        FileNotFoundError: if there is no model in the folder.
        ValueError: if a name or the language is unknown, or the file of a model is damaged.
    """
    if out.suffix.lower() not in (".html", ".htm") or not out.parent.is_dir():
        raise ValueError(f"a report is an .html file in a folder that exists, got {out}; name another")
    t = words_of(language)
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(data)
        desk.begin("report", {"run": str(run), "typed": str(run)}, Path(folder), watch or (lambda done, total: None))
        model = desk.model()
        body = _body(t, run, desk, model)
    styles = "".join((STATIC / name).read_text(encoding="utf-8") for name in ("base.css", "parts.css"))
    title = html.escape(run.resolve().name)
    page = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><style>{styles}</style></head><body><main class="wide">{body}</main>'
        f'<footer class="wide">quasistatic {__version__}</footer></body></html>\n'
    )
    replace_file(out, lambda part: part.write_text(page, encoding="utf-8"))


def _body(t: Words, run: Path, desk: Desk, model: Model) -> str:
    found = runs.card(runs.Run("", run.resolve().name, run.resolve(), str(run)))
    unseen = desk.held_out(model)
    what = {"data": found["data"], "shape": " × ".join(map(str, found["shape"])), "step": found["step"]}
    parts = [
        _tag("h1", found["name"]),
        _tag("p", t("run.what", kind=t(f"kind.{found['kind']}"), **what), "soft"),
        _score(t, desk, model, unseen),
        _tag("h2", t("tab.samples")),
        _samples(t, desk, model),
        _completions(t, desk, model, unseen),
        _training(t, run, desk),
        _tag("h2", t("about.config")),
        f'<div class="box tree">{_tree(runs.read_json(run / runs.CONFIG).get("config", {}))}</div>',
    ]
    return "".join(parts)


def _score(t: Words, desk: Desk, model: Model, unseen: Dataset | None) -> str:
    if unseen is None:
        return _tag("p", t("report.no_data"), "notice")
    score = drawing.score_told(model.evaluate(desk.some_unseen(model, 256), watch=desk.progress))
    value, error, null = (f"{score[name]:.4g}" for name in ("value", "error", "null"))
    rows = [(name, f"{one:.4g}") for name, one in score["terms"].items() if one is not None]
    unit = t(f"unit.{model.specification.codec.unit}")
    mean = _tag("p", t("score.mean", value=value, error=error, null=null, n=score["examples"], unit=unit), "score")
    facts = "".join(_tag("dt", t(f"term.{name}")) + _tag("dd", one) for name, one in rows)
    return f'<div class="box">{mean}<dl class="facts">{facts}</dl></div>'


def _samples(t: Words, desk: Desk, model: Model) -> str:
    raw = model.sample(SAMPLES, steps=STEPS, seed=0, watch=desk.progress)
    found = shown.shown_examples(raw, model.specification)
    match found["kind"]:
        case "images" | "points" | "signals":
            plotting.save_examples(raw, desk.folder / "samples.png", model.specification.codec)
            return _picture(desk.folder / "samples.png", t("tab.samples"))
        case "table":
            return _table(found["columns"], found["rows"])
        case "volumes":
            pictures = "".join(f'<img class="pixels" src="{one}" alt="">' for one in found["pictures"])
            return _tag("p", t("show.volumes"), "soft") + f'<div class="grid">{pictures}</div>'
        case "text" | "digits":
            return '<ol class="lines">' + "".join(_tag("li", line) for line in found["lines"]) + "</ol>"
    return _table([f"c{place}" for place in range(len(found["values"][0]))], found["values"])


def _completions(t: Words, desk: Desk, model: Model, unseen: Dataset | None) -> str:
    """Return completions of half-hidden held-out images or signals, next to their truth."""
    if unseen is None or shown.kind_of_data(model.specification) not in ("images", "signals"):
        return ""
    truth = unseen.batch(torch.arange(min(COMPLETED, len(unseen))))
    known = torch.ones_like(truth, dtype=torch.bool)
    known[:, :, truth.shape[2] // 2 :] = False  # the lower half of an image, the later half of a signal
    draws = model.infer(truth, known, draws=DRAWS, steps=STEPS, watch=desk.progress)
    file = desk.folder / "completions.png"
    plotting.completions(truth, known, draws, truth, file, model.specification.codec)
    return _tag("h2", t("tab.complete")) + _picture(file, t("tab.complete"))


def _training(t: Words, run: Path, desk: Desk) -> str:
    try:
        plotting.training_curve(run / runs.METRICS, desk.folder / "training.png")
    except (FileNotFoundError, ValueError):  # a model that was not trained here, or a damaged file
        return ""
    return _tag("h2", t("tab.training")) + _picture(desk.folder / "training.png", t("tab.training"))


def _picture(file: Path, name: str) -> str:
    content = base64.b64encode(file.read_bytes()).decode()
    image = f'<img src="data:image/png;base64,{content}" alt="{html.escape(name)}" style="max-width:100%">'
    return f'<div class="box">{image}</div>'


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    names = "".join(_tag("th", name) for name in head)
    lines = "".join("<tr>" + "".join(_tag("td", cell) for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table></div>'


def _tree(value: dict[str, Any]) -> str:
    parts = []
    for name, own in value.items():
        if isinstance(own, dict):
            parts.append(f"<details open>{_tag('summary', name)}{_tree(own)}</details>")
        else:
            parts.append(
                f'<div class="leaf">{_tag("span", name)}{_tag("span", json.dumps(own, ensure_ascii=False))}</div>'
            )
    return "".join(parts)


def _tag(name: str, text: object, kind: str = "") -> str:
    """Return an element that holds a text, which cannot become markup."""
    own = f' class="{kind}"' if kind else ""
    return f"<{name}{own}>{html.escape(str(text))}</{name}>"
