"""Classes: methods among each other, and classes that are decorated as a whole."""

from __future__ import annotations

import abc
import asyncio
import copy
import dataclasses
import enum
import functools
import inspect
import pickle
import typing
from collections.abc import AsyncIterator, Iterator
from typing import Any

from cases import alone, outcome
from kinds import finish

GROUP = "classes"
Kept: Any = None
T = typing.TypeVar("T")


# ---- Methods


@alone(GROUP)
def super_without_arguments(decorate: Any) -> Any:
    """`super()` and `__class__` work, up a chain of decorated methods, in every flavour."""

    class Base:
        @decorate
        def say(self) -> str:
            return "base"

        @decorate
        async def asay(self) -> str:
            return "base"

        @decorate
        def each(self) -> Iterator[str]:
            yield "base"

        @classmethod
        @decorate
        def make(cls) -> str:
            return cls.__name__

    class Child(Base):
        @decorate
        def say(self) -> str:
            return f"{__class__.__name__} {super().say()}"  # type: ignore[name-defined]

        @decorate
        async def asay(self) -> str:
            return f"child {await super().asay()}"

        @decorate
        def each(self) -> Iterator[str]:
            yield from super().each()
            yield "child"

        @classmethod
        @decorate
        def make(cls) -> str:
            return f"made {super().make()}"

    made = Child()
    return made.say(), finish(made.asay()), list(made.each()), Child.make(), made.make()


@alone(GROUP)
def overriding(decorate: Any) -> Any:
    """A method is overridden, and the other's is found by the order of resolution."""

    class Base:
        @decorate
        def say(self) -> str:
            return "base"

    class Leftovers(Base):
        def say(self) -> str:
            return f"left {super().say()}"

    class Right(Base):
        @decorate
        def say(self) -> str:
            return f"right {super().say()}"

    class Both(Leftovers, Right): ...

    return Both().say(), Base.say(Both()), [each.__name__ for each in Both.__mro__]


@alone(GROUP)
def called_on_the_class(decorate: Any) -> Any:
    """A method can be called on its class, with an instance, with any object, with none."""

    class Shop:
        @decorate
        def buy(self, what: str = "tea") -> Any:
            return type(self).__name__, what

    return (
        Shop.buy(Shop()),
        Shop.buy(5, "milk"),
        outcome(Shop.buy),
        Shop.buy(self=Shop()),
        outcome(Shop().buy, self=1),
        outcome(Shop().buy, 1, 2),
    )


@alone(GROUP)
def static_and_class_methods(decorate: Any) -> Any:
    """In either order they are called on the class and on an instance, also of a subclass."""
    results = []
    for one, two in ((staticmethod, classmethod), (classmethod, staticmethod)):
        for order in (
            lambda kind: lambda f: decorate(kind(f)),
            lambda kind: lambda f: kind(decorate(f)),
        ):

            class Shop:
                @order(one)
                def first(*args: Any, **kwargs: Any) -> Any:
                    return [getattr(arg, "__name__", arg) for arg in args], kwargs

                @order(two)
                def second(*args: Any) -> Any:
                    return [getattr(arg, "__name__", arg) for arg in args]

            class Child(Shop): ...

            for owner in (Shop, Shop(), Child, Child()):
                results.append([owner.first(1, b=2), owner.second()])
            results.append(type(vars(Shop)["first"]))
            results.append(outcome(lambda s=Shop: vars(s)["first"].__func__.__name__))
            results.append(outcome(lambda s=Shop: vars(s)["first"].__wrapped__.__name__))
    return results


@alone(GROUP)
def static_method_called_directly(decorate: Any) -> Any:
    """A static method can be called in the class body, as from Python 3.10 on."""

    class Shop:
        @staticmethod
        @decorate
        def below(number: int) -> int:
            return number

        @decorate
        @staticmethod
        def above(number: int) -> int:
            return number

        used = below(1), above(2)

    return Shop.used


@alone(GROUP)
def properties(decorate: Any) -> Any:
    """A property reads, sets, deletes and documents, above and below."""

    def build(read: Any, write: Any, remove: Any) -> Any:
        class Shop:
            def __init__(self) -> None:
                self.held = [1]

            size = property(read, write, remove)

        return Shop

    def get(self: Any) -> Any:
        """The size."""
        return self.held[-1]

    def put(self: Any, value: Any) -> None:
        self.held.append(value)

    def drop(self: Any) -> None:
        self.held.pop()

    results = []
    below = build(decorate(get), decorate(put), decorate(drop))
    above = build(get, put, drop)
    above.size = decorate(vars(above)["size"])
    for owner in (below, above):
        made = owner()
        made.size = 5
        seen = [made.size]
        del made.size
        found = vars(owner)["size"]
        results.append([*seen, made.size, made.held, owner.size.__doc__, type(found)])
        results.append([found.fget.__name__, found.fset.__name__, found.fdel.__name__])
        results.append(inspect.isdatadescriptor(found))
    return results


@alone(GROUP)
def property_errors(decorate: Any) -> Any:
    """A forbidden access and an AttributeError inside a property are as without a decorator."""

    class Shop:
        @property
        @decorate
        def below(self) -> Any:
            raise AttributeError("from inside")

        @decorate
        @property
        def above(self) -> Any:
            raise AttributeError("from inside")

        def __getattr__(self, name: str) -> str:
            return f"fallback {name}"

    made = Shop()
    return (
        made.below,
        made.above,
        outcome(setattr, made, "below", 1),
        outcome(setattr, made, "above", 1),
        outcome(delattr, made, "above"),
    )


@alone(GROUP)
def property_extended(decorate: Any) -> Any:
    """A decorated property can get its setter afterwards, and a subclass can replace its getter."""

    class Shop:
        held = 1

        @decorate
        @property
        def size(self) -> int:
            return self.held

        @size.setter
        def size(self, value: int) -> None:
            self.held = value

    class Child(Shop):
        @Shop.size.getter
        def size(self) -> int:
            return self.held * 10

    made = Child()
    made.size = 4
    return made.size, Shop().size


@alone(GROUP)
def cached_properties(decorate: Any) -> Any:
    """A cached property computes once, keeps the value in the instance, and can be reset."""
    results = []
    for order in (
        lambda f: functools.cached_property(decorate(f)),
        lambda f: decorate(functools.cached_property(f)),
    ):
        calls: list[int] = []

        class Shop:
            @order
            def size(self, calls: list[int] = calls) -> int:
                """The size."""
                calls.append(1)
                return 7

        made = Shop()
        seen = [made.size, made.size, dict(vars(made)), len(calls)]
        del made.size
        seen += [made.size, len(calls), Shop.size.__doc__, type(Shop.size).__name__]
        seen += [Shop.size.attrname, Shop.size.func.__name__]
        results.append(seen)
    return results


@alone(GROUP)
def partial_methods(decorate: Any) -> Any:
    """Partial methods bind, take what is left, and show the signature of it."""
    results = []
    for order in (
        lambda f: functools.partialmethod(decorate(f), 1, c=3),
        lambda f: decorate(functools.partialmethod(f, 1, c=3)),
    ):

        class Shop:
            def set(self, a: int, b: int = 2, *, c: int = 0) -> Any:
                return type(self).__name__, a, b, c

            one = order(set)

        made = Shop()
        results.append(
            [
                made.one(),
                made.one(5),
                made.one(c=9),
                Shop.one(made, 6),
                outcome(made.one, 1, 2, 3),
                str(inspect.signature(made.one)),
                str(inspect.signature(Shop.one)),
                type(vars(Shop)["one"]).__name__,
            ]
        )
    return results


@alone(GROUP)
def single_dispatch_method(decorate: Any) -> Any:
    """`singledispatchmethod` takes it, as its default and as an implementation."""

    class Shop:
        @functools.singledispatchmethod
        @decorate
        def say(self, value: object) -> str:
            return "object"

        @say.register
        @decorate
        def _(self, value: int) -> str:
            return "number"

        @say.register(str)
        @classmethod
        @decorate
        def _(cls, value: str) -> str:
            return f"text {cls.__name__}"

    return Shop().say(1), Shop().say("a"), Shop().say(None)


@alone(GROUP)
def cached_methods(decorate: Any) -> Any:
    """With `lru_cache` in either order a method computes once, and the cache can be looked into."""
    results = []
    for order in (
        lambda f: functools.lru_cache(maxsize=8)(decorate(f)),
        lambda f: decorate(functools.lru_cache(maxsize=8)(f)),
    ):
        calls: list[int] = []

        class Shop:
            @order
            def twice(self, number: int, calls: Any = calls.append) -> int:
                calls(number)
                return number * 2

        made = Shop()
        seen = [made.twice(2), made.twice(2), made.twice(3), list(calls)]
        info = Shop.twice.cache_info()
        Shop.twice.cache_clear()
        seen += [tuple(info), made.twice(2), list(calls), tuple(Shop.twice.cache_parameters())]
        results.append(seen)
    return results


@alone(GROUP)
def abstractness(decorate: Any) -> Any:
    """An abstract method stays abstract in either order, until it is overridden."""
    results = []
    for order in (
        lambda f: abc.abstractmethod(decorate(f)),
        lambda f: decorate(abc.abstractmethod(f)),
    ):

        class Base(abc.ABC):
            @order
            def say(self) -> str:
                return "base"

            @property
            @order
            def size(self) -> int:
                return 1

            @classmethod
            @order
            def make(cls) -> int:
                return 1

        class Child(Base):
            @decorate
            def say(self) -> str:
                return f"child {super().say()}"

            size = 5
            make = None  # type: ignore[assignment]

        results.append([sorted(Base.__abstractmethods__), outcome(Base), Child().say()])
        results.append(getattr(Base.say, "__isabstractmethod__", None))
        results.append(getattr(Child.say, "__isabstractmethod__", None))
    return results


@alone(GROUP)
def set_name(decorate: Any) -> Any:
    """`__set_name__` of a decorated descriptor is called, with its class and its name."""
    seen: list[Any] = []

    class Field:
        def __set_name__(self, owner: type, name: str) -> None:
            seen.append((owner.__name__, name))

        def __get__(self, instance: object, owner: type) -> str:
            return f"value of {type(instance).__name__}"

        def __call__(self) -> str:
            return "called"

    class Shop:
        field = decorate(Field())

    return seen, Shop().field, Shop.field


@alone(GROUP)
def replaced_at_run_time(decorate: Any) -> Any:
    """A method may be replaced, set on an instance, and assigned from class to class."""

    class Shop:
        @decorate
        def say(self) -> str:
            return type(self).__name__

    class Other: ...

    Other.say = Shop.say  # type: ignore[attr-defined]
    made = Shop()
    made.say = lambda: "own"  # type: ignore[method-assign]
    seen = [made.say()]
    del made.say
    return [*seen, made.say(), Other().say()]  # type: ignore[attr-defined]


@alone(GROUP)
def special_methods(decorate: Any) -> Any:
    """Python's own methods do their part when decorated."""

    class Number:
        @decorate
        def __init__(self, value: int) -> None:
            self.value = value

        @decorate
        def __repr__(self) -> str:
            return f"Number({self.value})"

        @decorate
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Number) and self.value == other.value

        @decorate
        def __hash__(self) -> int:
            return self.value

        @decorate
        def __lt__(self, other: Number) -> bool:
            return self.value < other.value

        @decorate
        def __add__(self, other: object) -> Any:
            return Number(self.value + other.value) if isinstance(other, Number) else NotImplemented

        @decorate
        def __len__(self) -> int:
            return self.value

        @decorate
        def __bool__(self) -> bool:
            return self.value > 0

        @decorate
        def __contains__(self, item: object) -> bool:
            return item == self.value

        @decorate
        def __getitem__(self, index: int) -> int:
            if index >= self.value:
                raise IndexError
            return index

        @decorate
        def __setitem__(self, index: int, value: int) -> None:
            self.value = value

        @decorate
        def __getattr__(self, name: str) -> str:
            if name.startswith("_"):
                raise AttributeError(name)
            return name.upper()

        @decorate
        def __enter__(self) -> Number:
            return self

        @decorate
        def __exit__(self, *error: Any) -> bool:
            return True

        @decorate
        def __index__(self) -> int:
            return self.value

        @decorate
        def __format__(self, spec: str) -> str:
            return f"<{self.value}{spec}>"

        @decorate
        def __class_getitem__(cls, item: Any) -> Any:
            return cls.__name__, item

        @decorate
        def __init_subclass__(cls, mark: int = 0, **kwargs: Any) -> None:
            super().__init_subclass__(**kwargs)
            cls.mark = mark

        @decorate
        def __reduce__(self) -> Any:
            return Number, (self.value,)

        @decorate
        def __copy__(self) -> Number:
            return Number(self.value * 100)

    class Child(Number, mark=3): ...

    one, two = Number(1), Number(2)
    with one as entered:
        raise ValueError
    two[0] = 4
    return (
        [repr(one), one == Number(1), one == 5, hash(one), sorted([two, one])[0] is one],
        [repr(one + two), outcome(lambda: one + 5), len(two), bool(Number(0)), 4 in two],
        [list(two), one.hello, outcome(getattr, one, "_x"), entered is one, [5, 6][one]],
        [f"{one:x}", Number[int], Child.mark, repr(copy.copy(one)), outcome(Number)],
    )


@alone(GROUP)
def async_special_methods(decorate: Any) -> Any:
    """So do those of `async with`, `async for` and `await`."""
    seen: list[str] = []

    class Stream:
        @decorate
        async def __aenter__(self) -> Stream:
            seen.append("enter")
            return self

        @decorate
        async def __aexit__(self, *error: Any) -> bool:
            seen.append("exit")
            return True

        @decorate
        def __aiter__(self) -> Stream:
            self.left = 2
            return self

        @decorate
        async def __anext__(self) -> int:
            await asyncio.sleep(0)
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return self.left

        @decorate
        def __await__(self) -> Any:
            yield from asyncio.sleep(0).__await__()
            return "awaited"

    class Lazy:
        @decorate
        async def __aiter__(self) -> AsyncIterator[int]:
            yield 1

    async def main() -> Any:
        async with Stream() as stream:
            items = [item async for item in stream]
            raise ValueError
        return items, await stream, [item async for item in Lazy()]

    return outcome(asyncio.run, main()), seen


@alone(GROUP)
def iterator_protocol(decorate: Any) -> Any:
    """A decorated `__next__` ends its loop with StopIteration."""

    class Countdown:
        def __init__(self) -> None:
            self.left = 3

        @decorate
        def __iter__(self) -> Countdown:
            return self

        @decorate
        def __next__(self) -> int:
            if not self.left:
                raise StopIteration("done")
            self.left -= 1
            return self.left

    made = Countdown()
    return list(made), outcome(next, made), iter(made) is made


@alone(GROUP)
def constructors(decorate: Any) -> Any:
    """`__new__`, `__init__`, `__post_init__` and an alternative constructor build the object."""

    class Base:
        @decorate
        def __new__(cls, *args: Any) -> Any:
            made = super().__new__(cls)
            made.args = args
            return made

    @dataclasses.dataclass
    class Child(Base):
        size: int = 1

        @decorate
        def __post_init__(self) -> None:
            self.size += 1

        @classmethod
        @decorate
        def big(cls) -> Child:
            return cls(100)

    made = Child(5)
    return made.size, made.args, type(made).__name__, Child.big().size, outcome(Child, 1, 2)


@alone(GROUP)
def slots_and_descriptors(decorate: Any) -> Any:
    """A class with slots needs no dictionary for it, and can be copied and pickled."""
    global Kept

    class Kept:
        __slots__ = ("size",)

        @decorate
        def __init__(self, size: int) -> None:
            self.size = size

        @decorate
        def __getstate__(self) -> Any:
            return self.size

        @decorate
        def __setstate__(self, state: Any) -> None:
            self.size = state

    made = Kept(3)
    return pickle.loads(pickle.dumps(made)).size, copy.copy(made).size, hasattr(made, "__dict__")


@alone(GROUP)
def bound_methods(decorate: Any) -> Any:
    """Bound methods compare, hash, copy and name themselves as without."""

    class Shop:
        @decorate
        def buy(self, what: str) -> str:
            """Buys."""
            return what

    one, two = Shop(), Shop()
    return (
        [
            one.buy == one.buy,
            one.buy == two.buy,
            one.buy is one.buy,
            hash(one.buy) == hash(one.buy),
        ],
        [len({one.buy, one.buy, two.buy}), one.buy.__self__ is one, one.buy.__func__ is Shop.buy],
        [one.buy.__name__, one.buy.__qualname__, one.buy.__doc__, repr(one.buy)],
        copy.copy(one.buy) == one.buy,
        copy.deepcopy(one.buy).__self__ is one,
        outcome(setattr, one.buy, "mark", 1),
    )


# ---- Classes as a whole


def _shop(decorate: Any) -> Any:
    global Kept

    @decorate
    class Kept:
        """A shop."""

        open: bool = True
        Error = ValueError

        class Shelf:
            def fill(self) -> str:
                return "filled"

        def __init__(self, size: int = 1) -> None:
            """Builds."""
            self.size = size

        def buy(self, what: str, *, count: int = 1) -> Any:
            """Buys."""
            return what * count

        async def order(self, what: str) -> str:
            return what

        def each(self) -> Iterator[int]:
            yield self.size

        async def aeach(self) -> AsyncIterator[int]:
            yield self.size

        @staticmethod
        def closed() -> bool:
            return False

        @classmethod
        def make(cls, size: int) -> Any:
            return cls(size)

        @property
        def double(self) -> int:
            """Twice the size."""
            return self.size * 2

        @double.setter
        def double(self, value: int) -> None:
            self.size = value // 2

        @functools.cached_property
        def once(self) -> int:
            return self.size

        def _private(self) -> str:
            return "private"

        def __len__(self) -> int:
            return self.size

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Kept) and other.size == self.size

        __hash__ = None  # type: ignore[assignment]
        alias = buy
        key = staticmethod(len)
        kind = int
        call = functools.partial(max, 5)

    return Kept


@alone(GROUP)
def class_is_itself(decorate: Any) -> Any:
    """A decorated class is a class, the same one, with its name, module and documentation."""

    class Plain: ...

    found = _shop(decorate)
    return (
        decorate(Plain) is Plain,
        isinstance(found, type),
        [found.__name__, found.__qualname__, found.__module__, found.__doc__, repr(found)],
        str(inspect.signature(found)),
        [base.__name__ for base in found.__mro__],
        found.__annotations__,
        sorted({*vars(found)} - {"__firstlineno__", "__static_attributes__"}),
    )


@alone(GROUP)
def class_attributes(decorate: Any) -> Any:
    """Attributes that are not methods are the same objects; methods are of the same types."""
    found = vars(_shop(decorate))
    types = {name: type(found[name]).__name__ for name in found if not name.startswith("__")}
    return types, found["Error"] is ValueError, found["kind"] is int, found["open"]


@alone(GROUP)
def class_in_use(decorate: Any) -> Any:
    """Every method of a decorated class does what it did."""
    made = _shop(decorate)(3)
    made.double = 8

    async def aeach() -> Any:
        return [item async for item in made.aeach()]

    return (
        [made.buy("a", count=2), finish(made.order("b")), list(made.each()), finish(aeach())],
        [made.closed(), type(made).closed(), type(made).make(4).size, made.make(5).size],
        [made.double, made.size, made.once, made.once, made._private(), len(made)],
        [
            made == type(made)(4),
            outcome(hash, made),
            made.alias("c"),
            made.key("xy"),
            made.kind("5"),
        ],
        [type(made).call(9), made.Shelf().fill(), type(made).double.__doc__],
        [outcome(made.buy), outcome(made.buy, 1, 2), outcome(type(made), 1, 2)],
    )


@alone(GROUP)
def class_is_inherited(decorate: Any) -> Any:
    """A subclass overrides, extends and is an instance of a decorated class."""
    base = _shop(decorate)

    class Child(base):  # type: ignore[misc]
        def buy(self, what: str, *, count: int = 1) -> Any:
            return "child " + super().buy(what, count=count)

        @property
        def double(self) -> int:
            return super().double + 1

    made = Child.make(2)
    return (
        [made.buy("a"), made.double, isinstance(made, base), issubclass(Child, base)],
        [type(made) is Child, Child.__base__ is base, [each.__name__ for each in Child.mro()]],
    )


@alone(GROUP)
def class_pickles(decorate: Any) -> Any:
    """Instances, bound methods and the class pickle and copy."""
    found = _shop(decorate)
    made = found(7)
    return (
        pickle.loads(pickle.dumps(made)).size,
        pickle.loads(pickle.dumps(made.buy))("x"),
        pickle.loads(pickle.dumps(found)) is found,
        copy.deepcopy(made).size,
        outcome(lambda: pickle.loads(pickle.dumps(found.make))(2).size),
    )


@alone(GROUP)
def class_and_its_members(decorate: Any) -> Any:
    """`inspect` finds the same members and signatures in it."""
    found = _shop(decorate)
    functions = inspect.getmembers(found, inspect.isfunction)
    return (
        [(name, str(inspect.signature(function))) for name, function in functions],
        [inspect.iscoroutinefunction(found.order), inspect.isgeneratorfunction(found.each)],
        [inspect.isasyncgenfunction(found.aeach), inspect.ismethod(found.make)],
        [function.__qualname__ for _, function in functions],
        inspect.getdoc(found.buy),
    )


@alone(GROUP)
def dataclass_in_either_order(decorate: Any) -> Any:
    """Dataclasses are built, compared, replaced and listed, decorated above and below."""
    results = []
    for order in (
        lambda c: decorate(dataclasses.dataclass(order=True)(c)),
        lambda c: dataclasses.dataclass(order=True)(decorate(c)),
    ):

        @order
        class Point:
            x: int
            y: int = 2

            def sum(self) -> int:
                return self.x + self.y

        made = Point(1)
        results.append(
            [
                repr(made),
                made == Point(1),
                made < Point(2),
                dataclasses.asdict(made),
                dataclasses.replace(made, y=5).sum(),
                [field.name for field in dataclasses.fields(Point)],
                str(inspect.signature(Point)),
                Point.__match_args__,
                outcome(Point),
            ]
        )
    return results


@alone(GROUP)
def enums_and_tuples(decorate: Any) -> Any:
    """Enums, named tuples and typed dictionaries keep their members when decorated."""

    @decorate
    class Colour(enum.Enum):
        RED = 1
        BLUE = "b"

        def shout(self) -> str:
            return self.name

        @property
        def low(self) -> str:
            return self.name.lower()

    @decorate
    class Point(typing.NamedTuple):
        x: int
        y: int = 2

        def sum(self) -> int:
            return self.x + self.y

    return (
        [[each.name, each.value, each.shout(), each.low] for each in Colour],
        Colour("b") is Colour.BLUE,
        Colour.RED in Colour,
        [Point(1), Point(1).sum(), Point._fields, Point(3)._asdict()],
    )


@alone(GROUP)
def abstract_classes(decorate: Any) -> Any:
    """Abstract classes stay abstract, and protocols protocols."""

    @decorate
    class Base(abc.ABC):
        @abc.abstractmethod
        def say(self) -> str:
            """Says."""

        @property
        @abc.abstractmethod
        def size(self) -> int: ...

        def shout(self) -> str:
            return self.say().upper()

    @decorate
    class Child(Base):
        size = 3

        def say(self) -> str:
            return "child"

    @typing.runtime_checkable
    @decorate
    class Speaks(typing.Protocol):
        def say(self) -> str: ...

    return (
        [outcome(Base), sorted(Base.__abstractmethods__), Child().shout(), Child().size],
        [isinstance(Child(), Speaks), isinstance(1, Speaks), inspect.isabstract(Base)],
        Base.register(int) is int and isinstance(1, Base),
    )


@alone(GROUP)
def generic_classes(decorate: Any) -> Any:
    """Generic classes can be subscribed, and know their parameters."""

    @decorate
    class Box(typing.Generic[T]):
        def __init__(self, item: T) -> None:
            self.item = item

        def get(self) -> T:
            return self.item

    return Box[int](3).get(), repr(Box[int]).rpartition(".")[2], Box.__parameters__ == (T,)


@alone(GROUP)
def classes_with_metaclasses(decorate: Any) -> Any:
    """Metaclass, slots, `__init_subclass__`, `__call__` and descriptors of one's own do theirs."""
    seen: list[str] = []

    class Meta(type):
        def __call__(cls, *args: Any) -> Any:
            seen.append("called")
            return super().__call__(*args)

        def __getattr__(cls, name: str) -> str:
            if name.startswith("__"):
                raise AttributeError(name)
            return f"no {name}"

    class Upper:
        def __get__(self, instance: Any, owner: Any) -> str:
            seen.append("read")
            return "UPPER"

    @decorate
    class Shop(metaclass=Meta):
        __slots__ = ("size",)
        upper = Upper()

        def __init__(self, size: int) -> None:
            self.size = size

        def __call__(self, more: int) -> int:
            return self.size + more

        def __init_subclass__(cls) -> None:
            seen.append(cls.__name__)

    class Child(Shop): ...

    made = Shop(2)
    before = list(seen)
    return made(5), made.upper, Shop.nothing, type(Shop).__name__, before, seen, Child(1)(1)


@alone(GROUP)
def exceptions_that_are_decorated(decorate: Any) -> Any:
    """A decorated exception class is raised, caught and told."""

    @decorate
    class Boom(ValueError):
        def __init__(self, code: int) -> None:
            super().__init__(f"code {code}")
            self.code = code

        def explain(self) -> str:
            return f"because of {self.code}"

    try:
        raise Boom(5)
    except Boom as error:
        return str(error), error.explain(), repr(error), isinstance(error, ValueError)
