"""The long loops, made short: `python tests/performance/soak.py calls`."""

from __future__ import annotations

import re

import pytest


@pytest.mark.parametrize(
    ("loop", "count", "sessions"),
    [
        ("calls", 100, 110),
        ("generators", 50, 110),
        ("streams", 100, 20),
    ],
)
def test_soak(program, loop, count, sessions):
    """Every session of a loop is accepted, delivered and answered, in flat memory."""
    done = program(f"import sys, soak; sys.exit(soak.main({loop!r}, '{count}'))")
    assert (done.returncode, done.stderr) == (0, "")
    counts = re.findall(r"(?:accepted|delivered|answered) (\d+)", done.stdout)
    assert counts == [str(sessions)] * 3


@pytest.mark.parametrize(
    ("leak", "extra", "code"), [(0, 0, 0), (80 << 20, 0, 1), (0, 1, 1)], ids=["", "leak", "lost"]
)
def test_a_loop_that_is_not_fine(program, leak, extra, code):
    """A program that takes more and more memory, or loses sessions, ends with 1."""
    done = program(
        f"""
        import sys, soak
        kept = []
        def loop(count):
            kept.append(b"x" * {leak})
            return soak.calls(count) + {extra}
        soak.LOOPS["loop"] = loop, 20
        sys.exit(soak.main("loop"))
        """
    )
    assert (done.returncode, done.stderr) == (code, "")
