"""What the Python peers of the benchmark share: parameters and the meter."""

import json
import os
import resource
import threading
import time


class Job:
    """What a process is asked to do, as name=value arguments."""

    def __init__(self, arguments):
        given = dict(a.split("=", 1) for a in arguments)
        self.endpoint = given.get("endpoint", "")
        self.how = given.get("how", "")
        for name in "size", "frames", "hwm", "keep", "stride", "inflight", "callers":
            setattr(self, name, int(given.get(name, "1")))
        self.lead = int(given.get("lead", "0"))  # messages before the warm-up
        self.warm = float(given.get("warm", "0"))
        self.length = float(given.get("length", "1"))

    def message(self):
        return [bytes(self.size)] * self.frames


class Meter:
    """Counts messages; after the warm-up it takes time and CPU time, and ends the
    process with a result when time is up."""

    def __init__(self, job):
        self.job = job
        self.n = self.start = self.begin = self.first = 0
        self.cpu = 0.0

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
                self.begin, self.first, self.cpu = now, self.n, cpu_seconds()
        elif now - self.begin >= self.job.length:
            tell({"messages": self.n - self.first, "seconds": now - self.begin, "cpu": cpu_seconds() - self.cpu})
            os._exit(0)


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def tell(what):
    print(json.dumps(what), flush=True)


def exit_at_end_of_input():
    """Ends the process when its standard input ends."""

    def wait():
        while os.read(0, 1):
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
