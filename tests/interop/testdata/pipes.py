"""Echoes its standard input to its standard output, with asyncio's pipe transports."""

import asyncio
import sys


class Out(asyncio.BaseProtocol):
    def __init__(self, done):
        self.done, self.source = done, None

    def pause_writing(self):
        self.source.pause_reading()

    def resume_writing(self):
        self.source.resume_reading()

    def connection_lost(self, exc):
        self.done.set_result(exc)


class In(asyncio.Protocol):
    def __init__(self, out):
        self.out = out

    def data_received(self, data):
        self.out.write(data)

    def eof_received(self):
        self.out.close()


async def main():
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    out, protocol = await loop.connect_write_pipe(lambda: Out(done), sys.stdout)
    protocol.source, _ = await loop.connect_read_pipe(lambda: In(out), sys.stdin)
    if await done is not None:
        sys.exit("the reader has gone")


asyncio.run(main())
