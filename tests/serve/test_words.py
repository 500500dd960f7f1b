"""The words of the page: the same in both languages, all of those that its modules name, and no others in them."""

import json
import re
from pathlib import Path

import pytest

from quasistatic import serve

STATIC = Path(serve.__file__).parent / "static"
WORDS = {code: json.loads((STATIC / "words" / f"{code}.json").read_text()) for code in ("en", "ko")}
MODULES = sorted({*STATIC.glob("*.js"), *STATIC.glob("view/*.js")})
NAMED = {
    key
    for path in [*MODULES, STATIC.parent / "report.py"]
    for key in re.findall(r"""\bt\(["`]([\w.]+)["`]""", path.read_text())
}
PREFIXES = {"term."} | {
    key for path in MODULES for key in re.findall(r"""(?:t|maybe)\(`([\w.]+\.)\$\{""", path.read_text())
}


def test_both_languages_have_the_same_words_with_the_same_places_for_values() -> None:
    places = {
        code: {key: set(re.findall(r"\{(\w+)\}", text)) for key, text in own.items()} for code, own in WORDS.items()
    }
    assert places["en"] == places["ko"]
    assert all(text.strip() for own in WORDS.values() for text in own.values())


def test_every_word_that_is_named_exists_and_every_word_is_named() -> None:
    assert set(WORDS["en"]) >= NAMED
    unused = {key for key in WORDS["en"] if key not in NAMED and not key.startswith(tuple(PREFIXES))}
    assert unused == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_modules_stay_small_and_make_no_markup(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 350
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg\b)", text)
