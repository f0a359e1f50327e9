"""Files that are nearly right: valid ones, damaged by chance or forged with a right checksum."""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from PIL import Image

from hfx import bitstream
from hfx.bitstream import NEIGHBOURS, Stream
from hfx.codec import Codec
from hfx.profile import noise

Mutation = Callable[[Generator, Sequence[bytes]], bytes]
SIZES = ((1, 1), (3, 17), (16, 16), (48, 64), (64, 64))  # height, width
CHUNKS = ("z", "y", "escapes_z", "escapes_y", "alpha")


def corpus(codec: Codec) -> list[bytes]:
    """Compress small pictures into valid files: sizes x modes x tiers, and two a neighbour model.

    Those of neighbour models are few because decoding them takes fifty times as long.
    """
    draw = np.random.default_rng(0)
    photo = noise()[100:164, 200:264].astype(np.int16)
    grain = draw.integers(-20, 20, (64, 64, 4))
    plane = np.linspace(0, 255, 64 * 64).reshape(64, 64, 1)
    rgba = np.dstack([photo, plane]) + grain
    pixels = np.clip(rgba, 0, 255).astype(np.uint8)

    def picture(height: int, width: int, mode: str) -> Image.Image:
        return Image.fromarray(pixels[:height, :width]).convert(mode)

    files = [
        codec.compress(picture(*size, mode), tier, neighbours="none")
        for size in SIZES
        for mode in ("RGB", "L", "RGBA", "LA")
        for tier in ("low", "high")
    ]
    for kind in codec.models.kinds():
        if kind != "none":
            files.append(codec.compress(picture(16, 16, "RGB"), "high", neighbours=kind))
            files.append(codec.compress(picture(3, 17, "LA"), "low", neighbours=kind))
    return files


def mutant(files: Sequence[bytes], number: int, seed: int = 0) -> tuple[str, bytes]:
    """Return the kind and the bytes of one mutant; kinds take turns."""
    kind = list(KINDS)[number % len(KINDS)]
    return kind, KINDS[kind](np.random.default_rng([seed, number]), files)


def seal(body: bytes) -> bytes:
    """Close a file with the checksum it needs to be believed."""
    return body + struct.pack("<I", zlib.crc32(body))


# --- damage: what a bad disk or a broken connection does


def bits(draw: Generator, files: Sequence[bytes]) -> bytes:
    """Flip one to eight bits."""
    data = bytearray(pick(draw, files))
    for bit in draw.integers(0, 8 * len(data), draw.integers(1, 9)).tolist():
        data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


def overwritten(draw: Generator, files: Sequence[bytes]) -> bytes:
    """Put zeros, ones or noise in place of a run of bytes."""
    data = bytearray(pick(draw, files))
    start = int(draw.integers(0, len(data)))
    size = min(int(draw.integers(1, 65)), len(data) - start)
    fill = int(draw.integers(0, 4))
    data[start : start + size] = (
        draw.bytes(size) if fill > 1 else (b"\0" if fill else b"\xff") * size
    )
    return bytes(data)


def cut(draw: Generator, files: Sequence[bytes]) -> bytes:
    """Leave off the end."""
    data = pick(draw, files)
    return data[: draw.integers(0, len(data))]


def longer(draw: Generator, files: Sequence[bytes]) -> bytes:
    """Insert a few bytes somewhere."""
    data = pick(draw, files)
    at = int(draw.integers(0, len(data) + 1))
    return data[:at] + draw.bytes(int(draw.integers(1, 17))) + data[at:]


def spliced(draw: Generator, files: Sequence[bytes]) -> bytes:
    """Go on with another file from some place on."""
    first, second = pick(draw, files), pick(draw, files)
    return first[: draw.integers(0, len(first))] + second[draw.integers(0, len(second)) :]


def rubbish(draw: Generator, files: Sequence[bytes]) -> bytes:
    """Return noise, behind as much of a right beginning as chance will have it."""
    data = pick(draw, files)
    return data[: draw.choice([0, 4, 12, 23])] + draw.bytes(int(draw.integers(0, 200)))


# --- forgery: the checksum is right, so everything else is looked at


def sealed(mutation: Mutation) -> Mutation:
    """Do the same to everything before the checksum, and put a right one behind."""

    def forged(draw: Generator, files: Sequence[bytes]) -> bytes:
        return seal(mutation(draw, [file[:-4] for file in files]))

    return forged


def header(draw: Generator, files: Sequence[bytes]) -> bytes:
    """Change one field of the header."""
    stream = read(draw, files)
    head = stream.header
    kind = str(draw.choice(NEIGHBOURS))
    changes = (
        {"width": max(1, head.width + int(draw.integers(-70, 71)))},
        {"height": max(1, head.height + int(draw.integers(-70, 71)))},
        {"level": head.level + int(draw.integers(-3, 4))},
        {"level": int(draw.integers(-(1 << 15), 1 << 15))},
        {"grey": not head.grey},
        {"symbols_crc": int(draw.integers(0, 1 << 32))},
        {"fingerprint": draw.bytes(8)},
        {"neighbours": kind, "neighbours_model": b"" if kind == "none" else draw.bytes(4)},
    )
    change = changes[draw.integers(0, len(changes))]
    return bitstream.write(replace(stream, header=replace(head, **change)))  # type: ignore[arg-type]


def huge(draw: Generator, files: Sequence[bytes]) -> bytes:
    """Claim a picture of up to a terapixel, with the chunks as they are or with none at all."""
    stream = read(draw, files)
    width, height = (int(2.0 ** draw.uniform(0, 20)) for _ in range(2))
    chunks = dict.fromkeys(CHUNKS[:4], b"") if draw.integers(0, 2) else {}
    return bitstream.write(
        replace(stream, header=replace(stream.header, width=width, height=height), **chunks)
    )


def lengths(draw: Generator, files: Sequence[bytes]) -> bytes:
    """State other lengths of chunks, or a number that is none."""
    stream = read(draw, files)
    empty = bitstream.write(replace(stream, **dict.fromkeys(CHUNKS[:4], b""), alpha=None))[:-8]
    given = [len(getattr(stream, name) or b"") for name in CHUNKS]
    given[draw.integers(0, 5)] = int(2.0 ** draw.uniform(0, 35))
    count = 5 if stream.alpha is not None else 4
    body = b"".join(getattr(stream, name) or b"" for name in CHUNKS)
    numbers = b"".join(varint(n) for n in given[:count])
    if draw.integers(0, 4) == 0:
        numbers = draw.bytes(len(numbers))
    flags = empty[12] | (8 if count == 5 else 0)
    return seal(empty[:12] + bytes([flags]) + empty[13:] + numbers + body)


def swapped(draw: Generator, files: Sequence[bytes]) -> bytes:
    """Put some of another file's chunks into one."""
    stream, other = read(draw, files), read(draw, files)
    names = [name for name in CHUNKS if draw.integers(0, 2)]
    return bitstream.write(replace(stream, **{name: getattr(other, name) for name in names}))


def chunk(draw: Generator, files: Sequence[bytes]) -> bytes:
    """Damage one chunk, with lengths and checksum to match."""
    stream = read(draw, files)
    name = str(draw.choice([n for n in CHUNKS if getattr(stream, n) is not None]))
    damage = (bits, overwritten, cut, longer, lambda draw, files: draw.bytes(40))
    mutation = damage[draw.integers(0, len(damage))]
    before = getattr(stream, name) or b"\0"
    return bitstream.write(replace(stream, **{name: mutation(draw, [before])}))


def alpha(draw: Generator, files: Sequence[bytes]) -> bytes:
    """Give a picture transparency of another kind, size or format."""
    stream = read(draw, files)
    size = [(stream.header.width, stream.header.height), (5, 70), (3000, 2000)][
        draw.integers(0, 3)
    ]
    mode = str(draw.choice(["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]))
    file = io.BytesIO()
    Image.new("L", size, 128).convert(mode).save(file, "PNG")
    data = file.getvalue()
    if draw.integers(0, 3) == 0:  # another size in the header than in the data
        at = int(draw.integers(16, 26))
        body = data[12:at] + draw.bytes(1) + data[at + 1 : 29]
        data = data[:12] + body + struct.pack(">I", zlib.crc32(body)) + data[33:]
    elif draw.integers(0, 3) == 0:
        data = (bits, cut, longer)[draw.integers(0, 3)](draw, [data])
    return bitstream.write(replace(stream, alpha=data))


KINDS: dict[str, Mutation] = {
    "bits": bits,
    "bytes": overwritten,
    "cut": cut,
    "longer": longer,
    "spliced": spliced,
    "noise": rubbish,
    "bits, sealed": sealed(bits),
    "bytes, sealed": sealed(overwritten),
    "cut, sealed": sealed(cut),
    "longer, sealed": sealed(longer),
    "spliced, sealed": sealed(spliced),
    "noise, sealed": sealed(rubbish),
    "header": header,
    "huge": huge,
    "lengths": lengths,
    "swapped": swapped,
    "chunk": chunk,
    "alpha": alpha,
}


def pick(draw: Generator, files: Sequence[bytes]) -> bytes:
    """Return one of the files."""
    return files[draw.integers(0, len(files))]


def read(draw: Generator, files: Sequence[bytes]) -> Stream:
    """Return one of the files, taken apart."""
    return bitstream.read(pick(draw, files))


def varint(value: int) -> bytes:
    """LEB128, however large the number."""
    parts = []
    while True:
        parts.append(value & 127)
        value >>= 7
        if not value:
            return bytes([*(part | 128 for part in parts[:-1]), parts[-1]])
