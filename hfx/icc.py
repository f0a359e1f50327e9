"""Embedded ICC profiles: the colours a file means -> sRGB."""

import io
import warnings
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms

# The Pillow mode that holds each of the colour spaces a profile may describe.
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
_INK_OR_LAB = ("CMYK", "LAB")
GREY_MODES = ("1", "L", "LA", "F", "I", "I;16", "I;16L", "I;16B", "I;16N")


def to_srgb(image: Image.Image, name: str) -> Callable[[Image.Image], Image.Image] | None:
    """The image's profile as a function from a strip of it to RGB; None where none is needed.

    A broken profile, or one for other colours than the image has, costs a warning, no more.
    """
    embedded = image.info.get("icc_profile")
    if not embedded:
        return None
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(embedded))
        space = str(source.profile.xcolor_space).strip()
        mode = _MODES[space]
        # Grey scans often carry an RGB profile, which fits; grey and ink fit only their own.
        fits = {"RGB": image.mode not in _INK_OR_LAB, "L": image.mode in GREY_MODES}
        if not fits.get(mode, mode == image.mode):
            raise ValueError(f"it describes {space}, the picture is {image.mode}")
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if _changes_nothing(transform, mode):
            return None
    except Exception as error:  # a profile is a program from a stranger: anything may fail
        cause = " ".join(str(error).split()) or type(error).__name__
        warnings.warn(f"{name}: broken colour profile ({cause}); taken as sRGB", stacklevel=4)
        return None

    return lambda strip: _apply(transform, strip.convert(mode))


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a profile is sRGB, judged by what it does: its name may be anything."""
    if mode in _INK_OR_LAB:
        return False
    shape = (64, 64, 3) if mode == "RGB" else (64, 64)
    probe = Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    before = np.asarray(probe.convert("RGB"), np.int16)
    after = np.asarray(_apply(transform, probe), np.int16)
    return int(np.abs(after - before).max()) <= 1


def _apply(transform: ImageCms.ImageCmsTransform, strip: Image.Image) -> Image.Image:
    converted = ImageCms.applyTransform(strip, transform)
    assert converted is not None  # None only for inPlace=True
    return converted
