"""Find secrets in XML and HTML: in elements, attributes and the cells of tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from honeytrace._redaction.lazy import expression, verbose
from honeytrace._redaction.marker import Span
from honeytrace._redaction.secret_names import MARKS, judge
from honeytrace._redaction.secret_values import is_prose, is_secret

MAX_ELEMENT_CHARACTERS = 4096
"""Characters of the text of an XML element that is looked at."""

_LETTER = r"[^\W\d_]"
_NAME = rf"{_LETTER}[\w.{MARKS}-]{{1,63}}"
# Behind a text, or the end of a section: an element without a text is passed over.
_CLOSING_TAG = expression(
    rf"<(?=/)(?:(?<!><)|(?<=\]><))/(?P<name>(?:{_LETTER}[\w.-]{{0,31}}:)?{_NAME})"
)
_CDATA = "<![CDATA["
# <input name="password" value="x">, <entry key="token">x</entry>
_ATTRIBUTES = verbose(
    r"""<(?=[A-Za-z?]) [\w:.?-]{1,64} [^<>]{0,512}? \b(?:name|key
        |id)\s?=\s?(?P<q>\\?["'])(?P<name>[\w.: -]{2,64})(?P=q)
      (?:\s[^<>]{0,256}?\bvalue\s?=\s?(?P<v>\\?["'])(?P<value>[^"'<>\n]{1,1024})(?P=v) |
      [^<>]{0,256}>(?P<content>[^<>\n]{1,1024})</ )"""
)
# <td>Password</td><td>x</td>, <dt>Password</dt><dd>x</dd>, <key>password</key><string>x</string>
_CELLS = verbose(
    r"""<(?=[tdk])(?:t[dh]|dt|key)(?=[\s>])[^<>]{0,128}>\s{0,16}
      (?P<name>[^<>\n]{2,64}?)\s?:?\s{0,16}</(?:t[dh]|dt|key)>
      \s{0,32}<(?:td|dd|string)(?=[\s>])[^<>]{0,128}>\s{0,16}
      (?P<content>[^<>\n]{1,1024}?)\s{0,16}</(?:td|dd|string)>"""
)
# <password value="x"/>
_VALUED = expression(
    rf"""<(?={_LETTER})(?P<name>{_NAME})\s(?:[^<>]{{0,128}}?\s)?value\s?=\s?
      (?P<v>\\?["'])(?P<value>[^"'<>\n]{{1,1024}})(?P=v)""",
    re.VERBOSE,
)


def elements(text: str) -> Iterator[Span]:
    """Find `<password>…</password>`."""
    for match in _CLOSING_TAG.finditer(text):
        name = judge(match["name"].rpartition(":")[2])
        if name:
            start, end = _content(text, match["name"], match.start())
            given = text[start:end].strip()
            start += len(text[start:end]) - len(text[start:end].lstrip())
            secret = is_secret(given, name, match["name"]) and not is_prose(given, 0)
            yield start, start + len(given) if secret else start, name.rule


def _content(text: str, name: str, end: int) -> tuple[int, int]:
    """Return where the text of an element that closes at `end` is, if it holds nothing but text."""
    first = max(0, end - MAX_ELEMENT_CHARACTERS)
    if text.endswith("]]>", first, end):
        start = text.rfind(_CDATA, first, end)
        return (start + len(_CDATA), end - 3) if start >= 0 else (end, end)
    start = text.rfind(">", first, end) + 1
    opened = text.rfind("<", first, max(start - 1, 0)) + 1
    return (start, end) if start and text.startswith(name, opened) else (end, end)


def attributes(text: str) -> Iterator[Span]:
    """Find `<add key="Password" value="…"/>`, `<entry key="token">…</entry>` and cells beside."""
    for match in chain(*(pattern.finditer(text) for pattern in (_ATTRIBUTES, _CELLS, _VALUED))):
        name = judge(match["name"])
        group = "value" if match.groupdict().get("value") else "content"
        if name:
            given = match[group]
            secret = is_secret(given, name, match["name"]) and not is_prose(given, 0)
            yield match.start(group), match.end(group) if secret else match.start(group), name.rule
