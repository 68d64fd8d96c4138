"""The one pass over a text: what it costs at worst, and that it can be repeated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeytrace._redaction import named_values
from honeytrace._redaction.finders import FINDERS
from honeytrace._redaction.marker import mark
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


def test_the_bound():
    """After 10,000 places that a finder looks at closely, the rest of the text goes as a whole."""
    end = "and password=ab-12"
    few, many = clean("pin: 12 " * 9_000 + end), clean("pin: 12 " * 11_000 + end)
    assert few.endswith(f"and password={mark('password')}")
    assert many.startswith(clean("pin: 12 " * 9_000))
    assert many.endswith(mark("rest"))


@pytest.mark.parametrize("piece", ["x-sig=", "sk-", "curl -u "])
def test_the_bound_of_places_that_hold_nothing(piece):
    """After 80,000 places that a finder only looks at, the rest of the text goes as a whole."""
    assert clean(piece * 79_000) == piece * 79_000
    many = clean(piece * 81_000)
    assert many.startswith(piece * 79_000)
    assert many.endswith(mark("rest"))


def test_many_urls_and_keys():
    """One bound holds for all finders: the text does not grow without end."""
    for piece in ("http://a:b7x@c ", "sk-proj-aB3dE6gH9jK2mN5pQ8sT1vW4yZ7 ", "--token ab1 "):
        text = piece * 11_000
        found = clean(text)
        assert found.endswith(mark("rest"))
        assert len(found) < 2 * len(text)
        assert clean(found) == found


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
    monkeypatch.setattr(named_values, "_MAX_PLAIN", 4)
    text = " ".join(f"made_up_{letter}=1" for letter in "abcdefghijkl")
    assert clean(text) == text
    assert len(named_values._plain) <= 4


@pytest.mark.parametrize(("text", "mixed"), [("grüßeausköln", False), ("ÄÖÜßÄÖÜÄÖÜ", True)])
def test_letters_that_are_not_ascii_are_mixed_by_their_capitals(text, mixed):
    assert is_mixed(text) is mixed


@pytest.mark.parametrize("text", ['("api_key", "X-Api-Key")', '("Authorization", "Set-Cookie")'])
def test_the_name_of_a_header_is_no_secret(text):
    """In a pair of texts, as beside a name."""
    assert clean(text) == text
