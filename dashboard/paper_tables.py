"""Tables 1 to 3, printed beside measured: sections of the page "The paper"."""

import io
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st
from PIL import Image

import hfx
from dashboard import paper, paper_charts, resources, work
from dashboard.bits_charts import GREY
from dashboard.bits_symbol import STILL
from dashboard.paper import FOLDER, MEASURE, Rows
from hfx import contact, table3
from hfx.paper import Element

DRAW = "Draw it"
CHECKS = (("fid", "kid"), ("fid", "lpips"), ("mse", "psnr"))


@dataclass(frozen=True, eq=False)
class Sheet:
    """Table 2, drawn."""

    png: bytes

    @property
    def nbytes(self) -> int:
        return len(self.png)


def show(element: Element) -> None:
    """Show a table's numbers, if the element is one.

    Raises:
        HfxError: a measured table is damaged.
    """
    {"table1": show1, "table2": show2, "table3": show3}.get(element.key, lambda: None)()


def show1() -> None:
    """Show Table 1."""
    printed, measured = paper.printed1(), paper.measured1()
    if not measured:
        st.info(f"There are no measured sizes here; {MEASURE}.", icon=":material/info:")
    st.table(paper.table1(printed, measured))
    counts = [len({row["image"] for row in rows}) for rows in (printed, measured)]
    st.caption(
        f"Means over the paper's own {counts[0]} photographs, left, and over {counts[1]} of "
        "Kodak's, right: compare the shares, not the sizes. Printed bpp: the printed size over "
        "the printed resolution."
    )
    rows_of("Every row of Table 1", printed, measured)


def show2() -> None:
    """Show Table 2: the sheet that was measured, or one of the bundled photographs."""
    there = FOLDER / "table2.png"
    if there.exists():
        st.image(str(there), caption="Kodak: the originals, then our tiers.")
        return
    st.caption(
        "The paper prints photographs, which are not ours to show. The same table can be drawn of "
        "the bundled ones: each is coded at every tier, with every neighbour model."
    )
    if not st.button(DRAW, key="draw", icon=":material/grid_view:", help="Code, and cut out."):
        return
    try:
        codec = resources.codec()
    except hfx.WeightsError as error:
        st.error(str(error), icon=":material/error:")
        return
    busy, done = st.empty(), 0

    def step() -> None:
        nonlocal done
        done += 1
        busy.progress(done / len(work.SAMPLES), "Coding")

    busy.progress(0.0, "Coding")
    key = ("table2", codec.weights.fingerprint)
    made: Sheet = resources.shelf().get(key, lambda: drawn(codec, step))
    busy.empty()
    width = Image.open(io.BytesIO(made.png)).width
    st.image(made.png, width=width, caption="The originals, then our tiers, at full size.")


def drawn(codec: hfx.Codec, step: paper.Step) -> Sheet:
    """Draw Table 2 of the bundled photographs."""
    pictures = {name: work.sample_path(name) for name in work.SAMPLES}
    with TemporaryDirectory() as folder:
        path = Path(folder, "table2.png")
        contact.sheet(codec, pictures, path, step=step)
        return Sheet(path.read_bytes())


def show3() -> None:
    """Show Table 3, and what its columns say about each other."""
    printed, measured = table3.published(), paper.measured3()
    if not measured:
        st.info(f"There are no measured qualities here; {MEASURE}.", icon=":material/info:")
    st.table(paper.compared3(printed, measured))
    st.caption(
        "The paper's own photographs and features against Kodak and FID-768, KID-768, LPIPS "
        "(AlexNet): two rulers, so compare down a column of one, never across."
    )
    rows_of("Every row of Table 3", printed, measured)
    show_audit(printed, measured)


def show_audit(printed: Rows, measured: Rows) -> None:
    """Show what printed columns can bear, and measured ones beside them."""
    st.subheader("The audit of Table 3", anchor="audit")
    st.markdown(
        "FID, KID and LPIPS are three measurements: no two of them can be a straight line of each "
        "other. PSNR is a function of MSE: each row must lie on the curve."
    )
    sides = [("Printed", printed, GREY), ("Measured", measured, paper_charts.BLUE)]
    for column, (title, rows, color) in zip(st.columns(2, gap="large"), sides, strict=True):
        with column:
            found = paper.findings(title.lower(), rows)
            if not found:
                continue
            st.markdown(f"**{title}**")
            for (x, y), one in zip(CHECKS, found, strict=True):
                words = paper.in_words(one)
                st.plotly_chart(
                    paper_charts.pair(rows, x, y, color), config=STILL,
                    key=f"{title}_{y}", alt=f"{title}: {y.upper()} over {x.upper()}. {words}",
                )  # fmt: skip
                st.markdown(words)


def rows_of(title: str, printed: Rows, measured: Rows) -> None:
    """Offer all rows to those who want to look."""
    with st.expander(title):
        for name, rows in (("Printed", printed), ("Measured", measured)):
            if rows:
                left_out = {"source", "model", "note"}
                kept = [{k: v for k, v in row.items() if k not in left_out} for row in rows]
                st.markdown(f"**{name}**")
                st.dataframe(kept, hide_index=True, key=f"{title} {name}", height=280)
