"""The dashboard's own widgets. They load nothing but what is in this folder."""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit import runtime

ASSETS = Path(__file__).parent / "assets"
SHOWN = "shown"  # session state: the latest two pictures of every place, newest first


def asset(name: str) -> str:
    """Return a file of the folder beside this one."""
    return (ASSETS / name).read_text("utf-8")


def component(name: str, scripts: list[str], **parts: Any) -> Callable[..., Any]:  # noqa: ANN401
    """Register a component; return what shows it.

    Args:
        name: Its name among all components.
        scripts: Files that make up its script; what it exports goes through `inOrder`.
        parts: As `st.components.v2.component` takes them: html, css and so on.
    """
    js = "".join(map(asset, ["order.js", *scripts]))
    mount = st.components.v2.component(name, js=js, **parts)

    def show(data: dict[str, Any], **given: Any) -> Any:  # noqa: ANN401 (Streamlit's own)
        return mount(data={**data, "at": time.time_ns() // 1000}, **given)

    return show


_swipe = component(
    "hfx_swipe",
    ["lens.js", "hands.js", "swipe.js"],
    html=asset("swipe.html"),
    css=asset("swipe.css"),
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
        {"url": url_of(pane.png, f"{key}.{i}"), "label": pane.label, "alt": pane.alt}
        for i, pane in enumerate(panes)
    ]
    data = {"subject": subject, "width": size[0], "height": size[1], "pictures": pictures}
    _swipe(data=data, key=key)


def keep_shown() -> None:
    """Keep the pictures that browsers may be about to fetch; call it as every run begins.

    Streamlit drops what a run of the page did not show as soon as that run ends. But a visitor's
    next wish ends a run early, before it has shown anything, while the pictures of the last one
    are still on the screen, and the one before that may still be on its way there.
    """
    for name, pictures in st.session_state.get(SHOWN, {}).items():
        for age, png in enumerate(pictures):
            _store(png, f"{name}.{age}")


def url_of(png: bytes, place: str) -> str:
    """Return an address of a PNG that only this server serves.

    So a large picture does not travel again with every change around it, as a data URL would.
    """
    shown = st.session_state.setdefault(SHOWN, {})
    if png not in shown.get(place, ()):
        shown[place] = (png, *shown.get(place, ())[:1])
    path = _store(png, f"{place}.now")
    if path is None:
        return "data:image/png;base64," + base64.b64encode(png).decode()
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}/{path}" if base else f"/{path}"


def _store(png: bytes, place: str) -> str | None:
    """Give a PNG to Streamlit's store of media; None where a Streamlit keeps it elsewhere."""
    try:
        store = runtime.get_instance().media_file_mgr
        return str(store.add(png, "image/png", f"hfx.{place}")).lstrip("/")
    except (AttributeError, RuntimeError, TypeError):
        return None
