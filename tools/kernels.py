"""A kernel whose replies are not lost while widgets talk to it.

A cell that fills an Output widget makes nbclient send on the socket where it waits for the cell's
reply. ZeroMQ tells of news on a socket once, and whoever sends may swallow it: the reply is there,
nobody looks, and the notebook hangs (https://github.com/jupyter/nbclient/issues/312).
"""

import time
from queue import Empty
from typing import Any

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.manager import AsyncKernelManager

LOOK_AGAIN = 0.5  # seconds


class Channel(AsyncZMQSocketChannel):
    """A socket that is looked at again and again while one waits for a message."""

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        """Return the next message.

        Args:
            timeout: Seconds to wait; None waits for ever.

        Raises:
            queue.Empty: there is none in that time.
        """
        end = time.monotonic() + (float("inf") if timeout is None else timeout)
        while not await self.socket.poll(0):  # 0 asks the socket itself, not its news
            left = end - time.monotonic()
            if left <= 0:
                raise Empty
            await self.socket.poll(int(1000 * min(left, LOOK_AGAIN)))
        return await self._recv()


class Client(AsyncKernelClient):
    """A client that waits for replies so."""

    shell_channel_class = Channel


class Kernel(AsyncKernelManager):
    """A kernel with such a client."""

    client_factory = Client
