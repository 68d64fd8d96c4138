"""The values that a text gives to secret names, in every notation; and what stays."""

from __future__ import annotations

import base64
import json
import re

import pytest

from honeytrace._redaction.command_lines import arguments
from honeytrace._redaction.marker import mark
from honeytrace._redaction.secrets import without_secrets as clean

A = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7"  # 27 characters, as a key might have
UUID = "67359083-b9c4-49fe-8854-495b4d60399f"

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


ASSIGNED = [
    ("password = <<-EOF\nq7Rt2xLp\nEOF\nx", "password = <<-EOF\n[REDACTED:password]\nEOF\nx"),
    ("password=hunter2", "password=[REDACTED:password]"),
    ("password = hunter2", "password = [REDACTED:password]"),
    ("Password: hunter\nnext", "Password: [REDACTED:password]\nnext"),
    ("password: hunter2 and more", "password: [REDACTED:password] and more"),
    ("password: -abc1", "password: [REDACTED:password]"),
    ("pin: 1234", "pin: [REDACTED:code]"),
    ("token=123456", "token=[REDACTED:token]"),
    ("api_key: abc", "api_key: [REDACTED:key]"),
    ("'api_key' => 'abc'", "'api_key' => '[REDACTED:key]'"),
    ("{'password': b'abc'}", "{'password': b'[REDACTED:password]'}"),
    ('password = """abc"""', 'password = """[REDACTED:password]"""'),
    ('password="abc', 'password="[REDACTED:password]'),
    ('"secrets": ["a", "b"], "x": 1', '"secrets": [REDACTED:secret], "x": 1'),
    ('"credentials": {"a": "b"}', '"credentials": [REDACTED:credentials]'),
    ("POSTGRES_PASSWORD=postgres", "POSTGRES_PASSWORD=[REDACTED:password]"),
    ("export DB_PASSWORD=ab,c;d&e\nX=1", "export DB_PASSWORD=[REDACTED:password]\nX=1"),
    ("Server=x;Password=abc;Database=d", "Server=x;Password=[REDACTED:password];Database=d"),
    ("AccountKey=a+b/c1==;Endpoint=c", "AccountKey=[REDACTED:key];Endpoint=c"),
    ("/x?token=a1&b=2&api_key=c", "/x?token=[REDACTED:token]&b=2&api_key=[REDACTED:key]"),
    ("/x?sv=1&sig=ab%2Fc&x=1", "/x?sv=1&sig=[REDACTED:signature]&x=1"),
    ("/x?X-Amz-Signature=abc1", "/x?X-Amz-Signature=[REDACTED:signature]"),
    ("tool --password hunter2 --user bob", "tool --password [REDACTED:password] --user bob"),
    ('--password "--token abc"', '--password "[REDACTED:password]"'),
    ('["--password", "abc"]', '["--password", "[REDACTED:password]"]'),
    ("['--api-key', 'abc', '-v']", "['--api-key', '[REDACTED:key]', '-v']"),
    ("tool --api-key=abc1 x", "tool --api-key=[REDACTED:key] x"),
    ("Authorization: Digest a, b\nHost: x", "Authorization: [REDACTED:authorization]\nHost: x"),
    ('Authorization: Digest a="b"\nHost', "Authorization: [REDACTED:authorization]\nHost"),
    ("Cookie: a=b; c=d\nHost: x", "Cookie: [REDACTED:cookie]\nHost: x"),
    ("Set-Cookie: sid=abc; Path=/\\r\\nHost: x", "Set-Cookie: [REDACTED:cookie]\\r\\nHost: x"),
    (
        'Authorization: Token token="x1-y2", a="b" -v',
        "Authorization: [REDACTED:authorization] -v",
    ),
    ("X-Api-Key: abc", "X-Api-Key: [REDACTED:key]"),
    ("x%3Fapi_key=abc1%26", "x%3Fapi_key=[REDACTED:key]"),
    (f"password=x{A}{A * 20}", "password=[REDACTED:password]"),
    # with a space in the name, with a type, in a block of YAML, in a URL within another
    ("api key: abc", "api key: [REDACTED:key]"),
    ("a\\napi key: abc", "a\\napi key: [REDACTED:key]"),
    ("API-Key = abc", "API-Key = [REDACTED:key]"),
    ("'secret keys': 'abc'", "'secret keys': '[REDACTED:key]'"),
    ("the security code: 1234", "the security code: [REDACTED:code]"),
    ("passphrase: correct1-horse", "passphrase: [REDACTED:password]"),
    ('password: str = "abc"', 'password: str = "[REDACTED:password]"'),
    ("password: Optional[str] = 'abc'", "password: Optional[str] = '[REDACTED:password]'"),
    ("password: str | None = 'abc'", "password: str | None = '[REDACTED:password]'"),
    ("User(name='u', password='abc')", "User(name='u', password='[REDACTED:password]')"),
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
    ("- name: DB_PASSWORD\n  value: abc", "- name: DB_PASSWORD\n  value: [REDACTED:password]"),
    ('<add key="ApiKey" value="abc"/>', '<add key="ApiKey" value="[REDACTED:key]"/>'),
    (f"Ünïcode 😀 password: 'hünter {A}'", "Ünïcode 😀 password: '[REDACTED:password]'"),
]


FOUND = [
    ("$ENV{password} = 'x1-y2'", "$ENV{password} = '[REDACTED:password]'"),
    ("$h->{'password'} = 'abc';", "$h->{'password'} = '[REDACTED:password]';"),
    ("${env:DB_PASSWORD} = 'abc'", "${env:DB_PASSWORD} = '[REDACTED:password]'"),
    (
        'let password: String = String::from("abc");',
        'let password: String = String::from("[REDACTED:password]");',
    ),
    ("password = new String('abc')", "password = new String('[REDACTED:password]')"),
    ("getenv('DB_PASSWORD') ?: 'x1-y2'", "getenv('DB_PASSWORD') ?: '[REDACTED:password]'"),
    ("password \u2192 x1-y2, city", "password \u2192 [REDACTED:password], city"),
    ("password \u21d2 'abc'", "password \u21d2 '[REDACTED:password]'"),
    ('Map("password" -> "abc")', 'Map("password" -> "[REDACTED:password]")'),
    ('password = "ab\\"cd1x"', 'password = "[REDACTED:password]"'),
    ("Authorization: Token abc1  \nx", "Authorization: [REDACTED:authorization]  \nx"),
    ("password:\n  - item1", "password:\n  - [REDACTED:password]"),
    ("password=my_pass_2", "password=[REDACTED:password]"),
    ("password=q0.A070000 and q", "password=[REDACTED:password] and q"),
    ("password=q0$A070000", "password=[REDACTED:password]"),
    ('"{"token": "q000070000", "n": 1}', '"{"token": "[REDACTED:token]", "n": 1}'),
    ('"{"name": "api_key", "value": "Zq009"}', '"{"name": "api_key", "value": "[REDACTED:key]"}'),
    ("%3Dapi key: Zq000009", "%3Dapi key: [REDACTED:key]"),
    ("/x?key=abc", "/x?key=[REDACTED:key]"),
    ("/x?a=b&token=abc", "/x?a=b&token=[REDACTED:token]"),
    ("%3Fkey%3Dabc", "%3Fkey%3D[REDACTED:key]"),
    ("postgres://me:q00//70000@db/x", "postgres://me:[REDACTED:url]@db/x"),
    ("notSG." + A[:22] + "." + A + A[:16], "notSG.[REDACTED:sendgrid]"),
    ("0tskey-api-" + A, "0[REDACTED:provider]"),
    (
        "user,password\nb,x1-y2\nc,${PASS}\n",
        "user,password\nb,[REDACTED:password]\nc,${PASS}\n",
    ),
    ("a;password\r\nb;x1-y2\r\n", "a;password\r\nb;[REDACTED:password]\r\n"),
    ('server {\n  password "x1-y2";\n}', 'server {\n  password "[REDACTED:password]";\n}'),
]
# What the name alone would give away: references, prose, other names, empty values.
STAYS = """password = "get_password(x)"|api_key: "one two three four five"|cookie: "chocolate chip"|
password = "please enter it"|password = "a1 b2 c3 d4 e5 f6 g7"|secrets: [a, b]|Authorization:\\nx|
password:\\n# comment1|password:\\n    ${PASSWORD1}|Authorization: get_header(x)|x: 1, "value": 3|
Authorization: the user agreed|password: (a1b2c3)|password: self.k8s.token|password=k8s.token|
password: some_value\\n|api_key: public_key_id\\n|password += hunter|public_api_key: x|spin: 1234|
shopping_pin: 1234|["Authorization", "x-api-key"]|["token", "the words of it"]|secret[: 5]|
token[:5]|the only pin: `fallback`|itself a credential: it\\n|{"token": "identifier_2"}|
password \u2192 Settings \u2192 Security|const {token} = props|password->value|`${token}:${port}`|
(token) -> "word"|<город>x1-y2</город>|{password}: {value}|
password = String("enter it")|token = str("hello")|password = str(x, "utf-8")|
user,password\\nthe user, the password|a,b\\nc,d\\n|{"token": "covid-19"}""".replace("|\n", "|")


@pytest.mark.parametrize(("text", "clean_text"), FOUND)
def test_values_to_their_end(text, clean_text):
    """A value ends where its notation says, whatever is in it and before its name."""
    assert clean(text) == clean_text


@pytest.mark.parametrize("text", STAYS.split("|"))
def test_values_that_are_not_secret(text):
    """A secret name alone does not make the value a secret."""
    text = text.replace("\\n", "\n")
    assert clean(text) == text


BESIDE = [
    ("<пароль>abc</пароль>", "<пароль>[REDACTED:password]</пароль>"),
    ("<x:clé_api>abc</x:clé_api>", "<x:clé_api>[REDACTED:key]</x:clé_api>"),
    ('<contraseña value="abc"/>', '<contraseña value="[REDACTED:password]"/>'),
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


LEFT = [
    "the token is valid",
    "password must have 8 characters",
    "set OPENAI_API_KEY and then run it; set HH_API_KEY to it, or send it",
    "set the DB_PASSWORD in your shell, then set API_KEY environment variable",
    "set password for user bob, set password to 8 characters, set API_KEY to the value",
    "ENV API_KEY is required, and requirepass must be set",
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
    "Authorization: Bearer ${TOKEN}, Bearer YOUR_API_KEY",
    "f(password=self._password)",
    "KeyError: 'api_key'",
    "--token is required; run with --password",
    "--password --user bob",
    "--password \\\\n, --token \\, --api-key \\\n  --user bob, --secret \\\n",
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
    "the password is `sha256`, the key is AES256, the secret is 16-characters, the token is v2.0.1",
    'keyring.set_password("service", "bob", password)',
    'fetch(url, {credentials: "same-origin"})',
    'API_KEY_HEADER = "X-Api-Key"',
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


EDGES = [
    ("-----END PRIVATE KEY-----, -----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----.", 1),
    ('password = "the quick brown\nfox', 1),
    ("password=my_pass_2", 1),
    ("password=my_pass_word2", 0),
    ('if "" == password or "7x4b2-c" == city: pass', 0),
    ('("X-Api-Key", "the quick brown fox")', 0),
    ('setPassword("swordfish")', 1),
    ("password:\n  #7x4b2-c\n", 0),
    ("password:\n  $DB_PASSWORD_7\n", 0),
    ('<input name="city" value="7x4b2-c">', 0),
    ('("Authorization", "X-Api-Key")', 0),
    ('setPassword("enter your password")', 0),
    ('password="${db_user}:{host}"', 0),
    ("password:\n  # see the wiki\n", 0),
    ("password:\n  ${DB_PASSWORD:-x}\n", 0),
    ("a,b\nc,d\ne,f", 0),
    ("id\tname\tpassword\n1\tAda\tx1-y2\n\t2\t\tx3-y4", 1),
    ("\tid,password\n\t1,x1-y2", 1),
    ("id;password\r\n1;x1-y2\r\n2;x3-y4", 2),
    ("first name,e-mail\nAda,x1-y2\npassword,id\nx1-y2,7", 1),
]


@pytest.mark.parametrize(("text", "secrets"), EDGES)
def test_where_notations_end(text, secrets):
    """What only resembles a notation stays, and what belongs to one goes."""
    assert clean(text).count("[REDACTED:") == secrets


INNOCENT = [
    "the result is 'x1-y2z'",
    "UNKNOWN_PSK_IDENTITY = 115",
    "SERVER_AUTH = '1.3.6.1.5.5.7.3.1'",
    "auth_header = 'Proxy-Authorization'",
    'password = ":****"',
    '"jwt": "urn:ietf:params:oauth:token-type:jwt"',
    "see https://user:password@host:8080/path and redis://:secret@localhost",
    "azureservicebus://SAS_POLICY_NAME:SAS_KEY@SERVICE_BUSNAMESPACE",
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
    """Prose, code, hashes, images and counts are not secrets: the same object is returned."""
    assert clean(text) is text


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
    """A secret that capture has cut is still a secret."""
    assert clean(text) == clean_text


# Notations of models, of programs in many languages, of commands and of tables. The secret is X.
SECRET = "tr0ub4dor&3x"
NOTATIONS = """
**Password:** X
- **API key**: X
__Password__: X
<b>Password:</b> X
<b>Password</b>: X
<td>Password</td><td>X</td>
<p>Password: <code>X</code></p>
<dt>Password</dt><dd>X</dd>
<key>password</key>¶<string>X</string>
<connection><password value="X"/></connection>
{"name": "client_secret", "type": "secret", "value": "X"}
{"value": "X", "name": "api_key"}
| user | password |¶+------+----------+¶| bob  | X |
 user | password¶------+----------¶ bob  | X
password = ("X")
set_password(¶    "X"¶)
client.basic_auth("bob", "X")
requests.get(url, auth=("bob", "X"))
auth=HTTPBasicAuth('bob', 'X')
new NetworkCredential("bob", "X")
smtp.login("bob", "X")
process.env.PASSWORD || 'X'
process.env.API_KEY ?? "X"
os.getenv("DB_PASSWORD") or "X"
INSERT INTO users (name, password) VALUES ('bob', 'X');
INSERT INTO users ("password", n) VALUES ('X', 1);
requirepass X
set API_KEY to X, then start it
proxy_set_header Api-Key X;
proxy_set_header Authorization "Basic X";
aws configure set default.aws_secret_access_key X
gh secret set API_KEY --body "X"
gh secret set API_KEY -b X
mysql -ubob -p'X' db
sqlcmd -S a -P 'X' -Q "select 1"
ssh-keygen -t ed25519 -N 'X' -f id
plink -ssh bob@a -pw X
useradd -p 'X' bob
openssl enc -aes-256-cbc -k X -in a
zip -P X a.zip a
mosquitto_pub -h a -u bob -P X -t x -m y
twine upload -u bob -p X dist/a
aws ssm put-parameter --name /db --value 'X' --type SecureString
az keyvault secret set --vault-name v --name n --value X
helm registry login -u bob -p X registry.example
xfreerdp /u:bob /p:'X' /v:a
jenkins-cli -auth bob:X who-am-i
ConvertTo-SecureString -String 'X' -AsPlainText -Force
New-LocalUser bob -Password (ConvertTo-SecureString "X" -AsPlainText -Force)
vault login X
wandb login --relogin X
echo "X" | docker login -u bob --password-stdin
echo bob:X | sudo chpasswd
echo 'X' | sudo -S apt update
<li><b>Secret key</b>: X</li>
**Your new password is:** X
The password is X.
Your password is `X`, keep it.
my API key is "X"
DEBUG:root:password is X
keyring.set_password("service", "bob", "X")
Das Passwort ist: X
contraseña: X
hasło = "X"
"clé_api": "X"
mật_khẩu = X
รหัสผ่าน: X
पासवर्ड: X
password: !secret X
password: &default X
password: !!str "X"
static PASSWORD: &'static str = "X";
https://example.org/?api_key=X#top
unlock_code: X
root_pw=X
password (prod): X
Passwort: X
密码：X
var token string = "X"
const apiKey: string = "X"
let secret: String = "X"
Dim password As String = "X"
$password .= "X"
PASSWORD ?= X
PASSWORD += X
PASSWORD ::= X
password <- "X"
:password => "X"
if (password !== "X") {
if ("X" == password) {
char password[16] = "X";
#define API_KEY "X"
user.setPassword("X")
client.with_api_key('X')
System.setProperty("DB_PASSWORD", "X")
(setq password "X")
set password X
password "X";
CREATE USER a WITH PASSWORD 'X'
CREATE USER a IDENTIFIED BY 'X'
ENV DB_PASSWORD X
curl -ubob:X https://example.org
curl --user bob:'X' https://example.org
curl https://example.org \\¶  -u bob:X
wget --password=X https://example.org
mysql -pX db
sshpass -p X ssh host
smbclient -U bob%X //host/share
tool --password X --user bob
tool --password \\¶  X \\¶  --user bob
tool --user bob --token \\¶  'X'
"tool --password \\\\\\n  X --user bob"
Connect-It -Password X
https://example.org/?api_key=X
<add key="Password" value="X"/>
<entry key="password">X</entry>
{"header": "Authorization", "value": "X"}
- name: DB_PASSWORD¶  value: X
password:¶  X
password: |¶  X
| Password | X |
user,password¶bob,X
db:5432:app:bob:X
machine h login bob password X
postgres://bob:X@db/app
os.environ["DB_PASSWORD"] = "X"
""".strip().splitlines()


@pytest.mark.parametrize("line", NOTATIONS)
def test_notations(line):
    """The mark replaces the value and nothing else, and the lines around it stay."""
    value = "tr0ub4dor3x9" if "?api" in line else SECRET
    text = f"before\n{line}\nafter".replace("¶", "\n")
    found = clean(re.sub(r"(?<![A-Za-z_])X(?![A-Za-z_])|(?<=-p)X", value.replace("&", "&"), text))
    assert value not in found
    pattern = re.escape(re.sub(r"(?<![A-Za-z_])X(?![A-Za-z_])|(?<=-p)X", "\0", text))
    pattern = pattern.replace(re.escape("\0"), r"\[REDACTED:[a-z_]+\]")
    assert re.fullmatch(pattern, found), found


CODE = [
    "name = os.getenv('PASSWORD') or 'none'\nif token == 'a' or 'b1': pass\n",
    'login("bob", password)\nauth("token", "key")\ni18n.login("user", "Log in, please")\n',
    "INSERT INTO users (name, password) VALUES (?, ?), ($1, $2)\nvalues (1, 'a')\n",
    "INSERT INTO users (password) VALUES (make('x1-y2'))\n",
    "echo $TOKEN | docker login --password-stdin\ncat a.txt | docker login --password-stdin\n",
    "vault login -method=userpass\nwandb login\nngrok authtoken YOUR_TOKEN\nzip -r a.zip a\n",
    "ssh-keygen -t ed25519 -N ''\ngh secret set KEY < a.txt\nopenssl enc -k $KEY\n",
    "aws ssm put-parameter --name x --value $VALUE\nConvertTo-SecureString $x -AsPlainText\n",
    "pub struct Login {\n    pub password: Option<String>,\n}\n",
    "let secret = rand::random::<[u8; 32]>();\n",
    "export OPENAI_API_KEY=sk-...\n",
    'pattern = r"password=(\\S+)"\n',
    're.sub(r"(api_key=)[^&]+", "", url)\n',
    '{"password": "Mot de passe"}\n{"password": "Passwort"}\n',
    "Пароль: не менее восьми символов\n",
    "<h2>Password: rules</h2>\n",
    'PASSWORD_HASHERS = ["Argon2PasswordHasher"]\n',
    "password: !ENV ${DB_PASSWORD}\n",
    "    secrets: inherit\n",
    "openssl enc -pass file:pw.txt\n",
    'name = input("Password: ")\nother = "x"\nmore = "y"\n',
    'print("token:", token)\nprint("done")\n',
    'url = "https://example.org/?api_key=" + key\nnext = "x"\n',
    'class Token:\n    """A token of the grammar: it has a kind."""\n\n    kind = "word"\n',
    'url := fmt.Sprintf("%s?token=%s&x=%s", base, token, "a")\nreturn "b"\n',
    "class TokenCounter: pass\n",
    "for _, token := range tokens {\n\tfmt.Println(token)\n}\n",
    "see https://${user}:${password}@host/path and https://{user}:{password}@host\n",
    "docker run --name mongo -p 27017:27017 mongo\n",
    "auth: basic\nusers: 3\n",
    "password = getpass.getpass('Password: ')\nprint('ok')\n",
    'headers = {"Authorization": f"Bearer {token}"}\n',
    "self.password = password\nself.token = config.token\n",
    "it's the user's password: don't print it\n",
    'label.text = "Enter your password"\npassword_label: "Your password"\n',
    '{"token": "Paris", "logprob": -0.1}, {"token": " the", "prob": 0.9}\n',
    "password:\n\nAnother paragraph begins here.\n",
    "| Name | Password |\n|---|---|\n| bob | |\n",
    'export const setPassword = createAction<string>("auth/setPassword");',
    'secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "db-credentials"}}',
    "I0501 10:00:00.123456 1 secrets.go:42] synced; File secrets.py:1201: in load",
    'msg="token refreshed" user=bob token_type=bearer expires_in=3600',
    '#define TLS1_TXT_RSA_PSK_WITH_ARIA_256_GCM_SHA384 "RSA-PSK-ARIA256-GCM-SHA384"\n',
    '# define OSSL_PROV_PARAM_HMAC_KEY_CHECK "hmac-key-check"\n',
    'SECRET_ROTATION_DAYS_30 = "secret-rotation-30"\n',
    'RESET_PASSWORD_TOKEN = "user.reset_password_token"\n',
]


@pytest.mark.parametrize("text", CODE)
def test_code_stays(text):
    """A quote that closes a literal opens no value, and references are not secrets."""
    assert clean(text) == text
    assert clean(json.dumps(text)) == json.dumps(text)


@pytest.mark.parametrize("quote", ['"', "'", "`", '\\"', '"""'])
def test_a_quote_without_an_end(quote):
    """The line's end is the limit."""
    rest = "\n".join(f"line {number} of a long text" for number in range(50))
    found = clean(f"password = {quote}{SECRET}\n{rest}")
    assert SECRET not in found
    assert found.endswith(rest)


def test_a_private_key_without_an_end():
    """It goes as far as its lines are base64."""
    found = clean(
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nabcd+/==\n\nThe text goes on here.\n"
    )
    assert found == "[REDACTED:private_key]The text goes on here.\n"


def test_webhooks_without_a_scheme():
    """Their path is all that it takes."""
    found = clean(f"post to hooks.slack.com/services/T00/B00/{A}")
    assert found == "post to hooks.slack.com/services/[REDACTED:url]"
