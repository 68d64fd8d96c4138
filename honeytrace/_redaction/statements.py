"""Find secrets in statements that have no sign between a name and its value: `ENV X_KEY …`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from honeytrace._redaction.lazy import beginning, expression, verbose
from honeytrace._redaction.marker import Span
from honeytrace._redaction.secret_names import judge
from honeytrace._redaction.secret_values import is_prose, is_secret, is_sentence

_NAME = r"(?P<name>[A-Za-z_]\w{1,63})"
# Instructions of a Dockerfile.
_INSTRUCTION = verbose(rf"(?:ENV|ARG)(?<!\w...)[ ]+{_NAME}[ ]+(?P<value>[^\s=][^\n]{{0,512}})")
# Statements that name what follows without a separator. Each behind a character that it needs, and
# with its start.
_STATEMENTS = (
    ("#", "#", verbose(rf"\#[ ]?define[ ]+{_NAME}[ ]+L?[\"'](?P<value>[^\"'\n]{{1,512}})[\"']")),
    (
        "s",
        "set",
        verbose(
            rf"""set(?<![\w.]set)(?:x|env|q)?[ ]+(?:-[a-zA-Z]{{1,3}}[ ]+)?
              (?:[\w./:-]{{1,64}}[.:])?{_NAME}[ ]+(?:(?:--body|-b)[ =]|to[ ]+(?=\S{{0,64}}\d))?
              ["']?(?P<value>[^\s="'-][^\s"']{{0,512}})"""
        ),
    ),
    ("q", "requirepass", verbose(r"""(?P<name>requirepass)[ ]["']?(?P<value>[^\s"'\\]{3,512})""")),
    (
        "_",
        "_header",
        verbose(
            r"""_header[ ]+["']?(?P<name>[A-Za-z][\w-]{1,63})["']?[ ]+["']?
              (?:(?:Basic|Bearer)[ ])?(?P<value>[^\s"'\\;$]{4,1024})["']?;"""
        ),
    ),
    (
        "(",
        "(",
        verbose(
            r"""\((?=[dsp])(?:def\w*|setq|setf|set!|put)[ ]+(?P<name>[A-Za-z*][\w*-]{1,63})[ ]+
              "(?P<value>[^"\n]{1,512})\""""
        ),
    ),
)
# A line that gives a text to a name: password "x";
_LINE = expression(
    r"""[ \t]{0,64}(?P<name>[A-Za-z_][\w.-]{1,63})[ \t]{1,16}"""
    r"""(?P<q>["'])(?P<value>[^"'\n]{1,512})(?P=q)[ \t]{0,8}[;,]?\s*$"""
)
_LINE_END = expression(r"""\n(?<=["';, \t\r]\n)(?:(?<=["' \t]\n)|(?<=["' \t;,][;, \t\r]\n))""")


def instructions(text: str) -> Iterator[Span]:
    """Find `ENV X_PASSWORD …`."""
    yield from _statements(_INSTRUCTION.finditer(text))


def statements(text: str) -> Iterator[Span]:
    """Find `#define API_KEY "…"` and `setx TOKEN …`."""
    found = [
        beginning(start, pattern, text) for part, start, pattern in _STATEMENTS if part in text
    ]
    yield from _statements(chain(*found))


def lines(text: str) -> Iterator[Span]:
    """Find the lines that give a text to a name: `token "…"`."""
    yield from _statements(_lines(text))


def _statements(matches: Iterable[re.Match[str]]) -> Iterator[Span]:
    for match in matches:
        name = judge(match["name"])
        if name:
            given = match["value"].rstrip(" \t\r,.")
            start = match.start("value")
            secret = given and is_secret(given, name, match["name"]) and not is_prose(given, 0)
            if secret and match.string[start - 1] not in "\"'" and given[-1] != ";":
                secret = not is_sentence(match.string, start, given)
            yield start, start + len(given) if secret else start, name.rule


def _lines(text: str) -> Iterator[re.Match[str]]:
    """Yield the lines that give a text to a name."""
    at = 0
    for end in _LINE_END.finditer(f"{text}\n"):
        start = text.rfind("\n", at, end.start()) + 1 or at
        at = end.start()
        if line := _LINE.match(text, start, at):
            yield line
