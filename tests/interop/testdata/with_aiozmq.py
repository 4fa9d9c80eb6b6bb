"""A peer on aiozmq's transports and protocols, with its own event loop."""

import asyncio
from collections import deque

import aiozmq
import zmq

from series import Check, messages


class Protocol(aiozmq.ZmqProtocol):
    """Queues what arrives, and lets a writer wait while writing is paused."""

    def __init__(self):
        self.inbox = deque()
        self.arrival = None
        self.writable = asyncio.Event()
        self.writable.set()
        self.lost = asyncio.get_running_loop().create_future()

    def msg_received(self, frames):
        self.inbox.append(list(frames))
        if self.arrival is not None and not self.arrival.done():
            self.arrival.set_result(None)

    def pause_writing(self):
        self.writable.clear()

    def resume_writing(self):
        self.writable.set()

    def connection_lost(self, exc):
        self.lost.set_result(exc)

    async def message(self):
        while not self.inbox:
            self.arrival = asyncio.get_running_loop().create_future()
            await self.arrival
        return self.inbox.popleft()


class Peer:
    async def open(self, type, bind="", connect="", options={}, subscribe=[]):
        # Options have to be set before bind and connect, so the endpoints come last.
        self.transport, self.protocol = await aiozmq.create_zmq_connection(Protocol, getattr(zmq, type))
        for name, value in options.items():
            self.transport.setsockopt(getattr(zmq, name), value if isinstance(value, int) else bytes.fromhex(value))
        for topic in subscribe:
            self.transport.subscribe(topic.encode())
        if bind:
            return {"endpoint": await self.transport.bind(bind)}
        await self.transport.connect(connect)

    async def close(self):
        """Closes the transport; extra is what arrived and nobody asked for."""
        self.transport.close()
        error = await self.protocol.lost
        if error is not None:
            raise error
        return {"extra": sum(1 for m in self.protocol.inbox if m != [b"probe"])}

    async def send(self, series, count, prefix=""):
        for m in messages(series, count, prefix):
            await self.write(m)

    async def write(self, frames):
        await self.protocol.writable.wait()
        self.transport.write(frames)

    async def receive(self, series, count, prefix=""):
        check = Check(series, count, prefix)
        while not check.complete:
            frames = await self.protocol.message()
            if frames != [b"probe"]:
                check.add(frames)
        return check.result()

    async def exchange(self, series, count):
        """Sends a series and expects every message back. A REQ waits for each
        reply; any other type sends for as long as it can."""
        check = Check(series, count, "")
        if self.transport.getsockopt(zmq.TYPE) == zmq.REQ:
            rest = messages(series, count, "")
            while not check.complete:
                await self.write(next(rest))
                check.add(await self.protocol.message())
            return check.result()
        sender = asyncio.create_task(self.send(series, count))
        while not check.complete:
            check.add(await self.protocol.message())
        await sender
        return check.result()

    async def echo(self, series, count, prefix=""):
        """Returns a whole series to its sender; to a ROUTER prefix is the
        sender's routing id."""
        check = Check(series, count, prefix)
        while not check.complete:
            frames = await self.protocol.message()
            check.add(frames)
            await self.write(frames)
        return check.result()

    async def probe(self):
        self.transport.write([b"probe"])

    async def probed(self):
        """Whether a probe has come through, which it has once a subscription has."""
        if not self.protocol.inbox:
            return {"seen": False}
        return {"seen": self.protocol.inbox.popleft() == [b"probe"]}
