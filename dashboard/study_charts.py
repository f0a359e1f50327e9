"""The chart of the page "Which is real?": a ranking in, a Plotly figure out."""

from collections.abc import Sequence

import plotly.graph_objects as go

from hfx.study.outcome import Standing

OURS, ORIGINAL, THEIRS = "#0072B2", "#009E73", "#888888"  # told apart by the colour-blind too
FONT = 17  # pixels: read from the last row
ROW = 52  # pixels a codec


def color_of(codec: str) -> str:
    """Return a codec's colour: ours, the untouched original, everybody else."""
    return OURS if codec.startswith("hfx") else ORIGINAL if codec == "original" else THEIRS


def ranking(standings: Sequence[Standing]) -> go.Figure:
    """Draw how probably each codec is preferred to an average rival, the best on top.

    Args:
        standings: The codecs, the strongest first; those without an interval get a dot alone.
    """
    figure = go.Figure()
    for at in standings:
        bar = None
        told = f"{at.codec}: {at.chance:.0%}"
        if at.low is not None and at.high is not None:
            bar = {
                "type": "data", "symmetric": False, "thickness": 3, "width": 8,
                "array": [100 * (at.high - at.chance)],
                "arrayminus": [100 * (at.chance - at.low)],
            }  # fmt: skip
            told += f" ({at.low:.0%} to {at.high:.0%})"
        figure.add_scatter(
            x=[100 * at.chance],
            y=[at.codec],
            error_x=bar,
            mode="markers",
            marker={"size": 16, "color": color_of(at.codec)},
            hovertemplate=f"{told}<br>{at.wins} of {at.shown} votes<extra></extra>",
        )
    figure.add_vline(x=50, line_width=1, line_dash="dash", line_color=THEIRS)
    figure.update_xaxes(
        range=[0, 100],
        ticksuffix="%",
        tick0=0,
        dtick=25,
        title="preferred to an average rival",
        title_font_size=FONT,
        tickfont_size=FONT - 2,
        fixedrange=True,
        automargin=True,
    )
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=[at.codec for at in reversed(standings)],
        tickfont_size=FONT,
        fixedrange=True,
        automargin=True,
    )
    return figure.update_layout(
        height=96 + ROW * len(standings),
        showlegend=False,
        margin={"l": 8, "r": 40, "t": 8, "b": 8},
        hoverlabel_font_size=FONT - 2,
    )


def in_words(standings: Sequence[Standing]) -> str:
    """Say what the chart shows, for those who do not see it."""
    parts = []
    for at in standings:
        interval = "" if at.low is None else f" ({at.low:.0%} to {at.high:.0%})"
        parts.append(f"{at.codec} {at.chance:.0%}{interval}")
    return "How probably each codec is preferred to an average rival: " + ", ".join(parts) + "."
