"""The lessons, clicked through, in both languages."""

from collections.abc import Callable
from typing import Any

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


def test_the_trap_of_two_hundred_steps_is_shown_and_left(reader: Callable[..., Any]) -> None:
    page = reader().at("learn/noise")
    expect(page.locator(".frames img")).to_have_count(9)
    expect(page.locator(".notice")).to_have_count(0)
    page.get_by_role("button", name="The T = 200 trap").click()
    expect(page.locator(".notice")).to_contain_text("0.13")
    page.get_by_label("Schedule").select_option("linear")
    expect(page.locator(".notice")).to_have_count(0)


def test_the_bound_has_three_terms_in_korean(reader: Callable[..., Any]) -> None:
    page = reader().at("learn/bound", "?lang=ko")
    expect(page.locator(".scroll thead th")).to_have_text(["스텝", "사전", "확산", "복원", "한계"])
    expect(page.locator(".scroll tbody tr")).to_have_count(7)
