"""The page "Which is real?": people choose between codecs blindly, and their votes rank them."""

import streamlit as st

from dashboard import study_taking, study_teaching
from hfx.errors import HfxError

VIEW = "view"  # in the address: the instructor's view


def main() -> None:
    """Lay out the page."""
    code = st.query_params.get(study_taking.STUDY)
    if code:
        try:
            study_taking.take_part(code)
        except HfxError as error:
            st.title(study_taking.TITLE, anchor=False)
            st.error(str(error), icon=":material/error:")
            study_taking.ask_for_code()
        return
    st.title(study_taking.TITLE, anchor=False)
    st.markdown(
        "A user study: people see two pictures of the same bytes and say which looks real; their "
        "votes rank the codecs."
    )
    views = ["Take part", "Instructor"]
    row = st.container(horizontal=True, gap="large")
    with row:
        view = st.segmented_control(
            "View",
            views,
            default=views[st.query_params.get(VIEW) == "instructor"],
            required=True,
            key="view",
            label_visibility="collapsed",
            help="Take part with a code, or set a study up and watch its results.",
        )
    if view == views[1]:
        st.query_params[VIEW] = "instructor"
        study_teaching.teach(row)
    else:
        st.query_params.pop(VIEW, None)
        study_taking.ask_for_code()


if __name__ == "__main__":
    main()
