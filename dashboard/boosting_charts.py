"""The charts of the page "XGBoost lab": numbers in, Plotly figures out."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from dashboard.bits_charts import BLUE, DARK_TO_LIGHT, FONT, GREY, ORANGE, base
from dashboard.boosting import HYPERPRIOR, KNN, SHIPPED, YOURS, Round
from hfx.neighbours.chain import GRID
from hfx.neighbours.trees import Importance, Tree
from hfx.neighbours.window import RATIO

GREEN = "#009E73"
COLORS = {HYPERPRIOR: GREY, KNN: GREEN, YOURS: ORANGE, SHIPPED: BLUE}
LEAF = 30  # pixels of height


def objective(rounds: Sequence[Round]) -> go.Figure:
    """Draw Obj = L + Omega on the training windows, round by round."""
    numbers = [one.number for one in rounds]
    figure = go.Figure()
    for name, values, color in (
        ("L, the bits", [one.loss for one in rounds], BLUE),
        ("Ω, the penalty", [one.penalty for one in rounds], ORANGE),
    ):
        figure.add_scatter(
            x=numbers, y=values, name=name, stackgroup="objective", line_color=color,
            hovertemplate="round %{x}: %{y:.4f}<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=numbers, y=[one.objective for one in rounds], name="Obj = L + Ω", mode="lines",
        line={"color": GREY, "width": 3},
        hovertemplate="round %{x}: %{y:.4f}<extra>Obj</extra>",
    )  # fmt: skip
    figure.update_xaxes(title="round", rangemode="tozero")
    figure.update_yaxes(title="bits a window", rangemode="tozero")
    return base(figure, 340)


def saved(rounds: Sequence[Round], knn: float) -> go.Figure:
    """Draw the share of bits saved on windows learned from and on held-out ones."""
    numbers = [one.number for one in rounds]
    figure = go.Figure()
    for name, values, color, dash in (
        ("learned from", [one.train for one in rounds], BLUE, "dot"),
        ("held out", [one.held for one in rounds], ORANGE, "solid"),
        ("KNN, held out", [knn] * len(rounds), GREEN, "dash"),
    ):
        figure.add_scatter(
            x=numbers, y=values, name=name, mode="lines",
            line={"color": color, "width": 3, "dash": dash},
            hovertemplate="round %{x}: %{y:.2%}<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.add_hline(0, line={"color": GREY, "width": 1})
    figure.update_xaxes(title="round", rangemode="tozero")
    figure.update_yaxes(title="bits saved", tickformat=".0%")
    return base(figure, 340)


def window(importance: Importance) -> go.Figure:
    """Draw what the trees gained from each cell of the window."""
    gain, side = importance.window, len(importance.window)
    offsets = list(range(-(side // 2), side // 2 + 1))
    figure = go.Figure()
    figure.add_heatmap(
        z=np.where(np.arange(side * side).reshape(side, side) == side * side // 2, np.nan, gain),
        x=offsets, y=offsets, colorscale=DARK_TO_LIGHT, zmin=0, xgap=2, ygap=2,
        colorbar={"title": {"text": "gain, nats", "side": "right"}, "thickness": 14},
        hovertemplate="%{y:+d} rows, %{x:+d} columns: %{z:.1f}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[0], y=[0], mode="text", text=["<b>?</b>"], textfont_size=FONT + 8, hoverinfo="skip",
        showlegend=False,
    )  # fmt: skip
    ends = [-side / 2, side / 2]
    figure.update_xaxes(
        range=ends, tickvals=offsets, showgrid=False, zeroline=False, constrain="domain",
        title="columns away",
    )  # fmt: skip
    figure.update_yaxes(
        range=ends[::-1], tickvals=offsets, showgrid=False, zeroline=False, constrain="domain",
        scaleanchor="x", title="rows away",
    )  # fmt: skip
    return base(figure, 400)


def features(importance: Importance, count: int = 12) -> go.Figure:
    """Draw the features that the trees gained most from."""
    most = list(importance.gain.items())[:count][::-1]
    figure = go.Figure()
    figure.add_bar(
        x=[gain for _, gain in most], y=[name for name, _ in most], orientation="h",
        marker_color=BLUE, hovertemplate="%{y}: %{x:.1f} nats<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title="gain, nats")
    return base(figure, 400)


def question(name: str, threshold: float) -> str:
    """Word what a node asks; ratios are stored in 1/256."""
    if name.startswith("ratio"):
        return f"{name} < {threshold / RATIO:.2f}"
    return f"{name} < {threshold:g}"


def tree(one: Tree, names: Sequence[str]) -> go.Figure:
    """Draw a tree from its root, left, to its leaves, right; yes goes up."""
    depth, row = np.zeros(len(one.left), int), np.zeros(len(one.left))
    leaves = 0

    def place(node: int, level: int) -> None:
        nonlocal leaves
        depth[node] = level
        if one.left[node] < 0:
            row[node], leaves = leaves, leaves + 1
            return
        children = int(one.left[node]), int(one.right[node])
        for child in children:
            place(child, level + 1)
        row[node] = row[list(children)].mean()

    place(0, 0)
    figure = go.Figure()
    splits, ends = np.flatnonzero(one.left >= 0), np.flatnonzero(one.left < 0)
    x: list[float | None] = []
    y: list[float | None] = []
    for node in splits:
        for child in (one.left[node], one.right[node]):  # left means yes, and is drawn above
            x += [depth[node], depth[node], depth[child], None]
            y += [row[node], row[child], row[child], None]
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": GREY, "width": 1.5}, hoverinfo="skip"
    )
    asked = [question(names[one.feature[n]], float(one.threshold[n])) for n in splits]
    figure.add_scatter(
        x=depth[splits], y=row[splits], mode="markers+text", text=asked,
        textposition="middle right", marker={"color": GREY, "size": 9}, textfont_size=FONT - 2,
        customdata=[
            [f"{one.gain[n]:.1f}", "yes" if one.missing_left[n] else "no"] for n in splits
        ],
        hovertemplate="%{text}?<br>gain %{customdata[0]} nats<br>"
        "not known yet counts as %{customdata[1]}<extra></extra>",
    )  # fmt: skip
    nats = one.score[ends] / GRID
    figure.add_scatter(
        x=depth[ends], y=row[ends], mode="markers+text", text=[f"{v:+.3f}" for v in nats],
        textposition="middle right", textfont_size=FONT - 2,
        marker={"color": np.where(nats < 0, BLUE, ORANGE), "size": 12, "symbol": "square"},
        hovertemplate="adds %{text} nats<extra>leaf</extra>",
    )  # fmt: skip
    figure.update_xaxes(visible=False, range=[-0.1, depth.max() + 0.6])
    figure.update_yaxes(visible=False, range=[leaves - 0.3, -0.9])
    return base(figure, max(160, LEAF * leaves), showlegend=False)
