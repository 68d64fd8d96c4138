"""What is secret by the name that it stands under."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from honeytrace._redaction.marker import MARK

NUMBERS = {"password", "secret", "key", "code"}
"""The rules whose secrets may be numbers."""

LONGEST = 128
"""Characters of a name that is remembered, or looked for in a text."""

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

HINTS = (
    "pass|pwd|pswd|psk|cookie|sess|connect|auth|cred|dsn|conn|key|pat|otp|code|cvv|cvc|ssn|pin"
    "|social|card|secret|mnemonic|seed|token|jwt|bearer|csrf|xsrf"
)
"""Every secret name holds one of these; most names are dismissed by that alone."""

_HINT = re.compile(HINTS, re.IGNORECASE)

# Over the words of a name, in lower case and joined by underscores.
_SECRET = re.compile(
    r"""(?:^|_)(?:
      (?P<password> [a-z]*pass_?(?:word|wd|phrase|code)s? | pwd | pswd | psk
        | (?:admin|database|db|email|ftp|http|imap|jdbc|key|ldap|login|mail|mongo|mysql|pg|postgres
            |proxy|rabbitmq|redis|root|sftp|smtp|ssh|store|user|wifi)_?pass )
    | (?P<cookie> (?:session|http)?cookies? | jsessionid | phpsessid | connect_sid )
    | (?P<authorization> (?:proxy)?authorization | (?:basic|http)?auth )
    | (?P<credentials> credentials? | creds? )
    | (?P<connection> dsn | conn(?:ection)?_?str(?:ing)?s? )
    | (?P<key> (?:access|account|admin|anthropic|api|app|application|auth|aws|azure|client|cohere
        |decryption|deepseek|deploy|elevenlabs|encryption|fireworks|gemini|google|gpg|groq|hf|hmac
        |honeyhive|huggingface|jina|langfuse|langsmith|license|master|mistral|nvidia|openai
        |openrouter|perplexity|pgp|pinecone|private|replicate|root|rsa|secret|sendgrid|server
        |service|shared|shared_access|signing|ssh|storage|stripe|subscription|together|twilio
        |voyage|wandb|webhook|langchain|tavily|xai)_?keys? | ap_ikeys?
        | (?:azure|github|gitlab)_?pat )
    | (?P<code> t?otp | mfa_?code | cvv | cvc | ssn | pin(?=$|_code|_number)
        | (?:backup|recovery|security|two_factor|verification)_?codes?
        | social_?security(?:_number)? | card_?number | credit_?card )
    | (?P<secret> [a-z]*secrets? | mnemonic | seed_phrase )
    | (?P<token> (?:access|api|auth|bearer|bot|csrf|csrfmiddleware|device|id|personal|push|refresh
        |sas|security|service|session|user|xsrf)_?tokens? | token | jwts? | bearer | csrf | xsrf )
    )(?=_|$)""",
    re.VERBOSE,
)

# Secret by its words, but the name of something else: what is last decides, in English.
_ABOUT = re.compile(
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
    | ^token_str$""",
    re.VERBOSE,
)
_PIN = re.compile(
    r"^(?:(?:account|atm|bank|card|customer|debit|device|login|my|new|old|phone|security|sim|user)_)*"
    r"pin(?:_code|_number)?$"
)
_TYPES = {"array", "boolean", "integer", "null", "number", "object", "string"}


def _rule(name: str) -> str | None:
    if not _HINT.search(name):
        return None
    words = "_".join(_WORDS.findall(MARK.sub("", name))).lower()
    *_, found = None, *_SECRET.finditer(words)  # the last is the noun of a compound
    if found is None or _ABOUT.search(words):
        return None
    if found.lastgroup == "code" and "pin" in found[0] and not _PIN.match(words):
        return None
    return found.lastgroup


_remembered = lru_cache(4096)(_rule)
_plain: set[str] = set()  # names that are known not to be secret
_PLAIN = 4096


def rule(name: str) -> str | None:
    """The rule by which what stands under this name is a secret, if it is one."""
    return _remembered(name) if len(name) <= LONGEST else _rule(name)


def any_secret(names: Collection[str]) -> bool:
    """Whether one of these names is; most often all were seen before, and that is soon told."""
    if _plain.issuperset(names):
        return False
    unknown = set(names) - _plain
    plain = {name for name in unknown if not rule(name)}
    if plain:
        if len(_plain) > _PLAIN:
            _plain.clear()
        _plain.update(name for name in plain if len(name) <= LONGEST)
    return plain != unknown


def tells(found: str, value: Any) -> bool:
    """Whether a value under a secret name has something to hide: `has_password: true` has not."""
    if value is None or value is True or value is False:
        return False
    if type(value) is int or type(value) is float:
        return found in NUMBERS
    if type(value) is str:
        return value != "" and not MARK.fullmatch(value)
    if type(value) is dict:
        return bool(value) and not _is_schema(value)
    return not (type(value) is list and not value)


def _is_schema(value: dict[str, Any]) -> bool:
    """Whether this says what a value has to be, as the parameters of a tool do."""
    kind = value.get("type")
    return (type(kind) is str and kind in _TYPES) or "$ref" in value or "anyOf" in value
