"""A benchmark as one HTML file: curves, tables, pictures side by side, reasons for blanks.

Everything is inside the file, pictures included; it needs no script and no connection.
"""

import base64
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hfx import deltas, image, sets, svg
from hfx.codec import Codec
from hfx.contact import busiest, chosen
from hfx.files import atomic_write
from hfx.panel import PANEL, Pixels
from hfx.results import Row

PICTURES = 6  # shown side by side
Lines = Sequence[dict[str, Any]]
EXTRA = {  # columns of the table of means beside the panel's: head, digits
    "bpp": ("bpp", 3),
    "encode_s": ("encode / s", 2),
    "decode_s": ("decode / s", 2),
    "memory_mb": ("memory / MB", 0),
    "unmatched": ("off", 0),
}
STYLE = """
:root { color-scheme: light; --ink: #1b1b1b; --pale: #666; --rule: #ddd; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: #fff;
  max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; }
p { max-width: 70ch; } .pale { color: var(--pale); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem .2rem 0; text-align: right; white-space: nowrap; }
th { border-bottom: 1px solid var(--rule); font-weight: 600; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
tr.ours { font-weight: 600; } .wide { overflow-x: auto; }
.charts { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); }
svg { width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--pale); }
svg .head { font-size: 14px; font-weight: 600; fill: var(--ink); }
svg .x { text-anchor: middle; } svg .y { text-anchor: end; }
svg .grid { stroke: #eee; } svg .line { fill: none; stroke-width: 2; }
.legend span { margin-right: 1rem; white-space: nowrap; }
.legend i { display: inline-block; width: .8em; height: .8em; margin-right: .35em; }
.strip { display: flex; gap: .6rem; overflow-x: auto; padding-bottom: .5rem; }
figure { margin: 0; } figure img { display: block; width: 256px; }
figcaption { font-size: .85rem; line-height: 1.35; color: var(--pale); }
figcaption b { color: var(--ink); }
"""


def write(
    path: Path,
    codec: Codec,
    pictures: dict[str, Path],
    rows: Sequence[Row],
    lines: Lines,
    groups: Sequence[sets.SetRow],
    found: Sequence[deltas.Against],
) -> None:
    """Write the report.

    Args:
        path: The HTML file.
        codec: Ours, with the weights that the rows were measured with.
        pictures: Paths by name.
        rows: A row a file.
        lines: Their means, see `results.summarise`.
        groups: FID-768 and KID-768 of sets; may be empty.
        found: BD-rates; may be empty.

    Raises:
        HfxError: the file cannot be written, or a picture no longer be read.
    """
    names = list(dict.fromkeys(line["codec"] for line in lines))
    colour = svg.colours(names)
    model = rows[0].model if rows else ""
    images = len({row.image for row in rows})
    title = f"hfx on {images} picture" + "s" * (images != 1)
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'>",
        f"<title>{title}</title><style>{STYLE}</style>",
        f"<h1>{title}</h1>",
        f"<p class='pale'>{len(rows)} files, each decoded from its bytes. Weights {model}.</p>",
        section("Curves", charts(lines, groups, colour)),
        section("Means over pictures", means(lines)),
        section("BD-rate", rates(found)),
        section("Sets", crowds(groups)),
        section("Side by side", "".join(strips(codec, pictures, rows))),
        section("What is missing, and why", reasons(rows, groups)),
        "</html>",
    ]
    atomic_write(path, "\n".join(filter(None, parts)).encode())


def section(title: str, content: str) -> str:
    """Return a heading and what stands below it; nothing where there is nothing."""
    return f"<h2>{title}</h2>{content}" if content else ""


def charts(lines: Lines, groups: Sequence[sets.SetRow], colour: dict[str, str]) -> str:
    """Draw every measure over bits per pixel."""
    drawn = []
    for name, measure in PANEL.items():
        curves = deltas.curves(lines, name)
        arrow = "higher" if measure.higher else "lower"
        if any(len(points) > 1 for points in curves.values()):
            title = f"{measure.title} ({arrow} is better)"
            drawn.append(svg.chart(title, "bits per pixel", curves, colour))
    bpp = {(line["codec"], line["tier"] or line["setting"]): line["bpp"] for line in lines}
    fid: dict[str, list[tuple[float, float]]] = {}
    for group in groups:
        if group.fid768 is not None and group.key in bpp:
            fid.setdefault(group.codec, []).append((bpp[group.key], group.fid768))
    if any(len(points) > 1 for points in fid.values()):
        ordered = {name: sorted(points) for name, points in fid.items()}
        drawn.append(svg.chart("FID-768 (lower is better)", "bits per pixel", ordered, colour))
    if not drawn:
        return ""
    return f"<p class='legend'>{svg.legend(colour)}</p><div class='charts'>{''.join(drawn)}</div>"


def means(lines: Lines) -> str:
    """Return the means as a table; of sweeps, only ours."""
    heads = {"bpp": EXTRA["bpp"]}
    heads |= {name: (measure.title, measure.digits) for name, measure in PANEL.items()}
    heads |= EXTRA
    shown = [line for line in lines if line["tier"] or line["codec"].startswith("hfx")]
    columns = {k: v for k, v in heads.items() if any(line.get(k) is not None for line in shown)}
    body = []
    for line in shown:
        published = " (published)" if line["setting"] == "published" else ""
        cells = [line["tier"] or line["setting"], line["codec"] + published]
        cells += [number(line.get(name), digits) for name, (_, digits) in columns.items()]
        body.append((cells, line["codec"].startswith("hfx")))
    note = (
        "<p class='pale'>off: pictures whose file is not within 3 % below ours in bytes. Memory: "
        "the rise while coding, over Python and the weights.</p>"
    )
    return table(["tier", "codec", *(head for head, _ in columns.values())], body) + note


def rates(found: Sequence[deltas.Against]) -> str:
    """Return BD-rates as a table, a row a codec."""
    if not found:
        return ""
    measures = list(dict.fromkeys(one.measure for one in found))
    body = []
    for codec in dict.fromkeys(one.codec for one in found):
        mine = {one.measure: one for one in found if one.codec == codec}
        cells = [codec, found[0].anchor]
        for name in measures:
            rate = mine[name].rate if name in mine else None
            cells.append("" if rate is None else f"{rate:+.1f} %")
        body.append((cells, codec.startswith("hfx")))
    note = (
        "<p class='pale'>Rate needed for equal quality, by monotone cubic curves; less is better. "
        "Blank where no quality is reached by both.</p>"
    )
    return table(["codec", "against", *(PANEL[name].title for name in measures)], body) + note


def crowds(groups: Sequence[sets.SetRow]) -> str:
    """Return FID-768 and KID-768 as a table."""
    settings = list(dict.fromkeys(group.setting for group in groups))
    body = [
        (
            [
                group.setting, group.codec, str(group.images), str(group.patches),
                number(group.fid768, 2), number(group.kid768, 4), number(group.kid768_std, 4),
            ],
            group.codec.startswith("hfx"),
        )
        for group in sorted(groups, key=lambda group: settings.index(group.setting))
        if group.fid768 is not None
    ]  # fmt: skip
    heads = ["tier", "codec", "pictures", "patches", "FID-768", "KID-768", "spread"]
    return table(heads, body) if body else ""


def strips(codec: Codec, pictures: dict[str, Path], rows: Sequence[Row]) -> Iterator[str]:
    """Yield a strip of crops for each of a few pictures: the original and what codecs make of it.

    Of several tiers the middle one is shown, where bytes are matched.
    """
    tiers = list(dict.fromkeys(row.tier for row in rows if row.tier))
    middle = tiers[len(tiers) // 2] if tiers else ""
    wanted = [row for row in rows if row.tier == middle] if middle else list(rows)
    names = list(dict.fromkeys(row.image for row in wanted))
    for name in chosen(names, PICTURES):
        rgb = image.load(pictures[name]).rgb
        cut = busiest(rgb)
        figures = [figure(rgb[cut], f"<b>original</b><br>{escape(name)}")]
        for row in (row for row in wanted if row.image == name):
            x_hat = sets.again(codec, rgb, row)
            lpips = "" if row.lpips is None else f", LPIPS {row.lpips:.3f}"
            caption = (
                f"<b>{escape(row.codec)}</b>, {escape(row.tier or row.setting)}<br>{row.bytes:,} "
                f"bytes, {row.bpp:.3f} bpp<br>{row.psnr or 0:.2f} dB{lpips}"
            )
            figures.append(figure(x_hat[cut], caption))
        yield f"<div class='strip'>{''.join(figures)}</div>"


def figure(rgb: Pixels, caption: str) -> str:
    """Return a picture inside the page, as a WebP too fine to hide what codecs did."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(file, format="WEBP", quality=95, method=4)
    data = base64.b64encode(file.getvalue()).decode()
    return (
        f"<figure><img alt='' src='data:image/webp;base64,{data}'>"
        f"<figcaption>{caption}</figcaption></figure>"
    )


def reasons(rows: Sequence[Row], groups: Sequence[sets.SetRow]) -> str:
    """List every reason for a blank, with how many rows have it."""
    count = Counter(reason for row in rows for reason in row.reasons)
    count.update(f"FID-768, KID-768: {group.note}" for group in groups if group.note)
    items = "".join(f"<li>{escape(why)} ({n} rows)</li>" for why, n in count.most_common())
    return f"<ul>{items}</ul>" if items else "<p>Nothing.</p>"


def table(heads: Sequence[str], body: Sequence[tuple[list[str], bool]]) -> str:
    """Return a table; rows of ours stand out."""
    top = "".join(f"<th>{escape(head)}</th>" for head in heads)
    lines = []
    for cells, ours in body:
        mark = " class='ours'" if ours else ""
        lines.append(f"<tr{mark}>{''.join(f'<td>{escape(c)}</td>' for c in cells)}</tr>")
    return f"<div class='wide'><table><tr>{top}</tr>{''.join(lines)}</table></div>"


def number(value: float | None, digits: int) -> str:
    """Return a number as text; nothing for None."""
    return "" if value is None else f"{value:.{digits}f}"
