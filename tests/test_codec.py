"""A picture to bytes and back: same symbols, same sizes, and nothing bad gets through."""

import io
import os
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hfx import bitstream, image
from hfx.codec import Codec, load
from hfx.entropy.likelihood import gaussian_bits, logistic_bits
from hfx.entropy.scales import scale_table
from hfx.errors import BitstreamError, HfxError, WeightsError
from hfx.prior import Prior

SIZES = [(1, 1), (1, 2), (2, 1), (7, 5), (16, 16), (63, 65), (64, 64), (129, 3), (200, 70)]
TIERS = ("low", "medium", "high")


def symbols(codec, source, level):
    """What is encoded, and what is decoded again."""
    analysis = codec.analyse(image.load(source))
    latents = codec.quantize(analysis, level)
    data = codec.write(analysis, latents)
    return data, latents, codec.read(bitstream.read(data))


def png(picture, **options):
    file = io.BytesIO()
    picture.save(file, options.pop("format", "PNG"), **options)
    return file.getvalue()


# --- round trips


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_size(tiny_codec, portrait, size):
    picture = portrait[100 : 100 + size[0], 60 : 60 + size[1]]
    decoded = tiny_codec.decompress(tiny_codec.compress(picture))
    assert decoded.mode == "RGB" and decoded.size == size[::-1]
    if min(size) >= 16:
        assert np.abs(np.asarray(decoded, float) - picture).mean() < 25


@pytest.mark.parametrize("level", [-171, 0, 300, 683])
def test_decoded_symbols_are_the_encoded_ones(tiny_codec, portrait, level):
    _, encoded, decoded = symbols(tiny_codec, portrait[:130, :200], level)
    assert encoded.y.any() and encoded.z.any()
    for name in ("z", "y", "mu", "index"):
        np.testing.assert_array_equal(getattr(decoded, name), getattr(encoded, name))
    assert encoded.level == decoded.level == level


def test_better_tiers_are_larger_and_nearer(tiny_codec, portrait):
    picture = portrait[:256, 100:356]
    files = [tiny_codec.compress(picture, tier) for tier in TIERS]
    lengths = [len(data) for data in files]
    errors = [
        np.square(np.asarray(tiny_codec.decompress(data), float) - picture).mean()
        for data in files
    ]
    assert lengths == sorted(set(lengths))
    assert errors == sorted(errors, reverse=True) and errors[-1] < 150


def test_compressing_twice_gives_the_same_bytes(tiny_codec, photo):
    assert tiny_codec.compress(photo) == tiny_codec.compress(photo.copy())


def test_large_values_are_escaped_and_survive(tiny_codec, photo):
    analysis = tiny_codec.analyse(image.load(photo))
    analysis = replace(analysis, y=analysis.y.clone())  # no longer an inference tensor
    analysis.y[0, 3, 2, 1] = 1e9
    analysis.y[0, 5] *= -3000
    latents = tiny_codec.quantize(analysis, 256)
    stream = bitstream.read(tiny_codec.write(analysis, latents))
    assert len(stream.escapes_y) > 0
    np.testing.assert_array_equal(tiny_codec.read(stream).y, latents.y)


# --- kinds of pictures


def test_grey_stays_grey(tiny_codec, photo):
    grey = Image.fromarray(photo).convert("L")
    decoded = tiny_codec.decompress(tiny_codec.compress(grey, "high"))
    assert decoded.mode == "L" and decoded.size == grey.size
    assert np.abs(np.asarray(decoded, float) - np.asarray(grey)).mean() < 20


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_kept_without_loss(tiny_codec, photo, mode):
    alpha = np.random.default_rng(0).integers(0, 256, photo.shape[:2], np.uint8)
    picture = Image.fromarray(photo).convert(mode[:-1])
    picture.putalpha(Image.fromarray(alpha))
    decoded = tiny_codec.decompress(tiny_codec.compress(picture, "low"))
    assert decoded.mode == mode
    np.testing.assert_array_equal(np.asarray(decoded.getchannel("A")), alpha)


def test_opaque_alpha_costs_nothing(tiny_codec, photo):
    opaque = Image.fromarray(photo).convert("RGBA")
    assert tiny_codec.compress(opaque) == tiny_codec.compress(photo)


def test_other_kinds_are_what_they_show(tiny_codec, photo):
    picture = Image.fromarray(photo)
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    sixteen = Image.fromarray(photo[..., 0].astype(np.uint16) * 257)
    for data, mode, size in (
        (png(picture.convert("P")), "RGB", (128, 96)),
        (png(picture.convert("1", dither=Image.Dither.NONE)), "L", (128, 96)),
        (png(sixteen), "L", (128, 96)),
        (png(picture.convert("CMYK"), format="TIFF"), "RGB", (128, 96)),
        (png(picture, format="JPEG", exif=exif), "RGB", (96, 128)),
    ):
        decoded = tiny_codec.decompress(tiny_codec.compress(data))
        assert (decoded.mode, decoded.size) == (mode, size)
        shown = image.to_pil(image.load(data)).convert(mode)
        assert np.abs(np.asarray(decoded, float) - np.asarray(shown)).mean() < 60


# --- rates


@pytest.mark.parametrize("tier", TIERS)
def test_true_rate_is_the_estimate(tiny_codec, portrait, tier):
    data, latents, _ = symbols(tiny_codec, portrait, TIERS.index(tier) * 256)
    table = torch.from_numpy(scale_table())
    index_z = tiny_codec.weights.prior.expect_z(latents.level, latents.z.shape[1:])
    sigma_y, sigma_z = (table[torch.tensor(i.astype(int))] for i in (latents.index, index_z))
    bits = gaussian_bits(torch.from_numpy(latents.y).double(), sigma_y).sum()
    bits += logistic_bits(torch.from_numpy(latents.z).double(), sigma_z).sum()
    stream = bitstream.read(data)
    chunks = stream.z, stream.y, stream.escapes_z, stream.escapes_y
    container = len(data) - sum(map(len, chunks))
    assert 8 * len(data) == pytest.approx(float(bits) + 8 * container, rel=0.02)
    assert container <= 40


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.7])
def test_targets(tiny_codec, portrait, factor):
    picture = portrait[:200, :300]
    medium = len(tiny_codec.compress(picture))
    bound = round(factor * medium)
    within = tiny_codec.compress(picture, target_bytes=bound)
    assert 0.97 * bound <= len(within) <= bound
    bpp = 8 * bound / (200 * 300)
    near = tiny_codec.compress(picture, target_bpp=bpp)
    assert 8 * len(near) / (200 * 300) == pytest.approx(bpp, rel=0.03)


def test_impossible_target(tiny_codec, photo):
    with pytest.raises(HfxError, match="smallest file"):
        tiny_codec.compress(photo, target_bytes=30)


# --- bad files


@pytest.fixture(scope="module")
def small(tiny_codec, photo):
    return tiny_codec.compress(photo[:20, :30], "low")


def refused(codec, data, cause=None):
    with pytest.raises(BitstreamError, match=cause) as caught:
        codec.decompress(data)
    assert "\n" not in str(caught.value)


def test_every_flipped_bit_is_noticed(tiny_codec, small):
    for bit in range(8 * len(small)):
        damaged = bytearray(small)
        damaged[bit // 8] ^= 1 << bit % 8
        refused(tiny_codec, bytes(damaged))


def test_every_truncation_is_noticed(tiny_codec, small):
    for size in range(len(small)):
        refused(tiny_codec, small[:size], "truncated" if size > 3 else "too short")


def test_wrong_files_are_named(tiny_codec, small, photo):
    refused(tiny_codec, png(Image.fromarray(photo)), "not an .hfx file")
    refused(tiny_codec, small[:3] + b"\x09" + small[4:], "version 9")
    refused(tiny_codec, small + b"x", "trailing")


def test_other_weights_are_noticed(tiny_codec, small):
    other = replace(tiny_codec.weights, fingerprint=b"another!")
    refused(Codec(other), small, "other weights")


def test_a_file_of_an_earlier_release_names_the_version_that_reads_it(tiny_codec, photo):
    header = bitstream.read(tiny_codec.compress(photo)).header
    old = replace(header, fingerprint=bytes.fromhex("d849c2b1cc40c6bc"))  # of version 1.0.0
    stream = replace(bitstream.read(tiny_codec.compress(photo)), header=old)
    refused(tiny_codec, bitstream.write(stream), "hfx 1.0.0 reads it.*hfx==1.0.0")


@pytest.mark.parametrize(
    ("header", "cause"),
    [
        ({"level": 32767}, "impossible quality"),
        ({"level": -32768}, "impossible quality"),
        ({"level": 120}, None),
        ({"neighbours": "knn", "neighbours_model": b"knn!"}, "neighbour model"),
        ({"width": 300}, None),
        ({"symbols_crc": 1}, "symbols differ"),
    ],
)
def test_well_sealed_lies_are_noticed(tiny_codec, small, header, cause):
    stream = bitstream.read(small)
    data = bitstream.write(replace(stream, header=replace(stream.header, **header)))
    refused(tiny_codec, data, cause)


@pytest.mark.parametrize("chunk", ["z", "y", "escapes_z", "escapes_y"])
@pytest.mark.parametrize("value", [b"", b"\x00" * 9, b"\xff" * 40])
def test_well_sealed_garbage_is_noticed(tiny_codec, small, chunk, value):
    stream = bitstream.read(small)
    if getattr(stream, chunk) != value:
        refused(tiny_codec, bitstream.write(replace(stream, **{chunk: value})))


def test_alpha_must_be_a_plane_of_the_picture(tiny_codec, small):
    stream = bitstream.read(small)
    wrong_size = png(Image.new("L", (20, 30)))
    jpeg = png(Image.new("L", (30, 20)), format="JPEG")
    huge = png(Image.new("L", (4000, 4000)))
    for alpha in (b"", b"\x89PNG garbage", wrong_size, jpeg, huge):
        refused(tiny_codec, bitstream.write(replace(stream, alpha=alpha)), "alpha plane")


def test_pixel_limit(tiny_codec, small):
    with pytest.raises(BitstreamError, match="over the limit"):
        tiny_codec.decompress(small, max_pixels=599)
    assert tiny_codec.decompress(small, max_pixels=600).size == (30, 20)


def test_missing_weights(tmp_path):
    with pytest.raises(WeightsError):
        load(tmp_path / "none.safetensors")


# --- other machines

DECODE = """
import sys, zlib
import torch
torch.set_num_threads(int(sys.argv[1]))
from hfx import bitstream
from hfx.codec import load
latents = load(sys.argv[2]).read(bitstream.read(open(sys.argv[3], "rb").read()))
print(latents.crc, zlib.crc32(latents.mu.tobytes()), zlib.crc32(latents.index.tobytes()))
"""
PLAIN = {
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "COMPATIBLE",
    "ATEN_CPU_CAPABILITY": "default",
    "OMP_NUM_THREADS": "1",
}


@pytest.mark.parametrize(
    ("threads", "settings"),
    [("1", PLAIN), ("2", PLAIN | {"ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "2"})],
)
def test_another_process_decodes_the_same_symbols(
    tiny_codec, tiny_file, portrait, tmp_path, threads, settings
):
    data, latents, _ = symbols(tiny_codec, portrait[:300, :200], 256)
    path = tmp_path / "a.hfx"
    path.write_bytes(data)
    run = subprocess.run(
        [sys.executable, "-c", DECODE, threads, str(tiny_file), str(path)],
        env=os.environ | settings, cwd=Path(__file__).parents[1],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    want = latents.crc, zlib.crc32(latents.mu.tobytes()), zlib.crc32(latents.index.tobytes())
    assert run.stdout.split() == [str(number) for number in want]


def test_what_would_go_wrong_is_loud(tiny_codec, small, monkeypatch):
    """A prior that is off by one table in one place garbles the rest: the file says so."""
    honest = Prior.expect_y

    def off(self, z, level, tile=32):
        mu, index = honest(self, z, level, tile)
        index = index.copy()
        index[0, 0, 0] ^= 1
        return mu, index

    monkeypatch.setattr(Prior, "expect_y", off)
    refused(tiny_codec, small)
