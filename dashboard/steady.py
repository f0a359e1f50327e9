"""Plotly charts that stay on the screen while their data change.

To Streamlit a chart with new data is a new chart: the browser takes the old one away and begins
again, every second, and on a busy machine it never comes to an end. This component has Plotly
move the lines of the one that is there. It brings the Plotly that is installed with Python.
"""

from functools import cache

import plotly.graph_objects as go
import streamlit as st
from plotly.offline import get_plotlyjs
from streamlit import runtime

from dashboard.bits_symbol import STILL
from dashboard.components import component

_chart = component(
    "hfx_chart",
    ["chart.js"],
    html='<div class="chart" role="figure"></div>',
    isolate_styles=False,  # Plotly writes its own styles to the page
)


def steady_chart(figure: go.Figure, key: str, alt: str) -> None:
    """Show a chart that is going to change.

    Args:
        figure: The chart; its height is the height of its place.
        key: Its name, one of its own on the page.
        alt: What a screen reader says.
    """
    figure.update_layout(template="none")  # colours are the page's
    data = {"figure": figure.to_json(), "alt": alt, "config": STILL, "library": library()}
    _chart(data=data, key=key, height=figure.layout.height)


def library() -> str:
    """Return the address of Plotly's JavaScript on this server."""
    try:
        store = runtime.get_instance().media_file_mgr
        path = str(store.add(plotly_js(), "text/javascript", "hfx.plotly")).lstrip("/")
    except (AttributeError, RuntimeError, TypeError):
        return ""  # there is no server, as in tests
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}/{path}" if base else f"/{path}"


@cache
def plotly_js() -> bytes:
    """Return Plotly's JavaScript."""
    return str(get_plotlyjs()).encode()
