"""CPython's asyncio as the other end of package netio.

Usage: asyncio_peer.py JOB ADDRESS [NAME=VALUE]...

A server prints where it listens, and then for each connection how that ended. A client
prints how its connection ended. Both end with "ok", or with the name of the error.
ADDRESS is a path, or host:port. The settings: certificate, key, trusted (files of PEM),
name (of the server), version (of TLS, as 1.2), upgrade (STARTTLS after one line).
"""

import asyncio
import ssl
import sys

CHUNKS = [1, 2, 100, 8191, 65536, 1 << 20]
BYE = b"bye\n"


def context(purpose, settings):
    """Returns what the settings say of TLS, or None."""
    if not settings.keys() & {"certificate", "trusted", "tls"}:
        return None
    c = ssl.SSLContext(purpose)
    if "certificate" in settings:
        c.load_cert_chain(settings["certificate"], settings["key"])
    if purpose == ssl.PROTOCOL_TLS_CLIENT:
        c.load_default_certs()
    if "trusted" in settings:
        c.load_verify_locations(settings["trusted"])
        c.verify_mode = ssl.CERT_REQUIRED
    if "version" in settings:
        version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[settings["version"]]
        c.minimum_version = c.maximum_version = version
    return c


def data():
    """Returns the bytes that go both ways, in chunks of different sizes."""
    for size in CHUNKS * 3:
        yield (bytes(range(251)) * (size // 251 + 1))[:size]


def tell(error):
    print("ok" if error is None else type(error).__name__, flush=True)


async def upgraded(reader, writer, settings, server_side):
    """Returns the streams after STARTTLS, which the client asks for in a line."""
    loop = asyncio.get_running_loop()
    if server_side:
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go on\n")
        await writer.drain()
        purpose = ssl.PROTOCOL_TLS_SERVER
    else:
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"go on\n"
        purpose = ssl.PROTOCOL_TLS_CLIENT
    await writer.start_tls(context(purpose, settings), server_hostname=None if server_side else settings.get("name"))


async def echo(reader, writer):
    """Returns what comes until its end, then says bye."""
    while chunk := await reader.read(1 << 16):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write(BYE)
    writer.close()
    await writer.wait_closed()


async def serve(address, settings):
    upgrade = "upgrade" in settings

    async def session(reader, writer):
        try:
            if upgrade:
                await upgraded(reader, writer, settings, True)
            await echo(reader, writer)
        except Exception as e:
            writer.transport.abort()
            tell(e)
        else:
            tell(None)

    options = {"ssl": None if upgrade else context(ssl.PROTOCOL_TLS_SERVER, settings)}
    if "/" in address:
        server = await asyncio.start_unix_server(session, address, **options)
        print(address, flush=True)
    else:
        host, port = address.rsplit(":", 1)
        server = await asyncio.start_server(session, host, int(port), **options)
        print("%s:%d" % server.sockets[0].getsockname(), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()
    await server.wait_closed()


async def exchange(reader, writer):
    """Sends the data, and compares what comes back."""
    sent = b"".join(data())

    async def send():
        for chunk in data():
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    sending = asyncio.ensure_future(send())
    got = await reader.readexactly(len(sent))
    await sending
    if got != sent:
        raise ValueError("other bytes came back")
    if writer.can_write_eof():
        if (rest := await reader.read()) != BYE:
            raise ValueError(repr(rest))
    writer.close()
    await writer.wait_closed()


async def connect(address, settings):
    options = {}
    upgrade = "upgrade" in settings
    if not upgrade and (c := context(ssl.PROTOCOL_TLS_CLIENT, settings)):
        options = {"ssl": c, "server_hostname": settings["name"]}
    try:
        if "/" in address:
            reader, writer = await asyncio.open_unix_connection(address, **options)
        else:
            host, port = address.rsplit(":", 1)
            reader, writer = await asyncio.open_connection(host, int(port), **options)
        if upgrade:
            await upgraded(reader, writer, settings, False)
        await exchange(reader, writer)
    except Exception as e:
        tell(e)
    else:
        tell(None)


if __name__ == "__main__":
    settings = dict(a.split("=", 1) for a in sys.argv[3:])
    asyncio.run({"serve": serve, "connect": connect}[sys.argv[1]](sys.argv[2], settings))
