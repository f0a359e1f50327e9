"""What one visitor's page is made of, kept for as long as it is looked at."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.resources import Shelf, Sized

T = TypeVar("T", bound=Sized)
ITEMS, RUN = "desk", "desk_run"  # session state
RUNS = 2  # runs of the page that something may be out of use: any of them may have ended early


class Desk:
    """A visitor's own place beside the shelf.

    The shelf may drop a large picture as soon as the next one is made. A page that is made of
    several such pictures would never be complete, were they not kept here meanwhile.

    Args:
        shelf: Where all visitors' results lie.
        busy: A place on the page that says what is being done.
    """

    def __init__(self, shelf: Shelf, busy: DeltaGenerator) -> None:
        self.shelf, self.busy = shelf, busy
        self.run: int = st.session_state.get(RUN, 0) + 1
        kept: dict[Hashable, tuple[Sized, int]] = st.session_state.get(ITEMS, {})
        self.items = {k: v for k, v in kept.items() if v[1] >= self.run - RUNS}
        st.session_state[ITEMS], st.session_state[RUN] = self.items, self.run

    def find(self, key: Hashable) -> Any:  # noqa: ANN401 (what lies there, the key says)
        """Return what is known under a key; None where nothing is."""
        found = self.items[key][0] if key in self.items else self.shelf.find(key)
        if found is not None:
            self.items[key] = (found, self.run)
        return found

    def get(self, key: Hashable, make: Callable[[], T], doing: str, share: bool = True) -> T:
        """Return what is known under a key, making it first where nothing is.

        Args:
            key: Names the result, and everything that it depends on.
            make: Makes it.
            doing: What the page says meanwhile.
            share: Put it on the shelf too, for all visitors.
        """
        found = self.find(key)
        if found is not None:
            return cast(T, found)
        with self.busy, st.spinner(doing, show_time=True):
            if share:
                made = self.shelf.get(key, make, self.wait)
            else:
                with self.shelf.my_turn(self.wait):
                    made = make()
        self.items[key] = (made, self.run)
        return made

    def clear(self, key: Hashable) -> None:
        """Take something off the desk that is needed no more."""
        self.items.pop(key, None)

    def say(self, doing: str) -> None:
        """Say what is being done; here a run ends whose wish is out of date."""
        with self.busy:
            st.caption(f":material/hourglass_top: {doing}")

    def wait(self) -> None:
        """Say that others are served first."""
        self.say("Waiting for another visitor's picture to be ready")
