"""Names that are secret, and names that are not."""

from __future__ import annotations

import pytest

from honeytrace._redaction.redact import redact
from honeytrace._redaction.secret_names import Name, _remembered, hides, judge, rule
from honeytrace._redaction.secrets import without_secrets
from honeytrace._session.session import Session

SECRET = {
    "password": """password Password PASSWORD DB_PASSWORD dbPassword userPassword user-password
        password2 new_password passwordHash passwd mysql_pwd pwd passphrase PGPASSWORD smtp_pass
        passcode db.password password_confirmation root_pw contraseña हिन्दी_पासवर्ड รหัสผ่าน
        สำหรับ_รหัสผ่าน mật_khẩu""",
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


PLAIN = """token_count tokenCount total_tokens prompt_tokens completion_tokens max_tokens
    token_type tokenType token_usage token_ids session_id sessionId author authored authors
    secretary cookies_enabled tokenizer primary_key foreign_key keyboard cache_key
    passed compass bypass pass_rate next_page_token page_token nextPageToken NextToken
    input_tokens_details eos_token bos_token stop_token pad_token time_to_first_token token_str
    password_hashers password_validators
    spin pinned opinion pin_memory gpio_pin shopping password_policy token_limit tokens_per_second
    auth_type secret_name secretary_name public_key api_key_id passenger cardinality
    codec authenticity token_logprobs description dsname inputs outputs metadata honeytrace"""


@pytest.mark.parametrize(("expected", "names"), SECRET.items())
def test_secret_names(expected, names):
    """A name is secret by its whole words, in whatever way they are put together."""
    assert {name: rule(name) for name in names.split()} == dict.fromkeys(names.split(), expected)


def test_plain_names():
    """A name that resembles a secret one, or tells about a secret, is not secret."""
    assert {name for name in PLAIN.split() if rule(name)} == set()


def test_names_with_spaces_and_endless_ones():
    """A name may be spelled with spaces; one of any length is judged, and not remembered."""
    before = _remembered.cache_info().currsize
    assert rule("x" * 500 + " api key") == "key"
    assert _remembered.cache_info().currsize == before


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
    assert hides(Name(rule, sure=True), value) is told


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
    """Words of a name may be joined in any way; a question or a hint is not secret."""
    assert bool(rule(name)) is secret


MAKERS = """OPENAI_KEY GROQ_KEY MISTRAL_KEY FIRECRAWL_KEY NOTION_KEY VERCEL_KEY TWILIO_KEY
    datadog_key
    MYAPIKEY privKey consumerKey session_key db_pw DB_PW myapikey STRIPE_WEBHOOK_SECRET
    signingSecret"""
WORDS = """Passwort passwort kennwort contraseña clave_secreta mot_de_passe motDePasse mdp senha
    parola wachtwoord hasło lösenord
    adgangskode salasana heslo jelszó şifre пароль 密码 密碼 パスワード 비밀번호
    Zugangsdaten credenciales geheimnis"""
LIKELY = "token tokens Token ACME_KEY zonk_key key pass sid"
ABOUT = """secret_santa token_texts accept_cookies primary_key public_key cache_key sort_key
    password_policy key_exchange next_token eos_token token_embedding forgot_password accesskey"""


@pytest.mark.parametrize("name", (MAKERS + WORDS).split())
def test_names_of_makers_and_in_other_languages(name):
    """A key of a known provider is one by its name; words of other languages count, too."""
    assert judge(name) is not None
    assert judge(name).sure


@pytest.mark.parametrize("name", LIKELY.split())
def test_likely_names(name):
    """Under a name that words stand under, too, only what looks like a secret is one."""
    assert judge(name) is not None
    assert not hides(judge(name), "Paris")
    assert not hides(judge(name), 12)
    assert hides(judge(name), "9f86d081884c7d659a2feaa0c55ad015")


@pytest.mark.parametrize("name", ABOUT.split())
def test_names_of_something_else(name):
    """The last word decides: a policy for passwords is not a password."""
    assert judge(name) is None


def test_a_uuid_under_a_likely_key():
    """The id of an object is not a secret, unless its name says so."""
    value = "67359083-b9c4-49fe-8854-495b4d60399f"
    assert not hides(judge("ACME_KEY"), value)
    assert hides(judge("API_KEY"), value)


def test_a_schema_describes():
    """The parameters of a tool may be called anything."""
    assert not hides(judge("password"), {"type": "string"})
    assert not hides(judge("password"), {"$ref": "#/x"})
    assert hides(judge("password"), {"type": "plain"})
    assert not hides(judge("password"), [])


def test_a_form_says_what_is_wrong():
    """A message about a field is not its value."""
    assert not hides(judge("password"), "is too short")
    assert not hides(judge("password"), ["This field is required.", "must have a digit"])
    assert hides(judge("password"), ["must have a digit", "x1-y2"])
    assert hides(judge("password"), "is it?")
    assert hides(judge("password"), [1])


def test_the_memory_of_names_is_bounded():
    """Names by the thousand change nothing, in a text or as keys."""
    names = [f"n{number}_{end}" for number in range(5000) for end in ("size", "width")]
    text = "".join(f"{name}: a1\n" for name in names)
    assert without_secrets(f"{text}password: x1-y2") == f"{text}password: [REDACTED:password]"
    for start in (0, 5000, 0):
        inputs = {**dict.fromkeys(names[start:][:5000], "a"), "db_password": "x"}
        kept = redact(Session(project="p", session_name="n", source="s", inputs=inputs)).inputs
        assert kept == {**inputs, "db_password": "[REDACTED:password]"}
        inputs.pop("db_password")
        same = Session(project="p", session_name="n", source="s", inputs=inputs)
        assert redact(same) is same
