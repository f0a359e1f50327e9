"""Every kind of picture comes in upright, 8-bit sRGB, or is refused in one line."""

import io
import os
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from hfx.errors import HfxError, ImageError
from hfx.image import from_tensor, load, save_png, to_pil, to_tensor


def encoded(image: Image.Image, format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


@pytest.fixture
def image(photo):
    return Image.fromarray(photo)


@pytest.fixture(autouse=True)
def no_surprise_warnings():
    """A warning nobody asked for fails the test; `pytest.warns` still sees its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# --- sources


def test_every_kind_of_source(tmp_path, photo, image):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(image))
    for source in (path, str(path), path.read_bytes(), image, photo):
        picture = load(source)
        assert np.array_equal(picture.rgb, photo)
        assert picture.rgb.flags.c_contiguous
        assert picture.alpha is None
        assert not picture.grey
        assert (picture.width, picture.height) == (128, 96)


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF", "JPEG2000", "TIFF", "BMP", "PPM"])
def test_formats(photo, image, format):
    picture = load(encoded(image, format))
    assert np.abs(picture.rgb.astype(int) - photo).mean() < 6


def test_one_pixel():
    assert load(Image.new("RGB", (1, 1), (1, 2, 3))).rgb.tolist() == [[[1, 2, 3]]]


def test_strips_join_without_a_seam():
    rng = np.random.default_rng(0)
    for shape in ((4001, 2000, 3), (3, 1_400_000, 3)):  # several strips; strips of two rows
        a = rng.integers(0, 256, shape, np.uint8)
        assert np.array_equal(load(Image.fromarray(a)).rgb, a)


def test_given_image_is_left_as_it_was(photo):
    image = Image.fromarray(photo)
    image.getexif()[0x0112] = 6
    load(image)
    assert image.size == (128, 96)
    assert np.array_equal(np.asarray(image), photo)


# --- orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_orientation(photo, image, orientation, format):
    exif = Image.Exif()
    exif[0x0112] = orientation
    undo = [None, None, 0, 3, 1, 5, 2, 6, 4][orientation]  # PIL.Image.Transpose
    turned = image if undo is None else image.transpose(Image.Transpose(undo))
    options = {} if format in ("PNG", "TIFF") else {"quality": 98}
    picture = load(encoded(turned, format, exif=exif, **options))
    assert picture.rgb.shape == photo.shape
    assert np.abs(picture.rgb.astype(int) - photo).mean() < 3
    assert picture.rgb.flags.c_contiguous


def test_orientation_turns_alpha_too():
    exif = Image.Exif()
    exif[0x0112] = 6
    alpha = np.arange(6, dtype=np.uint8).reshape(2, 3)
    image = Image.merge("LA", (Image.new("L", (3, 2)), Image.fromarray(alpha)))
    assert load(encoded(image, exif=exif)).alpha.tolist() == [[3, 0], [4, 1], [5, 2]]


def test_broken_exif_costs_only_the_orientation(photo, image):
    assert np.array_equal(load(encoded(image, exif=b"Exif\x00\x00rubbish")).rgb, photo)


# --- modes


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "RGBX", "LAB"])
def test_other_colour_spaces(photo, image, mode):
    if mode == "LAB":
        profile = ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(
            image, ImageCms.createProfile("sRGB"), profile, outputMode="LAB"
        )
    picture = load(image.convert(mode) if mode != "LAB" else image)
    assert np.abs(picture.rgb.astype(int) - photo).mean() < 4
    assert not picture.grey


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey(image, mode):
    picture = load(encoded(image.convert(mode)))
    assert picture.grey
    assert picture.alpha is None
    assert np.array_equal(picture.rgb, np.asarray(image.convert(mode).convert("RGB")))
    assert to_pil(picture).mode == "L"


def test_palette(image):
    palette = image.quantize(32)
    picture = load(encoded(palette))
    assert np.array_equal(picture.rgb, np.asarray(palette.convert("RGB")))
    assert picture.alpha is None


def test_palette_transparency(image):
    palette = image.quantize(4)
    picture = load(encoded(palette, transparency=2))
    assert np.array_equal(picture.alpha == 0, np.asarray(palette) == 2)
    assert to_pil(picture).mode == "RGBA"


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_alpha(image, mode):
    image = image.convert({"RGBA": "RGB", "LA": "L", "PA": "P"}[mode]).convert(mode)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    picture = load(image if mode == "PA" else encoded(image))
    assert picture.grey == (mode == "LA")
    rgba = image.convert("RGBA")
    assert np.array_equal(np.dstack([picture.rgb, picture.alpha]), np.asarray(rgba))
    assert to_pil(picture).mode == ("LA" if mode == "LA" else "RGBA")
    assert np.array_equal(np.asarray(to_pil(picture).convert("RGBA")), np.asarray(rgba))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_opaque_alpha_is_dropped(image, mode):
    assert load(encoded(image.convert(mode))).alpha is None


def test_transparent_colour():
    image = Image.fromarray(np.array([[[1, 2, 3], [9, 9, 9]]], np.uint8))
    assert load(encoded(image, transparency=(9, 9, 9))).alpha.tolist() == [[255, 0]]
    grey = Image.fromarray(np.array([[7, 8]], np.uint8))
    assert load(encoded(grey, transparency=7)).alpha.tolist() == [[0, 255]]
    deep = Image.fromarray(np.array([[700, 800]], np.uint16))
    assert load(encoded(deep, transparency=700)).alpha.tolist() == [[0, 255]]


# --- depth


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_is_scaled_not_clipped(format):
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    picture = load(encoded(Image.fromarray(deep), format))
    assert picture.grey
    assert np.array_equal(picture.rgb[..., 0], np.rint(deep / 257).astype(np.uint8))


def test_16_bit_big_endian_and_wide_integers():
    deep = np.array([[0, 257, 25700, 65535]], np.uint16)
    pgm = b"P5 4 1 65535\n" + deep.astype(">u2").tobytes()
    for source in (pgm, Image.fromarray(deep.astype(np.int32)), deep.astype(">u2")):
        assert load(source).rgb[..., 0].tolist() == [[0, 1, 100, 255]]


@pytest.mark.parametrize("white", [1, 255, 65535])
def test_float_pictures(white):
    a = np.linspace(0, white, 256, dtype=np.float32).reshape(16, 16)
    picture = load(encoded(Image.fromarray(a), "TIFF"))
    assert picture.grey
    assert np.array_equal(picture.rgb[..., 0].ravel(), np.arange(256))


def test_float_picture_of_unknown_scale():
    with pytest.raises(ImageError, match="unknown scale"):
        load(Image.fromarray(np.array([[-3.0, 1e6]], np.float32)))


# --- colour profiles


def test_profile_is_applied(photo, image):
    """The same numbers mean other colours under a profile of another white point and gamma."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB", 9000)).tobytes()
    picture = load(encoded(image, icc_profile=wide_gamma()))
    assert np.abs(picture.rgb.astype(int) - photo).mean() > 5
    with pytest.warns(UserWarning, match="colour profile"):
        assert np.array_equal(load(encoded(image, icc_profile=lab)).rgb, photo)


def test_profile_keeps_alpha(image):
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    picture = load(encoded(image, icc_profile=wide_gamma()))
    assert np.array_equal(picture.alpha, np.asarray(image)[..., 3])
    assert np.array_equal(
        picture.rgb, load(encoded(image.convert("RGB"), icc_profile=wide_gamma())).rgb
    )


def test_grey_stays_grey_under_a_colour_profile(image):
    grey = image.convert("L")
    picture = load(encoded(grey, icc_profile=wide_gamma()))
    assert picture.grey
    assert np.ptp(picture.rgb, axis=2).max() == 0
    assert np.abs(picture.rgb[..., 0].astype(int) - np.asarray(grey)).mean() > 5


def test_srgb_profile_changes_nothing(photo, image):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(load(encoded(image, icc_profile=srgb)).rgb, photo)


def test_broken_profile_warns_and_names_the_caller(photo, image):
    data = encoded(image, icc_profile=b"no profile at all")
    with pytest.warns(UserWarning, match="broken colour profile") as caught:
        assert np.array_equal(load(data).rgb, photo)
    assert caught[0].filename == __file__


def wide_gamma() -> bytes:
    """An sRGB profile whose three tone curves are replaced by a plain gamma of 1.0."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(132, 132 + 12 * int.from_bytes(data[128:132]), 12):
        if data[at : at + 4] in (b"rTRC", b"gTRC", b"bTRC"):
            offset = int.from_bytes(data[at + 4 : at + 8])
            # parametric curve, type 0 (Y = X^g), g = 1.0 as s15Fixed16
            data[offset : offset + 16] = b"para" + bytes(8) + (1 << 16).to_bytes(4)
    return bytes(data)


# --- animation


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame(format):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime")]
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
    with pytest.warns(UserWarning, match="several frames") as caught:
        assert load(data).rgb[0, 0].tolist() == [255, 0, 0]
    assert caught[0].filename == __file__


# --- refusals


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "AVIF", "JPEG2000"])
def test_truncated(image, format):
    data = encoded(image, format)
    for size in (0, 1, 8, 20, len(data) // 3):
        with pytest.raises(ImageError) as caught:
            load(data[:size])
        assert "\n" not in str(caught.value)


def test_no_file_starts_a_program(image):
    """Pillow would hand PostScript to Ghostscript, where there is one."""
    with pytest.raises(ImageError, match="EPS, which hfx cannot draw"):
        load(encoded(image, "EPS"))


def test_missing_folder_and_text(tmp_path):
    (tmp_path / "notes.png").write_text("this is no picture")
    for name, cause in (("no.png", "No such file"), (".", "directory"), ("notes.png", "not a p")):
        with pytest.raises(ImageError, match=cause):
            load(tmp_path / name)


def test_limit_is_checked_before_decoding_and_leaves_pillow_alone(monkeypatch, image):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    data = encoded(image)
    assert load(data).width == 128  # Pillow's limit is not ours
    with pytest.raises(ImageError, match="128 x 96 pixels, over the limit of 12287"):
        load(
            data[: len(data) // 2], max_pixels=128 * 96 - 1
        )  # truncated, yet refused for its size
    assert Image.MAX_IMAGE_PIXELS == 1000


@pytest.mark.parametrize("side", [9500, 60000])
def test_large_headers(side):
    """A file of some bytes that claims gigapixels, in Pillow's warning and its error range."""
    bomb = bytearray(encoded(Image.new("L", (1, 1))))
    bomb[16:24] = side.to_bytes(4) + (2 * side).to_bytes(4)
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4)
    with pytest.raises(ImageError, match="over the limit"):
        load(bytes(bomb))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((4, 4), np.int64),
        np.full((4, 4), 255.0),
        np.full((4, 4), np.nan),
        np.zeros((4, 4), bool),
        np.zeros((4, 4), object),
    ],
)
def test_arrays_that_are_no_pictures(array):
    with pytest.raises(ImageError):
        load(array)


def test_empty_image():
    with pytest.raises(ImageError, match="empty"):
        load(Image.new("RGB", (0, 4)))


# --- arrays


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_arrays(shape, dtype):
    levels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    white = {np.uint8: 1, np.uint16: 257}.get(dtype, 1 / 255)
    picture = load((levels.astype(float) * white).astype(dtype))
    levels = levels.reshape(5, 7, -1)
    assert np.array_equal(picture.rgb, np.broadcast_to(levels[..., :3], (5, 7, 3)))
    assert picture.grey == (levels.shape[2] == 1)
    assert (picture.alpha is not None) == (levels.shape[2] == 4)


def test_uint8_array_is_not_copied(photo):
    assert np.shares_memory(load(photo).rgb, photo)


# --- tensors and files


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_tensor_round_trip(height, width, seed):
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    x = to_tensor(rgb)
    assert x.shape == (1, 3, height, width)
    assert x.dtype == torch.float32
    assert x.is_contiguous()
    assert x[0, 1, -1, 0] == np.float32(rgb[-1, 0, 1]) / np.float32(255)
    assert np.array_equal(from_tensor(x), rgb)


def test_tensor_of_a_view(photo):
    assert torch.equal(to_tensor(photo[::-1, ::2]), to_tensor(photo[::-1, ::2].copy()))


def test_from_tensor_clamps_and_rounds():
    x = torch.tensor([-1.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 2.0]).expand(1, 3, 1, 5)
    assert from_tensor(x)[0, :, 0].tolist() == [0, 0, 1, 255, 255]
    assert from_tensor(x.bfloat16().requires_grad_()).dtype == np.uint8


def test_save_png(tmp_path, photo, image):
    path = tmp_path / "out.png"
    save_png(image, path)
    assert np.array_equal(load(path).rgb, photo)
    assert os.listdir(tmp_path) == ["out.png"]
    with pytest.raises(HfxError, match="cannot write"):
        save_png(image, Path(tmp_path, "missing", "out.png"))


def test_kodak(kodak):
    sizes = {(p.width, p.height) for p in map(load, kodak)}
    assert sizes <= {(768, 512), (512, 768)}
