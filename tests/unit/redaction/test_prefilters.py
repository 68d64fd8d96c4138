"""What dismisses a text at once misses nothing that the slow way finds."""

from __future__ import annotations

import importlib
import re
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from honeytrace._redaction import named_values, plain_values, provider_keys, separators, tables
from honeytrace._redaction.finders import FINDERS
from honeytrace._redaction.outline import Outline
from honeytrace._redaction.special_keys import SPECIAL

WORDS = """password token api_key Authorization secret key value Passwort 密码 sig name size city
    login x1-y2 hunter2 tr0ub4dor&3x A1b2C3d4E5f6G7h8I9j0 [REDACTED:token] --password -p -token curl
    user bob -u --user https hooks.slack.com/services/T00/B00/aB3dE6gH9jK2mN5p ENV set #define BEGIN
    PRIVATE Bearer Basic PASSWORD BY = : := == != => -> → ： %3D %26
    default= variable field( Field( ? & ( ) [ ] { } , ; | < > </ " ' `
    \\n \\" * - -- . / @ …"""
PARSER = getattr(re, "_parser", None) or importlib.import_module("sre_parse")
BLANKS = [" ", " ", "\n", "\t", "\r\n", ""]
STARTS = sorted({start.rstrip("*") for start in provider_keys._by_start()})
PREFIXES = [row.prefix for row in provider_keys.providers()]
TAILS = st.text("abcXYZ0189-_./+=~", min_size=12, max_size=48)
KEYS = st.tuples(st.sampled_from(PREFIXES + STARTS), TAILS).map("".join)
PIECES = st.sampled_from(WORDS.split() + BLANKS) | st.text(max_size=3) | KEYS
TEXTS = st.lists(PIECES, max_size=16).map("".join)


@given(TEXTS)
@example("password: x1-y2")
@example("a_" * 40 + "password: x1-y2")
def test_names_before_separators(text):
    """Every separator that follows a secret name is looked at."""
    seen = {at for at, _ in separators.after_names(text)}
    for separator in separators.SEPARATOR.finditer(text):
        if named_values._candidate(text, separator):
            assert separator.start() in seen


@given(TEXTS)
@example('{"token": "word"}')
@example("token=word, x")
def test_plain_words(text):
    """A word that is dismissed at once is not secret for those that look closely, either."""
    quotes = named_values._Quotes(text)
    for at, backwards in separators.after_names(text):
        name, alone = separators.meaning(backwards)
        if alone and name and not name.sure and plain_values.is_plain_word(text, at):
            span = named_values._closely(text, at, quotes)
            assert span is None or span[0] == span[1]


@given(TEXTS)
def test_keys_in_runs(text):
    """Each format is found where a word begins, unless a key that is found covers it."""
    found = list(provider_keys.provider_keys(text))
    for formats in provider_keys._by_start().values():
        for match in formats.pattern.finditer(text):
            span = formats.span(match)
            word = not re.search(r"[A-Za-z0-9]$", text[: match.start()], re.ASCII)
            tail = re.search(r"[A-Za-z0-9_~+/-]{16}", match[0])
            random = tail and provider_keys._is_random(match[0])
            if span and word and random:
                assert any(start < span[1] and end > span[0] for start, end, _ in found), match[0]


@given(TEXTS)
@example("'password', 'x1-y2'")
@example("f(b'password', b'x1-y2')")
@example('"x1-y2" !== password')
@example("PASSWORD 'x1-y2'")
@example("password,a\nx1-y2,b")
@example("curl /p:x1-y2")
def test_outlines(text):
    """A finder finds nothing in a text that does not have what it needs."""
    outline = Outline(text)
    for finder in FINDERS:
        if not finder.applies(outline):
            assert not list(finder.find(text))


def test_lengths_of_special_formats():
    """Of formats that may begin anywhere, the shortest length is that of the expression."""
    for special in SPECIAL:
        if not special.starts:
            least, _ = PARSER.parse(special.expression, re.ASCII).getwidth()
            assert special.least == least


FIELDS = st.sampled_from(
    ["password", " token", '"api_key"', "\tsecret", "é-mail", "x1-y2", "a b", "7", "", "c("]
)
LINES = st.tuples(st.sampled_from(",;\t"), st.lists(FIELDS, min_size=1, max_size=3))
ROWS = st.lists(LINES.map(lambda line: line[0].join(line[1])), max_size=6)


@given(ROWS, st.sampled_from(["\n", "\r\n"]))
def test_headers(rows, end):
    """Each line that may be a header, above one with as many fields, is looked at."""
    text = end.join(rows)
    lines = text.split("\n")
    seen = next(tables.comma_values(text), None) is not None
    for line, below in pairwise(lines):
        for delimiter in ",;\t":
            width = line.count(delimiter)
            if width and below.count(delimiter) == width and tables._columns(line.split(delimiter)):
                assert seen
