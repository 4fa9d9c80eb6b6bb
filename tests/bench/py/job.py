"""What the Python peers of the benchmark share: parameters and the meter."""

import json
import math
import os
import resource
import sys
import threading
import time


class Job:
    """The parameters of a process, from its name=value arguments."""

    def __init__(self, arguments):
        given = dict(a.split("=", 1) for a in arguments)
        self.endpoint = given.get("endpoint", "")
        self.how = given.get("how", "")
        for name in "size", "frames", "hwm", "keep", "stride", "inflight", "callers", "timers":
            setattr(self, name, int(given.get(name, "1")))
        self.lead = int(given.get("lead", "0"))  # messages before the warm-up
        self.counter = int(given.get("counter", "0"))  # the descriptor that counts instructions
        self.warm = float(given.get("warm", "0"))
        self.length = float(given.get("length", "1"))

    def message(self):
        return [bytes(self.size)] * self.frames


class Meter:
    """Counts messages, and measures after the warm-up. When the measurement is done,
    it prints the result and ends the process."""

    def __init__(self, job):
        self.job = job
        self.n = self.start = 0
        self.begin = None
        self.times = []  # seconds

    def tick(self):
        self.n += 1
        if self.n % self.job.stride == 0:
            self.look()

    def look(self):
        now = time.monotonic()
        if not self.start:
            if self.n >= self.job.lead:
                self.start = now
        elif not self.begin:
            if now - self.start >= self.job.warm:
                self.times.clear()
                self.begin = self.mark(now)
        elif now - self.begin["seconds"] >= self.job.length:
            end = self.mark(now)
            tell({name: end[name] - self.begin[name] for name in end} | percentiles(self.times))
            os._exit(0)

    def mark(self, now):
        used = resource.getrusage(resource.RUSAGE_SELF)
        count = os.read(self.job.counter, 8) if self.job.counter else b""
        return {
            "messages": self.n, "seconds": now, "cpu": used.ru_utime + used.ru_stime,
            "voluntary": used.ru_nvcsw, "involuntary": used.ru_nivcsw, "instructions": int.from_bytes(count, sys.byteorder),
        }


def percentiles(times):
    """Returns the percentiles of a result, in microseconds."""
    shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999} if times else {}
    times = sorted(times)
    return {name: times[math.ceil(share * len(times)) - 1] * 1e6 for name, share in shares.items()}


def tell(what):
    print(json.dumps(what), flush=True)


def exit_at_end_of_input():
    """Ends the process when its standard input ends."""

    def wait():
        while os.read(0, 1):
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
