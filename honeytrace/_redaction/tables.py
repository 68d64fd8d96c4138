"""Find secrets beside and below a secret name in tables, and in comma-separated values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate

from honeytrace._redaction.lazy import expression
from honeytrace._redaction.marker import Span
from honeytrace._redaction.randomness import has_data, looks_secret
from honeytrace._redaction.secret_names import Name, judge, may_hold_secret
from honeytrace._redaction.secret_values import is_prose, is_secret

MAX_COLUMN_CHARACTERS = 41
"""Characters of the name of a column in comma-separated values."""

# | Password | x |, and a column named so, with the rows below
_ROW = expression(r"^[ \t>]*(?:\||\+(?=-))(?P<cells>[^\n]{3,2048})$", re.MULTILINE)
_CELL = expression(r"\|[^|\nA-Za-z\x80-\U0010ffff]*([A-Za-z\x80-\U0010ffff][^|\n]{1,100})")
_RULE = expression(r"[\s|:+-]+")
_RULED = expression(
    r"^(?P<header>[^|\n]+\|[^\n]{1,2048})\n[ ]?-+\+[-+]+[ ]*\n(?P<rows>(?:[^|\n]+\|[^\n]*\n?)+)",
    re.MULTILINE,
)
_Cell = tuple[int, int, str]
"""The start, the end and the text of a cell."""

_MAX_NAME_CHARACTERS = 64  # of a name in a cell
_EMPHASIS = ' \t*_`~"'
_COLUMN = expression(r"[A-Za-z][\w -]*")
# A header has no signs but its delimiters and some that are taken out before.
_NO_SIGNS = bytes(byte for byte in range(128) if chr(byte).isalnum() or chr(byte) in "_ \"'-\r\v\f")
_HEADER = expression(r"\n(?P<signs>(?P<delimiter>[,;\t])(?P=delimiter)*)(?=\n[^\n]*(?P=delimiter))")
_CODE = expression(r"[()\[\]{}=:]")
_QUOTED = " \t\r\"'"


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
        if _RULE.fullmatch(row["cells"]):
            continue
        cells = list(_cells(row))
        named = _names(cells)
        yield from _secret_cells(cells, named, columns)
        if named and not columns and len(cells) > 1:
            columns = named


def _names(cells: list[_Cell]) -> dict[int, Name]:
    """Return the secret names among the cells of a row, by their index."""
    return {
        index: name
        for index, (_, _, cell) in enumerate(cells)
        if (name := judge(cell)) and len(cell) < _MAX_NAME_CHARACTERS
    }


def _secret_cells(
    cells: list[_Cell], named: dict[int, Name], columns: dict[int, Name]
) -> Iterator[Span]:
    """Find the secrets below a secret name, or beside one at the start of a row."""
    for index, (start, end, cell) in enumerate(cells):
        beside = index == 1 or len(cells) == 2
        name = columns.get(index) or (named.get(index - 1) if beside else None)
        if name and index not in named:
            yield start, end if _is_cell(cell, name) else start, name.rule


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


def _cells(row: re.Match[str]) -> Iterator[_Cell]:
    at = row.start("cells")
    for part in row["cells"].rstrip().removesuffix("|").split("|"):
        cell = part.strip(_EMPHASIS)
        start = at + (part.find(cell) if cell else 0)
        yield start, start + len(cell), cell
        at += len(part) + 1


def _is_cell(cell: str, name: Name) -> bool:
    if not cell or is_prose(cell, 0) or not is_secret(cell, name):
        return False
    return looks_secret(cell) or (name.sure and has_data(cell) and " " not in cell)


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
    if not (has_data(given) or looks_secret(given)):
        return False
    return not is_prose(given, 0) and not _CODE.search(given) and is_secret(given, name)
