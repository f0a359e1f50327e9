"""Charts that stay on the screen while their data change.

Streamlit names a Plotly chart by a hash that includes its data. New data are a new chart to the
browser: it takes the old one away, and on a busy machine the next one comes before this one is
drawn. Here a chart is named by its key alone, and the browser moves its lines instead.
"""

import plotly.graph_objects as go
import streamlit as st
from streamlit.elements import plotly_chart as element

from dashboard.bits_symbol import STILL

PREFIX = "steady "  # of the keys of such charts; others are named as ever
HOOK = "compute_and_register_element_id"  # of Streamlit's; without it charts are as ever, too


def steady_chart(figure: go.Figure, key: str, alt: str) -> None:
    """Show a chart that is going to change.

    Args:
        figure: The chart.
        key: Its name, one of its own on the page.
        alt: What a screen reader says.
    """
    _name_by_key()
    st.plotly_chart(figure, config=STILL, key=PREFIX + key, alt=alt)


def _name_by_key() -> None:
    """Have Streamlit name charts by their keys, where these ask for it."""
    compute = getattr(element, HOOK, None)
    if compute is None or getattr(compute, "steady", False):
        return

    def named(kind: str, **values: object) -> str:
        key = values.get("user_key")
        if isinstance(key, str) and key.startswith(PREFIX):
            values = {"user_key": key, "dg": values.get("dg"), "key_as_main_identity": True}
        return str(compute(kind, **values))

    named.steady = True  # type: ignore[attr-defined]
    setattr(element, HOOK, named)
