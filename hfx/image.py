"""Pictures: files, Pillow images and arrays <-> one canonical form, 8-bit sRGB.

Everything that varies from file to file ends here: orientation, colour profile, palette, bit
depth, transparency. Conversion runs over strips of rows, so that beside the decoded file and the
result nothing of the picture's size is ever held.
"""

import io
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from hfx.bitstream import MAX_PIXELS
from hfx.errors import ImageError
from hfx.files import atomic
from hfx.icc import GREY_MODES, to_srgb

Source = Path | str | bytes | Image.Image | np.ndarray

_STRIP = 4_000_000  # pixels converted at a time
_OPENING = threading.Lock()
# What Pillow knows by name only, or hands to Ghostscript: no stranger's file starts a program.
_NOT_DRAWN = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
_GREYS = {"L;2": 85, "L;4": 17}  # the steps between the greys of 2 and of 4 bits
# What undoes each EXIF orientation, as (transpose, flip vertically, flip horizontally).
_UPRIGHT = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as the codec sees it.

    Shapes:
        rgb: (H, W, 3) uint8, sRGB; three equal channels where `grey`.
        alpha: (H, W) uint8, or None where the picture is opaque.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    grey: bool  # the source had no colour, and the decoded picture is to have none

    @property
    def height(self) -> int:
        return int(self.rgb.shape[0])

    @property
    def width(self) -> int:
        return int(self.rgb.shape[1])


# --- in


def load(source: Source, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture upright, in sRGB, 8 bits a channel; of an animation, the first frame.

    Arrays are (H, W), (H, W, 1), (H, W, 3) or (H, W, 4): uint8, uint16, or floats in [0, 1];
    a uint8 (H, W, 3) array is not copied. Warns of further frames and of broken profiles.

    Raises:
        ImageError: for what is missing, damaged, empty, or larger than `max_pixels`.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)

    name = str(source) if isinstance(source, Path | str) else "the image"
    try:
        if isinstance(source, Image.Image):
            return _decode(source, name, max_pixels)
        with _open(source) as image:
            return _decode(image, name, max_pixels)
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is not a picture in a known format; convert it to PNG first"
        ) from error
    except Exception as error:  # Pillow's readers fail in many ways on a hostile file
        # An errno means that the file system spoke; without one it was the decoder.
        if isinstance(error, OSError) and error.errno:
            raise ImageError(f"cannot read {name}: {error.strerror}; check the path") from error
        cause = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(
            f"cannot read {name}: damaged or truncated ({cause}); fetch or copy it again"
        ) from error


def to_tensor(rgb: np.ndarray) -> torch.Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) float32 in [0, 1]."""
    x = rgb.transpose(2, 0, 1)[None].astype(np.float32, order="C")  # (1, 3, H, W)
    return torch.from_numpy(x).div_(255)


# --- out


def to_pil(picture: Picture) -> Image.Image:
    """A Pillow image of mode L, LA, RGB or RGBA, as the picture has colour and alpha or not."""
    rgb = picture.rgb
    image = Image.fromarray(np.ascontiguousarray(rgb[..., 0] if picture.grey else rgb))
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))  # L -> LA, RGB -> RGBA
    return image


def from_tensor(x: torch.Tensor) -> np.ndarray:
    """(1, 3, H, W), any float type -> (H, W, 3) uint8, clamped to [0, 1] and rounded."""
    rgb = np.empty((*x.shape[2:], 3), np.uint8)
    for rows in _strips(*x.shape[2:]):
        strip = x[0, :, rows].detach().float().clamp(0, 1).mul(255).round()  # (3, h, W)
        rgb[rows] = strip.to("cpu", torch.uint8).permute(1, 2, 0).numpy()
    return rgb


def save_png(image: Image.Image, path: Path) -> None:
    """Write a PNG that appears whole or not at all; raises HfxError where it cannot."""
    with atomic(path) as temporary:
        image.save(temporary, format="PNG")


# --- Pillow


def _open(source: Path | str | bytes) -> Image.Image:
    """Read a file's header; Pillow's own size limit is global, so it is lifted only meanwhile."""
    with _OPENING:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _decode(image: Image.Image, name: str, max_pixels: int) -> Picture:
    """Decode an opened image and bring it into canonical form."""
    if image.format in _NOT_DRAWN:
        raise ImageError(
            f"{name} is {image.format}, which hfx cannot draw; convert it to PNG first"
        )
    _check_size(*image.size, name, max_pixels)
    # Telephones write MPO, a JPEG with a second picture for depth or brightness: no animation.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        warnings.warn(f"{name} has several frames; only the first is used", stacklevel=3)
    clear = _transparency(image)
    image.load()

    profile = to_srgb(image, name)
    upright = _UPRIGHT.get(_orientation(image))
    grey = image.mode in GREY_MODES
    full_scale = _full_scale(image, name)

    rgb = np.empty((image.height, image.width, 3), np.uint8)
    alpha = np.empty((image.height, image.width), np.uint8) if _has_alpha(image) else None
    for rows in _strips(image.height, image.width):
        strip = image.crop((0, rows.start, image.width, rows.stop))
        if full_scale is not None:
            levels = np.asarray(strip)
            if alpha is not None:  # a PNG may name one grey level as the transparent one
                alpha[rows] = np.where(levels == image.info["transparency"], 0, 255)
            strip = Image.fromarray(_to_8_bit(levels, full_scale))
        elif alpha is not None:
            if clear is not None:
                strip.info["transparency"] = clear
            strip = strip.convert("RGBA")
            alpha[rows] = np.asarray(strip.getchannel("A"))
        colour = profile(strip) if profile else strip.convert("RGB")
        rgb[rows] = np.asarray(colour.convert("L"))[..., None] if grey else np.asarray(colour)

    if upright is not None:
        rgb = _turn(rgb, *upright)
        alpha = None if alpha is None else _turn(alpha, *upright)
    return _picture(rgb, alpha, grey)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # broken EXIF costs the orientation, not the picture
        return 1


def _turn(a: np.ndarray, transpose: bool, vertical: bool, horizontal: bool) -> np.ndarray:
    a = a.swapaxes(0, 1) if transpose else a
    return np.ascontiguousarray(a[:: -1 if vertical else 1, :: -1 if horizontal else 1])


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info


def _transparency(image: Image.Image) -> int | None:
    """The transparent grey of a PNG of 2 or 4 bits, which Pillow leaves at the file's depth."""
    tile = getattr(image, "tile", None) if image.format == "PNG" else None
    raw = tile[0].args if tile else None
    level = image.info.get("transparency")
    return level * _GREYS[raw] if raw in _GREYS and isinstance(level, int) else None


def _full_scale(image: Image.Image, name: str) -> float | None:
    """White, for the grey modes that are not 8 bits deep; None for all others.

    Integers are taken as 16 bits deep. Floats do not say: 1, 255 or 65535, the first that fits.
    """
    if image.mode not in GREY_MODES or image.mode in ("1", "L", "LA"):
        return None
    if image.mode != "F":
        return 65535.0
    low, high = cast(tuple[float, float], image.getextrema())
    for white in (1.0, 255.0, 65535.0):
        if low >= 0 and high <= white:
            return white
    raise ImageError(f"{name} holds floats of unknown scale; scale them to 0 to 1 first")


# --- arrays


def _from_array(a: np.ndarray, max_pixels: int) -> Picture:
    if a.ndim == 2:
        a = a[..., None]
    if a.ndim != 3 or a.shape[2] not in (1, 3, 4):
        raise ImageError(
            f"an array of shape {a.shape} is no picture; "
            "pass (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
        )
    height, width, channels = a.shape
    _check_size(width, height, "the array", max_pixels)
    if a.dtype == np.uint8:
        full_scale = 255.0
    elif a.dtype in (np.dtype("<u2"), np.dtype(">u2")):
        full_scale = 65535.0
    elif np.issubdtype(a.dtype, np.floating):
        full_scale = 1.0
        # Written so that NaN fails it too; the slack is a quarter of a grey level.
        if not (a.min() >= -1e-3 and a.max() <= 1 + 1e-3):
            raise ImageError("a float array must hold values in 0 to 1; divide it by its white")
    else:
        raise ImageError(f"an array of {a.dtype} is no picture; pass uint8, uint16 or floats")

    if full_scale == 255 and channels == 3:
        return _picture(np.ascontiguousarray(a), None, grey=False)
    rgb = np.empty((height, width, 3), np.uint8)
    alpha = np.empty((height, width), np.uint8) if channels == 4 else None
    for rows in _strips(height, width):
        strip = _to_8_bit(a[rows], full_scale)
        rgb[rows] = strip[..., :3]  # one channel spreads over three
        if alpha is not None:
            alpha[rows] = strip[..., 3]
    return _picture(rgb, alpha, grey=channels == 1)


def _to_8_bit(values: np.ndarray, full_scale: float) -> np.ndarray:
    """Rescale [0, full_scale] to uint8, rounded to nearest; what lies outside is clipped."""
    if values.dtype == np.uint8:
        return values
    if np.issubdtype(values.dtype, np.floating):
        unit = np.clip(np.nan_to_num(values) / full_scale, 0, 1)  # "no data" is black
        return np.rint(unit * 255).astype(np.uint8)
    clipped = np.clip(values, 0, 65535).astype(np.uint32)
    return ((clipped * 255 + 32767) // 65535).astype(np.uint8)


# --- shared


def _picture(rgb: np.ndarray, alpha: np.ndarray | None, grey: bool) -> Picture:
    opaque = alpha is None or bool((alpha == 255).all())
    return Picture(rgb, None if opaque else alpha, grey)


def _check_size(width: int, height: int, name: str, max_pixels: int) -> None:
    if width * height == 0:
        raise ImageError(f"{name} is empty: {width} x {height} pixels; pass at least one pixel")
    if width * height > max_pixels:
        raise ImageError(
            f"{name} has {width} x {height} pixels, over the limit of {max_pixels}; "
            "shrink it or raise max_pixels"
        )


def _strips(height: int, width: int) -> Iterator[slice]:
    """Slices of rows, top to bottom, of about `_STRIP` pixels each."""
    step = max(1, _STRIP // width)
    return (slice(top, min(top + step, height)) for top in range(0, height, step))
