"""What the server holds once for all visitors: networks, results, and whose turn it is."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar, cast

import streamlit as st

import hfx
from hfx.perceptual import LPIPS


class Sized(Protocol):
    """Anything that says how much memory it takes."""

    @property
    def nbytes(self) -> int: ...


T = TypeVar("T", bound=Sized)
MOMENT = 0.25  # seconds between two looks at whose turn it is


def done() -> None:
    """Do nothing."""


class Shelf:
    """Results by key: the latest ones, as many as fit into a number of bytes.

    `st.cache_data` counts entries, and a picture of 50 megapixels is no entry like the others.
    Work on the shelf is done one piece at a time: a dozen visitors wait for each other rather
    than share two cores and the memory of one machine.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.items: OrderedDict[Hashable, Sized] = OrderedDict()
        self.guard = threading.Lock()  # held for moments, around the items
        self.turn = threading.RLock()  # held while something is made

    def get(self, key: Hashable, make: Callable[[], T], waiting: Callable[[], None] = done) -> T:
        """Return what lies under a key, making it first where nothing does.

        Args:
            key: Names the result, and everything that it depends on.
            make: Makes it.
            waiting: Called every moment while it is others' turn; it may raise to give up.
        """
        found = self.find(key)
        if found is None:
            with self.my_turn(waiting):
                found = self.find(key)  # another visitor may have made it meanwhile
                if found is None:
                    found = make()
                    self._put(key, found)
        return cast(T, found)

    @contextmanager
    def my_turn(self, waiting: Callable[[], None] = done) -> Iterator[None]:
        """Work without putting the result on the shelf; see `get`."""
        while not self.turn.acquire(timeout=MOMENT):
            waiting()
        try:
            yield
        finally:
            self.turn.release()

    def find(self, key: Hashable) -> Sized | None:
        """Return what lies under a key, if anything does."""
        with self.guard:
            if key in self.items:
                self.items.move_to_end(key)
            return self.items.get(key)

    def _put(self, key: Hashable, item: Sized) -> None:
        with self.guard:
            self.items[key] = item
            while len(self.items) > 1 and sum(i.nbytes for i in self.items.values()) > self.limit:
                self.items.popitem(last=False)

    def __contains__(self, key: Hashable) -> bool:
        return key in self.items


@st.cache_resource(show_spinner="Loading the codec's weights")
def codec() -> hfx.Codec:
    """Return the codec; raises WeightsError where there are no weights."""
    return hfx.load()


@st.cache_resource(show_spinner="Loading the LPIPS network")
def lpips_network() -> LPIPS | hfx.WeightsError:
    """Return the LPIPS network, or why there is none: that too is found out only once."""
    try:
        return LPIPS().eval()
    except hfx.WeightsError as error:
        return error


@st.cache_resource(show_spinner=False)
def shelf() -> Shelf:
    """Return the results computed lately."""
    return Shelf(limit=128 << 20)
