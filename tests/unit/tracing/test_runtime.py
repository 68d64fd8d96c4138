"""Traced functions that are pickled by value, together with what they need of ours."""

from __future__ import annotations

import copy
import pickle
import textwrap

import pytest

import honeytrace
from honeytrace import trace_session
from honeytrace._config.live import live
from honeytrace._session.active import NOTHING
from honeytrace._session.record import ABSENT
from honeytrace._tracing.generators import UNTRACED
from honeytrace._tracing.runtime import RUNTIME

pytest.importorskip("cloudpickle")
pytest.importorskip("dill")
pytest.importorskip("joblib")

# A program defines them in `__main__`, writes them down and reads them back in another process.
_TARGETS = """
    import asyncio, functools, os, subprocess, sys

    from honeytrace import current_session, trace_session

    OFFSET = 5

    @trace_session
    def function(x, *, y=0):
        return x + y + OFFSET

    @trace_session
    async def coroutine(x):
        return x + OFFSET

    @trace_session
    def generator(x):
        yield x + OFFSET

    @trace_session
    async def async_generator(x):
        yield x + OFFSET

    @trace_session(process_inputs=lambda inputs: inputs, metadata={"team": "search"})
    def with_options(x):
        return x + OFFSET

    def made(offset):
        @trace_session
        def closure(x):
            return x + offset
        return closure

    class Scorer:
        @trace_session
        def method(self, x):
            return x + OFFSET

        @classmethod
        @trace_session
        def class_method(cls, x):
            return x + OFFSET

        @trace_session
        @staticmethod
        def static_method(x):
            return x + OFFSET

    @trace_session
    class Decorated:
        def run(self, x):
            return x + OFFSET

    class Callable:
        def __call__(self, x):
            return x + OFFSET

    @trace_session
    def recursive(x):
        return recursive(x - 1) if x > 1 else x + OFFSET

    block = trace_session("block")

    def with_block(x):
        with block as session:
            return x + OFFSET

    session = current_session()

    def with_session(x):
        return x + OFFSET if session is not None else 0

    def add(y, x):
        return x + y

    TARGETS = [
        function, trace_session(lambda x: x + OFFSET), made(5), with_options, recursive,
        Scorer().method, Scorer.class_method, Scorer.static_method, Decorated().run,
        trace_session(Callable()), trace_session(functools.partial(add, 5)), with_block,
        with_session, lambda x: asyncio.run(coroutine(x)), lambda x: next(generator(x)),
        lambda x: asyncio.run(async_generator(x).__anext__()),
    ]
"""


@pytest.fixture
def main(program):
    """Runs a program that begins with the functions above."""
    return lambda source: program(textwrap.dedent(_TARGETS) + textwrap.dedent(source))


@pytest.mark.parametrize("module", ["cloudpickle", "dill"])
def test_functions_of_a_script_are_pickled_by_value(main, module):
    """They work in a process that has never seen the script, and record there."""
    found = main(f"""
        import {module} as pickler
        if "dill" in sys.modules:
            pickler.settings["recurse"] = True
            TARGETS.remove(recursive)  # dill follows a closure that calls itself for ever

        OTHER = '''
        import sys
        import {module} as pickler
        from honeytrace.testing import capture_sessions
        targets = pickler.load(sys.stdin.buffer)
        with capture_sessions() as sessions:
            assert [target(1) for target in targets] == [6] * len(targets)
        print(len(sessions), all(each.error is None for each in sessions))
        '''
        import textwrap
        with trace_session("around") as session:
            data = pickler.dumps(TARGETS)
        print(subprocess.run([sys.executable, "-c", textwrap.dedent(OTHER)], input=data,
                             capture_output=True, check=True).stdout.decode())
    """)
    assert found.stdout.split() in (["15", "True"], ["14", "True"]), found.stderr


def test_joblib_runs_functions_of_a_script(main):
    """Its workers get them by cloudpickle."""
    found = main("""
        import warnings
        if __name__ == "__main__":
            warnings.simplefilter("ignore")
            from joblib import Parallel, delayed

            made = made(5)
            print(Parallel(n_jobs=2)(delayed(each)(1) for each in (function, made, TARGETS[5])))
    """)
    assert found.stdout.splitlines()[-1] == "[6, 6, 6]", found.stderr


def test_a_spawned_process_finds_functions_by_name(main):
    """As without a decorator."""
    found = main("""
        import multiprocessing

        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(function, [1, 2]), pool.map(Scorer().method, [1]))
                pool.close()
                pool.join()
    """)
    assert found.stdout.splitlines()[-1] == "[6, 7] [6]", found.stderr


def test_plain_pickle_writes_the_name(sent):
    """Of a function that can be imported nothing else is written."""
    data = pickle.dumps(importable)
    assert pickle.loads(data) is importable
    assert len(data) < 100


@trace_session
def importable():
    """A function of a module."""


@pytest.mark.parametrize(
    "thing", [RUNTIME, ABSENT, UNTRACED, NOTHING, live], ids=lambda each: type(each).__name__
)
def test_what_stands_for_something_stays_itself(thing):
    """On the other side, and in copies, comparisons by identity go on."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(thing, protocol)) is thing
    assert copy.copy(thing) is thing
    assert copy.deepcopy(thing) is thing


def test_a_running_session_can_go_along(sent):
    """In another process it has its ids, and takes nothing; its copies here are itself."""
    with trace_session("outer") as outer, trace_session("inner", inputs={"a": 1}) as session:
        there = pickle.loads(pickle.dumps(session))
        there.outputs = {"lost": True}
        assert copy.copy(session) is copy.deepcopy(session) is session
    assert (there.session_id, there.session_name) == (session.session_id, "inner")
    assert (there.parent_id, there.root_id) == (outer.session_id, outer.session_id)
    assert there.outputs == {}
    assert there.children_ids == []


def test_a_block_can_go_along():
    """An unpickled `trace_session("name")` has no open blocks."""
    block = trace_session("block", metadata={"a": 1})
    with block:
        there = pickle.loads(pickle.dumps(block))
    with honeytrace.testing.capture_sessions() as sessions, there:
        pass
    assert [(each.session_name, each.metadata["a"]) for each in sessions] == [("block", 1)]
