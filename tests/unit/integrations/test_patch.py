"""`patch`: functions of other people's code are traced by their path, and can be put back."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import subprocess
import sys
import textwrap
import types
import weakref

import pytest
import wrapt

import honeytrace
from honeytrace._delivery.senders import DeliveryThread
from honeytrace.testing import capture_sessions

SHOP = """
    import functools

    def price(item, currency="EUR"):
        return f"{item} {currency}"

    async def order(item):
        return item

    def stream(count):
        yield from range(count)

    class Base:
        def inherited(self):
            return "inherited"

    class Shop(Base):
        LIMIT = 3

        def sell(self, item):
            return f"sold {item}"

        @staticmethod
        def static(item):
            return item

        @classmethod
        def of(cls, item):
            return cls.__name__, item

        @property
        def owner(self):
            return "Ann"

        class Inner:
            def deep(self):
                return "deep"
"""


@pytest.fixture
def shop(monkeypatch):
    """A library's module, as if it had been imported before."""
    module = types.ModuleType("shop")
    exec(textwrap.dedent(SHOP), module.__dict__)
    monkeypatch.setitem(sys.modules, "shop", module)
    return module


def names_of(sessions):
    return [each.session_name for each in sessions]


def test_function(shop):
    with honeytrace.patch("shop:price"), capture_sessions() as sessions:
        assert shop.price("tea", currency="USD") == "tea USD"
    session = sessions.one()
    assert (session.session_name, session.inputs) == ("price", {"item": "tea", "currency": "USD"})


@pytest.mark.parametrize(
    ("path", "call", "result"),
    [
        ("Shop.sell", lambda shop: shop.Shop().sell("tea"), "sold tea"),
        ("Shop.static", lambda shop: shop.Shop.static("tea"), "tea"),
        ("Shop.of", lambda shop: shop.Shop.of("tea"), ("Shop", "tea")),
        ("Shop.owner", lambda shop: shop.Shop().owner, "Ann"),
        ("Shop.inherited", lambda shop: shop.Shop().inherited(), "inherited"),
        ("Shop.Inner.deep", lambda shop: shop.Shop.Inner().deep(), "deep"),
        ("order", lambda shop: asyncio.run(shop.order("tea")), "tea"),
        ("stream", lambda shop: list(shop.stream(2)), [0, 1]),
    ],
)
def test_members(shop, path, call, result):
    """Each kind of function and method is traced, and is what it was after `undo`."""
    *outer, name = path.split(".")
    owner = shop
    for each in outer:
        owner = vars(owner)[each]
    before = vars(owner).get(name)
    patched = honeytrace.patch(f"shop:{path}")
    with capture_sessions() as sessions:
        assert call(shop) == result
    assert names_of(sessions) == [path.replace("Shop.inherited", "Base.inherited")]
    assert patched.undo() is True
    assert vars(owner).get(name) is before
    with capture_sessions() as sessions:
        assert call(shop) == result
    assert names_of(sessions) == []


def test_parent_class_stays_untraced(shop):
    with honeytrace.patch("shop:Shop.inherited"), capture_sessions() as sessions:
        shop.Base().inherited()
    assert names_of(sessions) == []


def test_class(shop):
    with honeytrace.patch("shop:Shop", name="shop"), capture_sessions() as sessions:
        shop.Shop().sell("tea")
        shop.Shop.static("tea")
    assert names_of(sessions) == ["shop.sell", "shop.static"]
    assert inspect.isfunction(vars(shop.Shop)["sell"])


def test_options(shop):
    with (
        honeytrace.patch("shop:price", name="p", ignore=("item",), config_args=("currency",)),
        capture_sessions() as sessions,
    ):
        shop.price("tea")
    session = sessions.one(name="p")
    assert (session.inputs, session.config) == ({"currency": "EUR"}, {"currency": "EUR"})


def test_twice(shop):
    """A second patch of the same target is the first one: a call stays one session."""
    original = shop.price
    first, second = honeytrace.patch("shop:price"), honeytrace.patch("shop:price")
    with capture_sessions() as sessions:
        shop.price("tea")
    assert names_of(sessions) == ["price"]
    assert first is second
    second.undo()
    assert shop.price is original
    assert first.undo() is True


def test_reloaded_module(tmp_path, monkeypatch, caplog):
    """A reload makes new functions; a second `patch` traces them, and undoing it is silent."""
    tmp_path.joinpath("reloaded.py").write_text("def greet():\n    return 'hello'\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("reloaded")
    patch = honeytrace.patch("reloaded:greet")
    importlib.reload(module)
    untraced = module.greet
    with capture_sessions() as sessions:
        module.greet()
        assert honeytrace.patch("reloaded:greet") is patch
        honeytrace.patch("reloaded:greet")
        module.greet()
    assert names_of(sessions) == ["greet"]
    assert patch.undo() is True
    assert module.greet is untraced
    assert not caplog.text
    monkeypatch.delitem(sys.modules, "reloaded")


def test_nested_blocks(shop):
    """The end of the inner block leaves the patch of the outer one."""
    with honeytrace.patch("shop:price"):
        with honeytrace.patch("shop:price"):
            pass
        with capture_sessions() as sessions:
            shop.price("tea")
    assert names_of(sessions) == ["price"]


def test_already_decorated(shop):
    shop.price = honeytrace.trace_session(shop.price)
    with honeytrace.patch("shop:price"), capture_sessions() as sessions:
        shop.price("tea")
    assert names_of(sessions) == ["price"]


def test_patch_again_after_undo(shop):
    honeytrace.patch("shop:price").undo()
    with honeytrace.patch("shop:price") as patched, capture_sessions() as sessions:
        assert repr(patched) == "<Patch 'shop:price' active>"
        shop.price("tea")
    assert names_of(sessions) == ["price"]
    assert repr(patched) == "<Patch 'shop:price' undone>"


def test_wrapped_since(shop, caplog):
    """A wrapper of another library stays, and a warning says so."""
    patched = honeytrace.patch("shop:price")
    traced = shop.price
    shop.price = lambda *args: traced(*args)
    assert patched.undo() is False
    assert shop.price("tea") == "tea EUR"
    assert "something else has replaced it since" in caplog.text


@pytest.mark.parametrize("name", ["sell", "buy"])
def test_wrapped_before(shop, name):
    """A wrapper of another library around a method still gets the object that it is called on."""

    async def buy(self, item):
        return f"bought {item}"

    shop.Shop.buy = buy
    seen = []

    def wrapper(wrapped, instance, args, kwargs):
        seen.append(type(instance).__name__)
        return wrapped(*args, **kwargs)

    wrapt.wrap_function_wrapper(shop, f"Shop.{name}", wrapper)
    with honeytrace.patch(f"shop:Shop.{name}"), capture_sessions() as sessions:
        result = getattr(shop.Shop(), name)("tea")
        if name == "buy":
            result = asyncio.run(result)
    assert result in ("sold tea", "bought tea")
    assert seen == ["Shop"]
    assert sessions.one().inputs == {"item": "tea"}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nothing", "cannot patch 'shop:nothing': the module 'shop' has no 'nothing'"),
        ("Nobody.sell", "has no 'Nobody.sell'"),
        ("Shop.nothing", "has no 'Shop.nothing'"),
        ("price.inside.deep", "has no 'price.inside.deep'"),
        ("Shop.LIMIT", "trace_session cannot decorate 3"),
    ],
)
def test_missing(shop, path, words, caplog):
    """A missing target is reported once, in a sentence that names it; nothing else happens."""
    honeytrace.patch(f"shop:{path}")
    honeytrace.patch(f"shop:{path}").undo()
    assert caplog.text.count("cannot patch") == 1
    assert words in caplog.text


def test_class_that_cannot_be_changed(caplog):
    honeytrace.patch("builtins:dict").undo()
    honeytrace.patch("builtins:dict.get").undo()
    assert "trace_session cannot change the class dict" in caplog.text
    assert "cannot set 'get' attribute of immutable type 'dict'" in caplog.text


def test_builtin_function(caplog):
    """Recording the calls of `len` would call `len`, and so on."""
    patched = honeytrace.patch("builtins:len")
    assert len("four") == 4
    assert "cannot patch 'builtins:len': honeytrace itself calls it" in caplog.text
    assert repr(patched) == "<Patch 'builtins:len' without effect>"
    assert patched.undo() is True


def test_clock(caplog):
    """A traced call reads it, so tracing it would never end."""
    honeytrace.patch("time:time_ns")
    assert "cannot patch 'time:time_ns': honeytrace itself calls it" in caplog.text
    with honeytrace.patch("time:sleep") as patched:
        assert repr(patched) == "<Patch 'time:sleep' active>"


SENT = """
    import honeytrace

    @honeytrace.trace_session
    def call():
        pass

    honeytrace.patch("httpcore:HTTPConnection")
    honeytrace.patch("os:pwrite")
    call()
    for _ in range(3):
        assert honeytrace.flush(20)
"""


def test_functions_that_our_threads_call(server):
    """They are not recorded there, or sending one session would start the next, for ever."""
    environment = {**os.environ, "HH_API_KEY": "hh-0123456789", "HH_API_URL": server.url}
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SENT)], env=environment, check=True, timeout=60
    )
    assert [each["session_name"] for each in server.sessions] == ["call"]


class File:
    pass


class OpenFile(File):
    def __del__(self):
        close()


def watched():
    file = File()
    weakref.finalize(file, close)
    return file


@honeytrace.trace_session
def close():
    release()


@honeytrace.trace_session
def release():
    pass


@pytest.mark.parametrize("open_file", [OpenFile, watched])
def test_finalizers_on_our_threads(open_file):
    """Calls by finalizers are recorded, on whatever thread the collector runs."""
    with capture_sessions() as sessions:
        thread = DeliveryThread(lambda: bool(open_file()), "test")  # drops the file at once
        thread.start()
        thread.join()
    assert sorted(each.session_name for each in sessions) == ["close", "release"]


def test_state_of_a_missing_target(shop):
    """The module is there, so nothing is waited for."""
    assert repr(honeytrace.patch("shop:nothing")) == "<Patch 'shop:nothing' without effect>"


def test_module_that_is_being_imported(shop, caplog):
    shop.__spec__ = types.SimpleNamespace(_initializing=True)
    honeytrace.patch("shop:later").undo()
    assert "has no 'later' yet, as it is still being imported; call patch() again" in caplog.text


def test_module_that_has_been_imported_since(shop):
    """A second `patch` finds what was missing while the module was being imported."""
    shop.__spec__ = types.SimpleNamespace(_initializing=True)
    with honeytrace.patch("shop:later"), capture_sessions() as sessions:
        shop.later = lambda: "done"
        shop.__spec__ = types.SimpleNamespace(_initializing=False)
        with honeytrace.patch("shop:later"):
            shop.later()
    assert len(sessions) == 1


@pytest.mark.parametrize("inside", ["os", "os.path"], ids=["package", "module"])
def test_class_given_as_a_module(inside, caplog):
    """A dot in the place of the colon is a usual slip, and no import would ever come."""
    honeytrace.patch(f"{inside}.PathLike:method").undo()
    assert f"no module named '{inside}.PathLike' can be found" in caplog.text


def test_module_that_is_not_installed(caplog):
    patched = honeytrace.patch("no_such_package.module:function")
    assert "no module named 'no_such_package.module' can be found" in caplog.text
    assert repr(patched).endswith("waiting for its import>")
    assert patched.undo() is True


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("no colon", ValueError),
        ("module:", ValueError),
        (":function", ValueError),
        ("module:a..b", ValueError),
        ("module:a:b", ValueError),
        (len, TypeError),
        (None, TypeError),
    ],
)
def test_bad_target(target, error):
    with pytest.raises(error, match=r"patch\(\) cannot use .*; give a string such as"):
        honeytrace.patch(target)


def test_bad_option():
    with pytest.raises(TypeError, match="did you mean 'metadata'"):
        honeytrace.patch("shop:price", metadat={})


PROGRAM = """
    import sys
    import honeytrace
    from honeytrace.testing import capture_sessions

    undone = honeytrace.patch("later:undone")
    honeytrace.patch("later:f", name="patched")
    honeytrace.patch("later:nothing")
    undone.undo()
    assert "later" not in sys.modules
    with capture_sessions() as sessions:
        import later
        assert later.f(1) == 2 and later.undone() == 3
    print([each.session_name for each in sessions])
"""


def test_before_the_import(program, tmp_path):
    """A patch waits for the import of its module, unless it is undone before."""
    (tmp_path / "later.py").write_text("def f(x):\n    return x + 1\ndef undone():\n    return 3\n")
    ran = program(PROGRAM)
    assert (ran.returncode, ran.stdout) == (0, "['patched']\n"), ran.stderr
    assert ran.stderr.count("the module 'later' has no 'nothing'") == 1
