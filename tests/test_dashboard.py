"""The dashboard's logic, without a browser: AppTest runs the pages, and helpers stand alone."""

import io
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hfx
from hfx import metrics, weights

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")
pytest.importorskip("skimage", reason="the samples come with scikit-image")

from streamlit.testing.v1 import AppTest  # noqa: E402

from dashboard import resources, text, work  # noqa: E402

APP = Path(__file__).parents[1] / "dashboard" / "app.py"


@pytest.fixture(scope="module")
def codec():
    try:
        weights.find()
    except hfx.WeightsError as error:
        pytest.skip(f"no weights here: {error}")
    return resources.codec()


@pytest.fixture
def png(photo):
    out = io.BytesIO()
    Image.fromarray(photo).save(out, format="PNG")
    return out.getvalue()


@pytest.fixture
def app(codec):
    return AppTest.from_file(APP, default_timeout=120)


def cards(app):
    return {metric.label: metric.value for metric in app.metric}


def fine(app):
    assert not app.exception and not app.error
    return app


# --- the page


def test_it_works_with_no_upload(app):
    shown = cards(fine(app.run()))
    assert shown["File"].endswith(" B") and shown["PSNR"].endswith(" dB")
    assert shown["vs. 24 bit"].startswith("1 : ")


def test_an_upload_is_compressed_and_measured(app, codec, png, photo):
    app.run()
    app.file_uploader[0].set_value(("face.png", png, "image/png"))
    shown = cards(fine(app.run()))

    data = codec.compress(photo, "medium")
    assert shown["File"] == f"{len(data):,} B"
    assert shown["Bits per pixel"] == f"{8 * len(data) / (96 * 128):.3f}"
    assert shown["vs. 24 bit"] == text.ratio(photo.size / len(data))
    assert shown["vs. the PNG"] == text.ratio(len(png) / len(data))
    x_hat = np.asarray(codec.decompress(data))
    assert shown["PSNR"] == f"{metrics.psnr(photo, x_hat):.2f} dB"
    assert shown["SSIM"] == f"{metrics.ssim(photo, x_hat):.4f}"
    lpips = resources.lpips_network()
    if isinstance(lpips, hfx.WeightsError):
        assert shown["LPIPS"] == "–"
        assert any("LPIPS unavailable" in caption.value for caption in app.caption)
    else:
        assert shown["LPIPS"] == f"{metrics.lpips(photo, x_hat, lpips):.4f}"


def test_tiers_quality_and_size(app, png):
    app.run()
    app.file_uploader[0].set_value(("face.png", png, "image/png"))
    app.run()
    sizes = []
    for tier in ("low", "medium", "high"):
        app.segmented_control(key="tier").set_value(tier)
        sizes.append(int(cards(fine(app.run()))["File"].split()[0].replace(",", "")))
    assert sizes == sorted(sizes) and sizes[0] < sizes[2]

    app.segmented_control(key="by").set_value("Quality").run()
    app.slider(key="quality").set_value(80)
    assert cards(fine(app.run()))["File"] == f"{sizes[2]:,} B"

    app.segmented_control(key="by").set_value("Size").run()
    app.number_input(key="target_bytes").set_value(sizes[1] + 5)
    assert int(cards(fine(app.run()))["File"].split()[0].replace(",", "")) <= sizes[1] + 5


def test_an_impossible_size_is_one_clear_line(app, png):
    app.run()
    app.file_uploader[0].set_value(("face.png", png, "image/png"))
    app.segmented_control(key="by").set_value("Size").run()
    app.number_input(key="target_bytes").set_value(1)
    app.run()
    assert not app.exception
    assert ["the smallest file of this picture" in line.value for line in app.error] == [True]


def test_an_hfx_file_is_decoded(app, codec, photo):
    data = codec.compress(photo, "low")
    app.run()
    app.file_uploader[0].set_value(("face.hfx", data, "application/octet-stream"))
    shown = cards(fine(app.run()))
    assert shown["Picture"] == "128 × 96"
    assert shown["File"] == f"{len(data):,} B"
    assert shown["Quality"] == "20"
    assert not app.segmented_control  # a file is what it is


@pytest.mark.parametrize(
    ("name", "spoil", "says"),
    [
        ("a.hfx", lambda data: b"something else", "not an .hfx file"),
        ("a.hfx", lambda data: data[:-20], "truncated"),
        ("a.hfx", lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:], "checksum"),
        ("a.hfx", lambda data: b"", "too short"),
        ("a.png", lambda data: b"no picture at all", "not a picture"),
    ],
)
def test_a_bad_file_is_one_clear_line(app, codec, photo, name, spoil, says):
    app.run()
    bad = spoil(codec.compress(photo, "low"))
    app.file_uploader[0].set_value((name, bad, "application/octet-stream"))
    app.run()
    assert not app.exception
    assert [says in line.value for line in app.error] == [True]
    assert "\n" not in app.error[0].value


def test_it_names_its_weights_and_warns_of_invention(app, codec):
    app.run()
    assert any(codec.weights.fingerprint.hex() in caption.value for caption in app.caption)
    assert any("not for evidence" in markdown.value for markdown in app.markdown)


def test_no_weights_is_one_clear_line(monkeypatch):
    monkeypatch.setenv("HFX_MODEL", "nowhere.safetensors")
    resources.codec.clear()
    try:
        app = AppTest.from_file(APP, default_timeout=120).run()
    finally:
        resources.codec.clear()
    assert not app.exception
    assert ["no weights at nowhere.safetensors" in line.value for line in app.error] == [True]


# --- its parts


def test_a_picture_too_large_is_refused_before_it_is_decoded(monkeypatch, png):
    monkeypatch.setattr(work, "MAX_PIXELS", 96 * 128 - 1)
    with pytest.raises(hfx.ImageError, match="face.png has 128 x 96 pixels, .*hfx compress"):
        work.open_picture("face.png", png)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_the_pictures_shown_are_the_pictures_coded(codec, photo, mode):
    image = Image.fromarray(photo).convert(mode)
    if "A" in mode:
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    out = io.BytesIO()
    image.save(out, format="PNG")
    original = work.open_picture("a.png", out.getvalue())
    result = work.compress(codec, original, work.Wish(tier="low"))
    assert result.data == codec.compress(image, "low")
    shown = Image.open(io.BytesIO(result.png))
    assert shown.mode == mode
    assert shown.tobytes() == codec.decompress(result.data).tobytes()


def test_samples_need_no_download():
    for name in work.SAMPLES:
        assert work.sample_path(name).stat().st_size > 50_000


def test_without_a_network_lpips_says_why(codec, png):
    original = work.open_picture("face.png", png)
    result = work.compress(codec, original, work.Wish(tier="low"))
    why = hfx.WeightsError("LPIPS unavailable: it rains")
    measures = work.measure(original, result, why)
    assert measures.lpips is None and measures.why_no_lpips == "it rains"


def test_several_frames_are_noted():
    out = io.BytesIO()
    frames = [Image.new("RGB", (20, 20), c) for c in ("red", "blue")]
    frames[0].save(out, format="TIFF", save_all=True, append_images=frames[1:])
    assert "only the first" in work.open_picture("a.tiff", out.getvalue()).notes[0]


class Piece:
    """Something of a size."""

    def __init__(self, nbytes):
        self.nbytes = nbytes


def test_the_shelf_keeps_what_was_used_last():
    shelf = resources.Shelf(limit=25)
    first = shelf.get("a", lambda: Piece(10))
    shelf.get("b", lambda: Piece(10))
    assert shelf.get("a", lambda: Piece(99)) is first
    shelf.get("c", lambda: Piece(10))
    assert "a" in shelf and "c" in shelf and "b" not in shelf


def test_the_shelf_hands_out_what_is_too_large_for_it():
    shelf = resources.Shelf(limit=5)
    assert shelf.get("a", lambda: Piece(10)).nbytes == 10
    shelf.get("b", lambda: Piece(10))
    assert "a" not in shelf and "b" in shelf


def test_what_lies_on_the_shelf_waits_for_no_one():
    shelf = resources.Shelf(limit=99)
    first = shelf.get("a", lambda: Piece(1))
    reader = threading.Thread(target=lambda: seen.append(shelf.get("a", lambda: Piece(2))))
    seen = []

    def slow():
        reader.start()
        reader.join(30)
        return Piece(3)

    shelf.get("b", slow)
    assert seen == [first]


def test_the_same_thing_is_made_once():
    shelf, made = resources.Shelf(limit=99), []
    start = threading.Barrier(4)

    def visit():
        start.wait()
        shelf.get("a", lambda: made.append(1) or Piece(1))

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert made == [1]


def test_numbers_are_worded():
    assert text.number(None, 2) == "–"
    assert text.number(float("inf"), 2, " dB") == "∞ dB"
    assert text.number(31.256, 2, " dB") == "31.26 dB"
    assert text.ratio(55.57) == "1 : 55.6"
    assert text.ratio(0.5) == "1 : 0.5"
    assert text.ratio(123.4) == "1 : 123"
    about = text.about({"step": 4250, "minutes": 21.2, "hardware": "two cores"}, b"\x01\x02")
    assert about == "Weights `0102`: 4,250 training steps, 21 minutes, on two cores."
    assert "no record" in text.about({}, b"\x01")
