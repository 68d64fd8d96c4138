"""No secret leaves a session, wherever it stands, and what cannot be looked through goes too."""

from __future__ import annotations

import copy
import dataclasses
import json
import random
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from honeytrace._redaction.marker import mark
from honeytrace._redaction.redact import redact
from honeytrace._session import wire
from honeytrace._session.session import OBJECTS, Session

KEY = "sk-proj-aB3dE6gH9jK2mN5pQ8sT1vW4yZ7"
FIELDS = (*OBJECTS, "extra")
ID = "67359083-b9c4-49fe-8854-495b4d60399f"


def session(**fields):
    return Session(**{"project": "p", "session_name": "n", "source": "s", **fields})


def inputs(value, custom=None):
    """Return the redacted inputs."""
    return redact(session(inputs=value), custom).inputs


# ---- Every field


@pytest.mark.parametrize("field", ["project", "session_name", "source", "error"])
def test_text_fields(field):
    """A secret in a text field is replaced, and the text around it stays."""
    clean = redact(session(**{field: f"with {KEY} in it"}))
    assert getattr(clean, field) == "with [REDACTED:openai] in it"


@pytest.mark.parametrize("field", FIELDS)
def test_objects(field):
    """A secret in an object is replaced at any depth, by name and by look."""
    clean = redact(session(**{field: {"a": [{"b": [KEY, 1]}], "password": "x", "c": None}}))
    assert getattr(clean, field) == {
        "a": [{"b": ["[REDACTED:openai]", 1]}],
        "password": "[REDACTED:password]",
        "c": None,
    }


def test_children_ids():
    """An id of a child that is a secret is replaced, a UUID stays."""
    assert redact(session(children_ids=[ID, KEY])).children_ids == [ID, "[REDACTED:openai]"]


def test_session_id():
    """The id of the session is never touched."""
    assert redact(session(session_id=KEY, error="password=x")).session_id == KEY


def test_exception():
    """The text of an exception, its traceback and its notes under the reserved key count too."""
    exception = {"message": f"bad {KEY}", "traceback": f'token = "{KEY}"\n', "notes": [KEY]}
    about = {"parent_id": ID, "function": "f", "exception": exception}
    clean = redact(session(metadata={"honeytrace": about})).metadata["honeytrace"]
    assert clean == {
        "parent_id": ID,
        "function": "f",
        "exception": {
            "message": "bad [REDACTED:openai]",
            "traceback": 'token = "[REDACTED:openai]"\n',
            "notes": ["[REDACTED:openai]"],
        },
    }


def test_same_object():
    """A session without a secret comes back as it is."""
    plain = session(inputs={"a": ["x", 1, None, {"token_count": 3}]}, error="e", children_ids=[ID])
    assert redact(plain) is plain
    looks = session(inputs={"token": 3, "password": "[REDACTED:password]", "x": "password=None"})
    assert redact(looks) is looks


def test_nothing_in_place():
    """The given session does not change; unchanged parts are shared."""
    kept = {"c": [1]}
    given_ = session(inputs={"a": {"password": "x"}, "b": kept}, outputs={"d": 1})
    before = copy.deepcopy(given_)
    clean = redact(given_)
    assert given_ == before
    assert clean.inputs["b"] is kept
    assert clean.outputs is given_.outputs


# ---- Names


def test_containers_under_a_secret_name():
    """A container under a secret name is replaced as a whole."""
    clean = inputs({"credentials": {"user": "u", "x": [1]}, "cookies": ["a"], "auth": {}})
    assert clean == {
        "credentials": "[REDACTED:credentials]",
        "cookies": "[REDACTED:cookie]",
        "auth": {},
    }


def test_values_that_tell_nothing():
    """A yes, a nothing and a number of tokens stay; a number may be a password."""
    told = {"has_password": True, "api_key": None, "token": 5, "secret": ""}
    assert inputs({**told, "pin": 1234}) == {**told, "pin": "[REDACTED:code]"}


def test_pairs():
    """Headers as a list of pairs are read as names and values; a list of two words is not."""
    headers = [["Authorization", "x"], ["Accept", "y"], [KEY, "z"]]
    assert inputs({"headers": headers, "columns": ["password", "token"], "none": []}) == {
        "headers": [
            ["Authorization", "[REDACTED:authorization]"],
            ["Accept", "y"],
            ["[REDACTED:openai]", "z"],
        ],
        "columns": ["password", "token"],
        "none": [],
    }


def test_arguments():
    """A list of arguments is read as the command line that it is."""
    lists = {
        "a": ["run", "--password", "x1", "--verbose"],
        "b": ["/usr/bin/curl", "-u", "bob:x1", "https://x.org"],
        "c": ["docker", "run", "-u", "1:1", 5],
        "d": ["mysql", "-px1", None],
    }
    assert inputs(lists) == {
        "a": ["run", "--password", "[REDACTED:password]", "--verbose"],
        "b": ["/usr/bin/curl", "-u", "bob:[REDACTED:password]", "https://x.org"],
        "c": ["docker", "run", "-u", "1:1", 5],
        "d": ["mysql", "-px1", None],
    }
    plain = session(inputs={"a": ["curl", "-o", "x:y"], "b": ["docker", "run"]})
    assert redact(plain) is plain


@pytest.mark.parametrize("label", ["name", "key", "Name", "Key"])
def test_named_values(label):
    """An object of a name and a value, such as a header, is read as a named value."""
    content = "Value" if label[0].isupper() else "value"
    assert inputs({"env": [{label: "DB_PASSWORD", content: "x"}, {label: "a", content: "y"}]}) == {
        "env": [{label: "DB_PASSWORD", content: "[REDACTED:password]"}, {label: "a", content: "y"}]
    }


def test_tokens_of_a_language_model():
    """A token that has a probability is a piece of text."""
    logprobs = {"content": [{"token": "Hello", "logprob": -0.3, "top_logprobs": []}]}
    login = "9f86d081884c7d659a2feaa0c55ad015"
    assert inputs({"logprobs": logprobs, "token": login}) == {
        "logprobs": logprobs,
        "token": "[REDACTED:token]",
    }
    words = {"token": "Paris", "tokenId": 3}
    assert inputs(words) == words


def test_keys():
    """A key that is a secret is replaced, and no value is lost by it."""
    other = KEY.replace("a", "b")
    clean = inputs({KEY: 1, other: 2, "[REDACTED:openai]": 3, "[REDACTED:openai] (1)": 4, "a": 5})
    assert sorted(clean.values()) == [1, 2, 3, 4, 5]
    assert all(key == "a" or key.startswith("[REDACTED:openai]") for key in clean)


# ---- Faults


class Text(str):
    pass


class Liar:
    def __eq__(self, other):
        raise SystemExit

    def __bool__(self):
        raise SystemExit

    def __repr__(self):
        raise SystemExit

    __hash__ = None


def deep():
    value = []
    for _ in range(sys.getrecursionlimit()):
        value = [value, KEY]
    return value


def circular():
    value = []
    value.append(value)
    return value


def doubled():
    """A small object that stands for an endless tree."""
    value = []
    for _ in range(40):
        value = [value, value]
    return value


ODD = [Text("x"), Liar(), b"x", (1,), {1: 2}, {Text("a"): 1}, deep(), circular(), 1j]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_field_that_cannot_be_looked_through(field, odd):
    """It goes as a whole, and the other fields are cleaned."""
    clean = redact(session(**{field: {"a": "secret story", "b": odd}, "error": f"bad {KEY}"}))
    assert getattr(clean, field) == {"redacted": "[REDACTED:error]"}
    assert clean.error == "bad [REDACTED:openai]"


@pytest.mark.parametrize("odd", [Text("x"), Liar(), 3], ids=lambda odd: type(odd).__name__)
@pytest.mark.parametrize("field", ["project", "session_name", "source", "error"])
def test_text_that_is_none(field, odd):
    """A field that should be a text but is not becomes a text."""
    assert getattr(redact(session(**{field: odd})), field) == "[REDACTED:error]"


@pytest.mark.parametrize("odd", [[Text("x")], [ID, 3], 3])
def test_children_that_are_none(odd):
    """The ids of the children stay a list of texts."""
    assert redact(session(children_ids=odd)).children_ids == ["[REDACTED:error]"]


@pytest.mark.parametrize("field", FIELDS)
def test_object_that_is_none(field):
    """A field that should be an object but is not becomes an object."""
    assert getattr(redact(session(**{field: Liar()})), field) == {"redacted": "[REDACTED:error]"}


def test_endless_tree():
    """A small object that stands for an endless tree comes to an end."""
    assert inputs({"a": doubled(), "password": "x"}) == {"redacted": "[REDACTED:error]"}


def test_ids_stay():
    """The ids in the metadata outlive a fault in the rest, so that the tree stays whole."""
    about = {"parent_id": ID, "root_id": ID, "status": "ok", "exception": "story", "version": 1j}
    clean = redact(session(metadata={"a": Liar(), "honeytrace": about}))
    assert clean.metadata == {
        "redacted": "[REDACTED:error]",
        "honeytrace": {"parent_id": ID, "root_id": ID, "status": "ok"},
    }


# ---- The user's rule


def test_custom_sees_every_value_by_its_path():
    """It is asked for every value, containers first; not for ids and not for what is reserved."""
    seen = []
    about = {"parent_id": ID, "root_id": ID, "kind": "f", "exception": {"message": "m"}}
    given_ = session(
        error="e",
        children_ids=[ID],
        inputs={"messages": [{"content": "c"}]},
        metadata={"a": 1, "honeytrace": about},
    )

    def custom(path, value):
        seen.append((path, copy.deepcopy(value)))
        return value

    assert redact(given_, custom) is given_
    assert [pair for pair in seen if pair[1] != {}] == [
        ("session_name", "n"),
        ("error", "e"),
        ("inputs", {"messages": [{"content": "c"}]}),
        ("inputs.messages", [{"content": "c"}]),
        ("inputs.messages[0]", {"content": "c"}),
        ("inputs.messages[0].content", "c"),
        ("metadata", {"a": 1}),
        ("metadata.a", 1),
        ("metadata.honeytrace.exception", {"message": "m"}),
        ("metadata.honeytrace.exception.message", "m"),
    ]


def test_custom_replaces():
    """The rule's result is copied, given to the rule in turn, and then to the built-in rules."""
    mine = {"password": "x", "b": (1, "y"), "c": KEY}

    def custom(path, value):
        return mine if path == "inputs.a" else "Y" if value == "y" else value

    assert inputs({"a": 1, "d": 2}, custom) == {
        "a": {"password": "[REDACTED:password]", "b": [1, "Y"], "c": "[REDACTED:openai]"},
        "d": 2,
    }
    assert mine == {"password": "x", "b": (1, "y"), "c": KEY}


def test_custom_that_raises():
    """The value is redacted, and the rest goes on."""

    def custom(path, value):
        if path.endswith((".a", "error")):
            raise SystemExit
        return value

    clean = redact(session(inputs={"a": {"x": 1}, "b": 2}, error="e"), custom)
    assert clean.inputs == {"a": "[REDACTED:error]", "b": 2}
    assert clean.error == "[REDACTED:error]"


@pytest.mark.parametrize("result", [None, 3, "", [1], object()])
def test_custom_cannot_break_types(result):
    """Objects stay objects, texts stay texts, names are not empty, ids stay."""
    about = {"parent_id": ID, "version": "1"}
    given_ = session(error="e", children_ids=[ID], metadata={"honeytrace": about})
    clean = redact(given_, lambda path, value: result)
    _, body = wire.request(clean)
    sent = json.loads(body)["session"]
    assert sent["session_id"] == given_.session_id
    assert sent["children_ids"] == [ID]
    assert sent["metadata"]["honeytrace"] == about
    assert all(type(sent[name]) is dict for name in OBJECTS)
    assert all(sent[name] for name in ("project", "session_name", "source", "error"))


def test_custom_that_changes_in_place():
    """It may, and the session that was given stays as it was all the same."""
    given_ = session(inputs={"a": {"b": 1, "c": 2}})

    def custom(path, value):
        if path == "inputs":
            del value["a"]["b"]
        return value

    assert redact(given_, custom).inputs == {"a": {"c": 2}}
    assert given_.inputs == {"a": {"b": 1, "c": 2}}


@pytest.mark.parametrize("odd", [Liar(), (deep(),)], ids=["object", "too deep"])
def test_custom_and_odd_values(odd):
    """A field to which the rule cannot be applied is replaced, except for the ids."""
    about = {"parent_id": ID, "exception": "story"}
    given_ = session(inputs={"a": odd}, metadata={"a": odd, "honeytrace": about})
    clean = redact(given_, lambda path, value: value)
    assert clean.inputs == {"redacted": "[REDACTED:error]"}
    assert clean.metadata == {"redacted": "[REDACTED:error]", "honeytrace": {"parent_id": ID}}


def test_custom_without_our_key():
    """Metadata that somebody else wrote is gone through as any other object."""
    clean = redact(session(metadata={"honeytrace": "x", "a": 1}), lambda path, value: value)
    assert clean.metadata == {"honeytrace": "x", "a": 1}


# ---- Anything anywhere

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BASE62 = LETTERS + "0123456789"


def some(letters, least, most=60):
    return st.text(letters, min_size=least, max_size=most)


def key(*prefixes, letters=BASE62, least=20):
    """(the key, what must not be seen of it)"""
    return st.builds(
        lambda prefix, rest: (prefix + rest, rest), st.sampled_from(prefixes), some(letters, least)
    )


def drawn(prefix, seed, length):
    """A key as providers draw it, by chance: with these prefixes, words are left alone."""
    rest = "".join(random.Random(seed).choices(BASE62, k=length))
    return prefix + rest, rest


def told(pattern, value):
    return value.map(lambda secret: (pattern.format(secret), secret))


SPECIAL = st.builds("q{}7{}".format, some(BASE62 + "!#$%*+/@^_~.-", 4), some(BASE62, 4))
KEYS = st.one_of(
    key("sk-ant-api03-", "sk-proj-", "sk-svcacct-", letters=BASE62 + "-_"),
    key("sk-", "gsk_", "npm_", "ghp_", "gho_", "ghs_", "github_pat_"),
    st.builds(drawn, st.sampled_from(["hh_", "hf_", "r8_"]), st.integers(0), st.integers(20, 60)),
    key("glpat-", "xoxb-", "xoxp-", "sk_live_", "rk_live_", "pypi-AgEI", "SG.abcdefghijklmnopq."),
    st.from_regex(r"A(?:KIA|SIA)[A-Z0-9]{16}", fullmatch=True).map(lambda k: (k, k)),
    key("AIza", letters=BASE62 + "-_", least=35),
    st.from_regex(r"SK[0-9a-f]{32}", fullmatch=True).map(lambda k: (k, k)),
    st.tuples(some(BASE62, 20), some(BASE62, 20)).map(
        lambda parts: (f"eyJ{parts[0]}.eyJ{parts[1]}", parts[1])
    ),
    some(BASE62 + "+/\n", 40).map(
        lambda s: (f"-----BEGIN EC PRIVATE KEY-----\n{s}\n-----END EC PRIVATE KEY-----", s)
    ),
    told("Bearer {}", some(BASE62, 20)),
)
TOLD = st.one_of(
    *(
        told(pattern, SPECIAL)
        for pattern in (
            "password={}",
            "export API_KEY={}",
            "api_key: {}",
            '{{"token": "{}", "n": 1}}',
            '{{\\"clientSecret\\": \\"{}\\", \\"n\\": 1}}',
            "Authorization: Token {}",
            "Cookie: sid={}; b=c",
            "run --password {} --verbose",
        )
    ),
    told("postgres://me:{}@db.example.com/x", SPECIAL),
    *(
        told(pattern, some(BASE62, 5).map("Zq{}9".format))
        for pattern in (
            "<password>{}</password>",
            "curl -u bob:{} https://x.org",
            "['--password', '{}']",
            '[("Authorization", "{}")]',
            '{{"name": "api_key", "value": "{}"}}',
            "password: str = '{}'",
            "api key: {}",
        )
    ),
    told("https://x.org/?access_token={}&b=1", some(BASE62, 6).filter(lambda s: not s.isalpha())),
)
EDGE = st.sampled_from(["", " ", "\n", '"', "'", "(", "\\n", "é ", "=", ",", "%3D", "\ud800"])
NAMES = st.sampled_from(
    ["password", "api_key", "Authorization", "Set-Cookie", "clientSecret", "DB_PWD", "refreshToken"]
)
WORDS = some(BASE62, 8).map("Zq{}9".format)  # so that it is no word of our own
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=5))
HIDDEN = st.one_of(
    st.tuples(EDGE, KEYS | TOLD, st.sampled_from(["", " ", "\n"])).map(
        lambda parts: (parts[0] + parts[1][0] + parts[2], parts[1][1])
    ),
    st.tuples(NAMES, WORDS).map(lambda pair: ({pair[0]: pair[1]}, pair[1])),
    st.tuples(NAMES, WORDS).map(lambda pair: ([[pair[0], pair[1]]], pair[1])),
    st.tuples(NAMES, WORDS).map(lambda pair: ({"name": pair[0], "value": pair[1]}, pair[1])),
    st.tuples(NAMES, WORDS).map(lambda pair: ({pair[0]: [{"x": [pair[1]]}]}, pair[1])),
)


@st.composite
def nested(draw):
    """(a value, a secret that is somewhere in it)"""
    value, secret = draw(HIDDEN)
    for _ in range(draw(st.integers(0, 4))):
        step = draw(st.integers(0, 2))
        if step == 0:
            value = [*draw(st.lists(PLAIN, max_size=2)), value]
        elif step == 1 and type(value) is str:
            value = {value: draw(PLAIN)}
        else:
            value = {**draw(st.dictionaries(st.text(max_size=6), PLAIN, max_size=2)), "v": value}
    return value, secret


def check(field, value, secret):
    if field in FIELDS or type(value) is not str:
        field = field if field in FIELDS else "outputs"
        given_ = session(**{field: {"x": value}})
    else:
        given_ = session(**{field: [value] if field == "children_ids" else value})
    before = copy.deepcopy(given_)
    clean = redact(given_)
    sent = wire.encode(dataclasses.replace(clean, metadata={**clean.metadata, **clean.extra}))
    # As it would stand in a JSON text, or in one that stands in a JSON text.
    for spelled in (secret, json.dumps(secret)[1:-1], json.dumps(json.dumps(secret))[3:-3]):
        assert spelled.encode() not in sent
    assert redact(clean) == clean
    assert given_ == before


FIELD = st.sampled_from([*FIELDS, "project", "session_name", "source", "error", "children_ids"])


@given(FIELD, nested())
@example("error", (f"x {KEY}", KEY))
def test_no_secret_in_any_byte(field, pair):
    """A secret of any kind, in any field, key and depth, is in no byte that is sent."""
    check(field, *pair)


@given(
    st.recursive(
        PLAIN | KEYS.map(lambda pair: pair[0]) | TOLD.map(lambda pair: pair[0]) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(max_size=6) | NAMES, inner, max_size=4)
        ),
    ),
    st.text("pasword=:\"'{}[]\\n ,;&sk-REDACTED:1/@", max_size=60),
)
def test_idempotence(value, text):
    """A session that was redacted has nothing more to redact."""
    once = redact(session(inputs={"a": value}, error=text))
    assert redact(once) is once


def test_marks():
    """A mark says the rule and nothing of the secret."""
    assert mark("openai") == "[REDACTED:openai]"


# ---- The key of one's own


@pytest.mark.parametrize("key", ["mykeyvalue987654321", "Bearer mykeyvalue987654321"])
def test_the_key_that_is_sent_with(key):
    """Whatever its form, it is in no field; a short one may be anything."""
    given_ = session(inputs={"a": ["it is mykeyvalue987654321!"]}, error="mykeyvalue987654321")
    clean = redact(given_, key=key)
    assert (clean.inputs, clean.error) == (
        {"a": ["it is [REDACTED:api_key]!"]},
        "[REDACTED:api_key]",
    )
    assert redact(clean, key=key) == clean
    assert redact(session(inputs={"a": "short"}), key="short").inputs == {"a": "short"}


def test_a_schema_is_no_secret():
    """The parameters of a tool may be called anything; what they say stays."""
    schema = {"password": {"type": "string"}, "token": {"$ref": "#/defs/token"}}
    given_ = session(inputs={"properties": schema})
    assert redact(given_) is given_
    assert inputs({"password": {"type": "plain", "value": "x"}}) == {
        "password": "[REDACTED:password]"
    }
