"""Recognize processes that end without `atexit`, or fork without telling Python."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from honeytrace._utils.origin import ignoring

_FORKED_WITHOUT_EXEC = 0x40  # PF_FORKNOEXEC of linux/sched.h
_FLAGS = 6  # the field of /proc/self/stat, counted after the name of the program
_PID = os.getpid()


def ends_abruptly() -> bool:
    """Return whether this process may end by `os._exit` or a signal when it is done.

    Workers of pools and task queues do.
    """
    return os.getpid() != _PID or _is_forked() or _is_child() or _is_worker_of_ray()


def _is_forked() -> bool:
    """Return whether a program that had not imported honeytrace forked it. Linux only."""
    with ignoring(OSError, ValueError, IndexError):
        after_name = Path("/proc/self/stat").read_text("utf-8", "replace").rpartition(")")[2]
        return bool(int(after_name.split()[_FLAGS]) & _FORKED_WITHOUT_EXEC)
    return False


def _is_child() -> bool:
    """Return whether `multiprocessing`, `multiprocess` or `billiard` started this process."""
    for name in ("multiprocessing", "multiprocess"):
        parent = getattr(sys.modules.get(f"{name}.process"), "parent_process", None)
        if parent is not None and parent() is not None:
            return True
    billiard = getattr(sys.modules.get("billiard.process"), "current_process", None)
    return billiard is not None and type(billiard()).__name__ != "_MainProcess"


def will_fork_unseen() -> bool:
    """Return whether uWSGI loads the program in this process and forks its workers later.

    It forks in C. Python's hooks do not run then, and a thread of ours that has the interpreter's
    lock at that moment keeps the workers from ever starting.
    """
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is not None and not uwsgi.worker_id() and uwsgi.masterpid() in (0, os.getpid())


def _is_worker_of_ray() -> bool:
    main = getattr(sys.modules.get("__main__"), "__file__", None) or ""
    return "ray" in sys.modules and Path(main).name == "default_worker.py"
