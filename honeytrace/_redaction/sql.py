"""Find the secrets in statements of SQL: `IDENTIFIED BY '…'`, `INSERT INTO users …`."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from honeytrace._redaction.lazy import expression, verbose
from honeytrace._redaction.marker import Span
from honeytrace._redaction.secret_names import Name, judge
from honeytrace._redaction.secret_values import is_secret

_PASSWORD = Name("password", True)
# SQL: PASSWORD 'x', IDENTIFIED BY 'x'
_SQL = verbose(
    r"""'(?: (?<=[yYdDsS][ ]') | (?<=D[(=]') )
      (?: (?<=[Bb][Yy][ ]') | (?<=PASSWORD[ (=]') | (?<=password[ ]') | (?<=[Aa][Ss][ ]') )
      (?P<value>[^'\n]{1,256})'"""
)
_SQL_BEFORE = expression(
    r"(?:identified\s+(?:with\s+[\w'\"]+\s+)?(?:by|as)|password(?:\s+(?:to|for\s+\S+|=))?)\s*\(?'$",
    re.IGNORECASE,
)
_COLUMNS = verbose(r"""[\w\s,."`\[\]]{3,1024}""")
_FIELD = verbose(
    r"""\s{0,16}(?:N?'(?P<text>(?:[^'\n]|''){0,1024})'|[^,()'\n]{0,256})\s{0,16}(?P<end>[,)])"""
)
_NEXT_ROW = verbose(r"""\s{0,16},\s{0,16}\(""")
_FIRST_ROW = verbose(r"VALUES\s{0,16}\(")


def sql(text: str) -> Iterator[Span]:
    """Find `WITH PASSWORD '…'` and `IDENTIFIED BY '…'`."""
    for match in _SQL.finditer(text):
        before = _SQL_BEFORE.search(text, max(0, match.start() - 64), match.start("value"))
        if before and is_secret(match["value"], _PASSWORD, "password"):
            yield *match.span("value"), "password"


def inserts(text: str) -> Iterator[Span]:
    """Find the passwords in `INSERT INTO users (name, password) VALUES ('bob', '…')`."""
    for values in _FIRST_ROW.finditer(text):
        head = text[max(0, values.start() - 1024) : values.start()].rstrip()
        columns = head[head.rfind("(") + 1 : -1] if head.endswith(")") else ""
        labels = columns.split(",") if _COLUMNS.fullmatch(columns) else []
        names = [judge(label.strip(' \n"`[]')) for label in labels]
        at: int | None = values.end() if any(names) else None
        while at is not None:
            at = yield from _row(text, at, names)


def _row(text: str, at: int, names: list[Name | None]) -> Generator[Span, None, int | None]:
    """Find the secrets of a row of values, and return where the next one begins."""
    for name in names:
        field = _FIELD.match(text, at)
        if not field:
            return None
        at = field.end()
        given = field["text"]
        if name and given and is_secret(given, name) and re.search(r"\d|[^\w\s]", given):
            yield *field.span("text"), name.rule
    following = _NEXT_ROW.match(text, at)
    return following.end() if following else None
