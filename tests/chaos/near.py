"""Valid data of a model's own kind after a few changes of meaning: other types and sizes, gaps, values out of range."""

import csv
import io

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from chaos.arrays import saved
from chaos.cases import Case, renamed
from chaos.edits import damaged
from chaos.pictures import pictures
from chaos.pools import NUMBERS, STEMS, TEXTS, mostly
from chaos.seeds import KINDS, Files, Seed
from chaos.verbs import EVALUATE, PLAN

VALUES = (0, 1, -1, 2, 16, 17, 255, 256, 0.5, 1e-30, 1e30, np.nan, np.inf, -np.inf, 2**31, 2**53 + 1)
CELLS = ("", "NA", "red", "pink", "true", "3", "-7.5", "1e300", "inf")


@st.composite
def changed_array(draw: DrawFn, array: np.ndarray) -> np.ndarray:
    """Return an array after one or two changes."""
    for _ in range(draw(st.integers(1, 2))):
        match draw(st.sampled_from(("rows", "type", "value", "column", "constant", "turn", "crop", "axis", "scale"))):
            case "rows":
                array = array[: draw(st.sampled_from((0, 1, 2, 5)))]
            case "type":
                kinds = ("f2", "f4", "f8", ">f8", "i1", "i4", "i8", "u2", "u8", "?", "c8", "U9")
                with np.errstate(all="ignore"):
                    array = array.astype(draw(st.sampled_from(kinds)))
            case "value" | "column" as what if array.size and array.dtype.kind == "f" and array.ndim:
                place = draw(st.integers(0, array.shape[-1] - 1))
                array = array.copy()
                rows = slice(None) if what == "column" else slice(0, draw(st.integers(1, 3)))
                with np.errstate(all="ignore"):
                    array[rows, ..., place] = draw(st.sampled_from(VALUES))
            case "constant":
                array = np.full_like(array, array.flat[0]) if array.size else array
            case "turn" if array.ndim > 1:
                array = np.swapaxes(array, 0, -1)
            case "crop" if array.ndim > 1:
                array = array[..., : draw(st.sampled_from((0, 1, 3, 5)))]
            case "axis":
                array = array[..., None] if draw(st.booleans()) else array[None]
            case "scale" if array.dtype.kind == "f":
                with np.errstate(all="ignore"):
                    array = array * draw(st.sampled_from((1e-30, 1e30, 1e300, 0, -1)))
    return array


@st.composite
def changed_table(draw: DrawFn, content: bytes) -> bytes:
    """Return a .csv file after one to three changes of cells, columns or rows."""
    rows = list(csv.reader(io.StringIO(content.decode())))
    for _ in range(draw(st.integers(1, 3))):
        column = draw(st.integers(0, len(rows[0]) - 1))
        row = draw(st.integers(1, max(1, len(rows) - 1)))
        cell = draw(mostly(st.sampled_from(CELLS), st.sampled_from((*NUMBERS, *TEXTS))))
        match draw(st.sampled_from(("cell", "cell", "cell", "column", "name", "drop", "add", "few", "swap", "row"))):
            case "cell" if row < len(rows):
                rows[row][column] = cell
            case "column":
                rows = [rows[0], *([*cells[:column], cell, *cells[column + 1 :]] for cells in rows[1:])]
            case "name":
                rows[0][column] = cell
            case "drop" if len(rows[0]) > 1:
                rows = [cells[:column] + cells[column + 1 :] for cells in rows]
            case "add":
                rows = [[*cells, "more" if place == 0 else cell] for place, cells in enumerate(rows)]
            case "few":
                rows = rows[: draw(st.integers(1, 3))]
            case "swap":
                rows = [cells[::-1] for cells in rows]
            case "row":
                rows.insert(row, [cell])
        rows = [cells + [""] * (len(rows[0]) - len(cells)) if place % 7 else cells for place, cells in enumerate(rows)]
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue().encode("utf-8", "replace")


@st.composite
def changed_text(draw: DrawFn, content: bytes) -> bytes:
    """Return a text with other letters, shorter or longer."""
    text = content.decode()
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(text)))
        text = (
            text[:place] + draw(st.sampled_from(("?", "d", "\n", "é", "\0", "aa", "\ufeff", "😀"))) + text[place + 1 :]
        )
    return text[: draw(st.sampled_from((len(text), len(text), 0, 1, 7, 8, 9)))].encode()


@st.composite
def changed_data(draw: DrawFn, seed: Seed) -> Files:
    """Return the files of a seed's data after changes."""
    content = seed.files.get(seed.data)
    if not isinstance(content, bytes):
        inside = [name for name in seed.files if name.startswith("data/")]
        name = draw(st.sampled_from(inside))
        return {other: seed.files[other] for other in inside} | {name: draw(pictures())}
    match seed.data.rpartition(".")[2]:
        case "npy":
            new = draw(changed_array(np.load(io.BytesIO(content))).map(saved))
        case "npz":
            arrays = dict(np.load(io.BytesIO(content)))
            name = draw(st.sampled_from(sorted(arrays)))
            arrays[name] = draw(changed_array(arrays[name]))
            file = io.BytesIO()
            np.savez(file, **arrays)
            new = file.getvalue()
        case "csv":
            new = draw(changed_table(content))
        case _:
            new = draw(changed_text(content))
    return {seed.data: draw(damaged(new, 1)) if draw(st.integers(0, 9)) == 0 else new}


@st.composite
def near(draw: DrawFn, seeds: dict[str, Seed]) -> Case:
    """A verb on a model, at times of an odd name, and data of nearly its own kind."""
    case = draw(_near(seeds))
    stems = st.sampled_from(STEMS)
    return renamed(case, "model", draw(stems)) if draw(st.integers(0, 9)) in (3, 6) else case


@st.composite
def _near(draw: DrawFn, seeds: dict[str, Seed]) -> Case:
    seed = seeds[draw(st.sampled_from(sorted(seeds)))]
    files = seed.without("model/checkpoints", seed.data) | draw(changed_data(seed))
    verb = draw(st.sampled_from(("evaluate", "evaluate", "evaluate", "infer", "plan", "train", "compare", "resume")))
    match verb:
        case "evaluate":
            options = (
                (), ("--method", "importance"), ("--method", "flow"), ("--method", "exact"), ("--baselines",),
                ("--scores", "s.csv"),
                ("--baselines", "--against", seed.data), ("--picture", "p.png"), ("--target-error", "0.5"),
                ("--limit", "1"),
            )  # fmt: skip
            return Case(("evaluate", "model", seed.data, *EVALUATE, "--json", *draw(st.sampled_from(options))), files)
        case "infer":
            ways = (
                (),
                ("--half", "right"),
                ("--box", "0,0,2,2"),
                ("--super-resolution", "2"),
                ("--denoise", "0.1"),
                ("--half", "left", "--report"),
            )
            out = draw(st.sampled_from(("out.npy", "out.csv", "out.png", "out/")))
            words = ("infer", "model", seed.data, "--out", out, "--steps", "2", "--limit", "2")
            return Case((*words, *draw(st.sampled_from(ways))), files)
        case "plan":
            return Case(("plan", "model", seed.data, *PLAN, "--json"), files)
        case "compare":
            whole = {f"real.{seed.data}": seed.files[seed.data]} if seed.data in seed.files else {}
            real = f"real.{seed.data}" if whole else seed.data
            ways = ((), ("--features", "pca:2"), ("--features", "pca:99"), ("--features", "classifier:2"))
            features = (*draw(st.sampled_from(ways)), *draw(st.sampled_from(((), ("--training", real)))))
            return Case(("compare", real, seed.data, "--json", *features), files | whole)
        case "resume" if seed.name in KINDS:
            words = ("train", seed.data, "--out", "model", "--resume", "--steps", "4")
            return Case(words, dict(seed.files) | files)
    recipe = KINDS[seed.name].training() if seed.name in KINDS else []
    return Case(("train", seed.data, "--out", "run", "--steps", "2", *recipe), files)
