"""Charts that stay: what the browser is told, and where it finds Plotly."""

import json

import pytest

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")

from streamlit.testing.v1 import AppTest  # noqa: E402

from dashboard import steady  # noqa: E402
from dashboard.components import asset  # noqa: E402


def page():
    import plotly.graph_objects as go
    import streamlit as st

    from dashboard.steady import steady_chart

    height = st.session_state.setdefault("height", 1)
    for key in "ab":
        figure = go.Figure(go.Scatter(y=[height]), {"height": 300})
        steady_chart(figure, key, f"to {height}")


def shown(app):
    found = [one.proto for one in app.get("bidi_component")]
    return [(one.id, json.loads(one.json)) for one in found]


def test_new_data_make_no_new_chart():
    app = AppTest.from_function(page, default_timeout=60).run()
    before = shown(app)
    app.session_state["height"] = 2
    after = shown(app.run())
    assert not app.exception and len(before) == len(after) == 2
    assert [id for id, _ in before] == [id for id, _ in after]  # the browser goes by it
    assert len({id for id, _ in after}) == 2
    for (_, old), (_, new) in zip(before, after, strict=True):
        assert (old["alt"], new["alt"]) == ("to 1", "to 2")
        assert old["at"] < new["at"]  # the browser goes by this too
        y = [json.loads(one["figure"])["data"][0]["y"] for one in (old, new)]
        assert y == [[1], [2]]
        assert not json.loads(new["figure"])["layout"]["template"].get("layout", {}).get("font")


def test_plotly_is_the_installed_one_and_no_address_leads_elsewhere():
    code = steady.plotly_js().decode()
    assert "plotly.js v" in code[:200] and len(code) > 1e6
    assert steady.library() == ""  # no server, no address
    assert "http" not in asset("chart.js")
