"""The charts of the page "Train lab": logs of runs in, Plotly figures out.

One run is drawn with everything about it, several are laid over each other, a colour each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from dashboard.bits_charts import BLUE, FAINT, GREY, ORANGE, base
from hfx.config import Losses
from hfx.lab.settings import TIER, Settings

GREEN, PINK, SKY, RED = "#009E73", "#CC79A7", "#56B4E9", "#D55E00"
COLORS = (BLUE, ORANGE, GREEN, PINK, SKY, RED)  # told apart by the colour-blind too
MARKS = 300  # along a curve, about: more cannot be seen, and have to travel
MEMORY = 0.9  # of smoothed curves
HEIGHT = 310
BPP, ZETA = f"bpp_{TIER}", f"zeta_{TIER}"

Columns = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Curve:
    """What a run has to show.

    Attributes:
        name: The run's.
        settings: What it was told.
        log: Columns of its log, a row a step.
        measures: Step, bpp and psnr of the photograph it is not trained on.
    """

    name: str
    settings: Settings
    log: Columns
    measures: Columns

    def column(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the steps that have a value, and the values."""
        steps, values = self.log.get("step", np.empty(0)), self.log.get(name, np.empty(0))
        there = np.isfinite(values)
        return (steps[there], values[there]) if len(values) else (values, values)

    @property
    def distortion(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The part of the loss that is Eq. 6's d(x, x')."""
        steps, mse = self.column("mse")
        _, distance = self.column("lpips")
        return steps, self.settings.k_M * mse + self.settings.k_P * distance


def running(values: NDArray[np.float64], memory: float = MEMORY) -> NDArray[np.float64]:
    """Return the running mean as the rate controller has it: it begins at the first value."""
    out = np.array(values, float)
    for i in range(1, len(out)):
        out[i] = memory * out[i - 1] + (1 - memory) * out[i]
    return out


def thinned(
    steps: NDArray[np.float64], values: NDArray[np.float64], most: int = MARKS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Leave out marks between others, never the last one."""
    every = -(-len(steps) // most) or 1
    keep = slice((len(steps) - 1) % every, None, every)
    return steps[keep], values[keep]


# --- the charts


def loss(curves: Sequence[Curve]) -> go.Figure:
    """Draw the loss, and of a single run the part of it that is distortion.

    With other weights losses are on other scales, so that several runs share a logarithmic axis.
    """
    figure = go.Figure()
    for one, color in zip(curves, COLORS, strict=False):
        steps, values = one.column("loss")
        if len(curves) == 1:
            _noise(figure, steps, values)
            _line(figure, steps, running(values), "loss, running mean", color)
            apart, d = one.distortion
            _line(figure, apart, running(d), "d = k_M MSE + k_P LPIPS", ORANGE, dash="dash")
        else:
            _line(figure, steps, running(values), one.name, color)
    if len(curves) > 1:
        return _steps(figure, "loss", curves, type="log")
    return _steps(figure, "loss", curves, rangemode="tozero")


def rate(curves: Sequence[Curve]) -> go.Figure:
    """Draw the rate against r_t, and below it which zeta' that switches on."""
    figure = make_subplots(
        2, 1, shared_xaxes=True, row_heights=[0.72, 0.28], vertical_spacing=0.06
    )
    alone = len(curves) == 1
    for one, color in zip(curves, COLORS, strict=False):
        steps, bpp = one.column(BPP)
        if alone:
            _noise(figure, steps, bpp)
        name = "rate, running mean" if alone else one.name
        _line(figure, steps, running(bpp, Losses().rate_memory), name, color)
        target = {"color": GREY if alone else color, "dash": "dot", "width": 2}
        figure.add_hline(one.settings.r_t, line=target, row=1, col=1)
        figure.add_scatter(
            x=[None], y=[None], mode="lines", line=target, name="r_t", showlegend=alone
        )
        _line(
            figure, *one.column(ZETA), "ζ′", ORANGE if alone else color, width=2, row=2,
            shape="hv", legend=False, fill="tozeroy" if alone else None,
        )  # fmt: skip
    figure.update_yaxes(title="ζ′", rangemode="tozero", nticks=3, row=2, col=1)
    figure.update_yaxes(title="bits per pixel", rangemode="tozero", row=1, col=1)
    return _steps(figure, None, curves)


def scores(curves: Sequence[Curve]) -> go.Figure:
    """Draw D's mean logits of photographs and of reconstructions."""
    figure = go.Figure()
    alone = len(curves) == 1
    for one, color in zip(curves, COLORS, strict=False):
        for column, name, own, dash in (
            ("d_real", "photographs", BLUE, "solid"),
            ("d_fake", "reconstructions", ORANGE, "dash"),
        ):
            steps, values = one.column(column)
            if alone:
                _noise(figure, steps, values)
            _line(
                figure, steps, running(values), name if alone else one.name,
                own if alone else color, dash=dash, legend=alone or dash == "solid",
            )  # fmt: skip
    figure.add_hline(0, line={"color": GREY, "width": 1})
    return _steps(figure, "D's logit" if alone else "D's logit (- - of x′)", curves)


def norms(curves: Sequence[Curve]) -> go.Figure:
    """Draw the norms of the gradients, and where they are clipped."""
    figure = go.Figure()
    alone = len(curves) == 1
    for one, color in zip(curves, COLORS, strict=False):
        learner = "G" if one.settings.stage == 2 else "E, G and hyperprior"
        for column, name, own, dash in (
            ("grad_norm", learner, BLUE, "solid"),
            ("grad_norm_d", "D", ORANGE, "dash"),
        ):
            steps, values = one.column(column)
            if not len(steps):
                continue
            _line(
                figure, steps, running(values), name if alone else one.name,
                own if alone else color, dash=dash, legend=alone or dash == "solid",
            )  # fmt: skip
    clip = {"color": GREY, "dash": "dot", "width": 2}
    figure.add_hline(curves[0].settings.training.clip if curves else 1.0, line=clip)
    figure.add_scatter(x=[None], y=[None], mode="lines", line=clip, name="clipped above")
    # the axis always holds a power of ten: Plotly misplaces the title of one without marks
    drawn = [v for one in figure.data if one.y is not None for v in one.y if v and v > 0]
    ends = np.log10([min([0.8, *drawn]), max([12.0, *drawn])])
    figure.update_yaxes(type="log", dtick=1, range=[*(ends + (-0.05, 0.05))])
    return _steps(figure, "norm" if alone else "norm (- - of D)", curves)


def quality(curves: Sequence[Curve]) -> go.Figure:
    """Draw the PSNR of the photograph that no run is trained on."""
    figure = go.Figure()
    for one, color in zip(curves, COLORS, strict=False):
        shots = one.measures
        figure.add_scatter(
            x=shots.get("step"), y=shots.get("psnr"), customdata=shots.get("bpp"),
            name=one.name, mode="lines+markers", line={"color": color, "width": 3},
            marker_size=6,
            hovertemplate="step %{x}: %{y:.2f} dB at %{customdata:.3f} bpp<extra></extra>",
        )  # fmt: skip
    figure.update_layout(showlegend=len(curves) > 1)
    return _steps(figure, "PSNR, dB", curves)


def in_words(what: str, curve: Curve, column: str) -> str:
    """Say what a chart shows, for those who do not see it."""
    if column == "psnr":
        steps, values = (curve.measures.get(name, np.empty(0)) for name in ("step", "psnr"))
    else:
        steps, values = curve.column(column)
        values = running(values)
    if not len(steps):
        return f"{what}: nothing yet."
    return (
        f"{what}, run {curve.name}: from {values[0]:.2f} to {values[-1]:.2f} "
        f"after {int(steps[-1])} steps."
    )


# --- how they are drawn


def _noise(figure: go.Figure, steps: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    """Add single steps, faintly."""
    x, y = thinned(steps, values)
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": FAINT, "width": 1.5}, showlegend=False,
        hoverinfo="skip",
    )  # fmt: skip


def _line(
    figure: go.Figure, steps: NDArray[np.float64], values: NDArray[np.float64], name: str,
    color: str, dash: str = "solid", width: float = 3, row: int = 1, shape: str = "linear",
    legend: bool = True, fill: str | None = None,
) -> None:  # fmt: skip
    """Add a curve."""
    x, y = thinned(steps, values)
    line = go.Scatter(
        x=x, y=y, name=name, mode="lines", showlegend=legend, fill=fill,
        line={"color": color, "width": width, "dash": dash, "shape": shape},
        hovertemplate="step %{x}: %{y:.4g}<extra>" + name + "</extra>",
    )  # fmt: skip
    if figure._has_subplots():
        figure.add_trace(line, row, 1)
    else:
        figure.add_trace(line)


def _steps(
    figure: go.Figure, title: str | None, curves: Sequence[Curve], **axis: object
) -> go.Figure:
    """Give a figure of steps its axes; what a visitor zoomed into stays while a run goes on."""
    if title is not None:
        figure.update_yaxes(title=title, **axis)
    last = max((one.settings.steps for one in curves), default=1)
    figure.update_xaxes(range=[0, 1.02 * last])
    figure.update_xaxes(title="step", row=2 if figure._has_subplots() else None, col=None)
    return base(figure, HEIGHT, uirevision="+".join(one.name for one in curves))
