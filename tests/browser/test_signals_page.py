"""Signals, vectors and volumes, clicked through: samples, completions and scores of each."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import expect

PLACES = """() => {
    window.places = new Set();
    const button = [...document.querySelectorAll("button")].find((one) => one.textContent === "Complete");
    const isLoading = () => document.querySelector(".slot progress") !== null;
    let was = false;
    const see = () => {
        places.add(Math.round(button.getBoundingClientRect().top));
        if (was && !isLoading()) window.ended?.();
        was = isLoading();
    };
    const each = () => { see(); requestAnimationFrame(each); };
    new MutationObserver(see).observe(document.body, { childList: true, subtree: true });
    each();
    window.loaded = () => new Promise((done) => { window.ended = done; });
}"""
"""Collects the places of a button, at each frame and at each change of the page."""


def test_signals_are_drawn_as_lines_that_open_as_charts(reader: Callable[..., Any]) -> None:
    one = reader()
    page = one.at("waves/samples")
    page.get_by_label("Number").fill("3")
    page.get_by_label("Steps").fill("4")
    page.get_by_role("button", name="Draw").click()
    expect(page.locator(".signals .spark")).to_have_count(3)
    expect(page.locator(".signals .spark").first.locator("polyline")).to_have_count(2)
    points = page.locator(".signals polyline").first.get_attribute("points")
    assert len(points.split()) == 32
    with page.expect_download() as download:
        page.get_by_role("link", name="samples.csv").click()
    head, *rows = download.value.path().read_text().splitlines()
    assert head.split(",")[:2] == ["c0_0", "c0_1"]
    assert (len(head.split(",")), len(rows)) == (64, 3)
    page.get_by_role("button", name="Signal 2").click()
    expect(page.get_by_role("dialog").locator("canvas")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="From noise to data").click()
    slider = page.get_by_role("slider")
    expect(slider).to_be_visible()
    last = page.locator(".film:not(.hidden) polyline").first.get_attribute("points")
    slider.fill("0")
    assert page.locator(".film:not(.hidden) polyline").first.get_attribute("points") != last


def test_a_part_of_a_signal_is_hidden_by_dragging_and_drawn_with_its_interval(reader: Callable[..., Any]) -> None:
    page = reader().at("waves/complete")
    chart = page.locator(".u-over").first
    expect(chart).to_be_visible()
    first, last = page.get_by_label("Hidden from place"), page.get_by_label("to place")
    expect(first).to_have_value("24")
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 30, steps=5)
    page.mouse.up()
    expect(first).to_have_value("8")
    expect(last).to_have_value(re.compile("^1[56]$"))
    page.get_by_role("button", name="Middle").click()
    expect(first).to_have_value("12")
    page.get_by_label("Channel").select_option("channel 2")
    page.get_by_label("Draws").fill("8")
    page.get_by_label("Steps").fill("4")
    page.get_by_role("button", name="Complete").click()
    expect(page.locator(".method")).to_contain_text("condition")
    expect(page.get_by_role("img", name="channel 2")).to_contain_text("the truth")
    expect(page.get_by_role("img", name="channel 2")).to_contain_text("78 %, low")
    expect(page.get_by_role("img", name="channel 1")).to_have_count(0)
    expect(page.locator(".signals .spark")).to_have_count(8)
    first.fill("20")
    last.fill("3")
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_role("alert")).to_contain_text("got 20 to 3")


def test_a_signal_of_ones_own_has_its_gaps_filled(reader: Callable[..., Any], tmp_path: Path) -> None:
    signal = np.zeros((2, 32), np.float32)
    signal[0, 4:8] = np.nan
    np.save(tmp_path / "gaps.npy", signal)
    np.save(tmp_path / "short.npy", signal[:, :9])
    page = reader().at("waves/complete")
    expect(page.locator(".u-over")).to_be_visible()
    for name in ("short.npy", "gaps.npy"):
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Load a signal").click()
        chooser.value.set_files(tmp_path / name)
        if name == "short.npy":
            expect(page.get_by_role("alert")).to_contain_text("2×32 channels and places, got 2×9")
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_label("Channel").select_option("channel 2")
    page.get_by_label("Steps").fill("3")
    page.get_by_role("button", name="Complete").click()
    expect(page.locator(".method")).to_be_visible()
    expect(page.get_by_role("img", name="channel 1")).to_be_visible()
    expect(page.get_by_role("img", name="channel 1")).not_to_contain_text("the truth")


def test_nothing_below_moves_while_an_example_is_loaded(reader: Callable[..., Any]) -> None:
    """Where it does, a click between two frames misses its button."""
    page = reader().at("waves/complete")
    expect(page.locator(".u-over")).to_be_visible()
    page.evaluate(PLACES)
    for name in ("Take it", "Another"):
        page.evaluate("window.next = loaded(); null")
        page.get_by_role("button", name=name).click()
        page.evaluate("next")
    page.wait_for_timeout(200)
    assert len(page.evaluate("[...places]")) == 1


def test_signals_are_ranked_on_a_ground_of_their_bits(reader: Callable[..., Any]) -> None:
    page = reader().at("waves/score")
    page.get_by_label("Time steps").fill("8")
    page.get_by_role("button", name="Score held-out examples").click()
    expect(page.locator(".ranked > li")).to_have_count(16)
    expect(page.locator(".ranked > li").first.locator("polyline")).to_have_count(2)
    expect(page.locator(".ranked > li").first.locator(".warm")).to_have_count(32)
    expect(page.locator(".ranked > li").first).to_contain_text("bits/dim")


def test_a_point_with_an_unknown_value_is_drawn(reader: Callable[..., Any]) -> None:
    one = reader()
    page = one.at("roll/complete")
    values = page.get_by_label("Values, with")
    values.fill("3.5, what")
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_role("alert")).to_contain_text("or ? if it is unknown")
    values.fill("3.5 ?")
    page.get_by_label("Draws").fill("40")
    page.get_by_label("Steps").fill("5")
    page.get_by_role("button", name="Complete").click()
    expect(page.locator(".method")).to_be_visible()
    expect(page.locator(".cell h2")).to_have_text("c1")
    expect(page.get_by_role("img", name="40 points")).to_be_visible()
    values.fill("3.5")
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_role("alert")).to_contain_text("has 2 values, got 1")


def test_volumes_are_shown_by_their_middle_and_other_views_say_what_they_do(reader: Callable[..., Any]) -> None:
    one = reader()
    page = one.at("bodies/samples")
    page.get_by_label("Number").fill("2")
    page.get_by_label("Steps").fill("3")
    page.get_by_role("button", name="Draw").click()
    expect(page.locator(".grid img")).to_have_count(2)
    expect(page.get_by_text("The middle slice of each volume")).to_be_visible()
    page.get_by_role("link", name="Complete").click()
    expect(page.locator(".empty")).to_contain_text("does not complete volumes")
    page.get_by_role("link", name="Score").click()
    page.get_by_label("Time steps").fill("8")
    page.get_by_role("button", name="Score held-out examples").click()
    expect(page.locator(".ranked > li").first.locator("img")).to_have_count(2)
