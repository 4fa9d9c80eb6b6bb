"""The benchmark's jobs with aiozmq. Usage: with_aiozmq.py JOB [NAME=VALUE]..."""

import asyncio
import sys
from collections import deque

import aiozmq
import zmq

from job import Job, Meter, exit_at_end_of_input, tell

BURST = 256  # messages written in one callback


class Receiver(aiozmq.ZmqProtocol):
    """Keeps the last messages and counts them all."""

    def __init__(self, job, meter):
        self.kept = deque(maxlen=job.keep)
        self.meter = meter

    def msg_received(self, msg):
        self.kept.append(msg)
        self.meter.tick()


class Burster(aiozmq.ZmqProtocol):
    """Writes from the loop's callbacks, as fast as it may."""

    def __init__(self, job, meter):
        self.message, self.meter = job.message(), meter
        self.paused = False

    def connection_made(self, transport):
        self.transport = transport

    def pause_writing(self):
        self.paused = True

    def resume_writing(self):
        self.paused = False
        self.write()

    def write(self):
        for _ in range(BURST):
            self.transport.write(self.message)
            self.meter.tick()
            if self.paused:
                return
        asyncio.get_running_loop().call_soon(self.write)


class Requester(aiozmq.ZmqProtocol):
    """Sends each reply as the next request."""

    def __init__(self, meter):
        self.meter = meter

    def connection_made(self, transport):
        self.transport = transport

    def msg_received(self, msg):
        self.meter.tick()
        self.transport.write(msg)


class Echo(aiozmq.ZmqProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def msg_received(self, msg):
        self.transport.write(msg)


async def create(job, protocol, type, **options):
    transport, _ = await aiozmq.create_zmq_connection(lambda: protocol, type)
    transport.setsockopt(zmq.SNDHWM, job.hwm)
    transport.setsockopt(zmq.RCVHWM, job.hwm)
    for name, value in options.items():
        transport.setsockopt(getattr(zmq, name), value)
    return transport


async def recv(job, meter):
    transport = await create(job, Receiver(job, meter), zmq.PULL)
    tell({"endpoint": await transport.bind(job.endpoint)})


async def send(job, meter):
    burster = Burster(job, meter)
    transport = await create(job, burster, zmq.PUSH)
    await transport.connect(job.endpoint)
    burster.write()


async def pub(job, meter):
    burster = Burster(job, meter)
    transport = await create(job, burster, zmq.PUB, XPUB_NODROP=1)
    tell({"endpoint": await transport.bind(job.endpoint)})
    burster.write()


async def roundtrip(job, meter):
    transport = await create(job, Requester(meter), zmq.DEALER)
    await transport.connect(job.endpoint)
    for _ in range(job.inflight):
        transport.write(job.message())


async def pair(job, meter):
    """aiozmq's own benchmark: a DEALER and a ROUTER on one loop."""
    router = await create(job, Echo(), zmq.ROUTER)
    endpoint = await router.bind(job.endpoint)
    dealer = await create(job, Requester(meter), zmq.DEALER)
    await dealer.connect(endpoint)
    dealer.write([b"func", bytes(job.size)])


async def run_forever(start, job):
    await start(job, Meter(job))
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    exit_at_end_of_input()
    asyncio.set_event_loop_policy(aiozmq.ZmqEventLoopPolicy())
    jobs = {"recv": recv, "send": send, "pub": pub, "roundtrip": roundtrip, "pair": pair}
    asyncio.run(run_forever(jobs[sys.argv[1]], Job(sys.argv[2:])))
