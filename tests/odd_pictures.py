"""Pictures of every odd kind, made on the spot: what each means, or why it is refused."""

import io
import struct
import zlib
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageCms, ImageOps

# Colours of the primaries as profiles state them: columns X, Y, Z under D50, ICC.1 section 9.2.
SRGB = np.array([[0.4361, 0.2225, 0.0139], [0.3851, 0.7169, 0.0971], [0.1431, 0.0606, 0.7141]])
P3 = np.array([[0.5151, 0.2412, -0.0011], [0.2920, 0.6922, 0.0419], [0.1571, 0.0666, 0.7841]])


@dataclass(frozen=True, eq=False)
class Odd:
    """A file that is a picture.

    Attributes:
        data: The file.
        means: What it shows, (H, W), or (H, W, 2 to 4), uint8: grey or colour, then alpha.
        slack: Grey levels, in the mean, by which a conversion of colours may differ.
        warning: What is said about it, if anything.
        suffix: Of the file's name.
    """

    data: bytes
    means: np.ndarray
    slack: float = 0.0
    warning: str = ""
    suffix: str = ".png"


@dataclass(frozen=True)
class Bad:
    """A file that is none, and words of the line that says so."""

    data: bytes
    cause: str
    suffix: str = ".png"


def encoded(image, format="PNG", **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, depth, colour, *chunks, rows=None):
    """A PNG by hand: colour 0 is grey, 2 RGB, 3 a palette, 4 and 6 with alpha."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = [] if rows is None else [chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join([*chunks, *body])


@cache
def zeros(count):
    """A zlib stream of as many zero bytes, a thousandth of their size; never held in memory."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(min(1 << 20, count - i))) for i in range(0, count, 1 << 20)]
    return b"".join(parts) + packer.flush()


# --- pictures


def odd(photo):
    """Files by name; `photo` is an (H, W, 3) uint8 picture with both sides odd or even."""
    image = Image.fromarray(photo)
    return sizes(photo) | depths(photo) | colours(photo, image) | turned(image) | moving(image)


def sizes(photo):
    shapes = [(1, 1), (1, 41), (41, 1), (3, 17), (63, 65), (64, 64), (65, 63), (67, 1)]
    cuts = {f"{w}x{h}": photo[:h, :w] for h, w in shapes}
    return {name: Odd(encoded(Image.fromarray(cut)), cut) for name, cut in cuts.items()}


def depths(photo):
    deep = (photo[..., 1].astype(np.uint16) << 8) + photo[..., 0]
    wide = np.dstack([deep, deep.T[: deep.shape[0], :1].repeat(deep.shape[1], 1), deep[:, ::-1]])
    bits = np.array(Image.fromarray(photo).convert("1"), np.uint8) * 255
    grey = np.rint(deep / 257).astype(np.uint8)
    unit = Image.fromarray(photo[..., 0].astype(np.float32) / 255)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in wide)
    two = np.array([[170, 0], [255, 255], [255, 255], [170, 0]], np.uint8)  # and which are opaque
    return {
        "16-bit grey": Odd(encoded(Image.fromarray(deep)), grey),
        "16-bit grey TIFF": Odd(encoded(Image.fromarray(deep), "TIFF"), grey, suffix=".tif"),
        # Pillow keeps the upper byte of a colour's two, which is up to a level from rounding
        "16-bit RGB": Odd(
            png(wide.shape[1], wide.shape[0], 16, 2, rows=rows),
            np.rint(wide / 257).astype(np.uint8),
            slack=0.6,
        ),
        "float": Odd(encoded(unit, "TIFF"), photo[..., 0], suffix=".tiff"),
        "1-bit": Odd(encoded(Image.fromarray(photo).convert("1")), bits),
        "2-bit with a transparent grey": Odd(
            png(4, 1, 2, 0, chunk(b"tRNS", b"\0\2"), rows=b"\0\xbe"),
            two[None],
        ),
    }


def colours(photo, image):
    alpha = np.linspace(0, 255, photo[..., 0].size).reshape(photo.shape[:2]).astype(np.uint8)
    rgba = np.dstack([photo, alpha])
    palette = image.quantize(16)
    shown = np.array(palette.convert("RGB"))
    hole = np.where(np.array(palette) == 3, 0, 255).astype(np.uint8)
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    in_lab = ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
    bare = in_lab.copy()
    bare.info = {}
    inks = image.convert("CMYK")
    jpeg = encoded(inks, "JPEG", quality=98)
    small = image.resize((64, 64))
    return {
        "RGBA": Odd(encoded(Image.fromarray(rgba)), rgba),
        "RGBA WebP": Odd(
            encoded(Image.fromarray(rgba), "WEBP", lossless=True, exact=True), rgba, suffix=".webp"
        ),
        "opaque RGBA": Odd(encoded(image.convert("RGBA")), photo),
        "clear": Odd(
            encoded(Image.fromarray(np.dstack([photo, alpha * 0]))), np.dstack([photo, alpha * 0])
        ),
        "palette": Odd(encoded(palette), shown),
        "palette with transparency": Odd(
            encoded(palette, transparency=3), np.dstack([shown, hole])
        ),
        "grey": Odd(encoded(Image.fromarray(alpha)), alpha),
        "CMYK": Odd(encoded(inks, "TIFF"), photo, suffix=".tif"),
        "CMYK JPEG": Odd(jpeg, np.array(Image.open(io.BytesIO(jpeg)).convert("RGB"))),
        "LAB": Odd(encoded(in_lab, "TIFF"), photo, slack=2, suffix=".tif"),
        "LAB without a profile": Odd(encoded(bare, "TIFF"), photo, slack=2, suffix=".tif"),
        "wide gamut": Odd(encoded(image, icc_profile=display_p3()), from_p3(photo), slack=0.5),
        "icon": Odd(encoded(small, "ICO", sizes=[(64, 64)]), np.array(small), suffix=".ico"),
        "PNG called .jpg": Odd(encoded(image), photo, suffix=".jpg"),
    }


def turned(image):
    """EXIF orientations, in PNG and JPEG; Pillow's own transposition says what they mean."""
    found = {}
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for format, suffix in (("PNG", ".png"), ("JPEG", ".jpg")):
            data = encoded(image, format, exif=exif)
            means = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
            found[f"orientation {orientation} {format}"] = Odd(data, means, suffix=suffix)
    return found


def moving(image):
    frames = [image, image.rotate(90), image.rotate(180)]
    found = {}
    for format, suffix in (("GIF", ".gif"), ("WEBP", ".webp"), ("PNG", ".png"), ("TIFF", ".tif")):
        options = {"lossless": True} if format == "WEBP" else {}
        data = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
        means = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
        found[f"animated {format}"] = Odd(
            data, means, warning="several frames; only the first is used", suffix=suffix
        )
    return found


def display_p3():
    """The profile of a telephone's screen: sRGB's with other primaries."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(132, 132 + 12 * int.from_bytes(data[128:132]), 12):
        names = [b"rXYZ", b"gXYZ", b"bXYZ"]
        if bytes(data[at : at + 4]) in names:
            primary = P3[names.index(bytes(data[at : at + 4]))]
            offset = int.from_bytes(data[at + 4 : at + 8])
            fixed = np.rint(primary * 65536).astype(">i4").tobytes()
            data[offset : offset + 20] = b"XYZ " + bytes(4) + fixed
    return bytes(data)


def from_p3(rgb):
    """What a display with P3's primaries shows, in sRGB, out of gamut clipped; IEC 61966-2-1."""
    v = rgb / 255
    linear = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    linear = (linear @ P3 @ np.linalg.inv(SRGB)).clip(0, 1)
    v = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(255 * v).astype(np.uint8)


# --- what is refused


def bad(photo):
    """Files by name."""
    image = Image.fromarray(photo)
    whole, jpeg = encoded(image), encoded(image, "JPEG", quality=95)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    idat = chunk(b"IDAT", zeros(1 << 10))
    text = chunk(b"zTXt", b"k\0\0" + zeros(1 << 22))
    profile = chunk(b"iCCP", b"k\0\0" + zeros(1 << 22))
    unknown = "not a picture in a known format"
    return {
        "empty": Bad(b"", unknown),
        "text called .png": Bad(b"this is no picture\n" * 99, unknown),
        "HEIC": Bad(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(400), unknown, ".heic"),
        "raw of a camera": Bad(b"FUJIFILMCCD-RAW 0201FF383501" + bytes(400), unknown, ".raf"),
        "raw that begins like a TIFF": Bad(
            b"II*\0\x10\0\0\0CR\x02\0" + bytes(400), unknown, ".cr2"
        ),
        "SVG": Bad(b"<svg xmlns='http://www.w3.org/2000/svg'/>", unknown, ".svg"),
        "PostScript": Bad(encoded(image, "EPS"), "EPS", ".eps"),
        "truncated JPEG": Bad(jpeg[: len(jpeg) // 2], "truncated", ".jpg"),
        "truncated PNG": Bad(whole[: len(whole) // 2], "truncated"),
        "damaged PNG": Bad(bytes(flipped), "damaged"),
        "30000x30000 and no data": Bad(png(30_000, 30_000, 8, 2), unknown),
        "30000x30000 and hardly any data": Bad(
            png(30_000, 30_000, 8, 2, idat), "30000 x 30000 pixels, over the limit"
        ),
        "the largest header": Bad(png(2**31 - 1, 2**31 - 1, 16, 6, idat), "over the limit"),
        "zip bomb": Bad(
            png(30_000, 20_000, 1, 0, chunk(b"IDAT", zeros(20_000 * 3751)), chunk(b"IEND", b"")),
            "over the limit",
        ),
        "zip bomb in a comment": Bad(png(1, 1, 8, 0, text, rows=b"\0\0"), "too large"),
        "zip bomb in a profile": Bad(png(1, 1, 8, 0, profile, rows=b"\0\0"), "too large"),
        "floats of no scale": Bad(
            encoded(Image.fromarray(np.array([[-3.0, 1e6]], np.float32)), "TIFF"),
            "unknown scale",
            ".tif",
        ),
    }
