"""What runs of the laboratory learn from, and the face that they are judged by."""

import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

from hfx.errors import HfxError

# Photographs of public domain or CC0 that come with scikit-image.
TRAIN = ("chelsea.png", "coffee.png", "rocket.jpg", "camera.png", "coins.png", "gravel.png",
         "grass.png", "brick.png")  # fmt: skip
HELD, FACE = "astronaut.png", (slice(20, 212), slice(130, 322))


def train() -> list[np.ndarray]:
    """Return the photographs to train on; raises what `photograph` raises."""
    return [photograph(name) for name in TRAIN]


def face() -> np.ndarray:
    """Return the face, (192, 192, 3) uint8; raises what `photograph` raises."""
    return photograph(HELD)[FACE].copy()


def photograph(name: str) -> np.ndarray:
    """Read a photograph that comes with scikit-image, (H, W, 3) uint8.

    Raises:
        HfxError: it is not installed.
    """
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise HfxError("the photographs come with scikit-image: `pip install scikit-image`")
    path = Path(package.origin).parent / "data" / name
    try:
        return np.asarray(Image.open(path).convert("RGB"))
    except OSError as error:
        raise HfxError(f"{path} is missing: install scikit-image anew") from error
