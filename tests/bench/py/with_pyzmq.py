"""The benchmark's jobs with pyzmq's asyncio. Usage: with_pyzmq.py JOB [NAME=VALUE]..."""

import asyncio
import resource
import sys
from collections import deque

import zmq
import zmq.asyncio

from job import Job, Meter, exit_at_end_of_input, tell


def open_socket(job, type):
    s = zmq.asyncio.Context.instance().socket(type)
    s.set_hwm(job.hwm)
    return s


def allow_descriptors():
    """Raises the limit of descriptors as far as it goes, as Go programs do."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


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


async def rpc(job, meter):
    """Every caller is a task with a REQ of its own."""
    allow_descriptors()
    zmq.asyncio.Context.instance().set(zmq.MAX_SOCKETS, job.callers + 100)

    async def call():
        s = open_socket(job, zmq.REQ)
        s.connect(job.endpoint)
        message = job.message()
        while True:
            await s.send_multipart(message)
            await s.recv_multipart()
            meter.tick()

    await asyncio.gather(*(call() for _ in range(job.callers)))


async def rep(job, meter):
    """The server, which needs no asyncio."""
    allow_descriptors()
    s = zmq.Context().socket(zmq.REP)
    s.set_hwm(job.hwm)
    s.bind(job.endpoint)
    tell({"endpoint": s.getsockopt_string(zmq.LAST_ENDPOINT)})
    while True:
        s.send_multipart(s.recv_multipart())


if __name__ == "__main__":
    exit_at_end_of_input()
    job = Job(sys.argv[2:])
    jobs = {"recv": recv, "send": send, "roundtrip": roundtrip, "rpc": rpc, "rep": rep}
    asyncio.run(jobs[sys.argv[1]](job, Meter(job)))
