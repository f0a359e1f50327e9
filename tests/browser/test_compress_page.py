"""The page Compress in a real browser: upload, look, download, decode, upload again."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

expect = pytest.importorskip("playwright.sync_api", reason="it drives Chromium").expect
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
    page.locator("input[type=file]").first.set_input_files(
        {"name": name, "mimeType": kind, "buffer": data}
    )
    page.get_by_role("img", name=name).first.wait_for()


def settled(page):
    """The table of numbers, once nothing in it is missing."""
    table = page.get_by_test_id("stTable").filter(has_not_text="…")
    table.wait_for()
    return table


def numbers(page, side):
    """What the table says of one pane, by the column's name."""
    cells = settled(page).locator("thead th")
    names = [name.strip() for name in cells.all_inner_texts()[1:]]
    row = page.get_by_test_id("stTable").locator("tbody tr").filter(has_text=side)
    return dict(zip(names, row.locator("td").all_inner_texts(), strict=True))


def download(page, label):
    button = page.get_by_role("button", name=label, exact=True).and_(page.locator(":enabled"))
    with page.expect_download() as waiting:
        button.click()
    return waiting.value.path().read_bytes()


def divider(page):
    return page.get_by_role("slider", name="Divider between the two pictures")


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def on_screen(page, locator):
    """The pixels of the screen where an image is, beside labels and the divider's knob."""
    locator.scroll_into_view_if_needed()
    box = locator.bounding_box()
    left, top = round(box["x"]), round(box["y"])
    screen = pixels(page.screenshot())[top : top + 400, left : left + 600]
    return screen[PART]


PART = (slice(100, 380), slice(100, 580))


def test_a_photo_goes_in_and_comes_back(page, jpeg, tmp_path):
    upload(page, "cup.jpg", jpeg, "image/jpeg")
    shown = numbers(page, "Right")
    file, png = tmp_path / "cup.hfx", tmp_path / "cup.png"
    file.write_bytes(download(page, " cup.hfx"))
    png.write_bytes(download(page, " cup.png"))
    assert shown["Bytes"] == f"{file.stat().st_size:,}"
    assert shown["PSNR ↑"].endswith(" dB")
    assert numbers(page, "Left")["Bytes"] == f"{len(jpeg):,}"

    elsewhere = tmp_path / "decoded.png"
    command = [sys.executable, "-m", "hfx", "decompress", str(file), "-o", str(elsewhere)]
    subprocess.run(command, check=True, capture_output=True)
    decoded = pixels(elsewhere.read_bytes())
    assert decoded.shape == (400, 600, 3)
    assert np.array_equal(pixels(png.read_bytes()), decoded)

    upload(page, "again.hfx", file.read_bytes(), "application/octet-stream")
    assert numbers(page, "hfx")["Pixels"] == "600 × 400"
    assert np.array_equal(pixels(download(page, " again.png")), decoded)


def test_the_pictures_are_true_to_the_pixel(page, jpeg):
    """What the screen shows at 1:1 are the pixels of the decoded file, none of them resampled."""
    upload(page, "cup.jpg", jpeg, "image/jpeg")
    decoded = pixels(download(page, " cup.png"))
    page.get_by_role("button", name="1:1").click()
    divider(page).press("Home")  # the reconstruction alone
    image = page.locator(".layer.right img")
    assert image.evaluate("i => [i.naturalWidth, i.naturalHeight]") == [600, 400]
    box = image.bounding_box()
    assert (box["width"], box["height"]) == (600, 400)
    assert np.array_equal(on_screen(page, image), decoded[PART])

    # The difference is that of the pixels, times the gain.
    divider(page).press("d")
    page.get_by_label("Gain").select_option("8")
    difference = np.abs(decoded - pixels(jpeg))
    assert difference.max() > 32  # so that some are cut off at white
    assert np.array_equal(on_screen(page, image), np.minimum(8 * difference, 255)[PART])
    page.get_by_role("button", name="Difference").click()
    assert np.array_equal(on_screen(page, image), decoded[PART])

    # The magnifier shows both, four times as large, with the point under the pointer centred.
    page.get_by_role("button", name="Magnifier").click()
    box = image.bounding_box()
    page.mouse.move(box["x"] + 150, box["y"] + 300)
    glasses = page.locator(".glass img")
    assert [glasses.nth(i).bounding_box()["width"] for i in (0, 1)] == [2400, 2400]
    glass, inside = page.locator(".glass").nth(1).bounding_box(), glasses.nth(1).bounding_box()
    centre = glass["x"] + glass["width"] / 2, glass["y"] + glass["height"] / 2
    assert centre[0] - inside["x"] == pytest.approx(4 * 150, abs=4)
    assert centre[1] - inside["y"] == pytest.approx(4 * 300, abs=4)
    page.keyboard.press("m")
    assert page.locator(".lens").is_hidden()

    page.get_by_role("button", name="4:1").click()
    assert image.evaluate("i => [i.width, i.height]") == [2400, 1600]
    assert image.evaluate("i => i.style.imageRendering") == "pixelated"


def test_equal_bytes_and_a_link_to_it(page, jpeg, server):
    page.goto(f"{server}/?picture=Cat&left=AVIF&right_tier=low")
    left, right = numbers(page, "Left: AVIF"), numbers(page, "Right: hfx")
    theirs, ours = download(page, " chelsea.avif"), download(page, " chelsea.hfx")
    assert left["Bytes"] == f"{len(theirs):,}" and right["Bytes"] == f"{len(ours):,}"
    assert 0.8 * len(ours) < len(theirs) <= len(ours)
    assert np.array_equal(pixels(download(page, " chelsea.avif.png")), pixels(theirs))

    page.get_by_role("radio", name="medium").click()
    page.wait_for_url(lambda url: "left=AVIF" in url and "tier" not in url)  # medium is usual
    page.get_by_text(right["Bytes"]).first.wait_for(state="hidden")
    left, right = numbers(page, "Left: AVIF"), numbers(page, "Right: hfx")
    sizes = [int(row["Bytes"].replace(",", "")) for row in (left, right)]
    assert len(ours) < sizes[0] <= sizes[1]


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
    for side in ("left", "right"):
        image = page.locator(f".layer.{side} img").and_(page.get_by_alt_text("cup.jpg"))
        expect(image).to_have_js_property("naturalWidth", 600, timeout=120_000)
    assert len(refused) >= 2


def test_the_divider_moves_by_pointer_and_by_key(page):
    slider = divider(page)
    slider.wait_for()
    assert slider.get_attribute("aria-valuenow") == "50"
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuenow") == "52"
    slider.press("Shift+ArrowLeft")
    assert slider.get_attribute("aria-valuenow") == "42"
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


def test_keys_zoom_and_move(page):
    stage, image = page.locator(".stage"), page.locator(".layer.right img")
    divider(page).wait_for()
    before = image.bounding_box()["width"]
    stage.press("+")
    page.get_by_role("button", name="2:1").and_(page.locator("[aria-pressed=true]")).wait_for()
    at = image.bounding_box()
    stage.press("ArrowRight")
    assert image.bounding_box()["x"] < at["x"]
    stage.press("-")
    stage.press("0")
    assert image.bounding_box()["width"] == before
    stage.press("ArrowRight")  # nothing to move but the divider
    assert divider(page).get_attribute("aria-valuenow") == "52"

    stage.press("m")
    lens = page.locator(".glass img").first
    at = lens.bounding_box()["x"] - page.locator(".glass").first.bounding_box()["x"]
    stage.press("Shift+ArrowRight")
    now = lens.bounding_box()["x"] - page.locator(".glass").first.bounding_box()["x"]
    assert at - now == pytest.approx(0.1 * lens.bounding_box()["width"], abs=2)

    page.get_by_label("Help", exact=True).click()
    page.get_by_text("magnifier, difference, full screen").wait_for()


def test_another_tier_keeps_zoom_and_place(page):
    divider(page).wait_for()
    settled(page)
    page.get_by_role("button", name="2:1").click()
    divider(page).press("Home")
    before = page.locator(".chip.right").inner_text()
    page.get_by_role("radio", name="high").click()
    page.locator(".chip.right").filter(has_not_text=before).filter(has_text="bytes").wait_for()
    page.get_by_role("button", name="2:1").and_(page.locator("[aria-pressed=true]")).wait_for()
    assert divider(page).get_attribute("aria-valuenow") == "0"


def test_a_telephone_shows_the_pictures_first(page):
    page.set_viewport_size({"width": 390, "height": 844})
    box = page.locator(".stage[data-state=ready]").bounding_box()
    assert box["y"] + box["height"] / 2 < 844
    assert box["width"] > 340
    settled(page)
    assert page.get_by_role("combobox", name="Left pane").bounding_box()["y"] > 844
    wide = "() => document.querySelector('[data-testid=stMain]').scrollWidth"
    assert page.evaluate(wide) <= 390


def test_a_bad_file_is_one_clear_line(page):
    page.locator("input[type=file]").first.set_input_files(
        {"name": "bad.hfx", "mimeType": "application/octet-stream", "buffer": b"HFX\x01 broken"}
    )
    line = page.get_by_role("alert").filter(has_text="hfx")
    line.wait_for()
    assert "Traceback" not in line.inner_text()


def test_a_photo_is_taken(browser, server):
    with browser.new_context(permissions=["camera"]) as context:
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.goto(server)
        settled(page)
        page.get_by_text("Use the camera").click()
        video = page.locator("video")
        video.wait_for()
        page.wait_for_function("v => v.videoWidth > 0", arg=video.element_handle())
        page.get_by_role("button", name="Take Photo").click()
        page.get_by_role("img", name="camera.jpg").first.wait_for()
        assert numbers(page, "Right")["PSNR ↑"].endswith(" dB")
        page.get_by_role("button", name="camera.hfx").wait_for()
