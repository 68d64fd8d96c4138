"""Expressions are compiled when they are first used, and behave as patterns from then on."""

from __future__ import annotations

import re
import subprocess
import sys

from honeytrace._redaction.lazy import expression, verbose

PROGRAM = """
import re, sys
from honeytrace import trace_session
from honeytrace._redaction import lazy
modules = [module for name, module in sys.modules.items() if "honeytrace._redaction" in name]
values = [value for module in modules for value in vars(module).values()]
print(sum(type(value) is lazy._Lazy for value in values) > 50)
print(sum(type(value) in (lazy._Compiled, re.Pattern) for value in values))
"""


def test_an_import_compiles_nothing():
    """A program that only imports honeytrace does not wait for expressions of the redaction."""
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert said.stdout.split() == ["True", "0"], said.stderr


def test_a_lazy_expression_is_a_pattern():
    """It has the methods of a pattern, before and after its first use."""
    for pattern in (expression("a(b)", re.IGNORECASE), expression("[Aa]([Bb])")):
        for _ in range(2):
            assert pattern.findall("AB ab") == ["B", "b"]
            assert pattern.sub("x", "AB ab") == "x x"
    assert verbose(r"\w # ASCII").search("\u00e9") is None
