"""Parameters of every sort and name, right calls and wrong ones, for each flavour of function."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from cases import CASES, Case, alone, outcome
from decorators import Decorator
from kinds import aonly, finish, only, pause

NAMES = (
    "self cls name func function fn f args kwargs config instance wrapped call result error value "
    "target traced session spec live begin end make_current inputs outputs key default object "
    "type print len dict tuple list str isinstance Exception BaseException TypeError asyncio "
    "inspect functools sys contextvars größe _ __ __x__ match case this next send throw"
).split()

# The parameters, and calls of all sorts.
TABLE: dict[str, tuple[str, list[str]]] = {
    "none": ("", ["()", "(1)", "(a=1)", "(1, 2, a=3)", "(*[], **{})"]),
    "one": ("a", ["(1)", "(a=1)", "()", "(1, 2)", "(1, a=1)", "(b=1)", "(1, b=2)"]),
    "two": ("a, b", ["(1, 2)", "(b=1, a=2)", "()", "(1)", "(1, 2, 3)", "(1, c=1)", "(1, 2, b=3)"]),
    "three": ("a, b, c", ["()", "(1)", "(c=1)", "(1, 2, 3, 4, 5)", "(*range(3))", "(*[1], c=2)"]),
    "defaults": ("a, b=2, c=3", ["(1)", "(1, c=5)", "(1, 4, 5)", "()", "(b=1)", "(1, 2, 3, 4)"]),
    "all defaults": ("a=1, b=None", ["()", "(b=2)", "(3)", "(1, 2, 3)", "(c=4)", "(1, a=2)"]),
    "positional only": ("a, b=2, /", ["(1)", "(1, 3)", "(a=1)", "(1, b=2)", "()", "(1, 2, 3)"]),
    "positional only and more": (
        "a, /, b, *, c",
        ["(1, 2, c=3)", "(1, b=2, c=3)", "(a=1, b=2, c=3)", "(1, 2, 3)", "(1, 2)", "(c=1)"],
    ),
    "positional only and the same keyword": (
        "a, /, **rest",
        ["(1)", "(1, a=2)", "(a=2)", "(1, 2)", "(1, b=3, a=4)"],
    ),
    "keyword only": ("*, a, b=2", ["(a=1)", "(a=1, b=3)", "()", "(1)", "(b=1)", "(a=1, c=1)"]),
    "two keywords only": ("*, a, b", ["()", "(a=1)", "(1, 2)", "(1, a=1, b=2)", "(b=1, a=2)"]),
    "rest": ("*rest", ["()", "(1, 2, 3)", "(rest=1)", "(*'abc')"]),
    "one and rest": ("a, *rest", ["(1)", "(1, 2, 3)", "()", "(a=1)", "(1, a=2)", "(1, rest=2)"]),
    "rest and keywords": (
        "*rest, a, b=2",
        ["(1, a=2)", "(1, 2)", "(1, a=1, c=3)", "(rest=1, a=1)"],
    ),
    "any keyword": ("**rest", ["()", "(a=1, b=2)", "(1)", "(rest=1)", "(**{'not a name': 1})"]),
    "one and any keyword": ("a, **rest", ["(1)", "(1, b=2)", "(a=1, b=2)", "(b=2)", "(1, a=2)"]),
    "anything": ("*args, **kwargs", ["()", "(1, a=2)", "(args=1, kwargs=2)", "(*[1], **{'b': 2})"]),
    "everything": (
        "a, b=2, /, c=3, *d, e, f=6, **g",
        ["(1, e=5)", "(1, 2, 3, 4, 5, e=6, h=7)", "(1)", "(e=5)", "(1, a=2, e=3)", "(1, d=4, e=5)"],
    ),
    "annotated": (
        "a: int, b: 'list[str]' = (), *c: float, d: dict = {}, **e: object",
        ["(1)", "(1, 2, 3, d=4, e=5)", "()", "(1, a=2)"],
    ),
    "odd defaults": (
        "a=float('nan'), b=..., c=NotImplemented, d=print, e=int, f=b'x', g=lambda: 1",
        ["()", "(1, g=2)", "(1, 2, 3, 4, 5, 6, 7, 8)"],
    ),
    "text defaults": ("a='\"', b='''\\n''', c='{}', d='\\\\'", ["()", "(c='x')", "(1, a=2)"]),
    "many": (
        ", ".join(f"p{number}" for number in range(120)),
        ["(*range(120))", "(*range(119))", "(*range(121))", "(*range(119), p119=1)", "()"],
    ),
    "names that a wrapper may use": (
        ", ".join(NAMES[:20]),
        [f"(*range({20}))", f"(**dict.fromkeys({NAMES[:20]!r}, 1))", "(1, self=2)", "(1)"],
    ),
    "names that a wrapper may use as keywords": (
        "*, " + ", ".join(NAMES[20:]),
        [f"(**dict.fromkeys({NAMES[20:]!r}, 1))", "(1)", "(value=1)"],
    ),
    "names that a wrapper may use for the rest": (
        "self, *args, **kwargs",
        ["(1, 2, args=3, kwargs=4)", "(1, name=1, func=2)", "(1, self=2)", "()", "(self=1)"],
    ),
    "hidden names": ("_a, _b=1, *_args, **_kwargs", ["(1)", "(_a=1, _b=2, _c=3)", "()"]),
}
FLAVOURS = {
    "function": ("def", "return", lambda made: made),
    "coroutine": ("async def", "await pause(); return", finish),
    "generator": ("def", "yield", only),
    "async generator": ("async def", "yield", lambda made: finish(aonly(made))),
}


def _define(decorate: Decorator, parameters: str, flavour: str) -> Any:
    define, answer, _ = FLAVOURS[flavour]
    space: dict[str, Any] = {"pause": pause, "shown": _shown, "__name__": "elsewhere"}
    # Some parameters are named like builtins; what it was called with is in its locals.
    code = f"{define} target({parameters}):\n    {answer} shown(vars())\n"
    exec(compile(code, "<signature>", "exec", dont_inherit=True), space)
    return decorate(space["target"])


def _shown(found: dict[str, Any]) -> dict[str, str]:
    return {name: repr(value) for name, value in found.items()}


def called(parameters: str, calls: list[str], flavour: str, decorate: Decorator) -> Any:
    """Each call binds as without, or raises the same TypeError at the same moment."""
    target = _define(decorate, parameters, flavour)
    finish_it = FLAVOURS[flavour][2]

    def each(call: str) -> Any:
        how, made = outcome(eval, f"target{call}", {"target": target})
        return (how, made) if how == "raised" else (how, outcome(finish_it, made))

    return {call: each(call) for call in calls}


def described(parameters: str, calls: list[str], flavour: str, decorate: Decorator) -> Any:
    """`inspect` describes the parameters as without, with the very objects as defaults."""
    target = _define(decorate, parameters, flavour)
    shallow = inspect.signature(target, follow_wrapped=False)
    return (
        str(inspect.signature(target)),
        str(shallow),
        [each.kind.name for each in shallow.parameters.values()],
        str(inspect.getfullargspec(target)),
        repr(target.__defaults__),
        repr(target.__kwdefaults__),
        repr(target.__annotations__),
        target.__code__.co_varnames[: target.__code__.co_argcount],
    )


for _sort, (_parameters, _calls) in TABLE.items():
    for _flavour in FLAVOURS:
        for _behaviour in (called, described):
            CASES.append(
                Case(
                    _behaviour,
                    f"{_sort}/{_flavour}",
                    "signatures",
                    functools.partial(_behaviour, _parameters, _calls, _flavour),
                )
            )


@alone("signatures")
def mutable_default(decorate: Any) -> Any:
    """A mutable default is one object for all calls, and the one that the function was given."""
    default: list[int] = []

    @decorate
    def target(item: int, items: list[int] = default) -> list[int]:
        items.append(item)
        return items

    target(1)
    return target(2) is default, default, target.__defaults__[0] is default


@alone("signatures")
def odd_objects_as_defaults(decorate: Any) -> Any:
    """Defaults that cannot be printed, compared or hashed do no harm."""

    class Odd:
        __hash__ = None  # type: ignore[assignment]

        def __repr__(self) -> str:
            raise RuntimeError

        def __eq__(self, other: object) -> bool:
            raise RuntimeError

        def __bool__(self) -> bool:
            raise RuntimeError

    one, two = Odd(), Odd()

    @decorate
    def target(a: Any = one, *, b: Any = two) -> Any:
        return a, b

    return target()[0] is one, target()[1] is two, target(5)[0], target.__defaults__[0] is one


@alone("signatures")
def defaults_replaced(decorate: Any) -> Any:
    """Defaults that are set afterwards are those that a call uses. (What `inspect` says of them is
    left out: where there is a `__wrapped__`, it says that of the original.)"""

    @decorate
    def target(a: int, b: int = 2, *, c: int = 3) -> Any:
        return a, b, c

    target.__defaults__ = (5,)
    target.__kwdefaults__ = {"c": 6}
    changed = target(1)
    target.__defaults__ = None
    target.__kwdefaults__ = None
    return changed, outcome(target, 1)


@alone("signatures")
def signature_of_its_own(decorate: Any) -> Any:
    """A `__signature__` that the function has is what `inspect` says, and binds nothing."""

    def target(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    target.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter("x", inspect.Parameter.POSITIONAL_ONLY)]
    )
    decorated = decorate(target)
    return str(inspect.signature(decorated)), decorated(1, 2, z=3)


@alone("signatures")
def mangled_names(decorate: Any) -> Any:
    """Names with two underscores are mangled in a class, and are called so."""

    class Holder:
        @decorate
        def target(self, __a: int, *, __b: int = 2) -> Any:
            return __a, __b

    made = Holder()
    return (
        str(inspect.signature(made.target)),
        made.target(1, _Holder__b=3),
        outcome(made.target, _Holder__a=1),
        outcome(made.target),
    )


@alone("signatures")
def keyword_order(decorate: Any) -> Any:
    """Keywords keep their order, defaults are evaluated once, and unpacking happens once."""
    steps: list[str] = []

    def step(name: str) -> str:
        steps.append(name)
        return name

    @decorate
    def target(a: Any = step("default"), **rest: Any) -> Any:  # noqa: B008 - this is the point
        return list(rest)

    class Keywords(dict):  # type: ignore[type-arg]
        def keys(self) -> Any:
            steps.append("keys")
            return super().keys()

    return target(z=step("z"), y=step("y"), **Keywords(b=1)), target(), steps


@alone("signatures")
def text_subclass_as_keyword(decorate: Any) -> Any:
    """Keywords that are a subclass of text arrive."""

    class Text(str):
        __slots__ = ()

    @decorate
    def target(a: int, **rest: int) -> Any:
        return a, [type(key).__name__ for key in rest]

    return target(**{Text("a"): 1, Text("b"): 2})


@alone("signatures")
def partial_arguments(decorate: Any) -> Any:
    """A decorated partial takes what is left, lets keywords be overridden, and shows its parts."""

    def target(a: int, b: int, *, c: int = 3) -> Any:
        return a, b, c

    part = decorate(functools.partial(target, 1, c=5))
    return (
        part(2),
        part(2, c=6),
        outcome(part),
        outcome(part, 2, 3),
        str(inspect.signature(part)),
        part.func.__name__,
        part.args,
        part.keywords,
        functools.partial(part, 7)(),
        isinstance(part, functools.partial),
    )
