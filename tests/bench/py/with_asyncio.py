"""The benchmark's echo server with asyncio. Usage: with_asyncio.py JOB [NAME=VALUE]..."""

import asyncio
import os
import random
import ssl
import sys

from job import Job, Meter, exit_at_end_of_input, tell


class Echo(asyncio.Protocol):
    """Returns what it gets, and counts trips of the job's size."""

    def __init__(self, meter):
        self.meter = meter
        self.bytes = 0

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)
        self.bytes += len(data)
        while self.bytes >= self.meter.job.size:
            self.bytes -= self.meter.job.size
            self.meter.tick()


def security(job):
    if job.how != "tls":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    context.load_cert_chain(os.path.join(here, "certificate.pem"), os.path.join(here, "key.pem"))
    return context


async def echo(job, meter):
    host, port = job.endpoint.removeprefix("tcp://").rsplit(":", 1)
    server = await asyncio.get_running_loop().create_server(
        lambda: Echo(meter), host, 0 if port == "*" else int(port), ssl=security(job))
    tell({"endpoint": "tcp://%s:%d" % server.sockets[0].getsockname()})
    await server.serve_forever()


def period():
    return random.uniform(1, 10)


async def timers(job, meter):
    """Timers that each set themselves again."""
    loop = asyncio.get_running_loop()

    def beat(due, period):
        now = loop.time()
        meter.times.append(now - due)
        meter.tick()
        loop.call_at(now + period, beat, now + period, period)

    for _ in range(job.timers):
        p = period()
        due = loop.time() + random.uniform(0, p)
        loop.call_at(due, beat, due, p)
    await loop.create_future()


async def cancel(job, meter):
    """Sets timers and cancels them, while others wait."""
    loop = asyncio.get_running_loop()
    for _ in range(job.timers):
        loop.call_later(3600 + period(), print)
    while True:
        for _ in range(256):
            loop.call_later(3600 + period(), print).cancel()
            meter.tick()
        await asyncio.sleep(0)


if __name__ == "__main__":
    exit_at_end_of_input()
    job = Job(sys.argv[2:])
    asyncio.run({"echo": echo, "timers": timers, "cancel": cancel}[sys.argv[1]](job, Meter(job)))
