"""Exceptions of all kinds as text and plain data."""

from __future__ import annotations

import asyncio
import builtins
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeytrace import trace_session
from honeytrace._capture.exceptions import failure


def caught(raising):
    try:
        raising()
    except BaseException as error:
        return error


def thrown(error):
    def raising():
        raise error

    return caught(raising)


@pytest.mark.parametrize(
    "error", [None, GeneratorExit(), SystemExit(), SystemExit(0), SystemExit(False)], ids=repr
)
def test_an_end_in_order_is_no_failure(error):
    """Success, a closed generator and an exit with code 0 leave `error` out."""
    assert failure(error) is None


class Exit(Exception):  # noqa: N818 - the name matters
    """As a library for command lines may define it."""

    def __init__(self, code=0):
        self._code = code


class QuitError(RuntimeError):
    exit_code = 0


class CodedError(Exception):
    def __init__(self, code):
        self.code = code


def click_exit(code):
    exits = pytest.importorskip("click").exceptions
    return exits.Exit(code)


@pytest.mark.parametrize("make", [click_exit, Exit], ids=["click", "another"])
def test_a_command_that_ends_with_an_exit_code(make):
    """An exit with code 0 is not an error, as with SystemExit; any other code is."""
    assert failure(make(0)) is None
    assert failure(make(3)).status == "error"


def test_an_exit_code_of_the_class():
    """It counts unless the exception has one of its own."""
    quits = QuitError()
    assert failure(quits) is None
    quits.exit_code = 1
    assert failure(quits)


def test_a_code_may_mean_anything():
    """Only that of a class called `Exit` is an exit code."""
    assert failure(CodedError(0)).text == "CodedError: 0"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("boom"), "ValueError: boom"),
        (ValueError(), "ValueError"),
        (KeyError("k"), "KeyError: 'k'"),
        (OSError(2, "gone", "f"), "FileNotFoundError: [Errno 2] gone: 'f'"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "UnicodeDecodeError: 'utf-8' codec"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (SystemExit(3), "SystemExit: 3"),
        (SystemExit("no"), "SystemExit: no"),
        (StopIteration(5), "StopIteration: 5"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_text_is_the_type_and_the_message(error, text):
    """`error` reads as the last line of a traceback does."""
    assert failure(error).text.startswith(text)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("CancelledError", "cancelled"),
        ("Cancelled", "cancelled"),
        ("GreenletExit", "cancelled"),
        ("E", "error"),
    ],
)
def test_cancellation_is_told_by_the_name(name, status):
    """Cancellations by asyncio, trio and gevent are not errors; none of these is imported."""
    assert failure(type(name, (BaseException,), {})()).status == status


def test_a_cancelled_task_is_cancelled():
    """asyncio's own exception has the status `cancelled`."""
    assert failure(asyncio.CancelledError()).status == "cancelled"


def test_the_details_are_type_message_and_traceback():
    """The details hold what was raised and where, and nothing of the locals."""
    secret = "hunter2"

    def inner():
        password = secret
        raise ValueError("boom" * bool(password))

    details = failure(caught(lambda: inner())).details
    assert (details["type"], details["message"]) == ("ValueError", "boom")
    assert details["traceback"][-1].endswith("in inner")
    assert secret not in json.dumps(details)


def test_the_frames_of_stand_ins_are_left_out(sent):
    """Of a traced call that fails the user's own frames are shown, the caller's first."""

    @trace_session
    def inner():
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"), trace_session("block"):
        inner()
    shown = [s["metadata"]["honeytrace"]["exception"]["traceback"] for s in sent()]
    names = [[frame.rpartition(" in ")[2] for frame in frames] for frames in shown]
    assert names == [["inner"], ["test_the_frames_of_stand_ins_are_left_out", "inner"]]


def test_an_exception_that_was_never_raised_has_no_frames():
    """Without a traceback the list of frames is empty."""
    assert failure(ValueError("x")).details["traceback"] == []


def test_a_deep_recursion_keeps_its_last_frames():
    """Of a thousand frames the fifty nearest to the error are kept, the others counted."""

    def deep():
        return deep()

    frames = failure(caught(deep)).details["traceback"]
    assert len(frames) == 51
    assert re.fullmatch(r"… \[\d+ more frames\]", frames[0])
    assert frames[1].endswith("in deep")


@given(st.text(st.characters() | st.characters(categories=["Cs"]), max_size=9000))
def test_the_text_is_at_most_4_kib_of_utf_8(words):
    """Any message, lone surrogates included, becomes at most 4096 bytes that can be sent."""
    known = failure(ValueError(words))
    assert len(known.text.encode("utf-8", "surrogatepass")) <= 4096
    assert known.text.startswith("ValueError")


@pytest.mark.parametrize("char", ["a", "é", "語", "😀", "\ud800"])
def test_a_long_message_is_cut_between_characters(char):
    """A long message of any character is cut to what fits, and nothing is left half."""
    text = failure(ValueError(char * 10_000_000)).text
    assert 3800 <= len(text.encode()) <= 4096
    assert re.search(r"… \[\d+ more characters\]$", text)


@pytest.mark.parametrize("before", range(3700, 3900, 7))
def test_a_secret_is_not_cut_in_half(before):
    """Half of it would not be known as one; the word is left out as a whole."""
    known = failure(ValueError("a " * (before // 2) + " postgres://user:hunter2@db/x" + " b" * 500))
    for text in (known.text, known.details["message"]):
        assert "hunter2@" in text or "user" not in text


class LyingError(Exception):
    @property
    def __class__(self):
        raise RuntimeError("no class")


def test_an_error_that_lies_about_its_class_is_told(sent, caplog):
    """It fails the call as any other does, and nothing of ours fails."""
    error = LyingError("mine")

    @trace_session
    def block():
        raise error

    assert caught(block) is error
    assert sent()[0]["error"] == "LyingError: mine"
    assert caplog.text == ""


def test_a_message_that_is_cut_is_listed(sent):
    """As what is cut of a value is."""
    with pytest.raises(ValueError, match="long"), trace_session("block"):
        raise ValueError("long " * 2000)
    assert sent()[0]["metadata"]["honeytrace"]["truncated"] == ["error"]


def test_a_message_that_cannot_be_told_is_named():
    """An exception whose `__str__` raises costs its message, no more."""

    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    known = failure(MuteError())
    assert known.text.endswith("MuteError: [RuntimeError in __str__]")
    assert known.details["message"] == "[RuntimeError in __str__]"


def test_a_message_that_is_no_string_is_named():
    """An exception whose `__str__` returns something else counts as one that raises."""

    class OddError(Exception):
        def __str__(self):
            return 5

    assert failure(OddError()).text.endswith("OddError: [TypeError in __str__]")


def test_a_message_with_methods_of_its_own_is_made_plain():
    """A string subclass that lies about its length is copied before it is looked at."""

    class Liar(str):
        __slots__ = ()

        def __len__(self):
            raise RuntimeError("asked")

        def __format__(self, spec):
            raise RuntimeError("asked")

    class OddError(Exception):
        def __str__(self):
            return Liar("words")

    known = failure(OddError())
    assert (type(known.details["message"]), known.details["message"]) == (str, "words")


def test_the_exception_itself_is_unchanged():
    """Looking at an exception changes neither its traceback, its cause nor its arguments."""
    error = thrown(ValueError("boom"))
    before = (error.__traceback__, error.__cause__, error.__context__, error.args)
    failure(error)
    assert (error.__traceback__, error.__cause__, error.__context__, error.args) == before


def test_groups_and_chains_have_a_text():
    """The text of an exception with a cause is its own message."""
    inner = ValueError("inner")

    def raising():
        raise RuntimeError("outer") from inner

    assert failure(caught(raising)).text == "RuntimeError: outer"


def test_what_led_to_an_exception_is_told():
    """The cause is recorded, or else the context, each with its own causes."""

    def first():
        raise KeyError("first")

    def second():
        try:
            first()
        except KeyError:
            raise ValueError("second")  # noqa: B904 - the context is what is tested

    def third():
        try:
            second()
        except ValueError as error:
            raise RuntimeError("third") from error

    details = failure(caught(third)).details
    assert details["cause"]["message"] == "second"
    assert details["cause"]["context"]["type"] == "KeyError"
    assert details["cause"]["context"]["traceback"][-1].endswith("in first")


def test_a_context_that_is_suppressed_is_not_told():
    """`raise … from None` hides it, here too."""

    def raising():
        try:
            raise KeyError("hidden")
        except KeyError:
            raise ValueError("shown") from None

    assert "context" not in failure(caught(raising)).details


def test_causes_in_a_circle_are_told_once():
    """Exceptions that are each other's cause end the story."""
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    details = failure(one).details
    assert "cause" not in details["cause"]


def test_a_long_chain_is_cut():
    """Of a thousand causes twenty exceptions are told."""
    error = last = ValueError("0")
    for number in range(1000):
        last.__cause__ = last = ValueError(str(number))
    assert json.dumps(failure(error).details).count('"traceback"') == 20


Group = getattr(builtins, "ExceptionGroup", None)


@pytest.mark.skipif(Group is None, reason="notes and groups came with Python 3.11")
class TestGroups:
    def test_notes_are_told(self):
        """Those that are strings; the list may hold anything."""
        error = ValueError("boom")
        error.add_note("in batch 3")
        error.__notes__.append(5)
        assert failure(error).details["notes"] == ["in batch 3"]

    def test_the_members_of_a_group_are_told(self):
        """Each with its own type, message and members."""
        inner = Group("inner", [KeyError("a")])
        group = Group("outer", [ValueError("b"), inner])
        details = failure(group).details
        assert failure(group).text == "ExceptionGroup: outer (2 sub-exceptions)"
        assert [each["type"] for each in details["exceptions"]] == ["ValueError", "ExceptionGroup"]
        assert details["exceptions"][1]["exceptions"][0]["message"] == "'a'"

    def test_a_member_that_is_handled_is_told_as_a_member(self):
        """A group that is raised while its first member is handled was not caused by something
        else."""

        def raising():
            try:
                raise KeyError("a")
            except KeyError as error:
                raise Group("both", [error, ValueError("b")])  # noqa: B904 - without a cause

        details = failure(caught(raising)).details
        assert "context" not in details
        assert [each["type"] for each in details["exceptions"]] == ["KeyError", "ValueError"]

    def test_a_large_group_is_cut(self):
        """The first members are told, the others counted."""
        details = failure(Group("many", [ValueError(str(n)) for n in range(100)])).details
        assert (len(details["exceptions"]), details["more_exceptions"]) == (19, 81)


def test_the_backport_of_groups_is_known():
    """The package `exceptiongroup`, which anyio uses on 3.10, keeps its members elsewhere."""

    class BaseExceptionGroup(Exception):  # noqa: N818 - the name is the standard's
        def __init__(self, *members):
            self._exceptions = members

    details = failure(BaseExceptionGroup(ValueError("a"))).details
    assert [each["message"] for each in details["exceptions"]] == ["a"]
