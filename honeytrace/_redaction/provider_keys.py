"""Find the keys of known providers, by the table in `providers.py`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby

from honeytrace._redaction.marker import Span
from honeytrace._redaction.providers import ALPHABETS, Provider, providers
from honeytrace._redaction.randomness import is_mixed

MIN_TAIL = 16
"""Characters of the random part of a key that are not interrupted by a dot or an equals sign."""

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TAIL_CHARACTERS = b"-_~+/0123456789" + _LETTERS
_RUN_CHARACTERS = b".=" + _TAIL_CHARACTERS

_TAIL = b"x" * MIN_TAIL
_TAILS = bytes(ord("x") if byte in _TAIL_CHARACTERS else ord(" ") for byte in range(256))
_RUNS = bytes(ord("x") if byte in _RUN_CHARACTERS else ord(" ") for byte in range(256))
_SMALL = b"a" * MIN_TAIL
_COMMON = "sk-"  # what follows need not look random
_KINDS = bytes.maketrans(
    b"BCDEFGHIJKLMNOPQRSTUVWXYZbcdefghijklmnopqrstuvwxyz123456789",
    b"A" * 25 + b"a" * 25 + b"0" * 9,
)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![\w-])")
# Escapes of JSON, of URLs and of terminals' colours may touch a key.
_ESCAPE = re.compile(
    r"(?<=\\)(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[abfnrtv])|(?<=%)[0-9A-Fa-f]{2}"
    r"|(?<=[\[;])[0-9]{0,3}[mK]"
)
_AWS_SECRET = re.compile(r"""[\s"',:;|/]{1,8}([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])""")

# Formats that a prefix and an alphabet cannot describe.
_JWT = r"""(?P<jwt> ey[JK][A-Za-z0-9_-]{13,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,3}
      | ZXlK[A-Za-z0-9]{30,}={0,2} )"""
_SPECIAL = r"""(?P<provider>
      [0-9a-f]{32}-us[0-9]{1,2}(?![\w-])
    | [A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk(?![\w-])
    | (?:[0-9a-f]{36}|eu01xx[0-9a-f]{30})NRAL(?![\w-]) | (?:[0-9a-f]{32}|eu01xx[0-9a-f]{26})FFFFNRAL
    | (?:AA[0-9a-f]{40}|eu01xx[0-9a-f]{36})-NRMA(?![\w-])
    | pat[A-Za-z0-9]{14}\.[0-9a-f]{64} | (?:pat|sat)\.[\w-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}
    | 1000\.[0-9a-f]{32}\.[0-9a-f]{32} | 3MVG9[\w.+/=]{80,251} | 00D[A-Za-z0-9]{12}![\w.]{60,}
    | (?:sc|ext|scauth
    |authress)_[A-Za-z0-9]{5,30}\.[A-Za-z0-9]{4,6}\.acc[_-][a-z0-9-]{10,32}\.[\w+/=-]{30,120}
    | na1\.[A-Za-z0-9+/]{100} | api_[A-Za-z0-9.]{45}(?![\w-])
    | (?=[MNO][A-Za-z_-]{0,24}[0-9])[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,38}(?![\w-])
    | (?<=[0-9]:)A[\w-]{34}(?![\w-])
    | (?<=[0-9]Q~)[\w.~-]{31,34} )
"""


def _tail(row: Provider) -> str:
    """Return the expression for what follows the prefix."""
    alphabet = f"[{ALPHABETS[row.alphabet]}]"
    most = "" if row.most is None else row.most
    if row.reading in ("prefix", "glued"):
        return f"{alphabet}{{{min(row.least, MIN_TAIL)},}}"
    if row.reading == "mixed":
        return f"{alphabet}{{{row.least},{most}}}" + ("(?![A-Za-z0-9])" if row.most else "")
    return f"(?:{alphabet}{{{row.least},{most}}}(?![\\w-])|{alphabet}{{4,}}(?=…))"


def _cut(prefix: str) -> int:
    """Return how much of a prefix only introduces the key, and stays: `SG.`, `dp.pt.`."""
    return max(prefix.rfind(character) for character in "./~+") + 1


def _expression(row: Provider) -> str:
    """Return the expression for a key, without the first character that its branch begins with."""
    cut = _cut(row.prefix)
    if not cut:
        return re.escape(row.prefix[1:]) + _tail(row)
    return f"(?<={re.escape(row.prefix[:cut])}){re.escape(row.prefix[cut:])}{_tail(row)}"


def _first(row: Provider) -> str:
    """Return what a branch begins with, so that `re` can dismiss most branches at once."""
    cut = _cut(row.prefix)
    return f"(?<={re.escape(row.prefix[cut - 1])})" if cut else re.escape(row.prefix[0])


@cache
def _rows() -> dict[str, list[tuple[str, int, Provider]]]:
    """Return the table by the first character of the key itself, the longest prefixes first."""
    rows: dict[str, list[tuple[str, int, Provider]]] = {}
    for row in sorted(providers(), key=lambda row: -len(row.prefix)):
        cut = _cut(row.prefix)
        rows.setdefault(row.prefix[cut : cut + 1], []).append((row.prefix, cut, row))
    return rows


@cache
def _pattern(digits: bool) -> re.Pattern[str]:
    """Compile the table when it is first needed, since that takes milliseconds.

    Args:
        digits: whether there are digits in what is searched; special formats have some.
    """
    special = f"|{_SPECIAL}" if digits else ""
    glued = _branches(row for row in providers() if row.reading == "glued")
    return re.compile(
        f"(?<![A-Za-z0-9])(?:(?P<key>{_branches(providers())})|{_JWT}{special})|(?P<glued>{glued})",
        re.ASCII | re.VERBOSE,
    )


def _branches(rows: Iterable[Provider]) -> str:
    """Return an expression for keys, in branches by the first character."""
    ordered = sorted(rows, key=lambda row: (_first(row), -len(row.prefix)))
    return "|".join(
        f"{first}(?:{'|'.join(map(_expression, group))})"
        for first, group in groupby(ordered, _first)
    )


def provider_keys(text: str) -> Iterator[Span]:
    """Find what begins as the keys of a known provider do."""
    data = text.encode("latin-1", "replace")
    tails = data.translate(_TAILS)
    tail = tails.find(_TAIL)
    if tail < 0:
        return
    runs, kinds = data.translate(_RUNS), data.translate(_KINDS)
    while tail >= 0:
        at = runs.rfind(b" ", 0, tail) + 1
        end = runs.find(b" ", tail)
        end = len(runs) if end < 0 else end
        kind = kinds[at:end]
        likely = _is_random(kind) or text.find(_COMMON, at, end) >= 0
        if likely and not _UUID.match(text, at):
            yield from _in_run(text, at, end, b"0" in kinds[max(0, at - 2) : end])
        tail = tails.find(_TAIL, end)


def _is_random(kind: bytes) -> bool:
    """Return whether a run may be random: names in code are small letters, in short words."""
    return b"A" in kind or (b"0" in kind and b"a" in kind) or _SMALL in kind


def _in_run(text: str, at: int, end: int, digits: bool) -> Iterator[Span]:
    """Find the keys in one run, where a word may begin, and after an escape at its start."""
    escape = _ESCAPE.match(text, at)
    if escape:
        after = escape.end()
        for start, stop, rule in _search(text[after : end + 1], 0, end + 1 - after, digits):
            yield after + start, after + stop, rule
    else:
        yield from _search(text, at, end + 1, digits)


def _search(text: str, at: int, end: int, digits: bool) -> Iterator[Span]:
    while match := _pattern(digits).search(text, at, end):
        at = match.end()
        rule = _rule(match)
        if rule:
            yield match.start(), match.start() + len(match[0].rstrip(".")), rule
        if rule == "aws" and (secret := _AWS_SECRET.match(text, at)):
            yield *secret.span(1), rule


def _rule(match: re.Match[str]) -> str | None:
    """Return the rule of a key, or None if it is made of words after all."""
    if match.lastgroup not in ("key", "glued"):
        return match.lastgroup
    text, start = match.string, match.start()
    for prefix, cut, row in (*_rows().get(text[start], ()), *_rows()[""]):
        begin = start - cut
        if begin < 0 or not text.startswith(prefix, begin):
            continue
        word = cut == 0 or not prefix[0].isalnum() or not text[max(0, begin - 1) : begin].isalnum()
        if word or row.reading == "glued":
            tail = text[begin + len(prefix) : match.end()]
            return row.rule if row.reading != "mixed" or is_mixed(tail) else None
    return None
