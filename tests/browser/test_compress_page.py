"""The page Compress in a real browser: upload, look, download, decode, upload again."""

import io

import numpy as np
import pytest
from PIL import Image

import hfx

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def jpeg():
    """A photograph of 600 x 400 pixels as a telephone would send it."""
    data = pytest.importorskip("skimage.data", reason="its photographs come with scikit-image")
    out = io.BytesIO()
    Image.fromarray(data.coffee()).save(out, format="JPEG", quality=92)
    return out.getvalue()


def upload(page, name, data, kind):
    """Upload a file and wait until its result is on the page."""
    page.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": kind, "buffer": data}
    )
    page.get_by_role("img", name=name).first.wait_for()


def download(page, label):
    with page.expect_download() as waiting:
        page.get_by_role("button", name=label).click()
    return waiting.value.path().read_bytes()


def value(page, label):
    """What a card shows, once it is known."""
    card = page.get_by_test_id("stMetric").filter(has_text=label)
    shown = card.get_by_test_id("stMetricValue").filter(has_not_text="…")
    return shown.inner_text()


def divider(page):
    return page.get_by_role("slider", name="Divider between the two pictures")


def test_a_photo_goes_in_and_comes_back(page, jpeg):
    upload(page, "cup.jpg", jpeg, "image/jpeg")
    data = download(page, "cup.hfx")
    png = download(page, "cup.png")

    decoded = hfx.decompress(data)
    shown = Image.open(io.BytesIO(png))
    assert shown.size == (600, 400)
    assert np.array_equal(np.asarray(shown), np.asarray(decoded))
    assert value(page, "File") == f"{len(data):,} B"
    assert value(page, "PSNR").endswith(" dB")

    upload(page, "again.hfx", data, "application/octet-stream")
    assert value(page, "Picture") == "600 × 400"
    again = download(page, "again.png")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(again))), np.asarray(decoded))


def test_the_pictures_are_true_to_the_pixel(page, jpeg):
    """What the screen shows at 1:1 are the pixels of the decoded file, none of them resampled."""
    upload(page, "cup.jpg", jpeg, "image/jpeg")
    value(page, "PSNR")
    decoded = np.asarray(hfx.decompress(download(page, "cup.hfx")))
    page.get_by_role("button", name="1:1").click()
    divider(page).press("Home")  # the reconstruction alone
    image = page.locator(".layer.right img")
    assert image.evaluate("i => [i.naturalWidth, i.naturalHeight]") == [600, 400]
    image.scroll_into_view_if_needed()
    box = image.bounding_box()
    assert (box["width"], box["height"]) == (600, 400)
    screen = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    left, top = round(box["x"]), round(box["y"])
    part = (slice(100, 380), slice(100, 580))  # beside labels and the divider's knob
    assert np.array_equal(screen[top : top + 400, left : left + 600][part], decoded[part])

    page.get_by_role("button", name="4:1").click()
    assert image.evaluate("i => [i.width, i.height]") == [2400, 1600]
    assert image.evaluate("i => i.style.imageRendering") == "pixelated"


def test_a_picture_that_comes_late_is_asked_for_again(page, jpeg):
    refused = []

    def refuse_once(route):
        if route.request.resource_type != "image" or route.request.url in refused:
            route.fallback()
        else:
            refused.append(route.request.url)
            route.fulfill(status=404)

    page.route("**/media/*", refuse_once)
    upload(page, "cup.jpg", jpeg, "image/jpeg")
    assert len(refused) >= 2


def test_the_divider_moves_by_pointer_and_by_key(page):
    slider = divider(page)
    slider.wait_for()
    assert slider.get_attribute("aria-valuenow") == "50"
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuenow") == "52"
    slider.press("End")
    assert slider.get_attribute("aria-valuenow") == "100"

    left, right = (page.locator(f".layer.{side} img") for side in ("left", "right"))
    box, knob = right.bounding_box(), slider.bounding_box()
    page.mouse.move(knob["x"] + knob["width"] / 2, knob["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 60, steps=4)
    page.mouse.up()
    assert slider.get_attribute("aria-valuenow") == "25"

    page.get_by_role("button", name="4:1").click()
    before = right.bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 70, steps=4)
    page.mouse.up()
    assert right.bounding_box()["x"] == pytest.approx(before["x"] - 40, abs=1)
    assert right.bounding_box()["y"] == pytest.approx(before["y"] - 30, abs=1)
    assert left.bounding_box() == right.bounding_box()
    assert slider.get_attribute("aria-valuenow") == "25"


def test_another_tier_keeps_zoom_and_place(page):
    divider(page).wait_for()
    page.get_by_role("button", name="2:1").click()
    divider(page).press("Home")
    page.get_by_role("radio", name="high").click()
    page.get_by_role("button", name="2:1").and_(page.locator("[aria-pressed=true]")).wait_for()
    page.locator(".chip.right").filter(has_text="bytes").wait_for()
    value(page, "PSNR")
    assert divider(page).get_attribute("aria-valuenow") == "0"


def test_a_bad_file_is_one_clear_line(page):
    page.locator("input[type=file]").set_input_files(
        {"name": "bad.hfx", "mimeType": "application/octet-stream", "buffer": b"HFX\x01 broken"}
    )
    line = page.get_by_role("alert").filter(has_text="hfx")
    line.wait_for()
    assert "Traceback" not in line.inner_text()
