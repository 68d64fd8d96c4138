"""The pytest plugin in runs of its own: what is sent, the fixtures, the mark, reports, expected
sessions and traced fixtures."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import sys
import textwrap

import pytest

from honeytrace._config.live import live
from honeytrace._utils import pytest_compat
from honeytrace.local import Store
from honeytrace.pytest_plugin import (  # to stay loaded between runs in this process
    _fixtures,  # noqa: F401
    _marker,  # noqa: F401
    _recording,  # noqa: F401
)

pytest_plugins = ["pytester"]

APP = """
    from honeytrace import trace_session

    @trace_session
    def answer(question):
        return retrieve(question).upper()

    @trace_session
    def retrieve(question):
        if question == "bad":
            raise ValueError("boom")
        return question
"""
START = "import pytest, honeytrace\nfrom app import answer, retrieve\nfrom honeytrace import *\n"


@pytest.fixture
def prepare(pytester, monkeypatch):
    """Writes the tests given beside a small application, and returns the options of pytest."""
    # Other plugins that are installed would only take time.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def write(source, load=("honeytrace",), **files):
        pytester.makepyfile(app=APP, **files)
        pytester.makepyfile(test_it=START + textwrap.dedent(source))
        return [f"-p{name}" for name in load]

    return write


@pytest.fixture
def run(pytester, prepare):
    """Runs pytest in a process of its own on the tests given."""

    def start(source, *arguments, **given):
        return pytester.runpytest_subprocess(*prepare(source, **given), *arguments, timeout=120)

    return start


@pytest.fixture
def run_here(pytester, prepare):
    """Run pytest in this process, which is faster, for tests that need no separate one."""

    def start(source, *arguments, **given):
        pytester.syspathinsert()
        return pytester.runpytest_inprocess(*prepare(source, **given), *arguments)

    return start


@pytest.fixture
def run_for(run, run_here):
    """Here, if it is not for the workers of xdist."""
    return lambda way: run if "xdist" in way else run_here


@pytest.fixture
def api(server, monkeypatch):
    """An API that is configured from outside."""
    monkeypatch.setenv("HH_API_URL", server.url)
    monkeypatch.setenv("HH_API_KEY", "key")
    monkeypatch.setenv("HONEYTRACE_EXIT_TIMEOUT", "20")  # a busy machine takes its time
    return server


SEND = ("--honeytrace", "--honeytrace-send")


def named(server):
    """Return the sent sessions by name."""
    return {session["session_name"]: session for session in server.sessions}


# ---- What leaves the process

TRACED_AT_IMPORT = "import app\napp.answer('early')\n"
ONE = "def test_one(): answer('hi')"


def workers(number):
    """The options for so many workers of xdist."""
    return ("-p", "xdist", "-n", str(number)) if number else ()


def needs(arguments):
    if "xdist" in arguments:
        pytest.importorskip("xdist")
    return arguments


WAYS = [
    (),
    workers(2),
    ("-p", "no:cacheprovider"),
    ("--import-mode=importlib",),
]


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_nothing_is_sent(run, api, way):
    """Neither by a test nor by a conftest, wherever the environment points to."""
    run(ONE, *needs(way), conftest=TRACED_AT_IMPORT).assert_outcomes(passed=1)
    assert api.requests == []


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_it_is_sent_on_request(run, api, way):
    """All of it then, from the workers of xdist too."""
    run(ONE, "--honeytrace-send", *needs(way), conftest=TRACED_AT_IMPORT).assert_outcomes(passed=1)
    assert {"early", "hi"} == {session["inputs"]["question"] for session in api.sessions}


def test_without_the_plugin_it_is_sent(run, api):
    """`-p no:honeytrace` leaves things as they are without it."""
    run(ONE, "-p", "no:honeytrace", load=()).assert_outcomes(passed=1)
    assert {*named(api)} == {"answer", "retrieve"}


def test_nothing_is_stored(run, tmp_path):
    """Nor does anything come into the store on this machine."""
    run(ONE).assert_outcomes(passed=1)
    assert not (tmp_path / "home").exists()


EARLY = "import honeytrace\nhoneytrace.configure(project='early')\n" + TRACED_AT_IMPORT


@pytest.mark.parametrize(
    ("load", "ways", "sent"),
    [
        (("early", "honeytrace"), (), []),
        (("early", "honeytrace"), ("--honeytrace",), []),
        (("early", "honeytrace"), ("--honeytrace-send",), ["early", "hi"]),
        (("early", "honeytrace"), SEND, ["early", "hi"]),
        (("early",), ("-p", "no:honeytrace"), ["early", "hi"]),
        (("early",), (), ["early", "hi"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("early", [TRACED_AT_IMPORT, EARLY], ids=["traced", "configured"])
def test_a_plugin_that_traces_at_import(run, api, early, load, ways, sent):
    """Its sessions wait until ours decides, or until the first test runs without it."""
    run(ONE, *ways, load=load, early=early).assert_outcomes(passed=1)
    found = {session["inputs"].get("question", "hi") for session in api.sessions}
    assert sorted(found) == sent


UPDATED = """
    import honeytrace

    with honeytrace.Tracer(project="side").trace_session("early") as session:
        pass
    honeytrace.update_session(session.session_id, feedback={"rating": 5})
"""


@pytest.mark.parametrize(
    ("load", "stored"),
    [(("early", "honeytrace"), []), (("early",), [("side", "early", {"rating": 5})])],
    ids=str,
)
def test_a_plugin_that_updates_at_import(run, tmp_path, load, stored):
    """What it sends in other ways waits for the decision, too."""
    run("def test_one(): pass", load=load, early=UPDATED).assert_outcomes(passed=1)
    path = tmp_path / "home" / "sessions.db"
    found = Store(path).recent() if path.exists() else []
    assert [(each["project"], each["session_name"], each["feedback"]) for each in found] == stored


def test_without_the_plugin_and_without_tests(run, api, pytester):
    """A run that is over before any test decides when it ends, for earlier settings as well."""
    early = TRACED_AT_IMPORT + "import honeytrace\nhoneytrace.configure(project='later')"
    run("", load=("early",), early=early).assert_outcomes()
    run_command(pytester, "resend")  # from Python 3.12 on, no thread starts at exit
    found = [(each["project"], each["session_name"]) for each in api.sessions]
    assert sorted(found) == [("default", "answer"), ("default", "retrieve")]


def test_without_the_plugin_after_the_tests(run, api):
    """What was decided holds until the process ends."""
    end = """
        import app, honeytrace

        def pytest_sessionfinish():
            honeytrace.configure(project="end")
            app.answer("end")
    """
    run(ONE, load=(), conftest=end).assert_outcomes(passed=1)
    found = [(each["project"], each["inputs"]["question"]) for each in api.sessions]
    assert sorted(found) == [("default", "hi")] * 2 + [("end", "end")] * 2


@pytest.mark.parametrize("ways", [("--honeytrace-send",), SEND], ids=" ".join)
def test_a_conftest_that_traces_is_sent_once(run, api, ways):
    """With `--honeytrace` too, which records the tests alone."""
    run(ONE, *ways, conftest=TRACED_AT_IMPORT).assert_outcomes(passed=1)
    assert [session["inputs"].get("question") for session in api.sessions].count("early") == 2


BY_CONFTEST = "pytest_plugins = ['honeytrace.pytest_plugin']"


@pytest.mark.parametrize(
    ("load", "conftest"),
    [
        ((), BY_CONFTEST),
        (("honeytrace",), BY_CONFTEST),
        (("honeytrace", "honeytrace.pytest_plugin"), ""),
        (("honeytrace.pytest_plugin", "honeytrace"), BY_CONFTEST),
    ],
)
def test_it_may_be_loaded_twice(run, api, load, conftest):
    """By a conftest, where plugins are not loaded by themselves, and by both its names at once."""
    tests = "def test_one(honeytrace_sessions): answer('hi')"
    run(tests, conftest=conftest, load=load).assert_outcomes(passed=1)
    assert api.requests == []


@pytest.mark.parametrize("name", ["honeytrace", "honeytrace.pytest_plugin"])
def test_a_plugin_that_is_loaded_twice(run, name):
    """By its own name, by that of its module and by a conftest as well, it is one."""
    load = "pytest_plugins = ['honeytrace', 'honeytrace.pytest_plugin']"
    tests = """
        def test_one(honeytrace_sessions):
            answer("hi")
            assert len(honeytrace_sessions) == 2
    """
    run(tests, "--honeytrace", load=[name], conftest=load).assert_outcomes(passed=1)


LATE = """
    import atexit, threading

    def late():
        threading.main_thread().join()
        answer("late")

    def test_one():
        answer("hi")
        threading.Thread(target=late).start()
        atexit.register(answer, "last")
"""


@pytest.mark.parametrize("ways", [(), ("--honeytrace",)], ids=str)
def test_what_outlives_pytest_sends_nothing(run, api, ways):
    """The threads that a test leaves, and what is called at exit."""
    run(LATE, *ways).assert_outcomes(passed=1)
    assert api.requests == []


@pytest.mark.parametrize("ways", [("--honeytrace-send",), SEND], ids=" ".join)
def test_what_outlives_pytest_is_sent_on_request(run, api, pytester, ways):
    """As without pytest, from Python 3.12 on it may stay on disk: no thread starts at exit."""
    run(LATE, *ways).assert_outcomes(passed=1)
    run_command(pytester, "resend")
    assert {"hi", "late", "last"} <= {each["inputs"].get("question") for each in api.sessions}


@pytest.mark.parametrize("told", ["", "on"])
def test_a_program_that_runs_pytest(pytester, api, monkeypatch, told):
    """One that traced before goes on as it was, and so do the processes that it starts."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    if told:
        monkeypatch.setenv(pytest_compat.VARIABLE, told)
    pytester.makepyfile(app=APP, test_it=START + ONE)
    program = """
        import os, sys, pytest
        from app import answer
        answer("before")
        assert pytest.main(["-p", "honeytrace", "-W", "error", "test_it.py"]) == 0
        answer("after")
        print("told:", os.environ.get("_HONEYTRACE_SENDING", ""))
    """
    path = pytester.makepyfile(program=program)
    done = pytester.run(sys.executable, path)
    done.stdout.fnmatch_lines([f"told: {told}"])
    assert {each["inputs"]["question"] for each in api.sessions} == {"before", "after"}


CHILDREN = """
    import multiprocessing, subprocess, sys
    from concurrent.futures import ProcessPoolExecutor

    def test_program():
        words = "import app, honeytrace; app.answer('program'); honeytrace.flush(10)"
        subprocess.run([sys.executable, "-c", words], check=True)

    @pytest.mark.parametrize("way", multiprocessing.get_all_start_methods())
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_pool(way):
        with ProcessPoolExecutor(1, multiprocessing.get_context(way)) as pool:
            pool.submit(answer, way).result()
            assert pool.submit(honeytrace.flush, 10).result()

    def test_pytest():
        words = [sys.executable, "-m", "pytest", "-p", "honeytrace", "inner.py"]
        subprocess.run(words, check=True)
        subprocess.run([*words, "--honeytrace-send"], check=True)
"""
INNER = "import app\ndef test_inner(): app.answer('inner')"


@pytest.mark.parametrize("ways", [(), ("--honeytrace",)], ids=str)
def test_the_processes_of_a_test_send_nothing(run, api, ways):
    """Programs, and pools however they start; but a run of pytest in one that is told to."""
    done = run(CHILDREN, *ways, inner=INNER)
    assert done.parseoutcomes().keys() == {"passed"}, done.stdout.str()
    assert [each["inputs"]["question"] for each in api.sessions] == ["inner", "inner"]


@pytest.mark.parametrize("ways", [("--honeytrace-send",), SEND], ids=" ".join)
def test_the_processes_of_a_test_send_on_request(run, api, ways):
    """All but a run of pytest in one that is not told to."""
    done = run(CHILDREN, *ways, inner=INNER)
    assert done.parseoutcomes().keys() == {"passed"}, done.stdout.str()
    found = [each["inputs"].get("question") for each in api.sessions]
    methods = multiprocessing.get_all_start_methods()
    assert {each: found.count(each) for each in (*methods, "program", "inner")} == {
        **dict.fromkeys(methods, 2),
        "program": 2,
        "inner": 2,
    }


def test_updates_are_not_sent(run_here):
    """The caller is told so."""
    run_here(
        """
        def test_one():
            session_id = "11111111-1111-4111-8111-111111111111"
            assert update_session(session_id, feedback={"rating": 5}) is False
        """
    ).assert_outcomes(passed=1)


def test_a_run_in_a_run(pytester):
    """pytester may run pytest inside a test; afterwards all is as it was."""
    before = state()
    pytester.makepyfile(
        """
        from honeytrace._utils import pytest_compat
        from honeytrace._tracing.trace_session import trace_session

        def test_one(honeytrace_sessions):
            with trace_session("inner"):
                assert not pytest_compat.rule().sends
            assert honeytrace_sessions.one("inner")
        """
    )
    plugins = ["-phoneytrace", "-pno:benchmark", "-pno:asyncio", "-pno:hypothesispytest"]
    pytester.runpytest_inprocess(*plugins).assert_outcomes(passed=1)
    assert state() == before


def state():
    return os.environ.get(pytest_compat.VARIABLE), live.processors, live.start().accept


# ---- The fixtures


@pytest.mark.parametrize("way", [*WAYS, workers(4)], ids=" ".join)
def test_the_sessions_of_a_test(run_for, way):
    """Each test has its own, children among them."""
    tests = """
        @pytest.mark.parametrize("question", list("abcdefgh"))
        def test_one(honeytrace_sessions, question):
            answer(question)
            assert honeytrace_sessions.one("answer").inputs == {"question": question}
            assert len(honeytrace_sessions) == 2
    """
    run_for(way)(tests, *needs(way)).assert_outcomes(passed=8)


def test_wider_scopes(run_here):
    """A class, a module and a run have fixtures of their own, that hold what the narrower do."""
    tests = """
        def total(*all): return [len(each) for each in all]

        class TestOne:
            def test_a(self, honeytrace_all_sessions, honeytrace_module_sessions,
                       honeytrace_class_sessions, honeytrace_sessions):
                retrieve("a")
                assert len(honeytrace_sessions) == 1

            def test_b(self, honeytrace_all_sessions, honeytrace_module_sessions,
                       honeytrace_class_sessions, honeytrace_sessions):
                retrieve("b")
                assert len(honeytrace_sessions) == 1
                assert len(honeytrace_class_sessions) == 2

        class TestTwo:
            def test_c(self, honeytrace_class_sessions, honeytrace_module_sessions):
                retrieve("c")
                assert len(honeytrace_class_sessions) == 1
                assert len(honeytrace_module_sessions) == 3

        def test_d(honeytrace_all_sessions):
            retrieve("d")
            assert len(honeytrace_all_sessions) == 4
    """
    run_here(tests).assert_outcomes(passed=4)


def test_the_sessions_of_the_whole_test(run):
    """From set-up to tear-down, wherever the fixture stands, or if the test itself asks for it."""
    tests = """
        seen = []

        @pytest.fixture(autouse=True)
        def around():
            retrieve("autouse")
            yield
            retrieve("last")

        @pytest.fixture
        def user(): return retrieve("user")

        def check(sessions):
            seen.append(sessions)
            assert [each.inputs["question"] for each in sessions] == ["autouse", "user"]

        def test_one(user, honeytrace_sessions): check(honeytrace_sessions)
        def test_two(user, request): check(request.getfixturevalue("honeytrace_sessions"))
        def test_three():
            assert [each[-1].inputs["question"] for each in seen] == ["last", "last"]
    """
    run(tests).assert_outcomes(passed=3)


def test_the_sessions_of_a_whole_module(run):
    """The wider fixtures begin before the others, too, and end where the run is ended."""
    tests = """
        @pytest.fixture(autouse=True, scope="module")
        def around(): retrieve("autouse")

        def test_one(honeytrace_all_sessions, honeytrace_module_sessions):
            assert len(honeytrace_module_sessions) == len(honeytrace_all_sessions) == 1
            raise KeyboardInterrupt
    """
    after = """
        import pytest

        @pytest.hookimpl(trylast=True)
        def pytest_unconfigure():
            from honeytrace.testing import _capture
            print("open:", _capture.open_captures())
    """
    run(tests, "-s", conftest=after).stdout.fnmatch_lines(["open: []"])


def test_a_set_up_that_fails_before_the_fixture(run):
    """Its capture ends with the test, and so does a wider one."""
    tests = """
        @pytest.fixture(autouse=True, scope="module")
        def broken(): raise ValueError

        class TestOne:
            def test_one(self, honeytrace_sessions, honeytrace_module_sessions): pass
    """
    after = "from test_it import *\ndel TestOne, broken\n" + textwrap.dedent(NEXT)
    tests = textwrap.dedent(tests)
    run(tests, "test_it.py", "test_last.py", test_last=after).assert_outcomes(errors=1, passed=1)


def test_the_fixture_asked_for_twice(run_here):
    """By a test and by another fixture, and by name: it is one."""
    tests = """
        @pytest.fixture
        def other(honeytrace_sessions): return honeytrace_sessions

        @pytest.mark.usefixtures("honeytrace_sessions")
        def test_one(other, honeytrace_sessions, request):
            answer("a")
            assert len(other) == 2
            assert other is honeytrace_sessions is request.getfixturevalue("honeytrace_sessions")
    """
    run_here(tests).assert_outcomes(passed=1)


ASYNC = """
    pytestmark = pytest.mark.{mark}

    @pytest.fixture(scope="module")
    def anyio_backend(): return "asyncio"

    @{fixture}
    async def made():
        answer("set-up")
        yield
        answer("tear-down")

    @pytest.mark.parametrize("n", [1, 2, 3])
    async def test_one(n, made, honeytrace_sessions):
        retrieve("hi")
        assert honeytrace_sessions.one(inputs={{"question": "hi"}})
        assert honeytrace.current_session().inputs == {{"n": n}}

    class TestOne:
        async def test_two(self, made):
            assert honeytrace.current_session().session_name == "TestOne.test_two"
"""


def test_async_tests_of_anyio(run, api):
    """They run in one task, and still each is in the session of its own test."""
    tests = ASYNC.format(mark="anyio", fixture='pytest.fixture(scope="module")')
    run(tests, *SEND, load=("honeytrace", "anyio")).assert_outcomes(passed=4)


def test_async_tests_of_pytest_asyncio(run, pytester, api):
    """So it is there, with a loop that the tests share."""
    pytest.importorskip("pytest_asyncio")
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = module")
    mark, fixture = 'asyncio(loop_scope="module")', 'pytest_asyncio.fixture(scope="module")'
    tests = "    import pytest_asyncio\n" + ASYNC.format(mark=mark, fixture=fixture)
    run(tests, *SEND, load=("honeytrace", "asyncio")).assert_outcomes(passed=4)


# ---- A test as a session

OUTCOMES = """
    import unittest

    @pytest.fixture
    def broken(): raise RuntimeError("no set-up")

    @pytest.fixture
    def torn():
        yield
        raise RuntimeError("no tear-down")

    def test_passed(): answer("hi")
    def test_failed(): answer("bad")
    def test_error(broken): pass
    def test_torn(torn): pass
    def test_both(torn): assert 1 == 2
    @pytest.mark.skip
    def test_skipped(): pass
    @pytest.mark.xfail
    def test_xfailed(): assert 0
    @pytest.mark.xfail
    def test_xpassed(): pass
    @pytest.mark.xfail(strict=True)
    def test_strict(): pass
    class TestUnit(unittest.TestCase):
        def test_unit(self): pass
"""


@pytest.mark.parametrize("way", [(), workers(2)], ids=" ".join)
def test_every_test_is_recorded(run, api, way):
    """With its outcome in the metrics, and its error; what it called are its children."""
    done = run(OUTCOMES, *SEND, *needs(way))
    found = named(api)
    for child in ("answer", "retrieve"):
        del found[child]
    assert {name: each["metrics"]["outcome"] for name, each in found.items()} == {
        "test_passed": "passed",
        "test_failed": "failed",
        "test_error": "error",
        "test_torn": "error",
        "test_both": "failed",
        "test_skipped": "skipped",
        "test_xfailed": "xfailed",
        "test_xpassed": "xpassed",
        "test_strict": "failed",
        "TestUnit.test_unit": "passed",
    }
    assert {name for name, each in found.items() if each["metrics"]["passed"]} == {
        "test_passed",
        "test_xpassed",
        "TestUnit.test_unit",
    }
    assert {name: each.get("error") for name, each in found.items() if each.get("error")} == {
        "test_failed": "ValueError: boom",
        "test_error": "RuntimeError: no set-up",
        "test_torn": "RuntimeError: no tear-down",
        "test_both": "AssertionError: assert 1 == 2",
    }
    [child] = found["test_passed"]["children_ids"]
    [below] = [each for each in api.sessions if each["session_id"] == child]
    assert below["inputs"] == {"question": "hi"}
    assert "10 tests recorded in " + api.url in done.stdout.str()
    done.stdout.fnmatch_lines([f"  {found['test_failed']['session_id']}  test_it.py::test_failed"])


def test_they_are_recorded_in_the_store(run, pytester, api, tmp_path, monkeypatch):
    """Without `--honeytrace-send` nothing is sent, whatever the environment says; one fixture that
    moves the home and another that catches sessions do not hinder it."""
    tests = """
        def test_one(honeytrace_sessions, monkeypatch, tmp_path):
            monkeypatch.setenv("HONEYTRACE_HOME", str(tmp_path))
            honeytrace.configure(project="mine")
            answer("hi")
            assert len(honeytrace_sessions) == 2
    """
    done = run(tests, "--honeytrace")
    assert f"1 test recorded in {tmp_path / 'home' / 'sessions.db'};" in done.stdout.str()
    assert api.requests == []
    monkeypatch.delenv("HH_API_URL")
    monkeypatch.delenv("HH_API_KEY")
    listed = run_command(pytester, "ls")
    assert re.search(r"default +test_one$", listed, re.MULTILINE)
    identity = listed.splitlines()[1].split()[0]  # below the heading
    assert "└─ retrieve" in run_command(pytester, "show", identity)


def run_command(pytester, *words):
    return pytester.run(sys.executable, "-m", "honeytrace", *words).stdout.str()


@pytest.mark.parametrize("number", [0, 2, 4])
def test_what_could_not_be_sent_is_said(run, monkeypatch, number):
    """The summary counts it, in all workers of xdist together."""
    monkeypatch.setenv("HH_API_URL", "http://127.0.0.1:9")
    tests = "@pytest.mark.parametrize('n', range(5))\ndef test_one(n): answer('hi')"
    done = run(tests, *SEND, *needs(workers(number)))
    done.stdout.fnmatch_lines(
        [
            "5 tests could not be recorded in http://127.0.0.1:9",
            "15 sessions did not arrive: * to send what is on disk: honeytrace resend",
        ]
    )


def test_what_arrived_in_part_is_said(run, api):
    """And why the rest did not."""
    api.script = [(400, {}, b"no such project")]
    done = run("def test_one(): answer('hi')", *SEND)
    done.stdout.fnmatch_lines(
        [
            f"1 test recorded in {api.url}; to look at them: honeytrace show ID",
            "1 session did not arrive: status 400: no such project*",
        ]
    )


@pytest.mark.parametrize("way", [(), workers(2)], ids=" ".join)
@pytest.mark.parametrize("place", ["notdir", "corrupt"])
def test_a_store_that_cannot_be_opened(run, tmp_path, monkeypatch, place, way):
    """It costs no time, and the summary says why nothing was recorded."""
    home = tmp_path / place
    if place == "notdir":
        home.write_text("a file")
        home = home / "x"
    else:
        home.mkdir()
        (home / "sessions.db").write_text("no database" * 1_000)
    monkeypatch.setenv("HONEYTRACE_HOME", str(home))
    done = run("def test_one(): assert 0", "--honeytrace", *needs(way))
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["no test was recorded: the session store '*' cannot be used (*"])
    done.stdout.no_fnmatch_line("  *-*-4*test_it.py::test_one")
    if not way:  # the workers of xdist have to start
        assert float(re.search(r" in ([\d.]+)s ", done.stdout.str())[1]) < 8


@pytest.mark.parametrize("way", ["--collect-only", "--setup-plan", "--setup-only"])
def test_where_no_test_is_run(run, tmp_path, way):
    """Nothing is said and nothing is stored."""
    done = run(ONE, "--honeytrace", way)
    done.stdout.no_fnmatch_line("*recorded*")
    assert not (tmp_path / "home").exists()


def test_a_worker_that_crashes(run, api):
    """The summary says that the sessions of its tests may not have arrived."""
    needs(workers(2))
    tests = """
        import os
        def test_a(): pass
        def test_b(): os._exit(1)
        def test_c(): pass
    """
    done = run(tests, *SEND, "-p", "xdist", "-n", "1")
    done.assert_outcomes(passed=2, failed=1)
    done.stdout.fnmatch_lines(
        [
            f"1 test recorded in {api.url}; *",
            "2 more ran in a worker that crashed; they are there if they had arrived",
        ]
    )


def test_what_was_rejected_is_said(run, monkeypatch, api):
    """Without a spool there is nothing that could be sent again."""
    monkeypatch.setenv("HONEYTRACE_SPOOL_DIR", "off")
    api.script = lambda request: (422, {}, b"{}")
    done = run(ONE, *SEND)
    done.stdout.fnmatch_lines(["3 sessions did not arrive: status 422: {}"])


def test_many_that_failed(run):
    """The summary names ten of them; a failure counts, whatever else is reported of a test."""
    tests = """
        @pytest.mark.parametrize("n", range(12))
        def test_one(n): assert 0
    """
    lines = run(tests, "--honeytrace", "-rN", "--tb=no").stdout.str().splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("12 tests recorded in"))
    assert lines[at + 1].endswith("test_it.py::test_one[0]")
    assert lines[at + 11] == "  … and 2 more that failed"


def test_where_nothing_ran(run):
    """The summary says only that."""
    run("", "--honeytrace").stdout.fnmatch_lines(["no test was recorded"])


def test_where_tracing_is_off(run, monkeypatch):
    """Nothing is recorded, and the summary says why."""
    monkeypatch.setenv("HONEYTRACE_ENABLED", "0")
    done = run("@pytest.mark.honeytrace\ndef test_one(): answer('bad')", "--honeytrace")
    done.stdout.fnmatch_lines(["no test was recorded: tracing is off"])
    done.stdout.no_fnmatch_line("*honeytrace sessions*")


RERUNS = """
    from _pytest.runner import runtestprotocol

    def pytest_runtest_protocol(item, nextitem):
        for _ in range(3):
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
            item._initrequest()
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        return True
"""


def test_a_test_that_is_run_again(run, api):
    """It is one session, whose outcome is that of the last run; the report shows the last run."""
    tests = """
        runs = []

        def test_passes(honeytrace_sessions):
            runs.append(1)
            answer("bad" if len(runs) < 3 else "good")
            assert len(honeytrace_sessions) == 2

        def test_fails(): answer("bad")
    """
    done = run(tests, "-rN", *SEND, conftest=RERUNS)
    done.assert_outcomes(passed=1, failed=1)
    passes, fails = named(api)["test_passes"], named(api)["test_fails"]
    assert passes["metrics"] == {"outcome": "passed", "passed": True, "reruns": 2}
    assert ("error" in passes, len(passes["children_ids"])) == (False, 3)
    assert (fails["metrics"]["outcome"], fails["error"]) == ("failed", "ValueError: boom")
    assert done.stdout.str().partition("honeytrace sessions")[2].count("─ retrieve") == 1


def test_marks(run, api):
    """The nearest mark wins; the name of a class's mark stands before those of its tests."""
    tests = """
        pytestmark = pytest.mark.honeytrace(source="module", metadata={"level": "module"})

        @pytest.mark.honeytrace("in class", metadata={"level": "class"})
        class TestOne:
            def test_a(self): pass

            @pytest.mark.honeytrace(name="own", source="test")
            def test_b(self, honeytrace_sessions):
                answer("hi")
                assert len(honeytrace_sessions) == 2
    """
    run(tests, "--honeytrace-send").assert_outcomes(passed=2)
    first, own = named(api)["in class.TestOne.test_a"], named(api)["own"]
    assert (first["source"], first["metadata"]["level"]) == ("module", "class")
    assert (own["source"], own["metadata"]["level"]) == ("test", "class")


def test_a_mark_fills_the_session(run, api):
    """Its arguments, the parameters of the test, the id of the test, and what the test adds."""
    tests = """
        @pytest.mark.honeytrace(name="mine", source="ci", inputs={"extra": 1}, config={"m": "x"})
        @pytest.mark.parametrize("question", ["a"])
        def test_a(question):
            honeytrace.enrich_session(feedback={"rating": 5})
    """
    run(tests, "--honeytrace-send").assert_outcomes(passed=1)
    mine = named(api)["mine"]
    assert (mine["source"], mine["config"], mine["feedback"]) == ("ci", {"m": "x"}, {"rating": 5})
    assert mine["inputs"] == {"question": "a", "extra": 1}
    assert mine["metadata"]["test"] == "test_it.py::test_a[a]"


def test_what_the_user_set_stays(run, api):
    """The outcome does not overwrite a metric of that name."""
    tests = """
        @pytest.mark.honeytrace(metrics={"outcome": "mine"})
        def test_a(): honeytrace.enrich_session(metrics={"passed": 0.5})
    """
    run(tests, "--honeytrace-send").assert_outcomes(passed=1)
    assert named(api)["test_a"]["metrics"] == {"outcome": "mine", "passed": 0.5}


def test_the_name_has_the_parameters(run, api):
    """In a list of sessions the cases of one test can be told apart."""
    tests = """
        class TestOne:
            @pytest.mark.parametrize("drink", ["tea", "coffee"])
            def test_q(self, drink): pass
    """
    run(tests, *SEND).assert_outcomes(passed=2)
    assert {*named(api)} == {"TestOne.test_q[tea]", "TestOne.test_q[coffee]"}


def test_the_mark_is_known(run_here):
    """To `--strict-markers` and `--markers`."""
    run_here("@pytest.mark.honeytrace\ndef test_one(): pass", "--strict-markers").assert_outcomes(
        passed=1
    )
    run_here("", "--markers").stdout.fnmatch_lines(
        ["@pytest.mark.honeytrace(name=None, [*], project*"]
    )


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("nmae='x'", "there is no argument 'nmae'; it takes name, project, source, config, *"),
        ("outputs={}", "there is no argument 'outputs'; *"),
        ("'a', 'b'", "only the name may be given without a keyword, not ('a', 'b')"),
        ("'a', name='b'", "only the name may be given without a keyword, not ('a',)"),
        ("inputs=3", "inputs cannot be 3; give a mapping"),
        ("source=''", "source cannot be ''; give a string that is not empty"),
    ],
)
def test_a_wrong_mark(run_here, mark, words):
    """It is an error of its test, in a sentence, and of no other."""
    done = run_here(f"@pytest.mark.honeytrace({mark})\ndef test_one(): pass\ndef test_two(): pass")
    done.assert_outcomes(errors=1, passed=1)
    done.stdout.fnmatch_lines([f"@pytest.mark.honeytrace of test_it.py::test_one: {words}"])


def test_a_session_that_a_wider_fixture_holds_open(run, api):
    """Recorded tests are roots beside it; for other tests it stays the current session."""
    tests = """
        @pytest.fixture(scope="module")
        def block():
            with trace_session("block"):
                yield

        def test_a(block): answer("a")
        @pytest.mark.honeytrace
        def test_b(block): retrieve("b")
        def test_c(block): answer("c")
    """
    run(tests, "--honeytrace-send").assert_outcomes(passed=3)
    found = named(api)
    assert len(found["block"]["children_ids"]) == 2
    assert "parent_id" not in found["test_b"]["metadata"]["honeytrace"]


def test_a_session_that_a_wider_fixture_opens_in_a_marked_test(run_here):
    """It stays the current one of the tests that follow."""
    tests = """
        @pytest.fixture(scope="module")
        def block():
            with trace_session("block"):
                yield

        @pytest.mark.honeytrace
        def test_a(block): pass
        def test_b(block): assert honeytrace.current_session().session_name == "block"
    """
    run_here(tests).assert_outcomes(passed=2)


# ---- Tests that do not end as tests do

NEXT = """
    from honeytrace.testing import _capture
    from honeytrace._session import context
    from honeytrace._config.live import live

    def test_last(honeytrace_sessions):
        assert context.get() is None or context.get().spec.name == "test_last"
        assert len(_capture.open_captures()) == len(live.overrides) == 1
        answer("last")
        assert len(honeytrace_sessions) == 2
"""


def before_another(tests):
    """The tests, and one after them that finds nothing left of them."""
    return textwrap.dedent(tests) + textwrap.dedent(NEXT)


def test_what_a_test_leaves_open(run, api):
    """A capture or session that a test leaves open ends with it; the session has an error."""
    tests = """
        from honeytrace.testing import capture_sessions

        @pytest.fixture
        def opened():
            capture_sessions().__enter__()
            return trace_session("session of a fixture").__enter__()

        def test_one(opened):
            opening = capture_sessions(strict=True, counting_ids=True)
            opening.__enter__()
            trace_session("session of the test").__enter__()
            raise KeyError
    """
    run(before_another(tests), *SEND).assert_outcomes(failed=1, passed=1)
    found = named(api)
    words = "RuntimeError: test_it.py::test_one left it running"
    assert found["session of a fixture"]["error"] == words
    assert found["session of the test"]["error"] == words
    assert len(found["test_one"]["children_ids"]) == 1


def test_what_a_wider_fixture_leaves_open(run):
    """It goes on for the tests that the fixture is for, and ends with it."""
    tests = """
        from honeytrace.testing import _capture
        from honeytrace.testing import capture_sessions

        @pytest.fixture(scope="class")
        def opened():
            trace_session("block").__enter__()
            opening = capture_sessions()
            return opening, opening.__enter__()

        class TestOne:
            def test_a(self, request): request.getfixturevalue("opened")

            def test_b(self, opened):
                assert honeytrace.current_session().session_name == "block"
                answer("b")
                assert len(opened[1]) == 2
    """
    run(before_another(tests)).assert_outcomes(passed=3)


FLUSH = "honeytrace.flush(9); os._exit(0)"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.parametrize(
    ("end", "recorded"),
    [("os._exit(0)", (0, 1, 2)), (FLUSH, (2,)), ("sys.exit()", (2,)), ("return", (2,))],
)
@pytest.mark.parametrize("ways", [SEND, ("--honeytrace-send",)], ids=" ".join)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_test_that_forks(run, api, end, recorded, ways):
    """Sessions of its child are recorded if the child flushes or exits normally.

    Nothing hangs, even if the child continues as pytest and ends the run again."""
    tests = """
        import os, sys

        def test_one():
            answer("before")
            if not (child := os.fork()):
                answer("in the child")
                {end}
            else:
                os.waitpid(child, 0)
    """
    run(before_another(tests.format(end=end)), *ways).assert_outcomes(passed=2)
    found = [session["inputs"].get("question") for session in api.sessions]
    assert found.count("before") == 2
    assert found.count("in the child") in recorded
    assert found.count("last") == (2 if "--honeytrace" in ways else 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_test_with_processes(run, api):
    """A pool of forked processes works and ends, and nothing that it does is sent or caught."""
    tests = """
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        def test_one(honeytrace_sessions):
            with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
                assert [*pool.map(answer, "ab")] == ["A", "B"]
            assert not honeytrace_sessions
    """
    run(before_another(tests)).assert_outcomes(passed=2)
    assert api.requests == []


SLOW = """
    import asyncio, time

    @pytest.fixture
    def block():
        with trace_session("block"):
            yield

    def test_before(): answer("before")

    @pytest.mark.timeout(1)
    def test_slow(honeytrace_sessions, block):
        with trace_session("slow"):
            time.sleep(60)
"""


def test_a_test_that_times_out_by_signal(run, api):
    """It fails, and so do the sessions that were open in it; the next test begins as usual."""
    pytest.importorskip("pytest_timeout")
    ways = ("--timeout-method=signal", *SEND)
    done = run(before_another(SLOW), *ways, load=("honeytrace", "timeout"))
    done.assert_outcomes(passed=2, failed=1)
    found = named(api)
    assert found["test_slow"]["metrics"]["outcome"] == "failed"
    assert "Timeout" in found["test_slow"]["error"]
    assert "Timeout" in found["slow"]["error"]
    done.stdout.fnmatch_lines(["*- honeytrace sessions -*", "slow *Timeout*"])


def test_a_test_that_times_out_in_a_loop(run, api):
    """The same with a coroutine, that the signal ends from outside."""
    pytest.importorskip("pytest_timeout")
    tests = """
        import asyncio

        @pytest.fixture
        def anyio_backend(): return "asyncio"

        @pytest.mark.anyio
        @pytest.mark.timeout(1)
        async def test_slow(honeytrace_sessions):
            async with trace_session("slow"):
                await asyncio.sleep(60)
    """
    ways = ("--timeout-method=signal", *SEND)
    done = run(before_another(tests), *ways, load=("honeytrace", "anyio", "timeout"))
    done.assert_outcomes(passed=1, failed=1)
    assert named(api)["test_slow"]["metrics"]["outcome"] == "failed"


@pytest.mark.parametrize("number", [0, 1])
def test_a_test_that_times_out_by_thread(run, api, number):
    """It ends the process. What ended before is sent, and xdist goes on in another one."""
    pytest.importorskip("pytest_timeout")
    ways = ("--timeout-method=thread", *SEND, *needs(workers(number)))
    done = run(before_another(SLOW), *ways, load=("honeytrace", "timeout"))
    if number:
        done.assert_outcomes(passed=2, failed=1)
    else:
        assert done.ret == 1
    known = {"test_before", "test_last"} if number else {"test_before"}
    assert {name for name in named(api) if name.startswith("test")} == known


# ---- Reports


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_a_failure_shows_the_sessions(run_for, way):
    """Those of its own test, caught by a fixture or not."""
    tests = """
        def test_a(): retrieve("before")
        def test_b(): answer("bad")
        def test_c(honeytrace_sessions): answer("bad")
    """
    done = run_for(way)(tests, *needs(way))
    done.assert_outcomes(passed=1, failed=2)
    lines = done.stdout.str().splitlines()
    starts = [at for at, line in enumerate(lines) if "--- honeytrace sessions ---" in line]
    shown = [re.sub(r"[\d.]+ .s", "_", each) for at in starts for each in lines[at + 1 : at + 3]]
    assert shown == ["answer  _  ✗ ValueError: boom", "└─ retrieve  _  ✗ ValueError: boom"] * 2


def test_an_assertion_that_shows_the_sessions(run_here):
    """They are not shown a second time, unless some were not caught by it."""
    tests = """
        def test_a(honeytrace_sessions):
            answer("a")
            honeytrace_sessions.one("none")

        def test_b():
            answer("b")
            with honeytrace.testing.capture_sessions() as sessions:
                retrieve("b")
                sessions.one("none")
    """
    done = run_here(tests, "-rN")
    done.assert_outcomes(failed=2)
    shown = done.stdout.str().partition("honeytrace sessions")[2]
    assert (done.stdout.str().count("- honeytrace sessions -"), shown.count("answer")) == (1, 1)


def test_many_sessions_of_a_failure(run_here):
    """Of those that it keeps, the report shows the first and the last."""
    tests = """
        def test_a():
            for _ in range(1_200): retrieve("good")
            retrieve("bad")
    """
    lines = run_here(tests, "-rN").stdout.str().partition("honeytrace sessions")[2].splitlines()
    assert lines[31] == "… 940 more …"
    assert lines[61].endswith("ValueError: boom")


def test_a_failure_shows_no_line_of_ours(run_here):
    """An error of an assertion or a replay points to the line of the test."""
    tests = """
        from honeytrace.testing import replay

        def test_a(honeytrace_sessions): honeytrace_sessions.one("a")
        def test_b(honeytrace_sessions): honeytrace_sessions.one(a=1)
        def test_c(honeytrace_sessions): honeytrace_sessions.assert_matches("a")
        def test_d(honeytrace_sessions): honeytrace_sessions.plain(only=["a"])
        def test_e(honeytrace_sessions):
            answer("a")
            honeytrace_sessions.assert_no_errors()
            replay(honeytrace_sessions[1], lambda: 1)
    """
    done = run_here(tests)
    done.assert_outcomes(failed=5)
    done.stdout.no_fnmatch_line("*honeytrace*.py:*")


def test_a_failure_without_sessions(run_here):
    """Its report is as without the plugin."""
    done = run_here("def test_a(): answer('a')\ndef test_b(): assert 0")
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.no_fnmatch_line("*honeytrace sessions*")


# ---- Expected sessions

MATCH = """
    @pytest.mark.parametrize("question", ["a"])
    def test_one(honeytrace_sessions, question):
        answer(question)
        retrieve("{word}")
        honeytrace_sessions.assert_matches("{name}")
"""


def test_expected_sessions(run_here, pytester):
    """They are written on request, beside the test; then they match, ids and times left out."""
    first = run_here(MATCH.format(word="x", name="two"))
    first.stdout.fnmatch_lines(
        ["E *two.json does not exist; `pytest --honeytrace-update` writes it"]
    )
    run_here(MATCH.format(word="x", name="two"), "--honeytrace-update").assert_outcomes(passed=1)
    run_here(MATCH.format(word="x", name="two")).assert_outcomes(passed=1)
    file = pytester.path / "__honeytrace__" / "test_it" / "two.json"
    ok = {"status": "ok"}
    child = {"name": "retrieve", "inputs": {"question": "a"}, "outputs": {"result": "a"}, **ok}
    assert json.loads(file.read_text()) == [
        {
            "name": "answer",
            "inputs": {"question": "a"},
            "outputs": {"result": "A"},
            "children": [child],
            **ok,
        },
        {"name": "retrieve", "inputs": {"question": "x"}, "outputs": {"result": "x"}, **ok},
    ]


def test_a_part_of_the_expected_sessions(run_here, pytester):
    """Only the chosen parts are compared and written."""
    tests = """
        def test_one(honeytrace_sessions):
            answer("{word}")
            honeytrace_sessions.assert_matches("one", only=("inputs",), ignore=("inputs.question",))
    """
    run_here(tests.format(word="a"), "--honeytrace-update").assert_outcomes(passed=1)
    run_here(tests.format(word="b")).assert_outcomes(passed=1)
    file = pytester.path / "__honeytrace__" / "test_it" / "one.json"
    assert json.loads(file.read_text()) == [{"name": "answer", "children": [{"name": "retrieve"}]}]


def test_unexpected_sessions(run_here):
    """The failure shows a diff, and how to accept it."""
    run_here(MATCH.format(word="x", name="two"), "--honeytrace-update").assert_outcomes(passed=1)
    done = run_here(MATCH.format(word="y", name="two"))
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "E *the sessions differ from the expected ones; * `pytest --honeytrace-update` *",
            'E  *-*"question": "x"',
            'E  *+*"question": "y"',
        ]
    )


def test_a_name_that_is_none_for_a_file(run_here):
    """It is refused in a sentence."""
    done = run_here(MATCH.format(word="x", name="../two"))
    done.stdout.fnmatch_lines(["E *assert_matches('../two'): give a name of letters, *"])


def test_expected_sessions_of_a_run(run_here, pytester):
    """Those of the whole run lie beside its root."""
    tests = """
        def test_one(honeytrace_all_sessions):
            answer("a")
            honeytrace_all_sessions.assert_matches("run")
    """
    run_here(tests, "--honeytrace-update").assert_outcomes(passed=1)
    assert (pytester.path / "__honeytrace__" / "all" / "run.json").exists()


def test_expected_sessions_without_the_fixture(run_here):
    """Without a test file beside which the file could lie, the error says so."""
    tests = """
        from honeytrace.testing import capture_sessions

        def test_one():
            with capture_sessions() as sessions: pass
            with pytest.raises(TypeError, match="needs the fixture honeytrace_sessions"):
                sessions.assert_matches("one")
    """
    run_here(tests).assert_outcomes(passed=1)


# ---- Traced fixtures

FIXTURES = """
    {imports}

    {above}
    @{fixture}(params=["a", "b"], name="made")
    {below}
    {async_}def _made(request):
        "The words."
        retrieve("set-up")
        {hand} {{"id": request.param}}
        {after}

    class TestOne:
        {above}
        @{fixture}
        {below}
        {async_}def own(self):
            {hand} self

        {mark}
        {async_}def test_own(self, honeytrace_module_sessions, own):
            assert isinstance(own, TestOne)

    {mark}
    {async_}def test_one(honeytrace_module_sessions, made):
        assert made["id"] in ("a", "b")
        retrieve("test")

    def test_last(honeytrace_module_sessions):
        first, second = honeytrace_module_sessions.all("_made")
        assert (first.inputs, second.inputs) == ({{"request": "a"}}, {{"request": "b"}})
        assert (first.outputs, second.outputs) == ({{"id": "a"}}, {{"id": "b"}})
        children = len(first.children_ids)
        assert children == {children}
        stream = first.metadata["honeytrace"].get("stream", {{}})
        split = {{"completed", "setup_ms", "teardown_ms"}} if children == 2 else set()
        assert {{*stream}} == split
        assert honeytrace_module_sessions.one("TestOne.own")
        assert len(honeytrace_module_sessions) == 2 * (2 + children) + 1
"""
TRACE = "@trace_session"


@pytest.mark.parametrize("kind", ["return", "yield"])
@pytest.mark.parametrize("place", ["above", "below"])
@pytest.mark.parametrize("library", ["sync", "anyio", "asyncio"])
def test_traced_fixtures(run_here, pytester, kind, place, library):
    """Above or below: a session each from set-up to tear-down, its time split; parameters, names
    and methods as without it."""
    words = {"imports": "", "fixture": "pytest.fixture", "mark": "", "async_": "async "}
    if library == "sync":
        words["async_"] = ""
    if library == "anyio":
        words["mark"] = "@pytest.mark.anyio"
        words["imports"] = "@pytest.fixture\n    def anyio_backend(): return 'asyncio'"
    if library == "asyncio":
        pytest.importorskip("pytest_asyncio")
        pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
        words |= {"mark": "@pytest.mark.asyncio", "imports": "import pytest_asyncio"}
        words["fixture"] = "pytest_asyncio.fixture"
    words |= {"above": "", "below": "", place: TRACE, "hand": kind}
    words |= {"after": "retrieve('tear-down')" if kind == "yield" else ""}
    tests = FIXTURES.format(**words, children=2 if kind == "yield" else 1)
    load = ("honeytrace", *([] if library == "sync" else [library]))
    run_here(tests, load=load).assert_outcomes(passed=4)


def test_sessions_in_fixtures(run_here):
    """A block in a fixture is around what the test calls; it may end in the test, too."""
    tests = """
        @pytest.fixture
        def block():
            with trace_session("block") as session:
                yield session

        @pytest.fixture
        def begun():
            block = trace_session("begun")
            block.__enter__()
            return block

        def test_one(honeytrace_sessions, block):
            retrieve("a")
            assert honeytrace_sessions[0].session_id in block.children_ids

        def test_two(honeytrace_sessions, begun):
            retrieve("a")
            begun.__exit__(None, None, None)
            assert len(honeytrace_sessions.one("begun").children_ids) == 1
    """
    run_here(tests).assert_outcomes(passed=2)


# ---- What it costs


def test_nothing_more_is_imported(run):
    """A suite that does not use it loads two small files of ours."""
    tests = """
        import sys
        def test_one():
            ours = {name for name in sys.modules if name.startswith("honeytrace")}
            assert ours == {
                "honeytrace",
                "honeytrace._utils",
                "honeytrace._utils.pytest_compat",
                "honeytrace.pytest_plugin",
            }
    """
    done = run("", "test_bare.py", test_bare=textwrap.dedent(tests))
    done.assert_outcomes(passed=1)
