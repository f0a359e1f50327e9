"""The charts of the page "The paper": Figure 1 from the code, and what printed columns bear."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import torch
from torch import nn
from torch.nn.utils import parametrize

from dashboard.bits_charts import BLUE, FONT, GREY, ORANGE, base
from hfx.config import Architecture
from hfx.networks import (
    AnyEncoder,
    AnyGenerator,
    Discriminator,
    Generator,
    HyperAnalysis,
    HyperSynthesis,
    LadderEncoder,
    LadderGenerator,
    encoder_of,
    generator_of,
)
from hfx.networks.ladder import Block
from hfx.networks.layers import ChannelNorm, ResidualBlock

BOX, GAP = 1.0, 0.22  # height of a layer, and of the space between two
WIDE, APART = 1.0, 1.14  # width of a column, and from one to the next
DATA, LAYER, STEP = "data", "layer", "step"
FILLS = {DATA: "#F6DDA9", LAYER: "#BFD9EA", STEP: "#D9D9D9"}  # light in both themes, with
INK = "#1C2629"  # dark words on them


@dataclass(frozen=True)
class Column:
    """A network, from what goes in to what comes out.

    Attributes:
        title: Its name and size.
        boxes: (text, kind) from top to bottom.
    """

    title: str
    boxes: tuple[tuple[str, str], ...]


# --- Figure 1


def flat(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers of a module one by one, residual blocks whole."""
    for child in module.children():
        if isinstance(child, nn.Sequential):
            yield from flat(child)
        else:
            yield child


def flow_of_encoder(e: AnyEncoder) -> Iterator[nn.Module]:
    """Yield E's layers in the order in which a picture meets them."""
    if not isinstance(e, LadderEncoder):
        yield from (*flat(e.stack), e.head)
        return
    for k, mix, blocks in zip(e.factors, e.mixes, e.stages, strict=True):
        yield from (nn.PixelUnshuffle(k), mix, *blocks.children())
    yield e.head


def flow_of_generator(g: AnyGenerator) -> Iterator[nn.Module]:
    """Yield G's layers in the order in which latents meet them, without what is added last."""
    if isinstance(g, Generator):
        yield from (*flat(g.head), *flat(g.stack), g.tail, g.shuffle)
        return
    yield g.head
    for stage in reversed(range(len(g.stages))):
        yield from g.stages[stage].children()
        yield from (g.mixes[stage - 1] if stage else g.tail, nn.PixelShuffle(g.factors[stage]))


def layers(modules: Iterator[nn.Module]) -> list[str]:
    """Name layers in the paper's way: ConvC has C channels, and 3x3 filters unless it says so."""
    rows: list[str] = []
    last, blocks = "", 0
    for one in modules:
        if isinstance(one, nn.Conv2d | nn.ConvTranspose2d):
            k, stride = one.kernel_size[0], one.stride[0]
            text = f"Conv{one.out_channels}" + (f" {k}×{k}" if k != 3 else "")
            if stride > 1:
                text += f" {'↑' if isinstance(one, nn.ConvTranspose2d) else '↓'}{stride}"
            rows.append(text + " · SpectralNorm" * parametrize.is_parametrized(one))
        elif isinstance(one, ResidualBlock | Block):
            first = one.first if isinstance(one, Block) else one.body[0]
            assert isinstance(first, nn.Conv2d)
            name = f"residual block {first.out_channels}"
            blocks = blocks + 1 if name == last else 1
            if blocks > 1:
                rows.pop()
            rows.append(f"{blocks} × {name}" if blocks > 1 else name)
            last = name
            continue
        elif isinstance(one, nn.PixelUnshuffle) and one.downscale_factor > 1:
            rows.append(f"unshuffle ↓{one.downscale_factor}")
        elif isinstance(one, nn.PixelShuffle) and one.upscale_factor > 1:
            rows.append(f"shuffle ↑{one.upscale_factor}")
        elif isinstance(one, nn.LeakyReLU):
            rows[-1] += f" · leaky ReLU {one.negative_slope:g}"
        elif isinstance(one, nn.ReLU | ChannelNorm):
            rows[-1] += f" · {type(one).__name__}"
        last = ""
    return rows


def columns(arch: Architecture) -> list[Column]:
    """Build the networks, without their weights, and name what they are made of."""
    with torch.device("meta"):
        e, g, d = encoder_of(arch), generator_of(arch), Discriminator(arch)
        h_a, h_s = HyperAnalysis(arch), HyperSynthesis(arch)

    def column(title: str, boxes: Sequence[tuple[str, str]], *parts: nn.Module) -> Column:
        size = sum(p.numel() for part in parts for p in part.parameters())
        return Column(f"<b>{title}</b>, {size / 1e6:.1f} M", tuple(boxes))

    def boxes(*modules: nn.Module) -> list[tuple[str, str]]:
        return [(text, LAYER) for text in layers(iter(modules))]

    def beside(network: AnyEncoder | AnyGenerator) -> list[tuple[str, str]]:
        """What is added to what comes out."""
        if isinstance(network, LadderGenerator):
            sees, says = network.detail.first, network.detail.last
            return [(f"+ at half size: Conv{sees.out_channels}, Conv{says.out_channels}", STEP)]
        if isinstance(network, LadderEncoder) or network.linear is None:
            return []
        return [(f"+ linear: {boxes(network.linear)[0][0]}", STEP)]

    condition = [] if d.condition is None else [
        *boxes(*flat(d.condition)), ("NN ↑16, beside the picture", STEP)
    ]  # fmt: skip
    return [
        column("E", [("x", DATA), *boxes(*flow_of_encoder(e)), *beside(e), ("y", DATA)], e),
        column("P: h_a, h_s", [
            ("y", DATA), *boxes(*flat(h_a)), ("Q, range coder", STEP), ("z", DATA),
            *boxes(*flat(h_s.mean)), ("μ, and the same for σ", DATA), ("Q of y − μ", STEP),
            ("XGBoost on 7×7 neighbours", STEP), ("range coder", STEP), ("ŷ", DATA),
        ], h_a, h_s),
        column("G", [("ŷ", DATA), *boxes(*flow_of_generator(g)), *beside(g), ("x′", DATA)], g),
        column("D", [("ŷ", DATA), *condition, ("x or x′", DATA), *boxes(*flat(d.stack)),
                     ("a score a patch", DATA)], d),
    ]  # fmt: skip


def figure1(made: Sequence[Column]) -> go.Figure:
    """Draw networks side by side, each from its input down to its output."""
    figure = go.Figure()
    for number, column in enumerate(made):
        left = number * APART
        figure.add_annotation(
            x=left + WIDE / 2, y=0.9, text=column.title, showarrow=False, font_size=FONT + 3
        )
        for row, (text, kind) in enumerate(column.boxes):
            top = -row * (BOX + GAP)
            figure.add_shape(
                type="rect", x0=left, x1=left + WIDE, y0=top, y1=top - BOX, fillcolor=FILLS[kind],
                line={"color": GREY, "width": 1},
            )  # fmt: skip
            figure.add_annotation(
                x=left + WIDE / 2,
                y=top - BOX / 2,
                text=text,
                showarrow=False,
                font={"size": FONT - 2, "color": INK},
            )
            if row:
                figure.add_annotation(
                    x=left + WIDE / 2, y=top, ax=left + WIDE / 2, ay=top + GAP, text="",
                    xref="x", yref="y", axref="x", ayref="y", showarrow=True, arrowhead=2,
                    arrowsize=0.9, arrowwidth=1.2, arrowcolor=GREY,
                )  # fmt: skip
    deepest = max(len(column.boxes) for column in made)
    low = -deepest * (BOX + GAP)
    figure.update_xaxes(visible=False, range=[-0.02, (len(made) - 1) * APART + WIDE + 0.02])
    figure.update_yaxes(visible=False, range=[low, 1.6])
    return base(figure, 60 + 38 * deepest)


# --- the audit


def pair(rows: Sequence[Mapping[str, Any]], x: str, y: str, color: str = BLUE) -> go.Figure:
    """Draw a column over another, with what the one says of the other.

    Of MSE and PSNR that is their law; of any others the straight line nearest to the points.
    """
    own = [row for row in rows if row[x] is not None and row[y] is not None]
    xs, ys = (np.array([row[name] for row in own], float) for name in (x, y))
    ends = np.linspace(xs.min(), xs.max(), 60)
    if (x, y) == ("mse", "psnr"):
        line, name = 10 * np.log10(255**2 / ends), "10 log₁₀(255² / MSE)"
    else:
        line, name = np.polyval(np.polyfit(xs, ys, 1), ends), "straight line"
    figure = go.Figure()
    figure.add_scatter(
        x=ends, y=line, name=name, mode="lines", line={"color": ORANGE, "width": 2},
        hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=xs, y=ys, name="rows", mode="markers", marker={"color": color, "size": 9},
        customdata=[f"{row['tier']}, {row['image']}" for row in own],
        hovertemplate=f"%{{customdata}}<br>{x.upper()} %{{x}}<br>{y.upper()} %{{y}}"
        "<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title=x.upper())
    figure.update_yaxes(title=y.upper())
    return base(figure, 300, hovermode="closest", legend_font_size=FONT - 1)
