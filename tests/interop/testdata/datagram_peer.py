"""CPython's asyncio as the other end of package netio's datagrams.

Usage: datagram_peer.py JOB LOCAL [REMOTE]

An echo prints its address, and returns what comes until its standard input ends. A client
sends to REMOTE and compares what comes back: "ok", or the name of the error. Addresses are
paths, or host:port. "-" is no local address.
"""

import asyncio
import socket
import sys

SIZES = [0, 1, 2, 100, 1472, 1473, 8191, 65000]


def payloads():
    """Returns the datagrams that go both ways, in sizes from empty to large."""
    for size in SIZES:
        yield (bytes(range(251)) * (size // 251 + 1))[:size]


def text(address):
    return address if isinstance(address, str) else "%s:%d" % address[:2]


def parsed(address):
    if address == "-":
        return None
    if "/" in address:
        return address
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def options(local, remote=None):
    given = {"local_addr": parsed(local), "remote_addr": remote and parsed(remote)}
    if isinstance(given["local_addr"] or given["remote_addr"], str):
        given["family"] = socket.AF_UNIX
    return given


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        # asyncio of 3.11 sends no empty datagrams
        self.transport.sendto(data or b"nothing", address)


class Client(asyncio.DatagramProtocol):
    def __init__(self):
        self.arrived = asyncio.Queue()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.arrived.put_nowait(data)

    def error_received(self, error):
        self.arrived.put_nowait(error)


async def echo(local):
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, **options(local))
    print(text(transport.get_extra_info("sockname")), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    transport.close()


async def client(local, remote):
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Client, **options(local, remote))
    outcome = "ok"
    for sent in payloads():
        if not sent:
            continue
        transport.sendto(sent)
        got = await asyncio.wait_for(protocol.arrived.get(), 120)
        if got != sent:
            outcome = type(got).__name__
            break
    print(outcome, flush=True)
    transport.close()


if __name__ == "__main__":
    asyncio.run({"echo": echo, "client": client}[sys.argv[1]](*sys.argv[2:]))
