"""Scoring, clicked through: dropped files, typed rows, the ranking and its file."""

import re
from collections.abc import Callable
from typing import Any

from PIL import Image
from playwright.sync_api import expect


def test_files_are_ranked_with_error_bars_and_maps(reader: Callable[..., Any], tmp_path: Any) -> None:
    for name, shade in (("dark", 0), ("grey", 120), ("light", 255)):
        Image.new("L", (8, 8), shade).save(tmp_path / f"{name}.png")
    page = reader().at("digits/score")
    page.get_by_label("Time steps").fill("8")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files").click()
    chooser.value.set_files(sorted(tmp_path.glob("*.png")))
    expect(page.locator(".ranked > li")).to_have_count(3)
    first = page.locator(".ranked > li").first
    expect(first).to_contain_text(re.compile(r"\.png.* ± .*bits/dim"))
    expect(first).to_contain_text("p-value among held-out examples")
    expect(first.locator(".errorbar .band")).to_have_count(1)
    expect(first.locator("img")).to_have_count(2)
    expect(first.locator(".errorbar .reach")).to_have_count(1)
    expect(page.locator(".uplot canvas")).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("link", name="scores.csv").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0].startswith("id,bits_per_dim,standard_error,null")
    assert {line.split(",")[0] for line in lines[1:]} == {"dark.png", "grey.png", "light.png"}


def test_typed_rows_are_scored_and_odd_ones_refused(reader: Callable[..., Any]) -> None:
    page = reader().at("people/score")
    page.get_by_label("Time steps").fill("8")
    page.get_by_label("Lines, with").fill("age,income,city\n40,60,Seoul\n20,150,Busan")
    page.get_by_role("button", name="Score these").click()
    expect(page.locator(".ranked > li")).to_have_count(2)
    expect(page.locator(".ranked dl.heat dt").first).to_have_text("age")
    page.get_by_label("Lines, with").fill("height\n3")
    page.get_by_role("button", name="Score these").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("alert")).not_to_contain_text("/")


def test_a_text_has_bits_by_place_and_simple_models_beside(reader: Callable[..., Any]) -> None:
    page = reader().at("verse/score")
    page.get_by_role("button", name="Score held-out examples").click()
    expect(page.get_by_role("img", name="Where the bits go, by place")).to_be_visible()
    expect(page.get_by_role("img", name="Where the bits go, by time")).to_have_count(0)
    expect(page.locator("p.heat span").first).to_have_attribute("title", re.compile("bits"))
    page.get_by_role("button", name="Fit them").click()
    rows = page.locator(".wide-bars li")
    expect(rows.filter(has_text="trigram")).to_be_visible()
    expect(rows.filter(has_text="this model")).to_have_count(1)
    expect(rows.filter(has_text="null model")).to_have_count(1)


def test_a_dropped_file_is_scored(reader: Callable[..., Any]) -> None:
    page = reader().at("people/score")
    expect(page.locator(".zone")).to_be_visible()
    page.get_by_label("Time steps").fill("8")
    page.evaluate("""() => {
        const moved = new DataTransfer();
        moved.items.add(new File(["age,income,city\\n40,60,Seoul\\n20,150,Busan\\n"], "dropped.csv"));
        document.querySelector(".zone").dispatchEvent(new DragEvent("drop", { dataTransfer: moved, bubbles: true }));
    }""")
    expect(page.locator(".ranked > li")).to_have_count(2)
    expect(page.locator(".ranked dl.heat > div").first).to_have_attribute("title", re.compile("bits"))
