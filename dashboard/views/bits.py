"""The page "Where the bits go": what every place, channel and symbol of a file costs."""

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

import hfx
from dashboard import bits, bits_charts, resources, text, work
from dashboard.bits import Anatomy, Box, Place
from dashboard.bits_controls import (
    ALL,
    CHANNEL,
    SAVED,
    Y,
    Z,
    choose_map,
    choose_subject,
    choose_wish,
)
from dashboard.bits_symbol import STILL, show_symbol
from dashboard.work import Original

PURPOSE = (
    "A file is its symbols, and every symbol has its price in bits: see which places and channels "
    "pay, and follow one symbol into the range coder's interval."
)
CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["lasso2d", "autoScale2d"]}
SIDES = ("y0", "y1", "x0", "x1")  # keys of session state and of links
PLACE = ("channel", "row", "column")


def main() -> None:
    """Lay out the page."""
    st.title("Where the bits go", anchor=False)
    st.markdown(PURPOSE)
    try:
        codec = resources.codec()
    except hfx.WeightsError as error:
        st.error(str(error), icon=":material/error:")
        return
    controls, stage = st.columns([1, 3], gap="large")
    with controls, st.container(key="controls"):
        name, data = choose_subject()
        wish = None if work.is_hfx(name, data) else choose_wish(codec)
        look = choose_map()
        busy = st.empty()
    with stage, st.container(key="stage"):
        try:
            anatomy, subject = opened(codec, name, data, wish, busy)
            begin_with(anatomy, subject)
            maps = st.container()  # filled once place and box are known
            box = choose_box(anatomy)
            show_file(anatomy)
            channels = st.container()
            st.subheader("One symbol", anchor=False)
            place = choose_place(anatomy)
            with maps:
                show_map(anatomy, box, place, subject, look)
            with channels:
                show_channels(anatomy, place)
            show_symbol(codec, anatomy, place)
        except hfx.HfxError as error:
            st.error(str(error), icon=":material/error:")
        except MemoryError:
            st.error("This machine has not enough memory for it.", icon=":material/error:")


# --- the file


def opened(
    codec: hfx.Codec, name: str, data: bytes, wish: tuple[float, str] | None, busy: DeltaGenerator
) -> tuple[Anatomy, str]:
    """Return a photo's or a file's anatomy, and what identifies the picture."""
    shelf, digest = resources.shelf(), work.digest_of(data)
    key = ("bits", digest, wish, codec.weights.fingerprint)
    if wish is None:
        with busy, st.spinner("Opening the file"):
            return shelf.get(key, lambda: bits.dissect(codec, data)), digest
    with busy, st.spinner("Reading the picture"):
        original: Original = shelf.get(
            ("fitting", digest), lambda: bits.fitting(work.open_picture(name, data))
        )
    for note in original.notes:
        st.caption(f":material/info: {note}")
    with busy, st.spinner("Compressing, and opening the file"):
        anatomy: Anatomy = shelf.get(
            key, lambda: bits.dissect(codec, bits.compress(codec, original, *wish))
        )
    return anatomy, digest


def begin_with(anatomy: Anatomy, subject: str) -> None:
    """Choose a box and a symbol worth looking at, once for every picture."""
    state, key = st.session_state, (subject, anatomy.grid)
    if state.get("bits_subject") == key:
        return
    by_link = st.query_params if "bits_subject" not in state else {}
    state["bits_subject"] = key
    box, place = bits.dearest_box(anatomy).edges, bits.worth_a_look(anatomy).index
    for names, values in ((SIDES, box), (PLACE, place)):
        if not any(name in by_link for name in names):  # a link names what is not 0
            state.update(zip(names, values, strict=True))


def go_to(place: Place) -> None:
    """Choose a symbol."""
    for name, value in zip(PLACE, place.index, strict=True):
        st.session_state[name] = value


def show_file(anatomy: Anatomy) -> None:
    """Show the file as a bar, and that the symbols' bits add up to it."""
    info = anatomy.info
    st.subheader("The file", anchor=False)
    st.plotly_chart(
        bits_charts.file_bar(info["chunks"]),
        config=STILL,
        key="file_bar",
        alt="The bytes of the file as one bar: " + text.chunks(info),
    )
    ideal = anatomy.bits[anatomy.kind].total / 8
    st.caption(
        f"The symbols' bits, −log₂ p each, add up to {ideal:,.1f} bytes; the file spends "
        f"{anatomy.coded:,} on them."
    )


def choose_box(anatomy: Anatomy) -> Box:
    """Return the region to price: by numbers here, or dragged on the map."""
    h, w = anatomy.grid
    sides = (("Top", h - 1), ("Bottom", h), ("Left", w - 1), ("Right", w))
    with st.expander("The region in numbers"), st.container(horizontal=True):
        ends = [
            st.number_input(
                f"{side} edge", 0, most, step=1, key=key, bind="query-params",
                help="In places of 16 pixels, counted from 0; bottom and right are exclusive.",
            )
            for key, (side, most) in zip(SIDES, sides, strict=True)
        ]  # fmt: skip
    return Box.over(ends, anatomy.grid)


def show_map(
    anatomy: Anatomy, box: Box, place: Place, subject: str, look: tuple[str, float, bool]
) -> None:
    """Show the map over the picture, and what a box of it takes."""
    kind, opacity, boxes = look
    h, w = anatomy.grid
    values, unit = {
        ALL: (anatomy.y + anatomy.z, "bits"),
        Y: (anatomy.y, "bits of y"),
        Z: (anatomy.z, "bits of z"),
        CHANNEL: (anatomy.bits[anatomy.kind].y[place.channel], f"bits, channel {place.channel}"),
        SAVED: (anatomy.saved, "bits saved"),
    }[kind]
    info, name = anatomy.info, bits.NAMES[anatomy.saving_kinds[1]]
    st.markdown(
        f"**{info['bytes']:,} bytes**, {info['bpp']:.3f} bits per pixel, coded with "
        f"{bits.NAMES[anatomy.kind]}."
    )
    left, right = st.columns([5, 1])
    with left:
        key = f"heat {subject[:8]} {h} {w}"
        row, column = divmod(int(values.argmax()), w)
        st.plotly_chart(
            bits_charts.heat(anatomy, values, unit, opacity, box, place, boxes),
            config=CONFIG,
            key=key,
            on_select=lambda: take_selection(key, anatomy),
            selection_mode=("points", "box"),
            alt=f"Map over the picture: {kind}, {h} by {w} places of 16 by 16 pixels; "
            f"{values.sum():,.0f} bits in all, most of them at row {row}, column {column}.",
        )
    size, share, area = anatomy.share(box)
    with right:
        pixels = box.places * bits.PLACE**2
        st.metric("Bytes in the box", f"{size:,.0f}", help="Of all symbols of y and z there.")
        st.metric("of all bytes", f"{share:.1%}", help="Of those that symbols take.")
        st.metric("of the area", f"{area:.1%}", help="Padding at the picture's edge included.")
        st.metric("Bits per pixel", f"{8 * size / pixels:.3f}", help="In the box.")
        saved = anatomy.saved[box.slices].sum() / 8
        st.metric("Bytes saved", f"{saved:,.0f}", help=f"In the box, by {name}.")


def take_selection(key: str, anatomy: Anatomy) -> None:
    """Take over a box or a place from the map."""
    chosen = st.session_state[key]["selection"]
    if chosen["box"]:
        x, y = (sorted(chosen["box"][0][axis]) for axis in "xy")
        box = Box.over([round(v + 0.5) for v in (*y, *x)], anatomy.grid)
        for name, value in zip(SIDES, box.edges, strict=True):
            st.session_state[name] = value
    elif chosen["points"]:
        row, column = (int(chosen["points"][0][axis]) for axis in "yx")
        go_to(Place(bits.dearest_channel(anatomy, row, column), row, column))


def show_channels(anatomy: Anatomy, place: Place) -> None:
    """Show what each channel costs."""
    before, after = anatomy.saving_kinds
    alone, helped = (anatomy.bits[kind].y.sum((1, 2)) for kind in (before, after))
    names = bits.NAMES[before], bits.NAMES[after]
    half = int(np.searchsorted(np.sort(helped)[::-1].cumsum(), helped.sum() / 2)) + 1
    st.subheader("Channel by channel", anchor=False)
    st.plotly_chart(
        bits_charts.channels(alone, helped, names, place.channel),
        config=STILL,
        key="channels",
        alt=f"Bytes of each of {len(helped)} channels, by {names[0]} and by {names[1]}; "
        f"the dearest is channel {int(helped.argmax())}.",
    )
    st.caption(
        f"{half} of {len(helped)} channels take half of y's bits. They are coded from left to "
        "right, so that later ones have more to look at. The dotted line is the channel below."
    )


# --- one symbol


def choose_place(anatomy: Anatomy) -> Place:
    """Return the symbol to look into."""
    (h, w), c = anatomy.grid, len(anatomy.latents.y)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        channel, row, column = (
            st.number_input(name, 0, most - 1, step=1, key=name.lower(), bind="query-params",
                            help=f"0 to {most - 1}. {more}")
            for name, most, more in (
                ("Channel", c, "Of y, in the order of coding."),
                ("Row", h, "Or click a place on the map."),
                ("Column", w, "Or click a place on the map."),
            )
        )  # fmt: skip
        before, after = (bits.NAMES[kind] for kind in anatomy.saving_kinds)
        for label, choose, why in (
            ("Saved most", bits.saved_most, f"{after} made it cheaper by most bits."),
            ("Misled most", bits.misled_most, f"{after} made it dearer by most bits."),
            ("Dearest", bits.dearest, "No other symbol costs as many bits."),
        ):
            st.button(label, on_click=lambda f=choose: go_to(f(anatomy)), help=why)
    return Place(int(channel), int(row), int(column))


if __name__ == "__main__":
    main()
