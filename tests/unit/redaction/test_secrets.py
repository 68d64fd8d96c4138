"""What counts as a secret, by name and in a text, and what does not."""

from __future__ import annotations

import base64
import json
import time

import pytest

from honeytrace._redaction import assignments, secrets
from honeytrace._redaction import secret_names as secret_names
from honeytrace._redaction.command_lines import arguments
from honeytrace._redaction.marker import mark
from honeytrace._redaction.secret_names import any_secret, rule, tells

A = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7"  # 27 characters, as a key might have


def clean(text: str) -> str:
    return secrets.without(text)


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
    assert {name: secret_names.rule(name) for name in names.split()} == dict.fromkeys(
        names.split(), rule
    )


def test_plain_names():
    """What only resembles a secret name, or tells about a secret, is left alone."""
    assert {name for name in PLAIN.split() if rule(name)} == set()


def test_names_with_spaces_and_endless_ones():
    """A name may be spelled with spaces; one of any length is judged, and not remembered."""
    before = secret_names._remembered.cache_info().currsize
    assert rule("x" * 500 + " api key") == "key"
    assert secret_names._remembered.cache_info().currsize == before


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
    assert tells(rule, value) is told


# ---- Keys of known makers

UUID = "67359083-b9c4-49fe-8854-495b4d60399f"
LETTERS_AFTER = """apify_api_ bb_live_ csk- dckr_oat_ dckr_pat_ figd_ flp_ fo1_ fpk_ fw_ glsa_ ico-
    jina_ lin_api_ lin_oauth_ llx- ntn_ NRAK- phx_ pnb_ pnu_ pplx- pscale_oauth_ pscale_pw_
    pscale_tkn_ rdme_ rpa_ sbp_ tgp_v1_ vck_ vcp_ xai-"""
HEX_AFTER = """dop_v1_ doo_v1_ dor_v1_ e2b_ fc- pul- rubygems_ sgp_ shpat_ shpca_ shppa_ shpss_
    shippo_live_ shippo_test_ sk_ xkeysib-"""
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
        f"ABSK{A}{A}=",
        f"bedrock-api-key-{A}{A}",
    ],
    "google": ["AIzaSyA-" + A + "12345", f"GOCSPX-{A}"],
    "github": [f"{kind}_{A}{A[:9]}" for kind in ("ghp", "gho", "ghu", "ghs", "ghr")]
    + [f"github_pat_11ABCDEFG0_{A}"],
    "gitlab": [
        "glpat-" + A[:20],
        "glrt-" + A[:20],
        f"glpat-{A}.01.0a1b2c3d4",
        f"GR1348941{A[:20]}",
    ],
    "slack": ["xoxb-123456789012-123456789012-" + A[:24], "xapp-1-A012-345-" + A],
    "stripe": ["sk_live_" + A, "rk_live_" + A, "sk_test_" + A, "whsec_" + A],
    "huggingface": [f"hf_{A}{A[:7]}", f"api_org_{A}{A[:7]}"],
    "groq": [f"gsk_{A}{A[:25]}"],
    "replicate": [f"r8_{A}{A[:10]}"],
    "twilio": ["SK0123456789abcdef0123456789abcdef"],
    "npm": [f"npm_{A}{A[:9]}"],
    "pypi": [f"pypi-AgEIcHlwaS5vcmc{A}", f"pypi-{A}"],
    "jwt": ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + A, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi"],
    "maker": [
        *(f"{begin}{A}" for begin in LETTERS_AFTER.split()),
        *(f"{begin}{'0a' * 24}" for begin in HEX_AFTER.split()),
        *("dapi" + "0a" * 16, f"dapi{'0a' * 16}-2", f"lsv2_pt_{'0a' * 16}_{'0a' * 5}"),
        *(f"tvly-dev-{A}", f"pcsk_4abc_{A}", f"pk-lf-{UUID}", f"secret_{A}{A}", f"lsv2_sk_{A}"),
        *(f"re_4abcdef_{A[:24]}", f"pat{A[:14]}.{'0a' * 32}", f"HRKU-AA{A}{A}", f"nvapi-{A}"),
        *(f"PMAK-{'0a' * 12}-{'0a' * 17}", f"M{A[:24]}.aB3dE6.{A}", f"AGE-SECRET-KEY-1{A}"),
        *(f"sntrys_eyJ{A}", f"ATATT3xF{A}", f"wandb_v1_{A}", f"pylf_v1_us_{A}", f"ops_eyJ{A}"),
    ],
    "private_key": [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nabc\n-----END ENCRYPTED PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----",
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
    ("\x1b[31m", "\x1b[0m"),
    ("\x1b[1;31m", "\x1b[K"),
    ("\\u003d", "\\u0026"),
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
        *((f"hv{kind}.{A}", f"hv{kind}.[REDACTED:maker]") for kind in "bsr"),
        (f"dp.pt.{A}{A}", "dp.pt.[REDACTED:maker]"),
        (f"dp.st.dev.{A}{A}", "dp.st.dev.[REDACTED:maker]"),
        (f"dt0c01.{'A2' * 12}.{'A2' * 32}", "dt0c01.[REDACTED:maker]"),
        (f"{A[:14]}.atlasv1.{A}{A}{A}", f"{A[:14]}.atlasv1.[REDACTED:maker]"),
        (f"abc8Q~{A}-x_.y", "abc8Q~[REDACTED:maker]"),
        (f"1//0{A}{A}", "1//[REDACTED:google]"),
        (f"my sb_secret_{A}", "my [REDACTED:maker]"),
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
            f"x https://hooks.slack.com/services/T0/B0/{A}",
            "x https://hooks.slack.com/services/[REDACTED:url]",
        ),
        (
            f"https://discord.com/api/webhooks/12345/{A}?a",
            "https://discord.com/api/webhooks/[REDACTED:url]?a",
        ),
        (
            f"https://a.webhook.office.com/webhookb2/{UUID}@{UUID}/IncomingWebhook/0a",
            "https://a.webhook.office.com/webhookb2/[REDACTED:url]",
        ),
        (
            "https://0123456789abcdef0123@o1.ingest.sentry.io/1",
            "https://[REDACTED:url]@o1.ingest.sentry.io/1",
        ),
        ("https://tok3nsecret1@x.org/a", "https://[REDACTED:url]@x.org/a"),
        ("https://oauthtoken:@x.org/a", "https://[REDACTED:url]:@x.org/a"),
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
    ('["--password", "abc"]', '["--password", "[REDACTED:password]"]'),
    ("['--api-key', 'abc', '-v']", "['--api-key', '[REDACTED:key]', '-v']"),
    ('[\\"--token\\", \\"abc\\"]', '[\\"--token\\", \\"[REDACTED:token]\\"]'),
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
    # with a space in the name, with a type, in a block of YAML, in a URL within another
    ("api key: abc", "api key: [REDACTED:key]"),
    ("a\\napi key: abc", "a\\napi key: [REDACTED:key]"),
    ("API Key = abc", "API Key = [REDACTED:key]"),
    ("API-Key = abc", "API-Key = [REDACTED:key]"),
    ("'secret keys': 'abc'", "'secret keys': '[REDACTED:key]'"),
    ("the security code: 1234", "the security code: [REDACTED:code]"),
    ("passphrase: correct1-horse", "passphrase: [REDACTED:password]"),
    ('password: str = "abc"', 'password: str = "[REDACTED:password]"'),
    ("password: Optional[str] = 'abc'", "password: Optional[str] = '[REDACTED:password]'"),
    ("password: str | None = 'abc'", "password: str | None = '[REDACTED:password]'"),
    ('let token: &str = "abc";', 'let token: &str = "[REDACTED:token]";'),
    ("User(name='u', password='abc')", "User(name='u', password='[REDACTED:password]')"),
    ("password: |\n  abc\n  def\nx: 1", "password: |\n[REDACTED:password]x: 1"),
    ("?next=%3Ftoken%3Dabc1", "?next=%3Ftoken%3D[REDACTED:token]"),
    (
        "environ({'AWS_SECRET_ACCESS_KEY': 'a'})",
        "environ({'AWS_SECRET_ACCESS_KEY': '[REDACTED:key]'})",
    ),
    ("Authorization: ApiKey abc", "Authorization: [REDACTED:authorization]"),
    ("Authorization: Token abc", "Authorization: [REDACTED:authorization]"),
    ("db.x.org:5432:main:bob:abc", "db.x.org:5432:main:bob:[REDACTED:password]"),
    # beside a label
    (
        '[{"name": "Authorization", "value": "abc"}]',
        '[{"name": "Authorization", "value": "[REDACTED:authorization]"}]',
    ),
    ("{'key': 'DB_PWD', 'value': 'abc'}", "{'key': 'DB_PWD', 'value': '[REDACTED:password]'}"),
    (
        '{\\"name\\": \\"token\\", \\"value\\": \\"abc\\"}',
        '{\\"name\\": \\"token\\", \\"value\\": \\"[REDACTED:token]\\"}',
    ),
    ("- name: DB_PASSWORD\n  value: abc", "- name: DB_PASSWORD\n  value: [REDACTED:password]"),
    ('<add key="ApiKey" value="abc"/>', '<add key="ApiKey" value="[REDACTED:key]"/>'),
    (f"Ünïcode 😀 password: 'hünter {A}'", "Ünïcode 😀 password: '[REDACTED:password]'"),
]


BESIDE = [
    ("<password>abc</password>", "<password>[REDACTED:password]</password>"),
    ('<s:apiKey a="b">abc</s:apiKey>', '<s:apiKey a="b">[REDACTED:key]</s:apiKey>'),
    (
        "<Password><![CDATA[a>b]]></Password>",
        "<Password><![CDATA[[REDACTED:password]]]></Password>",
    ),
    ('<config apiKey="abc"/>', '<config apiKey="[REDACTED:key]"/>'),
    ('("Authorization", "Basic abc")', '("Authorization", "[REDACTED:authorization]")'),
    ("[(b'authorization', b'abc')]", "[(b'authorization', b'[REDACTED:authorization]')]"),
    ('[b"cookie", b"a=b"]', '[b"cookie", b"[REDACTED:cookie]"]'),
    ('[["x-api-key", "abc1"]]', '[["x-api-key", "[REDACTED:key]"]]'),
    ('[\\"x-api-key\\", \\"abc1\\"]', '[\\"x-api-key\\", \\"[REDACTED:key]\\"]'),
]
COMMANDS = [
    ("curl -u bob:abc https://x.org", "curl -u bob:[REDACTED:password] https://x.org"),
    ("curl -sSu 'bob:abc' x", "curl -sSu 'bob:[REDACTED:password]' x"),
    ("curl -X POST \\\n --user=bob:abc x", "curl -X POST \\\n --user=bob:[REDACTED:password] x"),
    ('["curl", "-u", "bob:abc"]', '["curl", "-u", "bob:[REDACTED:password]"]'),
    ("['curl', '--proxy-user', 'b:abc']", "['curl', '--proxy-user', 'b:[REDACTED:password]']"),
    ("sshpass -p abc ssh x", "sshpass -p [REDACTED:password] ssh x"),
    ('{"x": "\\ncurl -u bob:abc"}', '{"x": "\\ncurl -u bob:[REDACTED:password]"}'),
    ("sshpass -pabc ssh x", "sshpass -p[REDACTED:password] ssh x"),
    ("docker login -u bob -p abc x", "docker login -u bob -p [REDACTED:password] x"),
    ("mysql -u root -pabc db", "mysql -u root -p[REDACTED:password] db"),
    ("mongosh -u root -p abc", "mongosh -u root -p [REDACTED:password]"),
    ("redis-cli -h x -a abc", "redis-cli -h x -a [REDACTED:password]"),
    ("ldapsearch -D cn=x -w abc", "ldapsearch -D cn=x -w [REDACTED:password]"),
    ("a -p 1; curl -u b:abc; c -u d:e", "a -p 1; curl -u b:[REDACTED:password]; c -u d:e"),
    ("machine x login bob password abc", "machine x login bob password [REDACTED:password]"),
    (
        "machine x\n  login bob\n  password abc\n",
        "machine x\n  login bob\n  password [REDACTED:password]\n",
    ),
]


@pytest.mark.parametrize(("text", "clean_text"), BESIDE)
def test_beside_a_name(text, clean_text):
    """What stands in an element of XML, or second in a pair, has the name that is beside it."""
    assert clean(text) == clean_text


@pytest.mark.parametrize(("text", "clean_text"), COMMANDS)
def test_commands(text, clean_text):
    """The flags that take a password are those of the programs that have them."""
    assert clean(text) == clean_text


@pytest.mark.parametrize(
    ("words", "clean_words"),
    [
        (["x", "--password", "abc", "-v"], ["x", "--password", mark("password"), "-v"]),
        (["--token", "--verbose", "--count", "3"], None),
        (["--password"], None),
        (["--password", ""], None),
        (["/usr/bin/curl", "-u", "bob:abc"], ["/usr/bin/curl", "-u", "bob:[REDACTED:password]"]),
        (["docker", "login", "-p", "abc"], ["docker", "login", "-p", "[REDACTED:password]"]),
        (["docker", "run", "-p", "80:80", "-u", "node:node"], None),
        (["curl", "-o", "a:b"], None),
        (["curl", "-ub:abc", "x"], ["curl", "-ub:[REDACTED:password]", "x"]),
    ],
)
def test_commands_in_words(words, clean_words):
    """A list of arguments has the secrets that the line would have."""
    assert arguments(words) == (clean_words or words)


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
    # names of which something is told
    "key: value, primary key: id, the answer key: B, status code: 200, key code: 5",
    "The secret key: it is under the mat. Security code: see below",
    "secret santa: bring a gift, basic training: at nine, the password is required",
    "self.token = self.auth.token, password = my_password, AccessToken: access_token,",
    "std::token::Kind, Token::new(), arn:aws:secretsmanager:us-west-2:123456789012:secret:abc",
    "password: str, token: bytes | None = None, let token: &str;",
    '{"name": "password", "value": ""}, {"name": "user", "value": "bob"}, {"key": "a", "value": 1}',
    '{"name": "token", "in": "query", "value": 5}, <input name="password" value=""/>',
    "password: |\nnext",
    "127.0.0.1:5432:5432, 00:1B:44:11:3A:B7, 2001:db8::8a2e:370:7334, 12:30:45",
    # elements, pairs, commands
    "<password></password><secret>the cat sat</secret><token>5</token><p>password</p>",
    "]]></password> <password>${DB_PASSWORD}</password> </password> a></password>",
    "<api-key>{key}</api-key>",
    "<credentials><user>bob</user></credentials>",
    '["password", "token"], ("token", "password"), ("Authorization", value), ["token", "a1", "b"]',
    "namedtuple('TokenInfo', 'type string start'), {'AUTH': ('AUTH', 'SELECTED')}",
    "docker run -u 1000:1000 -p 8080:80 x; docker exec -u node:node x; mkdir -p a; ssh -p 22 x",
    "curl -o a:b x; curl -u $USER:$PASS x; curl -u bob: x; curl x | podman run -u a:b",
    "curl is a program.\nuse docker -u a:b. mysql -P 3306 -p db, curl -u <user>:<password>",
    "the -p flag, a -u b:c, redis-cli -a $PASSWORD, curl -u 'bob:password' x",
    "--password, --token --verbose; ['--password', '--user']; --passwords-file x",
    "machine learning login password: none; machine x login bob password <password>",
    # what begins as a key does
    "pplx-70b-online-2024-chat, xai-grok-2-1212-beta-version, fw_version_2024_11_update_xy",
    "secret_santa_gift_exchange_2024_list, client_secret_rotation_2024_plan_v2, sk_learn_2024_x",
    "fc-0123456789abcdef, dapi-2024-version-1-x, e2b_sandbox_template_2024_1, re_compile_2024_x_y",
    "patchwork12345678.py, My_module_name_4_the_app.config.py, MNO.aB3dE6.xyz, tvly-x, npm_config",
    "https://hooks.slack.com/docs, https://discord.com/api/webhooks, webhooks/AAAAAAAAAAAAAAAAAA",
    "glance-at-the-2024-report, gloss-1234567890123, GR-1348941, Vault hvs.x, dp.pt.x, ya29.x",
    "-----BEGIN PRIVATE KE-----, ---- BEGIN SSH2 PUBLIC KEY ----",
]

INNOCENT = [
    """\
import hashlib, os
from dataclasses import dataclass

@dataclass
class Settings:
    api_key: str
    password: str | None = None
    token: Optional[SecretStr] = None
    max_tokens: int = 4096

def login(user: str, password: str, *, token: str = "") -> bool:
    digest = hashlib.sha256(password.encode()).hexdigest()
    if password == other.password or token is None:
        raise ValueError("the password is required")
    return client.login(user, password=password, token=os.environ["TOKEN"], key=lambda k: k.key)

tokens = tokenizer.encode(text); total_tokens: int = len(tokens)  # token_count
headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
settings = Settings(api_key=os.getenv("OPENAI_API_KEY"), password=get_password(user))
""",
    """\
const {apiKey, password} = props; const token = await getToken();
fetch(url, {headers: {Authorization: `Bearer ${token}`, "X-Api-Key": apiKey}});
interface Login { password: string; token?: string }
<input type="password" name="password" placeholder="Password" autocomplete="current-password"/>
<label for="token">Token</label><td>password</td><a href="/reset?step=2">Forgot password?</a>
""",
    """{"type": "object", "required": ["user", "password"], "properties": {
  "user": {"type": "string"}, "password": {"type": "string", "format": "password", "minLength": 8},
  "token": {"$ref": "#/definitions/Token"}, "api_key": {"anyOf": [{"type": "null"}]}},
 "usage": {"prompt_tokens": 12, "completion_tokens": 30, "total_tokens": 42},
 "next_page_token": "abc", "finish_reason": "stop", "system_fingerprint": "fp_50cad350e4",
 "id": "chatcmpl-9vXhL2bK3mN4pQ5rS6tU7vW8xY9zA", "tool_call_id": "call_aB3dE6gH9jK2mN5pQ8sT1vW4",
 "message_id": "msg_01XFDUDYJgAACzvnptvVoYEL", "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}""",
    """\
      - uses: docker/login-action@v3
        with:
          username: ${{ github.actor }}
          password: ${{ secrets.GITHUB_TOKEN }}
      env: {TOKEN: $TOKEN, API_KEY: "${API_KEY}", PASSWORD: "<password>"}
    "integrity": "sha512-Vh5Q4b1cSVpqwr+zjk0PGPFbpz6jCC6XnPXsl9vFKOT5vLhB1yCQvYmnmWlQWVkTyY0sSW9==",
    "resolved": "https://registry.npmjs.org/js-tokens/-/js-tokens-4.0.0.tgz",
commit 356a192b7913b04c54574d18c28d46e6395428ab  Merge branch 'token-refresh-2024'
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
d41d8cd98f00b204e9800998ecf8427e
""",
    """\
Dear all, the bearer of bad news brings basic training and a secret santa. Password: must have
eight characters and one digit. Your PIN: never tell it to anybody! Our secret: patience. A token
of thanks: flowers. He said: "the key: it is under the mat." She asked for the password, twice.
The cookie: chocolate chips and butter. Credentials: what a journalist shows. Pass: the salt.
Authentication: by basic or bearer schemes. The API key is valid. The card number is missing.
2024-05-01 12:00:00 INFO auth: user bob logged in, session_id=42 token_count=17 status=ok
  File "/srv/app/auth.py", line 12, in login
KeyError: 'password'
""",
]


@pytest.mark.parametrize("text", INNOCENT)
def test_innocent_texts(text):
    """Whole texts that only speak of secrets: code, schemas, answers of models, settings, prose."""
    assert clean(text) is text
    quoted = json.dumps(text)
    assert clean(quoted) is quoted


@pytest.mark.parametrize("text", LEFT)
def test_what_stays(text):
    """Prose, code, hashes, images and counts are no secrets: the same object comes back."""
    assert clean(text) is text


@pytest.mark.parametrize(
    "text",
    [text for text, _ in ASSIGNED + BESIDE + COMMANDS]
    + [before + key + after for keys in KEYS.values() for key in keys for before, after in AROUND],
)
def test_idempotence(text):
    """A text that was cleaned is clean."""
    once = clean(text)
    assert clean(once) is once


def test_suspects_names_who_finds_something():
    """Only the finders that find something have to go through the texts one by one."""
    found = secrets.suspects(f"sk-{A} and password=abc")
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


FRAGMENTS = """pin: 12 |token: a1 |token=a,|if token: |--token x y |<token>x1</token>|
('token', 'x1'),|["token", "x1"]|curl -u a:b |machine a login b password c |://a:b@c |
://token:int=@|bearer aaaaaaa1 |"name":"token","value":"x1",|api key: x1 |:5432:a:b:c |
%3Dtoken: a1 |]]></token>|</token|</token>|token: str = |xoxa-aaaaaaaaaa |
a-a-a-a-a-a-a-a- """.replace("\n", "").split("|")


@pytest.mark.parametrize("piece", FRAGMENTS)
def test_a_text_full_of_names_is_soon_done(piece):
    """1 MiB of it takes a part of a second; after very many steps the rest goes as a whole."""
    text = (piece * (2**20 // len(piece) + 1))[: 2**20]
    began = time.process_time()
    once = clean(text)
    assert time.process_time() - began < 1  # it is about 0.1
    assert clean(once) == once


def test_many_names():
    """Names that are all different are judged as long as they are not too many."""
    text = "".join(f"key{number:x}x=1 " for number in range(20_000))
    once = clean(text)
    assert once.startswith("key0x=1 ")
    assert once.endswith(mark("rest"))
    assert clean(once) == once


@pytest.mark.parametrize("piece", ["pin: ab1 ", "token: 12 ", "--token ab1 "])
def test_the_rest_goes(piece):
    """After 10,000 steps nobody looks any more, and nothing is told: the text before is cleaned."""
    end = "and password=abc"
    few, many = clean(piece * 9_000 + end), clean(piece * 11_000 + end)
    assert few.endswith(f"and password={mark('password')}")
    assert few.startswith(clean(piece))
    assert many.startswith(clean(piece * 9_990))
    assert many.endswith(mark("rest"))
    assert len(many) < len(few) * 1.2


def test_parts():
    """A name that stands at the border of two parts that are gone through is found, and once."""
    for before in range(2**16 - 40, 2**16 + 10, 3):
        text = "." * before + ' "api key": "abc" '
        assert clean(text) == "." * before + f' "api key": "{mark("key")}" '


def test_many_names_and_one_that_is_secret():
    """Among very many names that are not secret, one that is, is found; so is one of a label."""
    plain = "".join(f"name{number:x}x=1 " for number in range(1_000))
    assert clean(plain) is plain
    assert clean(f"{plain}password=ab") == f"{plain}password={mark('password')}"
    label = '"name": "password", "value": "ab"'
    assert clean(plain + label).endswith(f'"value": "{mark("password")}"')


def test_what_is_remembered_is_bounded():
    """Names that are not secret are remembered, but not for ever."""
    for number in range(0, 30_000, 100):
        names = [f"{number + i}x" for i in range(100)]
        assert not any_secret(names)
        clean(" ".join(f"{name}=1" for name in names))
    assert len(secret_names._plain) < 5_000
    assert len(assignments._dull) < 5_000
    assert any_secret(["a", "password"])
    assert any_secret(["a", "password"])
    assert not any_secret(["x" * 1_000])


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
    assert bool(rule(name)) is secret
