"""Line charts as static SVG, for pages that must open anywhere: no script, nothing fetched."""

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10

Point = tuple[float, float]
WIDTH, HEIGHT = 460, 300  # of a chart, in its own units
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 30, 40  # margins
# Okabe and Ito's colours, which colour-blind readers tell apart; ours is the first.
COLOURS = (
    "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#666666", "#000000",
)  # fmt: skip


def colours(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each name, the same on every chart."""
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round values between two numbers, about as many as asked for."""
    if high <= low:
        return [low]
    raw = (high - low) / about
    unit = 10 ** floor(log10(raw))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= raw)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def chart(
    title: str, x_title: str, series: Mapping[str, Sequence[Point]], colour: Mapping[str, str]
) -> str:
    """Draw lines through points; hovering over a point tells its values.

    Args:
        title: Above the chart.
        x_title: Below it.
        series: Points by name, by rising x; those of a name are joined.
        colour: By name.
    """
    points = [point for line in series.values() for point in line]
    if not points:
        return ""
    (x0, x1), (y0, y1) = (_range([p[axis] for p in points]) for axis in (0, 1))

    def at(point: Point) -> tuple[float, float]:
        across = (point[0] - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)
        up = (point[1] - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)
        return round(LEFT + across, 1), round(HEIGHT - BOTTOM - up, 1)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        f'<text class="head" x="{LEFT}" y="18">{escape(title)}</text>',
    ]
    for value in ticks(x0, x1):
        x, _ = at((value, y0))
        parts.append(f'<path class="grid" d="M{x} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text class="x" x="{x}" y="{HEIGHT - BOTTOM + 15}">{value:g}</text>')
    for value in ticks(y0, y1):
        _, y = at((x0, value))
        parts.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="y" x="{LEFT - 6}" y="{y + 4}">{value:g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="x" x="{middle}" y="{HEIGHT - 8}">{escape(x_title)}</text>')
    for name, line in series.items():
        where = [at(point) for point in line]
        path = "L".join(f"{x} {y}" for x, y in where)
        parts.append(f'<path class="line" stroke="{colour[name]}" d="M{path}"/>')
        for (x, y), (bpp, value) in zip(where, line, strict=True):
            label = escape(f"{name}: {value:.4g} at {bpp:.3f}")
            parts.append(
                f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour[name]}">'
                f"<title>{label}</title></circle>"
            )
    return "".join([*parts, "</svg>"])


def legend(colour: Mapping[str, str]) -> str:
    """Return the names with their colours, as HTML."""
    return "".join(
        f'<span><i style="background:{shade}"></i>{escape(name)}</span>'
        for name, shade in colour.items()
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return where an axis begins and ends: a little beyond its values."""
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room
