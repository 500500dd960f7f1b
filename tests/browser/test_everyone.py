"""The page for everyone: keyboard only, a narrow screen, dark, Korean, screen readers, an expired token."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from quasistatic import serve
from served_runs import RUNS

STATIC = Path(serve.__file__).parent / "static"
VIEWS = [
    "",
    "digits/samples",
    "digits/training",
    "people/about",
    "digits/complete",
    "people/complete",
    "verse/score",
    "waves/samples",
    "waves/complete",
    "roll/complete",
    "learn/chain",
    "learn/noise",
    "learn/reverse",
]


def test_the_keyboard_alone_opens_a_run_and_draws(reader: Callable[..., Any]) -> None:
    page = reader().page
    expect(page.locator(".card")).to_have_count(len(RUNS))
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "digits":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("digits")
    expect(page.locator(".grid img")).to_have_count(36)
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.type") == "number":
            break
    page.keyboard.press("Control+A")
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    expect(page.locator(".grid img")).to_have_count(2)


@pytest.mark.parametrize("view", VIEWS)
def test_a_narrow_screen_never_scrolls_sideways(reader: Callable[..., Any], view: str) -> None:
    page = reader(viewport={"width": 360, "height": 740}).at(view)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".card, .grid, .uplot, pre, form, .zone, .drag").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_dark_is_dark_and_stays_when_chosen(reader: Callable[..., Any]) -> None:
    page = reader(color_scheme="dark").page
    brightness = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b)"
    expect(page.locator(".card")).to_have_count(len(RUNS))
    assert page.evaluate(brightness) < 150
    page.get_by_role("button", name="Light").click()
    assert page.evaluate(brightness) > 600
    page.reload()
    expect(page.locator(".card")).to_have_count(len(RUNS))
    assert page.evaluate(brightness) > 600


def test_korean_is_chosen_by_the_address_and_kept(reader: Callable[..., Any]) -> None:
    one = reader()
    page = one.at("", "?lang=ko")
    expect(page.get_by_role("heading", level=1)).to_have_text("실행")
    assert page.evaluate("document.documentElement.lang") == "ko"
    page = one.at("digits/samples")
    expect(page.get_by_role("button", name="그리기")).to_be_visible()


def test_what_was_added_has_korean_words(reader: Callable[..., Any]) -> None:
    one = reader()
    page = one.at("learn/reverse", "?lang=ko")
    expect(page.get_by_label("누가 추측하나")).to_be_visible()
    expect(page.locator(".walk:not(.hidden) img")).to_have_count(8)
    page = one.at("learn/noise")
    expect(page.get_by_role("slider", name="t = 0.5일 때의 ᾱ")).to_be_visible()
    page = one.at("learn/chain")
    expect(page.get_by_role("button", name="맑음에서 나가는 화살표")).to_be_visible()
    page = one.at("people/about")
    expect(page.get_by_role("button", name="데이터 검사")).to_be_visible()


AXE = Path(__file__).parent / "axe" / "axe.min.js"
SERIOUS = """axe.run().then(({violations}) => violations
    .filter(({impact}) => impact === "serious" || impact === "critical")
    .map(({id, nodes}) => `${id}: ${nodes.map((node) => node.html).join("; ")}`))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_no_serious_fault(reader: Callable[..., Any], view: str, scheme: str) -> None:
    page = reader(color_scheme=scheme).at(view)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_timeout(300)
    page.evaluate(AXE.read_text())
    assert page.evaluate(SERIOUS) == []


@pytest.mark.parametrize("folder", [AXE.parent, STATIC / "vendor" / "uplot"], ids=lambda folder: folder.name)
def test_what_came_from_npm_is_unchanged(folder: Path) -> None:
    hashes = re.findall(r"^([0-9a-f]{64})  (\S+)$", (folder / "README.txt").read_text(), re.MULTILINE)
    assert hashes
    for digest, name in hashes:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_without_the_token_the_page_says_where_to_find_it(chromium: Any, address: str) -> None:
    context = chromium.new_context()
    page = context.new_page()
    answer = page.goto(address.partition("?")[0])
    assert answer.status == 401
    expect(page.locator("body")).to_contain_text("quasistatic serve")
    context.close()
