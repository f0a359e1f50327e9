"""The paper's Table 2: what the pictures look like, as a contact sheet of crops at full size.

A row a picture: the original, then our tiers. HiFi, HiFi + KNN and HiFi + XGBoost are one column,
because their files hold the same symbols and so the same picture; that is checked for each, and
the bytes of each stand below.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hfx import image
from hfx.bench import Step, Tell, silent
from hfx.bitstream import Header
from hfx.codec import Codec
from hfx.entropy.fixedpoint import LEVELS
from hfx.errors import HfxError, ImageError
from hfx.files import atomic
from hfx.panel import Pixels
from hfx.tables import KINDS, coded, models_of

CROP, GAP, LINE = 256, 8, 17  # pixels: side of a crop, space between, height of a line of text
PICTURES = 8  # on one sheet
PAPER, INK, PALE = (255, 255, 255), (20, 20, 20), (110, 110, 110)
NOTE = "One picture a tier: each neighbour model's file holds the same symbols, so the same pixels"

Cell = tuple[Pixels, Sequence[str]]
"""A crop and the lines below it."""


def sheet(
    codec: Codec,
    pictures: dict[str, Path],
    path: Path,
    tell: Tell = silent,
    step: Step = silent,
) -> None:
    """Write Table 2: a sheet of at most 8 pictures, evenly chosen, as a PNG.

    Args:
        codec: Ours, with its neighbour models.
        pictures: Paths by name.
        path: The PNG.
        tell: Receives a line for everything left out, with its reason.
        step: Called after each picture.

    Raises:
        HfxError: no picture can be read, the PNG cannot be written, or a file does not hold the
            symbols it was made of.
    """
    kinds = list(models_of(codec, tell))
    rows = []
    for name in chosen(list(pictures)):
        try:
            rows.append(row_of(codec, name, image.load(pictures[name]).rgb, kinds))
        except ImageError as error:
            tell(f"{name} is left out: {error}")
        step()
    if not rows:
        raise HfxError("there is no picture for the contact sheet")
    drawn = draw(rows, ["original", *codec.weights.arch.tiers], NOTE)
    with atomic(path) as temporary:
        drawn.save(temporary, format="PNG", optimize=True)


def chosen(names: list[str], most: int = PICTURES) -> list[str]:
    """Choose at most so many names, evenly spread."""
    at = np.linspace(0, len(names) - 1, min(most, len(names))).round().astype(int)
    return [names[i] for i in at]


def row_of(codec: Codec, name: str, rgb: Pixels, kinds: Sequence[str]) -> list[Cell]:
    """Return the cells of a picture: the original's, then each tier's."""
    analysis = codec.analyse(image.load(rgb))
    height, width = rgb.shape[:2]
    cut = busiest(rgb)
    cells: list[Cell] = [(rgb[cut], [name, f"{width} x {height}"])]
    for tier in codec.weights.arch.tiers:
        level = codec.weights.arch.tiers.index(tier) * LEVELS
        latents = codec.quantize(analysis, level)
        sizes = {kind: len(coded(codec, analysis, latents, kind)) for kind in kinds}
        header = Header(
            width, height, level, codec.weights.fingerprint, "none", False, latents.crc, b""
        )
        x_hat = codec.synthesise(latents, header).rgb
        lines = [
            f"{KINDS[kind]}: {size:,} bytes, {8 * size / (height * width):.3f} bpp"
            for kind, size in sizes.items()
        ]
        cells.append((x_hat[cut], lines))
    return cells


def busiest(rgb: Pixels) -> tuple[slice, slice]:
    """Return where a crop shows most detail: the largest sum of gradients, on a grid of 32."""
    grey = rgb.mean(2)
    edges = np.abs(np.diff(grey, axis=0))[:, :-1] + np.abs(np.diff(grey, axis=1))[:-1]
    total = np.pad(edges.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    height, width = (min(CROP, side - 1) for side in rgb.shape[:2])

    def inside(top: int, left: int) -> float:
        bottom, right = top + height, left + width
        return float(
            total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left]
        )

    tops = range(0, total.shape[0] - height, 32)
    lefts = range(0, total.shape[1] - width, 32)
    top, left = max(((t, s) for t in tops for s in lefts), key=lambda at: inside(*at))
    return slice(top, top + CROP), slice(left, left + CROP)


def draw(rows: Sequence[Sequence[Cell]], heads: Sequence[str], note: str) -> Image.Image:
    """Lay cells out under the heads of their columns."""
    font = ImageFont.load_default(13)
    deepest = max(len(lines) for row in rows for _, lines in row)
    tall = CROP + deepest * LINE + 2 * GAP
    size = (GAP + len(heads) * (CROP + GAP), 2 * (LINE + GAP) + len(rows) * tall)
    page = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(page)
    for column, head in enumerate(heads):
        pen.text((GAP + column * (CROP + GAP), GAP), head, INK, font)
    for number, row in enumerate(rows):
        top = LINE + 2 * GAP + number * tall
        for column, (crop, lines) in enumerate(row):
            left = GAP + column * (CROP + GAP)
            page.paste(Image.fromarray(np.ascontiguousarray(crop)), (left, top))
            for at, text in enumerate(lines):
                pen.text((left, top + CROP + 3 + at * LINE), text, PALE, font)
    pen.text((GAP, size[1] - LINE - GAP), note, INK, font)
    return page
