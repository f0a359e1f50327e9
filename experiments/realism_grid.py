r"""See what the GAN stage does: the same crops of Kodak, decoded in several ways, side by side.

    python experiments/realism_grid.py --weights FILE --data KODAK --tier medium --out grid.png
    python experiments/realism_grid.py --weights FILE --data KODAK --dial --out dial.png

The first shows the generators of stage 1 and stage 2, which decode one file, AVIF with no more
bytes than that file, and the original; the second the same file at realism 0 to 1. Whole pictures
are coded, then cropped: bytes and PSNR are those of the whole picture.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import hfx
from hfx import image, metrics
from hfx.classical import CODECS, Ladder, decode
from hfx.codec import Codec
from hfx.console import progress
from hfx.errors import HfxError

Pixels = NDArray[np.uint8]

SIDE = 192  # of a crop, in pixels
CROPS = {  # what is hard to invent, and what is easily seen to be wrong: left, top
    "kodim01": ("stone, glass", 380, 40),
    "kodim04": ("face, hair", 196, 216),
    "kodim05": ("metal, lettering", 230, 130),
    "kodim08": ("lettering, windows", 560, 230),
    "kodim13": ("foliage, water", 250, 230),
    "kodim19": ("grass, fence", 30, 500),
    "kodim21": ("sky, sea, rock", 430, 160),
    "kodim23": ("feathers, blur", 400, 60),
}
DIAL = (0.0, 0.25, 0.5, 0.75, 1.0)
GAP = 4
PAPER, INK, FAINT = "white", "black", (90, 90, 90)


class Cell(NamedTuple):
    """One crop of the grid: its column, its pixels, and what stands below them."""

    column: str
    pixels: Pixels
    caption: str


def compared(codec: Codec, x: Pixels, tier: str) -> Iterator[tuple[str, Pixels, int]]:
    """Yield both generators' pictures of one file, and AVIF's: name, pixels, bytes."""
    data = codec.compress(x, tier)
    for name, realism in (("stage 1", 0.0), ("stage 2", 1.0)):
        yield name, np.asarray(codec.decompress(data, realism=realism)), len(data)
    avif = next(codec for codec in CODECS if codec.name == "AVIF")
    if reason := avif.missing():
        raise HfxError(f"AVIF: {reason}")
    ladder = Ladder(avif, x)
    theirs, _ = ladder.at(ladder.largest_within(len(data)) or 0)
    yield "AVIF", decode(theirs), len(theirs)


def turned(codec: Codec, x: Pixels, tier: str) -> Iterator[tuple[str, Pixels, int]]:
    """Yield the pictures that one file holds, along the dial."""
    data = codec.compress(x, tier)
    for realism in DIAL:
        picture = np.asarray(codec.decompress(data, realism=realism))
        yield f"realism {realism:g}", picture, len(data)


def row_of(codec: Codec, path: Path, tier: str, dial: bool) -> list[Cell]:
    """Return the cells of a picture, the original last."""
    what, left, top = CROPS[path.stem]
    x = image.load(path).rgb

    def cut(pixels: Pixels) -> Pixels:
        return pixels[top : top + SIDE, left : left + SIDE]

    cells = [
        Cell(name, cut(x_hat), f"{size:,} bytes, {metrics.psnr(x, x_hat):.2f} dB")
        for name, x_hat, size in (turned if dial else compared)(codec, x, tier)
    ]
    return [*cells, Cell("original", cut(x), f"{path.stem}: {what}")]


def drawn(rows: list[list[Cell]], title: str, zoom: int) -> Image.Image:
    """Lay rows of cells out under a title and a row of column names; pixels stay square."""
    side, size = SIDE * zoom, 13 + 3 * (zoom - 1)
    line, font = size + 6, ImageFont.load_default(size)
    width, height = GAP + len(rows[0]) * (side + GAP), side + line
    sheet = Image.new("RGB", (width, 2 * line + len(rows) * height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 2), title, INK, font)
    for r, row in enumerate(rows):
        for c, cell in enumerate(row):
            x, y = GAP + c * (side + GAP), 2 * line + r * height
            if r == 0:
                draw.text((x, line), cell.column, INK, font)
            crop = Image.fromarray(cell.pixels)
            sheet.paste(crop.resize((side, side), Image.Resampling.NEAREST), (x, y))
            draw.text((x, y + side + 1), cell.caption, FAINT, font)
    return sheet


def main() -> None:
    """Decode, draw, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--weights", type=Path, help="an export with both generators")
    parser.add_argument("--data", type=Path, required=True, help="the folder of Kodak's pictures")
    parser.add_argument("--tier", default="medium", help="low, medium (the default) or high")
    parser.add_argument("--dial", action="store_true", help="realism 0 to 1 instead of AVIF")
    parser.add_argument("--zoom", type=int, default=1, help="screen pixels a pixel")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    given = parser.parse_args()

    codec = hfx.load(given.weights)
    codec.dial.at(1.0)  # refuses before the work, not after
    paths = [given.data / f"{name}.png" for name in CROPS]
    rows = []
    with progress("decoding", len(paths)) as step:
        for path in paths:
            rows.append(row_of(codec, path, given.tier, given.dial))
            step()
    title = f"tier {given.tier}; bytes and PSNR of the whole picture"
    image.save_png(drawn(rows, title, max(1, given.zoom)), given.out)


if __name__ == "__main__":
    try:
        main()
    except HfxError as error:
        raise SystemExit(f"realism_grid: {error}") from None
