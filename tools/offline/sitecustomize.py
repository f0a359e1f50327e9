"""Put this folder on PYTHONPATH and Python reaches no other machine: loopback only.

Python imports `sitecustomize` at its start, child processes included. What was refused is also
written to the file that HFX_REFUSED names, because libraries like to swallow exceptions.
"""

import os
import sys

HERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::", "", None)


def refuse(event: str, args: tuple[object, ...]) -> None:
    """Raise OSError before any other machine is named or connected to."""
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple):
        host = args[1][0]
    else:
        return
    if isinstance(host, bytes):
        host = host.decode()
    if host in HERE:
        return
    if log := os.environ.get("HFX_REFUSED"):
        with open(log, "a", encoding="utf-8") as out:
            out.write(f"{event} {host}\n")
    raise OSError(f"offline: {event} to {host} is refused")


sys.addaudithook(refuse)
