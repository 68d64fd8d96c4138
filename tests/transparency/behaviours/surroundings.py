"""The surroundings of a call: context, thread, memory, settings of the process."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import decimal
import gc
import io
import locale
import logging
import os
import random
import signal
import sys
import threading
import time
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cases import VARIABLE, Thing, alone, on_kinds, on_places, outcome, uncollected
from kinds import Made, finish

# ---- Context and thread


@on_kinds()
def variable_set_inside(made: Made) -> Any:
    """A context variable that is set inside is visible to the caller."""

    def main() -> Any:
        made.run(lambda: VARIABLE.set("inside"))
        return VARIABLE.get()

    return contextvars.copy_context().run(main)


@on_kinds()
def variable_set_outside(made: Made) -> Any:
    """A context variable that the caller has set is visible inside."""

    def main() -> Any:
        VARIABLE.set("outside")
        return made.run(VARIABLE.get)

    return contextvars.copy_context().run(main)


@on_kinds(brief=True)
def variable_reset_outside(made: Made) -> Any:
    """A token made inside serves to reset the variable outside, and the other way round."""

    def main() -> Any:
        inner: list[Any] = []
        made.run(lambda: inner.append(VARIABLE.set("inside")))
        VARIABLE.reset(inner[0])
        between = VARIABLE.get()
        outer = VARIABLE.set("outside")
        made.run(lambda: VARIABLE.reset(outer))
        return between, VARIABLE.get()

    return contextvars.copy_context().run(main)


@on_kinds(few=True)
def in_an_empty_context(made: Made) -> Any:
    """It runs in a context where nothing is set."""
    return contextvars.Context().run(made.run, VARIABLE.get)


@on_kinds(brief=True)
def same_thread(made: Made) -> Any:
    """The body runs in the thread of the caller."""
    return made.run(threading.get_ident) == threading.get_ident()


@on_kinds(few=True)
def many_threads(made: Made) -> Any:
    """Calls from many threads at once do not disturb each other."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda number: made.run(lambda: number), range(60)))


@on_kinds(few=True)
def in_a_thread_of_its_own(made: Made) -> Any:
    """It runs as the target of a thread, and its error goes to `threading.excepthook`."""
    seen: list[Any] = []
    before = threading.excepthook
    threading.excepthook = lambda args: seen.append(args.exc_type.__name__)

    def fail() -> None:
        raise ValueError

    try:
        for act in (lambda: seen.append("ran"), fail):
            thread = threading.Thread(target=made.run, args=(act,))
            thread.start()
            thread.join()
    finally:
        threading.excepthook = before
    return seen


# ---- Memory


def _alive(made: Made, use: Any) -> Any:
    """Return whether the objects that `use` made are alive after it, without a collection."""
    with uncollected():
        return [reference() is not None for reference in use(made)]


@on_kinds()
def argument_is_let_go(made: Made) -> Any:
    """No argument is alive after the call that nobody else holds."""

    def use(made: Made) -> Any:
        one, two = Thing(), Thing()
        references = [weakref.ref(one), weakref.ref(two)]
        made.run(lambda *_, **__: None, one, key=two)
        return references

    return _alive(made, use)


@on_kinds(brief=True)
def result_is_let_go(made: Made) -> Any:
    """No result is alive after the call that nobody else holds."""

    def use(made: Made) -> Any:
        return [weakref.ref(made.run(Thing)), weakref.ref(made.run(lambda: Thing()))]

    return _alive(made, use)


@on_kinds()
def exception_is_let_go(made: Made) -> Any:
    """Neither an exception nor what its frames held is alive when it has been handled."""

    def use(made: Made) -> Any:
        references: list[Any] = []

        class Boom(Exception): ...

        def act(*_: Any) -> None:
            local, error = Thing(), Boom()
            references.extend([weakref.ref(local), weakref.ref(error)])
            try:
                raise error
            finally:
                del error

        given = Thing()
        references.append(weakref.ref(given))
        with contextlib.suppress(Boom):
            made.run(act, given)
        return references

    return _alive(made, use)


@on_kinds(brief=True)
def instance_is_let_go(made: Made) -> Any:
    """The instance is not kept by a call of its method."""

    def use(made: Made) -> Any:
        made.run(lambda: None)
        reference = outcome(weakref.ref, made.instance)
        made.instance = made.seen = made.call = None
        return [reference[1]] if reference[0] == "returned" else []

    return _alive(made, use)


@on_kinds(few=True)
def nothing_for_the_collector(made: Made) -> Any:
    """Calls leave nothing behind that only the collector can free."""

    def fail() -> None:
        raise ValueError

    made.run(lambda: None)
    gc.collect()
    with uncollected():
        for _ in range(5):
            made.run(lambda: None)
            with contextlib.suppress(ValueError):
                made.run(fail)
        return gc.collect()


@on_kinds(brief=True)
def reference_counts(made: Made) -> Any:
    """Calls leave the reference counts of arguments and results as they were."""
    thing = Thing()
    count = sys.getrefcount(thing)
    for _ in range(3):
        made.run(lambda *_: thing, thing)
    return sys.getrefcount(thing) - count


# ---- Recursion


@on_places("functions")
def recursion(put: Any) -> Any:
    """A recursion that uses 45 % of the stack without works with: one frame more a call."""

    def down(here: Any, left: int, again: Any) -> int:
        return again(left - 1, again) + 1 if left else 0

    down = put(down)
    return down(int(sys.getrecursionlimit() * 0.45) - _depth(), down)


@on_places("coroutines")
def recursion_of_coroutines(put: Any) -> Any:
    """So does a recursion of coroutines."""

    async def down(here: Any, left: int, again: Any) -> int:
        return await again(left - 1, again) + 1 if left else 0

    down = put(down)
    with _untraced():
        return finish(down(int(sys.getrecursionlimit() * 0.45) - _depth(), down))


@contextlib.contextmanager
def _untraced() -> Any:
    """Without a tracer, which takes frames of its own: where coverage is measured, say."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)


@on_places("functions")
def endless_recursion(put: Any) -> Any:
    """Endless recursion ends in a RecursionError, and all is well afterwards."""

    def down(here: Any, more: bool, again: Any) -> str:
        return again(more, again) if more else "fine"

    down = put(down)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(_depth() + 150)
    try:
        kind = None
        try:
            down(True, down)
        except RecursionError as error:
            kind = type(error).__name__
    finally:
        sys.setrecursionlimit(limit)
    return kind, down(False, down)


@on_places("functions")
def little_stack(put: Any) -> Any:
    """A call that has little stack left still calls the function, and returns what it returns."""
    ran: list[int] = []

    def target(here: Any) -> int:
        ran.append(1)
        return 5

    target = put(target)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(_depth() + 12)
    try:
        result = target()
    finally:
        sys.setrecursionlimit(limit)
    return result, ran


def _depth() -> int:
    frame, depth = sys._getframe(), 0
    while frame := frame.f_back:
        depth += 1
    return depth


# ---- The process


def _settings() -> dict[str, Any]:
    return {
        "random": random.getstate(),
        "decimal": str(decimal.getcontext()),
        "locale": locale.setlocale(locale.LC_ALL),
        "directory": os.getcwd(),
        "environment": dict(os.environ),
        "recursion": sys.getrecursionlimit(),
        "switch": sys.getswitchinterval(),
        "collector": gc.isenabled(),
        "filters": list(warnings.filters),
        "int": signal.getsignal(signal.SIGINT),
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook),
        "trace": (sys.gettrace(), sys.getprofile(), threading.gettrace(), threading.getprofile()),
        "origin": sys.get_coroutine_origin_tracking_depth(),
        "agen": tuple(sys.get_asyncgen_hooks()),
        "logging": (logging.root.level, list(logging.root.handlers), logging.root.disabled),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
    }


@on_kinds(brief=True)
def settings_are_left_alone(made: Made) -> Any:
    """A call changes no setting of the process, not even the state of `random`."""
    before = _settings()
    made.run(lambda: None)
    after = _settings()
    return [name for name in before if before[name] != after[name]]


@on_kinds(few=True)
def seeded_random(made: Made) -> Any:
    """A seeded sequence of random numbers is the same."""
    random.seed(7)
    return [made.run(random.random), random.random(), made.run(random.random)]


@on_kinds(few=True)
def decimal_context_inside(made: Made) -> Any:
    """A decimal context that is set inside holds outside, as it is a context variable."""

    def main() -> Any:
        made.run(lambda: decimal.setcontext(decimal.Context(prec=3)))
        return str(decimal.Decimal(1) / 3)

    return contextvars.copy_context().run(main)


@on_kinds(brief=True)
def silence(made: Made) -> Any:
    """Nothing is printed, logged or warned of."""
    records: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name.partition(".")[0] not in ("asyncio", "httpx", "httpcore"):
                records.append(record.getMessage())

    handler = Handler()
    logging.root.addHandler(handler)
    out, err = io.StringIO(), io.StringIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            made.run(lambda: None)
            outcome(made.run, _fail)
    logging.root.removeHandler(handler)
    said = [str(each.message) for each in caught if "iscoroutinefunction" not in str(each.message)]
    return out.getvalue(), err.getvalue(), records, said


def _fail() -> None:
    raise ValueError


@on_kinds("function")
def printing(made: Made) -> Any:
    """The function prints to where the caller has redirected the output."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        made.run(lambda: print("hello"))
    return out.getvalue()


@on_kinds(few=True)
def profiled(made: Made) -> Any:
    """A profiler that the user has set sees the body."""
    seen: list[str] = []

    def profile(frame: Any, event: str, arg: Any) -> None:
        if event == "call":
            seen.append(frame.f_code.co_name)

    def act() -> None: ...

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        made.run(act)
    finally:
        sys.setprofile(before)
    return seen.count("act")


@on_kinds("function", few=True)
def signal_handler(made: Made) -> Any:
    """It serves as a handler of a signal."""
    seen: list[int] = []

    def handle(number: int, frame: Any) -> None:
        made.call(lambda: seen.append(number))

    before = signal.signal(signal.SIGINT, handle)
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    return seen


@on_kinds("function", few=True)
def interrupted(made: Made) -> Any:
    """Ctrl-C inside arrives as it is."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return outcome(made.run, lambda: signal.raise_signal(signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)


@on_kinds("function", few=True)
def in_an_executor(made: Made) -> Any:
    """It runs in asyncio's executor and as a callback of the loop."""
    seen: list[Any] = []

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        loop.call_soon(made.call, lambda: seen.append("called"))
        in_thread = await asyncio.to_thread(made.call, lambda: 1)
        return in_thread, await loop.run_in_executor(None, made.call, lambda: 2)

    return asyncio.run(main()), seen


@on_kinds("function", few=True)
def in_a_running_loop(made: Made) -> Any:
    """A function that is called in a coroutine sees the loop and its task."""

    async def main() -> Any:
        return (
            made.run(asyncio.get_running_loop) is asyncio.get_running_loop(),
            made.run(asyncio.current_task) is asyncio.current_task(),
        )

    return asyncio.run(main())


@alone("functions")
def returns_at_once(decorate: Any) -> Any:
    """A call waits for nothing: thousands take no time that one would notice."""

    @decorate
    def target() -> None: ...

    start = time.perf_counter()
    for _ in range(200):
        target()
    return time.perf_counter() - start < 1
