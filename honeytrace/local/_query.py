"""The query language: text to search for, and conditions such as `slower:2s` or `error`.

    timeout name:retrieve slower:2s since:1d meta.team=search

A session has to match every word. A word without a colon is searched for in inputs, outputs and
other texts. Quotes keep words together, and turn what looks like a condition into text. `name:a`
finds all names that contain an "a", and `name:=a` only the name "a".

Most conditions look at each session and step by itself: what failed or was slow is found where it
is. But a session at the top is listed with the cost, the tokens and the models of everything inside
it, so `cost:`, `tokens:` and `model:` find it by these.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from honeytrace._utils.text import closest, shorten
from honeytrace.local._summary import IN_SPENT, MARKS

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # SQLite cannot search for these characters
_WORD = re.compile(r'(?:[^\s"]|"[^"]*")+')
_FIELD = re.compile(r"(meta|feedback)\.([^=\\]+)=(.*)", re.DOTALL)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_AMOUNT = re.compile(r"(>=|<=|>|<|=|)\$?(\d+(?:\.\d+)?|\.\d+)")

_FIELDS = {"meta": "metadata", "feedback": "feedback"}
_DAYS_AGO = {"today": 0, "yesterday": 1}
_ROUNDED = 1 - 1e-9  # the same numbers have another sum in another order
_INSIDE = f"FROM summaries c WHERE c.root = s.root AND {IN_SPENT.format('c.')}"
_AT_PATH = (
    "CASE json_type(b.body, ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
    "ELSE CAST(json_extract(b.body, ?) AS TEXT) END"
)


@dataclass(slots=True)
class Query:
    """A parsed query, as SQL conditions on the summary `s` and the body `b` of a session.

    Attributes:
        tables: the tables to select from.
        conditions: SQL expressions that all have to be true.
        parameters: values for the conditions, in order.
        texts: texts to search for; with an index of words, each has to be the start of a word.
        steps: True if it asks for single steps, so that sessions below a root are listed as well.
    """

    tables: str = "summaries s"
    conditions: list[str] = field(default_factory=list)
    parameters: list[object] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    steps: bool = False

    def add(self, condition: str, *parameters: object, steps: bool = True) -> None:
        self.conditions.append(condition)
        self.parameters += parameters
        self.steps = self.steps or steps

    def look_in_bodies(self) -> None:
        """Join the bodies `b`, on which conditions cost more than on the summaries."""
        self.tables = "summaries s JOIN sessions b ON b.number = s.number"


def parse(text: str, now: float) -> Query:
    """Parse a query; `now` is in milliseconds since 1970.

    Raises `ValueError`, whose message names the word that cannot be understood.
    """
    query = Query()
    for word in _words(_UNSTORABLE.sub("\ufffd", text)):
        _read(word, query, now)
    return query


def is_condition(word: str) -> bool:
    """Return True for a word that is a condition, not a text to search for."""
    name, colon, _ = word.partition(":")
    return word == "error" or bool(colon and name in CONDITIONS) or bool(_FIELD.fullmatch(word))


def understood(text: str) -> str:
    """Return the query if it can be understood, else an empty one."""
    try:
        parse(text, 0)
    except ValueError:
        return ""
    return text.strip()


def split(text: str) -> list[str]:
    """Return the words of a query; quotes keep words together."""
    return _WORD.findall(text)


def _words(text: str) -> list[str]:
    if text.count('"') % 2:
        raise ValueError(f"{shorten(text)!r} has a quote that does not end; add the closing one")
    return split(text)


def _read(word: str, query: Query, now: float) -> None:
    name, colon, value = word.partition(":")
    if word == "error":
        query.add("s.status <> 'ok'")
    elif found := _FIELD.fullmatch(word):
        _field(query, _FIELDS[found[1]], _unquoted(found[2]), _unquoted(found[3]))
    elif colon and name in CONDITIONS:
        if not _unquoted(value):
            raise ValueError(f"{word!r} has no value; write it right after the colon")
        CONDITIONS[name](query, _unquoted(value), now)
    elif _is_mistyped(name, colon, value):
        raise ValueError(
            f"{word!r} is not a condition; {_hint(name)} (put it in double quotes to search for it)"
        )
    elif plain := _unquoted(word):
        query.texts.append(plain)
        query.steps = True


def _is_mistyped(name: str, colon: str, value: str) -> bool:
    """Return True for a word that looks like a condition; what `ValueError: …` begins is text."""
    if not colon:
        return _OTHER_SIGN.match(name) is not None
    is_address = value.startswith("//")
    return not is_address and re.fullmatch("[a-z_]+|meta\\..+", name) is not None


def _hint(name: str) -> str:
    """Return what to write instead of a word that begins like this."""
    if name.startswith("meta"):
        return f"use {_INSTEAD['metadata']}"
    if found := _OTHER_SIGN.match(name):
        return (
            f"write a colon after {found[1]!r}, such as {_EXAMPLES.get(found[1], found[1] + ':x')}"
        )
    if name in _INSTEAD:
        return f"use {_INSTEAD[name]}"
    if close := closest(name, CONDITIONS, cutoff=0.7):
        return f"did you mean '{close}:'?"
    return f"the conditions are {', '.join(CONDITIONS)}, and meta.KEY=VALUE"


def _unquoted(text: str) -> str:
    return text.replace('"', "")


def _column(column: str, steps: bool = True) -> Callable[[Query, str, float], None]:
    """Return a condition that is true if the column contains the value, ignoring case.

    With `=` before the value, the column has to be exactly the value.
    """

    def add(query: Query, value: str, now: float) -> None:  # noqa: ARG001 - one signature for all
        query.add(*_comparison(f"s.{column}", value), steps=steps)

    return add


def _comparison(column: str, value: str) -> tuple[str, str]:
    """Return the SQL condition for the value of a column, and its parameter."""
    if value[0] == "=" and value != "=":
        return f"{column} = ?", value[1:]
    return f"{column} LIKE ? ESCAPE '\\'", f"%{_literal(value)}%"


def _literal(value: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", value)


def _slower(query: Query, value: str, now: float) -> None:  # noqa: ARG001 - one signature for all
    if not _SPAN.fullmatch(value.lstrip(">=")):
        raise ValueError(f"{'slower:' + value!r} is not a time; use slower:500ms, 2s, 5m or 1h")
    query.add("s.duration >= ?", seconds(value.lstrip(">="), "slower") * 1000)


def _since(query: Query, value: str, now: float) -> None:
    query.add("s.start >= ?", _moment(value, now), steps=False)


def _cost(query: Query, value: str, now: float) -> None:  # noqa: ARG001 - one signature for all
    found = _AMOUNT.fullmatch(value)
    if not found:
        raise ValueError(f"{'cost:' + value!r} needs an amount in dollars, such as cost:>0.01")
    _spent(query, "cost", "{0}cost", *found.groups())


def _tokens(query: Query, value: str, now: float) -> None:  # noqa: ARG001 - one signature for all
    found = _AMOUNT.fullmatch(value.replace(",", ""))
    if not found:
        raise ValueError(f"{'tokens:' + value!r} needs a number, such as tokens:>1000")
    both = "coalesce({0}tokens_in, 0) + coalesce({0}tokens_out, 0)"
    own = f"CASE WHEN coalesce({{0}}tokens_in, {{0}}tokens_out) IS NOT NULL THEN {both} END"
    _spent(query, "tokens", own, *found.groups())


def _spent(query: Query, what: str, own: str, sign: str, amount: str) -> None:
    """Compare what a step has spent by itself, or a root with everything inside it.

    own: the SQL expression for one session; `{0}` stands for its table.
    """
    sign, number, own_inside = sign or ">=", float(amount), own.format("c.")
    # Quick to see: a sum is at least its smallest part. It is at most the sum over all steps, which
    # may count some twice.
    if sign in ("<", "<="):
        bound, possible = f"(SELECT min({own_inside}) {_INSIDE}) {sign} ?", number
    else:
        bound = f"(SELECT sum(max({own_inside}, 0)) {_INSIDE}) >= ?"
        possible = number * _ROUNDED
    # Nested, since SQLite would evaluate both sides of an AND.
    query.add(
        f"CASE WHEN s.parent IS NOT NULL THEN {own.format('s.')} {sign} ? "
        f"WHEN {bound} THEN spent(s.root, '{what}') {sign} ? END",
        *(number, possible, number),
    )


def _model(query: Query, value: str, now: float) -> None:  # noqa: ARG001 - one signature for all
    """Look for the model of a step, or for any model that was used inside a root."""
    condition, parameter = _comparison("{0}model", value)
    query.add(
        f"CASE WHEN s.parent IS NULL THEN EXISTS (SELECT 1 {_INSIDE} AND {condition.format('c.')}) "
        f"ELSE {condition.format('s.')} END",
        *(parameter, parameter),
    )


def _marked(query: Query, value: str, now: float) -> None:  # noqa: ARG001 - one signature for all
    if value not in MARKS:
        raise ValueError(f"{'marked:' + value!r} is not a mark; use marked:good or marked:bad")
    query.add("s.marked = ?", value)


def _field(query: Query, field: str, key: str, value: str) -> None:
    """Add a condition on an object: `a.b` is the key "b" of the object "a" in it, or its "a.b"."""
    nested = ".".join(f'"{part}"' for part in key.split("."))
    paths = [f"$.{field}.{nested}", f'$.{field}."{key}"']
    query.look_in_bodies()
    query.add(
        f"json_valid(b.body) AND coalesce({_AT_PATH}, {_AT_PATH}) = ?",
        *(path for path in paths for _ in range(2)),
        value,
    )


def seconds(text: str, name: str) -> float:
    """Parse a length of time such as `2s`, `500ms` or `30d`; errors say that `name` needs it."""
    found = _SPAN.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a time for {name}; use 500ms, 2s, 5m, 1h, 30d or 2w")
    return float(found[1]) * SECONDS[found[2]]


def _moment(text: str, now: float) -> float:
    """Parse a moment: an age such as `1h`, a day, or a date with or without a time."""
    if _SPAN.fullmatch(text):
        return now - seconds(text, "since") * 1000
    if text in _DAYS_AGO:
        today = datetime.datetime.fromtimestamp(now / 1000).astimezone().date()
        day = today - datetime.timedelta(days=_DAYS_AGO[text])
        return datetime.datetime.fromisoformat(str(day)).timestamp() * 1000
    try:
        return datetime.datetime.fromisoformat(text).timestamp() * 1000
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{'since:' + text!r} is not a time; use 1h, 30d, today, 2026-01-31 or 2026-01-31T12:00"
        ) from None


CONDITIONS: dict[str, Callable[[Query, str, float], None]] = {
    "name": _column("name"),
    "project": _column("project", steps=False),
    "source": _column("source", steps=False),
    "user": _column("user", steps=False),
    "conversation": _column("conversation", steps=False),
    "error": _column("error"),
    "slower": _slower,
    "cost": _cost,
    "tokens": _tokens,
    "model": _model,
    "kind": _column("kind"),
    "since": _since,
    "marked": _marked,
}

_EXAMPLES = {
    "slower": "slower:2s",
    "cost": "cost:>0.01",
    "tokens": "tokens:>1000",
    "since": "since:1h",
}
_INSTEAD = {
    **dict.fromkeys(("status", "failed", "failure", "exception"), "error or error:timeout"),
    **dict.fromkeys(("duration", "latency", "took", "time"), "slower:2s"),
    **dict.fromkeys(("after", "start", "started", "date"), "since:1h or since:2026-01-31"),
    **dict.fromkeys(("metadata", "tag", "tags"), "meta.KEY=VALUE, such as meta.team=search"),
    **dict.fromkeys(("mark", "feedback", "rating"), "feedback.rating=5 or marked:good"),
    **dict.fromkeys(("type", "step"), "kind:model"),
}
_OTHER_SIGN = re.compile(f"({'|'.join(CONDITIONS)})[=<>]")  # such as `cost>0.01`
