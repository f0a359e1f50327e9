"""The container: what is written is read, and anything else is refused with its cause."""

import struct
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfx.bitstream import MAX_PIXELS, MAX_SIDE, NEIGHBOURS, Header, Stream, read, write
from hfx.errors import BitstreamError

HEADER = Header(
    768, 512, 256, b"\x01\x02\x03\x04\x05\x06\x07\x08", "xgb", False, 0xDEADBEEF, b"tree"
)
STREAM = Stream(HEADER, b"hyper", b"the latents themselves", b"!", b"", None)
GOLDEN = bytes.fromhex(
    "48465801010203040506070802"  # magic, version, fingerprint, flags
    "0001efbeadde"  # level, symbols CRC
    "74726565"  # fingerprint of the neighbour model
    "80068004"  # width, height
    "05160100"  # lengths
    "6879706572746865206c6174656e7473207468656d73656c76657321"  # z, y, escapes
    "0ae97d99"  # CRC
)


def headers_of(kind):
    return st.builds(
        Header,
        width=st.integers(1, 10_000),
        height=st.integers(1, 10_000),
        level=st.integers(-32768, 32767),
        fingerprint=st.binary(min_size=8, max_size=8),
        neighbours=st.just(kind),
        grey=st.booleans(),
        symbols_crc=st.integers(0, 2**32 - 1),
        neighbours_model=st.just(b"") if kind == "none" else st.binary(min_size=4, max_size=4),
    )


headers = st.sampled_from(NEIGHBOURS).flatmap(headers_of)
chunks = st.binary(max_size=400)
streams = st.builds(Stream, headers, chunks, chunks, chunks, chunks, st.none() | chunks)


def seal(body: bytes) -> bytes:
    """A file with a right checksum, so that what is wrong inside must be found by itself."""
    return body + struct.pack("<I", zlib.crc32(body))


@given(streams)
def test_round_trip(stream):
    assert read(write(stream)) == stream


@given(streams)
def test_overhead_is_small(stream):
    chunks = [stream.z, stream.y, stream.escapes_z, stream.escapes_y, stream.alpha or b""]
    payload = sum(map(len, chunks))
    assert len(write(stream)) - payload <= 23 + 4 + 2 * 2 + 5 * 2 + 4


@given(streams, st.binary(min_size=4, max_size=4))
def test_a_neighbour_model_takes_four_bytes(stream, model):
    def size(**change):
        return len(write(replace(stream, header=replace(stream.header, **change))))

    none = size(neighbours="none", neighbours_model=b"")
    for kind in NEIGHBOURS[1:]:
        assert size(neighbours=kind, neighbours_model=model) == none + 4


def test_golden_bytes():
    assert write(STREAM) == GOLDEN
    assert len(GOLDEN) - len(STREAM.z + STREAM.y + STREAM.escapes_z) == 31 + 4


@pytest.mark.parametrize("alpha", [None, b"", b"opaque"])
def test_empty_alpha_is_not_no_alpha(alpha):
    assert read(write(replace(STREAM, alpha=alpha))).alpha == alpha


def test_accepts_any_buffer():
    assert read(bytearray(GOLDEN)) == read(memoryview(GOLDEN)) == STREAM


@pytest.mark.parametrize("alpha", [None, b"alpha"])
def test_every_flipped_bit_is_noticed(alpha):
    data = write(replace(STREAM, alpha=alpha))
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError) as caught:
            read(bytes(damaged))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("alpha", [None, b"alpha"])
def test_every_truncation_is_noticed_and_named(alpha):
    data = write(replace(STREAM, alpha=alpha))
    for size in range(len(data)):
        with pytest.raises(BitstreamError, match="truncated" if size > 3 else "too short"):
            read(data[:size])


@given(st.binary(max_size=200))
def test_noise_is_refused(noise):
    for data in (noise, b"HFX" + noise, b"HFX\x01" + noise):
        with pytest.raises(BitstreamError):
            read(data)


@given(st.binary(max_size=60))
def test_sealed_noise_is_refused_or_reads_back_the_same(noise):
    data = seal(b"HFX\x01" + noise)
    try:
        stream = read(data)
    except BitstreamError:
        return
    assert write(stream) == data


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "too short"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "not an .hfx file"),
        (b"HFX\x02" + bytes(40), "newer hfx: version 2; upgrade"),
        (b"HFX\xff", "newer hfx: version 255"),
        (b"HFX\x00" + bytes(40), "unknown .hfx version 0"),
        (GOLDEN[:-1], "truncated"),
        (GOLDEN[:-1] + b"\x00", "damaged .*checksum"),
        (GOLDEN + b"\x00", "1 trailing bytes"),
        (GOLDEN + GOLDEN, "trailing bytes"),
        (seal(GOLDEN[:12] + b"\x03" + GOLDEN[13:-4]), "unknown flags"),
        (seal(GOLDEN[:12] + b"\x12" + GOLDEN[13:-4]), "unknown flags"),
        (seal(GOLDEN[:23] + b"\x00" + GOLDEN[25:-4]), "impossible picture size: 0 x 512"),
        (seal(GOLDEN[:23] + b"\xff\xff\x7f" + GOLDEN[25:-4]), "impossible picture size"),
        (seal(GOLDEN[:23] + b"\x80\x00" + GOLDEN[25:-4]), "malformed length"),
        (seal(GOLDEN[:23] + b"\xff" * 9), "malformed length"),
    ],
)
def test_names_the_cause(data, cause):
    with pytest.raises(BitstreamError, match=cause):
        read(data)


def test_limits_pixels():
    big = write(replace(STREAM, header=replace(HEADER, width=MAX_SIDE, height=MAX_SIDE)))
    with pytest.raises(BitstreamError, match=f"over the limit of {MAX_PIXELS}"):
        read(big)
    assert read(big, max_pixels=MAX_SIDE**2).header.width == MAX_SIDE
    assert read(GOLDEN, max_pixels=768 * 512) == STREAM
    with pytest.raises(BitstreamError, match="over the limit"):
        read(GOLDEN, max_pixels=768 * 512 - 1)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0},
        {"height": MAX_SIDE + 1},
        {"level": 32768},
        {"fingerprint": b"short"},
        {"neighbours": "forest"},
        {"symbols_crc": -1},
        {"neighbours_model": b""},
        {"neighbours_model": b"new"},
        {"neighbours_model": b"trees"},
        {"neighbours": "none"},
    ],
)
def test_writes_no_file_that_cannot_be_read(change):
    with pytest.raises(BitstreamError):
        write(replace(STREAM, header=replace(HEADER, **change)))
