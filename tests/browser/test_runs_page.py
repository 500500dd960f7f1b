"""The list of runs, and what each view of a run shows, clicked through in Chromium."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from served_runs import RUNS


def test_every_run_is_a_card_with_a_score_next_to_the_null_model(reader: Callable[..., Any]) -> None:
    page = reader().page
    expect(page.locator(".card")).to_have_count(len(RUNS))
    card = page.locator(".card", has=page.get_by_role("link", name="digits"))
    expect(card.locator(".strip img")).to_have_count(6)
    expect(card.locator(".score")).to_have_text(re.compile(r"\d\.\d+ ± 0\.\d+ bits/dim null model \d\.\d+"))
    expect(card.locator(".badge")).to_have_text("done")
    expect(page.locator(".card", has_text="people").locator("th")).to_have_text(["age", "income", "city"])
    expect(page.locator(".card", has_text="verse").locator("li")).to_have_count(6)
    card.get_by_role("link", name="digits").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("digits")


def test_samples_of_images_zoom_download_and_film(reader: Callable[..., Any]) -> None:
    page = reader().at("digits/samples")
    page.get_by_label("Number").fill("4")
    page.get_by_label("Steps").fill("5")
    page.get_by_role("button", name="Draw").click()
    expect(page.locator(".grid img")).to_have_count(4)
    first = page.locator(".grid img").first.get_attribute("src")
    page.get_by_role("button", name="Next seed").click()
    expect(page.locator(".grid img").first).not_to_have_attribute("src", first)
    for name, start in (("samples.npz", b"PK"), ("samples.png", b"\x89PNG")):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        assert download.value.suggested_filename == name
        assert download.value.path().read_bytes().startswith(start)
    page.locator(".grid button").first.click()
    expect(page.get_by_role("dialog").locator("img")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="From noise to data").click()
    slider = page.get_by_role("slider")
    expect(slider).to_be_visible()
    last = page.locator(".film:not(.hidden) img").first.get_attribute("src")
    slider.fill("0")
    expect(page.locator("output")).to_have_text("t = 1.00")
    assert page.locator(".film:not(.hidden) img").first.get_attribute("src") != last
    page.get_by_role("button", name="Play").click()
    expect(page.locator("output")).to_have_text("t = 0.00")
    assert page.locator(".film:not(.hidden) img").first.get_attribute("src") == last


def test_samples_of_tables_text_and_points(reader: Callable[..., Any]) -> None:
    one = reader()
    page = one.at("people/samples")
    page.get_by_label("Conditions").fill("age>=60")
    page.get_by_role("button", name="Draw").click()
    expect(page.locator("tbody tr")).to_have_count(20)
    assert min(map(int, page.locator("tbody td:first-child").all_text_contents())) >= 60
    with page.expect_download() as download:
        page.get_by_role("link", name="samples.csv").click()
    assert download.value.path().read_text().startswith("age,income,city")
    page.get_by_label("Conditions").fill("height>=60")
    page.get_by_role("button", name="Draw").click()
    expect(page.get_by_role("alert").filter(has_text="height")).to_be_visible()
    expect(one.at("verse/samples").locator(".lines li")).to_have_count(20)
    with page.expect_download() as download:
        page.get_by_role("link", name="samples.txt").click()
    assert len(download.value.path().read_text().splitlines()) >= 20
    expect(one.at("roll/samples").locator(".uplot canvas")).to_be_visible()


def test_a_class_is_drawn_with_guidance(reader: Callable[..., Any]) -> None:
    page = reader().at("classes/samples")
    expect(page.locator(".grid img")).to_have_count(36)
    page.get_by_label("Number").fill("2")
    page.get_by_label("Steps").fill("3")
    page.get_by_role("button", name="Draw").click()
    expect(page.locator(".grid img")).to_have_count(2)
    pictures = [page.locator(".grid img").first.get_attribute("src")]
    for label, scale in (("3", 1), ("8", 2.5)):
        page.get_by_label("Label").select_option(label)
        page.get_by_label("Guidance").fill(str(scale))
        with page.expect_response(re.compile("/result$")), page.expect_request(re.compile("/api/jobs$")) as asked:
            page.get_by_role("button", name="Draw").click()
        assert (asked.value.post_data_json["label"], asked.value.post_data_json["scale"]) == (label, scale)
        expect(page.locator(".grid img")).to_have_count(2)
        pictures.append(page.locator(".grid img").first.get_attribute("src"))
    assert len(set(pictures)) == 3, "the label changes the samples of a seed"
    page.get_by_role("button", name="From noise to data").click()
    expect(page.get_by_role("slider")).to_be_visible()


def test_cancelling_stops_and_a_second_tab_can_go_on(reader: Callable[..., Any]) -> None:
    one = reader()
    page = one.at("digits/samples")
    expect(page.locator(".grid img")).to_have_count(36)
    page.get_by_label("Steps").fill("10000")
    page.get_by_role("button", name="Draw").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled.")).to_be_visible()
    other = one.tab()
    expect(other.locator(".card")).to_have_count(len(RUNS))


def test_training_draws_its_curves_and_grids(reader: Callable[..., Any]) -> None:
    page = reader().at("digits/training")
    for name in ("training loss", "held-out bits/dim", "gradient norm", "learning rate", "examples per second"):
        expect(page.get_by_role("img", name=name)).to_be_visible()
    expect(page.locator(".uplot canvas")).to_have_count(5)
    grid = page.get_by_role("img", name=re.compile("^step"))
    assert grid.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 50


def test_about_says_how_to_repeat_it(reader: Callable[..., Any]) -> None:
    page = reader().at("digits/about")
    expect(page.locator("pre").first).to_contain_text("quasistatic sample")
    expect(page.locator("pre").last).to_contain_text("from_json(Config")
    expect(page.locator(".tree")).to_have_count(3)
    expect(page.locator(".tree").nth(1)).to_contain_text("unet")
    page.get_by_role("button", name="Inspect the data").click()
    expect(page.locator(".report")).to_contain_text("1797")
    expect(page.locator(".report summary").filter(has_text="labels")).to_be_visible()
