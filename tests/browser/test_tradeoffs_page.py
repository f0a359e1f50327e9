"""The page "Trade-offs" in a real browser: curves, a PNG of them, one's own picture, its crops."""

import io
import re

import pytest
from PIL import Image

expect = pytest.importorskip("playwright.sync_api", reason="it drives Chromium").expect
pytestmark = pytest.mark.slow


def test_curves_are_drawn_and_saved(page, server):
    page.goto(f"{server}/tradeoffs?second_measure=FID-768")
    page.get_by_role("figure", name=re.compile("^PSNR .* over bits per pixel of hfx")).wait_for()
    page.get_by_role("figure", name=re.compile("^FID-768 over bits per pixel of hfx")).wait_for()
    chart = page.locator(".st-key-first_chart")
    chart.get_by_text("HiFiC (published)").wait_for()
    with page.expect_download() as waiting:
        chart.locator(".modebar-btn[data-title^='Download plot']").click()
    assert waiting.value.suggested_filename == "kodak-psnr.png"
    assert Image.open(io.BytesIO(waiting.value.path().read_bytes())).width > 600


def test_points_come_in_and_hovering_shows_their_crop(page, server):
    page.goto(f"{server}/tradeoffs?live_codecs=JPEG&live_codecs=WebP&live_measure=PSNR+%2F+dB")
    page.get_by_role("button", name="Measure", exact=True).click(timeout=300_000)
    page.get_by_text(re.compile("Measuring: .* of 20 settings")).wait_for()
    chart = page.locator(".st-key-live_chart")
    page.get_by_text(re.compile("Measuring:")).wait_for(state="detached", timeout=300_000)
    marks = chart.locator(".trace.scatter").first.locator(".points path")
    crop, caption = page.locator(".crops .decoded"), page.locator(".crops .caption")
    expect(caption).to_have_count(1, timeout=60_000)  # what was drawn while it ran is gone soon
    captions, sources = [], []
    for number in (0, 2):
        marks.nth(number).scroll_into_view_if_needed()
        marks.nth(number).hover(force=True)
        page.locator(
            ".crops .caption", has_text=f"JPEG, quality {(5, 10, 15)[number]}:"
        ).wait_for()
        captions.append(caption.inner_text())
        sources.append(crop.get_attribute("src"))
        assert crop.evaluate("async (image) => (await image.decode(), image.naturalWidth)") == 160
    assert all("bpp, PSNR" in text for text in captions) and sources[0] != sources[1]
    page.get_by_role("combobox", name="Point").select_option("1")  # and without a pointer
    assert "JPEG, quality 10:" in caption.inner_text()
