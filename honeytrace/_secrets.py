"""What a secret looks like: by the name that it stands under, and in the middle of a text.

Every expression here is linear: a run of characters is entered at its start alone, what may fail
after a long way is bounded. `suspects` tells at the price of a few scans in C that a text holds
nothing, which is nearly always so.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from typing import Any

Span = tuple[int, int, str]
"""Where a secret stands in a text (start, end), and the rule that found it."""

Finder = Callable[[str, bytes], Iterator[Span]]
"""Goes through a text, and the same with one byte for each character."""

_NUMBERS = {"password", "secret", "key", "code"}  # rules whose secrets may be numbers
_LONG = 128
_SHORTEST = 8  # characters of a key that is looked for by itself

_compiled = partial(re.compile, flags=re.ASCII | re.VERBOSE)


def mark(rule: str) -> str:
    """What stands in the place of a secret."""
    return f"[REDACTED:{rule}]"


# ---- By name

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

# Over the words of a name, in lower case and joined by underscores.
_SECRET = _compiled(
    r"""(?:^|_)(?:
      (?P<password> [a-z]*pass_?(?:word|wd|phrase|code)s? | pwd | pswd | psk
        | (?:admin|database|db|email|ftp|key|ldap|login|mail|mysql|pg|proxy|redis|root|smtp|ssh
            |store|user)_?pass )
    | (?P<cookie> (?:session|http)?cookies? | jsessionid | phpsessid | connect_sid )
    | (?P<authorization> (?:proxy)?authorization | (?:basic|http)?auth )
    | (?P<credentials> credentials? | creds? )
    | (?P<connection> dsn | conn(?:ection)?_?str(?:ing)?s? )
    | (?P<key> (?:access|account|admin|anthropic|api|app|application|auth|aws|azure|client|cohere
        |decryption|deepseek|deploy|encryption|gemini|google|gpg|groq|hf|hmac|honeyhive
        |huggingface|langfuse|langsmith|license|master|mistral|openai|pgp|pinecone|private
        |replicate|root|rsa|secret|sendgrid|server|service|shared|shared_access|signing|ssh
        |storage|stripe|subscription|twilio|webhook|langchain|tavily)_?keys? | ap_ikeys?
        | (?:azure|github|gitlab)_?pat )
    | (?P<code> t?otp | mfa_?code | cvv | cvc | ssn | pin(?=$|_code|_number)
        | (?:backup|recovery|security|two_factor|verification)_?codes?
        | social_?security(?:_number)? | card_?number | credit_?card )
    | (?P<secret> [a-z]*secrets? | mnemonic | seed_phrase )
    | (?P<token> (?:access|api|auth|bearer|bot|csrf|csrfmiddleware|device|id|personal|push|refresh
        |sas|security|service|session|user|xsrf)_?tokens? | token | jwts? | bearer | csrf | xsrf )
    )(?=_|$)"""
)

# Secret by its words, but the name of something else: what is last decides, in English.
_ABOUT = _compiled(
    r"""_(?:address|alg|algorithm|arn|at|attempts?|audience|banner|budget|cache|consent|costs?
      |counts?|details?|domain|embeddings?|enabled|endpoint|errors?|exists|expir(?:ation|es|y)
      |expires_(?:at|in)|field|file|fingerprint|flow|format|ids?|index|issuer|kind|label|latency
      |len|length|lifetime|limits?|logprobs?|manager|mask|max|message|method|min|missing|mode
      |names?|number_of|path|placeholder|policy|position|price|prob(?:abilitie)?s?|provider|rates?
      |ratio|remaining|required|reset|rules?|scheme|scopes?|score|size|source|stats|status
      |strength|text|throughput|ttl|types?|updated|uri|url|usage|used|valid|validator|version
      |window)$
    | _hint$ | ^(?:has|is|needs|requires|use|uses|with)_
    | ^(?:[a-z_]+_)?(?:audio|begin|bos|cached|cls|completion|continuation|cursor|end|eos|first
      |image|input|last|mask|max|min|next|num|output|pad|page|pagination|per|prev|previous|prompt
      |reasoning|sep|special|start|stop|sync|thinking|total|unk|video|vision|word)_token$
    | ^token_str$"""
)
_PIN = _compiled(
    r"""^(?:(?:account|atm|bank|card|customer|debit|device|login|my|new|old|phone|security|sim
      |user)_)*pin(?:_code|_number)?$"""
)


def _rule(name: str) -> str | None:
    words = "_".join(_WORDS.findall(_MARK.sub("", name))).lower()
    *_, found = None, *_SECRET.finditer(words)  # the last is the noun of a compound
    if found is None or _ABOUT.search(words):
        return None
    if found.lastgroup == "code" and "pin" in found[0] and not _PIN.match(words):
        return None
    return found.lastgroup


_remembered = lru_cache(4096)(_rule)


def rule(name: str) -> str | None:
    """The rule by which what stands under this name is a secret, if it is one."""
    return _remembered(name) if len(name) <= _LONG else _rule(name)


def tells(found: str, value: Any) -> bool:
    """Whether a value under a secret name has something to hide: `has_password: true` has not."""
    if value is None or value is True or value is False:
        return False
    if type(value) is int or type(value) is float:
        return found in _NUMBERS
    if type(value) is str:
        return value != "" and not _MARK.fullmatch(value)
    if type(value) is dict:
        return bool(value) and not _is_schema(value)
    return not (type(value) is list and not value)


def _is_schema(value: dict[str, Any]) -> bool:
    """Whether this says what a value has to be, as the parameters of a tool do."""
    kind = value.get("type")
    return (type(kind) is str and kind in _TYPES) or "$ref" in value or "anyOf" in value


_TYPES = {"array", "boolean", "integer", "null", "number", "object", "string"}


# ---- In a text: keys of known makers

_RUN = b"a" * 16  # as short as a key may be
_KEYLIKE = b"-_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RUNS = bytes(ord("a") if byte in _KEYLIKE else ord(" ") for byte in range(256))

_ANY = r"(?: (?=[A-Za-z_-]{0,64}\d)[\w-]{16,} | [A-Za-z0-9]{20,} )"
_KEY = _compiled(
    # Most runs are UUIDs. An escape of JSON or of a URL, and words in front, may touch the key.
    rf"""(?![0-9a-f]{{8}}-[0-9a-f]{{4}}-)
      (?: (?<=\\)[bfnrt] | (?<=%)[0-9A-Fa-f]{{2}} )? (?:[A-Za-z0-9]{{0,20}}[-_]){{0,4}}? (?:
      (?P<anthropic> sk-ant-[\w-]{{8,}} )
    | (?P<openai> sk-(?:proj|svcacct|admin|None)-[\w-]{{8,}} | sk-{_ANY} )
    | (?P<honeyhive> hh_{_ANY} )
    | (?P<aws> (?:AKIA|ASIA|ABIA|ACCA)(?:[A-Z0-9]{{16}}(?![\w-])|[A-Z0-9]{{4,15}}(?=\u2026))
        (?: [\s"',:;|/]{{1,8}}[A-Za-z0-9/+]{{40}}(?![A-Za-z0-9/+=]) )? )
    | (?P<google> AIza[\w-]{{30,}} | GOCSPX-[\w-]{{20,}} | (?<=ya29\.)[\w-]{{16,}} )
    | (?P<github> gh[oprsu]_[A-Za-z0-9]{{16,}} | github_pat_\w{{16,}} )
    | (?P<gitlab> gl(?:agent|cbt|dt|ft|imt|oas|pat|ptt|rt|soat)-[\w-]{{12,}} )
    | (?P<slack> xox[a-z]-[\w-]{{10,}} | xapp-\d[\w-]{{10,}} )
    | (?P<stripe> [rs]k_(?:live|test)_\w{{8,}} | whsec_\w{{16,}} )
    | (?P<huggingface> hf_[A-Za-z0-9]{{16,}} )
    | (?P<groq> gsk_[A-Za-z0-9]{{16,}} )
    | (?P<replicate> r8_[A-Za-z0-9]{{16,}} )
    | (?P<twilio> SK[0-9a-fA-F]{{32}}(?![\w-]) )
    | (?P<sendgrid> (?<=SG\.)[\w-]{{16,}}\.[\w-]{{16,}} )
    | (?P<npm> npm_[A-Za-z0-9]{{16,}} )
    | (?P<pypi> pypi-(?:Ag|(?=[A-Za-z_-]{{0,64}}\d))[\w-]{{16,}} )
    | (?P<jwt> eyJ[\w-]{{13,}}\.[\w-]{{4,}}(?:\.[\w-]*){{0,3}} )
    | (?P<maker> (?: csk- | dop_v1_ | figd_ | fw_ | lin_api_ | lsv2_(?:pt|sk)_ | ntn_ | nvapi-
        | pcsk_ | phx_ | pplx- | sbp_ | secret_ | shp(?:at|ca|pa|ss)_ | sntry[su]_ | tvly-(?:dev-)?
        | xai- )(?=[A-Za-z_-]{{0,64}}\d)[\w-]{{16,}} | dapi[0-9a-f]{{32}}
        | AGE-SECRET-KEY-1[A-Z0-9]{{20,}} | (?<=hvs\.)[\w-]{{24,}} | (?<=\d:)AA[\w-]{{33}} )
    )"""
)


def _keys(text: str, data: bytes) -> Iterator[Span]:
    runs = data.translate(_RUNS)
    at = runs.find(_RUN)
    while at >= 0:
        match = _KEY.match(text, at)
        if match and match.lastgroup:
            end = match.end()
            yield match.start(match.lastgroup), end, match.lastgroup
        else:
            end = runs.find(b" ", at)
            if end < 0:
                return
        at = runs.find(_RUN, end)


# ---- In a text: private keys, credentials in URLs, schemes of authorization

_BEGIN = _compiled(r"-{4,5}[ ]?BEGIN[ ][A-Z0-9 ]{0,32}PRIVATE[ ]KEY[A-Z ]{0,8}-{4,5}")
_END = _compiled(r"-{4,5}[ ]?END[ ][A-Z0-9 ]{0,32}PRIVATE[ ]KEY[A-Z ]{0,8}-{4,5}")
_URL = _compiled(
    r"""://(?:
      [^\s:/?\#@"'<>\\]{0,128}:(?!\d{1,5}[/?\#])
        (?P<password> [^\s/?\#"'<>\\]{1,256}(?=@)
        | [^\s@"'<>\\]{1,256}(?:@[^\s@/?\#"'<>\\]{0,64}){0,8}(?=@)
        | [^\s@"'<>\\\u2026]{1,256}(?=\u2026[ ]\[) )
    | (?P<user> (?=[A-Za-z_.~%+-]{0,64}\d)[\w.~%+-]{20,256}(?=@) )
    )"""
)
# Of the lower case, and beginning with a letter, for which `re` can look fast.
_SCHEME = re.compile(
    rb"b(?:(?<!\wb)|(?<=\\[bfnrt]b)|(?<=%[0-9a-f]{2}b))(?:(earer)|asic)(?:\s{1,4}|%20)(?=([a-z0-9._~+/=-]{6,}))"
)
_TOKEN = _compiled(r".*\d | .*[_=] | .{20} | (?=.{12}).*[a-z][A-Z]")


def _blocks(text: str, data: bytes) -> Iterator[Span]:
    """Private keys in PEM, to the end of the text if they do not end."""
    if b"PRIVATE KEY" not in data:
        return
    end = 0
    while begin := _BEGIN.search(text, end):
        closing = _END.search(text, begin.end())
        end = closing.end() if closing else len(text)
        yield begin.start(), end, "private_key"


def _urls(text: str, data: bytes) -> Iterator[Span]:
    if b"://" in data and (b"@" in data or "\u2026 [" in text):
        for match in _URL.finditer(text):
            yield *match.span(match.lastgroup or 0), "url"


def _schemes(text: str, data: bytes) -> Iterator[Span]:
    """The tokens of `Bearer` and `Basic`, as far as they do not look like a word of English."""
    for match in _SCHEME.finditer(data.lower()):
        token = text[match.start(2) : match.end(2)].rstrip(".")
        if _TOKEN.match(token) if match[1] else _is_basic(token):
            yield match.start(2), match.start(2) + len(token), "bearer" if match[1] else "basic"


def _is_basic(token: str) -> bool:
    """Whether it is base64 of `user:password`."""
    try:
        return b":" in binascii.a2b_base64(token.rstrip("=") + "==")
    except ValueError:
        return False


# ---- In a text: assignments

# What may be part of a name stays, what separates a name from a value becomes a colon.
_NAMES = bytes(
    byte if byte in _KEYLIKE + b"." else ord(":") if byte in b":=" else ord(" ")
    for byte in range(256)
)
_NO_NAME = re.compile(rb"\\[bfnrt]|%[0-9A-Fa-f]{2}|\[REDACTED:[a-z_]{1,16}\]")
_OPTION = _compiled(r"--(?<![\w-]--)(?P<name>[A-Za-z][\w-]{0,63})(?=\s{1,8}[^-])")
_SIGNATURE = _compiled(r"(?:[\w-]{0,40}-)?sig(?:nature)?", flags=re.A | re.I | re.X)

_PROBE = 256  # more than any value has that tells nothing
_VALUE = _compiled(
    r"""(?: [^\S\r\n]{0,8} | \s{0,8}(?=["'`{\[\\]) )(?:
      [bBfFrRuU]{0,2}(?P<quote>\\{0,8}(?:\"{3}|'{3}|[\"'`]))(?!(?P=quote))
        (?P<quoted>(?s:.)+?)(?=(?<!\\)(?P=quote)|\Z)
    | (?P<group> \{[^{}]+\} | (?!\[REDACTED:)\[[^\[\]]+\] )
    | (?P<plain> (?: [^\s\"'`\\,;&] | [,;&](?!\s|[\w.-]{1,40}[:=]|\Z) | \\(?![bfnrt\"'`]) )+ )
    )"""
)
_LINE = _compiled(r"(?: (?<=Digest)[^\r\n]* | [^\r\n\"'`\\]* )")
_CLOSING = ")]}>.,;:"
_BESIDE = " \t\"'`\\]"  # may stand between a name and what separates it from its value
_QUOTES = ('"', "'", "`")
_STATEMENT = re.compile(r"(?:^|[\s(])(?:if|elif|while|for|in|and|or|not|return|case|lambda)\s+\Z")
_HARMLESS = _compiled(
    r"""(?:(?:basic|bearer|token)[ ])? (?:
      (?: any|bool|boolean|bytes|dict|empty|false|float|hidden|int
        |integer|invalid|list|missing
        |nil|no|none|null|number|object|off|on|optional|required|secretstr|str|string|true
        |undefined|unset|valid|yes )(?:[^\w-].*)?
    | \$\{[^{}]*\}? | \$[A-Z_][A-Z0-9_]* | \$\(.* | \{+[ ]?[\w.]*[ ]?\}* | <[^<>]*>?
    | %[sdr] | %\(\w+\)s | [*.xX\u2022\u2026]+ | [A-Za-z_.]{2,}[(\[].*
    | \{\s{0,8}\\{0,2}"(?:type|\$ref|anyOf|description|title)\\{0,2}".* )""",
    flags=re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_PROSE = _compiled(r"[A-Za-z][a-z']*[.,;:!?]?[ ]+[A-Za-z][a-z']*(?![\w=:-])")
_OFFER = _compiled(r"(?:Basic|Bearer|Digest|Negotiate|Token|ApiKey)\b", flags=re.A | re.I)


@lru_cache(4096)
def _named(name: bytes) -> str | None:
    """The rule for a name in a text; the `sig` of a URL is one that holds only there."""
    text = name.decode()
    return _rule(text) or ("signature" if _SIGNATURE.fullmatch(text) else None)


def _assignments(text: str, data: bytes) -> Iterator[Span]:
    """`password=…`, `"token": "…"`, `X-Api-Key: …`, `?sig=…`."""
    if b":" not in data and b"=" not in data:
        return
    if b"\\" in data or b"%" in data or b"[REDACTED:" in data:
        data = _NO_NAME.sub(lambda match: b" " * len(match[0]), data)
    at = done = 0
    for piece in data.translate(_NAMES).split(b":"):
        at += len(piece) + 1
        words = piece[-_LONG:].rsplit(None, 1)
        found = words and _named(words[-1])
        if found and done < at <= len(text):
            name = words[-1].decode()
            if not _is_assigned(text, at, name):
                continue
            if found == "signature" and text[text.rfind(name, 0, at) - 1] not in "?&":
                continue
            span = _value(text, at, name, found)
            if span:
                yield span
                done = span[1]


def _is_assigned(text: str, at: int, name: str) -> bool:
    """Whether a name that ends before `at` is given a value there: code has other colons, too."""
    start = text.rfind(name, 0, at)
    if text[start + len(name) : at - 1].strip(_BESIDE):
        return False
    if text[at - 1 : at + 1] == "==" and not text[at + 1 : at + 9].lstrip().startswith(_QUOTES):
        return False  # a comparison
    return not (text[at - 1] == ":" and _STATEMENT.search(text, max(0, start - 24), start))


def _options(text: str, data: bytes) -> Iterator[Span]:
    """`--password …` of a command line."""
    if b"--" not in data:
        return
    for match in _OPTION.finditer(text):
        found = rule(match["name"])
        span = _value(text, match.end(), match["name"], found) if found else None
        if span:
            yield span


def _value(text: str, at: int, name: str, found: str) -> Span | None:
    """The value that begins at `at`, unless it is a reference, a type, a small number, prose."""
    sep = text[at - 1]
    if text[at : at + 1] in ("=", ">"):  # of `:=`, `==`, `=>`
        at += 1
    match = _VALUE.match(text, at, at + _PROBE)
    if match is None or match.lastgroup is None:
        return None
    kind = match.lastgroup
    start, end = match.span(kind)
    if kind == "plain" and sep != "=" and _is_prose(text, start):
        return None
    if end - start < _PROBE - 16 and _is_known(text[start:end], name, found):
        return None
    if kind == "plain" and sep == ":" and found in ("authorization", "cookie"):
        shown = _LINE.match(text, end, start + _PROBE)
        if shown and _is_known(text[start : shown.end()], name, found):
            return None
        line = _LINE.match(text, end)
        return start, line.end() if line else end, found
    end = (_VALUE.match(text, at) or match).end(kind)
    if kind == "plain":
        end = start + (len(text[start:end].rstrip(_CLOSING)) or end - start)
    return start, end, found


def _is_prose(text: str, start: int) -> bool:
    return bool(_PROSE.match(text, start)) and not _OFFER.match(text, start)


def _is_known(value: str, name: str, found: str) -> bool:
    """Whether the value of an assignment tells nothing that was not told."""
    mark_ = _MARK.match(value)
    value = value[mark_.end() :].rstrip(_CLOSING) if mark_ else value.rstrip(_CLOSING) or value
    if mark_ or _HARMLESS.fullmatch(value):
        return not (mark_ and value)
    if value.isdigit():
        return found not in _NUMBERS and len(value) < 6
    return value.rpartition(".")[2].lower().lstrip("_") == name.rpartition(".")[2].lower()


# ---- All of it

_RULES = (
    *_SECRET.groupindex,
    *_KEY.groupindex,
    *("private_key", "url", "bearer", "basic", "signature", "error", "custom", "api_key"),
)
_MARK = re.compile(rf"\[REDACTED:(?:{'|'.join(_RULES)})\]")

FINDERS: tuple[Finder, ...] = (_blocks, _urls, _keys, _schemes, _assignments, _options)


def _aligned(text: str) -> bytes:
    """A byte for each character; only those of ASCII are of interest."""
    return text.encode("latin-1", "replace")


def suspects(text: str, known: Iterable[Finder] = FINDERS) -> list[Finder]:
    """The finders that find something in a text, or may in one of several that were joined."""
    data = _aligned(text)
    return [finder for finder in known if next(finder(text, data), None)]


@lru_cache(64)
def finders(key: str | None) -> tuple[Finder, ...]:
    """All of them, and one for a key of one's own; a short one may be anything."""
    bare = (key or "").removeprefix("Bearer ")
    return (partial(_exactly, bare), *FINDERS) if len(bare) >= _SHORTEST else FINDERS


def _exactly(key: str, text: str, _: bytes) -> Iterator[Span]:
    at = text.find(key)
    while at >= 0:
        yield at, at + len(key), "api_key"
        at = text.find(key, at + len(key))


def without(text: str, finders: Iterable[Finder] = FINDERS) -> str:
    """The text with marks in the places of what is found; the same object if that is nothing."""
    clean = text
    for finder in finders:
        clean = _spliced(clean, finder(clean, _aligned(clean)))
    return text if clean == text else clean


def _spliced(text: str, spans: Iterator[Span]) -> str:
    parts: list[str] = []
    done = 0
    for start, end, found in spans:
        if start >= done:
            parts += text[done:start], mark(found)
            done = end
    return "".join((*parts, text[done:])) if parts else text
