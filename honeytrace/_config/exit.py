"""The end of the program: call functions then, and end as the program would have without us."""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Callable
from contextlib import suppress


def at_exit(end: Callable[[], None]) -> None:
    """Call `end` at exit, also in children of `multiprocessing`, which skip `atexit`."""
    if threading.main_thread().is_alive():  # at exit, nothing is called that is registered then
        atexit.unregister(end)  # a forked child inherits what its parent registered
        atexit.register(end)
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing and multiprocessing.parent_process():
        multiprocessing.util.Finalize(None, end, exitpriority=0)


def is_interrupted() -> bool:
    """Return True if an uncaught Ctrl-C is ending the program."""
    trace = getattr(sys, "last_traceback", None)  # also set at a prompt, which does not end
    outermost = trace is not None and trace.tb_frame.f_back is None and not hasattr(sys, "ps1")
    return outermost and getattr(sys, "last_type", None) is KeyboardInterrupt


def end_as_interrupted() -> None:
    """Make the interpreter end by SIGINT, as it does after an uncaught Ctrl-C.

    It forgets this when code is compiled from text at exit. Importing a module that has named
    tuples or dataclasses does that.
    """
    with suppress(KeyboardInterrupt):
        exec("raise KeyboardInterrupt")  # noqa: S102
