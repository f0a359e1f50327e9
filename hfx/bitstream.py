"""The `.hfx` container: bytes only, no model, no arrays.

Little-endian throughout; a varint is LEB128 (seven bits a byte, low bits first).

    3   magic "HFX"
    1   version
    8   fingerprint of the model that wrote the file
    1   flags: bits 0-1 neighbour model, bit 2 grey, bit 3 alpha, others 0
    2   quality level, signed, in 1/256 of a tier
    4   CRC32 of the decoded symbols
    4   fingerprint of the neighbour model, where one is used
    v   width, height in pixels
    v   lengths of the chunks: z, y, their escapes, and alpha where bit 3 is set
    n   the chunks, in that order
    4   CRC32 of everything before it

About 33 bytes beside the chunks, 4 more with a neighbour model. The two CRCs answer different
questions: the last one whether the file arrived whole, the first one whether this machine decoded
what the other encoded.
"""

import struct
import zlib
from dataclasses import dataclass

from hfx.errors import BitstreamError

MAGIC = b"HFX"
VERSION = 1
NEIGHBOURS = ("none", "knn", "xgb")  # the index is the number in the file
MAX_SIDE = 16 * 65535  # pixels: 65535 latents a side
MAX_PIXELS = 120_000_000  # a file asking for more is refused before anything is allocated

_FIXED = struct.Struct("<3sB8sBhI")  # magic, version, fingerprint, flags, level, symbols CRC
_CRC = struct.Struct("<I")
_KIND, _GREY, _ALPHA = 0b0011, 0b0100, 0b1000
_FLAGS = _KIND | _GREY | _ALPHA
_MODEL = 4  # bytes of a neighbour model's fingerprint


@dataclass(frozen=True)
class Header:
    """What a decoder must know before it meets the first symbol."""

    width: int  # pixels, 1 to MAX_SIDE
    height: int
    level: int  # quality in 1/256 of a tier, -32768 to 32767
    fingerprint: bytes  # 8 bytes: which weights
    neighbours: str  # one of NEIGHBOURS
    grey: bool  # the picture has one channel
    symbols_crc: int  # CRC32 of the symbols, before encoding and after decoding
    neighbours_model: bytes = b""  # 4 bytes: which neighbour model; empty for "none"


@dataclass(frozen=True)
class Stream:
    """A whole `.hfx` file, taken apart."""

    header: Header
    z: bytes
    y: bytes
    escapes_z: bytes  # the rare symbols outside their table
    escapes_y: bytes
    alpha: bytes | None  # None: the picture is opaque


def write(stream: Stream) -> bytes:
    """Assemble a file that `read` takes apart into an equal `stream`.

    Raises:
        BitstreamError: for a header that the format cannot hold.
    """
    header = stream.header
    if not (0 < header.width <= MAX_SIDE and 0 < header.height <= MAX_SIDE):
        raise BitstreamError(
            f"a picture of {header.width} x {header.height} pixels does not fit an .hfx file; "
            f"each side takes 1 to {MAX_SIDE}"
        )
    if header.neighbours not in NEIGHBOURS:
        raise BitstreamError(
            f"no neighbour model {header.neighbours!r}; use one of {', '.join(NEIGHBOURS)}"
        )
    if len(header.fingerprint) != 8:
        raise BitstreamError(f"a fingerprint has 8 bytes, not {len(header.fingerprint)}")
    if len(header.neighbours_model) != (0 if header.neighbours == "none" else _MODEL):
        raise BitstreamError(f"the model {header.neighbours!r} needs a fingerprint of its own")

    flags = NEIGHBOURS.index(header.neighbours)
    flags |= _GREY * header.grey | _ALPHA * (stream.alpha is not None)
    try:
        fixed = _FIXED.pack(
            MAGIC, VERSION, header.fingerprint, flags, header.level, header.symbols_crc
        )
    except struct.error as error:
        raise BitstreamError(f"a field does not fit the .hfx header: {error}") from error

    chunks = [stream.z, stream.y, stream.escapes_z, stream.escapes_y]
    if stream.alpha is not None:
        chunks.append(stream.alpha)

    sizes = [header.width, header.height, *map(len, chunks)]
    body = b"".join([fixed, header.neighbours_model, *map(_varint, sizes), *chunks])
    return body + _CRC.pack(zlib.crc32(body))


def read(data: bytes, max_pixels: int = MAX_PIXELS) -> Stream:
    """Take apart what `write` assembled, trusting nothing: `data` may come from anywhere.

    Nothing is allocated by the sizes that a file claims, only slices of `data`.

    Raises:
        BitstreamError: naming the first cause found, in this order: not an `.hfx` file, a newer
            version, truncated, damaged, impossible sizes, trailing bytes.
    """
    data = bytes(data)
    if len(data) <= len(MAGIC):
        raise BitstreamError(f"too short to be an .hfx file: {len(data)} bytes")
    if not data.startswith(MAGIC):
        raise BitstreamError("not an .hfx file: it does not start with the letters HFX")
    if data[3] > VERSION:
        raise BitstreamError(f"written by a newer hfx: version {data[3]}; upgrade hfx")
    if data[3] < VERSION:
        raise BitstreamError(f"unknown .hfx version {data[3]}; encode the picture again")
    if len(data) < _FIXED.size:
        raise _truncated(_FIXED.size, len(data))

    _, _, fingerprint, flags, level, symbols_crc = _FIXED.unpack_from(data)
    at = _FIXED.size + (_MODEL if flags & _KIND else 0)
    model = data[_FIXED.size : at]
    width, at = _read_varint(data, at)
    height, at = _read_varint(data, at)
    sizes = []
    for _ in range(5 if flags & _ALPHA else 4):
        size, at = _read_varint(data, at)
        sizes.append(size)

    end = at + sum(sizes)
    if end + _CRC.size > len(data):
        raise _truncated(end + _CRC.size, len(data))
    if zlib.crc32(memoryview(data)[:end]) != _CRC.unpack_from(data, end)[0]:
        raise _damaged("its checksum does not match")
    # From here on the file is as it was written, so what is wrong now was wrong then.
    if flags & ~_FLAGS or flags & _KIND >= len(NEIGHBOURS):
        raise _damaged(f"unknown flags {flags:#04x}")
    _check_size(width, height, max_pixels)
    if end + _CRC.size < len(data):
        extra = len(data) - end - _CRC.size
        raise BitstreamError(f"damaged .hfx file: {extra} trailing bytes after its end")

    chunks = []
    for size in sizes:
        chunks.append(data[at : at + size])
        at += size

    kind = NEIGHBOURS[flags & _KIND]
    grey = bool(flags & _GREY)
    header = Header(width, height, level, fingerprint, kind, grey, symbols_crc, model)
    z, y, escapes_z, escapes_y = chunks[:4]
    return Stream(header, z, y, escapes_z, escapes_y, chunks[4] if flags & _ALPHA else None)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    """Refuse sizes that no picture has, or that this reader does not want."""
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise BitstreamError(f"impossible picture size: {width} x {height} pixels")
    if width * height > max_pixels:
        raise BitstreamError(
            f"the picture has {width} x {height} pixels, over the limit of {max_pixels}; "
            "raise max_pixels if you trust the file"
        )


def _varint(value: int) -> bytes:
    """LEB128 of an integer that is not negative."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The integer at offset `at`, and the offset behind it."""
    value = 0
    for i in range(5):  # 35 bits: more than any length or side
        if at + i >= len(data):
            raise _truncated(at + i + 1, len(data))
        byte = data[at + i]
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            if byte == 0 and i > 0:  # one spelling a number, so that one stream is one file
                break
            return value, at + i + 1
    raise _damaged("malformed length")


def _truncated(expected: int, found: int) -> BitstreamError:
    return BitstreamError(
        f"truncated .hfx file: {found} bytes of at least {expected}; fetch or copy it again"
    )


def _damaged(cause: str) -> BitstreamError:
    return BitstreamError(f"damaged .hfx file: {cause}; fetch or copy it again")
