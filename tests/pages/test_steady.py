"""Charts that stay: what the browser takes for the same chart, and what for another."""

import pytest

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")

from streamlit.elements import plotly_chart as element  # noqa: E402
from streamlit.testing.v1 import AppTest  # noqa: E402

from dashboard import steady  # noqa: E402


def page():
    import plotly.graph_objects as go
    import streamlit as st

    from dashboard.steady import steady_chart

    height = st.session_state.setdefault("height", 1)
    steady_chart(go.Figure(go.Scatter(y=[height])), "a", f"to {height}")
    steady_chart(go.Figure(go.Scatter(y=[height])), "b", f"to {height}")
    st.plotly_chart(go.Figure(go.Scatter(y=[height])), key="c")


def test_new_data_make_no_new_chart_and_other_charts_are_as_ever():
    app = AppTest.from_function(page, default_timeout=60).run()
    before = [one.proto for one in app.get("plotly_chart")]
    app.session_state["height"] = 2
    after = [one.proto for one in app.run().get("plotly_chart")]
    assert not app.exception and len(before) == len(after) == 3
    assert [a.id == b.id for a, b in zip(before, after, strict=True)] == [True, True, False]
    assert len({one.id for one in after}) == 3
    assert [one.alt for one in after][:2] == ["to 2", "to 2"]
    assert all(a.spec != b.spec for a, b in zip(before, after, strict=True))


def test_streamlit_is_told_once(monkeypatch):
    steady._name_by_key()
    told = getattr(element, steady.HOOK)
    steady._name_by_key()
    assert getattr(element, steady.HOOK) is told
    monkeypatch.delattr(element, steady.HOOK)  # a Streamlit that does it otherwise
    steady._name_by_key()
    assert not hasattr(element, steady.HOOK)
