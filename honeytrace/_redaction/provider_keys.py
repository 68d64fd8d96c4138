"""Find the keys of known providers, by the tables of their formats.

A key has a long run of letters, digits and a few signs, which two searches find at the speed of C.
In a run, a format is tried where a word begins as its keys do, or where there is a part that all
its keys have.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache, cached_property, partial
from typing import NamedTuple

from honeytrace._redaction.lazy import expression
from honeytrace._redaction.marker import Span
from honeytrace._redaction.providers import ALPHABETS, Provider, providers
from honeytrace._redaction.randomness import is_mixed
from honeytrace._redaction.special_keys import SPECIAL, Special

MIN_TAIL = 16
"""Characters of the random part of a key that are not interrupted by a dot or an equals sign."""

_ALNUM = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_TAIL_CHARACTERS = b"-_~+/" + _ALNUM
_RUNS = bytes(
    ord("x") if byte in _TAIL_CHARACTERS else ord(".") if byte in b".=" else ord(" ")
    for byte in range(256)
)
_TAIL = b"x" * MIN_TAIL
_WORDS = bytes(byte if byte in _ALNUM else ord(" ") for byte in range(256))
_LONG_RUN = 64  # characters of a run that is longer than a word
_LETTERS_ONLY = expression(r"[a-z]+")
_DIGIT = expression(r"[0-9]")
_SMALL = expression(rf"[a-z]{{{MIN_TAIL}}}")
_COMMON = "sk-"  # what follows need not look random
_UUID = b" hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh "
_HEX = b"0123456789abcdef"
# The same as in `_RUNS`, but hexadecimal digits and dashes are told apart.
_SHAPES = bytes(
    ord("h") if byte in _HEX else byte if byte == ord("-") else _RUNS[byte] for byte in range(256)
)
_AS_RUNS = bytes.maketrans(b"h-", b"xx")
# Escapes of JSON, of URLs and of terminals' colours may touch a key.
_ESCAPE = expression(
    r"(?<=\\)(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[abfnrtv])|(?<=%)[0-9A-Fa-f]{2}"
    r"|(?<=[\[;])[0-9]{0,3}[mK]"
)
_BEGINS = "(?<![A-Za-z0-9])"
_ESCAPERS = frozenset(b"\\%[;")
_WORD = expression(r"[A-Za-z0-9]+")
_AWS_SECRET = expression(r"""[\s"',:;|/]{1,8}([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])""")


class _Format(NamedTuple):
    """The form of a provider's keys.

    Attributes:
        rule: what the marker names; empty for what is passed over as a whole.
        expression: what matches a key, without groups.
        kept: characters at the start that only introduce the key, and stay: `SG.`, `dp.pt.`.
        random: the index from which a key has to look random; None if it is unmistakable.
    """

    rule: str
    expression: str
    kept: int = 0
    random: int | None = None


def _tail(row: Provider) -> str:
    """Return the expression for what follows the prefix."""
    alphabet = f"[{ALPHABETS[row.alphabet]}]"
    most = "" if row.most is None else row.most
    if row.reading in ("prefix", "glued"):
        return f"{alphabet}{{{min(row.least, MIN_TAIL)},}}"
    if row.reading == "mixed":
        return f"{alphabet}{{{row.least},{most}}}" + ("(?![A-Za-z0-9])" if row.most else "")
    whole = f"{alphabet}{{{row.least},{most}}}(?![\\w-])"
    cut = f"{alphabet}{{4,{most}}}"
    return f"(?:{whole}|(?={cut}…){cut})"


def _format(row: Provider) -> _Format:
    kept = max(row.prefix.rfind(character) for character in "./~+") + 1
    random = len(row.prefix) if row.reading == "mixed" else None
    return _Format(row.rule, re.escape(row.prefix) + _tail(row), kept, random)


def _special(row: Special) -> _Format:
    return _Format(row.rule, row.expression, random=row.random)


class _Formats:
    """Formats that are tried at one place, the first that fits.

    They are compiled when a text first needs them, since that takes milliseconds for all.

    Args:
        before: an expression for what has to be before a key.
    """

    def __init__(self, before: str = "") -> None:
        self._before = before
        self._formats: list[_Format] = []
        self._parts: set[str] = set()

    def add(self, row: _Format, part: str) -> None:
        """Add a format, and a part that is in all its keys."""
        self._formats.append(row)
        self._parts.add(part)

    def may_fit(self, runs: str) -> bool:
        """Return whether one of the parts is in these runs."""
        return any(part in runs for part in self._parts)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        keys = "|".join(f"({row.expression})" for row in self._formats)
        return re.compile(f"{self._before}(?:{keys})", re.ASCII)

    def span(self, match: re.Match[str]) -> Span | None:
        """Return where the key of a match is, without what introduces it, if it is one."""
        row = self._formats[(match.lastindex or 1) - 1]
        if not row.rule or (row.random is not None and not is_mixed(match[0][row.random :])):
            return None
        start = match.start()
        return start + row.kept, start + len(match[0].rstrip(".")), row.rule


def _start(word: str) -> str:
    """Return the key under which all words with the same beginning are kept."""
    return f"{word[:3]}*"


@cache
def _by_start() -> defaultdict[str, _Formats]:
    """Return the formats by their first word, or by its start; the longest prefixes first."""
    formats: defaultdict[str, _Formats] = defaultdict(partial(_Formats, _BEGINS))
    for row in sorted(providers(), key=lambda row: -len(row.prefix)):
        if word := _WORD.match(row.prefix):
            start = _start(word[0]) if word[0] == row.prefix else word[0]
            formats[start].add(_format(row), row.prefix)
    for special in SPECIAL:
        for start in special.starts.split():
            formats[start].add(_special(special), special.part)
    return formats


@cache
def _three() -> set[str]:
    """Return the three first characters of the words that may be any that begin so."""
    return {start[:3] for start in _by_start() if start.endswith("*")}


@cache
def _by_part() -> list[tuple[str, int, _Formats]]:
    """Return the formats that may begin within a word.

    Each comes with a part that is in every key, and the length of the shortest key.
    """
    rows = [
        (row.prefix, len(row.prefix) + min(row.least, MIN_TAIL), _format(row))
        for row in providers()
        if row.reading == "glued"
    ]
    rows += [(row.part, row.least, _special(row)) for row in SPECIAL if not row.starts]
    found = []
    for part, least, row in rows:
        found.append((part, least, _Formats()))
        found[-1][2].add(row, part)
    return found


def provider_keys(text: str) -> Iterator[Span]:
    """Find what begins as the keys of a known provider do."""
    runs = _runs(text)
    if not runs:
        return
    joined = " ".join([text[at:end] for at, end in runs])
    longest = max([end - at for at, end in runs])
    parts = [row for part, least, row in _by_part() if least <= longest and part in joined]
    fitting = _fitting(joined)
    for at, end in runs if parts or fitting else ():
        if _is_random(text[at:end]):
            if text[at - 1 : at].isalnum():  # the end of an escape
                found = _in_run(text[at : end + 1], 0, end - at, parts, fitting)
                yield from ((at + start, at + stop, rule) for start, stop, rule in found)
            else:
                yield from _in_run(text, at, end, parts, fitting)


def _fitting(joined: str) -> list[_Formats]:
    """Return the formats whose prefix is in these runs."""
    known = _by_start()
    words = {*joined.encode().translate(_WORDS).decode().split()}
    starts = words & known.keys()
    starts.update(map(_start, {word[:3] for word in words} & _three()))
    return [known[start] for start in sorted(starts) if known[start].may_fit(joined)]


def _runs(text: str) -> list[tuple[int, int]]:
    """Return where the runs of characters are that are long enough for a key."""
    raw = text.encode("latin-1", "replace") + b" "
    runs = raw.translate(_RUNS)
    found = []
    end = 0
    while (tail := runs.find(_TAIL, end)) >= 0:
        at = runs.rfind(b" ", end, tail) + 1 or end
        end = runs.find(b" ", tail)
        if end - at == len(_UUID) - 2 and _is_uuid(raw[at:end]):
            runs = _without_uuids(raw)
            continue
        if end - at >= _LONG_RUN and _LETTERS_ONLY.fullmatch(text, at, end):
            continue
        if at and raw[at - 1] in _ESCAPERS and (escape := _ESCAPE.match(text, at)):
            at = escape.end()
        found.append((at, end))
    return found


def _is_uuid(run: bytes) -> bool:
    return b" %b " % run.translate(_SHAPES) == _UUID


def _without_uuids(raw: bytes) -> bytes:
    """Return the runs of a text without those that are a UUID: where one is, more follow."""
    shapes = b" %b" % raw.translate(_SHAPES)
    for _ in range(2):  # the space between two of them belongs to both
        shapes = shapes.replace(_UUID, b" " * len(_UUID))
    return shapes[1:].translate(_AS_RUNS)


def _is_random(run: str) -> bool:
    """Return whether a run may be random: names in code are small letters, in short words."""
    if not run.islower() or _COMMON in run:
        return True
    return _DIGIT.search(run) is not None or _SMALL.search(run) is not None


def _in_run(
    text: str, at: int, end: int, parts: list[_Formats], starts: list[_Formats]
) -> Iterator[Span]:
    """Find the keys in a run: where a word begins, and where there is a part of a key."""
    for formats in parts:
        yield from filter(None, map(formats.span, formats.pattern.finditer(text, at, end + 1)))
    for formats in starts:
        for match in formats.pattern.finditer(text, at, end + 1):
            if span := formats.span(match):
                yield span
                if span[2] == "aws" and (secret := _AWS_SECRET.match(text, match.end())):
                    yield *secret.span(1), "aws"
