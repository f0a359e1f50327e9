"""The dashboard's own widgets. They load nothing but what is in this folder."""

import base64
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit import runtime

ASSETS = Path(__file__).parent / "assets"


def _asset(name: str) -> str:
    return (ASSETS / name).read_text("utf-8")


_swipe = st.components.v2.component(
    "hfx_swipe", html=_asset("swipe.html"), css=_asset("swipe.css"), js=_asset("swipe.js")
)


@dataclass(frozen=True, eq=False)
class Pane:
    """One side of a comparison.

    Attributes:
        png: The picture, shown pixel by pixel: no one rescales it but the visitor.
        label: A word or two in the corner.
        alt: What a screen reader says.
    """

    png: bytes
    label: str
    alt: str


def swipe(panes: list[Pane], size: tuple[int, int], subject: str, key: str) -> None:
    """Show one picture, or two under a divider, with zoom and pan in common.

    Args:
        panes: The left and the right picture, or just one.
        size: Their width and height.
        subject: What is seen; as long as it stays the same, zoom and place stay too.
        key: Distinguishes several comparisons on a page.
    """
    pictures = [
        {"url": _url(pane.png, f"{key}.{i}"), "label": pane.label, "alt": pane.alt}
        for i, pane in enumerate(panes)
    ]
    data = {"subject": subject, "width": size[0], "height": size[1], "pictures": pictures}
    _swipe(data=data, key=key)


def _url(png: bytes, place: str) -> str:
    """Return an address of a PNG that only this server serves.

    Streamlit's own store of media keeps what a run of the page showed until the next run ends.
    So a large picture does not travel again with every change around it, as a data URL would.
    The picture shown before in this place is kept for as long: a browser may still be on its
    way to fetch it when the visitor has already asked for another.
    """
    now, before = st.session_state.get(f"shown.{place}", (None, None))
    if png != now:
        now, before = png, now
        st.session_state[f"shown.{place}"] = (now, before)
    try:
        store = runtime.get_instance().media_file_mgr
        if before is not None:
            store.add(before, "image/png", f"hfx.{place}.before")
        path = store.add(png, "image/png", f"hfx.{place}").lstrip("/")
        base = str(st.get_option("server.baseUrlPath") or "").strip("/")
        return f"/{base}/{path}" if base else f"/{path}"
    except (AttributeError, RuntimeError, TypeError):  # a Streamlit that keeps it elsewhere
        return "data:image/png;base64," + base64.b64encode(png).decode()
