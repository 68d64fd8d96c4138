"""The live pipeline: what is in force, and from when on."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import honeytrace
from honeytrace import trace_session


@trace_session
def work(n: int = 0) -> int:
    return n


def test_without_key_and_url_sessions_are_kept_here(program, tmp_path):
    """A program with no configuration stores its sessions, and can read them back."""
    done = program(
        """
        import honeytrace

        with honeytrace.trace_session("x", metadata={"a": 1}) as session:
            session.outputs = {"b": 2}
        got = honeytrace.get_session(session.session_id)
        print(got.session_name, got.outputs, got.metadata["a"], honeytrace.configure().local)
        """
    )
    assert (done.stdout, done.stderr) == ("x {'b': 2} 1 True\n", "")
    assert (tmp_path / "home" / "sessions.db").exists()


def test_a_session_can_be_read_back_from_the_server(server, sent):
    """Through the configured client; what was not sent yet is sent first."""
    answer = b'{"session_id": "11111111-1111-4111-8111-111111111111", "event_name": "x"}'
    server.script = lambda r: (200, {}, answer) if r.method == "GET" else server.ok(r)
    work()
    got = honeytrace.get_session("11111111-1111-4111-8111-111111111111")
    assert got.session_name == "x"
    assert [request.method for request in server.requests] == ["POST", "GET"]


def test_only_what_is_named_changes(sent):
    """A second call keeps the first one's settings; None puts one back to its default."""
    honeytrace.configure(source="second")
    assert (honeytrace.configure().project, honeytrace.configure().source) == ("p", "second")
    assert honeytrace.configure(source=None).source == "dev"


def test_a_wrong_setting_changes_nothing(sent):
    """The error names the setting, and the old configuration stays in force."""
    with pytest.raises(honeytrace.ConfigurationError, match="did you mean 'project'"):
        honeytrace.configure(projekt="x", source="new")
    with pytest.raises(honeytrace.ConfigurationError, match="timeout cannot be 'soon'"):
        honeytrace.configure(timeout="soon", source="new")
    assert honeytrace.configure().source == "test"


def test_the_environment_is_read_at_the_first_use(program):
    """Not at import: what a program sets before its first traced call counts."""
    done = program(
        """
        import os
        import honeytrace
        os.environ["HH_PROJECT"] = "late"
        print(honeytrace.configure().project, honeytrace.stats())
        """
    )
    assert done.stdout.startswith("late Stats(accepted=0")


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_tracing_can_be_off_from_the_start(kind, program, tmp_path):
    """By environment: nothing is recorded, stored or started."""
    source = """
        import inspect
        import threading
        import honeytrace

        @honeytrace.trace_session
        def work():
            return bool(honeytrace.current_session())

        def run():
            result = work()
            if not inspect.iscoroutine(result):
                return result
            try:
                result.send(None)
            except StopIteration as stop:
                return stop.value

        print(run(), run(), threading.active_count(), honeytrace.stats().accepted)
        """
    source = source.replace("def work", f"{kind} work")
    done = program(source, HONEYTRACE_ENABLED="false")
    assert (done.stdout, done.stderr) == ("False False 1 0\n", "")
    assert not (tmp_path / "home").exists()


def test_an_unwritable_store_does_not_disturb_the_program(program, tmp_path):
    """One warning that names the store; the program's result and exit code are its own."""
    (tmp_path / "home").write_text("a file where a directory should be")
    done = program(
        """
        import honeytrace

        @honeytrace.trace_session
        def work(n):
            return n

        print(sum(work(n) for n in range(5)))
        """,
        HONEYTRACE_EXIT_TIMEOUT="2",
    )
    assert (done.returncode, done.stdout) == (0, "10\n")
    assert "sessions.db" in done.stderr
    assert "HONEYTRACE_HOME" in done.stderr
    assert "Traceback" not in done.stderr


def test_importing_names_from_the_client_works():
    """`Client` and the like are looked up when asked for; what is not there says so."""
    assert honeytrace.Client.__name__ == "Client"
    assert set(dir(honeytrace)) >= {"Client", "trace_session"}
    with pytest.raises(AttributeError, match="no attribute 'Clint'"):
        _ = honeytrace.Clint


def test_a_test_of_the_program_may_patch_the_source_of_ids(program):
    """Sessions have ids of their own even while `os.urandom` returns the same bytes."""
    done = program(
        """
        from unittest import mock
        import honeytrace
        honeytrace.stats()
        with mock.patch("os.urandom", return_value=bytes(16)):
            ids = set()
            for _ in range(300):
                with honeytrace.trace_session("x") as session:
                    ids.add(session.session_id)
        print(len(ids))
        """
    )
    assert (done.stdout, done.stderr) == ("300\n", "")


def test_a_child_of_multiprocessing_delivers_at_its_end(program, server):
    """It leaves out `atexit`, so that the sessions of its last moment would wait on disk."""
    done = program(
        """
        import multiprocessing
        import honeytrace

        def child():
            with honeytrace.trace_session("child"):
                pass

        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join()
        print(process.exitcode)
        """,
        HH_API_URL=server.url,
        HONEYTRACE_EXIT_TIMEOUT="30",
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
    assert [session["session_name"] for session in server.sessions] == ["child"]


def test_a_first_session_that_begins_at_exit_is_stored(program):
    """Nothing that is registered then would be called any more."""
    done = program(
        """
        import atexit

        @atexit.register
        def late():
            import honeytrace

            with honeytrace.trace_session("late"):
                pass
            print([each.session_name for each in honeytrace.sessions()])
        """
    )
    assert (done.stdout, done.stderr) == ("['late']\n", "")


@pytest.mark.parametrize(
    ("setting", "running"), [({}, True), ({"HONEYTRACE_ENABLED": "false"}, False)]
)
def test_the_threads_start_before_the_first_session(program, setting, running):
    """The time that this takes is not part of the session; switched off, none is started."""
    done = program(
        """
        import threading
        import honeytrace

        with honeytrace.trace_session("first"):
            print(any(each.name.startswith("honeytrace-") for each in threading.enumerate()))
        """,
        **setting,
    )
    assert (done.stdout, done.stderr) == (f"{running}\n", "")


def test_a_session_that_ends_in_the_middle_of_the_first_start(program, server):
    """As in a signal handler that comes while delivery is made ready: both are counted and sent."""
    done = program(
        """
        import sys
        import honeytrace

        @honeytrace.trace_session
        def work(n):
            return n

        def interrupt(frame, event, argument):
            if event == "call" and frame.f_code.co_name == "deliver":
                sys.setprofile(None)
                work(1)

        sys.setprofile(interrupt)
        work(0)
        print(honeytrace.flush(10), honeytrace.stats().accepted, honeytrace.stats().delivered)
        """,
        HH_API_URL=server.url,
    )
    assert (done.stdout, done.stderr) == ("True 2 2\n", "")
    assert sorted(session["inputs"]["n"] for session in server.sessions) == [0, 1]


COLLECTED = """
    import faulthandler
    import os
    import sys
    import threading
    from contextlib import suppress
    import honeytrace
    from honeytrace._config.live import live

    ROOMS = tuple(f"{os.sep}{room}{os.sep}" for room in ("_config", "_delivery"))

    @honeytrace.trace_session
    def work(where):
        made.append(where)

    @honeytrace.trace_session
    def stream():
        made.append("stream")
        yield

    def begun():
        items = stream()
        next(items)
        honeytrace.shutdown(20)
        return items

    def interrupt(frame, event, argument):
        global left
        if event == "call" and any(room in frame.f_code.co_filename for room in ROOMS):
            left -= 1
            if left < 0:
                sys.setprofile(None)
                COLLECT

    def report(event):
        if collecting and threading.get_ident() != main.ident:
            work("collected by the new thread")
        set_event(event)

    def end():
        while ours := {*threading.enumerate()} - {main}:
            honeytrace.shutdown(20)
            for thread in ours:
                with suppress(RuntimeError):  # it has not begun yet
                    thread.join()

    main, set_event, made, at, left = threading.main_thread(), threading.Event.set, [], 0, -1
    threading.Event.set = report
    while left < 0:
        faulthandler.dump_traceback_later(30, exit=True)  # again for each step
        made.clear()
        left, at, collecting = at, at + 1, True
        live.after_fork_in_child()
        BEFORE
        sys.setprofile(interrupt)
        ACT
        sys.setprofile(None)
        assert honeytrace.flush(20)
        collecting = False
        end()
        stats = honeytrace.stats()
        if left < 0 and not len(made) == stats.accepted == stats.delivered + stats.spooled:
            print(at, made, stats)
    print(at > 20)
    """


@pytest.mark.parametrize(
    ("before", "act", "collect"),
    [
        ("", "work('program')", "work('collected')"),
        ("", "honeytrace.configure(source=str(at)); work('program')", "work('collected')"),
        ("items = begun()", "honeytrace.configure(timeout=9 + at)", "items.close()"),
    ],
)
def test_a_collection_at_any_moment_of_a_start(before, act, collect, program, server):
    """In this thread and in ours, which wait for one another's locks: nothing hangs or is lost."""
    source = COLLECTED.replace("BEFORE", before).replace("ACT", act).replace("COLLECT", collect)
    done = program(source, HH_API_URL=server.url)
    assert done.stdout == "True\n", done.stderr


def test_variables_set_after_configure_count_until_the_first_session(program, server):
    """A program may load them from a file when it has already configured something."""
    done = program(
        f"""
        import os
        import honeytrace
        honeytrace.configure(source="production")
        os.environ.update(HH_API_KEY="k-1", HH_API_URL={server.url!r}, HH_PROJECT="late")
        with honeytrace.trace_session("first"):
            os.environ["HH_PROJECT"] = "too late"
        with honeytrace.trace_session("second"):
            pass
        print(honeytrace.flush(20), honeytrace.stats().delivered)
        """
    )
    assert (done.stdout, done.stderr) == ("True 2\n", "")
    seen = {(session["project"], session["source"]) for session in server.sessions}
    assert seen == {("late", "production")}


def test_a_switch_set_after_configure_turns_tracing_off(program):
    """Nothing is recorded, not even the first session."""
    done = program(
        """
        import os
        import honeytrace
        honeytrace.configure(project="p")
        os.environ["HONEYTRACE_ENABLED"] = "0"
        with honeytrace.trace_session("first"):
            pass
        print(honeytrace.stats().accepted)
        """
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


INTERRUPTED = """
import sys
from collections import namedtuple

if {traced}:
    import honeytrace
    honeytrace.trace_session(len)("abc")
{end}
"""
UNCAUGHT = "raise KeyboardInterrupt"
CAUGHT = """
try:
    raise KeyboardInterrupt
except KeyboardInterrupt:
    sys.last_type = KeyboardInterrupt  # as a user interface does that shows it
    sys.last_traceback = None
"""


@pytest.mark.parametrize(
    ("way", "end"),
    [
        ("script", UNCAUGHT),
        ("module", UNCAUGHT),
        ("command", UNCAUGHT),
        ("input", UNCAUGHT),
        ("prompt", UNCAUGHT),
        ("script", CAUGHT),
    ],
)
def test_ctrl_c_ends_a_program_as_without_us(way, end, tmp_path):
    """By SIGINT where it is not caught, however the program was started."""

    def status(traced):
        source = INTERRUPTED.format(traced=traced, end=end)
        (tmp_path / "work.py").write_text(source, encoding="utf-8")
        words = {"module": ["-m", "work"], "command": ["-c", source], "input": ["-"]}
        command = [*(["-i"] if way == "prompt" else []), *words.get(way, ["work.py"])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
        given = {"input": source, "prompt": "1\n"}.get(way)
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment,
            input=given,
            text=True,
            capture_output=True,
            timeout=60,
        )
        return done.returncode

    assert status(True) == status(False)
