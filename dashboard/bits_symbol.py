"""One symbol of a file, told step by step: a section of the page "Where the bits go"."""

import numpy as np
import streamlit as st

import hfx
from dashboard import bits, bits_charts
from dashboard.bits import Anatomy, Place, Story
from hfx.neighbours.chain import GRID
from hfx.neighbours.interval import interval

STILL = {"displayModeBar": False}


def show_symbol(codec: hfx.Codec, anatomy: Anatomy, place: Place) -> None:
    """Tell how one symbol was coded, step by step."""
    story = bits.story(codec, anatomy, place)
    one, name = story.symbol, bits.NAMES[anatomy.kind]
    with st.container(horizontal=True):
        st.metric("Symbol s", f"{one.value:+d}", border=True, help="y − μ, rounded.")
        st.metric("μ", f"{one.mu:+.3f}", border=True, help="Where the hyperprior expected y.")
        st.metric(
            "σ", f"{one.sigma:.3f}", border=True,
            help="How far off it expected to be: entry "
            f"{anatomy.latents.index[place.index]} of the table of 64 widths.",
        )  # fmt: skip
        st.metric("Hyperprior", f"{one.bits_before:.2f} bits", border=True, help="−log₂ p, alone.")
        if story.asked:
            st.metric(
                f"With {name}", f"{one.bits_after:.2f} bits", border=True,
                help="−log₂ of the product of the decisions' probabilities.",
            )  # fmt: skip
    known, laws = st.columns([2, 3])
    with known:
        st.markdown("**1. What was known**")
        show_window(story, name)
    with laws:
        st.markdown("**2. What was expected**")
        st.plotly_chart(
            bits_charts.laws(story, name), config=STILL, key="laws",
            alt=f"Probabilities of the symbols near 0. The coded one, {one.value}, had "
            f"{2**-one.bits_before:.4f} by the hyperprior and {2**-one.bits_after:.4f} as coded.",
        )  # fmt: skip
    st.markdown("**3. The interval that the range coder took**")
    show_interval(story)


def show_window(story: Story, name: str) -> None:
    """Show the neighbours as they were known."""
    if not story.asked:
        why = (
            "This file was written without a neighbour model: the hyperprior codes every symbol."
            if story.kind == "none"
            else f"The hyperprior was so sure of 0 here (over {1 - 2**-8:.1%}) that {name} was "
            "not asked: it would not pay its time."
        )
        st.info(why, icon=":material/info:")
        return
    known = int((~np.isnan(story.symbol.window)).sum())
    st.plotly_chart(
        bits_charts.window(story), config=STILL, key="window",
        alt=f"The 7 by 7 window around the symbol: {known} neighbours were known already.",
    )  # fmt: skip
    st.caption(
        f"The window in its own channel: {known} neighbours were coded before it, grey squares "
        "came later. Sums over earlier channels are known too."
    )


def show_interval(story: Story) -> None:
    """Show the cuts of the coder's interval, and what is left in the end."""
    cuts = story.cuts
    low, width = interval(cuts)
    total = sum(cut.bits for cut in cuts)
    taken = ", then ".join(f"{cut.name}: {cut.parts[cut.taken]}" for cut in cuts)
    st.plotly_chart(
        bits_charts.cuts(cuts), config=STILL, key="cuts",
        alt=f"The interval from 0 to 1, cut {len(cuts)} times: {taken}.",
    )  # fmt: skip
    escaped = sum(cut.escaped for cut in cuts)
    beside = f", {8 * escaped} of them beside the coder, for a symbol beyond the table" * (
        escaped > 0
    )
    st.markdown(
        f"[0, 1) becomes **[{float(low):.9f}, {float(low + width):.9f})**, "
        f"{float(width):.3g} as wide: −log₂ of that is **{total:.3f} bits**{beside}. The next "
        "symbol cuts on from there. Edges are whole numbers of 2⁻²⁴, the same on every machine."
    )
    if not story.asked:
        return
    with st.expander("The decisions in numbers"):
        st.table(
            [
                {
                    "decision": decision.name + "?",
                    "hyperprior, nats": f"{decision.before / GRID:+.3f}",
                    "neighbours add": f"{(decision.after - decision.before) / GRID:+.3f}",
                    "P(yes) before": f"{decision.p_before:.4f}",
                    "P(yes) after": f"{decision.p_after:.4f}",
                    "answer": {True: "yes", False: "no", None: "not asked"}[decision.answer],
                }
                for decision in story.symbol.decisions
            ]
        )
        st.caption("A margin of m nats is a probability of 1 / (1 + e⁻ᵐ).")
