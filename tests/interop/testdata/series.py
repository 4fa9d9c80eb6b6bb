"""The messages that both sides know by heart; series_test.go has the same rules.

A series is `count` messages, each derived from its number, and one that ends it:
whatever is lost, doubled, cut or out of order shows as a difference.
"""

LENGTHS = [0, 1, 2, 29, 30, 33, 34, 127, 255, 256, 257, 8191, 8192, 8193, 65536]
MIB = 1 << 20

# All byte values, with a period that is no power of two.
BASE = (bytes(range(256)) + b"\xff") * (2 * MIB // 257)


def message(series, i):
    """Returns the frames of message i of a series."""
    if series == "numbered":
        return [b"%d" % i]
    if series == "shapes":
        return [chunk(i + j, LENGTHS[(7 * i + 3 * j) % len(LENGTHS)]) for j in range(1 + i % 5)]
    if series == "large":
        if i % 2 == 0:
            return [chunk(i, MIB)]
        return [b"", chunk(i, MIB), chunk(i, 1), b"", chunk(i + 1, MIB)]
    raise ValueError("no series %r" % series)


def chunk(seed, length):
    start = seed % 257
    return BASE[start : start + length]


def messages(series, count, prefix):
    """Yields the whole series, each message after a frame that is prefix, in hex,
    if there is one."""
    prefix = [bytes.fromhex(prefix)] if prefix else []
    for i in range(count):
        yield prefix + message(series, i)
    yield prefix + [b"end of " + series.encode()]


class Check:
    """Compares what arrives with a series."""

    def __init__(self, series, count, prefix):
        self.expected = messages(series, count, prefix)
        self.total = count + 1
        self.received = 0
        self.wrong = None

    @property
    def complete(self):
        return self.received == self.total or self.wrong is not None

    def add(self, frames):
        want = next(self.expected)
        if frames != want:
            self.wrong = "message %d: got %s, want %s" % (self.received, brief(frames), brief(want))
        self.received += 1

    def result(self):
        return {"received": self.received, "wrong": self.wrong or ""}


def brief(frames):
    return "[%s]" % " ".join("%d:%r" % (len(f), f[:20]) for f in frames)
