"""Kernels: a reply that comes while something is sent is found all the same."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from queue import Empty

import pytest

pytest.importorskip("nbclient", reason="notebooks need the extra `notebooks`")

import zmq
import zmq.asyncio
from jupyter_client.session import Session

from tools.kernels import Channel


@pytest.fixture
def pair():
    """A kernel's end of the shell socket, and the channel at the other."""
    context, session = zmq.asyncio.Context(), Session(key=b"key")
    kernel = zmq.Context.shadow(context.underlying).socket(zmq.ROUTER)
    port = kernel.bind_to_random_port("tcp://127.0.0.1")
    socket = context.socket(zmq.DEALER)
    socket.identity = b"client"
    socket.connect(f"tcp://127.0.0.1:{port}")
    yield kernel, Channel(socket, session)
    kernel.close(0)
    socket.close(0)
    context.term()


def run(coroutine):
    """Run a coroutine in a thread of its own: a browser of other tests may have a loop in this."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def test_a_reply_is_found_though_sending_swallowed_the_news_of_it(pair):
    kernel, channel = pair

    async def talk():
        channel.send(channel.session.msg("execute_request"))
        await asyncio.sleep(0.2)
        wait = asyncio.create_task(channel.get_msg(timeout=20))
        await asyncio.sleep(0.2)
        channel.session.send(kernel, "execute_reply", ident=b"client")
        time.sleep(0.2)  # the event loop sleeps too: nobody hears of the reply
        channel.send(channel.session.msg("comm_msg"))
        return await asyncio.wait_for(wait, timeout=5)

    assert run(talk())["msg_type"] == "execute_reply"


def test_waiting_ends(pair):
    _, channel = pair
    start = time.monotonic()
    with pytest.raises(Empty):
        run(channel.get_msg(timeout=0.7))
    assert 0.7 <= time.monotonic() - start < 5
