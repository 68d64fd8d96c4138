"""Private keys, credentials in URLs, and schemes of authorization."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from functools import partial

from honeytrace._redaction.marker import Span

_compiled = partial(re.compile, flags=re.ASCII | re.VERBOSE)

_BEGIN = _compiled(r"-{4,5}[ ]?BEGIN[ ][A-Z0-9 ]{0,32}PRIVATE[ ]KEY[A-Z ]{0,8}-{4,5}")
_END = _compiled(r"-{4,5}[ ]?END[ ][A-Z0-9 ]{0,32}PRIVATE[ ]KEY[A-Z ]{0,8}-{4,5}")
_URL = _compiled(
    r"""://(?:
      (?P<alone> [^\s:/?\#@"'<>\\]{8,256}(?=:@) )
    | [^\s:/?\#@"'<>\\]{0,128}:(?!\d{1,5}[/?\#])
        (?P<password> [^\s/?\#"'<>\\]{1,256}(?=@)
        | (?:[^\s@"'<>\\/]|/(?!/)){1,256}(?:@[^\s@/?\#"'<>\\]{0,64}){0,8}(?=@)
        | [^\s@"'<>\\\u2026]{1,256}(?=\u2026[ ]\[) )
    | (?P<user> (?=[A-Za-z_.~%+-]{0,64}\d)[\w.~%+-]{12,256}(?=@) )
    # The path of a webhook is all that it takes to post there.
    | (?: hooks\.slack\.com/(?:services|workflows|triggers)
        | (?:\w{1,16}\.)?discord(?:app)?\.com/api/webhooks
        | [\w-]{1,64}\.webhook\.office\.com/webhookb2 )/ (?P<hook> [\w/@-]{24,512} )
    )"""
)
# Of the lower case, and beginning with a letter, for which `re` can look fast.
_SCHEME = re.compile(
    rb"b(?:(?<!\wb)|(?<=\\[bfnrt]b)|(?<=%[0-9a-f]{2}b))(?:(earer)|asic)(?:\s{1,4}|%20)(?=([a-z0-9._~+/=-]{6,}))"
)
TOKEN = _compiled(r".*\d | .*[_=] | .{20} | (?=.{12}).*[a-z][A-Z]")


def blocks(text: str, data: bytes) -> Iterator[Span]:
    """Private keys in PEM, to the end of the text if they do not end."""
    if b"PRIVATE KEY" not in data:
        return
    end = 0
    while begin := _BEGIN.search(text, end):
        closing = _END.search(text, begin.end())
        end = closing.end() if closing else len(text)
        yield begin.start(), end, "private_key"


def urls(text: str, data: bytes) -> Iterator[Span]:
    """Passwords and keys in front of a host, and the paths of webhooks."""
    likely = b"@" in data or b"hook" in data or "\u2026 [" in text
    if likely and b"://" in data:
        for match in _URL.finditer(text):
            yield *match.span(match.lastgroup or 0), "url"


def schemes(text: str, data: bytes) -> Iterator[Span]:
    """The tokens of `Bearer` and `Basic`, as far as they do not look like a word of English."""
    for match in _SCHEME.finditer(data.lower()):
        token = text[match.start(2) : match.end(2)].rstrip(".")
        if TOKEN.match(token) if match[1] else _is_basic(token):
            yield match.start(2), match.start(2) + len(token), "bearer" if match[1] else "basic"


def _is_basic(token: str) -> bool:
    """Whether it is base64 of `user:password`."""
    try:
        return b":" in binascii.a2b_base64(token.rstrip("=") + "==")
    except ValueError:
        return False
