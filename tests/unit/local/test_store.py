"""The store of `honeytrace.local`: real files, real threads, real processes."""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honeytrace._session import wire
from honeytrace._session.session import Session
from honeytrace._utils.errors import StoreError
from honeytrace.local import Store
from honeytrace.local._rows import row

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

TEXT = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)  # fmt: skip
SESSIONS = st.fixed_dictionaries(
    {"session_id": st.uuids().map(str)},
    optional={
        "session_name": TEXT,
        "inputs": st.dictionaries(TEXT, VALUES),
        "metadata": st.dictionaries(TEXT, VALUES),
        "start_time": st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 1 << 64),
    },
)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "home" / "sessions.db")
    yield store
    store.close()


def session(**fields):
    return {"session_id": str(uuid.uuid4()), **fields}


def child(parent, **fields):
    return session(metadata={"honeytrace": {"parent_id": parent["session_id"]}}, **fields)


def run(script, *arguments, processes=1):
    """Runs a script in that many processes, let go at once, and returns what each printed."""
    command = [sys.executable, "-c", f"import sys; sys.stdin.readline()\n{script}", *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    started = [subprocess.Popen(command, text=True, **pipes) for _ in range(processes)]
    for number, process in enumerate(started):
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
    printed = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0] * processes, printed
    return printed


def test_what_is_added_comes_back(store):
    """A session is read back as it was added."""
    added = session(inputs={"question": "é\n"}, duration=1.5, children_ids=["a"])
    assert store.add(added) == added
    assert store.get(added["session_id"]) == added


@settings(max_examples=60, deadline=None)
@given(SESSIONS)
def test_any_session_comes_back(added):
    """Whatever JSON holds survives the store."""
    with tempfile.TemporaryDirectory() as home:
        store = Store(Path(home) / "sessions.db")
        store.add(added)
        found = store.get(added["session_id"].upper())
        store.close()
    assert found == added


def recorded(**fields):
    return Session(project="p", session_name="answer", source="dev", **fields)


def test_put_many_stores_the_bodies_that_were_sent(store):
    """Sessions of one transaction keep the JSON they were sent with, parsed here or not."""
    first, second = recorded(start_time=1), recorded(inputs={"a": "é"}, start_time=2)
    store.put_many([row(wire.encode(first)), row(wire.encode(second), wire.payload(second))])
    assert store.recent() == [wire.payload(second), wire.payload(first)]
    with sqlite3.connect(store.path) as connection:
        bodies = [body for (body,) in connection.execute("SELECT body FROM sessions")]
    connection.close()
    sent = [f'{{"session":{body}}}'.encode() for body in bodies]
    assert sent == [wire.encode(first), wire.encode(second)]


def test_put_many_merges_a_session_that_is_there(store):
    """A session whose id is stored is merged key by key, within one call, too."""
    first = recorded(inputs={"a": 1}, children_ids=["x", "y"])
    later = recorded(session_id=first.session_id, outputs={"b": 2}, children_ids=["y", "z"])
    store.put_many([row(wire.encode(first)), row(wire.encode(later))])
    merged = {**wire.payload(first), **wire.payload(later)}
    assert store.recent() == [{**merged, "inputs": {"a": 1}, "children_ids": ["x", "y", "z"]}]


def test_put_many_stores_all_or_none(store):
    """A failure in the middle leaves nothing behind, and the store goes on."""
    good = row(wire.encode(recorded()))
    with pytest.raises(StoreError, match="cannot be used"):
        store.put_many([good, good._replace(body=None)])
    assert store.count() == 0
    store.put_many([good])
    assert store.count() == 1


@pytest.mark.parametrize(
    "body", [b'{"event":{}}', b'{"session":{}', b'{"session":{"duration":"x"}}']
)
def test_a_row_needs_a_body_of_ours(body):
    """A body that `wire.encode` did not write is refused."""
    with pytest.raises(ValueError, match=r"body|duration"):
        row(body)


def test_put_many_waits_no_longer_than_it_is_told(store):
    """The time that a caller has left bounds the wait for another process and another thread."""
    store.open()
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"another process held it for over 0\.05 s"):
        store.put_many([row(wire.encode(recorded()))], busy=0.05)
    other.close()


def test_put_many_waits_no_longer_for_another_thread(store):
    """The time that a caller has left bounds the wait for a thread that writes, too."""
    inside, go = threading.Event(), threading.Event()

    def rows():
        inside.set()
        go.wait(60)
        yield row(wire.encode(recorded()))

    writer = threading.Thread(target=store.put_many, args=[rows()])
    writer.start()
    inside.wait(60)
    with pytest.raises(StoreError, match=r"another thread held it for over 0 s"):
        store.put_many([], busy=0)
    go.set()
    writer.join()
    assert store.count() == 1


def test_a_lone_surrogate_is_replaced(store):
    """A lone surrogate costs one character, not the session."""
    added = store.add(session(session_name="a\ud800b"))
    assert store.get(added["session_id"])["session_name"] == "a\ufffdb"


def test_what_is_no_json_is_refused(store):
    """A value that JSON does not have is a ValueError, and nothing is stored."""
    with pytest.raises(ValueError, match="cannot be sent as JSON"):
        store.add(session(duration=float("nan")))
    assert store.count() == 0


def test_an_unknown_id_is_none(store):
    """An id that nobody added has no session."""
    assert store.get(str(uuid.uuid4())) is None


def test_a_second_start_is_merged(store):
    """A second session of the same id is merged key by key, and its values win."""
    first = store.add(session(project="p", inputs={"a": 1, "c": 1}, start_time=5))
    second = {"session_id": first["session_id"], "inputs": {"b": 2, "c": 2}}
    merged = {**first, "inputs": {"a": 1, "b": 2, "c": 2}}
    assert store.add(second) == merged
    assert store.get(first["session_id"]) == merged
    assert store.count() == 1


def test_a_merge_moves_the_session(store):
    """A second start that brings the start time or the parent changes the place in the list."""
    late, early = store.add(session(start_time=9)), store.add(session(start_time=1))
    moved = store.add({**early, "start_time": 10})
    assert store.recent() == [moved, late]
    hidden = store.add({**child(late), "session_id": early["session_id"]})
    assert store.recent() == [late]
    assert store.recent(children=True) == [hidden, late]


def test_find_lists_the_ids_with_a_prefix(store):
    """Ids are found by their beginning, in either case, in order."""
    ids = [f"{start}-0000-4000-8000-000000000000" for start in ("00ab1111", "00abffff", "00ac0000")]
    for session_id in ids:
        store.add(session(session_id=session_id))
    assert store.find("00AB") == ids[:2]
    assert store.find(ids[2]) == ids[2:]
    assert store.find("", limit=1) == ids[:1]


@pytest.mark.parametrize("prefix", ["x", "%", "00ab' OR 1", "\ud800"])
def test_find_takes_any_text(store, prefix):
    """A text with which no id can begin finds nothing."""
    store.add(session())
    assert store.find(prefix) == []


def test_whole_takes_the_beginning_of_one_id(store):
    """Of several, or none, it says so; to look makes no file."""
    with pytest.raises(LookupError, match=r"there is no session 'a' in .*; `honeytrace ls` lists"):
        store.whole("a")
    assert not store.path.exists()
    for each in ("a0", "a1"):
        store.add({"session_id": each})
    assert store.whole("A0") == "a0"
    with pytest.raises(LookupError, match=r"'a' begins several ids \(a0, a1\); give more of it"):
        store.whole("a")
    with pytest.raises(LookupError, match="there is no session ''"):
        store.whole("")


def test_recent_lists_the_newest_first(store):
    """The list is by start time, not by arrival, and as long as asked for."""
    added = [store.add(session(start_time=start)) for start in (2, 3.5, 1)]
    assert store.recent() == [added[1], added[0], added[2]]
    assert store.recent(1) == [added[1]]


def test_recent_lists_roots_unless_asked(store):
    """Sessions started inside others are listed on request only."""
    root = session(start_time=2)
    inner = child(root, start_time=3)
    store.add(inner)
    store.add(root)
    assert store.recent() == [root]
    assert store.recent(children=True) == [inner, root]


def test_a_session_without_a_time_is_new(store):
    """A session that does not say when it started counts as started on arrival."""
    store.add(session(start_time=1_000_000))
    newest = store.add(session())
    assert store.recent(1) == [newest]


@pytest.mark.skipif(os.name != "posix", reason="modes are of Unix")
def test_only_the_user_may_read(tmp_path):
    """The file and every directory made for it are closed to others."""
    store = Store(tmp_path / "a" / "b" / "sessions.db")
    store.add(session())
    made = [store.path, *store.path.parent.glob("*"), *list(store.path.parents)[:2]]
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in made}
    store.close()
    assert modes == {
        "a": "0o700",
        "b": "0o700",
        **dict.fromkeys(["sessions.db", "sessions.db-shm", "sessions.db-wal"], "0o600"),
    }


def test_nothing_is_made_before_the_first_use(tmp_path):
    """A store that is never used leaves no trace."""
    Store(tmp_path / "home" / "sessions.db").close()
    assert list(tmp_path.iterdir()) == []


def test_close_is_no_end(store):
    """A closed store opens again."""
    added = store.add(session())
    store.close()
    assert store.get(added["session_id"]) == added


def test_a_store_that_nobody_holds_closes_itself(tmp_path):
    """A forgotten store leaves no connection open, so the log file is gone."""
    store = Store(tmp_path / "sessions.db")
    store.add(session())
    del store
    gc.collect()
    assert [path.name for path in tmp_path.iterdir()] == ["sessions.db"]


@pytest.mark.skipif(os.name != "posix", reason="Windows does not delete open files")
def test_a_deleted_file_is_made_anew(store):
    """Deleting the directory under a running program costs what was in it, nothing more."""
    store.add(session())
    for path in store.path.parent.iterdir():
        path.unlink()
    store.path.parent.rmdir()
    added = store.add(session())
    assert store.recent() == [added]


@pytest.mark.skipif(os.name != "posix", reason="Windows does not delete open files")
def test_a_file_made_anew_by_another_is_opened(store):
    """After a deletion, a program that comes later joins the one that made the file again."""
    late = Store(store.path)
    late.add(session())
    store.add(session())
    for path in store.path.parent.iterdir():
        path.unlink()
    added = [store.add(session(start_time=2)), late.add(session(start_time=1))]
    late.close()
    assert store.recent() == added


def test_the_place_does_not_follow_the_directory(tmp_path, monkeypatch):
    """A relative path stays where it was when the program changes its directory."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = Store(Path("sessions.db"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.add(session())
    store.close()
    assert (tmp_path / "sessions.db").exists()


def interrupted(act, at):
    """Raise in another thread at the n-th call that the store makes there; return the exception."""
    left, caught = iter(range(at)), []

    def handle(frame, event, argument):
        name = frame.f_code.co_filename
        ours = f"{os.sep}honeytrace{os.sep}local{os.sep}" in name or name.endswith("contextlib.py")
        if ours and event in ("call", "c_return") and next(left, None) is None:
            sys.setprofile(None)
            raise TimeoutError

    def run():
        sys.setprofile(handle)
        try:
            act()
        except TimeoutError as error:  # a StoreError would hide it from the program
            caught.append(error)
        finally:
            sys.setprofile(None)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return caught


@pytest.mark.parametrize("name", ["add", "get", "mark"])
def test_an_interrupted_thread_leaves_the_store_to_others(name, store):
    """Time limits raise exceptions in threads, and the program may keep them for long."""
    first = store.add(session())
    acts = {
        "add": lambda: store.add(first),
        "get": lambda: store.get(first["session_id"]),
        "mark": lambda: store.mark(first["session_id"], "good"),
    }
    at, kept = 0, []
    while caught := interrupted(acts[name], at):
        kept += caught
        store.put_many([row(wire.encode(recorded()))], busy=0)
        at += 1
    assert store.count() == 1 + at
    assert at > 10


def test_threads_share_a_store(store):
    """Sessions added by several threads all arrive."""
    added = [session() for _ in range(80)]
    threads = [
        threading.Thread(target=lambda part: [store.add(one) for one in part], args=[added[n::4]])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.count() == 80


ADD = """
import uuid
from pathlib import Path
from honeytrace.local import Store
store = Store(Path(sys.argv[1]))
for number in range(50):
    store.add({"session_id": str(uuid.uuid4())})
    store.add({"session_id": sys.argv[2], f"{uuid.uuid4()}": number})
"""


def test_processes_share_a_file_from_the_first_open(store):
    """Processes that make the file at the same moment lose neither sessions nor merged keys."""
    shared = str(uuid.uuid4())
    run(ADD, str(store.path), shared, processes=6)
    assert store.count() == 6 * 50 + 1
    assert len(store.get(shared)) == 6 * 50 + 1


OPEN = """
import uuid
from pathlib import Path
from honeytrace.local import Store
for path in sys.argv[1:]:
    store = Store(Path(path))
    store.add({"session_id": str(uuid.uuid4())})
    store.close()
"""


def test_processes_race_for_many_first_opens(tmp_path):
    """Making the file, its mode and its table is safe against others doing the same."""
    paths = [tmp_path / str(number) / "sessions.db" for number in range(20)]
    run(OPEN, *map(str, paths), processes=4)
    stores = [Store(path) for path in paths]
    assert [store.count() for store in stores] == [4] * 20
    for store in stores:
        store.close()


FORK = """
import os, uuid
from pathlib import Path
from honeytrace.local import Store
def session(): return {"session_id": str(uuid.uuid4())}
fork = os.fork
if sys.argv[2] == "untold":
    import ctypes
    fork = ctypes.PyDLL(None).fork  # Python's own bookkeeping, and so its hooks, are left out
unused = Store(Path(sys.argv[1]))
unused.count()
del unused
store = Store(Path(sys.argv[1]))
store.add(session())
closed, close = os.pipe()
pid = fork()
if pid == 0:
    os.close(close)
    if sys.argv[3] == "early": store.add(session())
    os.read(closed, 1)  # returns when the parent has closed
    store.add(session())
    sys.exit(0 if store.count() >= 2 else 1)
store.add(session())
store.close()
os.close(close)
sys.exit(os.waitpid(pid, 0)[1])
"""


@needs_fork
@pytest.mark.parametrize("how", ["told", "untold"])
@pytest.mark.parametrize(("when", "count"), [("early", 4), ("late", 3)])
def test_a_forked_child_has_its_own_connection(store, how, when, count):
    """Parent and child both write after a fork, also after one that only C code knows of."""
    run(FORK, str(store.path), how, when)
    assert store.count() == count


def failure(path, **options):
    """The sentence that a store at this path fails with."""
    store = Store(path, **options)
    with pytest.raises(StoreError) as caught:
        store.add(session())
    store.close()
    return str(caught.value)


def test_a_file_of_something_else(tmp_path):
    """The error for a file that is not a database names it and a way out; the file stays."""
    path = tmp_path / "sessions.db"
    path.write_bytes(b"not a database, " * 100)
    sentence = failure(path)
    assert sentence == (
        f"the session store {str(path)!r} cannot be used (file is not a database); "
        "move it away, or set HONEYTRACE_HOME to a directory that can be written"
    )
    assert path.read_bytes() == b"not a database, " * 100


def test_a_newer_version(tmp_path):
    """A store of a later version is not touched."""
    path = tmp_path / "sessions.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    assert f"{str(path)!r} is of version 7, and this honeytrace knows 2; upgrade" in failure(path)


@pytest.mark.parametrize("name", ["directory", "file/sessions.db", "~nobody-of-this-name/x.db"])
def test_a_path_that_cannot_be(tmp_path, monkeypatch, name):
    """A directory, a path below a file and an unknown home are named, with what to do."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    sentence = failure(Path(name))
    assert name in sentence
    assert "set HONEYTRACE_HOME" in sentence


@pytest.mark.parametrize("made", [True, False], ids=["store", "empty"])
def test_a_file_that_another_holds(store, made):
    """A lock that stays is reported after the wait, and the store works when it is gone."""
    if made:
        store.count()
    store.path.parent.mkdir(exist_ok=True)
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    sentence = failure(store.path, busy=0.02)
    holder.close()
    assert "(database is locked); another process held it for over 0.02 s" in sentence
    assert store.count() == 0


def test_a_damaged_row(store):
    """A row that is not JSON raises `StoreError`."""
    added = store.add(session())
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE sessions SET body = '{'")
    connection.close()
    with pytest.raises(StoreError, match="cannot be used"):
        store.get(added["session_id"])


def test_a_failure_is_an_oserror(tmp_path):
    """Whoever guards file access with OSError catches a failing store too."""
    with pytest.raises(OSError, match="HONEYTRACE_HOME"):
        Store(tmp_path).count()


@pytest.mark.parametrize("companion", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "directory"])
def test_what_is_not_a_file_is_refused(tmp_path, companion, kind):
    """Nothing is written through a link, and nothing waits for a pipe."""
    other, path = tmp_path / "other", tmp_path / "sessions.db"
    at = tmp_path / f"sessions.db{companion}"
    if kind == "link":
        other.write_bytes(b"precious")
    make = {"pipe": os.mkfifo, "directory": os.mkdir}
    make.get(kind, lambda path: os.symlink(other, path))(at)
    assert f"'{at}' is not a regular file" in failure(path)
    with pytest.raises(StoreError, match="is not a regular file"):
        Store(path).open()
    assert other.read_bytes() == b"precious" if kind == "link" else not other.exists()


@pytest.mark.parametrize("log", ["merged", "kept", "without index"])
def test_a_store_that_cannot_be_written_is_read(open_home, unwritable, log):
    """A read-only store is read, whatever state the last writer left its log in."""
    store, path = Store(open_home / "sessions.db"), open_home / "sessions.db"
    added = [store.add(session(start_time=at)) for at in range(2)]
    if log != "merged":  # as a program that was killed leaves it
        for each in list(open_home.iterdir()):
            shutil.copy(each, f"{each}.copy")
    store.close()
    for each in list(open_home.glob("*.copy")):
        each.replace(each.with_suffix(""))
    if log == "without index":
        Path(f"{path}-shm").unlink()
    with unwritable(open_home):
        assert not store.open()
        assert store.recent() == added[::-1]
        with pytest.raises(StoreError, match="it can be read, but not written"):
            store.add(session())
        store.close()


WITHOUT_SQLITE = """
sys.modules["sqlite3"] = None  # as in a Python that was built without it
import os
os.environ["HONEYTRACE_HOME"] = sys.argv[1]
import honeytrace
from honeytrace.cli import main
@honeytrace.trace_session
def answer(question):
    return question
assert answer("hi") == "hi"
honeytrace.shutdown(5)
stats = honeytrace.stats()
assert "built without" in (stats.last_error or ""), stats
try:
    honeytrace.get_session("6a1f0000-0000-4000-8000-000000000000")
except honeytrace.HoneytraceError as error:
    assert "built without" in str(error)
else:
    raise AssertionError
for command in (["ls"], ["show", "6a"], ["serve", "--port", "0"]):
    assert main(command) == 2
"""


def test_a_python_without_sqlite_traces(tmp_path):
    """Tracing works without the module, and the commands say in a sentence what is missing."""
    (printed,) = run(WITHOUT_SQLITE, str(tmp_path))
    assert "needs SQLite, which this Python was built without" in printed


@needs_fork
def test_a_store_may_be_opened_while_the_process_forks(tmp_path):
    """Then it was not closed for the fork, and has nothing to take up again after it."""
    program = f"""
import os
from pathlib import Path
from honeytrace.local import Store

store = Store(Path({str(tmp_path / "s.db")!r}))
os.register_at_fork(before=store.count)  # the first use, after what else runs before a fork
pid = os.fork()
if pid:
    os.waitpid(pid, 0)
    print(store.count())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
