"""hfx: generative image compression, to learn, to show and to try.

Five lines are enough:

    >>> import hfx                                        # doctest: +SKIP
    >>> data = hfx.compress("photo.jpg", tier="medium")   # doctest: +SKIP
    >>> open("photo.hfx", "wb").write(data)               # doctest: +SKIP
    >>> hfx.decompress(data).save("decoded.png")          # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

from hfx.errors import BitstreamError, HfxError, ImageError, WeightsError

if TYPE_CHECKING:
    from hfx.api import compress, decompress, info
    from hfx.codec import Codec, load

__version__ = "1.0.0"

_LAZY = {
    "load": "hfx.codec",
    "Codec": "hfx.codec",
    "compress": "hfx.api",
    "decompress": "hfx.api",
    "info": "hfx.api",
}

__all__ = [
    "BitstreamError",
    "Codec",
    "HfxError",
    "ImageError",
    "WeightsError",
    "compress",
    "decompress",
    "info",
    "load",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import on first use, so that training needs no range coder and errors need no torch."""
    if name not in _LAZY:
        raise AttributeError(f"module 'hfx' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)
