"""Completing, clicked through: a painted mask that survives, files, rows, text."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

SHOWN = """() => {
    window.shown = [];
    const see = () => shown.push(...[...document.querySelectorAll("[role=status]")].map((one) => one.textContent));
    new MutationObserver(see).observe(document.body, { childList: true, subtree: true });
}"""
"""Collects what the page says of its state, at each change of it: what stays for a moment only is not missed."""


def completed(page: Any) -> None:
    page.get_by_role("button", name="Complete").click()
    expect(page.locator(".method")).to_be_visible()


def test_a_mask_is_painted_undone_inverted_and_survives_a_retry(reader: Callable[..., Any]) -> None:
    page = reader().at("digits/complete")
    share = page.locator("output").last
    canvas = page.get_by_role("application")
    expect(share).to_have_text("0 % hidden")
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_role("alert")).to_contain_text("everything known")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 20, steps=6)
    page.mouse.up()
    expect(share).not_to_have_text("0 % hidden")
    painted = share.inner_text()
    page.get_by_role("button", name="Undo").click()
    expect(share).to_have_text("0 % hidden")
    page.get_by_role("button", name="Redo").click()
    expect(share).to_have_text(painted)
    page.get_by_role("button", name="Box").click()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + box["height"] / 2 - 5)
    page.mouse.up()
    expect(share).to_have_text("50 % hidden")
    page.get_by_role("button", name="Invert").click()
    expect(share).to_have_text("50 % hidden")
    page.get_by_label("Steps").fill("5")
    completed(page)
    expect(page.locator(".method")).to_contain_text("heuristic")
    expect(page.locator(".beside img")).to_have_count(3)
    expect(page.locator(".grid img")).to_have_count(8)
    page.get_by_role("link", name="Samples").click()
    expect(page.locator("form")).to_be_visible()
    page.get_by_role("link", name="Complete").click()
    expect(page.locator("output").last).to_have_text("50 % hidden")


def test_keys_paint_and_a_mask_is_saved_and_loaded(reader: Callable[..., Any], tmp_path: Any) -> None:
    page = reader().at("digits/complete")
    share = page.locator("output").last
    page.get_by_role("application").focus()
    page.get_by_label("Brush", exact=True).fill("1")
    page.get_by_role("application").focus()
    page.keyboard.press(" ")
    page.keyboard.press("Shift+ArrowRight")
    expect(share).to_have_text("3 % hidden")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save mask").click()
    download.value.save_as(tmp_path / "mask.png")
    page.get_by_role("button", name="Clear").click()
    expect(share).to_have_text("0 % hidden")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Load mask").click()
    chooser.value.set_files(tmp_path / "mask.png")
    expect(share).to_have_text("3 % hidden")


def test_the_first_draws_are_shown_before_the_others_and_stay_when_cancelled(reader: Callable[..., Any]) -> None:
    page = reader().at("digits/complete")
    page.get_by_role("button", name="Lower half").click()
    page.get_by_label("Draws").fill("64")
    page.get_by_label("Steps").fill("1000")
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_text("of 64 draws so far")).to_be_visible()
    assert 0 < page.locator(".grid img").count() < 64
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled.")).to_be_visible()
    assert page.locator(".grid img").count() > 0
    expect(page.get_by_text("everything known")).to_have_count(0)


def test_particles_have_their_fields_and_give_the_evidence(reader: Callable[..., Any]) -> None:
    page = reader().at("digits/complete")
    expect(page.get_by_label("Particles", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Lower half").click()
    page.get_by_label("Method").select_option("particle")
    page.get_by_label("Particles", exact=True).fill("8")
    page.get_by_label("Steps").fill("3")
    completed(page)
    expect(page.locator(".method")).to_contain_text("exact in the limit of many particles")
    expect(page.locator(".method")).to_contain_text("log evidence")


def test_an_image_of_another_size_is_fitted_when_asked(reader: Callable[..., Any], tmp_path: Any) -> None:
    from PIL import Image

    Image.new("L", (30, 20), 200).save(tmp_path / "wide.png")
    page = reader().at("digits/complete")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Load an image").click()
    chooser.value.set_files(tmp_path / "wide.png")
    expect(page.get_by_text("The image is 1 × 20 × 30")).to_be_visible()
    page.get_by_role("button", name="Fit it to 1 × 8 × 8").click()
    page.get_by_role("button", name="Lower half").click()
    page.get_by_label("Steps").fill("4")
    completed(page)
    expect(page.locator(".beside img")).to_have_count(2)


def test_a_touch_paints_and_the_eraser_takes_it_back(reader: Callable[..., Any]) -> None:
    page = reader(has_touch=True).at("digits/complete")
    share = page.locator("output").last
    page.get_by_label("Brush", exact=True).fill("1")
    canvas = page.get_by_role("application")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.touchscreen.tap(box["x"] + 40, box["y"] + 40)
    expect(share).to_have_text("2 % hidden")
    page.get_by_role("button", name="Erase").click()
    page.touchscreen.tap(box["x"] + 40, box["y"] + 40)
    expect(share).to_have_text("0 % hidden")


def test_a_file_that_is_no_image_is_refused_in_a_sentence(reader: Callable[..., Any], tmp_path: Any) -> None:
    (tmp_path / "notes.png").write_text("not an image")
    page = reader().at("digits/complete")
    expect(page.get_by_role("application")).to_be_visible()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Load an image").click()
    chooser.value.set_files(tmp_path / "notes.png")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("alert")).not_to_contain_text(str(tmp_path))
    expect(page.get_by_role("alert")).not_to_contain_text("Traceback")


def test_a_low_resolution_is_sharpened(reader: Callable[..., Any]) -> None:
    page = reader().at("digits/complete")
    page.get_by_label("What is observed").select_option("means")
    expect(page.get_by_role("img", name="The example")).to_be_visible()
    page.get_by_label("Side of a block").fill("3")
    page.get_by_label("Steps").fill("4")
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_role("alert")).to_contain_text("use a divisor")
    page.get_by_label("Side of a block").fill("4")
    completed(page)
    expect(page.get_by_text("observed", exact=True)).to_be_visible()
    expect(page.locator(".beside img")).to_have_count(4)


def test_pasted_rows_show_their_first_draws_early_and_each_cell_says_its_row(reader: Callable[..., Any]) -> None:
    page = reader().at("people/complete")
    page.get_by_text("Paste several rows").click()
    page.get_by_label("Lines, with").fill("age,income,city\n30..35,,Seoul\n,50,Busan")
    page.get_by_label("Draws").fill("500")
    page.get_by_label("Steps").fill("10000")
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_text("of 1,000 draws so far")).to_be_visible()
    assert page.locator(".cell").count() > 0
    page.get_by_role("button", name="Cancel").last.click()
    expect(page.get_by_text("Cancelled.")).to_be_visible()
    assert page.locator(".cell").count() > 0
    page.get_by_label("Draws").fill("20")
    page.get_by_label("Steps").fill("10")
    completed(page)
    expect(page.locator(".cell h2")).to_have_text(["age, row 1", "income, row 1", "age, row 2"])
    with page.expect_download() as download:
        page.get_by_role("link", name="summary.csv").click()
    assert "age" in download.value.path().read_text()


def test_a_long_text_shows_its_pieces_as_they_are_drawn(reader: Callable[..., Any]) -> None:
    page = reader().at("verse/complete")
    text = "the ??ow walk from noise to data ?s reversed by a guess"
    page.get_by_label("Text, with").fill(text)
    page.get_by_label("Draws").fill("40")
    page.get_by_label("Steps").fill("150")
    page.evaluate(SHOWN)
    page.get_by_role("button", name="Complete").click()
    expect(page.locator(".method")).to_be_visible()
    assert any("of 160 draws so far" in one for one in page.evaluate("shown")), "no piece was shown before the rest"
    expect(page.locator("mark")).to_have_count(3)
    page.locator("mark").first.hover()
    expect(page.get_by_role("status").last).to_contain_text("%")
    assert "?" not in page.locator(".lines li").first.inner_text()


def test_noise_is_taken_off(reader: Callable[..., Any]) -> None:
    page = reader().at("digits/complete")
    page.get_by_label("What is observed").select_option("noise")
    expect(page.get_by_role("application")).to_be_hidden()
    page.get_by_label("Steps").fill("4")
    completed(page)
    expect(page.get_by_text("observed", exact=True)).to_be_visible()


def test_a_row_is_a_form_and_a_text_has_gaps(reader: Callable[..., Any]) -> None:
    one = reader()
    page = one.at("people/complete")
    page.get_by_label("age", exact=True).fill("40")
    completed(page)
    expect(page.locator(".cell")).to_have_count(2)
    expect(page.locator(".histogram")).to_have_count(1)
    expect(page.locator(".cell meter").first).to_be_visible()
    page = one.at("verse/complete")
    page.get_by_label("Text, with").fill("the ??ow walk fr")
    completed(page)
    expect(page.locator("mark")).to_have_count(2)
    page.locator("mark").first.focus()
    expect(page.get_by_role("status").last).to_contain_text("%")
    expect(page.locator(".lines li")).to_have_count(16)


def test_readings_of_a_text_are_ranked(reader: Callable[..., Any]) -> None:
    page = reader().at("verse/complete")
    page.get_by_label("Text, with").fill("the {slow|walk} *to")
    page.get_by_label("Draws").fill("3")
    completed(page)
    rows = page.locator(".readings li")
    assert rows.count() >= 4  # of as many lengths as fit, for both words
    assert "%" in rows.first.inner_text()
    expect(page.locator(".lines").last.locator("li")).to_have_count(3)
    assert all("the " in line for line in page.locator(".lines").last.locator("li").all_inner_texts())
