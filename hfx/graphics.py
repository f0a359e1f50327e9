"""Drawn pictures: what people draw, and photographs never show.

Flat colours, gradients, lines, checkers, charts, text and screenshots, drawn from a random
generator, so that training can show them to the networks; and a fixed set of them to measure on.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
LETTERS = "eeeeeetttttaaaaooooiiiinnnnssshhhrrrddlluucmmwfgypbvkxjqz"


def graphic(draw: np.random.Generator, side: int) -> np.ndarray:
    """Return a random drawing, (side, side, 3) uint8; it depends on the generator alone."""
    kind = KINDS[int(draw.integers(len(KINDS)))]
    return np.array(kind(draw, side))


def evaluation_set() -> dict[str, np.ndarray]:
    """Return the drawings that are measured, by name: 512x512 each, the same everywhere.

    None of them is drawn in training, but for the flat colours, of which there is only one kind.
    """
    drawn: dict[str, np.ndarray] = {
        name: np.full((512, 512, 3), colour, np.uint8)
        for name, colour in (("green", (0, 255, 0)), ("red", (255, 0, 0)), ("white", (255,) * 3))
    }
    ramp = np.linspace(0, 255, 512).round().astype(np.uint8)
    drawn["gradient"] = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], 128), -1).astype(
        np.uint8
    )
    lines = np.full((512, 512, 3), 255, np.uint8)
    lines[::8] = 0
    lines[:, ::16] = (200, 0, 0)
    drawn["lines"] = lines
    rows, columns = np.indices((512, 512)) // 16
    drawn["checker"] = np.where(((rows + columns) % 2)[..., None], 255, 0).astype(np.uint8) + (
        np.zeros(3, np.uint8)
    )
    for seed, (name, kind) in enumerate((("chart", chart), ("text", page), ("screen", screen))):
        drawn[name] = np.asarray(kind(np.random.default_rng((2**31, seed)), 512))
    return drawn


# --- kinds


def flat(draw: np.random.Generator, side: int) -> Image.Image:
    """One colour, or rectangles of a few."""
    image = Image.new("RGB", (side, side), colour(draw))
    pen = ImageDraw.Draw(image)
    for _ in range(int(draw.integers(0, 4))):
        pen.rectangle(box(draw, side), fill=colour(draw))
    return image


def gradient(draw: np.random.Generator, side: int) -> Image.Image:
    """Two or three colours that turn into each other along a line."""
    angle = draw.uniform(0, 2 * np.pi)
    y, x = np.indices((side, side)) / (side - 1) - 0.5
    along = (x * np.cos(angle) + y * np.sin(angle)) / np.sqrt(2) * draw.uniform(0.6, 1.4) + 0.5
    stops = np.array([colour(draw) for _ in range(int(draw.integers(2, 4)))], float)
    places = np.linspace(0, 1, len(stops))
    channels = [np.interp(along, places, stops[:, c]) for c in range(3)]
    return Image.fromarray(np.stack(channels, -1).round().astype(np.uint8))


def lines(draw: np.random.Generator, side: int) -> Image.Image:
    """Thin lines: evenly spaced and upright or level, or a few across."""
    paper, ink = contrast(draw)
    if draw.random() < 0.5:
        picture = np.full((side, side, 3), paper, np.uint8)
        for axis in range(2):
            if axis == 0 or draw.random() < 0.5:
                start, every = draw.integers(0, 16), draw.integers(3, 40)
                for wide in range(int(draw.integers(1, 3))):
                    places = slice(start + wide, None, every)
                    picture[(places,) if axis == 0 else (slice(None), places)] = ink
        return Image.fromarray(picture if draw.random() < 0.5 else picture.swapaxes(0, 1).copy())

    def strokes(pen: ImageDraw.ImageDraw, scale: int) -> None:
        for _ in range(int(draw.integers(3, 20))):
            a, b, c, d = (int(v) for v in draw.integers(0, side * scale, 4))
            wide = int(draw.integers(1, 4)) * scale
            if draw.random() < 0.2:
                pen.ellipse((min(a, b), min(c, d), max(a, b), max(c, d)), outline=ink, width=wide)
            else:
                pen.line((a, b, c, d), fill=ink, width=wide)

    return smooth(draw, side, paper, strokes)


def checker(draw: np.random.Generator, side: int) -> Image.Image:
    """A chessboard of any field size."""
    size = int(draw.integers(2, 48))
    rows, columns = (np.indices((side, side)) + draw.integers(0, size, 2)[:, None, None]) // size
    a, b = contrast(draw)
    return Image.fromarray(np.where(((rows + columns) % 2)[..., None], a, b).astype(np.uint8))


def chart(draw: np.random.Generator, side: int) -> Image.Image:
    """Axes with bars or curves, a grid and labels."""
    paper, ink = ((255, 255, 255), (0, 0, 0)) if draw.random() < 0.6 else contrast(draw)
    colours = [colour(draw) for _ in range(4)]
    bars, count = draw.random() < 0.5, int(draw.integers(3, 12))
    heights = draw.random((4, count))
    every, size = int(draw.integers(20, 60)), int(draw.integers(9, 16))
    title = words(draw, 4)

    def strokes(pen: ImageDraw.ImageDraw, scale: int) -> None:
        left, bottom, span = side * scale // 9, side * scale * 8 // 9, side * scale * 7 // 9
        for y in range(bottom, bottom - span, -every * scale):
            pen.line((left, y, left + span, y), fill=blend(paper, ink, 0.2), width=scale)
            pen.text((2 * scale, y - size * scale // 2), f"{(bottom - y) // scale}", fill=ink,
                     font=font(size * scale))  # fmt: skip
        if bars:
            wide = span // count
            for i, h in enumerate(heights[0]):
                x = left + i * wide + wide // 8
                pen.rectangle((x, bottom - h * span, x + wide * 3 // 4, bottom), fill=colours[0])
        else:
            for row, shade in zip(heights, colours, strict=True):
                points = [
                    (left + i * span / (count - 1), bottom - h * span) for i, h in enumerate(row)
                ]
                pen.line(points, fill=shade, width=2 * scale)
        pen.line((left, bottom, left + span, bottom), fill=ink, width=scale)
        pen.line((left, bottom - span, left, bottom), fill=ink, width=scale)
        pen.text((left, scale * 4), title, fill=ink, font=font(size * scale))

    return smooth(draw, side, paper, strokes)


def page(draw: np.random.Generator, side: int) -> Image.Image:
    """Lines of text, of one size, in black on white or any other two colours."""
    paper, ink = ((255, 255, 255), (0, 0, 0)) if draw.random() < 0.4 else contrast(draw)
    image = Image.new("RGB", (side, side), paper)
    size = int(draw.integers(9, 32))
    write(ImageDraw.Draw(image), draw, (4, 2, side, side), size, ink)
    return image


def screen(draw: np.random.Generator, side: int) -> Image.Image:
    """A window: bars, a list, buttons, text."""
    dark = draw.random() < 0.4
    paper, ink = ((32, 33, 36), (230, 230, 230)) if dark else ((255, 255, 255), (30, 30, 30))
    panel = blend(paper, ink, 0.08)
    image = Image.new("RGB", (side, side), paper)
    pen = ImageDraw.Draw(image)
    size, bar, list_ = int(draw.integers(10, 17)), int(draw.integers(20, 36)), side // 4
    accent = colour(draw)
    pen.rectangle((0, 0, side, bar), fill=accent if draw.random() < 0.5 else panel)
    pen.text((8, (bar - size) // 2), words(draw, 3), fill=ink, font=font(size))
    pen.rectangle((0, bar, list_, side), fill=panel)
    for row, y in enumerate(range(bar + 6, side, 2 * size)):
        if row == 2:
            pen.rectangle((0, y - 3, list_, y + size + 5), fill=accent)
        pen.ellipse((4, y + 2, 2 + size, y + size), fill=colour(draw))
        pen.text((size + 8, y), words(draw, 1), fill=ink, font=font(size))
    middle = int(draw.integers(bar + 40, max(bar + 41, side - 40)))
    write(pen, draw, (list_ + 8, bar + 6, side, middle), size, ink)
    pen.rounded_rectangle((list_ + 8, middle + 4, list_ + 90, middle + 30), 5, fill=accent)
    pen.rounded_rectangle((list_ + 100, middle + 4, list_ + 180, middle + 30), 5, outline=ink)
    pen.text((list_ + 18, middle + 9), words(draw, 1), fill=paper, font=font(size))
    write(pen, draw, (list_ + 8, middle + 40, side, side), size, blend(paper, ink, 0.7))
    return image


KINDS: tuple[Callable[[np.random.Generator, int], Image.Image], ...] = (
    flat, gradient, lines, checker, chart, page, screen,
)  # fmt: skip


# --- what they are made of


def colour(draw: np.random.Generator) -> Colour:
    """Return a colour: as often saturated or grey as any."""
    kind = draw.integers(3)
    if kind == 0:
        r, g, b = (int(v) for v in draw.integers(0, 2, 3) * 255)
    elif kind == 1:
        r = g = b = int(draw.integers(256))
    else:
        r, g, b = (int(v) for v in draw.integers(0, 256, 3))
    return r, g, b


def contrast(draw: np.random.Generator) -> tuple[Colour, Colour]:
    """Return two colours that are well apart."""
    a, b = colour(draw), colour(draw)
    while sum(abs(u - v) for u, v in zip(a, b, strict=True)) < 150:
        a, b = colour(draw), colour(draw)
    return a, b


def blend(a: Colour, b: Colour, share: float) -> Colour:
    """Return a colour that far on the way from a to b."""
    r, g, b_ = (round(u + (v - u) * share) for u, v in zip(a, b, strict=True))
    return r, g, b_


def box(draw: np.random.Generator, side: int) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of a rectangle."""
    (a, b), (c, d) = np.sort(draw.integers(0, side, (2, 2)))
    return int(a), int(c), int(b), int(d)


def smooth(
    draw: np.random.Generator,
    side: int,
    paper: Colour,
    strokes: Callable[[ImageDraw.ImageDraw, int], None],
) -> Image.Image:
    """Draw with hard edges, or at twice the size, reduced, as browsers smooth theirs."""
    scale = int(draw.integers(1, 3))
    image = Image.new("RGB", (side * scale, side * scale), paper)
    strokes(ImageDraw.Draw(image), scale)
    return image if scale == 1 else image.reduce(2)


@lru_cache(maxsize=64)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font that Pillow brings along, at a size in pixels."""
    return ImageFont.load_default(size)


def words(draw: np.random.Generator, count: int) -> str:
    """Return that many words of random letters; now and then a number or a capital."""
    made = []
    for _ in range(count):
        letters = draw.integers(0, len(LETTERS), int(draw.integers(1, 10)))
        word = "".join(LETTERS[i] for i in letters)
        kind = draw.random()
        if kind < 0.08:
            word = str(int(draw.integers(10_000)))
        elif kind < 0.25:
            word = word.capitalize()
        elif kind < 0.28:
            word = word.upper()
        made.append(word + (",."[int(draw.integers(2))] if draw.random() < 0.12 else ""))
    return " ".join(made)


def write(
    pen: ImageDraw.ImageDraw,
    draw: np.random.Generator,
    where: tuple[int, int, int, int],
    size: int,
    ink: Colour,
) -> None:
    """Fill a rectangle with lines of text, which may be cut off on the right."""
    left, top, right, bottom = where
    for y in range(top, bottom - size, round(1.35 * size)):
        if draw.random() < 0.92:
            count = max(1, int((right - left) / size / 3 * draw.uniform(0.6, 1.2)))
            pen.text((left, y), words(draw, count), fill=ink, font=font(size))
