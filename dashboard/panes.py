"""What a pane can show, and how it is worded; pure functions."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from dashboard import text
from dashboard.stages import Coded
from dashboard.work import Wish
from hfx.classical import CODECS

ORIGINAL, OURS = "Original", "hfx"
CLASSICAL = {codec.name: codec for codec in CODECS}
NAMES = (ORIGINAL, OURS, *CLASSICAL)
ENDINGS = {"JPEG": "jpg", "WebP": "webp", "AVIF": "avif", "JPEG 2000": "jp2", "JPEG XL": "jxl"}
SIDES = ("left", "right")
MEASURES = ("PSNR", "SSIM", "LPIPS")
UNKNOWN = "…"


@dataclass(frozen=True)
class Choice:
    """What one pane is to show.

    Attributes:
        codec: One of NAMES.
        wish: How large or how good our file is to be.
        neighbours: What codes our symbols.
        realism: Of our decoder, 0 to 1; None where the weights know no such thing.
        rung: A classical codec's setting, where its size does not follow the other pane's.
    """

    codec: str
    wish: Wish = Wish()
    neighbours: str = "none"
    realism: float | None = None
    rung: int = 0


@dataclass(frozen=True, eq=False)
class Frame:
    """What one pane shows.

    Attributes:
        choice: What was asked for.
        png: The picture; empty: not made yet.
        file_bytes: Of the file it comes from; None: not written yet.
        coded: That file; None for the original, and for ours as long as it is not written.
        decode_seconds: From the file to the picture; None where there is nothing to decode.
        over: A file larger than it was to be, because there is no smaller one.
    """

    choice: Choice
    png: bytes = b""
    file_bytes: int | None = None
    coded: Coded | None = None
    decode_seconds: float | None = None
    over: bool = False

    @property
    def complete(self) -> bool:
        """Say whether nothing is missing."""
        return self.file_bytes is not None

    @property
    def setting(self) -> str:
        """Say what the codec was told."""
        told = [self.coded.setting] if self.coded else []
        if self.choice.realism is not None:
            told.append(f"realism {self.choice.realism:g}")
        return ", ".join(told)

    @property
    def label(self) -> str:
        """A word or two in the picture's corner."""
        if self.choice.codec == ORIGINAL:
            return ORIGINAL
        size = UNKNOWN if self.file_bytes is None else f"{self.file_bytes:,} bytes"
        return f"{self.choice.codec} · {size}"


def follower(left: str, right: str) -> int | None:
    """Return which pane's size can follow the other's: a classical codec's; None for neither."""
    if left in CLASSICAL and right == OURS:
        return 0
    return 1 if right in CLASSICAL and left != ORIGINAL else None


def settings(name: str) -> list[str]:
    """Return what a classical codec can be set to, in words, from the smallest file up."""
    codec = CLASSICAL[name]
    return [codec.describe(rung) for rung in range(len(codec.ladder))]


def table(
    frames: list[Frame], pixels: int, measured: list[dict[str, float | None]]
) -> pd.DataFrame:
    """Return the numbers under the pictures, a row for each pane.

    Args:
        frames: What the left and the right pane show.
        pixels: Of the picture.
        measured: Their distances from the original, as far as they are known.
    """
    rows = {}
    for side, frame, known in zip(SIDES, frames, measured, strict=True):
        name = frame.choice.codec
        size, coded = frame.file_bytes, frame.coded
        pending = UNKNOWN if name != ORIGINAL else "–"
        rows[f"{side.capitalize()}: {name}"] = {
            "Bytes": f"{size:,}" if size is not None else UNKNOWN,
            "bpp": f"{8 * size / pixels:.3f}" if size is not None else UNKNOWN,
            "Of 24 bit": text.ratio(3 * pixels / size) if size else UNKNOWN,
            "Encode": f"{coded.encode_seconds:.2f} s" if coded else pending,
            "Decode": text.number(frame.decode_seconds, 2, " s") if coded else pending,
            "PSNR ↑": text.number(known["PSNR"], 2, " dB") if "PSNR" in known else pending,
            "SSIM ↑": text.number(known["SSIM"], 4) if "SSIM" in known else pending,
            "LPIPS ↓": text.number(known["LPIPS"], 4) if "LPIPS" in known else pending,
            "Setting": frame.setting if coded else pending,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def facts(info: dict[str, Any], decode_seconds: float) -> pd.DataFrame:
    """Return the numbers under a decoded `.hfx` file."""
    row = {
        "Pixels": f"{info['width']} × {info['height']}",
        "Quality": f"{info['quality']:g}",
        "Bytes": f"{info['bytes']:,}",
        "bpp": f"{info['bpp']:.3f}",
        "Of 24 bit": text.ratio(3 * info["width"] * info["height"] / info["bytes"]),
        "Decode": f"{decode_seconds:.2f} s",
    }
    return pd.DataFrame.from_dict({"hfx": row}, orient="index")


def file_name(stem: str, choice: Choice) -> str:
    """Return the name under which a pane's file is downloaded."""
    return f"{stem}.{ENDINGS.get(choice.codec, 'hfx')}"


def png_name(stem: str, choice: Choice) -> str:
    """Return the name under which a pane's picture is downloaded."""
    return f"{stem}.png" if choice.codec == OURS else f"{stem}.{ENDINGS[choice.codec]}.png"
