"""The Python half of tests/interop. Usage: peer.py pyzmq|aiozmq

It does what it is told, one command at a time: each line of standard input is a
JSON object, whose "do" names a method of the peer and whose other members are
the arguments, and each is answered on standard output by one line, the method's
result or {"error": "..."}. It ends with its standard input.
"""

import asyncio
import json
import sys
import traceback

import zmq


def main():
    library = sys.argv[1]
    if library == "pyzmq":
        from with_pyzmq import Peer

        reply({"library": zmq.__version__, "libzmq": zmq.zmq_version()})
        run(Peer())
    elif library == "aiozmq":
        import aiozmq
        from with_aiozmq import Peer

        reply({"library": aiozmq.__version__, "libzmq": zmq.zmq_version()})
        asyncio.set_event_loop_policy(aiozmq.ZmqEventLoopPolicy())
        asyncio.run(arun(Peer()))
    else:
        sys.exit("peer.py: no library %r" % library)


def run(peer):
    for line in sys.stdin:
        try:
            reply(method(peer, line)())
        except Exception:
            reply({"error": traceback.format_exc()})


async def arun(peer):
    # Standard input is read on a thread, so that the loop always runs.
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            reply(await method(peer, line)())
        except Exception:
            reply({"error": traceback.format_exc()})


def method(peer, line):
    arguments = json.loads(line)
    bound = getattr(peer, arguments.pop("do"))
    return lambda: bound(**arguments)


def reply(result):
    print(json.dumps(result or {}), flush=True)


main()
