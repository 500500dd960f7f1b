"""Commands on odd data and on damaged models."""

from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from chaos.arrays import array_files, npy
from chaos.cases import Case, Content, Directory, Link, Pipe, renamed
from chaos.edits import damaged, edited_json, edited_tensors
from chaos.pictures import picture_files, pictures
from chaos.pools import SOURCES, STEMS, mostly
from chaos.seeds import KINDS, Files, Seed
from chaos.tables import csv_tables, image_parquet, matrices, table_files, texts

Data = st.SearchStrategy[tuple[str, dict[str, Content]]]
EVALUATE = ("--steps", "3", "--draws", "2", "--limit", "4")
PLAN = ("--steps", "2", "--candidates", "6", "--examples", "4")
JUDGED = ("--features", "classifier:2", "--training", "digits")


@st.composite
def on_data(draw: DrawFn, seeds: dict[str, Seed], data: Data) -> Case:
    """A command that reads the data, at times of an odd name; models are of a kind that may or may not suit it."""
    path, files = draw(data)
    case = draw(_reading(seeds, path, files))
    if path not in files or draw(st.integers(0, 9)) not in (3, 6):
        return case
    return renamed(case, path, draw(st.sampled_from(STEMS)) + "".join(Path(path).suffixes))


@st.composite
def _reading(draw: DrawFn, seeds: dict[str, Seed], path: str, files: dict[str, Content]) -> Case:
    name = draw(st.sampled_from(sorted(seeds)))
    model = seeds[name].without("model/checkpoints", KINDS[name].data if name in KINDS else "data")
    verb = draw(st.sampled_from(("check", "check", "check", "train", "train", "evaluate", "infer", "compare", "plan")))
    match verb:
        case "check":
            options = (
                (), (), ("--json",), ("--size", "8"), ("--size", "4x6"), ("--size", "0"), ("--size", "x"),
                ("--channels", "1"),
                ("--channels", "3"), ("--channels", "4"), ("--channels", "2"), ("--size", "8", "--json",
                "--channels", "3"),
            )  # fmt: skip
            return Case(("check", path, *draw(st.sampled_from(options))), files)
        case "train":
            recipe = KINDS[name].training() if name in KINDS and draw(st.booleans()) else ["--set", "training.batch=2"]
            more = draw(st.sampled_from(((), (), ("data.size=8",), ("data.states=found",), ("data.threshold=1",),
            ("data.length=3",), ("data.conditional=true",),
            ("data.flip=true",))))  # fmt: skip
            sets = [word for change in more for word in ("--set", change)]
            return Case(("train", path, "--out", "run", "--steps", "1", *recipe, *sets), files)
        case "evaluate":
            options = (
                (),
                ("--json",),
                ("--method", "importance"),
                ("--method", "flow"),
                ("--baselines",),
                ("--scores", "s.csv"),
            )
            return Case(("evaluate", "model", path, *EVALUATE, *draw(st.sampled_from(options))), files | model)
        case "infer":
            options = ((), ("--half", "left"), ("--half", "top"), ("--super-resolution", "2"), ("--denoise", "0.5"))
            chosen, out = (
                draw(st.sampled_from(options)),
                draw(st.sampled_from(("out.npy", "out.csv", "out.png", "out/"))),
            )
            return Case(("infer", "model", path, "--out", out, "--steps", "2", "--limit", "3", *chosen), files | model)
        case "compare":
            other = draw(st.sampled_from((path, "digits", "swiss-roll")))
            features = draw(st.sampled_from(((), (), ("--features", "pca:2"), ("--json",), JUDGED)))
            return Case(("compare", *draw(st.permutations((path, other))), "--limit", "20", *features), files)
    return Case(("plan", "model", path, *PLAN), files | model)


@st.composite
def sources(draw: DrawFn, seeds: dict[str, Seed]) -> Case:
    """A command on a name of data that is odd, or not there."""
    source = draw(st.sampled_from(SOURCES))
    if draw(st.booleans()):
        return Case(("check", source, *draw(st.sampled_from(((), ("--json",), ("--data-dir", "."))))))
    return Case(("train", source, "--out", "run", "--steps", "1", "--set", "training.batch=2"))


@st.composite
def masks(draw: DrawFn, seeds: dict[str, Seed]) -> Case:
    """Pictures completed by a mask of any kind."""
    seed = seeds[draw(st.sampled_from(("digits", "colour", "pipeline", "points")))]
    name, content = draw(
        st.sampled_from(
            (("mask.png", pictures("PNG")), ("mask.png", pictures()), ("mask.gif", pictures("GIF")), ("mask.npy",
            npy()),
             ("mask.npz", npy()), ("mask.png", st.sampled_from((Pipe(), Directory(), Link("mask.png"),
             Link("/dev/zero")))))
        )
    )  # fmt: skip
    words = ("infer", "model", seed.data, "--out", "out.npy", "--mask", name, "--steps", "2", "--limit", "2")
    return Case(words, seed.without("model/checkpoints") | {name: draw(content)})


@st.composite
def gaps(draw: DrawFn, seeds: dict[str, Seed]) -> Case:
    """Data with unknown values, of the model's own form or nearly."""
    seed = seeds[draw(st.sampled_from(("points", "rates", "table", "table", "text", "states", "bits", "digits")))]
    content = seed.files.get(seed.data)
    assert isinstance(content, bytes)
    ending = seed.data.rpartition(".")[2]
    cells = content.replace(b"red", b"").replace(b"1", b"") if ending == "csv" else content.replace(b"a", b"?")
    strategies: dict[str, st.SearchStrategy[bytes]] = {
        "csv": mostly(st.just(cells), st.one_of(damaged(cells), csv_tables())),
        "txt": mostly(st.just(cells), st.one_of(damaged(cells), texts())),
        "npy": st.one_of(npy(), damaged(content)),
        "npz": damaged(content),
    }
    observed = f"seen.{ending}" if draw(st.integers(0, 4)) else f"seen.{draw(st.sampled_from(sorted(strategies)))}"
    out = draw(st.sampled_from(("out.npy", "out.csv", "out.txt", "out.parquet", "out.png", "out.npz")))
    options = draw(
        st.sampled_from(
            ((), (), ("--report",), ("--method", "hold"), ("--method", "particle", "--particles", "3"), ("--method",
            "guide"),
             ("--method", "reveal"), ("--method", "condition"), ("--form", "wide", "--draws", "3"), ("--denoise",
             "0.1"))
        )
    )  # fmt: skip
    words = ("infer", "model", observed, "--out", out, "--steps", "2", "--limit", "3", *options)
    return Case(words, seed.without("model/checkpoints") | {observed: draw(strategies[observed.rpartition(".")[2]])})


@st.composite
def chains(draw: DrawFn, seeds: dict[str, Seed]) -> Case:
    """A transition matrix, asked about."""
    options = ((), (), ("--json",), ("--steps", "0"), ("--steps", "99999"), ("--start", "x"), ("--start", ""),
    ("--out", "c.png"), ("--out", "c.svg", "--json"))  # fmt: skip
    return Case(("chain", "m.csv", *draw(st.sampled_from(options))), {"m.csv": draw(matrices())})


# ---- models


def _names() -> tuple[str, ...]:
    from quasistatic.config import FAMILIES

    return tuple(sorted({name for family in FAMILIES.values() for name in family}))


@st.composite
def models(draw: DrawFn, seeds: dict[str, Seed]) -> Case:
    """A model's folder of which one or two files are damaged, and a verb on it."""
    seed = seeds[draw(st.sampled_from(sorted(seeds)))]
    verbs = (
        "sample",
        "sample",
        "evaluate",
        "evaluate",
        "infer",
        "plan",
        *(("resume",) * 3 if seed.name in KINDS else ()),
    )
    verb = draw(st.sampled_from(verbs))
    files = dict(seed.files) if verb == "resume" else seed.without("model/checkpoints")
    inside = [name for name in files if name.startswith("model/")]
    if verb == "resume":
        inside += [name for name in inside if "checkpoints" in name] * 2
    for name in draw(st.lists(st.sampled_from(inside), min_size=1, max_size=2, unique=True)):
        draw(_harm(files, name))
    if verb == "resume" and draw(st.integers(0, 4)) == 0:
        place = draw(
            st.sampled_from(("step-3.bak", "step-x", "step-9", ".step-3.part", "step--1", "step-1e9", "x", "step-٣"))
        )
        files[f"model/checkpoints/{place}/x"] = b"x"
    return Case((*_words(draw, verb, seed),), files, long=True)


@st.composite
def _harm(draw: DrawFn, files: Files, name: str) -> None:
    content = files[name]
    assert isinstance(content, bytes)
    edits = {"json": lambda: edited_json(content, _names()), "safetensors": lambda: edited_tensors(content)}
    edit = edits.get(name.rpartition(".")[2], lambda: damaged(content))()
    way = draw(st.sampled_from(("edit",) * 12 + ("drop", "empty", "folder", "loop", "pipe", "swap", "damage")))
    match way:
        case "drop":
            del files[name]
        case "empty":
            files[name] = b""
        case "folder":
            files[name] = Directory()
        case "loop":
            files[name] = Link(name.rpartition("/")[2])
        case "pipe":
            files[name] = Pipe()
        case "swap":
            other = draw(st.sampled_from(sorted(files)))
            files[name] = files[other]
        case "damage":
            files[name] = draw(damaged(content))
        case _:
            files[name] = draw(edit)


def _words(draw: DrawFn, verb: str, seed: Seed) -> tuple[str, ...]:
    match verb:
        case "sample":
            options = (
                (),
                ("--grid", "planned"),
                ("--variance", "analytic"),
                ("--sampler", "ddim"),
                ("--label", "1"),
                ("--grid", "karras"),
            )
            out = draw(st.sampled_from(("out.npy", "out.npy", "out.png", "out.csv", "out/")))
            return ("sample", "model", "--out", out, "-n", "2", "--steps", "2", *draw(st.sampled_from(options)))
        case "evaluate":
            options = (
                (),
                (),
                ("--method", "importance"),
                ("--method", "flow"),
                ("--grid", "planned"),
                ("--variance", "analytic"),
            )
            return ("evaluate", "model", seed.data, *EVALUATE, "--json", *draw(st.sampled_from(options)))
        case "infer":
            how = ("--half", "left") if seed.name not in ("text", "table") else ()
            return ("infer", "model", seed.data, "--out", "out.npy", "--steps", "2", "--limit", "2", *how)
        case "plan":
            return ("plan", "model", seed.data, *PLAN, "--json")
    return ("train", seed.data, "--out", "model", "--resume", "--steps", "4")


KINDS_OF_DATA: dict[str, Data] = {
    "arrays": array_files(),
    "tables": table_files(),
    "pictures": mostly(picture_files(), image_parquet(pictures())),
}
