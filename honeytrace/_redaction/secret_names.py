"""Tell by a name whether its value is a secret: `password`, `X-Api-Key`, `clientSecret`.

A name is split into words, in lower case and joined by underscores; the lists below are of such
words. To add a name, add a word to a list. A name is `SURE` if whatever is under it is a secret,
and
`LIKELY` if its value has to look like one: a token of a language model is a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from honeytrace._redaction.marker import MARK
from honeytrace._redaction.randomness import is_uuid, looks_issued, looks_secret

NUMERIC_RULES = {"password", "secret", "key", "code"}
"""The rules whose secrets may be numbers."""

MAX_NAME_CHARACTERS = 128
"""Characters of a name that is remembered, or looked for in a text."""

_MAX_NAMES = 4096  # names that are remembered

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\dA-Za-z_]+")

_ACCENTS = re.compile("[\u0300-\u036f]")
_LETTERS = str.maketrans(
    {"ł": "l", "Ł": "L", "ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "\u0131": "i"}
)

_PASSWORDS = """
    [a-z]*pass_?(?:word|wd|phrase|code)s? pwds? pswd psk passwd pass_?w pw
    (?:admin|app|auth|bind|database|db|email|ftp|http|imap|jdbc|key|ldap|login|mail|mongo|mqtt|my
      |mysql|pg|postgres|proxy|rabbitmq|redis|root|sftp|smtp|sql|ssh|store|sudo|user|vpn|wifi
      |wlan)_?pass
    pass_?phrase [a-z]*passwor[dt]e?s? [a-z]*kennwort [a-z]*passwort mot_?(?:de_?)?passe mdp
    contrasenas? clave_?(?:secreta|acceso|privada|api|de_acceso)? senhas? palavra_?passe
    parola(?:_d_ordine)? wachtwoord haslo losenord adgangskode passord salasana heslo
    jelszo sifre parole? пароль пароли 密码 密碼 口令 パスワード 暗証番号 비밀번호 암호
    κωδικός סיסמה كلمة_المرور كلمة_السر पासवर्ड mat_khau kata_sandi katasandi รหัสผ่าน
"""
_SECRETS = """
    [a-z]*secrete?s? mnemonic seed_?phrase seed_?words geheimnis secreto segreto segredo geheim
    sekret
    recovery_?phrase 秘密 密钥 密鑰 シークレット 비밀 секрет
"""
_COOKIES = """
    (?:session|http)?cookies? jsessionid phpsessid connect_?sid sessid asp_net_session_id
    laravel_session
"""
_AUTHORIZATIONS = "(?:proxy)?authori[sz]ation (?:basic|http)?auth(?=$|_header|_value|_hash|_string)"
_CREDENTIALS = (
    "credentials? creds? cred zugangsdaten anmeldedaten credenciales credenziali credenciais"
    " identifiants"
)
_CONNECTIONS = "dsn conn(?:ection)?_?str(?:ing)?s? sas_?url(?:s)?"
_CODES = """
    t?otp mfa_?code cvv cvc ssn pin(?=$|_code|_number) (?:backup|recovery|security|two_factor
    |verification
      |mfa|one_time)_?codes? social_?security(?:_number)? card_?number credit_?card iban
"""
_KEY_OWNERS = """
    access account admin api app application auth aws azure client consumer customer decryption
    deploy
    encryption enc developer gpg hmac host hosted integration license licence master pgp priv
    private
    project rest root rsa secret server service session shared shared_access sign signing
    signature ssh
    ssl stripe storage subscription tls user webhook write read pem jwt cipher crypto aes des bot
    cert
    artifactory cloudant ibm jfrog softlayer adafruit adobe ai21 airtable algolia alibaba alchemy
    amplitude anthropic anyscale apify apollo asana
    assemblyai atlassian auth0 baseten beehiiv bing birdeye bitbucket braintree braintrust brave
    brevo
    browserbase buildkite bunny cartesia cerebras circleci claude clerk clickhouse cloudflare
    cloudinary
    cohere coinbase confluent contentful coze datadog dashscope databricks deepgram deepinfra deepl
    deepseek digitalocean discord docker doppler dropbox e2b elastic elasticsearch elevenlabs
    etherscan
    exa facebook fal fastly figma finnhub firebase firecrawl fireworks flutterwave freshdesk
    friendli
    gemini giphy github gitlab google grafana groq helicone heroku hf honeycomb honeyhive hubspot
    huggingface hyperbolic infura intercom ipinfo jina jira kagi langchain langfuse langsmith
    launchdarkly lepton linear linkedin litellm llama llamacloud llm lmnt logfire looker mailchimp
    mailgun mandrill mapbox maps maxmind meta mistral mixpanel modal moonshot netlify newrelic
    new_relic ngrok nomic notion novita npm nvidia octoai okta ollama omdb opencage openai
    openrouter
    openweather openweathermap opsgenie pagerduty paypal perplexity pinecone plaid polygon portkey
    posthog postman postmark prefect pulumi pusher qdrant qwen rapidapi razorpay reka render
    replicate
    resend roboflow rollbar runpod salesforce sambanova scrapingbee segment sendgrid sentry serp
    serpapi serper shippo shodan shopify siliconflow slack snowflake snyk sonar sourcegraph spotify
    square stability stabilityai supabase tavily telegram tencent together trello turbopuffer twilio
    twitch twitter typeform typesense unsplash unstructured upstage upstash vercel vertex virustotal
    volcengine voyage vultr wandb weather weatherapi weaviate wolfram woocommerce workos writer xai
    xi yandex yelp you youtube zapier zendesk zhipu zhipuai
"""
_ACCESS_OWNERS = """
    access api app apple auth authentication bearer bot bots ca challenge ci client crates csrf
    csrfmiddleware deploy
    device discord fcm gh git github gitlab google gql heroku hf hub huggingface id identity install
    invite jira jwt login magic_link management mfa mapbox notion npm oauth
    password_reset personal personal_access push pypi refresh registration remember replicate
    request reset
    runner sas secret security sentry service service_account session signed slack sonar
    sts temporary telegram tfe twilio user vault verification web webhook x xsrf zapier
"""

# Secret by one of its words, but the name of something else: in English the last word decides.
_ABOUT = re.compile(
    r"""_(?:address|alg|algorithm|algo|arn|at|attempts?|audience|banner|budget|cache|changed
        |chars|class
      |column|consent|costs?|counts?|created|date|days|desc|description|details?|dir|domain
      |embeddings?
      |enabled|encoding|endpoint|env|errors?|exchange|exists|expir(?:ation|es|y)|expires_(?:at
      |in)|factory|failed|fd|field
      |file|filename|fingerprint|flow|form|format|func|function|fn|handler|help|ids?|index|info
      |issued|issuer|kind|label
      |latency|len|length|level|lifetime|limits?|link|list|logprobs?|loss|manager|mask|max
      |message|method|metadata
      |middleware|min|missing
      |mode|model|names?|number_of|offset|page|path|pattern|placeholder|policy|popup|position
      |prefix|present|price
      |prob(?:abilitie)?s?|probability|prompt|property|provider|rank|rates?|ratio|reader|regex
      |remaining|required|requirements?
      |reset|rotation|rules?|santa|schema|scheme|scopes?|score|set|settings?|shape|size|source
      |spans?|start|state|stats
      |status|store|stream|strategy|strength|suffix|text|texts|threshold|throughput|time|timeout
      |ttl|types?|updated
      |uri|url|urls|usage|used|valid|validation|validator|version|view|warning|weights?|window
      |words)$
    | (?:^|_)hint$ | ^(?:accept|allow|no|num|has|is|needs|needed|requires?|use|uses|with|without
    |enable|disable|forgot|show|hide|reject
      |total|max|min|n|avg|average)_
    | ^(?:[a-z_]+_)?(?:added|attention|audio|avg|begin|blank|bos|cached|class|cls|completion
    |continuation|continue|current
      |cursor|decoder|decoded|delta|draft|each|end|eos|eot|fake|first|generated|image|input|last
      |lex|mask|max|min|new|next
      |next_page|num|oov|output|pad|padding|page|pagination
      |parser|per|pivot|prefix|prev|previous|prompt|reasoning|resume|sep|separator|single|skip
      |special|start|stop
      |sub|suffix|sync|target|text|thinking|top|total|unk|unknown|used|video|vision|vocab|word
      |img|speech)_tokens?$
    | ^(?:token|key)_str$ | ^(?:santa|secret_(?:santa|sauce|garden|service|ingredient))$
    | (?:^|_)author(?:ization_(?:code|server|endpoint|url))?$ | ^code_?pass$""",
    re.VERBOSE,
)
_PLAIN_KEYS = [
    "accelerator",
    "alt",
    "answer",
    "aria",
    "arrow",
    "array",
    "attr",
    "bar",
    "base",
    "black",
    "block",
    "bucket",
    "by",
    "cache",
    "candidate",
    "car",
    "cfg",
    "child",
    "chord",
    "col",
    "column",
    "combo",
    "compare",
    "composite",
    "compound",
    "config",
    "context",
    "count",
    "country",
    "cross",
    "ctrl",
    "data",
    "dedup",
    "dedupe",
    "default",
    "delete",
    "dict",
    "dictionary",
    "distribution",
    "down",
    "edge",
    "element",
    "end",
    "enter",
    "entity",
    "entry",
    "env",
    "error",
    "escape",
    "event",
    "extra",
    "feature",
    "field",
    "file",
    "first",
    "foreign",
    "form",
    "function",
    "group",
    "grouping",
    "hash",
    "hot",
    "house",
    "idempotency",
    "image",
    "index",
    "input",
    "item",
    "join",
    "json",
    "jump",
    "keyboard",
    "label",
    "lang",
    "language",
    "last",
    "left",
    "legend",
    "line",
    "list",
    "locale",
    "lock",
    "lookup",
    "low",
    "main",
    "map",
    "message",
    "meta",
    "metadata",
    "metric",
    "min",
    "model",
    "monitor",
    "name",
    "namespace",
    "natural",
    "new",
    "next",
    "node",
    "object",
    "old",
    "on",
    "option",
    "order",
    "output",
    "page",
    "parameter",
    "parent",
    "part",
    "partition",
    "path",
    "piano",
    "pixel",
    "plot",
    "point",
    "press",
    "prev",
    "primary",
    "problem",
    "product",
    "prop",
    "property",
    "public",
    "publishable",
    "pub",
    "query",
    "queue",
    "range",
    "record",
    "ref",
    "reference",
    "relation",
    "result",
    "return",
    "reverse",
    "right",
    "room",
    "route",
    "routing",
    "row",
    "rule",
    "s3",
    "schema",
    "score",
    "search",
    "section",
    "select",
    "sequence",
    "series",
    "set",
    "setting",
    "shift",
    "shortcut",
    "skip",
    "slot",
    "sort",
    "source",
    "space",
    "spatial",
    "special",
    "start",
    "state",
    "state",
    "status",
    "step",
    "stop",
    "store",
    "str",
    "string",
    "style",
    "super",
    "sub",
    "surrogate",
    "symbol",
    "tab",
    "table",
    "tag",
    "target",
    "task",
    "template",
    "text",
    "theme",
    "thread",
    "time",
    "topic",
    "translation",
    "tree",
    "trigger",
    "turn",
    "type",
    "unique",
    "up",
    "url",
    "value",
    "values",
    "var",
    "view",
    "widget",
    "with",
    "word",
    "world",
    "x",
    "y",
    "z",
    "trace",
    "idx",
    "feed",
    "dynamic",
    "cursor",
    "color",
    "colour",
    "category",
    "chart",
    "claim",
    "class",
    "cluster",
    "component",
    "content",
    "copy",
    "cond",
    "condition",
    "db",
    "dataset",
    "document",
    "dom",
    "doc",
    "download",
]
_PIN = re.compile(
    r"(?:(?:account|atm|bank|card|customer|debit|device|login|my|new|old|phone|security|sim"
    r"|user)_)*"
    r"pin(?:_code|_number)?"
)
_TYPES = {"array", "boolean", "integer", "null", "number", "object", "string"}


class Name(NamedTuple):
    """What a name says about its value.

    Attributes:
        rule: the rule that the marker names.
        sure: whether any value under the name is a secret; else it has to look like one.
    """

    rule: str
    sure: bool


def _any_of(words: str) -> str:
    return "|".join(re.sub(r"\s+\|", "|", words).split())


def _owners(words: str) -> str:
    """Return an expression for owners, written with or without underscores."""
    return "|".join(sorted(set(words.split()), key=len, reverse=True))


_SURE = re.compile(
    rf"""(?:^|_)(?:
        (?P<token> (?:{_owners(_ACCESS_OWNERS)})_?tokens? | jwts? | bearer | csrf | xsrf )
      | (?P<password> {_any_of(_PASSWORDS)} )
      | (?P<cookie> {_any_of(_COOKIES)} )
      | (?P<authorization> {_any_of(_AUTHORIZATIONS)} )
      | (?P<credentials> {_any_of(_CREDENTIALS)} )
      | (?P<connection> {_any_of(_CONNECTIONS)} )
      | (?P<key> (?:my)?(?:[a-z]{{2,16}})?api_?keys? | (?:{_owners(_KEY_OWNERS)})_?keys? |
      ap_ikeys? | art_api
          | key_(?:id_)?secret | (?:private|secret|api|ssh|encryption)_?(?:schlu(?:e)?ssel)
          | (?:api)_?schlue?ssel | cle_?(?:api|secrete|privee)
          | clave_?(?:api|secreta|privada) | chave_?(?:api|secreta|privada) | chiave_?(?:api
          |segreta|privata)
          | api_?密钥 | api_?キー | api_?ключ | ключ_?api | (?:azure|github|gitlab|gh|jira)_?pat |
          privkey | pkey$ )
      | (?P<code> {_any_of(_CODES)} )
      | (?P<secret> {_any_of(_SECRETS)} )
    )(?=_|$)""",
    re.VERBOSE,
)
_LIKELY = re.compile(
    r"""(?: (?:^|_)(?P<token> [a-z]*tokens? ) | (?:^|_)(?P<key> [a-z0-9]{2,20}_keys? |
        [a-z]{2,20}key | key)
      | (?:^|_)(?P<password> pass ) | (?:^|_)(?P<session> (?:session|sess|sid) ) )$""",
    re.VERBOSE,
)
_HINT_WORDS = (
    "pass|pw|pswd|psk|cookie|sess|connect|auth|cred|dsn|conn|key|pat|otp|code|cvv|cvc|ssn|pin"
    "|iban|sas|sid|social|card|secre|sekret|geheim|seg|mnemonic|seed|token|jwt|bearer|csrf|xsrf|recovery"
    "|kenn|wort|mdp|contrase|clave|senha|palavra|parol|wacht|haslo|losen|adgang|salas|heslo|jelsz|ifre"
    "|zugang|anmelde|identifiant|schl|cle|chave|chiave|kata"
)
# By the first letter, so that `re` dismisses most of them at once.
_HINTS = re.compile(
    "|".join(
        f"{letter}(?:{'|'.join(word[1:] for word in words)})"
        for letter, words in groupby(sorted(_HINT_WORDS.split("|")), itemgetter(0))
    )
)


def _without_accents(name: str) -> str:
    """Return the name with its Latin letters in ASCII."""
    letters = unicodedata.normalize("NFD", name.translate(_LETTERS))
    return unicodedata.normalize("NFC", _ACCENTS.sub("", letters))


def _judge(name: str) -> Name | None:
    if not name.isascii():
        name = _without_accents(name)
    elif not _HINTS.search(name.lower()) or name == "accesskey":  # an attribute of HTML
        return None
    words = "_".join(_WORDS.findall(MARK.sub("", name))).lower()
    *_, found = None, *_SURE.finditer(words)  # the last word is the noun of a compound
    if _ABOUT.search(words):
        return None
    if found is None:
        return _judge_likely(words)
    rule = found.lastgroup or ""
    if rule == "code" and "pin" in found[0] and not _PIN.match(words):
        return None
    if rule == "key" and words.startswith(("public_", "foreign_", "primary_")):
        return None
    return Name(rule, True)


def _judge_likely(words: str) -> Name | None:
    found = _LIKELY.search(words)
    if found is None:
        return None
    rule = found.lastgroup or ""
    if rule == "key":
        owner = found[0].strip("_").removesuffix("s").removesuffix("key").strip("_")
        if owner in _PLAIN_KEYS or words.rpartition("_key")[0].split("_")[-1:] == ["public"]:
            return None
    return Name("token" if rule == "session" else rule, False)


_remembered = lru_cache(_MAX_NAMES)(_judge)


def judge(name: str) -> Name | None:
    """Return what a name says about its value, or None if it is not secret."""
    return _remembered(name) if len(name) <= MAX_NAME_CHARACTERS else _judge(name)


def may_hold_secret(text: str) -> bool:
    """Return whether a part of a text may be a secret name."""
    return not text.isascii() or _HINTS.search(text.lower()) is not None


def rule(name: str) -> str | None:
    """Return the rule of a name whose value is a secret, or None."""
    found = judge(name)
    return found.rule if found else None


def hides(name: Name, value: Any) -> bool:
    """Return whether a value under a secret name is a secret: `has_password: true` is not."""
    if value is None or value is True or value is False:
        return False
    if not name.sure:
        return type(value) is str and is_likely(name, value)
    if type(value) is int or type(value) is float:
        return name.rule in NUMERIC_RULES
    if type(value) is str:
        return value != "" and not MARK.fullmatch(value)
    if type(value) is dict:
        return bool(value) and not _is_schema(value)
    return not (type(value) is list and not value)


def is_likely(name: Name, value: str) -> bool:
    """Return whether a value looks like a secret of the kind that the name may be for."""
    if name.rule == "token":
        return looks_secret(value) or looks_issued(value)
    return looks_secret(value) and not (name.rule == "key" and is_uuid(value))


def _is_schema(value: dict[str, Any]) -> bool:
    """Return whether this describes a value, as the parameters of a tool do."""
    kind = value.get("type")
    return (type(kind) is str and kind in _TYPES) or "$ref" in value or "anyOf" in value


def any_secret(names: Collection[str]) -> bool:
    """Return whether one of these names is secret."""
    return any(map(judge, names))
