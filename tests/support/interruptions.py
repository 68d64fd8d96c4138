"""Raise exceptions in the middle of traced calls of every kind.

    python interruptions.py signals|threads TRIALS

Prints, as JSON, how many arrived and how many were lost, the errors that were counted, and how many
sessions were accepted and delivered.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import json
import queue
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass, field

import honeytrace
from honeytrace import trace_session

SECONDS = 60.0  # after which an exception counts as lost, even on a busy machine


class LateError(Exception):
    """A time limit, as task queues raise it."""


class FilledError(LateError):
    """One that fills in its own arguments."""

    def __init__(self):
        super().__init__("out of time", 3)


class FailedError(Exception):
    """Raised by a traced function itself."""


KINDS = [LateError, FilledError, ValueError, KeyError, TimeoutError, RuntimeError, OSError]


@dataclass
class Document:
    """An object that has to be copied."""

    text: str
    tags: set[str] = field(default_factory=lambda: {"a", "b"})
    nested: dict[object, object] = field(default_factory=lambda: {1: [object(), (1.5, b"x")]})


DOCUMENTS = [Document("x" * 100), Document("y")]


@trace_session
def function(question, *, documents=DOCUMENTS):
    return {"answer": question, "documents": documents}


@trace_session
def failing(question):
    raise FailedError(question)


@trace_session
async def coroutine(question):
    return [function(question)]


@trace_session
def generator(question):
    for _ in range(3):
        yield question
        yield {"chunk": question}


@trace_session
async def async_generator(question):
    for _ in range(3):
        yield await coroutine(question)


@trace_session(
    process_inputs=lambda inputs: {**inputs, "more": json.dumps(inputs)},
    process_outputs=lambda output: output * 2,
    ignore=("secret",),
)
def processed(question, secret=None):
    return question


async def consume():
    return [item async for item in async_generator("q")]


def finish(awaitable):
    """Drive a coroutine that never really waits."""
    try:
        awaitable.send(None)
    except StopIteration as stop:
        return stop.value


def call_all():
    function("q")
    with contextlib.suppress(FailedError):
        failing("q")
    finish(coroutine("q"))
    [*generator("q")]
    finish(consume())
    processed("q")
    with trace_session("block", inputs={"documents": DOCUMENTS}) as session:
        session.metrics["hits"] = 3
        honeytrace.enrich_session(feedback={"rating": 5})


def call_until(fired, end):
    # In a function of its own: a `try` around it does not always cover the jump back of a loop.
    while not fired and time.monotonic() < end:
        call_all()


fired = []
dropped = []  # by Python itself, which does so in destructors
sys.unraisablehook = lambda found: dropped.append(found.exc_value)


def fire():
    error = random.choice(KINDS)()
    fired.append(error)
    raise error


def plain(number, frame):
    fire()


def resets_itself(number, frame):
    signal.signal(number, signal.SIG_DFL)
    fire()


def forgets(number, frame):
    del number, frame
    fire()


class Limit:
    """A callable object."""

    def __call__(self, number, frame):
        fire()

    method = __call__


HANDLERS = [
    plain,
    lambda number, frame: fire(),
    functools.partial(lambda extra, number, frame: fire(), "extra"),
    Limit(),
    Limit().method,
    resets_itself,
    forgets,
    functools.lru_cache(plain),
]


def by_signal(trial):
    """Return the exception that came out of the calls, None if it was lost."""
    fired.clear()
    signal.signal(signal.SIGALRM, HANDLERS[trial % len(HANDLERS)])
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0002, 0.004))
        call_until(fired, time.monotonic() + SECONDS)
    except Exception as error:
        return error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


class Worker:
    """A thread that makes traced calls until an exception is raised in it."""

    def __init__(self):
        self.trials, self.results = queue.SimpleQueue(), queue.SimpleQueue()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while (sent := self.trials.get()) is not None:
            self.results.put(self.calls(sent))

    def calls(self, sent):
        """Return the exception that came out of the calls, None if it was lost."""
        try:
            self.results.put("running")
            call_until(sent, time.monotonic() + SECONDS)
            call_all()  # it may have been sent just now
        except Exception as error:
            return error

    def interrupt(self, trial):
        sent = []
        self.trials.put(sent)
        self.results.get()
        sys.setswitchinterval(1e-5)  # this thread is not to wait while the other traces on
        time.sleep(random.uniform(0.0002, 0.003))
        kind = ctypes.py_object(random.choice(KINDS))
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread.ident), kind)
        sent.append(True)
        sys.setswitchinterval(0.005)
        return self.results.get()


def main(way, trials):
    call_all()
    worker = Worker() if way == "threads" else None
    interrupt = worker.interrupt if worker else by_signal
    arrived = alive = 0
    for trial in range(trials):
        dropped.clear()
        arrived += isinstance(interrupt(trial), tuple(KINDS)) or bool(dropped)
        function("q")
        alive += honeytrace.flush(SECONDS)
    if worker:
        worker.trials.put(None)
    fired.clear()  # they keep generators alive that were interrupted
    gc.collect()
    honeytrace.flush(SECONDS)
    stats = honeytrace.stats()
    done = {"arrived": arrived, "alive": alive, "errors": stats.errors}
    print(json.dumps({**done, "accepted": stats.accepted, "delivered": stats.delivered}))


if __name__ == "__main__":
    random.seed(int(sys.argv[3]) if len(sys.argv) > 3 else None)
    main(sys.argv[1], int(sys.argv[2]))
