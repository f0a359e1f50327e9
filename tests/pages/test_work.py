import io

import numpy as np
import pytest
from PIL import Image

import hfx
from hfx import metrics

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")
pytest.importorskip("skimage", reason="the samples come with scikit-image")

from dashboard import work  # noqa: E402


@pytest.fixture
def png(photo):
    out = io.BytesIO()
    Image.fromarray(photo).save(out, format="PNG")
    return out.getvalue()


def test_a_picture_is_opened_in_its_canonical_form(png, photo):
    original = work.open_picture("face.png", png)
    assert (original.width, original.height, original.file_bytes) == (128, 96, len(png))
    for _ in range(2):  # as it was read, then from the PNG
        held = original.nbytes
        assert np.array_equal(original.picture.rgb, photo)
        assert original.nbytes == len(original.png) <= held
    assert original.digest == work.digest_of(png)


def test_a_picture_too_large_is_refused_before_it_is_decoded(monkeypatch, png):
    monkeypatch.setattr(work, "MAX_PIXELS", 96 * 128 - 1)
    with pytest.raises(hfx.ImageError, match="face.png has 128 x 96 pixels, .*hfx compress"):
        work.open_picture("face.png", png)


def test_several_frames_are_noted():
    out = io.BytesIO()
    frames = [Image.new("RGB", (20, 20), c) for c in ("red", "blue")]
    frames[0].save(out, format="TIFF", save_all=True, append_images=frames[1:])
    assert "only the first" in work.open_picture("a.tiff", out.getvalue()).notes[0]


def test_a_file_is_decoded(tiny_codec, photo):
    data = tiny_codec.compress(photo, "low")
    result = work.decode(tiny_codec, data)
    shown = np.asarray(Image.open(io.BytesIO(result.png)))
    assert np.array_equal(shown, np.asarray(tiny_codec.decompress(data)))
    assert result.info["bytes"] == len(data) and result.decode_seconds > 0


def test_distances_are_those_of_the_package(png, photo):
    original = work.open_picture("face.png", png)
    darker = photo // 2
    shown = work.png_of(Image.fromarray(darker))

    def unneeded():
        raise AssertionError

    assert work.distance("PSNR", original, shown, unneeded) == metrics.psnr(photo, darker)
    assert work.distance("SSIM", original, shown, unneeded) == metrics.ssim(photo, darker)


def test_without_a_network_lpips_says_why(png):
    original = work.open_picture("face.png", png)
    why = hfx.WeightsError("LPIPS unavailable: it rains")
    with pytest.raises(hfx.WeightsError, match="it rains"):
        work.distance("LPIPS", original, png, lambda: why)


def test_samples_need_no_download():
    for name in work.SAMPLES:
        assert work.sample_path(name).stat().st_size > 50_000


@pytest.mark.parametrize(
    ("name", "data", "verdict"),
    [("a.hfx", b"", True), ("a.png", b"HFX\x01", True), ("a.png", b"\x89PNG", False)],
)
def test_our_files_are_told_from_photographs(name, data, verdict):
    assert work.is_hfx(name, data) is verdict
