"""Entry point of the dashboard: `make app`, or `streamlit run dashboard/app.py`."""

import sys
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
if str(HERE.parent) not in sys.path:  # so that a checkout runs without being installed
    sys.path.insert(0, str(HERE.parent))

from dashboard.components import keep_shown  # noqa: E402 (found only now)

keep_shown()  # before anything else: every moment counts

PAGES = [
    st.Page(HERE / "views" / "compress.py", title="Compress", url_path="compress", default=True),
    st.Page(HERE / "views" / "bits.py", title="Where the bits go", url_path="bits"),
    st.Page(HERE / "views" / "tradeoffs.py", title="Trade-offs", url_path="tradeoffs"),
    st.Page(HERE / "views" / "train.py", title="Train lab", url_path="train"),
    st.Page(HERE / "views" / "boosting.py", title="XGBoost lab", url_path="boosting"),
    st.Page(HERE / "views" / "study.py", title="Which is real?", url_path="study"),
    st.Page(HERE / "views" / "paper.py", title="The paper", url_path="paper"),
]

ICON = HERE / "assets" / "icon.png"  # an icon by name or emoji would be fetched from elsewhere
st.set_page_config(page_title="hfx", page_icon=str(ICON), layout="wide")
st.html(HERE / "assets" / "page.css")
st.navigation(PAGES, position="top").run()
