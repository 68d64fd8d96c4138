"""Values that other tracers lost, misread or ran code of, after public bug reports."""

from __future__ import annotations

import dataclasses
import sys
import threading
import types
import uuid

import httpx
import pydantic
import pydantic_core
import pytest

import honeytrace
from honeytrace import trace_session
from honeytrace.testing import capture_sessions


@trace_session
def passed(value):
    return value


def recorded(value):
    """Return how an argument is recorded; the same result has to be recorded in the same way."""
    before = honeytrace.stats().errors
    with capture_sessions() as sessions:
        assert passed(value) is value
    (session,) = sessions
    copy = session.inputs["value"]
    assert session.outputs == (copy if isinstance(copy, dict) else {"result": copy})
    assert honeytrace.stats().errors == before
    return copy


def test_keys_that_are_numbers_of_numpy():
    """A count of labels has such keys, and they read as numbers, not as bytes of memory.

    pietrzakacper/tracethat.dev#39: "Keys must be str, int, float, bool or None"
    """
    np = pytest.importorskip("numpy")
    labels, counts = np.unique(np.array([7, 7, 300]), return_counts=True)
    assert recorded(dict(zip(labels, counts.tolist(), strict=True))) == {"7": 2, "300": 1}
    assert recorded([{"x": {np.str_("k"): 1, np.float64(0.5): 2}}]) == [{"x": {"k": 1, "0.5": 2}}]
    assert recorded({(np.int32(1), "a"): True}) == {'[1, "a"]': True}


def test_a_huge_key():
    """It is cut like any other text.

    elastic/apm-agent-python#632: "Truncate large dictionaries is local vars"
    """
    (name,) = recorded({"k" * 1_100_000: 1})
    assert name.startswith("kkk")
    assert name.endswith("more characters]")


@pytest.mark.parametrize("numpy", [False, True])
def test_keys_that_cannot_be_json(monkeypatch, numpy):
    """They become texts, whether or not the program has imported numpy.

    langfuse/langfuse#3823: "serializer.py stuck in an infinite loop" (unhashable type: 'list')
    """
    monkeypatch.delitem(sys.modules, "numpy", raising=False)
    if numpy:
        monkeypatch.setitem(sys.modules, "numpy", types.ModuleType("numpy"))
    value = {frozenset({1}): "a", ("x", ("y",)): "b", None: "c", b"k": "d", 1.5: "e", int: "f"}
    assert recorded(value) == {
        "[1]": "a",
        '["x", ["y"]]': "b",
        "null": "c",
        "k": "d",
        "1.5": "e",
        "<type builtins.int>": "f",
    }


@dataclasses.dataclass
class Person:
    name: str
    parent: Person | None = None
    children: list[Person] = dataclasses.field(default_factory=list)


def test_records_that_refer_to_each_other():
    """langfuse/langfuse#12015: "dataclasses.asdict() has no circular reference detection" """
    root = Person("root")
    root.children.append(Person("child", root))
    child = {"name": "child", "parent": "[circular]", "children": []}
    assert recorded(root) == {"name": "root", "parent": None, "children": [child]}


def test_options_that_contain_themselves():
    """BerriAI/litellm#15325: "LangFuse logging crashes on circular optional_params" """
    options = {"temperature": 0}
    options["self"] = options
    assert recorded(options) == {"temperature": 0, "self": "[circular]"}


@dataclasses.dataclass
class Settings:
    lock: object = dataclasses.field(default_factory=threading.Lock)
    model: str = "gpt-4o"

    def __deepcopy__(self, memo):
        raise TypeError("cannot be copied")


def test_a_record_that_cannot_be_copied():
    """mlflow/mlflow#21667: "`TraceJSONEncoder` crashes on dataclasses with non-copyable fields" """
    copy = recorded(Settings())
    assert copy.pop("lock").endswith("lock>")
    assert copy == {"model": "gpt-4o"}


class Place(pydantic.BaseModel):
    city: str


def test_models_inside_plain_data():
    """DataDog/dd-trace-py#16864: "LLMObs decorators should serialize Pydantic model outputs" """
    assert recorded([(Place(city="Ulm"), {"at": Place(city="Bonn")})]) == [
        [{"city": "Ulm"}, {"at": {"city": "Bonn"}}]
    ]


class OwnUrl(httpx.URL):
    def __str__(self):
        raise AssertionError


@pytest.mark.parametrize(
    ("url", "copy"),
    [
        (httpx.URL("https://ada:opensesame@host/a?b=1"), "https://ada:[REDACTED:url]@host/a?b=1"),
        (pydantic.TypeAdapter(pydantic.HttpUrl).validate_python("http://host/a"), "http://host/a"),
        (pydantic_core.Url("http://host"), "http://host/"),
        (pydantic_core.MultiHostUrl("redis://a,b"), "redis://a,b"),
        (OwnUrl("http://host"), f"<{__name__}.OwnUrl>"),
    ],
)
def test_urls(url, copy):
    """They are recorded as text, without the password in them.

    mlflow/mlflow#16939: "HttpUrl('https://example.com/') is not JSON serializable"
    """
    assert recorded([url]) == [copy]


def test_a_url_of_pydantic_with_another_inside():
    """Only pydantic's own code runs for it."""
    base = vars(pydantic.networks).get("_BaseUrl") or pytest.skip("pydantic has no such class")
    url = type("Url", (base,), {})("http://host")
    url._url = OwnUrl("http://host")
    assert recorded([url]) == [f"<{__name__}.Url>"]


def test_millions_of_numbers():
    """Only as many are looked at as are kept.

    elastic/apm-agent-python#1592: "Performance Bug in the varmap function" (60 s for 24 million)
    """

    class Numbers(list):
        looked_at = 0

        def __iter__(self):
            raise AssertionError

        __len__ = __getitem__ = __iter__

    inner = Numbers(range(40))
    with capture_sessions() as sessions:
        passed([[inner] * 30_000] * 20_000)
    copy = sessions[0].inputs["value"]
    assert sum(len(each) for row in copy if isinstance(row, list) for each in row) < 200_000


class Sum:
    def __init__(self):
        self.base = 1

    @trace_session
    def add(self, number):
        return self.base + number


def test_the_object_of_a_method_is_no_input():
    """traceloop/openllmetry#2383: the instance was an input, and made all inputs disappear"""
    with capture_sessions() as sessions:
        assert Sum().add(2) == 3
    assert [(each.inputs, each.outputs) for each in sessions] == [({"number": 2}, {"result": 3})]


# getsentry/sentry-python#3444: "<broken repr> in stack trace variables", and
# sqlalchemy/sqlalchemy#4941: "Reading object attributes can raise DetachedInstanceError".


@pytest.fixture
def database():
    """A session of SQLAlchemy with one user, and the list of the statements that it sends."""
    sa = pytest.importorskip("sqlalchemy")
    orm = pytest.importorskip("sqlalchemy.orm")
    registry = orm.registry()
    posts = sa.Table(
        "posts",
        registry.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.ForeignKey("users.id")),
    )
    users = sa.Table(
        "users",
        registry.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text),
        sa.Column("bio", sa.Text),
    )
    user_class, post_class = (type(name, (), {}) for name in ("User", "Post"))
    registry.map_imperatively(post_class, posts)
    related = orm.relationship(post_class, backref="user")
    bio = orm.deferred(users.c.bio)
    registry.map_imperatively(user_class, users, properties={"posts": related, "bio": bio})
    engine = sa.create_engine("sqlite://")
    registry.metadata.create_all(engine)
    sent = []
    with orm.Session(engine) as session:
        session.add_all([user := user_class(), post := post_class()])
        user.id, user.name, user.bio, post.user = 7, "Ada", "long", user
        session.commit()
        sa.event.listen(engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
        yield types.SimpleNamespace(session=session, user=user, users=users, sent=sent)
    engine.dispose()


def test_a_row_of_which_nothing_is_loaded(database):
    """After a commit it is named by its key. No column is loaded for the copy."""
    assert recorded([database.user]) == [f"<{__name__}.User 7>"]
    database.session.expunge_all()
    assert recorded(database.user) == f"<{__name__}.User 7>"
    assert database.sent == []


def test_the_loaded_columns_of_a_row(database):
    user = database.user
    assert user.name == "Ada"
    assert len(user.posts) == 1
    database.sent.clear()
    copy = recorded(user)
    assert copy.pop("posts").startswith("<sqlalchemy.orm.collections.")
    assert copy == {"id": 7, "name": "Ada"}
    assert recorded(user.posts) == [{"id": 1, "user_id": 7}]
    assert database.sent == []


def test_rows_as_mappings(database):
    found = database.session.execute(database.users.select()).mappings().one()
    assert recorded([found]) == [{"id": 7, "name": "Ada", "bio": "long"}]


class Row:
    """What SQLAlchemy makes of a class that it maps, for runs without SQLAlchemy."""

    _sa_class_manager = True

    def __init__(self, key, **own):
        self._sa_instance_state = types.SimpleNamespace(key=key)
        vars(self).update(own)


class Rows(list):
    _sa_appender = True


@pytest.mark.parametrize(
    ("row", "copy"),
    [
        (Row((Row, (7,), None)), f"<{__name__}.Row 7>"),
        (Row((Row, ("a", uuid.UUID(int=1)))), f"<{__name__}.Row a {uuid.UUID(int=1)}>"),
        (Row((Row, (object(),))), f"<{__name__}.Row>"),
        (Row((Row, None)), f"<{__name__}.Row>"),
        (Row((Row,)), f"<{__name__}.Row>"),
        (Row(None), f"<{__name__}.Row>"),
        (Row(None, name="Ada", tags=["x"]), {"name": "Ada", "tags": ["x"]}),
        (
            Row(None, user=Row(None, name="Ada"), posts=Rows()),
            {"user": f"<{__name__}.Row>", "posts": f"<{__name__}.Rows>"},
        ),
    ],
)
def test_what_a_row_holds(row, copy):
    assert recorded(row) == copy


def test_rows_as_mappings_of_a_stand_in(monkeypatch):
    module = types.ModuleType("sqlalchemy.engine.row")
    module.RowMapping = type("RowMapping", (), {"items": lambda _: [("id", 1)]})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    own = type("Own", (module.RowMapping,), {})
    assert recorded([module.RowMapping(), own()]) == [{"id": 1}, f"<{__name__}.Own>"]


def test_a_row_of_django(monkeypatch):
    """It has its loaded columns. This stands in for the class of which all models are made.

    getsentry/sentry-python#5414: "QuerySet evaluation triggered during exception capture"
    """
    module = types.ModuleType("django.db.models.base")
    module.Model = type("Model", (), {"__repr__": pytest.fail, "__getattr__": pytest.fail})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    user = type("User", (module.Model,), {"__slots__": ()})()
    vars(user).update(_state=object(), id=1, name="Ada")
    assert recorded(user) == {"id": 1, "name": "Ada"}
