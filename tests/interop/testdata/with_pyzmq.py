"""A peer on plain, blocking pyzmq."""

import time

import zmq

from series import Check, messages


class Peer:
    def __init__(self):
        self.context = zmq.Context()
        self.socket = None

    def open(self, type, bind="", connect="", options={}, subscribe=[]):
        s = self.socket = self.context.socket(getattr(zmq, type))
        for name, value in options.items():
            s.setsockopt(getattr(zmq, name), value if isinstance(value, int) else bytes.fromhex(value))
        for topic in subscribe:
            s.setsockopt(zmq.SUBSCRIBE, topic.encode())
        if bind:
            s.bind(bind)
            return {"endpoint": s.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()}
        s.connect(connect)

    def close(self):
        """Closes the socket; extra is what lay there and nobody asked for."""
        extra = 0
        while self.readable():
            if self.socket.recv_multipart()[0] != b"probe":
                extra += 1
        self.socket.close()
        return {"extra": extra}

    def readable(self):
        return self.socket.getsockopt(zmq.TYPE) not in (zmq.PUSH, zmq.PUB) and self.socket.poll(0, zmq.POLLIN)

    def send(self, series, count, prefix=""):
        for m in messages(series, count, prefix):
            self.socket.send_multipart(m)

    def receive(self, series, count, prefix="", nap=0):
        """Expects a series. Each nap messages it pauses for 0.1 s."""
        check = Check(series, count, prefix)
        while not check.complete:
            if nap and check.received % nap == nap - 1:
                time.sleep(0.1)
            try:
                frames = self.socket.recv_multipart()
            except zmq.Again:  # RCVTIMEO is set
                check.wrong = "nothing more came"
                break
            if frames[0] != b"probe":
                check.add(frames)
        return check.result()

    def exchange(self, series, count):
        """Sends a series and expects every message back. A REQ waits for each
        reply; any other type sends for as long as it can."""
        check = Check(series, count, "")
        rest = messages(series, count, "")
        if self.socket.getsockopt(zmq.TYPE) == zmq.REQ:
            while not check.complete:
                self.socket.send_multipart(next(rest))
                check.add(self.socket.recv_multipart())
            return check.result()
        pending = next(rest)
        while not check.complete:
            events = self.socket.poll(None, zmq.POLLIN | (zmq.POLLOUT if pending else 0))
            if events & zmq.POLLIN:
                check.add(self.socket.recv_multipart())
            if events & zmq.POLLOUT:
                self.socket.send_multipart(pending)
                pending = next(rest, None)
        return check.result()

    def echo(self, series, count, prefix=""):
        """Returns a whole series to its sender; to a ROUTER prefix is the
        sender's routing id."""
        check = Check(series, count, prefix)
        while not check.complete:
            frames = self.socket.recv_multipart()
            check.add(frames)
            self.socket.send_multipart(frames)
        return check.result()

    def probe(self):
        self.socket.send(b"probe")

    def probed(self):
        """Whether a probe has come through, which it has once a subscription has."""
        if not self.readable():
            return {"seen": False}
        return {"seen": self.socket.recv_multipart() == [b"probe"]}
