"""What the page says when something is wrong, and what changes while it is open: live runs, two tabs, a report."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from browser.conftest import serving

GONE = ("Failed to load resource", "EventSource")
"""What Chromium says of a server that refuses or has ended."""


def report_of(step: int) -> str:
    return (
        json.dumps({"step": step, "steps": 9, "loss": 2.5 - step / 10, "held_out": 3.0, "seconds": 10.0 * step}) + "\n"
    )


@pytest.fixture
def own(served: Path, tmp_path: Path) -> Path:
    """A folder with a run in training and one of a newer format."""
    for name in ("growing", "future"):
        shutil.copytree(served / "digits", tmp_path / name, ignore=shutil.ignore_patterns("checkpoints"))
    (tmp_path / "growing" / "metrics.jsonl").write_text(report_of(1) + report_of(2))
    file = tmp_path / "future" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 999}))
    return tmp_path


def test_a_run_in_training_changes_while_it_is_watched_and_a_newer_one_is_told(
    reader: Callable[..., Any], own: Path
) -> None:
    with serving(str(own)) as address:
        one = reader(where=address)
        one.expected = GONE
        page = one.page
        card = page.locator(".card", has=page.get_by_role("link", name="growing"))
        expect(card.locator(".badge")).to_have_text("in training")
        expect(card.locator(".facts")).to_contain_text("2 / 9")
        with (own / "growing" / "metrics.jsonl").open("a") as file:
            file.write("".join(map(report_of, range(3, 10))))
        expect(card.locator(".facts dd").nth(2)).to_have_text("9")
        expect(card.locator(".badge")).to_have_text("done")
        other = page.locator(".card", has=page.get_by_role("link", name="future"))
        expect(other.locator(".preview")).to_contain_text("format 999")
        expect(other.locator(".preview")).to_contain_text("update quasistatic")
        assert str(own) not in other.inner_text()
        other.get_by_role("link", name="future").click()
        expect(page.get_by_role("alert")).to_contain_text("format 999")


def test_a_training_view_draws_on_as_the_run_does(reader: Callable[..., Any], own: Path) -> None:
    with serving(str(own)) as address:
        one = reader(where=address)
        one.expected = GONE
        page = one.at("growing/training")
        loss = page.get_by_role("img", name="training loss")
        expect(loss.locator("canvas")).to_be_visible()
        loss.evaluate("(one) => one.setAttribute('data-old', '1')")
        with (own / "growing" / "metrics.jsonl").open("a") as file:
            file.write("".join(map(report_of, range(3, 7))))
        expect(page.locator("[data-old]")).to_have_count(0)
        expect(loss.locator("canvas")).to_be_visible()


def test_a_second_tab_sees_the_same_jobs_and_may_cancel_them(reader: Callable[..., Any]) -> None:
    one = reader()
    page, other = one.at("digits/samples"), one.tab()
    expect(page.locator(".grid img")).to_have_count(36)
    expect(other.locator(".jobs")).to_be_hidden()
    page.get_by_label("Steps").fill("10000")
    page.get_by_role("button", name="Draw").click()
    other.get_by_text("Jobs: 1").click()
    expect(other.locator(".jobs li")).to_contain_text("Samples · digits")
    late = one.tab()
    late.get_by_text("Jobs: 1").click()
    expect(late.locator(".jobs li")).to_contain_text("Samples · digits")
    other.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled.")).to_be_visible()
    expect(late.locator(".jobs")).to_be_hidden()


def test_an_expired_token_is_told_in_a_sentence(reader: Callable[..., Any]) -> None:
    one = reader()
    one.expected = GONE
    page = one.at("digits/samples")
    expect(page.locator(".grid img")).to_have_count(36)
    one.context.clear_cookies()
    page.get_by_role("button", name="Next seed").click()
    expect(page.get_by_role("alert").filter(has_text="The token of this page has expired")).to_be_visible()
    assert page.reload().status == 401
    expect(page.locator("body")).to_contain_text("quasistatic serve")


def test_the_banner_says_that_the_server_has_ended(reader: Callable[..., Any], own: Path) -> None:
    with serving(str(own)) as address:
        one = reader(where=address)
        one.expected = GONE
        expect(one.page.locator(".card")).to_have_count(2)
    expect(one.page.locator("#banner")).to_contain_text("Start `quasistatic serve` again")


def test_a_report_opens_from_its_file_and_asks_for_nothing(
    chromium: Any, served: Path, tmp_path: Path, command: Callable[..., int]
) -> None:
    assert command("report", served / "waves", "--out", tmp_path / "report.html", "--data", served / "waves.npy") == 0
    context = chromium.new_context(viewport={"width": 360, "height": 740})
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text("waves")
    expect(page.get_by_role("heading", name="Complete")).to_be_visible()
    assert page.locator("img").count() == 3
    sizes = "(all) => all.map((one) => one.naturalWidth)"
    assert min(page.locator("img").evaluate_all(sizes)) > 100
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    context.close()
