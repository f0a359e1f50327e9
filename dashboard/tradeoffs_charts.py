"""The charts of the page "Trade-offs": points in, Plotly figures out."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.bits_charts import BLUE, FONT, GREY, ORANGE, base
from dashboard.tradeoffs import AXES, OURS, Axis
from dashboard.tradeoffs_live import Point
from hfx import bdrate

# Told apart by the colour-blind too, by their marks and dashes besides.
LOOKS = {
    OURS: (BLUE, "circle"),
    "JPEG": (GREY, "square"),
    "WebP": ("#009E73", "triangle-up"),
    "AVIF": (ORANGE, "diamond"),
    "JPEG 2000": ("#CC79A7", "triangle-down"),
    "JPEG XL": ("#D55E00", "pentagon"),
    "HiFiC": ("#56B4E9", "star"),
    "MS-ILLM": ("#9467BD", "hexagram"),
}
CAMERA = {  # of Plotly's own buttons: what makes a PNG of a chart, offline
    "displaylogo": False,
    "displayModeBar": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
}


def config(name: str) -> dict[str, Any]:
    """Return a chart's settings, the name of its PNG among them."""
    return CAMERA | {"toImageButtonOptions": {"filename": name, "scale": 2}}


def look(codec: str) -> tuple[str, str]:
    """Return the colour and the mark of a codec; a variant has those of its codec."""
    return LOOKS.get(codec, LOOKS.get(codec.partition(",")[0], (GREY, "x")))


def roomy(figure: go.Figure, height: int) -> go.Figure:
    """Give a figure what these have in common: its buttons stand where no legend is."""
    return base(
        figure, height, hovermode="closest", modebar_orientation="v", legend_font_size=FONT,
        legend_entrywidth=165,
    )  # fmt: skip


def curves(
    points: Mapping[str, Sequence[bdrate.Point]], axis: Axis, published: Collection[str] = ()
) -> go.Figure:
    """Draw a measure over the rate, a line a codec.

    Args:
        points: (bpp, measure) of each codec.
        axis: The measure.
        published: Whose points are other people's: drawn hollow and dashed.
    """
    figure = go.Figure()
    for codec, values in points.items():
        color, mark = look(codec)
        theirs = codec in published
        name = f"{codec} (published)" if theirs else codec
        figure.add_scatter(
            x=[bpp for bpp, _ in values], y=[value for _, value in values], name=name,
            mode="lines+markers",
            line={"color": color, "width": 4 if codec == OURS else 2,
                  "dash": "dash" if theirs else "solid"},
            marker={"symbol": mark + "-open" * theirs, "size": 11, "line_width": 2 * theirs},
            hovertemplate=f"{name}<br>%{{x:.3f}} bpp<br>{axis.name} %{{y:.{axis.digits}f}}"
            "<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title="bits per pixel, of the whole file")
    figure.update_yaxes(title=axis.hint)
    return roomy(figure, 460)


def live(points: Sequence[Point], measure: str) -> go.Figure:
    """Draw the points of one picture; each carries its number, by which its crop is found."""
    axis, figure = AXES[measure], go.Figure()
    numbered = [
        (number, one) for number, one in enumerate(points) if one.values[measure] is not None
    ]
    for codec in dict.fromkeys(one.codec for _, one in numbered):
        own = sorted((p for p in numbered if p[1].codec == codec), key=lambda p: p[1].bpp)
        color, mark = look(codec)
        figure.add_scatter(
            x=[one.bpp for _, one in own], y=[one.values[measure] for _, one in own], name=codec,
            mode="lines+markers",
            line={"color": color, "width": 4 if codec == OURS else 2,
                  "dash": "dot" if "," in codec else "solid"},
            marker={"symbol": mark, "size": 12},
            customdata=[[number, one.setting, len(one.data)] for number, one in own],
            hovertemplate=f"{codec}, %{{customdata[1]}}<br>%{{customdata[2]:,}} bytes, %{{x:.3f}} "
            f"bpp<br>{axis.name} %{{y:.{axis.digits}f}}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title="bits per pixel, of the whole file", rangemode="tozero")
    figure.update_yaxes(title=axis.hint)
    return roomy(figure, 600)


def plane(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Draw what the realism dial trades: faithful to the right, realistic at the bottom.

    Args:
        rows: Lines of one set of pictures in `realism_sets.csv`.
    """
    figure, named = go.Figure(), set()
    for codec in dict.fromkeys(row["codec"] for row in rows):
        for tier in dict.fromkeys(row["tier"] for row in rows):
            own = [row for row in rows if (row["codec"], row["tier"]) == (codec, tier)]
            own.sort(key=lambda row: row["realism"] or 0)
            turned = [row["realism"] for row in own if row["realism"] is not None]
            color, mark = look(codec)
            labels = [f"{tier}, realism {r:g}" for r in turned] if turned else [tier]
            figure.add_scatter(
                x=[row["psnr"] for row in own], y=[row["fid768"] for row in own], name=codec,
                mode="lines+markers+text", legendgroup=codec, showlegend=codec not in named,
                text=[label if i in (0, len(own) - 1) else "" for i, label in enumerate(labels)],
                textposition=["middle right"] + ["bottom center"] * (len(own) - 1),
                textfont_size=FONT - 2,
                line={"color": color, "width": 3},
                marker={"symbol": mark, "size": 12},
                customdata=[
                    [row["bpp"], "" if row["realism"] is None else f", realism {row['realism']:g}"]
                    for row in own
                ],
                hovertemplate=f"{codec}, {tier}%{{customdata[1]}}<br>%{{customdata[0]:.3f}} bpp"
                "<br>PSNR %{x:.2f} dB<br>FID-768 %{y:.3f}<extra></extra>",
            )  # fmt: skip
            named.add(codec)
    figure.update_xaxes(title=AXES["psnr"].hint)
    figure.update_traces(cliponaxis=False)
    figure.update_yaxes(title=AXES["fid768"].hint)
    return roomy(figure, 480)
