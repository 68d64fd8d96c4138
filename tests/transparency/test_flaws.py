"""The suite finds the flaws that decorators have: each of these, often seen, fails a behaviour."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import copy
import functools
import inspect
import random
import threading
from collections.abc import Callable
from typing import Any

import behaviours  # noqa: F401 - fills CASES
import pytest
from cases import CASES, plain, told
from decorators import Decorator, identity, wrapt

FLAWS: list[tuple[Decorator, str, str]] = []
_kept: list[Any] = []


def found_by(behaviour: str, kind: str = "function") -> Callable[[Decorator], Decorator]:
    def register(flaw: Decorator) -> Decorator:
        FLAWS.append((flaw, behaviour, kind))
        return flaw

    return register


def closure(call: Callable[..., Any]) -> Decorator:
    """A decorator whose wrapper is `call(function, *args, **kwargs)`."""

    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return call(function, *args, **kwargs)

        wrapper.__kind__ = call.__name__  # type: ignore[attr-defined]
        return wrapper

    decorate.__name__ = call.__name__
    return decorate


@found_by("calling.called_once")
@closure
def calls_twice(function: Any, *args: Any, **kwargs: Any) -> Any:
    function(*args, **kwargs)
    return function(*args, **kwargs)


@found_by("calling.result_is_the_object")
@closure
def copies_the_result(function: Any, *args: Any, **kwargs: Any) -> Any:
    return copy.copy(function(*args, **kwargs))


@found_by("calling.arguments_are_the_objects")
@closure
def copies_the_arguments(function: Any, *args: Any, **kwargs: Any) -> Any:
    return function(*map(copy.copy, args), **kwargs)


@found_by("calling.argument_is_not_touched")
@closure
def prints_the_arguments(function: Any, *args: Any, **kwargs: Any) -> Any:
    repr(args)
    return function(*args, **kwargs)


@found_by("calling.result_is_not_consumed")
@closure
def consumes_the_result(function: Any, *args: Any, **kwargs: Any) -> Any:
    result = function(*args, **kwargs)
    if hasattr(result, "__next__"):
        list(result)
    return result


@found_by("calling.keywords_a_tracer_might_take")
@closure
def takes_a_keyword(function: Any, *args: Any, config: Any = None, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


@found_by("calling.keywords_a_tracer_might_take")
@closure
def has_a_parameter(func: Any, *args: Any, **kwargs: Any) -> Any:
    return func(*args, **kwargs)


@found_by("calling.wrong_calls")
@closure
def binds_by_itself(function: Any, *args: Any, **kwargs: Any) -> Any:
    inspect.signature(function).bind(*args, **kwargs)
    return function(*args, **kwargs)


@found_by("calling.exception_is_the_object")
@closure
def raises_another(function: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    except Exception as error:
        raise type(error)(*error.args) from error


@found_by("calling.any_exception")
@closure
def swallows_exits(function: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    except SystemExit:
        return None


@found_by("calling.exc_info_inside")
@closure
def calls_in_a_handler(function: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        raise LookupError
    except LookupError:
        return function(*args, **kwargs)


@found_by("calling.traceback_length")
@found_by("calling.depth_inside")
@found_by("surroundings.recursion")
@closure
def adds_frames(function: Any, *args: Any, **kwargs: Any) -> Any:
    return (lambda: (lambda: function(*args, **kwargs))())()


@found_by("surroundings.variable_set_inside")
@found_by("surroundings.variable_reset_outside")
@closure
def copies_the_context(function: Any, *args: Any, **kwargs: Any) -> Any:
    return contextvars.copy_context().run(function, *args, **kwargs)


@found_by("surroundings.same_thread")
@closure
def starts_a_thread(function: Any, *args: Any, **kwargs: Any) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function(*args, **kwargs)))
    thread.start()
    thread.join()
    return results[0]


@found_by("surroundings.argument_is_let_go")
@found_by("surroundings.reference_counts")
@closure
def keeps_the_arguments(function: Any, *args: Any, **kwargs: Any) -> Any:
    _kept.append(args)
    return function(*args, **kwargs)


@found_by("surroundings.exception_is_let_go")
@found_by("surroundings.nothing_for_the_collector")
@closure
def leaves_a_cycle(function: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    except Exception as error:
        again = error
        raise again  # noqa: B904 - this is the flaw


@found_by("surroundings.seeded_random")
@found_by("surroundings.settings_are_left_alone")
@closure
def draws_a_number(function: Any, *args: Any, **kwargs: Any) -> Any:
    random.random()
    return function(*args, **kwargs)


@found_by("surroundings.silence")
@closure
def prints_a_line(function: Any, *args: Any, **kwargs: Any) -> Any:
    print("traced")
    return function(*args, **kwargs)


@found_by("looks.questions_of_inspect", "function/coroutine")
@found_by("looks.own_signature")
@found_by("classes.class_is_itself", "itself")
@found_by("classes.properties", "itself")
@closure
def only_wraps(function: Any, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


@found_by("looks.names")
@found_by("looks.signature")
@found_by("looks.documentation")
@found_by("objects.pickles")
@found_by("looks.doctest_is_found", "itself")
def forgets_the_name(function: Any) -> Any:
    return lambda *args, **kwargs: function(*args, **kwargs)


@found_by("classes.called_on_the_class", "itself")
@found_by("objects.binds")
@found_by("classes.super_without_arguments", "itself")
def is_no_descriptor(function: Any) -> Any:
    return functools.partial(function)


@found_by("objects.original_is_left_alone", "itself")
def marks_the_original(function: Any) -> Any:
    function.traced = True
    return function


FLAWS += [
    (wrapt, f"objects.{name}", "function") for name in ("copies", "pickles", "dressed_as_another")
]
FLAWS += [(wrapt, "looks.abstract_types", "function"), (wrapt, "looks.type_of_it", "function")]


@found_by("calling.wrong_calls", "function/coroutine")
@found_by("coroutines.same_task", "method")
@found_by("coroutines.steps_of_the_loop")
@found_by("coroutines.variables_in_tasks")
@found_by("coroutines.in_trio")
def starts_a_task(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        with contextlib.closing(function(*args, **kwargs)) as made:  # trio has no tasks
            return await asyncio.create_task(made)

    return wrapper


@found_by("generators.sent")
@found_by("generators.returned")
@found_by("generators.thrown_and_caught")
@found_by("generators.yielded_from", "method")
@found_by("generators.below_contextmanager")
def loops_over_the_items(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        for item in function(*args, **kwargs):  # noqa: UP028 - this is the flaw
            yield item

    return wrapper


@found_by("generators.only_as_far_as_asked")
@found_by("generators.flat_memory")
@found_by("generators.item_is_let_go")
def keeps_the_items(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        items = []
        for item in function(*args, **kwargs):
            if len(items) > 1000:
                break
            items.append(item)
        yield from items

    return wrapper


@found_by("generators.stepped_in_many_contexts")
@found_by("generators.wrong_call_at_the_call")
def keeps_a_token(function: Any) -> Any:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        token = variable.set(1)
        try:
            return (yield from function(*args, **kwargs))
        finally:
            variable.reset(token)

    return wrapper


@found_by("async_generators.sent")
@found_by("async_generators.thrown_and_caught")
@found_by("async_generators.closed_in_a_loop")
@found_by("async_generators.below_asynccontextmanager")
def loops_over_the_async_items(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        async for item in function(*args, **kwargs):
            yield item

    return wrapper


@pytest.mark.parametrize(
    ("flaw", "behaviour", "kind"), FLAWS, ids=[f"{f.__name__}-{b}" for f, b, _ in FLAWS]
)
@pytest.mark.filterwarnings("ignore")
def test_flaw_is_found(flaw: Decorator, behaviour: str, kind: str) -> None:
    """A behaviour sees the difference that a decorator with this flaw makes."""
    [case] = [case for case in CASES if (case.name, case.kind) == (behaviour, kind)]
    without = plain(case.observe(identity))
    try:
        seen = plain(case.observe(flaw))
    except (Exception, asyncio.CancelledError) as error:
        seen = told(error)
    _kept.clear()
    assert not case.agree(without, seen)
