"""The charts of the page "Where the bits go": numbers in, Plotly figures out."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.colors import sequential

from dashboard.bits import PLACE, Anatomy, Box, Place, Story
from hfx.neighbours.explain import SHOWN
from hfx.neighbours.interval import Cut

BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#888888"  # told apart by the colour-blind too
# Streamlit takes the very first colour of Inferno for one of its own placeholders.
DARK_TO_LIGHT = ["#04020a", *sequential.Inferno[1:]]
FAINT = "rgba(136, 136, 136, 0.25)"
FONT = 15  # pixels: read from the last row
PARTS = {"y": "picture (y)", "z": "what to expect (z)", "escapes": "rare symbols",
         "alpha": "transparency", "container": "header"}  # fmt: skip


def base(figure: go.Figure, height: int, **layout: object) -> go.Figure:
    """Give a figure what all have in common."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        font_size=FONT,
        hoverlabel_font_size=FONT,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    figure.update_xaxes(automargin=True, title_font_size=FONT, tickfont_size=FONT - 1)
    figure.update_yaxes(automargin=True, title_font_size=FONT, tickfont_size=FONT - 1)
    return figure.update_layout(**layout)


# --- the whole file


def file_bar(chunks: dict[str, int]) -> go.Figure:
    """Draw a file as one bar of its parts, in bytes."""
    colors = {"y": BLUE, "z": ORANGE}
    figure, whole = go.Figure(), sum(chunks.values())
    for key, size in chunks.items():
        if size:
            share, name = size / whole, f"{PARTS.get(key, key)}: {size:,} bytes"
            figure.add_bar(
                x=[size], y=[""], name=name, orientation="h", marker_color=colors.get(key, GREY),
                text=f"{share:.0%}" if share > 0.03 else "", textangle=0,
                insidetextanchor="middle", hovertemplate=f"{name}, {share:.1%}<extra></extra>",
            )  # fmt: skip
    figure.update_xaxes(visible=False, range=[0, whole])
    figure.update_yaxes(visible=False)
    return base(figure, 96, barmode="stack", legend_traceorder="normal")


def heat(
    anatomy: Anatomy, values: NDArray[np.float64], unit: str, opacity: float, box: Box,
    place: Place, boxes: bool,
) -> go.Figure:  # fmt: skip
    """Lay a map of places over the picture, with a box and a place marked.

    Args:
        values: (h, w); where some are negative, colours part at 0.
        unit: What is counted, for the legend.
        opacity: Of the map, 0 to 1.
        boxes: Whether dragging draws a box; a click picks a place where it does not.
    """
    h, w = anatomy.grid
    both = bool((values < 0).any())
    top = float(np.quantile(np.abs(values), 0.995)) or 1.0  # a single place must not dim the rest
    colors = {"colorscale": "RdBu", "zmin": -top, "zmax": top} if both else {
        "colorscale": DARK_TO_LIGHT, "zmin": 0, "zmax": top
    }  # fmt: skip
    rows, columns = (a.ravel() for a in np.indices((h, w)))
    figure = go.Figure()
    figure.add_heatmap(
        z=values, opacity=opacity, hoverinfo="skip",
        colorbar={"title": {"text": unit, "side": "right"}, "thickness": 14}, **colors,
    )  # fmt: skip
    # a heatmap answers neither clicks nor boxes; unseen marks on its places do
    marks = {"size": 8, "opacity": 0}
    figure.add_scatter(
        x=columns, y=rows, mode="markers", showlegend=False, marker=marks,
        selected_marker_opacity=0, unselected_marker_opacity=0,
        customdata=np.stack([a.ravel() for a in (anatomy.y, anatomy.z, anatomy.saved)], -1),
        hovertemplate="row %{y}, column %{x}<br>y %{customdata[0]:.1f} bits<br>"
        "z %{customdata[1]:.1f}<br>saved by neighbours %{customdata[2]:.1f}<extra></extra>",
    )  # fmt: skip
    header = anatomy.header
    figure.add_layout_image(
        source=anatomy.backdrop, xref="x", yref="y", x=-0.5, y=-0.5, layer="below",
        sizing="stretch", sizex=header.width / PLACE, sizey=header.height / PLACE,
    )  # fmt: skip
    line = {"color": "#00E5FF", "width": 3}
    figure.add_shape(
        type="rect", x0=box.left - 0.5, x1=box.right - 0.5, y0=box.top - 0.5, y1=box.bottom - 0.5,
        line=line | {"dash": "dash"},
    )  # fmt: skip
    figure.add_shape(
        type="rect", x0=place.column - 0.5, x1=place.column + 0.5, y0=place.row - 0.5,
        y1=place.row + 0.5, line=line,
    )  # fmt: skip
    figure.update_xaxes(range=[-0.5, w - 0.5], visible=False, constrain="domain")
    figure.update_yaxes(range=[h - 0.5, -0.5], visible=False, scaleanchor="x", constrain="domain")
    return base(
        figure, int(np.clip(720 * h / w, 300, 590)), dragmode="select" if boxes else False,
        hovermode="closest", newselection_line=line,
    )  # fmt: skip


def channels(
    before: NDArray[np.float64], after: NDArray[np.float64], names: tuple[str, str], chosen: int
) -> go.Figure:
    """Draw what each channel costs without and with neighbours, (C,) bits each, in bytes."""
    figure = go.Figure()
    for values, name, color in zip((before, after), names, (GREY, BLUE), strict=True):
        figure.add_bar(
            y=values / 8, name=name, marker_color=color, marker_line_width=0,
            hovertemplate="channel %{x}: %{y:,.1f} bytes<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.add_vline(chosen, line={"color": ORANGE, "width": 2, "dash": "dot"})
    figure.update_xaxes(title="channel of y")
    figure.update_yaxes(title="bytes")
    return base(figure, 300, barmode="overlay", bargap=0)


# --- one symbol


def window(story: Story) -> go.Figure:
    """Draw the symbols around one: those known when its turn came, and those still to come."""
    known, side = story.symbol.window, len(story.symbol.window)
    reach = side // 2
    top = max(1.0, float(np.nanmax(np.abs(known), initial=0)))
    offsets = list(range(-reach, reach + 1))
    written = [["" if np.isnan(v) else f"{v:+.0f}" if v else "0" for v in row] for row in known]
    figure = go.Figure()
    figure.add_heatmap(
        z=known, x=offsets, y=offsets, zmin=-top, zmax=top, colorscale="RdBu", xgap=2, ygap=2,
        showscale=False, text=written, texttemplate="%{text}", textfont_size=FONT + 1,
        hovertemplate="%{y:+d} rows, %{x:+d} columns: %{text}<extra>known</extra>",
    )  # fmt: skip
    open_ = np.isnan(known) & ~np.isnan(story.truth)
    open_[reach, reach] = False
    rows, columns = np.nonzero(open_)
    figure.add_scatter(
        x=columns - reach, y=rows - reach, mode="markers", showlegend=False,
        marker={"symbol": "square-open", "size": 18, "color": GREY},
        hovertemplate="%{y:+d} rows, %{x:+d} columns<extra>not known yet</extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[0], y=[0], mode="text", text=["<b>?</b>"], showlegend=False, textfont_size=FONT + 8,
        hovertemplate=f"this symbol: {story.symbol.value:+d}<extra></extra>",
    )  # fmt: skip
    edge = {"color": ORANGE, "width": 3}
    figure.add_shape(type="rect", x0=-0.5, x1=0.5, y0=-0.5, y1=0.5, line=edge)
    ends = [-reach - 0.5, reach + 0.5]
    figure.update_xaxes(range=ends, tickvals=offsets, showgrid=False, zeroline=False)
    figure.update_yaxes(
        range=ends[::-1], tickvals=offsets, showgrid=False, zeroline=False, scaleanchor="x",
    )  # fmt: skip
    figure.update_xaxes(constrain="domain", title="columns away")
    figure.update_yaxes(constrain="domain", title="rows away")
    return base(figure, 380)


def laws(story: Story, name: str) -> go.Figure:
    """Draw what was expected of the symbol, by the hyperprior and with its neighbours."""
    symbol = story.symbol
    likely = np.abs(SHOWN)[np.maximum(symbol.hyperprior, symbol.neighbours) > 1e-3]
    end = int(min(SHOWN[-1], max(3, abs(symbol.value) + 1, *likely)))
    inside = np.abs(SHOWN) <= end
    drawn = [("the hyperprior alone", symbol.hyperprior, BLUE)]
    if story.asked:
        drawn.append((f"with {name}", symbol.neighbours, ORANGE))
    figure = go.Figure()
    for label, p, color in drawn:
        figure.add_bar(
            x=SHOWN[inside], y=p[inside], name=label, marker_color=color,
            hovertemplate="P(%{x:+d}) = %{y:.4f}<extra>" + label + "</extra>",
        )  # fmt: skip
    if abs(symbol.value) <= end:
        figure.add_vrect(
            symbol.value - 0.5, symbol.value + 0.5, fillcolor=GREY, opacity=0.25, layer="below",
            line_width=0,
        )  # fmt: skip
        highest = max(p[inside].max() for _, p, _ in drawn)
        figure.add_annotation(
            x=symbol.value, y=highest * 1.08, text="coded", showarrow=False, font_size=FONT
        )
    figure.update_xaxes(title="symbol s", dtick=1, range=[-end - 0.5, end + 0.5])
    figure.update_yaxes(title="probability", rangemode="tozero")
    return base(figure, 380)


def cuts(taken: Sequence[Cut]) -> go.Figure:
    """Draw how the coder's interval is cut: each bar is the part taken of the one above it."""
    figure, row = go.Figure(), 0.0
    for number, cut in enumerate(taken):
        row = -float(number)
        share = np.diff(cut.edges) / cut.edges[-1]
        begin = cut.edges[:-1] / cut.edges[-1]
        colors = [ORANGE if i == cut.taken else FAINT for i in range(len(share))]
        shown = [
            f"{part}" if part_share > 0.05 else ""
            for part, part_share in zip(cut.parts, share, strict=True)
        ]
        figure.add_bar(
            x=share, base=begin, y=[row] * len(share), orientation="h", width=0.5, text=shown,
            textangle=0, insidetextanchor="middle", constraintext="none",
            textfont_color=["black" if i == cut.taken else GREY for i in range(len(share))],
            marker={"color": colors, "line": {"color": GREY, "width": 0.5}}, showlegend=False,
            customdata=np.stack([begin, begin + share], -1),
            hovertemplate=[
                f"{cut.name}: {part}<br>[%{{customdata[0]:.6f}}, %{{customdata[1]:.6f}}), "
                "p = %{x:.6f}<extra></extra>"
                for part in cut.parts
            ],
        )  # fmt: skip
        if number + 1 < len(taken):
            low, high = (edge / cut.edges[-1] for edge in (cut.low, cut.high))
            above, below = row - 0.25, row - 0.75
            path = f"M {low},{above} L {high},{above} L 1,{below} L 0,{below} Z"
            figure.add_shape(type="path", path=path, fillcolor=ORANGE, opacity=0.18, line_width=0)
    names = [f"{cut.name}<br>{cut.bits:.2f} bits" for cut in taken]
    figure.update_yaxes(
        tickvals=[-n for n in range(len(taken))], ticktext=names, range=[row - 0.4, 0.4],
        showgrid=False, zeroline=False,
    )  # fmt: skip
    figure.update_xaxes(title="share of the interval", range=[0, 1], showgrid=False)
    return base(figure, 90 + 76 * len(taken), barmode="overlay")
