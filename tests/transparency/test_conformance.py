"""A decorated callable behaves as the undecorated one does, in every way that we know of.

    pytest tests/transparency --decorator module:name -q

holds any decorator to the same; `decorators:wraps` and `decorators:wrapt` are there to compare.
What is expected is always what the undecorated twin does.
"""

from __future__ import annotations

import asyncio
from pprint import pformat

import behaviours  # noqa: F401 - fills CASES
import known
import pytest
from cases import CASES, Case, plain, told
from decorators import Decorator, identity


@pytest.mark.parametrize("case", CASES, ids=str)
def test_as_without(
    case: Case, decorate: Decorator, decorator_name: str, request: pytest.FixtureRequest
) -> None:
    """A decorated callable behaves like the same callable without the decorator."""
    if reason := known.reason(decorator_name, case.name, case.kind):
        request.applymarker(pytest.mark.xfail(reason=reason))
    without = plain(case.observe(identity))
    try:
        seen = plain(case.observe(decorate))
    except (Exception, GeneratorExit, SystemExit, asyncio.CancelledError) as error:
        seen = {"fails": plain(told(error))}
    if not case.agree(without, seen):
        pytest.fail(f"decorated:\n{pformat(seen)}\nbut undecorated:\n{pformat(without)}", False)
