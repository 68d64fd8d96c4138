"""The one pass over a text: what it costs at worst, and that it can be repeated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeytrace._redaction import plain_values, separators
from honeytrace._redaction.finders import FINDERS
from honeytrace._redaction.marker import mark
from honeytrace._redaction.plain_values import MAX_LOOKS
from honeytrace._redaction.randomness import is_mixed
from honeytrace._redaction.secrets import bare_key, suspects
from honeytrace._redaction.secrets import without_secrets as clean

PIECES = """a|sk-|://a:a:|a:|-----BEGIN|-----BEGIN PRIVATE KEY-----|eyJ|eyJ.|token=|token=none |
token=none.|token|token="|token='''|token={|token=[|auth: none |auth: Bearer <a> |
Authorization: x y |-|--a |--token x y |=|_|a-|AKIAAKIAAKIAAKIAAKIA |bearer |basic aaaaaa |a.a-|\\|token=\\"|SG.a|@://|
password=[REDACTED:token]|token=a,|a@://a:b|token: a a |eyJA1-|pi_A1_|sk-A1-|hh_A-""".replace(
    "\n", ""
).split("|")


@pytest.mark.parametrize("piece", PIECES)
def test_no_text_takes_for_ever(piece):
    """64 KiB of the worst are done at once; with a square among the steps, it would be minutes."""
    text = (piece * (2**16 // len(piece) + 1))[: 2**16]
    assert len(clean(text)) <= 4 * len(text)


FRAGMENTS = """pin: 12 |token: a1 |token=a,|if token: |--token x y |<token>x1</token>|
('token', 'x1'),|["token", "x1"]|curl -u a:b |machine a login b password c |://a:b@c |
://token:int=@|bearer aaaaaaa1 |"name":"token","value":"x1",|api key: x1 |:5432:a:b:c |
%3Dtoken: a1 |]]></token>|</token|</token>|token: str = |xoxa-aaaaaaaaaa |
a-a-a-a-a-a-a-a- """.replace("\n", "").split("|")


@pytest.mark.parametrize("piece", FRAGMENTS)
def test_a_text_full_of_names_is_soon_done(piece):
    """128 KiB of it are done at once, and there is nothing more to find afterwards."""
    text = (piece * (2**17 // len(piece) + 1))[: 2**17]
    once = clean(text)
    assert clean(once) == once


def numbered(piece, count):
    """A piece again and again, each time with another number."""
    return "".join(piece.replace("§", f"x{number}-y2z") for number in range(count))


LONG = [
    ('{"token": "word"}, ', '{"token": "word"}, '),
    ('{"token": "q7Rt2§"}, ', '{"token": "[REDACTED:token]"}, '),
    ("{'password': '§', 'id': 7}\n", "{'password': '[REDACTED:password]', 'id': 7}\n"),
    ('\\"api_key\\":\\"§\\", ', '\\"api_key\\":\\"[REDACTED:key]\\", '),
    ('password = """§"""\n', 'password = """[REDACTED:password]"""\n'),
    ("GET /a?token=§&page=2\n", "GET /a?token=[REDACTED:token]&page=2\n"),
    ("/a?sig=§&page=2 ", "/a?sig=[REDACTED:signature]&page=2 "),
    ("next=%3Fkey%3D§%26a ", "next=%3Fkey%3D[REDACTED:key] "),
    ("user=bob password=§; ok\n", "user=bob password=[REDACTED:password]; ok\n"),
    ("password: §\\npassword: none\\n", "password: [REDACTED:password]\\npassword: none\\n"),
    ("Authorization: Bearer § b\n", "Authorization: [REDACTED:authorization]\n"),
    ("**Password:** §\n", "**Password:** [REDACTED:password]\n"),
    ("password:\n  §\nuser:\n  bob\n", "password:\n  [REDACTED:password]\nuser:\n  bob\n"),
    ("password:\n  user: bob\n", "password:\n  user: bob\n"),
    ("secret: |\n  §\nuser: bob\n", "secret: |\n  [REDACTED:secret]\nuser: bob\n"),
    ("密码：§。\n", "密码：[REDACTED:password]。\n"),
    ("print('token: ' + word)\n", "print('token: ' + word)\n"),
    ('ask("password: ", "the user")\n', 'ask("password: ", "the user")\n'),
    (
        'password = "ask the user for it before you go on"\n',
        'password = "ask the user for it before you go on"\n',
    ),
    ("login(password=get_password(), user=u)\n", "login(password=get_password(), user=u)\n"),
    ("api key: none, value: none, id: none\n", "api key: none, value: none, id: none\n"),
    ("api key: q7Rt2§aB\n", "api key: [REDACTED:key]\n"),
    ("a:password] :543 a:token: x7y8z9w0 ", None),
    ("token=1§\n".replace("§", "23456"), "token=[REDACTED:token]\n"),
    ("export PASSWORD=a,§;d&e\n", "export PASSWORD=[REDACTED:password]\n"),
    ('password: str = "§"\n', 'password: str = "[REDACTED:password]"\n'),
    ("password: str | None = '§'\n", "password: str | None = '[REDACTED:password]'\n"),
    ("the API key: §\n", "the API key: [REDACTED:key]\n"),
    ("security code: 1234\n", "security code: [REDACTED:code]\n"),
    (
        'Authorization: Digest a="§"\nHost: b\n',
        "Authorization: [REDACTED:authorization]\nHost: b\n",
    ),
    ("Authorization: ApiKey §\n", "Authorization: [REDACTED:authorization]\n"),
    ("secrets = {'a': '§', 'b': 'c'}\n", "secrets = [REDACTED:secret]\n"),
    ("password=" + 300 * "a" + "§\n", "password=[REDACTED:password]\n"),
    ("password=, token=;\n", "password=, token=;\n"),
    ("mysig=§ x-sig=§\n", None),
]


@pytest.mark.parametrize(("piece", "clean_piece"), LONG)
def test_a_long_text_loses_only_its_secrets(piece, clean_piece):
    """However many names it has: later ones are read more simply, and nothing else goes."""
    count = 2 * MAX_LOOKS + 10
    text = numbered(piece, count)
    expected = text if clean_piece is None else clean_piece * count
    assert clean(text + "the end") == expected + "the end"


def test_a_long_text_with_ever_new_values(monkeypatch):
    """When too many were judged, what is left counts as secret, except words of a model."""
    monkeypatch.setattr(plain_values, "MAX_JUDGED", 10)
    found = clean(numbered('{"token": "word", "password": "§"}, ', MAX_LOOKS + 100) + "the end")
    assert "x" not in found.replace("the end", "")
    assert found.count('"token": "word"') == MAX_LOOKS + 100
    assert found.endswith('"password": "[REDACTED:password]"}, the end')


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "sk-",
            "curl -u ",
            "pin: none token=a, ",
            "login('a', ",
            "<a></token>",
            "| token | x |\n",
        ),
        *("://", "--token <x> ", "bearer a ", "set token ", "a,token\nb,c\n", "x-sig="),
    ],
)
def test_a_long_text_without_a_secret_stays(piece):
    """However often a finder looks closely."""
    text = piece * 20_000
    assert clean(text) is text


@pytest.mark.parametrize(
    ("piece", "clean_piece"),
    [
        ("http://a:§@c ", "http://a:[REDACTED:url]@c "),
        ("sk-proj-aB3dE6gH9jK2mN5pQ8sT1§ ", "[REDACTED:openai] "),
        ("tool --token § ", "tool --token [REDACTED:token] "),
        ("('password', '§')\n", "('password', '[REDACTED:password]')\n"),
    ],
)
def test_many_secrets(piece, clean_piece):
    """Each is replaced, and nothing else."""
    assert clean(numbered(piece, 11_000)) == clean_piece * 11_000


def test_a_secret_beside_a_mark():
    """A marker stays, and a secret that touches it becomes part of it."""
    assert clean("password=[REDACTED:password], x") == "password=[REDACTED:password], x"
    assert clean("Cookie: a=b; c=[REDACTED:jwt]") == "Cookie: [REDACTED:cookie]"


SNIPPETS = st.sampled_from(
    [
        *(
            "password",
            "api_key",
            "token",
            "Authorization",
            "secret",
            "key",
            "value",
            "name",
            "login",
        ),
        *(
            ": ",
            "=",
            '"',
            "'",
            "`",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            ",",
            "<",
            ">",
            "</",
            "|",
            "\n",
            " ",
        ),
        *(
            "--",
            "-u ",
            "-p",
            "curl ",
            "mysql ",
            "://",
            "@",
            "bob:",
            "x1-y2z",
            "ENV ",
            "#define ",
            "set ",
        ),
        *(
            "IDENTIFIED BY '",
            "PASSWORD '",
            "machine h login b password c",
            ":5432:a:b:c",
            "Bearer ",
        ),
        *(
            "sk-proj-aB3dE6gH9jK2mN5pQ8sT1v",
            "ghp_",
            "A1b2C3d4E5f6G7h8I9j0",
            "\\n",
            "%3D",
            "==",
            "：",
            "<-",
        ),
        *(
            "-----BEGIN PRIVATE KEY-----",
            "hooks.slack.com/services/",
            "T00/B00/aB3dE6gH9jK2mN5p",
            "é",
        ),
        *(
            "user,password\nb,x1-y2",
            "| password | x1-y2 |",
            "<password>",
            "setPassword(",
            "(setq password ",
        ),
    ]
)
TEXTS = st.lists(SNIPPETS | st.text(max_size=4), max_size=12).map("".join)


@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_the_prefilter_misses_nothing(texts):
    """A finder that finds something in a text is chosen, also among other texts."""
    asked = suspects(texts)
    for finder in FINDERS:
        if any(start < end for text in texts for start, end, _ in finder.find(text)):
            assert finder in asked
    assert [clean(text, asked) for text in texts] == [clean(text) for text in texts]


@given(TEXTS)
def test_a_text_that_was_cleaned_is_clean(text):
    """Nothing more is found in it."""
    once = clean(text)
    assert clean(once) == once


def test_the_configured_key():
    """It is removed wherever it is; one that is too short is not looked for."""
    assert clean("it is mykeyvalue987!", key="mykeyvalue987") == f"it is {mark('api_key')}!"
    assert bare_key("Bearer mykeyvalue987") == "mykeyvalue987"
    assert bare_key("short") is None
    assert bare_key(None) is None


def test_a_mark_changes_how_the_rest_reads():
    """A line that becomes a row of a table without its secret is looked at again."""
    text = "user,password\nb,c login b password d,e\nb,x1-y2"
    once = clean(text)
    assert once.endswith("\nb,[REDACTED:password]")
    assert clean(once) == once


def test_names_that_are_not_secret_are_forgotten_in_time(monkeypatch):
    """A program that makes up names does not fill the memory."""
    monkeypatch.setattr(separators, "_MAX_PLAIN", 4)
    text = " ".join(f"made_up_{letter}=1" for letter in "abcdefghijkl")
    assert clean(text) == text
    assert len(separators._plain) <= 4


@pytest.mark.parametrize(("text", "mixed"), [("grüßeausköln", False), ("ÄÖÜßÄÖÜÄÖÜ", True)])
def test_letters_that_are_not_ascii_are_mixed_by_their_capitals(text, mixed):
    assert is_mixed(text) is mixed


def test_any_value_beside_authorization_is_secret():
    """Unlike beside other names, where two words may be unrelated."""
    assert clean("('Authorization', 'abc')") == "('Authorization', '[REDACTED:authorization]')"


@pytest.mark.parametrize(
    "text",
    [
        '("api_key", "X-Api-Key")',
        '("api_key", "Ocp-Apim-Subscription-Key")',
        '("Authorization", "Set-Cookie")',
    ],
)
def test_the_name_of_a_header_is_no_secret(text):
    """In a pair of texts, as beside a name."""
    assert clean(text) == text
