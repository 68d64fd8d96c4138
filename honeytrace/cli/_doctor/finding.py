"""The result of a check, and its text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

OK, WARNING, FAIL, SKIPPED = "ok", "warning", "FAIL", "skipped"

_WIDTH = 80


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check.

    Attributes:
        status: one of `OK`, `WARNING`, `FAIL` and `SKIPPED`.
        words: what was found.
        advice: what to do if it failed.
        check: the name of the check.
    """

    status: str
    words: str
    advice: str = ""
    check: str = ""

    def __str__(self) -> str:
        return row(f"{self.check:12}{self.status:9}", self.words)


def verdict(findings: Iterable[Finding]) -> str:
    """Summarize all findings in one sentence: the first failure, and what to do about it."""
    for finding in findings:
        if finding.status == FAIL:
            advice = f"; {finding.advice}" if finding.advice else ""
            words = f"The first check that fails is {finding.check}: {finding.words}{advice}."
            return textwrap.fill(words, _WIDTH, break_long_words=False, break_on_hyphens=False)
    warned = any(finding.status == WARNING for finding in findings)
    return "Everything works, but see the warnings." if warned else "Everything works."


def row(head: str, words: str) -> str:
    """Return a row of a table, wrapped into lines; addresses are never broken."""
    whole = textwrap.TextWrapper(
        _WIDTH, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
    whole.initial_indent, whole.subsequent_indent = f"  {head}", " " * (2 + len(head))
    return whole.fill(words)
