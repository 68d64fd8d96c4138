"""What counts as a secret, by name and in a text, and what does not."""

from __future__ import annotations

import base64

import pytest

from honeytrace import _secrets
from honeytrace._secrets import mark, names

A = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7"  # 27 characters, as a key might have


def clean(text: str) -> str:
    return _secrets.without(text)


# ---- Names

SECRET = {
    "password": """password Password PASSWORD DB_PASSWORD dbPassword userPassword user-password
        password2 new_password passwordHash passwd mysql_pwd pwd passphrase PGPASSWORD smtp_pass
        passcode db.password password_confirmation""",
    "secret": "secret client_secret clientSecret ClientSecret secrets webhookSecret seed_phrase",
    "token": """token access_token accessToken AccessToken refresh-token id_token authToken
        api_tokens GITHUB_TOKEN bot_token token2 x-csrf-token csrfmiddlewaretoken
        sessionToken jwt bearer XSRF-TOKEN accesstoken X-Amz-Security-Token password_reset_token""",
    "key": """api_key apiKey APIKey apikey API-KEY x-api-key OPENAI_API_KEY OPENAI_API_KEY_STAGING
        access_key secretAccessKey private_key privateKey signing_key encryptionKey AccountKey
        Ocp-Apim-Subscription-Key SharedAccessKey api_keys ssh_key openai_key api_key_2""",
    "authorization": "Authorization proxy-authorization auth basic_auth authHeader http_auth",
    "cookie": "cookie Cookie Set-Cookie session_cookie cookies JSESSIONID PHPSESSID connect.sid",
    "credentials": "credential credentials awsCredentials creds",
    "connection": "dsn SENTRY_DSN connection_string connectionString ConnectionStrings conn_str",
    "code": """otp totp pin user_pin pinCode cvv CVV2 cvc ssn social_security_number card_number
        creditCard credit_card_number security_code verification_code recovery_codes mfa_code""",
}
PLAIN = """token_count tokenCount total_tokens prompt_tokens completion_tokens max_tokens tokens
    token_type tokenType token_usage token_ids session_id sessionId author authored authors
    secretary cookies_enabled tokenizer key keys primary_key foreign_key keyboard cache_key
    passed compass bypass pass pass_rate next_page_token page_token nextPageToken NextToken
    input_tokens_details eos_token bos_token stop_token pad_token time_to_first_token token_str
    spin pinned opinion pin_memory gpio_pin shopping password_policy token_limit tokens_per_second
    auth_type secret_name secretary_name public_key api_key_id passenger monkey cardinality
    codec authenticity token_logprobs description dsname inputs outputs metadata honeytrace"""


@pytest.mark.parametrize(("rule", "names"), SECRET.items())
def test_secret_names(rule, names):
    """A name is secret by its whole words, in whatever way they are put together."""
    assert {name: _secrets.rule(name) for name in names.split()} == dict.fromkeys(
        names.split(), rule
    )


def test_plain_names():
    """What only resembles a secret name, or tells about a secret, is left alone."""
    assert {name for name in PLAIN.split() if _secrets.rule(name)} == set()


def test_names_with_spaces_and_endless_ones():
    """A name may be spelled with spaces; one of any length is judged, and not remembered."""
    before = names._remembered.cache_info().currsize
    assert _secrets.rule("x" * 500 + " api key") == "key"
    assert names._remembered.cache_info().currsize == before


@pytest.mark.parametrize(
    ("rule", "value", "told"),
    [
        ("password", 1234, True),
        ("code", 1234, True),
        ("token", 1234, False),
        ("password", None, False),
        ("password", True, False),
        ("password", "", False),
        ("credentials", {}, False),
        ("credentials", {"a": 1}, True),
        ("cookie", [], False),
        ("password", "[REDACTED:openai]", False),
        ("password", "[REDACTED:hunter2]", True),
        ("password", "false", True),
    ],
)
def test_what_a_value_tells(rule, value, told):
    """A number may be a password but no token; nothing, a yes and a mark tell no secret."""
    assert _secrets.tells(rule, value) is told


# ---- Keys of known makers

KEYS = {
    "anthropic": [f"sk-ant-api03-{A}-{A}AA", "sk-ant-admin01-abc-def_ghi"],
    "openai": [
        f"sk-{A}{A}",
        f"sk-proj-{A}_{A}-x",
        f"sk-svcacct-{A}",
        f"sk-or-v1-{A}",
        f"sk-lf-{'1a2b3c4d-' * 3}",
        "sk-" + "a" * 24,
    ],
    "honeyhive": [f"hh_{A}", "hh_live_abc_1234567890"],
    "aws": [
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
        "AKIAIOSFODNN7EXAMPLE\nwJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ],
    "google": ["AIzaSyA-" + A + "12345", f"GOCSPX-{A}"],
    "github": [f"{kind}_{A}{A[:9]}" for kind in ("ghp", "gho", "ghu", "ghs", "ghr")]
    + [f"github_pat_11ABCDEFG0_{A}"],
    "gitlab": ["glpat-" + A[:20], "glrt-" + A[:20]],
    "slack": ["xoxb-123456789012-123456789012-" + A[:24], "xapp-1-A012-345-" + A],
    "stripe": ["sk_live_" + A, "rk_live_" + A, "sk_test_" + A, "whsec_" + A],
    "huggingface": [f"hf_{A}{A[:7]}"],
    "groq": [f"gsk_{A}{A[:25]}"],
    "replicate": [f"r8_{A}{A[:10]}"],
    "twilio": ["SK0123456789abcdef0123456789abcdef"],
    "npm": [f"npm_{A}{A[:9]}"],
    "pypi": [f"pypi-AgEIcHlwaS5vcmc{A}", f"pypi-{A}"],
    "jwt": ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + A, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi"],
    "maker": [f"xai-{A}", f"pplx-{A}", f"tvly-dev-{A}", f"lsv2_pt_{A}", "dapi" + "0a" * 16],
    "private_key": [
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----\\n"[:-2],
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\nabc\n-----END PGP PRIVATE KEY BLOCK-----",
    ],
}
AROUND = [
    ("", ""),
    ("the key ", " is in use"),
    ('{"x": "', '"}'),
    ("(", ")"),
    ("a\\n", "\\nb"),
    ("x%3D", "&y"),
    ("é😀 ", " …"),
    ("_", "."),
    ("my-key-", ""),
]


@pytest.mark.parametrize(("rule", "keys"), KEYS.items())
def test_keys_of_known_makers(rule, keys):
    """A key is replaced wherever it stands, and the text around it stays."""
    for key in keys:
        for before, after in AROUND:
            if (rule, after) == ("jwt", "."):
                continue  # the point is part of the token
            assert clean(before + key + after) == before + mark(rule) + after


@pytest.mark.parametrize(
    ("text", "clean_text"),
    [
        (f"SG.{A}.{A}", "SG.[REDACTED:sendgrid]"),
        (f"ya29.{A}", "ya29.[REDACTED:google]"),
        (f"hvs.{A}", "hvs.[REDACTED:maker]"),
        (f"bot12345678:AA{A}123456", "bot12345678:[REDACTED:maker]"),
        (f"AKIAIOSFODNN7EXAMPLE and {A}", f"[REDACTED:aws] and {A}"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE… [9 more characters]", "[REDACTED:private_key]"),
    ],
)
def test_keys_in_parts(text, clean_text):
    """What introduces a key stays; a private key without its end goes to the end of the text."""
    assert clean(text) == clean_text


# ---- Schemes, URLs

BASIC = base64.b64encode(b"user:hunter2").decode()


@pytest.mark.parametrize(
    ("text", "clean_text"),
    [
        (f"send Bearer {A}.x/y+z== now", "send Bearer [REDACTED:bearer] now"),
        (f"a\\nBearer {A}", "a\\nBearer [REDACTED:bearer]"),
        ("bearer abcdefghijklmnopqrstuvwxyz", "bearer [REDACTED:bearer]"),
        ("Bearer abcDefGhiJklm.", "Bearer [REDACTED:bearer]."),
        (f"Basic {BASIC}", "Basic [REDACTED:basic]"),
        ("postgres://me:hunter2@db/x", "postgres://me:[REDACTED:url]@db/x"),
        ("redis://:hunter2@db", "redis://:[REDACTED:url]@db"),
        ("postgres://me:p@ss@db/x?y=a@b", "postgres://me:[REDACTED:url]@db/x?y=a@b"),
        ("postgres://me:p/ss@db/x", "postgres://me:[REDACTED:url]@db/x"),
        (
            "https://0123456789abcdef0123@o1.ingest.sentry.io/1",
            "https://[REDACTED:url]@o1.ingest.sentry.io/1",
        ),
    ],
)
def test_schemes_and_urls(text, clean_text):
    """Only the credentials go: scheme, user and host stay."""
    assert clean(text) == clean_text


# ---- Assignments

ASSIGNED = [
    ("password=hunter2", "password=[REDACTED:password]"),
    ("password = hunter2", "password = [REDACTED:password]"),
    ("Password: hunter\nnext", "Password: [REDACTED:password]\nnext"),
    ("password: hunter2 and more", "password: [REDACTED:password] and more"),
    ("password: -abc1", "password: [REDACTED:password]"),
    ("pin: 1234", "pin: [REDACTED:code]"),
    ("token=123456", "token=[REDACTED:token]"),
    ("api_key: abc", "api_key: [REDACTED:key]"),
    ("api_key := abc", "api_key := [REDACTED:key]"),
    ("'api_key' => 'abc'", "'api_key' => '[REDACTED:key]'"),
    ('{"token": "a b", "x": 1}', '{"token": "[REDACTED:token]", "x": 1}'),
    ('{"token":"a\\"b","x":1}', '{"token":"[REDACTED:token]","x":1}'),
    ('{\\"token\\": \\"abc\\", \\"x\\": 1}', '{\\"token\\": \\"[REDACTED:token]\\", \\"x\\": 1}'),
    ("{'password': b'abc'}", "{'password': b'[REDACTED:password]'}"),
    ('password = """abc"""', 'password = """[REDACTED:password]"""'),
    ('password="abc', 'password="[REDACTED:password]'),
    ('"secrets": ["a", "b"], "x": 1', '"secrets": [REDACTED:secret], "x": 1'),
    ('"credentials": {"a": "b"}', '"credentials": [REDACTED:credentials]'),
    ('headers["token"] = "abc"', 'headers["token"] = "[REDACTED:token]"'),
    ("export DB_PASSWORD=ab,c;d&e\nX=1", "export DB_PASSWORD=[REDACTED:password]\nX=1"),
    (
        "a\\npassword=abc\\ntoken=d1\\n",
        "a\\npassword=[REDACTED:password]\\ntoken=[REDACTED:token]\\n",
    ),
    ("Server=x;Password=abc;Database=d", "Server=x;Password=[REDACTED:password];Database=d"),
    ("AccountKey=a+b/c1==;Endpoint=c", "AccountKey=[REDACTED:key];Endpoint=c"),
    ("f(user=u, password=abc)", "f(user=u, password=[REDACTED:password])"),
    ("/x?token=a1&b=2&api_key=c", "/x?token=[REDACTED:token]&b=2&api_key=[REDACTED:key]"),
    ("/x?sv=1&sig=ab%2Fc&x=1", "/x?sv=1&sig=[REDACTED:signature]&x=1"),
    ("/x?X-Amz-Signature=abc1", "/x?X-Amz-Signature=[REDACTED:signature]"),
    ("tool --password hunter2 --user bob", "tool --password [REDACTED:password] --user bob"),
    ('--password "--token abc"', '--password "[REDACTED:password]"'),
    ("tool --api-key=abc1 x", "tool --api-key=[REDACTED:key] x"),
    ("Authorization: Digest a, b\nHost: x", "Authorization: [REDACTED:authorization]\nHost: x"),
    ('Authorization: Digest a="b"\nHost', "Authorization: [REDACTED:authorization]\nHost"),
    (
        "curl -H 'Authorization: Token abc def' x",
        "curl -H 'Authorization: [REDACTED:authorization]' x",
    ),
    ("Cookie: a=b; c=d\nHost: x", "Cookie: [REDACTED:cookie]\nHost: x"),
    ("Set-Cookie: sid=abc; Path=/\\r\\nHost: x", "Set-Cookie: [REDACTED:cookie]\\r\\nHost: x"),
    ("X-Api-Key: abc", "X-Api-Key: [REDACTED:key]"),
    ("x%3Fapi_key=abc1%26", "x%3Fapi_key=[REDACTED:key]"),
    ("password=[REDACTED:openai]!rest", "password=[REDACTED:password]"),
    (f"password=x{A}{A * 20}", "password=[REDACTED:password]"),
    (f"Ünïcode 😀 password: 'hünter {A}'", "Ünïcode 😀 password: '[REDACTED:password]'"),
]


@pytest.mark.parametrize(("text", "clean_text"), ASSIGNED)
def test_assignments(text, clean_text):
    """The value that a text gives to a secret name is replaced, in every notation."""
    assert clean(text) == clean_text


# ---- What stays

LEFT = [
    "the token is valid",
    "password must have 8 characters",
    "Password: must have 8 characters",
    "The token: it is valid.",
    "sk-learn, sk-estimator-id-1 and sk-toggleable__content",
    "Bearer of bad news",
    "bearer authentication, Basic understanding, basic JavaScript",
    "git sha 356a192b7913b04c54574d18c28d46e6395428ab",
    "67359083-b9c4-49fe-8854-495b4d60399f",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 4).decode(),
    "total_tokens=15, prompt_tokens: 33, max_tokens=4096",
    '{"token_type": "bearer", "next_page_token": "abc"}',
    "token: 15",
    "api_key=None, token=null, password=true",
    "password='', user='bob'",
    "client = OpenAI(api_key=api_key)",
    "client = OpenAI(api_key=self.settings.api_key)",
    'api_key=os.environ["OPENAI_API_KEY"]',
    "token = get_token()",
    "def login(user: str, password: str) -> None:",
    "password: Optional[str] = None",
    "API_KEY=$OPENAI_KEY and ${TOKEN}, password=${DB_PASSWORD}",
    "api_key: <your key>, token={token}, password={{ password }}, secret=***",
    "Use the `Authorization: Bearer <token>` header",
    "Authorization: Bearer ${TOKEN}",
    "f(password=self._password)",
    "KeyError: 'api_key'",
    "--token is required; run with --password",
    "--password --user bob",
    "use `--token=<token>`",
    "cookies: none",
    "https://example.com:8080/path and https://medium.com:443/@user",
    "git@github.com:a/b.git, ssh://git@github.com/a, mail me@example.com",
    "auth.py:12: in login",
    "signature=abc and sig=abc",
    "x = token",
    "password:",
    "the author: somebody, the key: value",
    "a hundred AKIA keys, SK and eyJ, hf_hub_download, npm_config_registry, hh_mm_ss",
    "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nPRIVATE KEY\n-----END PUBLIC KEY-----",
    "[REDACTED:password] password=[REDACTED:password], token: '[REDACTED:openai]'",
    "",
]


@pytest.mark.parametrize("text", LEFT)
def test_what_stays(text):
    """Prose, code, hashes, images and counts are no secrets: the same object comes back."""
    assert clean(text) is text


@pytest.mark.parametrize(
    "text",
    [text for text, _ in ASSIGNED]
    + [before + key + after for keys in KEYS.values() for key in keys for before, after in AROUND],
)
def test_idempotence(text):
    """A text that was cleaned is clean."""
    once = clean(text)
    assert clean(once) is once


def test_suspects_names_who_finds_something():
    """Only the finders that find something have to go through the texts one by one."""
    found = _secrets.suspects(f"sk-{A} and password=abc")
    assert [finder.__name__ for finder in found] == ["keys", "assignments"]


# ---- Linear time

PIECES = """a|sk-|://a:a:|a:|-----BEGIN|-----BEGIN PRIVATE KEY-----|eyJ|eyJ.|token=|token=none |
token=none.|token|token="|token='''|token={|token=[|auth: none |auth: Bearer <a> |
Authorization: x y |-|--a |--token x y |=|_|a-|AKIAAKIAAKIAAKIAAKIA |bearer |basic aaaaaa |a.a-|\\|token=\\"|SG.a|@://|
password=[REDACTED:token]|token=a,|a@://a:b|token: a a """.replace("\n", "").split("|")


@pytest.mark.parametrize("piece", PIECES)
def test_no_text_takes_for_ever(piece):
    """128 KiB of the worst are done at once; with a square among the steps, it would be minutes."""
    text = (piece * (2**17 // len(piece) + 1))[: 2**17]
    assert len(clean(text)) <= 4 * len(text)


# ---- Code, templates and what was cut


@pytest.mark.parametrize(
    "text",
    [
        "DB_PASSWORD=\nDB_HOST=localhost\n",
        "api_key =\n\n# comment",
        "def login(user, password): return 1",
        "if token: go()",
        "if password == other: go()",
        '{"password": {"type": "string"}, "token": {"type": "string"}}',
    ],
)
def test_text_that_gives_no_value(text):
    """An empty value ends with its line, code and schemas only name things."""
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "clean_text"),
    [
        ("if password == 'hunter22': go()", "if password == '[REDACTED:password]': go()"),
        ("PassWord=hunter22", "PassWord=[REDACTED:password]"),
        (
            "postgres://u:pwsecret99… [8 more characters]",
            "postgres://u:[REDACTED:url]… [8 more characters]",
        ),
        ("AKIAIOSFODNN7EXAM… [3 more characters]", "[REDACTED:aws]… [3 more characters]"),
    ],
)
def test_text_that_gives_a_value_in_part(text, clean_text):
    """What was cut before it was looked at is still a secret."""
    assert clean(text) == clean_text


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("passWord", True),
        ("PassPhrase", True),
        ("APIkey", True),
        ("psk", True),
        ("PINECONE_KEY", True),
        ("GITHUB_PAT", True),
        ("has_password", False),
        ("is_secret", False),
        ("password_hint", False),
    ],
)
def test_names_in_odd_spelling(name, secret):
    """However its words are written together; a question or a hint is no secret."""
    assert bool(_secrets.rule(name)) is secret
