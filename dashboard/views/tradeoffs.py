"""The page "Trade-offs": what a bit buys, by every measure, on Kodak and on your own picture."""

import streamlit as st

import hfx
from dashboard import resources, tradeoffs, tradeoffs_charts, tradeoffs_own
from dashboard.tradeoffs import AXES, Benchmark
from hfx.deltas import Lines

PURPOSE = (
    "What a bit buys: faithful pixels and a picture that looks real are two different goods, and "
    "every codec strikes its own bargain between them and the size of the file."
)
ALL = "all 24, means"
SETS = {"kodak": "Kodak", "held-out": "Held-out photographs"}
SIDES = (("first", "psnr", "How faithful"), ("second", "lpips", "How real to the eye"))
LINE = ("codec", "tier", "setting", "source", "bpp", *AXES)


def main() -> None:
    """Lay out the page."""
    st.title("Trade-offs", anchor=False)
    st.markdown(PURPOSE)
    try:
        show_measured(tradeoffs.benchmark())
    except hfx.HfxError as error:
        st.info(str(error), icon=":material/info:")
    st.divider()
    try:
        show_dial()
    except hfx.HfxError as error:
        st.error(str(error), icon=":material/error:")
    st.divider()
    try:
        codec = resources.codec()
    except hfx.WeightsError as error:
        st.error(str(error), icon=":material/error:")
        return
    tradeoffs_own.show(codec)


# --- Kodak


def show_measured(benchmark: Benchmark) -> None:
    """Show measured and published curves, and how far apart they are."""
    st.subheader("Measured on Kodak", anchor=False)
    picture, names, anchor = choose(benchmark)
    lines = benchmark.of(picture)
    for column, (side, default, title) in zip(st.columns(2, gap="large"), SIDES, strict=True):
        with column:
            show_side(lines, names, anchor, side, default, title)
    st.caption(
        "Bits at equal quality is the BD-rate: bits more (+) or fewer (−), averaged over the "
        "qualities that both curves reach. In brackets: what share that is of all that either "
        "reaches; the less it is, the less the number says."
    )
    row = st.container(horizontal=True, vertical_alignment="center")
    row.download_button(
        "Curves as CSV",
        tradeoffs.csv_of([one for one in lines if one["codec"] in names], LINE),
        "curves.csv",
        "text/csv",
        key="curves_csv",
        on_click="ignore",
        icon=":material/download:",
        help="All measures of the codecs shown. The camera above a chart saves it as a PNG.",
    )
    row.caption(
        "Hollow marks and dashes are published numbers (HiFiC, MS-ILLM), of their authors' own "
        "runs on the same photographs; all else was measured here, on the true bytes of whole "
        "files."
    )


def choose(benchmark: Benchmark) -> tuple[str, list[str], str]:
    """Return the picture, the codecs and the anchor."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="choices"):
        picture = st.selectbox(
            "Photographs", [ALL, *benchmark.pictures], key="photographs", bind="query-params",
            width=220, help="The mean over all of Kodak, or one photograph of it.",
        )  # fmt: skip
        there = tradeoffs.codecs(benchmark.of(picture))
        anchor = st.selectbox(
            "Anchor", there, there.index("AVIF") if "AVIF" in there else 0,
            key="anchor", bind="query-params", width=160,
            help="Whose curve the others are compared with in the tables below.",
        )  # fmt: skip
        names = st.pills(
            "Codecs", there, default=there, selection_mode="multi", key="compared",
            bind="query-params",
            help="Whose curves are shown. Other people's are known as means only.",
        )  # fmt: skip
    return picture, list(names), anchor


def show_side(
    lines: Lines, names: list[str], anchor: str, side: str, default: str, title: str
) -> None:
    """Show one measure: a chart, and a table of differences below it."""
    there = tradeoffs.measures(lines)
    measure = st.selectbox(
        title, there, there.index(default) if default in there else 0, key=f"{side}_measure",
        bind="query-params", format_func=lambda name: AXES[name].title,
        help="Over bits per pixel. FID-768 and KID-768 compare whole sets of pictures, through "
        "Inception's 768 features: with each other here, with no published FID.",
    )  # fmt: skip
    axis = AXES[measure]
    points = tradeoffs.curves(lines, measure, names)
    theirs = tradeoffs.published(lines)
    st.plotly_chart(
        tradeoffs_charts.curves(points, axis, theirs),
        config=tradeoffs_charts.config(f"kodak-{measure}"),
        key=f"{side}_chart",
        alt=f"{axis.title} over bits per pixel of {', '.join(points)}.",
    )
    every = tradeoffs.curves(lines, measure, tradeoffs.codecs(lines))
    st.markdown(f"**Against {anchor}, by {axis.name}**")
    st.table(tradeoffs.table(tradeoffs.compare(every, names, anchor, axis), axis))


# --- the dial


def show_dial() -> None:
    """Show what the realism dial trades."""
    st.subheader("The realism dial", anchor=False)
    rows = tradeoffs.turns()
    if not rows:
        st.info(f"Not measured yet: {tradeoffs.TURN}.", icon=":material/info:")
        return
    there = list(dict.fromkeys(row["set"] for row in rows))
    chosen = st.segmented_control(
        "Photographs", there, default=there[0], required=True, key="turned", bind="query-params",
        format_func=lambda name: SETS.get(name, name), label_visibility="collapsed",
        help="FID compares sets: the larger the set, the more it says.",
    )  # fmt: skip
    own = [row for row in rows if row["set"] == chosen]
    st.plotly_chart(
        tradeoffs_charts.plane(own),
        config=tradeoffs_charts.config(f"realism-{chosen}"),
        key="plane",
        alt=f"FID-768 over PSNR of {len(own)} ways to code {SETS.get(chosen, chosen)}.",
    )
    st.caption(
        "One file a tier, decoded at realism 0 to 1: each line is one size of file. To the right "
        "is faithful, below is realistic; AVIF and JPEG XL get no more bytes than our file."
    )
    st.download_button(
        "Dial as CSV", tradeoffs.csv_of(own, list(own[0])), f"realism-{chosen}.csv", "text/csv",
        key="dial_csv", on_click="ignore", icon=":material/download:",
        help="Everything that was measured on this set.",
    )  # fmt: skip


if __name__ == "__main__":
    main()
