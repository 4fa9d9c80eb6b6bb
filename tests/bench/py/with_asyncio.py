"""The benchmark's echo server with asyncio. Usage: with_asyncio.py JOB [NAME=VALUE]..."""

import asyncio
import os
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


if __name__ == "__main__":
    exit_at_end_of_input()
    job = Job(sys.argv[2:])
    asyncio.run({"echo": echo}[sys.argv[1]](job, Meter(job)))
