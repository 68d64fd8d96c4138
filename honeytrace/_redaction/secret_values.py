"""Decide whether the value that a text gives to a name is a secret.

Under a secret name there are also placeholders, references, types and words about the secret.
"""

from __future__ import annotations

import re
from functools import lru_cache

from honeytrace._redaction.lazy import expression
from honeytrace._redaction.marker import MARK
from honeytrace._redaction.randomness import looks_secret
from honeytrace._redaction.secret_names import NUMERIC_RULES, Name, is_likely, judge

SCHEME = expression(
    r"(?:Basic|Bearer|Digest|Negotiate|Token|Api-?Key|Api-Token|AWS4-HMAC-SHA256|Hawk|OAuth)[ ]",
    re.IGNORECASE,
)
"""The first word of the value of an authorization header."""

PROBE_CHARACTERS = 256
"""The first characters of a bare value decide: none that is not a secret is longer."""

_CLOSING = ")]}>.,;:*!"
_MAX_VALUES = 1024  # values that are remembered, since texts say the same again
_TELLS_NOTHING = expression(
    r"""(?:(?:basic|bearer|token)[ ])? (?:
      (?: any|await|basic|bearer|bool|boolean|byte|bytes|char|chararray|configured|credentials
      |default|dict|digest|disabled|empty|enabled|env|error|expired|false|final|float
        |forgot|function|generated|hidden|include|incorrect|inherit|int|integer|invalid|kerberos
        |list|masked
        |missing|negotiate|never|new|nil|no|none|not|ntlm|null|number
        |oauth|oauth2|object|off|ok|omit|on|optional|password|prompt|public|redacted|removed
        |required
        |same|secret|securestring|secretstr|self|stdin|str|string
        |text|todo|true|type|unchanged|undefined|unknown|unset|user|valid|value|varchar|void
        |wrong|yes )(?:[^\w\s-].*)?
    | same-origin | X(?:-[A-Za-z]{2,16}){1,4} | (?:proxy-)?authori[sz]ation | set-cookie2?
    | [0-9]+(?:\.[0-9]+){3,} | urn:[a-z0-9-]+:.*
    | &str | \$\{[^{}]*\}? | \$[A-Za-z_]\w* | \$\(.* | \{+[ ]?[\w.\[\]"'$!-]*[ ]?\}* | <[^<>]*>?
    | \$?\[[\w \-.]*\]? | %\w+% | @\w+@?
    | %[sdrvq] | %\(\w+\)s | \#\{.*\}? | (?:file|env|fd):.*
    | [A-Za-z]{2,4}[-_](?:[A-Za-z]{2,8}[-_])?(?:\.{3}|\u2026|\*+|[xX]{3,})?
    | :?[*.xX\u2022\u2026_#-]+ | __\w+__ | \W{1,3} | :\w+ | \?
    | (?:self|this|cls|os|process|env|config|settings|args|options|opts|params|request|req|ctx
    |props|state|data|user|var|local|module|secrets|vars|github|steps|inputs|System
    |Environment)\.[A-Za-z_]\w*.*
    | (?:your|my|the|an?|some|enter|insert|add|put|replace|change|example|sample|dummy|fake|test
    |placeholder)(?:[-_ ][a-z]+)*
      [-_ ](?:key|token|secret|password|pass|here|it|me|value|string|goes|passphrase|credentials?)s?
    | (?:changeme|change[-_]?it|xxx+.*|placeholder|example|redacted|masked|\W*(?:redacted|hidden
    |masked|removed)\W*)
    | \{\s{0,8}\\{0,2}"(?:type|\$ref|anyOf|description|title)\\{0,2}".* )""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_CALL = expression(
    r"[A-Za-z_$][\w.$:]*(?:\(|\[|->|\?\.|(?<=::)<).*|[A-Z]\w*<[A-Z&'].*"
    r"|[A-Za-z_]\w*<[\w.\[\]|, ]{1,64}>?\(?|&[A-Za-z_][\w.:]*\{.*"
    r"|(?:new|await|typeof|lambda|not|func|fn)\s.*",
    re.DOTALL | re.ASCII,
)
_REFERENCE = expression(r"[$@&*]{0,2}(?:[A-Za-z_]\w*(?:\.|::|->|\?\.))*[A-Za-z_]\w*[!?]?", re.ASCII)
_INTERPOLATED = expression(
    r"""[\#$]?\{{1,2}[\w .:|?()\[\]'"!$-]*\}{1,2}|(?<![A-Za-z0-9])\$[A-Za-z_]{3,}[0-9]{0,2}(?!\w)"""
    r"""|%\(\w+\)s|%[sd]|<[\w -]*>"""
    r"""|\$\([^()]*\)"""
)
_PROSE = expression(r"[A-Za-z][a-z']*[.,;:!?]?[ ]+[A-Za-z][a-z']*(?![\w=:-])")
_ABOUT_ITSELF = expression(
    r"(?i)\b(?:your|enter|must|should|invalid|incorrect|required|please|forgot|change|reset"
    r"|confirm|does not|is not|missing|passwords?|tokens?|secrets?|keys?|cookies?)\b"
)
_SNAKE = expression(r"_*(?:[A-Za-z]+[0-9]{0,2}_+)+[A-Za-z]+[0-9]{0,2}|(?:[A-Z][a-z]+)+[0-9]{0,2}")
_WORD = expression(r"[^\W\d]+(?:\.[^\W\d]+)*")
_SPELLED = expression(r"[\w-]{1,256}")
_WORDS = expression(r"[^\W\d_]+|\d+")
_LONG_WORD = expression(r"\w{6}")
_MIN_DIGITS = 6  # of a number that is a secret under any name
# Words that follow a name in a sentence.
_FILLER_WORDS = """
    and are argument can cannot flag for from if in is may must not on option options or
    should the to with
"""
_FILLERS = frozenset(_FILLER_WORDS.split())


def is_prose(text: str, start: int) -> bool:
    """Return whether words of English begin here."""
    return _PROSE.match(text, start) is not None


@lru_cache(_MAX_VALUES)
def _judged(value: str, name: Name, label: str) -> bool:
    given = value.strip()
    mark = MARK.match(given)
    if mark:
        return mark.end() < len(given.rstrip(_CLOSING))
    if not given or _repeats(given, label):
        return False
    return (_is_sure if name.sure else _is_likely)(given, name, label)


def _is_likely(given: str, name: Name, label: str) -> bool:
    """Return whether a value under a likely name is a secret: it has to look like one."""
    if given.isdigit() and name.rule == "token" and len(given) >= _MIN_DIGITS and label != "":
        return True
    return is_likely(name, given) and not _TELLS_NOTHING.fullmatch(given)


def _is_sure(given: str, name: Name, _label: str) -> bool:
    """Return whether a value under a sure name is a secret: unless it tells nothing of one."""
    if _TELLS_NOTHING.fullmatch(given):
        return False
    if given.isdigit():
        return len(given) >= _MIN_DIGITS or (
            name.rule in NUMERIC_RULES and name.rule != "key" and len(given) > 1
        )
    word = is_word(given.replace(" ", "_"))
    if word and (judge(given) or (name.rule == "code" and given.islower())):
        return False
    if not _INTERPOLATED.search(given):
        return True
    return _LONG_WORD.search(_INTERPOLATED.sub("", SCHEME.sub("", given))) is not None


def _repeats(value: str, label: str) -> bool:
    """Return whether a value only repeats its name, or at least three words of it.

    An example is `PSK_AES_128 = "PSK-AES128"`.
    """
    said, own = (each.rpartition(".")[2].lower().strip("_") for each in (value, label))
    words = _WORDS.findall(said) if _SPELLED.fullmatch(said) else []
    # Fewer words may be a secret: POSTGRES_PASSWORD=postgres.
    return said == own or (len(words) > 2 and set(_WORDS.findall(own)).issuperset(words))


def is_secret(value: str, name: Name, label: str = "") -> bool:
    """Return whether a value of a text, without its quotes, is a secret under this name."""
    judged = _judged if len(value) <= PROBE_CHARACTERS else _judged.__wrapped__
    return judged(value, name, label)


def is_word(given: str) -> bool:
    """Return whether a value is a word without digits, or several that are joined by dots."""
    return _WORD.fullmatch(given) is not None


def is_sentence(text: str, start: int, word: str) -> bool:
    """Return whether a word that begins here goes on with a sentence, and is not a value."""
    return is_prose(text, start) or word.lower() in _FILLERS


def is_about_itself(given: str) -> bool:
    """Return whether a text says something about a secret: `enter your password`."""
    return _ABOUT_ITSELF.search(given) is not None


def is_call(given: str) -> bool:
    """Return whether a value that is not quoted begins as a call in code does."""
    return _CALL.match(given) is not None


def is_source(given: str) -> bool:
    """Return whether a value that is not quoted is code: a call, a reference, the name of one."""
    return is_call(given) or is_reference(given)


def is_reference(given: str) -> bool:
    """Return whether a value names where the secret is: `self.auth.token`, `my_password`."""
    if not _REFERENCE.fullmatch(given) or any(map(looks_secret, re.split(r"[.:>]+", given))):
        return False
    digits = any(map(str.isdigit, given))
    path = re.split(r"\.|::", given)
    if len(path) > 1:
        return not digits or judge(path[-1]) is not None
    if _SNAKE.fullmatch(given) and "_" in given and digits:
        return True
    return not digits and judge(given) is not None
