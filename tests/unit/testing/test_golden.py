"""Expected sessions in a file beside the test."""

from __future__ import annotations

import json
import textwrap

import pytest

from honeytrace.testing._golden import GoldenDir, compare

pytest_plugins = ["pytester"]


def place(tmp_path, update: bool = True) -> GoldenDir:
    return GoldenDir(tmp_path / "test_it.py", update)


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs pytest in a process of its own."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def start(source: str, *arguments: str):
        pytester.makepyfile(test_it=textwrap.dedent(source))
        return pytester.runpytest_subprocess("-phoneytrace", *arguments, timeout=120)

    return start


def test_written(tmp_path):
    """A written file matches, and no other file is left beside it."""
    compare([{"name": "é"}], place(tmp_path), "one")
    compare([{"name": "é"}], place(tmp_path, update=False), "one")
    (file,) = (tmp_path / "__honeytrace__" / "test_it").iterdir()
    assert (file.name, json.loads(file.read_text("utf-8"))) == ("one.json", [{"name": "é"}])
    with pytest.raises(AssertionError, match=r'-    "name": "é"\n.*"name": "e"'):
        compare([{"name": "e"}], place(tmp_path, update=False), "one")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../one", "give a name of letters"),
        (3, "give a name of letters"),
        ("a" * 201, "has 201 characters; it becomes the name of a file, so give one of 200 bytes"),
        ("é" * 101, "has 101 characters"),
    ],
)
def test_no_name(tmp_path, name, words):
    """A name that cannot name a file is refused in a sentence."""
    with pytest.raises(ValueError, match=words):
        compare([], place(tmp_path), name)


def test_long_name(tmp_path):
    """The longest name that is taken can be written."""
    compare([], place(tmp_path), "a" * 200)


def test_twice_in_a_test(tmp_path):
    """A name that one test gives twice stands for the same sessions."""
    here = place(tmp_path)
    compare([1], here, "one")
    compare([1], here, "one")
    with pytest.raises(
        AssertionError, match=r"'one' was already written with other sessions by .*twice_in"
    ):
        compare([2], here, "one")


def test_repeated(tmp_path):
    """A test that is run again writes its sessions again."""
    compare([1], place(tmp_path), "one")
    compare([2], place(tmp_path), "one")
    compare([2], place(tmp_path, update=False), "one")


def test_twice_in_a_run(run):
    """A name that several tests give is refused when it is written, with what to do."""
    done = run(
        """
        import pytest
        from honeytrace import trace_session

        @pytest.mark.parametrize("question", ["a", "b"])
        def test_one(honeytrace_sessions, question):
            with trace_session("block", inputs={"question": question}):
                pass
            honeytrace_sessions.assert_matches("one")
        """,
        "--honeytrace-update",
    )
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(
        ["E *'one' was already written with other sessions by test_it.py::test_one[[]a[]]; each *"]
    )


def test_frames(run):
    """A failure shows the line of the test, and none of ours."""
    done = run(
        """
        from honeytrace import Session, trace_session
        from honeytrace.testing import diff, replay

        SESSION = Session(project="p", session_name="s", source="t", inputs={"a": "[REDACTED:x]"})

        def test_matches(honeytrace_sessions):
            honeytrace_sessions.assert_matches("one")

        def test_name(honeytrace_sessions):
            honeytrace_sessions.assert_matches("a" * 300)

        def test_redacted():
            replay(SESSION, lambda a: None)

        def test_unfit():
            replay(Session(project="p", session_name="s", source="t"), lambda a: None)

        def test_absent():
            replay("6a1f2ad5-0d4c-4a5d-8f5c-1f0c39d4ab55", print)

        def test_beginning():
            replay("6a1f2ad5", print)

        def test_diff():
            diff(1, 2)
        """,
        "--showlocals",
    )
    done.assert_outcomes(failed=7)
    assert len([line for line in done.outlines if line.startswith("test_it.py:")]) == 7
    done.stdout.no_fnmatch_line("*honeytrace/_*.py:*")
