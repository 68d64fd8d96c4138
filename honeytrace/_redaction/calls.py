"""Find secrets among the arguments of calls, and in pairs: `setPassword("…")`, `("token", "…")`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from honeytrace._redaction.lazy import expression, verbose
from honeytrace._redaction.marker import Span
from honeytrace._redaction.randomness import has_data, looks_secret
from honeytrace._redaction.secret_names import Name, judge
from honeytrace._redaction.secret_values import SCHEME, is_prose, is_secret
from honeytrace._redaction.values import quoted_end

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
    if looks_secret(given) or (name.sure and has_data(given) and " " not in given):
        return True
    return setter and name.sure and not re.search(r"\s|[:?]$", given)
