"""Find secrets by the structure around them: elements, calls and pairs, tables, header objects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate, chain

from honeytrace._redaction.lazy import expression, verbose
from honeytrace._redaction.marker import Span
from honeytrace._redaction.randomness import looks_secret
from honeytrace._redaction.secret_names import MARKS, Name, judge, may_hold_secret
from honeytrace._redaction.secret_values import SCHEME, is_prose, is_secret
from honeytrace._redaction.values import quoted_end

MAX_ELEMENT_CHARACTERS = 4096
"""Characters of the text of an XML element that is looked at."""

MAX_COLUMN_CHARACTERS = 41
"""Characters of the name of a column in comma-separated values."""

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
# ("Authorization", "x"), setPassword("x"), put('token', 'x'), ["X-Api-Key", "x"]
_PAIR = r"""\s{0,2}[bfru]?(?P<q>\\{0,7}["'`])(?P<name>[A-Za-z][\w.:-]{1,63})(?P=q)
      \s?,\s{0,16}[bfru]?(?P<opening>\\{0,7}["'`])"""
# With a look ahead at the next character, which dismisses most of them at once.
_PAIRS = (
    verbose(r"""\((?=[\s\\bfru"'`])""" + _PAIR),
    verbose(r"""\[(?=[\s\\bfru"'`])""" + _PAIR),
    verbose(r""",(?=\s?[bfru]?[\\"'`])""" + _PAIR.replace(r"\s{0,2}", r"\s?", 1)),
)
_CALL = verbose(
    r"""\((?:(?<=[\w.]{3}\()|(?<=[!=\n ]\())
      (?=\s?[bfru]?\\{0,7}["'`]|\n[ ]{1,32}[bfru]?["'`])\s{0,33}[bfru]?
      (?P<opening>\\{0,7}["'`])"""
)
_SECOND = verbose(r"""\s?,\s{0,16}[bfru]?(?P<opening>\\{0,7}["'`])""")
# What takes the name of a user and a password.
_LOGINS = (
    *("auth", "authenticate", "authenticationtoken", "credential", "credentials", "log_in"),
    *("login", "sign_in", "signin"),
)
_PASSWORD = Name("password", True)
_CALLED_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."
_SETTER = expression(
    r"(?:.*[._])?(?:set|with|use|add|put|update|configure|init)_?(?=[A-Z_a-z])", re.ASCII
)
_MAX_LABELS = 256  # names of functions that are remembered
_HEADER_NAME = expression(r"[A-Za-z]+(?:-[A-Za-z]+)+")
_CLOSED = expression(r"\s{0,32},?\s{0,32}[)\]]")
# | Password | x |, and a column named so, with the rows below
_ROW = expression(r"^[ \t>]*(?:\||\+(?=-))(?P<cells>[^\n]{3,2048})$", re.MULTILINE)
_CELL = expression(r"\|[^|\nA-Za-z\x80-\U0010ffff]*([A-Za-z\x80-\U0010ffff][^|\n]{1,100})")
_RULE = expression(r"[\s|:+-]+")
_RULED = expression(
    r"^(?P<header>[^|\n]+\|[^\n]{1,2048})\n[ ]?-+\+[-+]+[ ]*\n(?P<rows>(?:[^|\n]+\|[^\n]*\n?)+)",
    re.MULTILINE,
)
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
    for match in chain(*(pattern.finditer(text) for pattern in (_ATTRIBUTES, _CELLS, _VALUED))):
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
        label, name, sets, logs_in = _parameter(called)
        if logs_in:
            yield from _second(text, match)
        user = _following(text, match) if label.endswith("set_password") else None
        if user:  # keyring.set_password("service", "bob", "…")
            yield from _second(text, user if _following(text, user) else match)
            continue
        if name is None:
            continue
        end, closed = quoted_end(text, match.end(), match["opening"])
        given = text[match.end() : end]
        secret = closed and _is_argument(given, name, label, sets)
        yield match.end(), end if secret else match.end(), name.rule


@lru_cache(_MAX_LABELS)
def _parameter(called: str) -> tuple[str, Name | None, bool, bool]:
    """Return the name of a function without its path, and what it takes by that name.

    And whether it sets that, as `setPassword` does, and whether it takes a user and a password.
    """
    label = called.rpartition(".")[2]
    if len(called) < 3:
        return label, None, False, False
    setter = _SETTER.match(label)
    name = judge(label[setter.end() :] if setter else label)
    return label, name, setter is not None, label.lower().endswith(_LOGINS)


def _second(text: str, call: re.Match[str]) -> Iterator[Span]:
    """Find the second of two texts, which is a password: `login("bob", "…")`."""
    opening = _following(text, call)
    if opening:
        end, closed = quoted_end(text, opening.end(), opening["opening"])
        given = text[opening.end() : end]
        closed = closed and _CLOSED.match(text, end + len(opening["opening"])) is not None
        secret = closed and _is_argument(given, _PASSWORD, "", setter=False)
        yield opening.end(), end if secret else opening.end(), "password"


def _following(text: str, opening: re.Match[str]) -> re.Match[str] | None:
    """Return the opening of the text that follows a text among the arguments of a call."""
    end, _ = quoted_end(text, opening.end(), opening["opening"])
    return _SECOND.match(text, end + len(opening["opening"]))


def _called(head: str) -> str:
    """Return the name at the end of a text, with its path: of a function, a macro, a variable."""
    head = head.removesuffix("\n").removesuffix("!")
    head = head.rstrip("= ") if head.endswith(("=", "= ")) else head
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
    if "-+-" in text:
        yield from _ruled(text)
    if not any(map(judge, {*_CELL.findall(text)})):
        return
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


def _ruled(text: str) -> Iterator[Span]:
    """Find the cells of a table without lines around it, as `psql` prints it."""
    for table in _RULED.finditer(text):
        columns = _columns(table["header"].split("|"))
        at = table.start("rows")
        for name in columns.values():
            yield at, at, name.rule
        for row in table["rows"].split("\n") if columns else ():
            yield from _secret_fields(row.split("|"), at, columns)
            at += len(row) + 1


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


_COLUMN = expression(r"[A-Za-z][\w -]*")
# A header has no signs but its delimiters and some that are taken out before.
_NO_SIGNS = bytes(byte for byte in range(128) if chr(byte).isalnum() or chr(byte) in "_ \"'-\r\v\f")
_HEADER = expression(r"\n(?P<signs>(?P<delimiter>[,;\t])(?P=delimiter)*)(?=\n[^\n]*(?P=delimiter))")
_DATA = expression(r"[\d!#$%&*@^]")
_CODE = expression(r"[()\[\]{}=:]")
_QUOTED = " \t\r\"'"


def comma_values(text: str) -> Iterator[Span]:
    """Find the fields below a secret name in comma-, semicolon- or tab-separated values."""
    signs = f"\n{text}".encode("ascii", "ignore").translate(None, _NO_SIGNS).decode()
    yield from _below_headers(text, signs)
    if "\t" in signs:  # they may be blanks beside another delimiter
        yield from _below_headers(text, signs.replace("\t", ""))


def _below_headers(text: str, signs: str) -> Iterator[Span]:
    """Find the fields below the lines that may be a header by the signs in them."""
    lines: list[str] = []
    starts: list[int] = []
    index = seen = row = 0
    for header in _HEADER.finditer(signs):
        lines = lines or text.split("\n")
        index += signs.count("\n", seen, header.start())
        seen = header.start()
        width, delimiter = len(header["signs"]), header["delimiter"]
        if index >= row and lines[index + 1].count(delimiter) == width:
            named = may_hold_secret(lines[index])
            columns = _columns(lines[index].split(delimiter)) if named else {}
            starts = starts or (list(accumulate(map(len, lines), initial=0)) if columns else [])
            row = index + 1 if columns else row
            for name in columns.values():
                yield starts[row] + row, starts[row] + row, name.rule
            while columns and row < len(lines) and lines[row].count(delimiter) == width:
                yield from _secret_fields(lines[row].split(delimiter), starts[row] + row, columns)
                row += 1


def _columns(fields: list[str]) -> dict[int, Name]:
    """Return the secret names among the fields of a line, if it may be a header."""
    names = [field.strip(_QUOTED) for field in fields]
    if max(map(len, names)) > MAX_COLUMN_CHARACTERS or not all(map(_COLUMN.fullmatch, names)):
        return {}
    return {index: name for index, field in enumerate(names) if (name := judge(field))}


def _secret_fields(row: list[str], at: int, columns: dict[int, Name]) -> Iterator[Span]:
    """Find the secrets among the fields of a row, which begins at `at`."""
    for index, name in columns.items():
        field = row[index] if index < len(row) else ""
        given = field.strip(_QUOTED)
        if _is_field(given, name):
            start = at + sum(map(len, row[:index])) + index + field.find(given)
            yield start, start + len(given), name.rule


def _is_field(given: str, name: Name) -> bool:
    if not (_DATA.search(given) or looks_secret(given)):
        return False
    return not is_prose(given, 0) and not _CODE.search(given) and is_secret(given, name)
