"""Updates after the end of a session are merged into it, and never lost."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import uuid

import pytest

import honeytrace
from honeytrace import trace_session, update_session
from honeytrace._config.live import live
from honeytrace._delivery.http import turns as turns_module
from honeytrace._delivery.http.sender import HttpSender
from honeytrace._delivery.http.turns import Turns
from honeytrace._delivery.retry import Verdict
from honeytrace._session import wire
from honeytrace.local import Store
from honeytrace.testing import capture_sessions

SOME_ID = "5493a98b-011f-4670-8ec4-4247e6db033d"


@pytest.fixture(autouse=True)
def _reset():
    live.guard.clear()
    honeytrace.configure()  # so that the home of this test is read
    yield
    honeytrace.shutdown(0)
    honeytrace.configure(server_url=None, api_key=None, redact=None)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "home" / "sessions.db")


class Api:
    """The two operations; a second start replaces the whole session, as a server may do."""

    def __init__(self, server):
        self.sessions = {}
        self.failing = 0
        self.lock = threading.Lock()
        server.script = self.answer
        honeytrace.configure(server_url=server.url + "/base", api_key="k")

    def answer(self, request):
        with self.lock:
            if self.failing:
                self.failing -= 1
                return 503, {}, b""
            if request.method == "GET":
                found = self.sessions.get(request.path.removeprefix("/base/session/"))
                return (200, {}, json.dumps(found).encode()) if found else (404, {}, b"{}")
            assert request.path == "/base/session/start"
            session = request.json["session"]
            event = {**session, "project_id": session["project"], "event_type": "session"}
            self.sessions[session["session_id"]] = {**event, "event_name": session["session_name"]}
            return 200, {}, json.dumps({"session_id": session["session_id"]}).encode()


@pytest.fixture
def api(server):
    return Api(server)


@trace_session(name="answer")
def answer(question: str) -> dict[str, str]:
    global last
    last = honeytrace.current_session()
    return {"content": question.upper()}


def ended(question: str = "why") -> str:
    answer(question)
    return last.session_id


def test_an_update_is_merged_into_the_stored_session(store):
    session_id = ended()
    assert update_session(session_id, feedback={"rating": 5}, metadata={"a": 1})
    assert update_session(uuid.UUID(session_id), feedback={"note": "good"}, outputs={"shown": True})
    assert honeytrace.flush(10)
    found = store.get(session_id)
    assert found["feedback"] == {"rating": 5, "note": "good"}
    assert found["outputs"] == {"content": "WHY", "shown": True}
    assert found["inputs"] == {"question": "why"}
    assert found["metadata"]["a"] == 1
    assert "root_id" in found["metadata"]["honeytrace"]


def test_an_update_is_merged_into_the_session_of_a_server(api):
    session_id = ended()
    update_session(session_id.upper(), feedback={"rating": 5}, metrics={"score": 0.5})
    update_session(session_id, feedback={"note": "good"})
    assert honeytrace.flush(10)
    found = api.sessions[session_id]
    assert found["feedback"] == {"rating": 5, "note": "good"}
    assert found["metrics"] == {"score": 0.5}
    assert found["outputs"] == {"content": "WHY"}
    assert (found["session_name"], found["project"]) == ("answer", "default")


UPDATES = """
    import sys
    import honeytrace

    who, session_id = sys.argv[1:]
    for n in range(30):
        honeytrace.update_session(session_id, metadata={f"{who}-{n}": n})
    assert honeytrace.flush(60)
"""


def test_updates_of_several_processes_do_not_undo_each_other(api, server):
    session_id = ended()
    environment = {**os.environ, "HH_API_KEY": "k", "HH_API_URL": server.url + "/base"}
    program = [sys.executable, "-c", textwrap.dedent(UPDATES)]
    running = [subprocess.Popen([*program, who, session_id], env=environment) for who in "abc"]
    assert [each.wait() for each in running] == [0, 0, 0]
    wanted = {f"{who}-{n}" for who in "abc" for n in range(30)}
    assert wanted <= {*api.sessions[session_id]["metadata"]}


def test_updates_where_processes_cannot_take_turns(api, tmp_path):
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "updates").write_text("not a directory")
    session_id = ended()
    update_session(session_id, feedback={"rating": 5})
    assert honeytrace.flush(10)
    assert api.sessions[session_id]["feedback"] == {"rating": 5}


def test_an_update_that_comes_before_its_session_waits_in_the_store(store):
    session_id = str(uuid.uuid4())
    update_session(session_id, feedback={"rating": 1})
    update_session(session_id, feedback={"rating": 5})
    assert honeytrace.flush(10)
    assert store.get(session_id) is None
    with trace_session("late", session_id=session_id) as session:
        session.feedback["note"] = "from the start"
    with trace_session("other"):
        pass
    assert honeytrace.flush(10)
    assert store.get(session_id)["feedback"] == {"note": "from the start", "rating": 5}


def test_it_waits_in_a_session_server_as_well(store):
    session_id = str(uuid.uuid4())
    update_session(session_id, feedback={"rating": 5})
    assert honeytrace.flush(10)
    store.add({"session_id": session_id, "session_name": "posted", "project": "p", "source": "s"})
    assert store.get(session_id)["feedback"] == {"rating": 5}


def test_an_update_that_comes_before_its_session_is_sent_once_that_has_arrived(api, caplog):
    session_id = str(uuid.uuid4())
    update_session(session_id, feedback={"rating": 5})
    assert not honeytrace.flush(0.2)
    words = f"an update waits for its session: {session_id} is not there yet (status 404"
    assert words in caplog.text
    assert live.base.delivery.early == 1
    with trace_session("other") as other:
        pass
    with trace_session("late", session_id=session_id):
        pass
    assert honeytrace.flush(20)
    assert api.sessions[session_id]["feedback"] == {"rating": 5}
    assert "feedback" not in api.sessions[session_id] or api.sessions[other.session_id]


def session_body(session_id, **fields):
    about = {"project": "p", "session_name": "answer", "source": "dev", "session_id": session_id}
    objects = {"outputs": {"a": 1}, "feedback": {"rating": 1}}
    return wire.encode(honeytrace.Session(**about, **objects, **fields))


def at_once(sender, body):
    return sender.send(body)


def in_two_steps(sender, body):
    return sender.begin(body).answer()


@pytest.mark.parametrize("send", [at_once, in_two_steps])
@pytest.mark.parametrize("is_killed", [True, False])
def test_a_session_that_is_sent_once_more_does_not_undo_its_updates(
    api, server, connect, tmp_path, is_killed, send
):
    """The answer to it was lost, or its process was killed before it had noted the answer."""
    home = tmp_path / "updates" if is_killed else None
    first = connect(server.url + "/base", locks=home)
    later = connect(server.url + "/base", locks=home) if is_killed else first
    session_id = str(uuid.uuid4())
    body = session_body(session_id, start_time=1.0, duration=2.5)
    update = wire.encode_update(session_id, {"feedback": {"rating": 5, "note": "good"}})
    for sender, each in ((first, body), (first, update), (later, body)):
        assert send(sender, each).verdict is Verdict.DELIVERED
    found = api.sessions[session_id]
    assert (found["outputs"], found["duration"]) == ({"a": 1}, 2.5)
    assert found["feedback"] == {"rating": 5, "note": "good"}


def test_a_block_that_is_opened_again_wins_over_earlier_updates(api, server, connect, tmp_path):
    send = connect(server.url + "/base", locks=tmp_path).send
    session_id = str(uuid.uuid4())
    update = wire.encode_update(session_id, {"feedback": {"note": "good"}, "outputs": {"b": 2}})
    first = session_body(session_id, start_time=1.0, duration=2.5)
    second = session_body(session_id, start_time=9.0, duration=1.5, metrics={"m": 1})
    for each in (first, update, second):
        assert send(each).verdict is Verdict.DELIVERED
    found = api.sessions[session_id]
    assert (found["start_time"], found["metrics"]) == (9, {"m": 1})
    assert (found["feedback"], found["outputs"]) == (
        {"rating": 1, "note": "good"},
        {"a": 1, "b": 2},
    )
    api.sessions.clear()  # the server has forgotten it
    assert send(second).verdict is Verdict.DELIVERED
    assert api.sessions[session_id]["metrics"] == {"m": 1}


def test_only_the_latest_updated_sessions_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(turns_module, "_MAX_NOTED_BYTES", 64)
    for directory in (tmp_path / "updates", None):
        turns = Turns(directory)
        ids = [str(uuid.UUID(int=number)) for number in range(2_000)]
        for each in ids:
            with turns.take(each) as note:
                note()
                note()
        known = [each for each in ids if turns.is_updated(each.upper())]
        assert 0 < len(known) < 400
        assert ids[-1] in known
        assert not turns.is_updated(str(uuid.uuid4()))


def test_updates_survive_an_outage(api):
    session_id = ended()
    assert honeytrace.flush(10)
    api.failing = 4
    for number in range(5):
        update_session(session_id, feedback={f"f{number}": number})
    assert honeytrace.flush(30)
    assert api.sessions[session_id]["feedback"] == {f"f{n}": n for n in range(5)}


def test_updates_survive_a_process_that_is_killed(server):
    code = (
        "import os, honeytrace as h\n"
        "h.configure(durable=True)\n"
        "with h.trace_session('answer') as s: pass\n"
        "h.update_session(s.session_id, feedback={'rating': 5})\n"
        "print(s.session_id, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    environment = {**os.environ, "HH_API_URL": f"{server.url}/base", "HH_API_KEY": "k"}
    server.script = lambda request: (503, {}, b"")
    done = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
    assert done.returncode == -9
    api = Api(server)
    again = subprocess.run(
        [sys.executable, "-m", "honeytrace", "resend"], env=environment, capture_output=True
    )
    assert again.returncode == 0, again.stderr
    assert api.sessions[done.stdout.decode().strip()]["feedback"] == {"rating": 5}


def test_many_updates_race_with_their_sessions(api):
    """Every thread rates the sessions of all threads, some of which have not arrived yet."""
    ids = [str(uuid.uuid4()) for _ in range(20)]
    barrier = threading.Barrier(4)

    def work(number: int) -> None:
        barrier.wait()
        for session_id in ids[number::4]:
            with trace_session("answer", session_id=session_id) as session:
                session.outputs = {"n": number}
        for session_id in ids:
            update_session(session_id, feedback={f"t{number}": number})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert honeytrace.flush(60)
    for at, session_id in enumerate(ids):
        found = api.sessions[session_id]
        assert found["feedback"] == {f"t{n}": n for n in range(4)}
        assert found["outputs"] == {"n": at % 4}


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ((401, {}, b""), "status 401"),
        ((200, {}, b"[]"), "the answer to getSession is unusable"),
        ((200, {"Content-Length": "100"}, [b"{"]), "the answer to getSession broke off"),
    ],
)
def test_an_answer_that_cannot_be_used_is_said_and_the_update_kept(server, caplog, reply, words):
    honeytrace.configure(server_url=server.url, api_key="k")
    session_id = ended()
    assert honeytrace.flush(10)
    server.script = lambda request: reply if request.method == "GET" else server.ok(request)
    before = honeytrace.stats()
    update_session(session_id, feedback={"rating": 5})
    for _ in range(100):
        assert not honeytrace.flush(0.1)
        if words in caplog.text:
            break
    assert words in caplog.text
    now = honeytrace.stats()
    assert (now.rejected, now.dropped) == (before.rejected, before.dropped)


def test_an_unreachable_server_keeps_the_update(server, tmp_path):
    session_id = str(uuid.uuid4())
    honeytrace.configure(server_url="http://127.0.0.1:1", api_key="k")
    update_session(session_id, feedback={"rating": 5})
    assert not honeytrace.flush(0.3)
    assert honeytrace.stats().spooled >= 1


def test_an_address_that_cannot_be_used_keeps_the_update():
    body = wire.encode_update(str(uuid.uuid4()), {"feedback": {"rating": 5}})
    answer = HttpSender("ftp://nowhere").send(body)
    assert answer.verdict is Verdict.HOLD
    assert "not the address of a server" in answer.words


def test_secrets_in_an_update_are_taken_out(store):
    session_id = ended()
    update_session(session_id, feedback={"note": "my key is sk-proj-" + "aB3" * 16})
    assert honeytrace.flush(10)
    assert "aB3aB3" not in json.dumps(store.get(session_id))


def test_without_redaction_an_update_stays_as_it_is(store):
    honeytrace.configure(redact=False)
    session_id = ended()
    update_session(session_id, feedback={"password": "x"})
    assert honeytrace.flush(10)
    assert store.get(session_id)["feedback"] == {"password": "x"}


def test_a_running_session_takes_the_update_itself():
    with capture_sessions() as sessions, trace_session("running") as session:
        assert update_session(session.session_id, feedback={"rating": 5})
        assert session.feedback == {"rating": 5}
    assert sessions.one("running").feedback == {"rating": 5}


def test_a_capture_merges_updates():
    with capture_sessions() as outer, capture_sessions() as sessions:
        first, second = ended(), ended()
        update_session(first, feedback={"rating": 5})
    for each in (outer, sessions):
        assert [session.feedback for session in each] == [{"rating": 5}, {}]
    assert second


def test_what_is_set_after_the_end_is_an_update(store):
    session_id = ended()
    session = last
    session.feedback["rating"] = 5
    session.feedback |= {"note": "good"}
    session.metrics.update(score=1)
    session.metadata.setdefault("a", 1)
    assert session.metadata.setdefault("a", 2) == 1
    session.outputs = {"shown": True}
    assert session.feedback == {"rating": 5, "note": "good"}
    assert honeytrace.flush(10)
    session.user_properties["user"] = "u-1"  # the record has been released by now
    assert honeytrace.flush(10)
    found = store.get(session_id)
    assert found["feedback"] == {"rating": 5, "note": "good"}
    assert (found["metrics"], found["metadata"]["a"]) == ({"score": 1}, 1)
    assert found["outputs"] == {"content": "WHY", "shown": True}
    assert found["user_properties"] == {"user": "u-1"}
    assert type(copy.copy(session.feedback)) is dict


def test_a_session_is_delivered_while_it_is_read(store):
    """Its record is emptied then, but the program reads what was in it."""
    gate = threading.Event()
    honeytrace.configure(redact=lambda path, value: (gate.wait(10), value)[1])
    ended()

    def deliver(frame, event, argument):
        if event == "return" and frame.f_code.co_name == "objects":
            sys.setprofile(None)
            gate.set()
            honeytrace.flush(10)

    sys.setprofile(deliver)
    try:
        outputs = last.outputs
    finally:
        sys.setprofile(None)
    assert (outputs, gate.is_set()) == ({"content": "WHY"}, True)


@pytest.mark.parametrize(
    "remove",
    [
        lambda kept: kept.pop("content"),
        lambda kept: kept.popitem(),
        lambda kept: kept.clear(),
        lambda kept: kept.__delitem__("content"),
    ],
)
def test_removing_something_after_the_end_is_refused_with_a_warning(remove, caplog):
    """A session is merged key by key, so nothing can be taken out of it any more."""
    ended()
    kept = last.outputs
    remove(kept)
    assert kept == {"content": "WHY"}
    assert "nothing can be removed from a session that has ended" in caplog.text


def test_a_child_that_comes_after_the_end_is_refused_with_a_warning(caplog):
    session_id = ended()
    last.add_child(SOME_ID)
    assert last.children_ids == []
    assert f"start the child with trace_session(parent='{session_id}')" in caplog.text


def test_a_late_cost_is_also_where_the_screens_read_it(store):
    """The key of `metadata` that the user sets in the same update wins."""
    first, second = ended(), ended()
    update_session(first, metrics={"cost": 0.5})
    update_session(second, metrics={"cost": 0.5}, metadata={"cost": 2})
    honeytrace.flush(10)
    found = [store.get(each)["metadata"]["cost"] for each in (first, second)]
    assert found == [0.5, 2]


def test_a_handle_from_another_process_says_that_it_cannot(caplog):
    with capture_sessions(), trace_session("answer") as session:
        copied = pickle.loads(pickle.dumps(session))
    copied.feedback["rating"] = 5
    assert f"use honeytrace.update_session('{session.session_id}', feedback=…)" in caplog.text


def test_a_block_with_a_known_id_leaves_alone_what_it_does_not_set(store):
    with trace_session("answer", inputs={"q": 1}) as session:
        session.outputs = {"content": "A"}
        session.metrics["hits"] = 3
        with trace_session("child"):
            pass
    with trace_session("answer", session_id=session.session_id) as again:
        again.feedback["rating"] = 5
        again.metrics["score"] = 1
        with trace_session("child"):
            pass
    assert honeytrace.flush(10)
    found = store.get(session.session_id)
    assert (found["inputs"], found["outputs"]) == ({"q": 1}, {"content": "A"})
    assert found["metrics"] == {"hits": 3, "score": 1}
    assert found["feedback"] == {"rating": 5}
    assert len(found["children_ids"]) == 2


def test_when_tracing_is_off_nothing_is_sent(server):
    session_id = ended()
    honeytrace.configure(enabled=False)
    try:
        assert not update_session(session_id, feedback={"rating": 5})
        last.feedback["rating"] = 5
    finally:
        honeytrace.configure(enabled=None)


def test_a_session_that_is_not_recorded_has_no_id_to_update():
    assert update_session(honeytrace.current_session().session_id, feedback={"rating": 5}) is False


@pytest.mark.parametrize(
    ("session_id", "fields", "error", "words"),
    [
        ("6a1f", {"feedback": {"a": 1}}, ValueError, "needs a complete session id, a UUID"),
        (None, {"feedback": {"a": 1}}, ValueError, "needs a complete session id"),
        (SOME_ID, {}, ValueError, "has no values"),
        (SOME_ID, {"feedback": {}}, ValueError, "has no values"),
        (
            SOME_ID,
            {"feedback": 5},
            TypeError,
            r"update_session\(feedback=…\) cannot be 5",
        ),
        (SOME_ID, {"rating": 5}, TypeError, "rating"),
    ],
)
def test_what_cannot_be_an_update_is_refused(session_id, fields, error, words):
    with pytest.raises(error, match=words):
        update_session(session_id, **fields)


def test_a_log_handler_that_raises_does_not_disturb_the_program(failing_log):
    """A warning about a session that has ended reaches it, but its error stays there."""
    with capture_sessions(), trace_session("x") as session:
        pass
    session.add_child(session.session_id)
    assert failing_log.calls == 1
