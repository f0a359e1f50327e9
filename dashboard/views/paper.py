"""The page "The paper": each equation, figure and table, with its code, its test, its notebook."""

import streamlit as st

import hfx
from dashboard import paper, paper_charts, paper_tables
from dashboard.bits_symbol import STILL
from dashboard.paper import EQUATIONS, FIGURE, PARTS
from hfx.config import PRESETS
from hfx.paper import Element

PURPOSE = (
    "*High-fidelity generative image compression using GANs and XGBoost approach*, by Suresh, "
    "Thivya and Anand: what it says, the code that runs it, and how we read what it leaves open."
)
TALL = 340  # pixels of source shown at a time


def main() -> None:
    """Lay out the page."""
    st.title("The paper", anchor=False)
    st.markdown(PURPOSE)
    part = st.segmented_control(
        "Part", list(PARTS), default=EQUATIONS, required=True, key="part", bind="query-params",
        label_visibility="collapsed",
        help="Equations 1 to 6 and the constrained rate; the architecture; Tables 1 to 3.",
    )  # fmt: skip
    if part == FIGURE:
        show_figure()
    for element in paper.of_part(str(part)):
        show(element)
        try:
            paper_tables.show(element)
        except hfx.HfxError as error:
            st.error(str(error), icon=":material/error:")
    st.divider()
    st.caption(
        "It builds on HiFiC: Mentzer, Toderici, Tschannen and Agustsson, *High-Fidelity "
        "Generative Image Compression*, NeurIPS 2020. A reading here is ours, not the authors'."
    )


def show(element: Element) -> None:
    """Show what the paper says, and beside it the code that does it."""
    heading = f"{element.name}: {element.title}" if element.kind != "figure" else element.title
    with st.container(border=True):
        st.subheader(heading, anchor=element.key)
        if element.tex:
            st.latex(element.tex)
        said, done = st.columns([1, 2], gap="large")
        with said:
            if element.text:
                st.markdown(f"The paper: {element.text}")
            if element.reading:
                st.info(f"**Our reading.** {element.reading}", icon=":material/menu_book:")
            show_notebook(element)
        with done:
            show_code(element)


def show_notebook(element: Element) -> None:
    """Say which notebook shows it, and how to open that."""
    if paper.has_notebook(element):
        st.markdown(
            f":material/school: Notebook **{element.notebook}**: `make lab`, then "
            f"`notebooks/{element.notebook}.ipynb`"
        )
    else:
        st.caption(f":material/school: Notebook {element.notebook}: not in this installation.")


def show_code(element: Element) -> None:
    """Show the live source of what implements it, and of what tests it."""
    names = [name.removeprefix("hfx.") for name in element.objects]
    *objects, tests = st.tabs([*names, "tests"])
    for tab, thing in zip(objects, element.resolve(), strict=True):
        with tab:
            st.markdown(paper.doc_of(thing))
            listing(paper.source_of(thing))
    with tests:
        for name in element.tests:
            source = paper.source_of_test(name)
            st.markdown(f"`pytest {name}`")
            if source:
                listing(source)
            else:
                st.caption("The tests are not in this installation.")


def listing(source: str) -> None:
    """Show source, what is long in a window of its own."""
    lines = len(source.splitlines())
    st.code(source, "python", height=TALL if lines > 14 else "content")


def show_figure() -> None:
    """Draw the architecture from the code."""
    name = st.segmented_control(
        "Preset", list(PRESETS), default="paper", required=True, key="preset",
        bind="query-params",
        help="**paper**: HiFiC's widths. **compact**: what ships with hfx. **tiny**: for tests "
        "and notebooks.",
    )  # fmt: skip
    made = paper_charts.columns(PRESETS[str(name)])
    st.plotly_chart(
        paper_charts.figure1(made), config=STILL, key="figure1",
        alt=f"Figure 1 with the preset {name}: "
        + "; ".join(
            f"{c.title.replace('<b>', '').replace('</b>', '')}: "
            + ", ".join(text for text, _ in c.boxes)
            for c in made
        ),
    )  # fmt: skip
    st.caption(
        "Drawn from the networks themselves, from top to bottom. ConvC: C channels, 3×3 unless "
        "it says so; ↓2 and ↑2: strided; unshuffle and shuffle: move pixels into channels and "
        "back; D in training only."
    )


if __name__ == "__main__":
    main()
