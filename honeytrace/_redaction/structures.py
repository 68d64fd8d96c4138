"""Find secrets by the structure around them: elements, calls and pairs, tables, header objects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from honeytrace._redaction.marker import Span
from honeytrace._redaction.randomness import looks_secret
from honeytrace._redaction.secret_names import Name, judge
from honeytrace._redaction.values import SCHEME, is_prose, is_secret, quoted_end

_compile = partial(re.compile, flags=re.ASCII | re.VERBOSE)

MAX_ELEMENT_CHARACTERS = 4096
"""Characters of the text of an XML element that is looked at."""

_NAME = r"[A-Za-z][\w.-]{1,63}"
_CLOSING_TAG = _compile(rf"<(?=/)/(?P<name>(?:[A-Za-z][\w.-]{{0,31}}:)?{_NAME})")
_CDATA = "<![CDATA["
# <input name="password" value="x">, <entry key="token">x</entry>
_ATTRIBUTES = _compile(
    r"""<(?=[A-Za-z?]) [\w:.?-]{1,64} [^<>]{0,512}? \b(?:name|key
        |id)\s?=\s?(?P<q>\\?["'])(?P<name>[\w.: -]{2,64})(?P=q)
      (?:\s[^<>]{0,256}?\bvalue\s?=\s?(?P<v>\\?["'])(?P<value>[^"'<>\n]{1,1024})(?P=v) |
      [^<>]{0,256}>(?P<content>[^<>\n]{1,1024})</ )"""
)
# <td>Password</td><td>x</td>
_CELLS = _compile(
    r"""<(?=t[dh][\s>])t[dh][^<>]{0,128}>\s{0,16}(?P<name>[^<>\n]{2,64}?)\s?:?\s{0,16}</t[dh]>
      \s{0,32}<td[^<>]{0,128}>\s{0,16}(?P<content>[^<>\n]{1,1024}?)\s{0,16}</td>"""
)
# ("Authorization", "x"), setPassword("x"), put('token', 'x'), ["X-Api-Key", "x"]
_PAIR = r"""\s{0,2}[bfru]?(?P<q>\\{0,7}["'`])(?P<name>[A-Za-z][\w.:-]{1,63})(?P=q)
      \s?,\s{0,16}[bfru]?(?P<opening>\\{0,7}["'`])"""
# With a look ahead at the next character, which dismisses most of them at once.
_PAIRS = (
    _compile(r"""\((?=[\s\\bfru"'`])""" + _PAIR),
    _compile(r"""\[(?=[\s\\bfru"'`])""" + _PAIR),
    _compile(r""",(?=\s?[bfru]?[\\"'`])""" + _PAIR.replace(r"\s{0,2}", r"\s?", 1)),
)
_CALL = _compile(r"""\((?=\s?[bfru]?\\{0,7}["'`])(?:\s?[bfru]?)(?P<opening>\\{0,7}["'`])""")
_CALLED_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."
_SETTER = re.compile(
    r"(?:.*[._])?(?:set|with|use|add|put|update|configure|init)_?(?=[A-Z_a-z])", re.ASCII
)
_HEADER_NAME = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)+")
_CLOSED = re.compile(r"""\s?,?\s?[)\]]""")
# | Password | x |, and a column named so, with the rows below
_ROW = re.compile(r"^[ \t>]*\|(?P<cells>[^\n]{3,2048})$", re.MULTILINE)
_RULE = re.compile(r"[\s|:+-]+")
_EMPHASIS = ' \t*_`~"'


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
    for match in (*_ATTRIBUTES.finditer(text), *_CELLS.finditer(text)):
        name = judge(match["name"])
        group = "value" if match.groupdict().get("value") else "content"
        if name:
            given = match[group]
            secret = is_secret(given, name, match["name"]) and not is_prose(given, 0)
            yield match.start(group), match.end(group) if secret else match.start(group), name.rule


def pairs(text: str) -> Iterator[Span]:
    """Find `("Authorization", "…")` and `["X-Api-Key", "…"]`."""
    for pattern in _PAIRS:
        for match in pattern.finditer(text):
            name = judge(match["name"])
            if name:
                end, closed = quoted_end(text, match.end(), match["opening"])
                given = text[match.end() : end]
                paired = closed and _CLOSED.match(text, end + len(match["opening"]))
                secret = given and (paired or (closed and looks_secret(given)))
                secret = secret and _is_value(given, name, match["name"], pattern)
                yield match.end(), end if secret else match.end(), name.rule


def _is_value(given: str, name: Name, label: str, pattern: re.Pattern[str]) -> bool:
    """Return whether the second of two texts is a value; two words alone may be unrelated."""
    if not is_secret(given, name, label):
        return False
    if _HEADER_NAME.fullmatch(given) and judge(given):
        return False
    if is_prose(given, 0) and not (name.rule == "authorization" and SCHEME.match(given)):
        return False
    if label.lower().endswith(("authorization", "cookie")) and pattern is not _PAIRS[2]:
        return True
    if looks_secret(given):
        return True
    return (
        name.sure
        and len(given) >= 4
        and any(not c.isalpha() for c in given)
        and not judge(given)
        and pattern is not _PAIRS[2]
        and not re.search(r"\s|^[\w.]+[.][a-z]+$|^[a-z_]+$|^-", given)
    )


def setters(text: str) -> Iterator[Span]:
    """Find `setPassword("…")`, `.api_key("…")` and `with_token('…')`."""
    for match in _CALL.finditer(text):
        called = _called(text[max(0, match.start() - 64) : match.start()])
        if len(called) < 3:
            continue
        label = called.rpartition(".")[2]
        setter = _SETTER.match(label)
        name = judge(label[setter.end() :] if setter else label)
        if name is None:
            continue
        end, closed = quoted_end(text, match.end(), match["opening"])
        given = text[match.end() : end]
        secret = closed and _is_argument(given, name, label, setter is not None)
        yield match.end(), end if secret else match.end(), name.rule


def _called(head: str) -> str:
    """Return the name of the function or macro at the end of a text, with its path."""
    head = head.removesuffix("\n").removesuffix("!")
    return head[len(head.rstrip(_CALLED_CHARACTERS)) :].lstrip(".0123456789")


def _is_argument(given: str, name: Name, label: str, setter: bool) -> bool:
    """Return whether the text that is given to a function is a secret."""
    if is_prose(given, 0) or not is_secret(given, name, label):
        return False
    if looks_secret(given) or (name.sure and _DATA.search(given) and " " not in given):
        return True
    return setter and name.sure and not re.search(r"\s|[:?]$", given)


def tables(text: str) -> Iterator[Span]:
    """Find the cells beside or below a secret name in a Markdown table."""
    columns: dict[int, Name] = {}
    last = -2
    for row in _ROW.finditer(text):
        if row.start() != last + 1:
            columns = {}
        last = row.end()
        cells = list(_cells(row))
        if _RULE.fullmatch(row["cells"]):
            continue
        named = {
            index: name
            for index, (_, _, cell) in enumerate(cells)
            if (name := judge(cell)) and len(cell) < 64
        }
        for index, (start, end, cell) in enumerate(cells):
            name = columns.get(index) or (
                named.get(index - 1) if index == 1 or len(cells) == 2 else None
            )
            if name and index not in named:
                yield start, end if _is_cell(cell, name) else start, name.rule
        if named and not columns and len(cells) > 1:
            columns = named


def _cells(row: re.Match[str]) -> Iterator[tuple[int, int, str]]:
    at = row.start("cells")
    for part in row["cells"].rstrip().removesuffix("|").split("|"):
        cell = part.strip(_EMPHASIS)
        start = at + (part.find(cell) if cell else 0)
        yield start, start + len(cell), cell
        at += len(part) + 1


def _is_cell(cell: str, name: Name) -> bool:
    if not cell or is_prose(cell, 0) or not is_secret(cell, name):
        return False
    return looks_secret(cell) or (
        name.sure and re.search(r"[\d!#$%&*@^]", cell) is not None and " " not in cell
    )


_COLUMN = re.compile(r"""[ \t]*["']?[A-Za-z][\w -]{0,40}["']?\s*""")
# A header has a second column, and few delimiters are followed by what may be one. The group is
# there to take its characters as a whole, so that `re` does not try fewer.
_SECOND_COLUMNS = {
    delimiter: re.compile(
        rf"""[{delimiter}] (?=(?P<column>[\w "'-]{{1,48}}))(?P=column)
          (?=[ \t]{{0,8}}[{delimiter}] | \s?$)""",
        re.MULTILINE | re.VERBOSE,
    )
    for delimiter in ",;\t"
}
_DATA = re.compile(r"[\d!#$%&*@^]")
_CODE = re.compile(r"[()\[\]{}=:]")
_QUOTED = " \t\r\"'"


def comma_values(text: str) -> Iterator[Span]:
    """Find the fields below a secret name in comma-, semicolon- or tab-separated values."""
    for delimiter, second in _SECOND_COLUMNS.items():
        end = -1  # of the last line that was looked at
        for column in second.finditer(text) if delimiter in text else ():
            if column.start() > end:
                start = text.rfind("\n", max(end, 0), column.start()) + 1
                end = _line_end(text, column.end())
                width = text.count(delimiter, start, end)
                if text.count(delimiter, end, _line_end(text, end + 1)) == width:
                    columns = _columns(text[start:end].split(delimiter))
                    for row, last in _rows(text, end, delimiter, width) if columns else ():
                        yield from _secret_fields(row, end + 1, columns)
                        end = last


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _rows(text: str, end: int, delimiter: str, width: int) -> Iterator[tuple[list[str], int]]:
    """Yield the fields and the end of each line after `end` that has so many delimiters."""
    while end < len(text):
        start, end = end + 1, _line_end(text, end + 1)
        if text.count(delimiter, start, end) != width:
            return
        yield text[start:end].split(delimiter), end


def _columns(fields: list[str]) -> dict[int, Name]:
    """Return the secret names among the fields of a line, if it may be a header."""
    named = ((index, judge(field.strip(_QUOTED))) for index, field in enumerate(fields))
    columns = {index: name for index, name in named if name}
    return columns if columns and all(map(_COLUMN.fullmatch, fields)) else {}


def _secret_fields(row: list[str], at: int, columns: dict[int, Name]) -> Iterator[Span]:
    for index, field in enumerate(row):
        given = field.strip(_QUOTED)
        name = columns.get(index)
        if name:
            start = at + field.find(given)
            yield start, start + len(given) if _is_field(given, name) else start, name.rule
        at += len(field) + 1


def _is_field(given: str, name: Name) -> bool:
    if not given or is_prose(given, 0) or _CODE.search(given) or not is_secret(given, name):
        return False
    return looks_secret(given) or _DATA.search(given) is not None
