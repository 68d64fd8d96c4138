"""The kinds of callables: in which places a function may stand, and what it may be.

A kind makes a fresh target each time. The names `target` and `Target` of this module always hold
the latest, so that it pickles. Every target has the parameters `(here, act, *args, **kwargs)` and
does what it is handed: it calls `act`.
"""

from __future__ import annotations

import abc
import enum
import functools
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from decorators import Decorator, load

Act = Callable[..., Any]


@dataclass
class Made:
    """A target: `call(act, ...)` calls it; `raw` is what the decorator returned, or what stands in
    the class; `seen` is what one gets who looks it up, as a bound method."""

    call: Callable[..., Any]
    raw: Any
    seen: Any = None
    owner: Any = None
    instance: Any = None
    flavour: str = ""

    def __post_init__(self) -> None:
        self.seen = self.raw if self.seen is None else self.seen

    def run(self, act: Act, /, *args: Any, **kwargs: Any) -> Any:
        """Calls it and goes on to its end, all by hand; returns what `act` returned."""
        return DRIVERS[self.flavour](self.call(act, *args, **kwargs))


@dataclass(frozen=True)
class Kind:
    """`common`: also used where the kind hardly matters. `layers`: how often it is decorated."""

    name: str
    group: str
    flavour: str
    factory: Callable[[Decorator], Made]
    layers: int = 1

    @property
    def common(self) -> bool:
        return self.name.partition("/")[0] in ("function", "method")

    def make(self, decorate: Decorator) -> Made:
        made = self.factory(decorate)
        made.flavour = self.flavour
        return made


# ---- Flavours: what the function is


@types.coroutine
def pause(value: Any = None) -> Generator[Any, Any, Any]:
    """Suspends a coroutine once; what is sent comes back."""
    return (yield value)


def function() -> Callable[..., Any]:
    global target

    def target(here: object, act: Act, *args: Any, **kwargs: Any) -> Any:
        """Does what it is handed."""
        return act(*args, **kwargs)

    return target


def coroutine() -> Callable[..., Coroutine[Any, Any, Any]]:
    global target

    async def target(here: object, act: Act, *args: Any, **kwargs: Any) -> Any:
        """Does what it is handed."""
        await pause()
        return act(*args, **kwargs)

    return target


def generator() -> Callable[..., Iterator[Any]]:
    global target

    def target(here: object, act: Act, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Does what it is handed."""
        yield act(*args, **kwargs)

    return target


def async_generator() -> Callable[..., AsyncIterator[Any]]:
    global target

    async def target(here: object, act: Act, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Does what it is handed."""
        await pause()
        yield act(*args, **kwargs)

    return target


def finish(awaitable: Awaitable[Any]) -> Any:
    """Run a coroutine that awaits only pauses to its end, and return its value."""

    async def wait() -> Any:
        return await awaitable

    steps = wait()
    try:
        while True:
            steps.send(None)
    except StopIteration as stop:
        return stop.value


def only(items: Iterator[Any]) -> Any:
    [item] = items
    return item


async def aonly(items: AsyncIterator[Any]) -> Any:
    [item] = [item async for item in items]
    return item


FLAVOURS: dict[str, Callable[[], Callable[..., Any]]] = {
    "function": function,
    "coroutine": coroutine,
    "generator": generator,
    "async generator": async_generator,
}
DRIVERS: dict[str, Callable[[Any], Any]] = {
    "function": lambda result: result,
    "coroutine": finish,
    "generator": only,
    "async generator": lambda items: finish(aonly(items)),
}


# ---- Places: where it stands


def in_module(decorate: Decorator, body: Any) -> Made:
    global target
    target = decorate(body)
    return Made(partial(target, None), target)


def nested(decorate: Decorator, body: Any) -> Made:
    body.__qualname__ = "outer.<locals>.target"
    decorated = decorate(body)
    return Made(partial(decorated, None), decorated)


def twice(decorate: Decorator, body: Any) -> Made:
    return in_module(decorate, decorate(body))


def in_partial(decorate: Decorator, body: Any) -> Made:
    decorated = decorate(partial(body, None))
    return Made(decorated, decorated)


def below_partial(decorate: Decorator, body: Any) -> Made:
    decorated = partial(in_module(decorate, body).raw, None)
    return Made(decorated, decorated)


def _in_class(attribute: Any) -> Made:
    global Target

    class Target:
        target = attribute

    return _looked_up(Target)


def _looked_up(owner: Any, instance: Any = None) -> Made:
    instance = owner() if instance is None else instance
    seen = instance.target
    return Made(seen, vars(owner)["target"], seen, owner, instance)


def _method(body: Any, name: str = "target") -> Any:
    body.__name__, body.__qualname__ = name, f"Target.{name}"
    return body


def method(decorate: Decorator, body: Any) -> Made:
    return _in_class(decorate(_method(body)))


def inherited(decorate: Decorator, body: Any) -> Made:
    made = method(decorate, body)
    made.instance = type("Child", (made.owner,), {})()
    made.call = made.seen = made.instance.target
    return made


def in_instance(decorate: Decorator, body: Any) -> Made:
    made = in_module(decorate, body)
    made.instance = types.SimpleNamespace(target=made.raw)
    return made


def below_staticmethod(decorate: Decorator, body: Any) -> Made:
    return _without_self(_in_class(staticmethod(decorate(_method(body)))))


def above_staticmethod(decorate: Decorator, body: Any) -> Made:
    return _without_self(_in_class(decorate(staticmethod(_method(body)))))


def _without_self(made: Made) -> Made:
    made.call = partial(made.seen, None)
    return made


def below_classmethod(decorate: Decorator, body: Any) -> Made:
    return _in_class(classmethod(decorate(_method(body))))


def above_classmethod(decorate: Decorator, body: Any) -> Made:
    return _in_class(decorate(classmethod(_method(body))))


def below_partialmethod(decorate: Decorator, body: Any) -> Made:
    return _in_class(functools.partialmethod(decorate(_method(body))))


def above_partialmethod(decorate: Decorator, body: Any) -> Made:
    return _in_class(decorate(functools.partialmethod(_method(body))))


def bound_method(decorate: Decorator, body: Any) -> Made:
    made = _in_class(_method(body))
    decorated = decorate(made.instance.target)
    return Made(decorated, decorated, owner=made.owner, instance=made.instance)


def callable_object(decorate: Decorator, body: Any) -> Made:
    global Target

    class Target:
        __call__ = _method(body, "__call__")

    decorated = decorate(Target())
    return Made(decorated, decorated, owner=Target)


def call_method(decorate: Decorator, body: Any) -> Made:
    global Target

    class Target:
        __call__ = decorate(_method(body, "__call__"))

    instance = Target()
    return Made(instance, vars(Target)["__call__"], instance, Target, instance)


def in_decorated_class(decorate: Decorator, body: Any) -> Made:
    global Target

    class Target:
        target = _method(body)

    Target = decorate(Target)
    return _looked_up(Target)


def in_slots(decorate: Decorator, body: Any) -> Made:
    global Target

    class Target:
        __slots__ = ()
        target = decorate(_method(body))

    return _looked_up(Target)


def in_dataclass(decorate: Decorator, body: Any) -> Made:
    global Target

    @dataclass(frozen=True)
    class Target:
        number: int = 1
        target = decorate(_method(body))

    return _looked_up(Target)


def in_enum(decorate: Decorator, body: Any) -> Made:
    global Target

    class Target(enum.Enum):
        ONE = 1
        target = decorate(_method(body))

    return _looked_up(Target, Target.ONE)


def in_metaclass(decorate: Decorator, body: Any) -> Made:
    class Meta(type):
        target = decorate(_method(body))

    return _looked_up(Meta, Meta("Target", (), {}))


def in_abstract(decorate: Decorator, body: Any) -> Made:
    class Base(abc.ABC):
        target = abc.abstractmethod(decorate(_method(body)))

    class Target(Base):
        target = Base.target

    Target.__abstractmethods__ = frozenset()
    return _looked_up(Target)


EVERYWHERE: dict[str, Callable[[Decorator, Any], Made]] = {
    "function": in_module,
    "nested function": nested,
    "decorated twice": twice,
    "partial": in_partial,
    "below partial": below_partial,
    "method": method,
    "inherited method": inherited,
    "function in an instance": in_instance,
    "below staticmethod": below_staticmethod,
    "above staticmethod": above_staticmethod,
    "below classmethod": below_classmethod,
    "above classmethod": above_classmethod,
    "below partialmethod": below_partialmethod,
    "above partialmethod": above_partialmethod,
    "bound method": bound_method,
    "callable object": callable_object,
    "__call__": call_method,
    "method of a decorated class": in_decorated_class,
    "method with slots": in_slots,
    "method of a dataclass": in_dataclass,
    "method of an enum": in_enum,
    "method of a metaclass": in_metaclass,
    "abstract method": in_abstract,
}


# ---- Kinds that are of one flavour


def in_lambda(decorate: Decorator) -> Made:
    decorated = decorate(lambda act, *args, **kwargs: act(*args, **kwargs))
    return Made(decorated, decorated)


def generator_lambda(decorate: Decorator) -> Made:
    decorated = decorate(lambda act, *args, **kwargs: (yield act(*args, **kwargs)))
    return Made(decorated, decorated)


def builtin(decorate: Decorator) -> Made:
    """`functools.reduce`, which is written in C and calls what it is handed."""
    decorated = decorate(functools.reduce)
    return Made(lambda act, *args, **kw: decorated(lambda *_: act(*args, **kw), "ab"), decorated)


def awaitable_generator(decorate: Decorator) -> Made:
    body = generator()

    def target(here: object, act: Act, *args: Any, **kwargs: Any) -> Any:
        """Does what it is handed."""
        yield
        return act(*args, **kwargs)

    body = types.coroutine(target)
    return in_module(decorate, body)


def above_cache(decorate: Decorator) -> Made:
    return in_module(decorate, functools.lru_cache(maxsize=4)(function()))


def below_cache(decorate: Decorator) -> Made:
    return in_module(lambda body: functools.lru_cache(maxsize=4)(decorate(body)), function())


def below_wraps(decorate: Decorator) -> Made:
    """Below the wrapper that others write."""

    def above(body: Any) -> Any:
        decorated = decorate(body)

        @functools.wraps(decorated)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return decorated(*args, **kwargs)

        return wrapper

    return in_module(above, function())


def above_wraps(decorate: Decorator) -> Made:
    """Above the wrapper that others write."""
    body = function()

    @functools.wraps(body)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return body(*args, **kwargs)

    return in_module(decorate, wrapper)


def below_singledispatch(decorate: Decorator) -> Made:
    return in_module(lambda body: functools.singledispatch(decorate(body)), function())


def below_singledispatchmethod(decorate: Decorator) -> Made:
    dispatch = functools.singledispatchmethod(decorate(_method(function())))
    made = _in_class(dispatch)
    made.seen = made.call
    return made


def _property(wrap: Callable[[Any], Any]) -> Made:
    """A class whose `target` is computed: it calls what the instance has in `act`."""
    global Target

    class Target:
        act: Act

        def target(self) -> Any:
            """Does what it is handed."""
            return self.act()

        target = wrap(target)

    def call(act: Act, *args: Any, **kwargs: Any) -> Any:
        instance = Target()
        instance.act = partial(act, *args, **kwargs)
        return instance.target

    return Made(call, vars(Target)["target"], owner=Target)


def below_property(decorate: Decorator) -> Made:
    return _property(lambda body: property(decorate(body)))


def above_property(decorate: Decorator) -> Made:
    return _property(lambda body: decorate(property(body)))


def _cached(wrap: Callable[[Any], Any]) -> Made:
    def attach(body: Any) -> Any:
        found = wrap(body)
        found.__set_name__(None, "target")  # the class body has seen another under this name
        return found

    return _property(attach)


def below_cached_property(decorate: Decorator) -> Made:
    return _cached(lambda body: functools.cached_property(decorate(body)))


def above_cached_property(decorate: Decorator) -> Made:
    return _cached(lambda body: decorate(functools.cached_property(body)))


def setter(decorate: Decorator) -> Made:
    global Target

    class Target:
        result: Any = None

        @property
        def target(self) -> Any:
            return self.result

        @target.setter
        @decorate
        def target(self, act: Act) -> None:
            self.result = act()

    def call(act: Act, *args: Any, **kwargs: Any) -> Any:
        instance = Target()
        instance.target = partial(act, *args, **kwargs)
        return instance.target

    return Made(call, vars(Target)["target"], owner=Target)


def init(decorate: Decorator) -> Made:
    global Target

    class Target:
        @decorate
        def __init__(self, act: Act, *args: Any, **kwargs: Any) -> None:
            self.result = act(*args, **kwargs)

    def call(*args: Any, **kwargs: Any) -> Any:
        return Target(*args, **kwargs).result

    return Made(call, vars(Target)["__init__"], Target, Target)


def new(decorate: Decorator) -> Made:
    global Target

    class Target:
        result: Any

        @decorate
        def __new__(cls, act: Act, *args: Any, **kwargs: Any) -> Any:
            made = super().__new__(cls)
            made.result = act(*args, **kwargs)
            return made

    def call(*args: Any, **kwargs: Any) -> Any:
        return Target(*args, **kwargs).result

    return Made(call, vars(Target)["__new__"], Target, Target)


def subscript(decorate: Decorator) -> Made:
    """`__getitem__`, looked up on the type as all of Python's own methods are."""
    global Target

    class Target:
        @decorate
        def __getitem__(self, act: Act) -> Any:
            return act()

    def call(act: Act, *args: Any, **kwargs: Any) -> Any:
        return Target()[partial(act, *args, **kwargs)]

    return Made(call, vars(Target)["__getitem__"], Target().__getitem__, Target)


def iterable(decorate: Decorator) -> Made:
    global Target

    class Target:
        def __init__(self, act: Act) -> None:
            self.act = act

        @decorate
        def __iter__(self) -> Iterator[Any]:
            yield self.act()

    def call(act: Act, *args: Any, **kwargs: Any) -> Any:
        return iter(Target(partial(act, *args, **kwargs)))

    return Made(call, vars(Target)["__iter__"], Target(print).__iter__, Target)


def aiterable(decorate: Decorator) -> Made:
    global Target

    class Target:
        def __init__(self, act: Act) -> None:
            self.act = act

        @decorate
        async def __aiter__(self) -> AsyncIterator[Any]:
            yield self.act()

    def call(act: Act, *args: Any, **kwargs: Any) -> Any:
        return aiter(Target(partial(act, *args, **kwargs)))

    return Made(call, vars(Target)["__aiter__"], Target(print).__aiter__, Target)


def awaitable(decorate: Decorator) -> Made:
    global Target

    class Target:
        def __init__(self, act: Act) -> None:
            self.act = act

        @decorate
        def __await__(self) -> Generator[Any, Any, Any]:
            yield
            return self.act()

    def call(act: Act, *args: Any, **kwargs: Any) -> Any:
        return Target(partial(act, *args, **kwargs))

    return Made(call, vars(Target)["__await__"], Target(print).__await__, Target)


SPECIAL: dict[str, tuple[str, str, Callable[[Decorator], Made]]] = {
    "lambda": ("functions", "function", in_lambda),
    "generator lambda": ("generators", "generator", generator_lambda),
    "builtin": ("functions", "function", builtin),
    "types.coroutine": ("coroutines", "coroutine", awaitable_generator),
    "above lru_cache": ("other decorators", "function", above_cache),
    "below lru_cache": ("other decorators", "function", below_cache),
    "below wraps": ("other decorators", "function", below_wraps),
    "above wraps": ("other decorators", "function", above_wraps),
    "below singledispatch": ("other decorators", "function", below_singledispatch),
    "below singledispatchmethod": ("other decorators", "function", below_singledispatchmethod),
    "below property": ("descriptors", "function", below_property),
    "above property": ("descriptors", "function", above_property),
    "below cached_property": ("descriptors", "function", below_cached_property),
    "above cached_property": ("descriptors", "function", above_cached_property),
    "setter": ("descriptors", "function", setter),
    "__init__": ("methods", "function", init),
    "__new__": ("methods", "function", new),
    "__getitem__": ("methods", "function", subscript),
    "__iter__": ("generators", "generator", iterable),
    "__aiter__": ("async generators", "async generator", aiterable),
    "__await__": ("coroutines", "coroutine", awaitable),
}


def _group(place: str, flavour: str) -> str:
    if flavour != "function":
        return f"{flavour}s"
    if "partial" in place or "object" in place:
        return "objects"
    if "static" in place or "classmethod" in place:
        return "descriptors"
    return "methods" if "method" in place or place == "__call__" else "functions"


def _everywhere() -> Iterator[Kind]:
    for place, build in EVERYWHERE.items():
        for flavour, body in FLAVOURS.items():
            name = place if flavour == "function" else f"{place}/{flavour}"
            layers = 2 if build is twice else 1

            def factory(decorate: Decorator, build: Any = build, body: Any = body) -> Made:
                return build(decorate, body())

            yield Kind(name, _group(place, flavour), flavour, factory, layers)


KINDS = [
    *_everywhere(),
    *(Kind(name, group, flavour, make) for name, (group, flavour, make) in SPECIAL.items()),
]

PLACES: dict[str, Callable[[Decorator, Any], Callable[..., Any]]] = {
    name: lambda decorate, body, build=EVERYWHERE[name]: build(decorate, body).call
    for name in (
        "function",
        "method",
        "above staticmethod",
        "below classmethod",
        "partial",
        "callable object",
        "method of a decorated class",
    )
}


def remake(spec: str) -> None:
    """Makes `target` in a child process, decorated as it is in the parent."""
    in_module(load(spec), function())


def call_here(function: Callable[..., Any], number: int) -> int:
    """Something for another process to do."""
    return function(None, abs, number)
