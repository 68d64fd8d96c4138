"""Forks, threads, signals and ends: whatever the process does, each session arrives once."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from textwrap import dedent

import pytest
from lines import leads, silent
from programs import KEY, PATH, later, numbers, ran

pytestmark = pytest.mark.skipif(os.name == "nt", reason="forks and signals are POSIX's")


@pytest.fixture
def mended(line, server, segments):
    """Asserts that a later process delivers what was left for a server that is well again."""

    def check(expected, waiting=None):
        line.listen(leads(server.port))
        later(line.url, len(expected) if waiting is None else waiting)
        assert numbers(server) == sorted([-1, *expected])
        assert segments() == []

    return check


# ---- Fork


@pytest.mark.parametrize("background", ["true", "false"])
def test_a_fork_in_the_middle_of_a_traced_call(background, server):
    """Both processes go on; each session arrives once, and those of the child know their parent."""
    program = """
    @trace_session
    def outer(n):
        if child := os.fork():
            call(1)
            assert os.waitpid(child, 0)[1] == 0
        else:
            call(2)
        return child

    if outer(0) == 0:
        flush(20)
        os._exit(0)
    """
    ran(program, server.url, HONEYTRACE_BACKGROUND=background)
    assert numbers(server) == [0, 1, 2]
    sessions = {session["inputs"]["n"]: session for session in server.sessions}
    assert sessions[2]["metadata"]["honeytrace"]["parent_id"] == sessions[0]["session_id"]


BUSY = """
numbers, done = iter(range(10**6)), threading.Event()
def busy():
    while not done.is_set():
        call(next(numbers))
        pause(0.0005)
threads = [threading.Thread(target=busy) for _ in range(2)]
for thread in threads:
    thread.start()
"""


@pytest.mark.parametrize("durable", ["true", "false"])
def test_forks_beside_a_busy_worker(durable, server, segments):
    """Fifty children send their own; nothing of the parent's arrives twice, and nothing is lost."""
    program = """
    for n in range(50):
        child = os.fork()
        if child == 0:
            call(10**6 + n)
            os._exit(not flush(20))
        assert os.waitpid(child, 0)[1] == 0
    done.set()
    for thread in threads:
        thread.join()
    flush(20)
    say(next(numbers))
    """
    done = ran(BUSY + dedent(program), server.url, HONEYTRACE_DURABLE=durable)
    assert numbers(server) == [*range(done.words[0]), *range(10**6, 10**6 + 50)]
    later(server.url)  # the children ended too abruptly to clear up
    assert segments() == []


def test_forks_in_traced_calls_beside_a_busy_worker(server):
    """With `background=False`, a child does not wait for sessions of its parent."""
    program = """
    @trace_session
    def outer(n):
        return os.fork()
    slowest = 0
    for n in range(10**6, 10**6 + 50):
        child = outer(n)
        if child == 0:
            os._exit(0)
        began = time.monotonic()
        assert os.waitpid(child, 0)[1] == 0
        slowest = max(slowest, time.monotonic() - began)
    done.set()
    for thread in threads:
        thread.join()
    flush(20)
    say([next(numbers), slowest])
    """
    done = ran(BUSY + dedent(program), server.url, HONEYTRACE_BACKGROUND="false")
    made, slowest = done.words[0]
    assert numbers(server) == [*range(made), *range(10**6, 10**6 + 50)]
    assert slowest < 0.9


def test_forks_in_an_outage_of_a_program_without_background(line, mended):
    """A call that began before the fork ends in the child, too, although the worker is busy."""
    program = """
    @trace_session
    def outer(n):
        return os.fork()
    call(100)
    children = []
    for n in range(10):
        child = outer(n)
        if child == 0:
            os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    """
    ran(program, line.url, HONEYTRACE_BACKGROUND="false")
    mended([*range(10), 100])


@pytest.mark.parametrize("seconds", [0, 0.02, 0.1])
def test_a_fork_during_the_first_import_of_httpcore(seconds, server):
    """The child can send although it was cut from the import."""
    program = """
    call(0)
    pause(float(sys.argv[1]))
    child = os.fork()
    call(1 if child else 2)
    assert flush(20)
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    """
    ran(program, server.url, str(seconds))
    assert numbers(server) == [0, 1, 2]


SLOW_SQLITE = """
import sys, threading
class Slow:
    begun = threading.Event()
    def find_spec(self, name, path=None, target=None):
        if name == "sqlite3.dbapi2" and threading.current_thread() is not threading.main_thread():
            self.begun.set()
            threading.Event().wait(0.5)
sys.meta_path.insert(0, Slow())
"""


def test_a_fork_during_the_first_import_of_sqlite():
    """Python would have the child wait for ever for a module that the parent was importing."""
    program = """
    call(1)
    Slow.begun.wait(20)
    child = os.fork()
    call(2)
    if child:
        say(os.waitpid(child, 0)[1])
        flush(20)
        from honeytrace import sessions
        say(sorted(each.inputs["n"] for each in sessions()))
    else:
        os._exit(0)
    """
    assert ran(program, None, before=SLOW_SQLITE).words[:2] == [0, [1, 2, 2]]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(method, server, segments):
    """Sessions of its processes and pools arrive, although they skip `atexit`."""
    program = """
    import multiprocessing

    if __name__ == "__main__":
        context = multiprocessing.get_context(sys.argv[1])
        call(0)
        processes = [context.Process(target=call, args=(n,)) for n in (1, 2)]
        for process in processes:
            process.start()
        with context.Pool(2) as pool:
            pool.map(call, range(3, 23))
            pool.close()
            pool.join()
        for process in processes:
            process.join()
            assert process.exitcode == 0
    """
    ran(program, server.url, method)
    assert numbers(server) == [*range(23)]
    assert segments() == []


def test_a_pool_that_is_terminated(line, mended):
    """The sessions of its processes are on disk."""
    program = """
    import multiprocessing

    def work(n):
        call(n)
        until(lambda: not stats().queued)

    if __name__ == "__main__":
        with multiprocessing.get_context("fork").Pool(2) as pool:
            pool.map(work, range(20))
    """
    ran(program, line.url)
    mended(range(20))


def test_a_child_that_never_traces_keeps_no_lock(line, mended):
    """When the parent is killed, a later process delivers its sessions though the child lives."""
    program = """
    for n in range(5):
        call(n)
    child = os.fork()
    if child == 0:
        signal.pause()
    until(lambda: stats().spooled == 5)
    say(child)
    os.kill(os.getpid(), signal.SIGKILL)
    """
    child = ran(program, line.url, code=-signal.SIGKILL).words[0]
    try:
        mended(range(5))
    finally:
        os.kill(child, signal.SIGKILL)


# ---- gunicorn

APPLICATION = """
import os
import honeytrace

@honeytrace.trace_session
def answer(n):
    return os.getpid()

answer(-1)  # before the fork

def application(environ, start_response):
    pid = answer(int(environ["PATH_INFO"].strip("/")))
    stats = honeytrace.stats()
    body = f"{pid} {stats.queued}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@contextmanager
def gunicorn(url, directory) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A preloaded application with two workers; the process and the port."""
    (directory / "application.py").write_text(APPLICATION, encoding="utf-8")
    options = ["--preload", "--workers=2", "--log-level=critical"]
    variables = {"PYTHONPATH": PATH, "HOME": str(directory), "XDG_RUNTIME_DIR": str(directory)}
    with socket.socket() as listening, (directory / "gunicorn.err").open("wb") as errors:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        options.append(f"--bind=fd://{listening.fileno()}")
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options, "application"],
            env={**os.environ, **variables, "HH_API_URL": url, "HH_API_KEY": KEY},
            cwd=directory,
            stderr=errors,
            pass_fds=[listening.fileno()],
        )
        try:
            yield process, listening.getsockname()[1]
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            process.wait(30)


def ask(port: int, number: int) -> tuple[int, int]:
    """The worker that answered and how many sessions it had in memory only."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", f"/{number}")
        pid, queued = connection.getresponse().read().split()
    return int(pid), int(queued)


def test_gunicorn_with_preload(server, tmp_path):
    """Each worker's requests and the master's session arrive once, the last ones after SIGTERM."""
    with gunicorn(server.url, tmp_path) as (process, port):
        for number in range(30):
            ask(port, number)
        process.terminate()
        process.wait(30)
    assert numbers(server) == [*range(-1, 30)]
    said = (tmp_path / "gunicorn.err").read_text()
    assert said.count("honeytrace: ") <= 12


def test_a_worker_of_gunicorn_that_is_killed(line, server, tmp_path):
    """Later workers deliver what it had on disk."""
    with gunicorn(line.url, tmp_path) as (_, port):
        pids = [ask(port, number)[0] for number in range(30)]
        time.sleep(0.2)  # what a kill may cost is younger
        os.kill(pids[-1], signal.SIGKILL)
        line.listen(leads(server.port))
        number, deadline = 30, time.monotonic() + 30
        while len(server.requests) < number + 1 and time.monotonic() < deadline:
            ask(port, number)
            number += 1
            server.closing.wait(0.1)
    assert numbers(server) == [*range(-1, number)]


# ---- Threads

NO_THREADS = """
import threading
def refuse(*_, **__):
    raise RuntimeError("can't start new thread")
def no_more_threads():
    for name in ("_start_new_thread", "_start_joinable_thread"):
        if hasattr(threading, name):
            setattr(threading, name, refuse)
"""
CALLS = """
for n in range(20):
    call(n)
"""


def test_no_thread_can_be_started(line, mended):
    """Sessions are written down by those who end them, and a later process sends them."""
    done = ran(CALLS, line.url, before=NO_THREADS + "no_more_threads()\n")
    assert done.stats["spooled"] == 20
    mended(range(20))


def test_no_thread_can_be_started_any_more(server):
    """The threads that there are go on."""
    program = CALLS + "no_more_threads()\n" + CALLS.replace("call(n)", "call(20 + n)")
    server.script = lambda request: server.after(0.01)
    ran(program + "flush(20)\n", server.url, before=NO_THREADS)
    assert numbers(server) == [*range(40)]


def test_no_thread_for_the_store_on_this_machine():
    """Without a server they are stored on the spot."""
    program = "no_more_threads()\n" + CALLS + "say(stats().delivered)\n"
    assert ran(program, None, before=NO_THREADS).words == [20]


def test_no_thread_and_no_disk_at_all(line):
    """Nothing hangs and nothing is uncounted."""
    before = NO_THREADS + "no_more_threads()\n"
    settings = {"HONEYTRACE_SPOOL_DIR": "off", "HONEYTRACE_EXIT_TIMEOUT": "0.3"}
    done = ran(CALLS, line.url, before=before, **settings)
    assert done.stats["dropped"] == 20


def test_calls_after_shutdown(server):
    """They start delivery again."""
    program = "call(0)\nassert shutdown(20)\ncall(1)\ncall(2)\nassert shutdown(20)\ncall(3)\n"
    done = ran(program, server.url)
    assert numbers(server) == [0, 1, 2, 3]
    assert done.stats["delivered"] == 4


@pytest.mark.parametrize("durable", ["true", "false"])
def test_calls_in_exit_hooks(durable, server, segments):
    """Those of before and after the import of honeytrace; later ones are on disk at least."""
    before = "import atexit\natexit.register(lambda: [call(n) for n in (0, 1)])\n"
    program = "atexit.register(call, 2)\ncall(3)\natexit.register(call, 4)\n"
    ran(program, server.url, before=before, HONEYTRACE_DURABLE=durable)
    early = len(server.requests)
    later(server.url, 5 - early)
    assert early >= 2
    assert numbers(server) == [-1, *range(5)]
    assert segments() == []


def test_a_call_in_an_exit_hook_for_the_store_on_this_machine():
    """After honeytrace's own hook it is stored on the spot, and found by the next process."""
    before = """
    import atexit
    @atexit.register
    def last():
        identity = traced()
        say([identity, stats().delivered])
    """
    program = """
    @trace_session
    def traced():
        return honeytrace.current_session().session_id
    traced()
    """
    identity, delivered = ran(program, None, before=before).words[0]
    found = ran("say(honeytrace.get_session(sys.argv[1]).session_id)", None, identity)
    assert (delivered, found.words) == (2, [identity])


STORM = """
numbers, inside = iter(range(10**6)), []
def handle(*_):
    number = next(numbers)
    inside.append(number)
    call(number)
    signal.setitimer(signal.ITIMER_REAL, 0.0005)  # not before: they would pile up on a slow machine
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.0005)
for _ in range(2000):
    call(next(numbers))
until(lambda: len(inside) > 100)
signal.signal(signal.SIGALRM, signal.SIG_IGN)
say([next(numbers), stats().accepted])
flush(30)
"""


@pytest.mark.parametrize("durable", ["true", "false"])
def test_a_storm_of_signals(durable, server, segments):
    """A handler that traces in the middle of a trace: no deadlock, and each session once."""
    made, accepted = ran(STORM, server.url, HONEYTRACE_DURABLE=durable).words[0]
    assert accepted == made
    assert numbers(server) == [*range(made)]
    assert segments() == []


@pytest.mark.parametrize("durable", ["true", "false"])
def test_a_storm_of_signals_in_an_outage(durable, line, server, segments):
    """The same when all of them wait on disk."""
    done = ran(STORM.replace("flush(30)", ""), line.url, HONEYTRACE_DURABLE=durable)
    made = done.words[0][0]
    assert done.stats["spooled"] == made
    line.listen(leads(server.port))
    later(line.url, made)
    assert numbers(server) == [*range(-1, made)]
    assert segments() == []


@pytest.mark.parametrize("durable", ["true", "false"])
def test_objects_that_trace_when_they_are_collected(durable, server):
    """From `__del__`, in a collection and when the interpreter ends."""
    program = """
    class Tracing:
        def __init__(self, n):
            self.n, self.itself = n, self
        def __del__(self, call=call):
            call(self.n)

    for n in range(200):
        Tracing(n)
        call(200 + n)
        if n % 50 == 0:
            gc.collect()
    gc.collect()
    last = Tracing(400)
    last.itself = None
    call(401)
    """
    ran(program, server.url, HONEYTRACE_DURABLE=durable)
    early = len(server.requests)
    later(server.url, 402 - early)
    assert early >= 400
    assert numbers(server) == [*range(-1, 402)]


def test_daemon_threads_that_run_at_exit(server, segments):
    """Their sessions are sent or on disk, and the interpreter ends normally."""
    program = """
    numbers = iter(range(10**6))
    def work():
        while True:
            call(next(numbers))
            pause(0.001)
    for _ in range(4):
        threading.Thread(target=work, daemon=True).start()
    until(lambda: stats().accepted > 50)
    """
    ran(program, server.url, HONEYTRACE_EXIT_TIMEOUT="2")
    early = len(server.requests)
    later(server.url)
    ids = [session["session_id"] for session in server.sessions]
    assert early > 50
    # The last call of each thread may have been cut off, and so may the last answers.
    assert max(numbers(server)) - len({*ids}) < 8
    assert len(ids) - len({*ids}) <= 32
    assert segments() == []


def test_an_exit_in_a_thread(server):
    """It ends the thread, and the session has the error."""
    program = """
    @trace_session
    def leave(n):
        sys.exit(3)
    thread = threading.Thread(target=leave, args=(0,))
    thread.start()
    thread.join()
    """
    ran(program, server.url)
    assert [session["error"] for session in server.sessions] == ["SystemExit: 3"]


# ---- Abrupt ends


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("os._exit(0)", 0),
        ("os.abort()", -signal.SIGABRT),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ],
)
def test_abrupt_ends(end, code, line, mended):
    """Sessions that have reached the disk arrive after a restart."""
    ran(f"{CALLS}\nuntil(lambda: stats().spooled == 20)\n{end}\n", line.url, code=code)
    mended(range(20))


@pytest.mark.parametrize("thread", [False, True])
def test_a_durable_session_and_a_kill(thread, line, mended):
    """With `durable` it is on disk when the call returns, and a kill costs nothing."""
    program = """
    def work(first):
        for n in range(first, first + 5):
            call(n)
        os.kill(os.getpid(), signal.SIGKILL)
    if "True" in sys.argv:
        threading.Thread(target=work, args=(5,)).start()
        signal.pause()
    for n in range(5, 10):
        call(n)
    os.kill(os.getpid(), signal.SIGKILL)
    """
    ran(program, line.url, str(thread), code=-signal.SIGKILL, HONEYTRACE_DURABLE="true")
    mended(range(5, 10))


def test_exec(server, segments):
    """The new program delivers what the old one left, and has none of its descriptors."""
    program = """
    if len(sys.argv) > 1:
        say(sorted({int(fd) for fd in os.listdir("/dev/fd")} - {0, 1, 2})[1:])
        call(5)
        until(lambda: stats().resent == 5)
        flush(20)
    else:
        for n in range(5):
            call(n)
        until(lambda: stats().spooled == 5)
        os.execv(sys.executable, [sys.executable, __file__, "again"])
    """
    server.script = lambda _: server.ok if 5 in numbers(server) else (503, {}, b"")
    assert ran(program, server.url).words == [[]]
    assert {*numbers(server)} == {*range(6)}
    assert segments() == []


# ---- Without a background


@pytest.mark.parametrize("name", ["HONEYTRACE_BACKGROUND", "AWS_LAMBDA_FUNCTION_NAME"])
def test_a_root_session_has_arrived_when_the_call_returns(name, server):
    """And those inside of it."""
    program = """
    @trace_session
    def root(n):
        call(1)
        return call(2)
    call(3)
    assert flush(20)  # what only the first one needs takes no part of the second that a call has
    root(0)
    say(stats().delivered)
    os._exit(0)
    """
    assert ran(program, server.url, **{name: "false"}).words == [4]
    assert numbers(server) == [0, 1, 2, 3]


def test_a_silent_server_does_not_hold_up_the_call(line, server, segments):
    """It returns in about a second, and the session is on disk."""
    program = """
    began = time.monotonic()
    call(0)
    say([time.monotonic() - began, stats().spooled])
    os._exit(0)
    """
    line.listen(silent)
    seconds, spooled = ran(program, line.url, HONEYTRACE_BACKGROUND="false").words[0]
    assert seconds < 3
    assert spooled == 1
    line.listen(leads(server.port))
    later(line.url, 1)
    assert numbers(server) == [-1, 0]


# ---- Clocks and patches

FROZEN = {
    "freezegun": "import freezegun\nfreezegun.freeze_time('2030-01-01').start()\n",
    "ticking": "import freezegun\nfreezegun.freeze_time('2001-01-01', tick=True).start()\n",
    "time-machine": "import time_machine\ntime_machine.travel(0, tick=False).start()\n",
    "a year ahead": "import time\nreal = time.time_ns\ntime.time = lambda: real() / 1e9 + 3e7\n"
    "time.time_ns = lambda: real() + 3 * 10**16\n",
}


@pytest.mark.parametrize("frozen", FROZEN.values(), ids=FROZEN)
def test_clocks_around_the_whole_program(frozen, server):
    """Sessions are sent again and a flush ends, though the clock is another one from the start."""
    server.script = [(503, {}, b"")] * 2
    done = ran(f"{CALLS}assert flush(30)\n", server.url, before=frozen)
    assert done.stats["delivered"] == 20
    assert all(s["end_time"] >= s["start_time"] for s in server.sessions)


@pytest.mark.parametrize("frozen", FROZEN.values(), ids=FROZEN)
def test_clocks_and_what_was_left(frozen, line, mended):
    """Sessions kept under another clock do not count as old."""
    ran(CALLS, line.url, before=frozen)
    mended(range(20))


def test_what_was_left_and_a_year_ahead(line, server):
    """Nor under a clock that has gone on by a year since."""
    ran(CALLS, line.url)
    line.listen(leads(server.port))
    source = "call(-1)\nuntil(lambda: stats().resent == 20)\n"
    ran(source, line.url, before=FROZEN["a year ahead"])
    assert numbers(server) == [*range(-1, 20)]


def test_the_users_random_numbers(server):
    """Random numbers are as without tracing, even if each call seeds again; ids are distinct."""
    program = """
    import uuid
    uuid.uuid4 = lambda fixed=uuid.uuid4(): fixed
    call(40)
    flush(20)  # `rich`, if there is one, draws a number when httpx imports it
    @trace_session
    def dice(n):
        random.seed(0)
        return random.random()
    plain = random.Random(0).random()
    assert all(dice(n) == plain for n in range(20))
    random.seed(1)
    drawn = [(call(20 + n), random.random())[1] for n in range(20)]
    flush(20)
    twin = random.Random(1)
    say([*drawn, random.random()] == [twin.random() for _ in range(21)])
    """
    server.script = [(503, {}, b"")] * 2
    assert ran(program, server.url).words == [True]
    assert len({session["session_id"] for session in server.sessions}) == 41


def test_a_patched_encoder(server):
    """The classes of `json` may raise as well."""
    program = """
    class Raising(json.JSONEncoder, json.JSONDecoder):
        def __init__(self, *_, **__):
            raise RuntimeError("patched")
    json.JSONEncoder = json.JSONDecoder = Raising
    json.dumps = json.loads = json.dump = json.load = Raising
    """
    ran(dedent(program) + CALLS, server.url)
    assert numbers(server) == [*range(20)]


# ---- Descriptors

CLOSED = """
for n in range(5):
    call(n)
# Nothing is on its way then: a connection that fails just now would close a number of the user's.
until(lambda: not stats().queued and (stats().last_error or stats().delivered == 5))
os.closerange(3, 256)
mine = [open(f"{sys.argv[1]}/mine{n}", "w+b", buffering=0) for n in range(12)]
for file in mine:
    file.write(b"this is mine")
for n in range(5, 10):
    call(n)
if sys.argv[2] == "flush":
    flush(20)
for file in mine:
    with file:
        until(lambda: stats().queued == 0)
"""


def user_files(directory):
    return {path.read_bytes() for path in directory.glob("mine*")}


def test_every_descriptor_is_closed(server, tmp_path):
    """Files that get our old numbers stay as the user wrote them, and all sessions arrive."""
    ran(CLOSED, server.url, str(tmp_path), "flush")
    early = len({*numbers(server)})
    later(server.url, 10 - early)
    assert {*numbers(server)} == {*range(-1, 10)}
    assert user_files(tmp_path) == {b"this is mine"}


@pytest.mark.parametrize("durable", ["true", "false"])
def test_every_descriptor_is_closed_in_an_outage(durable, server, segments, tmp_path):
    """The same while sessions wait on disk."""
    server.script = lambda _: (503, {"Retry-After": "60"}, b"")
    ran(CLOSED, server.url, str(tmp_path), "", HONEYTRACE_DURABLE=durable)
    server.script, failed = [], len(server.requests)
    later(server.url, 10)
    assert numbers(server, failed) == [*range(-1, 10)]
    assert user_files(tmp_path) == {b"this is mine"}
    assert segments() == []


def test_no_descriptors_for_a_while(server, segments):
    """Sessions wait in memory, and arrive when there are descriptors again."""
    program = """
    import resource
    call(20)
    flush(20)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, most[1]))
    taken = []
    try:
        while True:
            taken.append(os.dup(2))
    except OSError:
        pass
    for n in range(20):
        call(n)
    until(lambda: stats().queued or stats().delivered == 21)
    for fd in taken:
        os.close(fd)
    assert flush(30)
    """
    ran(program, server.url)
    assert numbers(server) == [*range(21)]
    assert segments() == []


# ---- Other loops


def test_gevent(server, segments):
    """Two hundred greenlets of a patched program; it ends."""
    program = """
    import gevent
    @trace_session
    def slow(n):
        gevent.sleep(0.01)
        return n
    gevent.joinall([gevent.spawn(slow, n) for n in range(200)])
    flush(30)
    """
    ran(program, server.url, before="from gevent import monkey\nmonkey.patch_all()\n")
    assert numbers(server) == [*range(200)]
    assert segments() == []


def test_gevent_after_the_import():
    """The program may patch the standard library when honeytrace is imported already."""
    program = """
    from gevent import monkey, sleep, spawn
    monkey.patch_all()
    jobs = [spawn(call, n) for n in range(20)]
    sleep(0.01)
    assert shutdown(20)
    say(stats().delivered)
    """
    assert ran(program, None).words == [20]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.parametrize("traced", [0, 5])
def test_a_daemon(traced, server):
    """It forks twice and closes the standard streams, before or after its first session."""
    program = f"""
    for n in range({traced}):
        call(n)
    assert flush(20)
    ended, write = os.pipe()
    if child := os.fork():
        os.close(write)
        os.waitpid(child, 0)
        os.read(ended, 1)
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    os.closerange(0, 3)
    for n in range({traced}, 20):
        call(n)
    atexit.unregister(tell)
    assert flush(20)
    """
    ran(program, server.url)
    assert numbers(server) == [*range(20)]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the limit has no effect")
def test_memory_runs_out_for_a_while(server):
    """What the program gets is its own MemoryError. All that was accepted arrives later."""
    program = """
    import contextlib, resource
    threading.excepthook = lambda _: None  # it would say that a thread of ours has run out
    call(-1)
    assert flush(20)
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 12 * 2**20, resource.RLIM_INFINITY))
    for n in range(40):
        with contextlib.suppress(MemoryError):
            call("x" * 2**20)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    call(-2)
    assert flush(30)
    say([stats().accepted, stats().delivered])
    """
    ((accepted, delivered),) = ran(program, server.url).words
    assert accepted == delivered == len({each["session_id"] for each in server.sessions})


@pytest.mark.parametrize("error", ["AttributeError", "NotImplementedError"])
def test_gevent_beside_a_library_that_it_breaks(error, server, segments, tmp_path):
    """Old versions of trio, and all on macOS, fail to import after `patch_all`."""
    broken = tmp_path / "trio"
    broken.mkdir()
    broken.joinpath("__init__.py").write_text(f"raise {error}('no epoll')")
    before = f"""
    import sys
    from gevent import monkey
    monkey.patch_all()
    sys.path.insert(0, {str(tmp_path)!r})
    """
    program = f"""
    for n in range(20):
        call(n)
    flush(30)
    try:
        import trio
    except {error}:
        say("trio")
    """
    assert ran(program, server.url, before=before).words == ["trio"]
    assert numbers(server) == [*range(20)]
    assert segments() == []


def test_uvloop(server, segments):
    """Two hundred tasks."""
    program = """
    import asyncio, uvloop
    @trace_session
    async def slow(n):
        await asyncio.sleep(0.01)
    async def main():
        await asyncio.gather(*[slow(n) for n in range(200)])
    uvloop.run(main())
    """
    ran(program, server.url)
    assert numbers(server) == [*range(200)]
    assert segments() == []


# ---- Signals, interpreters


def test_signals_that_the_program_waits_for(server):
    """It gets them although our threads run: they leave every signal to the program's threads."""
    program = """
    call(0)
    assert flush(20)
    wanted = {signal.SIGUSR1, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    for number in wanted:
        os.kill(os.getpid(), number)
    say(sorted(signal.sigwait(wanted) for _ in wanted) == sorted(wanted))
    """
    assert ran(program, server.url).words == [True]


def test_the_signals_of_the_program_stay_unblocked(server):
    """Starting our threads changes nothing in the thread that starts them."""
    program = """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    call(0)
    assert flush(20)
    say(signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before | {signal.SIGUSR2})
    """
    assert ran(program, server.url).words == [True]


@pytest.mark.skipif(sys.version_info < (3, 13), reason="isolated ones crash sqlite3 before")
def test_a_subinterpreter_without_daemon_threads():
    """What is traced in it is stored at once."""
    program = """
    import _interpreters
    inside = _interpreters.create("isolated")
    failed = _interpreters.run_string(inside, '''if 1:
        import os, honeytrace
        @honeytrace.trace_session
        def call(n):
            return n
        call(1)
        os.write(1, (str(honeytrace.stats().delivered) + chr(10)).encode())
    ''')
    assert failed is None, failed
    _interpreters.destroy(inside)
    """
    assert ran(program, None).words == [1]
