"""The lessons, clicked through, in both languages."""

from collections.abc import Callable
from typing import Any

from PIL import Image
from playwright.sync_api import expect


def test_a_chain_is_edited_and_a_wrong_row_is_told(reader: Callable[..., Any]) -> None:
    page = reader().at("learn/chain")
    expect(page.locator(".path")).to_contain_text("sunny → ")
    page.get_by_label("Probability from sunny to sunny").fill("1")
    page.get_by_label("Probability from sunny to sunny").blur()
    expect(page.locator("td.wrong")).to_have_count(1)
    page.get_by_role("button", name="Forecast").click()
    expect(page.get_by_role("alert")).to_be_visible()
    for name in ("cloudy", "rain"):
        page.get_by_label(f"Probability from sunny to {name}").fill("0")
        page.get_by_label(f"Probability from sunny to {name}").blur()
    page.get_by_role("button", name="Forecast").click()
    expect(page.locator(".facts")).to_contain_text("sunny 1, cloudy 0, rain 0")
    page.get_by_role("button", name="Add a state").click()
    expect(page.locator(".matrix tbody tr")).to_have_count(4)


def test_arrows_are_dragged_and_moved_by_keys(reader: Callable[..., Any]) -> None:
    page = reader().at("learn/chain")
    expect(page.locator(".path")).to_be_visible()
    cell = page.get_by_label("Probability from sunny to rain")
    arrow = page.get_by_role("slider", name="Arrow from sunny to rain")
    expect(arrow).to_have_attribute("aria-valuenow", "0.1")
    start, end = arrow.bounding_box(), page.get_by_role("button", name="Arrows from rain").bounding_box()
    page.mouse.move(start["x"] + 5, start["y"] + 5)
    page.mouse.down()
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=8)
    page.mouse.up()
    expect(cell).to_have_value("1")
    expect(page.locator("td.wrong")).to_have_count(0)
    expect(page.locator(".path")).to_contain_text("sunny → rain")
    arrow.focus()
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    expect(cell).to_have_value("0.8")
    page.get_by_role("button", name="Arrows from cloudy").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("slider", name="Arrow from cloudy to cloudy")).to_have_attribute("aria-valuenow", "0.4")


def test_the_schedule_is_dragged_and_moved_by_keys(reader: Callable[..., Any]) -> None:
    page = reader().at("learn/noise")
    expect(page.locator(".frames img")).to_have_count(9)
    knot = page.get_by_role("slider", name="ᾱ at t = 0.5")
    before = float(knot.get_attribute("aria-valuenow"))
    box = knot.bounding_box()
    page.mouse.move(box["x"] + 6, box["y"] + 6)
    page.mouse.down()
    page.mouse.move(box["x"] + 6, box["y"] + 36, steps=5)
    page.mouse.up()
    expect(page.get_by_label("Schedule", exact=True)).to_have_value("own")
    dragged = float(knot.get_attribute("aria-valuenow"))
    assert dragged < before
    first = page.locator(".frames img").nth(4).get_attribute("src")
    for _ in range(3):
        knot.press("ArrowUp")
    assert float(knot.get_attribute("aria-valuenow")) > dragged
    expect(page.locator(".frames img").nth(4)).not_to_have_attribute("src", first)
    assert len(page.get_by_label("β of each step").input_value().split()) == 40


def test_a_picture_of_ones_own_is_noised_and_its_pixel_is_picked(reader: Callable[..., Any], tmp_path: Any) -> None:
    Image.new("RGB", (40, 20), (0, 128, 255)).save(tmp_path / "sky.png")
    page = reader().at("learn/noise")
    expect(page.locator(".frames img")).to_have_count(9)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="A picture of your own").click()
    chooser.value.set_files(tmp_path / "sky.png")
    pixel = page.get_by_label("Pixel", exact=True)
    expect(pixel).to_have_attribute("max", "799")
    page.locator("img.pick").click()
    expect(pixel).not_to_have_value("27")
    page.get_by_role("button", name="Digits again").click()
    expect(pixel).to_have_attribute("max", "63")


def test_the_way_back_is_shown_by_an_exact_guess_and_by_a_run(reader: Callable[..., Any]) -> None:
    page = reader().at("learn/reverse")
    expect(page.locator(".walk:not(.hidden) img")).to_have_count(8)
    page.get_by_label("From noise").fill("0")
    expect(page.locator("output")).to_contain_text("t = 1 · an average of about 1,")
    page.get_by_label("Steps").fill("6")
    page.get_by_label("Who guesses").select_option("digits")
    expect(page.get_by_text("The guesses are this run's own.")).to_be_visible()
    expect(page.get_by_label("Schedule", exact=True)).to_be_hidden()
    expect(page.locator(".walk:not(.hidden) img")).to_have_count(8)


def test_the_trap_of_two_hundred_steps_is_shown_and_left(reader: Callable[..., Any]) -> None:
    page = reader().at("learn/noise")
    expect(page.locator(".frames img")).to_have_count(9)
    expect(page.locator(".notice")).to_have_count(0)
    page.get_by_role("button", name="The T = 200 trap").click()
    expect(page.locator(".notice")).to_contain_text("0.13")
    page.get_by_label("Schedule", exact=True).select_option("linear")
    expect(page.locator(".notice")).to_have_count(0)


def test_the_bound_has_three_terms_in_korean(reader: Callable[..., Any]) -> None:
    page = reader().at("learn/bound", "?lang=ko")
    expect(page.locator(".scroll thead th")).to_have_text(["스텝", "사전", "확산", "복원", "한계"])
    expect(page.locator(".scroll tbody tr")).to_have_count(7)
