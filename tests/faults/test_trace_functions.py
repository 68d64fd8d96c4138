"""Functions that debuggers and profilers set for all threads, as by `threading.settrace`."""

from __future__ import annotations

import pytest
from programs import numbers, ran

FUNCTIONS = {
    "raises": """
    def function(frame, event, argument):
        raise RuntimeError("not in this thread")
    """,
    "is traced": """
    @trace_session
    def function(frame, event, argument):
        return None
    """,
    "calls what is traced": """
    def function(frame, event, argument):
        call(-1)
        return function
    """,
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("setter", ["settrace", "setprofile"])
def test_delivery_goes_on(setter, function, server):
    """Our threads do not end, and do not record what such a function does in them."""
    program = """
    for n in range(20):
        call(n)
    assert flush(20)
    say([threading.active_count(), stats().accepted])
    """
    setting = f"threading.{setter}(function)\n"
    ((threads, accepted),) = ran(FUNCTIONS[function] + "    " + setting + program, server.url).words
    assert (threads, accepted, numbers(server)) == (3, 20, [*range(20)])
