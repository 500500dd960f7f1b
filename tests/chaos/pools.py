"""Odd values that a person or a broken program may well pass: numbers and texts, as words and as JSON."""

from typing import Any, TypeVar

from hypothesis import strategies as st

Value = TypeVar("Value")

NUMBERS = (
    "", " ", "nan", "inf", "-inf", "-1", "0", "1", "2", "3", "7", "0.5", "-0.0", "1e-320", "1e308", "1e400", "007",
    "1_0", "٣", "²", "0x10", "1,2", "1,", "1x1", "0x0", "1x2x3", " 1 ", "+1", "1.0", "1e1", "none", "true", "False",
    "99999999", "4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1e9",
    "340282366920938463463374607431768211456", "9" * 5000, "0,0,0,0", "0,0,4,4", "-1,0,4,4", "0,0,9e9,4",
)  # fmt: skip
"""Numbers, and what comes near to one."""

TEXTS = (
    "", " ", "[/x]", "[bold]x", "[", "é", "名前", "e\u0301", "\u202e", "a\nb", "a\tb", "%s", "{0}", "$HOME", "*", "~",
    "~nobody/x", "-", "--", "..", ".", "x" * 300, "x/" * 300, "none", "None", "null", "true", "\udcff", "a=b", "=", ";",
    "CON", "'", '"', "\\", "\x1b[31m", ":smile:", "x" * 5000,
)  # fmt: skip

SOURCES = (
    "digits", "swiss-roll", "heartbeat", "hf:", "hf:a", "hf:a/b", "hf:a/b:c", "hf:a/b:c:d", "hf:../..", "hf:/",
    "hf:a/b/c",
    "digits:", "digits:3", "mnist", "texture", "texture:", "texture:x", "texture:grass:0", "heartbeat:0",
    "heartbeat:-1:5",
    "heartbeat:4:2", "heartbeat:x", "heartbeat:1e9:5", "swiss-roll:0", "swiss-roll:-5", "swiss-roll:nan",
    "swiss-roll:1e3",
    "dead-leaves:0", "dead-leaves:4:4", "dead-leaves:nan", "dead-leaves:x:y:z:a", "heartbeat::", "heartbeat:20:5:9:9",
    "nothing", "nothing.npy", "nothing.xyz", "nowhere/", "/nonexistent/x.csv", "/dev/null", "/proc/self/mem", "",
    "http://example.com/x.npy", "file:///etc/passwd", "s3://x/y.parquet", "model", "model/config.json", "data", "-",
    ".", "..",
    "[/x].npy", "a\nb.csv", "\udcff.npy", "x" * 300 + ".npy", "~/x.npy", "NAN", "hf:名/前",
)  # fmt: skip
"""What may stand for data: names of sets, of the hub, of files that are not there."""

STEMS = (
    "[/x]", "[bold]x", "[", "a\nb", "名前", "\udcff", " ", ":x:", "x" * 200, "%s", "{0}", "$(x)", "'", '"',
    "\x1b[31m", "a=b", ".x",
)  # fmt: skip
"""Names of files that are there."""

TARGETS = (
    "out.npy", "out.npz", "out.csv", "out.png", "out.txt", "out.parquet", "out/", "out", "out.xyz", "out.NPY",
    ".npy", "", "nowhere/out.npy", "nowhere/", "taken.npy", "model", "model/", "model/config.json", "[/x].npy",
    "[bold]x.png", "/", "a\nb.npy", "名前.csv", "\udcff.npy", "x" * 300 + ".npy", "/dev/null", "/dev/full",
    "/proc/x.npy", "/dev/null/x.npy", "link.npy", "dangling.npy", "loop.npy", "pipe.npy", "full/", "./x.npy",
    "~nobody/x.npy", "..", ".", "out.pdf", "out.svg", "out.npy/", "out.npy.part",
)  # fmt: skip
"""Where results may be asked to go; `requests.AROUND` has the files that some of them meet."""

DEEP, LONG = "@deep@", "@long@"
"""Marks in a JSON tree for what Python cannot write: lists 100,000 deep, and a number of 5,000 digits."""

VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 3, 0.5, 1.5, -0.5, 1e-320, 1e308, -1e308, 10**9, 2**31, 2**63, 2**64, 10**30,
    float("nan"), float("inf"), -float("inf"), "", "x", "[/x]", "none", "\ud800", "x" * 3000, [], {}, [[]], [None], [1],
    ["a"], [1] * 3000, {"type": "x"}, {"type": None}, {"type": {}}, {"": 1}, DEEP, LONG,
)  # fmt: skip
"""What may stand at any place of a JSON tree."""


def numbers() -> st.SearchStrategy[str]:
    """Words for a number."""
    return st.one_of(
        st.sampled_from(NUMBERS), st.integers(-3, 40).map(str), st.floats(-4, 4).map(repr), st.floats().map(repr)
    )


def texts() -> st.SearchStrategy[str]:
    """Words for a text; no NUL, which a command line cannot hold."""
    letters = st.characters(codec="utf-8", exclude_characters="\0")
    return st.one_of(st.sampled_from(TEXTS), st.text(letters, max_size=12))


def mostly(usual: st.SearchStrategy[Value], odd: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    """Draws of which about one in five is odd. (Hypothesis passes over repeated branches, and prefers the ends.)"""
    return st.integers(0, 9).flatmap(lambda number: odd if number in (3, 6) else usual)
