"""Find secrets that a text gives to a name with a separator: `password=…`, `"token": "…"`, `key
    := …`.

The finder looks at each colon and equals sign, and back from there for the name. Whether a quote
after the separator opens a value or closes a literal is told by the quotes before it in the line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from honeytrace._redaction.marker import MAX_STEPS, Span
from honeytrace._redaction.secret_names import MAX_NAME_CHARACTERS, Name, judge
from honeytrace._redaction.values import (
    MAX_VALUE_CHARACTERS,
    QUOTES,
    WIDE_COLON,
    find_value,
    is_secret,
)

# One pattern for each first character, since `re` looks for a single character at the speed of C.
_SEPARATORS = {
    ":": re.compile(r":+=?"),
    "=": re.compile(r"=+[>~]?"),
    "%": re.compile(r"%3[ADad]"),
    WIDE_COLON: re.compile(WIDE_COLON),
    "<": re.compile(r"<-"),
}
_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.$"
_CLOSERS = " \t\"'`*\\]?!+|&~^."
_ENDS = tuple(">)[0123456789")
_NOT_NAME = re.compile(r"[^\w.$-]")
_TAIL = re.compile(r"(?:</[A-Za-z0-9]{1,10}>|[ ]\([^()\n]{1,32}\)|\[[0-9A-Z_]{0,16})[ ]*$")
_ESCAPE = re.compile(r"(?:\\[abfnrtv]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2})$")
_QUOTE = re.compile(
    rf"(?<![A-Za-z]){QUOTES}|{QUOTES}(?![A-Za-z])|(?<=[A-Za-z])[\"`](?=[A-Za-z])", re.ASCII
)
_PHRASE = re.compile(r"(?:[A-Za-z][\w-]*[ ]){1,3}$")
_LAST_WORDS = {
    "key",
    "keys",
    "code",
    "codes",
    "token",
    "tokens",
    "passe",
    "phrase",
    "pass",
    "secreta",
    "string",
    "id",
    "word",
    "pat",
    "secret",
    "number",
    "acceso",
    "api",
    "secrète",
}
_TYPE_WORDS = {
    "string",
    "String",
    "str",
    "bytes",
    "byte",
    "text",
    "TEXT",
    "VARCHAR",
    "varchar",
    "char",
    "NSString",
    "SecureString",
    "Text",
    "Object",
    "object",
    "any",
    "auto",
    "const",
    "val",
}
_TYPE_BEFORE = re.compile(r"([A-Za-z_]\w{0,63})[ ]+(?:As[ ]+|as[ ]+|\[\]|&|\*)?$")
_STATEMENT = re.compile(
    r"(?:^|[\s(])(?:if|elif|while|for|in|and|or|not|return|case|lambda|class|except|raise|async"
    r"|await|goto|else|is|def|func|fn|interface|struct|enum)\s+[*(]{0,2}$"
)
_SIGNATURE = re.compile(r"(?:[\w-]{0,40}-)?sig(?:nature)?", re.ASCII | re.IGNORECASE)
_PATH = re.compile(r"[\w:/]:$")
_QUERY = "?&"
_QUERY_NAMES = {"key": "key", "sig": "signature", "code": "code", "auth": "authorization"}
_LABELLED = re.compile(
    rf"""(?P<label>name|Name|key|Key|header|Header|field|variable|param|parameter
        |property)\\?["']?\s?[:=]\s?(?:{QUOTES})?(?P<name>[\w.$-]{{2,64}})(?:{QUOTES})?
      [\s,;]{{0,24}} (?:{QUOTES})?(?:value|Value|val)(?:{QUOTES})?$""",
    re.VERBOSE,
)


def named_values(text: str) -> Iterator[Span]:
    """Find the values that are given to secret names."""
    quotes = _Quotes(text)
    done = 0
    for start, end, name, label in sorted(_given(text)):
        span = None
        if start >= done:
            kind = "=" if text[start] == "%" else text[start:end]
            span = find_value(text, end, name, label, kind, quotes.open_at(start, end))
            done = span[1] if span else done
        yield span or (start, start, "")


def comparisons(text: str) -> Iterator[Span]:
    """Find `"…" == password`."""
    for match in _COMPARISON.finditer(text):
        name = judge(match["name"])
        if name and name.sure and not text.startswith("(", match.end()):
            first = max(
                text.rfind("\n", 0, match.start()) + 1, match.start() - MAX_VALUE_CHARACTERS
            )
            quote = text.rfind(match["quote"], first, match.start())
            given = text[quote + 1 : match.start()]
            if quote >= 0 and given and is_secret(given, name, match["name"]):
                yield quote + 1, match.start(), name.rule


_COMPARISON = re.compile(r"""(?P<quote>["'`])[ ]?[!=]={1,2}[ ]?(?P<name>[A-Za-z_$][\w.$]{1,63})""")


def names_a_secret(text: str) -> bool:
    """Return whether a separator may follow a secret name; most were seen before."""
    if "%3" in text or WIDE_COLON in text or "<-" in text:
        return True
    tails = {part[-_TAIL_CHARACTERS:] for part in text.replace("=", ":").split(":")[:-1]}
    tails -= _plain_tails
    if any(_may_name(tail) for tail in tails):
        return True
    if len(_plain_tails) > _MAX_PLAIN:
        _plain_tails.clear()
    _plain_tails.update(tails)
    return False


def _may_name(tail: str) -> bool:
    """Return whether a text may end with a secret name."""
    head = tail.rstrip(_CLOSERS)
    name = head[len(head.rstrip(_NAME_CHARACTERS)) :]
    if not name or name == tail:
        return bool(name) or head[-1:] in _ENDS or not head.isascii()
    return not head[-1:].isascii() or head[-len(name) - 1] in "\\%" or not _is_plain(name)


def _given(text: str) -> Iterator[tuple[int, int, Name, str]]:
    """Yield where a separator follows a secret name: its start and end, and the name."""
    for character, pattern in _SEPARATORS.items():
        if character in text:
            found = (_candidate(text, match) for match in pattern.finditer(text))
            yield from islice(filter(None, found), MAX_STEPS + 1)


def _candidate(text: str, match: re.Match[str]) -> tuple[int, int, Name, str] | None:
    """Return the secret name that a separator follows, and where the separator is."""
    start, end = match.span()
    head = text[max(0, start - MAX_NAME_CHARACTERS - 16) : start].rstrip(_CLOSERS)
    name = head[len(head.rstrip(_NAME_CHARACTERS)) :]
    if name in _plain:
        return None
    if name:
        before = head[-len(name) - 1 : -len(name)]
        if before not in ("\\", "%") and _is_plain(name):
            return None
        if name in _bare_words and before != " " and _TOO_SHORT.match(text, end):
            return None
    elif head[-1:] not in _ENDS and head[-1:].isascii():
        return None
    if match[0] in ("::", "=~") or (match[0][0] == ":" and head[-1:] == "["):
        return None  # a path, a pattern, a slice
    found = _named(text, start, match[0], head, name)
    return (start, end, *found) if found else None


_TAIL_CHARACTERS = 48  # characters before a separator; a name that fills them is looked at
_plain_tails: set[str] = set()  # what stands before separators and ends with no secret name
_plain: set[str] = set()  # names that are known not to be secret, whatever is around them
_MAX_PLAIN = 4096
_TOO_SHORT = re.compile(r"[ \t]*[\w.-]{1,5}(?=[\s,;)\]}]|$)")  # to be a secret under a likely name
_bare_words = {"token", "tokens", "Token", "Tokens", "key", "pass"}  # names of words, too
_SPECIAL = _LAST_WORDS | {word.lower() for word in _TYPE_WORDS} | {"value", "val", "key", "sig"}


def _is_plain(name: str) -> bool:
    """Return whether a name is not secret, whatever is around it, and remember it."""
    if name.lower() in _SPECIAL or name[-1:] in _ENDS or judge(name) or "sig" in name.lower():
        return False
    if len(_plain) >= _MAX_PLAIN:
        _plain.clear()
    _plain.add(name)
    return True


def _named(text: str, at: int, separator: str, head: str, name: str) -> tuple[Name, str] | None:
    if head[-1:] in _ENDS and (tail := _TAIL.search(head)):
        head = head[: tail.start()].rstrip(_CLOSERS)
        name = head[len(head.rstrip(_NAME_CHARACTERS)) :]
    if not head[-1:].isascii():
        name = _NOT_NAME.split(head[-_TAIL_CHARACTERS:])[-1]
    before = head[: len(head) - len(name)]
    if (
        before
        and name
        and before[-1] in "\\%"
        and (escape := _ESCAPE.search(before + name[: 4 if before[-1] == "\\" else 2].rstrip()))
    ):
        cut = escape.end() - len(before)
        before, name = before + name[:cut], name[cut:]
    elif before.endswith("\\") and name[:1] in "abfnrtv":
        before, name = before + name[:1], name[1:]
    name = name.lstrip("-.$")
    found = _judged(text, at, separator, before, name)
    if found is None:
        return None
    return (found, name) if _is_assignment(separator, before) else None


def _judged(text: str, at: int, separator: str, before: str, name: str) -> Name | None:
    if not name:
        return None
    query = before[-1:] in ("?", "&") or before[-3:].upper() in ("%3F", "%26")
    if (query and "=" in separator) or separator[0] == "%":
        if _SIGNATURE.fullmatch(name):
            return Name("signature", True)
        if name.lower() == "key":
            return Name("key", True)
    found = judge(name)
    if found and query:
        return Name(found.rule, True)
    if name.lower() in _LAST_WORDS and (phrase := _PHRASE.search(before)):
        words = phrase[0][1:] if before[: phrase.start()].endswith("\\") else phrase[0]
        whole = judge(words + name)
        if whole and (found is None or not found.sure):
            return whole
    if found:
        return found
    if name.lower() in ("value", "val"):
        label = _LABELLED.search(text[max(0, at - 200) : at])
        return judge(label["name"]) if label else None
    if separator == "=" and name in _TYPE_WORDS and (typed := _TYPE_BEFORE.search(before)):
        return judge(typed[1])
    return None


def _is_assignment(separator: str, before: str) -> bool:
    """Return whether this gives a value to the name: code has other colons."""
    if separator[0] == ":" and (
        before.endswith(("::", "//")) or (before.endswith(":") and _PATH.search(before[-9:]))
    ):
        return False
    return not (separator == ":" and _STATEMENT.search(before[-24:]))


class _Quotes:
    """Counts the quotes of each line, to tell whether one is open at a place in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._counts: Counter[str] = Counter()

    def open_at(self, start: int, end: int) -> bool:
        """Return whether the quote that follows a separator closes a literal."""
        text = self._text
        line = text.rfind("\n", self._at, start) + 1
        if line > self._at:
            self._at = line
            self._counts.clear()
        for match in _QUOTE.finditer(text, self._at, start):
            self._counts[match[0]] += 1
        self._at = max(start, self._at)
        following = _NEXT_QUOTE.match(text, end)
        return following is not None and self._counts[following[1]] % 2 == 1


_NEXT_QUOTE = re.compile(rf"[ \t*]{{0,16}}[bBfFrRuULN@$]{{0,2}}({QUOTES})", re.ASCII)
