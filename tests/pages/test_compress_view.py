"""The page Compress, without a browser: AppTest runs it."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hfx
from hfx import metrics, weights

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")
pytest.importorskip("skimage", reason="the samples come with scikit-image")

from streamlit.testing.v1 import AppTest  # noqa: E402

from dashboard import panes, resources, text  # noqa: E402

APP = Path(__file__).parents[2] / "dashboard" / "app.py"


@pytest.fixture(scope="module")
def codec():
    try:
        weights.find()
    except hfx.WeightsError as error:
        pytest.skip(f"no weights here: {error}")
    return resources.codec()


@pytest.fixture
def png(photo):
    return png_of(photo)


def png_of(rgb):
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, format="PNG")
    return out.getvalue()


@pytest.fixture
def app(codec):
    return AppTest.from_file(APP, default_timeout=300)


@pytest.fixture
def face(app, png):
    """The page with a small photograph uploaded: the left pane shows it, the right one ours."""
    app.run()
    app.file_uploader[0].set_value(("face.png", png, "image/png"))
    return app.run()


def row(app, side):
    """The numbers under one pane."""
    table = app.table[0].value
    return table.loc[[name for name in table.index if name.startswith(side)][0]]


def size(app, side="Right"):
    return int(row(app, side)["Bytes"].replace(",", ""))


def fine(app):
    assert not app.exception and not app.error
    return app


# --- ours


def test_it_works_with_no_upload(app):
    shown = row(fine(app.run()), "Right")
    assert "…" not in set(shown) and shown["PSNR ↑"].endswith(" dB")
    assert row(app, "Left")["Of 24 bit"].startswith("1 : ")


def test_an_upload_is_compressed_and_measured(face, codec, png, photo):
    shown = row(fine(face), "Right")
    data = codec.compress(photo, "medium")
    assert shown["Bytes"] == f"{len(data):,}"
    assert shown["bpp"] == f"{8 * len(data) / (96 * 128):.3f}"
    assert shown["Of 24 bit"] == text.ratio(photo.size / len(data))
    assert row(face, "Left")["Bytes"] == f"{len(png):,}"
    x_hat = np.asarray(codec.decompress(data))
    assert shown["PSNR ↑"] == f"{metrics.psnr(photo, x_hat):.2f} dB"
    assert shown["SSIM ↑"] == f"{metrics.ssim(photo, x_hat):.4f}"
    lpips = resources.lpips_network()
    if isinstance(lpips, hfx.WeightsError):
        assert shown["LPIPS ↓"] == "–"
        assert any("LPIPS unavailable" in caption.value for caption in face.caption)
    else:
        assert shown["LPIPS ↓"] == f"{metrics.lpips(photo, x_hat, lpips):.4f}"


def test_tiers_quality_and_size(face):
    sizes = []
    for tier in ("low", "medium", "high"):
        face.segmented_control(key="right_tier").set_value(tier)
        sizes.append(size(fine(face.run())))
    assert sizes == sorted(sizes) and sizes[0] < sizes[2]

    face.segmented_control(key="right_by").set_value("Quality").run()
    face.slider(key="right_quality").set_value(80)
    assert size(fine(face.run())) == sizes[2]

    face.segmented_control(key="right_by").set_value("Size").run()
    face.number_input(key="right_bytes").set_value(sizes[1] + 5)
    assert size(fine(face.run())) <= sizes[1] + 5


def test_a_neighbour_model_changes_the_bytes_and_not_the_picture(face, codec):
    if len(codec.models.kinds()) < 2:
        pytest.skip("no neighbour model is fitted for these weights")
    sizes, distances = set(), set()
    for kind in codec.models.kinds():
        face.segmented_control(key="right_neighbours").set_value(kind)
        sizes.add(size(fine(face.run())))
        distances.add(row(face, "Right")["PSNR ↑"])
    assert len(sizes) == len(codec.models.kinds()) and len(distances) == 1


def test_both_panes_can_be_ours(face):
    face.selectbox(key="left").set_value("hfx").run()
    face.segmented_control(key="left_tier").set_value("low")
    assert size(fine(face.run()), "Left") < size(face, "Right")
    assert {b.label for b in face.get("download_button")} == {
        "face.hfx (left)", "face.png (left)", "face.hfx (right)", "face.png (right)",
    }  # fmt: skip


def test_one_file_and_every_realism(tiny_gan_codec, png, photo, monkeypatch, tmp_path):
    path = tmp_path / "tiny.safetensors"
    weights.save(tiny_gan_codec.weights, path)
    monkeypatch.setenv("HFX_MODEL", str(path))
    resources.codec.clear()
    try:
        app = AppTest.from_file(APP, default_timeout=300)
        app.query_params["right_realism"] = "0.5"
        app.run()
        app.file_uploader[0].set_value(("face.png", png, "image/png"))
        seen = [row(fine(app.run()), "Right")]
        app.slider(key="right_realism").set_value(1.0)
        seen.append(row(fine(app.run()), "Right"))
        assert [shown["Setting"] for shown in seen] == [
            "quality 50, realism 0.5", "quality 50, realism 1",
        ]  # fmt: skip
        assert seen[0]["Bytes"] == seen[1]["Bytes"]
        assert seen[0]["PSNR ↑"] != seen[1]["PSNR ↑"]

        data = tiny_gan_codec.compress(photo, "low")
        app.file_uploader[0].set_value(("face.hfx", data, "application/octet-stream"))
        assert fine(app.run()).slider(key="realism").value == 0.75
    finally:
        resources.codec.clear()


def test_without_a_second_generator_there_is_no_dial(face, codec):
    if codec.weights.gan is not None:
        pytest.skip("these weights have one")
    assert not face.slider


def test_an_impossible_size_is_one_clear_line(face):
    face.segmented_control(key="right_by").set_value("Size").run()
    face.number_input(key="right_bytes").set_value(1)
    face.run()
    assert not face.exception
    assert ["the smallest file of this picture" in line.value for line in face.error] == [True]


# --- theirs


@pytest.mark.parametrize("name", panes.CLASSICAL)
def test_equal_bytes(face, name):
    face.selectbox(key="left").set_value(name).run()
    if panes.CLASSICAL[name].missing():
        assert [panes.CLASSICAL[name].missing() in line.value for line in face.error] == [True]
        return
    if size(fine(face), "Left") > size(face):
        assert any("the smallest" in caption.value for caption in face.caption)
    assert not face.select_slider  # the size decides
    assert not face.toggle(key="lock").disabled


def test_unlocked_it_starts_from_where_it_was_held(face):
    face.selectbox(key="left").set_value("WebP").run()
    held = row(fine(face), "Left")["Setting"]
    face.toggle(key="lock").set_value(False).run()
    assert face.select_slider(key="left_webp").value == held == row(face, "Left")["Setting"]

    face.select_slider(key="left_webp").set_value("quality 100")
    assert size(fine(face.run()), "Left") > 4 * size(face)
    face.toggle(key="lock").set_value(True)
    assert size(fine(face.run()), "Left") <= size(face)


def test_there_is_nothing_to_lock_between_original_and_ours(face):
    assert face.toggle(key="lock").disabled


# --- pictures


def test_several_uploads_are_remembered(app, png, photo):
    app.run()
    other = png_of(photo[::2, ::2].copy())
    app.file_uploader[0].set_value([("a.png", png, "image/png"), ("b.png", other, "image/png")])
    fine(app.run())
    assert app.selectbox(key="picture").options[:2] == ["a.png", "b.png"]
    assert app.selectbox(key="picture").value == "b.png"  # the one that came last
    small = size(app, "Left")
    app.selectbox(key="picture").set_value("a.png")
    assert size(fine(app.run()), "Left") == len(png) != small == len(other)
    app.selectbox(key="picture").set_value("Cat")
    assert size(fine(app.run()), "Left") > len(png)
    app.file_uploader[0].set_value(None)
    assert "a.png" not in fine(app.run()).selectbox(key="picture").options


def test_files_of_one_name_are_told_apart(app, png, photo):
    app.run()
    files = [("a.png", png, "image/png"), ("a.png", png_of(photo[:48].copy()), "image/png")]
    app.file_uploader[0].set_value(files)
    assert fine(app.run()).selectbox(key="picture").options[:2] == ["a.png", "a.png (2)"]


def test_an_hfx_file_is_decoded(app, codec, photo):
    data = codec.compress(photo, "low")
    app.run()
    app.file_uploader[0].set_value(("face.hfx", data, "application/octet-stream"))
    shown = row(fine(app.run()), "hfx")
    assert shown["Pixels"] == "128 × 96"
    assert shown["Bytes"] == f"{len(data):,}"
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


# --- the rest


def test_a_link_opens_what_it_says(app):
    wanted = {"picture": "Cat", "left": "JPEG", "right_by": "Quality", "right_quality": "15"}
    for key, value in (wanted | {"lock": "false", "left_jpg": "quality 50"}).items():
        app.query_params[key] = value
    fine(app.run())
    assert row(app, "Right")["Setting"] == "quality 15"
    assert row(app, "Left: JPEG")["Setting"] == "quality 50"
    assert app.selectbox(key="picture").value == "Cat"


def test_a_link_that_makes_no_sense_opens_the_usual_page(app):
    app.query_params["left"] = "GIF"
    app.query_params["right_tier"] = "<script>"
    assert list(fine(app.run()).table[0].value.index) == ["Left: Original", "Right: hfx"]


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
