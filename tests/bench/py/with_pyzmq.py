"""The benchmark's jobs with pyzmq's asyncio. Usage: with_pyzmq.py JOB [NAME=VALUE]..."""

import asyncio
import sys
from collections import deque

import zmq
import zmq.asyncio

from job import Job, Meter, exit_at_end_of_input, tell


def open_socket(job, type):
    s = zmq.asyncio.Context.instance().socket(type)
    s.set_hwm(job.hwm)
    return s


async def recv(job, meter):
    s = open_socket(job, zmq.PULL)
    s.bind(job.endpoint)
    tell({"endpoint": s.getsockopt_string(zmq.LAST_ENDPOINT)})
    kept = deque(maxlen=job.keep)
    while True:
        kept.append(await s.recv_multipart())
        meter.tick()


async def send(job, meter):
    s = open_socket(job, zmq.PUSH)
    s.connect(job.endpoint)
    message = job.message()
    while True:
        await s.send_multipart(message)
        meter.tick()


async def roundtrip(job, meter):
    s = open_socket(job, zmq.DEALER)
    s.connect(job.endpoint)
    for _ in range(job.inflight):
        await s.send_multipart(job.message())
    while True:
        message = await s.recv_multipart()
        meter.tick()
        await s.send_multipart(message)


if __name__ == "__main__":
    exit_at_end_of_input()
    job = Job(sys.argv[2:])
    asyncio.run({"recv": recv, "send": send, "roundtrip": roundtrip}[sys.argv[1]](job, Meter(job)))
