"""The command `honeytrace doctor`, by its front door, against servers that fail in turn."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import honeytrace
from honeytrace.cli._main import main
from honeytrace.local import Store

KEY = "hh-0123456789"
ALL = ["settings", "spool", "host name", "connection", "TLS", "answer", "clock", "key", "start"]


@dataclass(frozen=True)
class Seen:
    """The output: `checks` has status and words by name, `verdict` is the last sentence."""

    code: int
    out: str

    @property
    def _parts(self) -> list[str]:
        return self.out.split("\n\n")

    @property
    def checks(self) -> dict[str, tuple[str, str]]:
        rows = re.sub(r"\n {23,}", " ", self._parts[-2])
        found = re.findall(r"^  (.{10})  (\w+) +(.*)$", rows, re.MULTILINE)
        return {name.strip(): (status, words) for name, status, words in found}

    @property
    def statuses(self) -> dict[str, str]:
        return {name: status for name, (status, _) in self.checks.items()}

    @property
    def verdict(self) -> str:
        return " ".join(self._parts[-1].split())

    def row(self, name: str) -> list[str]:
        """Return the value beside a name in the tables at the beginning."""
        [row] = re.findall(rf"^  {name} +(.*)$", self.out, re.MULTILINE)
        return row.split(maxsplit=1)


Doctor = Callable[..., Seen]


@pytest.fixture
def doctor(monkeypatch, capsys) -> Doctor:
    """Runs the command with these variables; it leaks no key and keeps to 80 columns."""

    def run(*arguments: str, **variables: str) -> Seen:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        code = main(["doctor", *arguments])
        out = capsys.readouterr().out
        assert KEY not in out
        # An address or a path that is longer than the last column stays whole.
        assert [x for x in out.split("\n") if len(x) > 80 and not re.search(r"\S{36}", x)] == []
        assert code == ("The first check that fails " in out)
        return Seen(code, out)

    return run


@pytest.fixture
def remote(doctor, server) -> Doctor:
    """The same with a key, for `server`, which has its sessions to read."""
    server.script = reading(server)

    def run(**variables: str) -> Seen:
        return doctor(**{"HH_API_KEY": KEY, "HH_API_URL": server.url, **variables})

    return run


def reading(server) -> Callable[[Any], Any]:
    """Answers both operations."""

    def answer(request) -> Any:
        if request.method == "POST":
            return server.ok
        event = {"session_id": request.path.rpartition("/")[2], "project_id": "p", "source": "s"}
        return 200, {}, json.dumps({**event, "event_name": "n"}).encode()

    return answer


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


@pytest.fixture
def canned() -> Iterator[Callable[..., str]]:
    """Starts servers that write these pieces to whoever connects, whatever was asked."""
    closing = threading.Event()
    started: list[tuple[socket.socket, threading.Thread]] = []

    def serve(listener: socket.socket, pieces: tuple[bytes, ...], pause: float) -> None:
        while not closing.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(5)
                    connection.recv(65536)
                    for piece in pieces:
                        connection.sendall(piece)
                        closing.wait(pause)

    def start(*pieces: bytes, pause: float = 0.0) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(0.05)
        thread = threading.Thread(target=serve, args=(listener, pieces, pause))
        thread.start()
        started.append((listener, thread))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    closing.set()
    for listener, thread in started:
        thread.join()
        listener.close()


def dated(date: str) -> bytes:
    """A refusal with this date."""
    head = f"Date: {date}\r\n" if date else ""
    return f"HTTP/1.1 400 Bad Request\r\n{head}Content-Length: 0\r\n\r\n".encode()


def test_healthy_server(remote: Doctor, server) -> None:
    """Everything is checked, in order, and works; one session of a telling name went there."""
    seen = remote(HH_PROJECT="shop")
    assert (seen.code, seen.verdict) == (0, "Everything works.")
    assert list(seen.statuses) == [*ALL, "get"]
    assert [name for name, status in seen.statuses.items() if status != "ok"] == ["TLS"]
    [session] = server.sessions
    assert (session["session_name"], session["project"]) == ("honeytrace doctor", "shop")


def test_says_what_it_sends(remote: Doctor) -> None:
    """Before the checks, it says which session it sends to which project."""
    before, found, _ = remote(HH_PROJECT="shop").out.partition("  settings ")
    assert found
    assert "send one session, 'honeytrace doctor', to the project 'shop'\n" in before


def test_local(doctor: Doctor) -> None:
    """Without a server, the store is opened, written and read, and left as it was."""
    seen = doctor()
    assert Store(Path(os.environ["HONEYTRACE_HOME"]) / "sessions.db").count() == 0
    assert list(seen.statuses.items()) == [
        ("settings", "ok"),
        ("spool", "skipped"),
        ("store", "ok"),
        ("start", "ok"),
        ("get", "ok"),
    ]
    assert (seen.code, seen.verdict) == (0, "Everything works.")


def test_updates_whose_session_never_comes(doctor: Doctor) -> None:
    """Feedback for an id that nobody has recorded is neither lost nor silent."""
    honeytrace.configure()  # so that the home of this test is read
    assert "waiting" not in doctor().checks["store"][1]
    assert honeytrace.update_session(str(uuid.uuid4()), feedback={"rating": 5})
    assert honeytrace.flush(10)
    status, words = doctor().checks["store"]
    assert status == "ok"
    assert "1 update waiting for sessions that have not come" in words


def test_process() -> None:
    """It is a command of `python -m honeytrace`, and says nothing on stderr."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "honeytrace", "doctor"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\n\nEverything works.\n")


def test_where_settings_come_from(remote: Doctor, server) -> None:
    """Each setting is shown with the variable that it is from; the key only as set."""
    seen = remote(HH_API_TIMEOUT="2.5", HH_SOURCE=" ", HONEYTRACE_SAMPLE_RATE="0.25")
    assert seen.row("api_key") == ["HH_API_KEY", "set"]
    assert seen.row("server_url") == ["HH_API_URL", server.url]
    assert seen.row("timeout") == ["HH_API_TIMEOUT", "2.5 s"]
    assert seen.row("source") == ["default", "dev"]
    assert seen.row("sample_rate") == ["HONEYTRACE_SAMPLE_RATE", "0.25"]
    assert seen.row("spool_dir")[0] == "HONEYTRACE_HOME"
    assert seen.row("durable") == ["default", "false"]


def test_arguments_and_lambda(doctor: Doctor, tmp_path: Path) -> None:
    """The origin of a setting may be an argument or AWS Lambda."""
    seen = doctor("--home", str(tmp_path), AWS_LAMBDA_FUNCTION_NAME="f")
    assert seen.row("home") == ["argument", str(tmp_path)]
    assert seen.row("spool_dir") == ["argument", str(tmp_path / "spool")]
    assert seen.row("background") == ["AWS_LAMBDA_FUNCTION_NAME", "false"]
    assert seen.row("api_key") == ["default", "not set"]


@pytest.mark.parametrize(
    ("variables", "name", "words"),
    [
        ({"HH_API_TIMEOUT": "soon"}, "HH_API_TIMEOUT", "it cannot be 'soon': give a number"),
        ({"HH_API_KEY": "two\nlines"}, "HH_API_KEY", "it cannot be the given value: an API key"),
        ({"HH_DISABLE_TRACING": "?"}, "HH_DISABLE_TRACING", "it cannot be '?': give true or false"),
        (
            {"HH_DISABLE_TRACING": "1", "HONEYTRACE_ENABLED": "1"},
            "HH_DISABLE_TRACING",
            "HONEYTRACE_ENABLED says the opposite and comes first",
        ),
        (
            {"HONEYTRACE_DURABLE": "1", "HONEYTRACE_SPOOL_DIR": "off"},
            "HONEYTRACE_DURABLE",
            "HONEYTRACE_SPOOL_DIR is off, so there is no disk",
        ),
    ],
)
def test_unusable(doctor: Doctor, variables: dict[str, str], name: str, words: str) -> None:
    """A variable that cannot be used, or contradicts another, is the first that fails."""
    seen = doctor(**variables)
    assert seen.row(name)
    sentence = f"The first check that fails is settings: {name} is not used: {words}"
    assert (seen.code, seen.verdict[: len(sentence)]) == (1, sentence)


def test_unknown(doctor: Doctor) -> None:
    """Variables that look like ours are named, with what was meant; a misspelt one is a warning."""
    seen = doctor(HONEYTRACE_SPOOLDIR="x", HH_MAX_WORKERS="5", HONEYHIVE_API_KEY=KEY)
    hint = "honeytrace does not read it; did you mean HONEYTRACE_SPOOL_DIR?"
    assert " ".join(seen.row("HH_MAX_WORKERS")) == "honeytrace does not read it"
    assert " ".join(seen.row("HONEYHIVE_API_KEY")).endswith("did you mean HH_API_KEY?")
    assert seen.checks["settings"] == ("warning", f"HONEYTRACE_SPOOLDIR is not a setting: {hint}")
    assert (seen.code, seen.verdict) == (0, "Everything works, but see the warnings.")


@pytest.mark.parametrize("variables", [{}, {"HH_DISABLE_TRACING": "yes"}])
def test_tracing_off(doctor: Doctor, variables: dict[str, str]) -> None:
    """Tracing that is off is a warning: it may be meant. Both switches may say it."""
    seen = doctor(HONEYTRACE_ENABLED="no", **variables)
    words = "tracing is off, see enabled: programs record nothing"
    assert seen.checks["settings"] == ("warning", words)
    assert seen.row("enabled") == ["HONEYTRACE_ENABLED", "false"]


def test_key_in_the_open(remote: Doctor) -> None:
    """A key that would travel unencrypted to another machine is a warning."""
    seen = remote(HH_API_URL=f"http://127.0.0.2:{closed_port()}")
    assert seen.checks["settings"][1].startswith("the key travels unencrypted")


def test_spool_content(remote: Doctor, server, program, tmp_path: Path) -> None:
    """Sessions in the spool are counted: waiting, rejected, of other projects and versions."""
    call = "import honeytrace\nhoneytrace.trace_session(name='n')(lambda: None)()\n"
    key = {"HH_API_KEY": KEY, "HH_API_URL": server.url}
    server.script = lambda request: (401, {}, b"")
    program(call, **key)
    program(call, **key, HH_PROJECT="other")
    server.script = lambda request: (400, {}, b"no")
    program(call, **key, HONEYTRACE_EXIT_TIMEOUT="10")
    status, words = remote().checks["spool"]
    assert status == "ok"
    assert re.search(r"spool: .*[12] rejected, see /.*/rejected\.jsonl, 1 waiting for other", words)


def test_spool_of_others_in_local_mode(doctor: Doctor, server, program) -> None:
    """Without a server it is said that there are sessions for one."""
    server.script = lambda request: (401, {}, b"")
    program(
        "import honeytrace\nhoneytrace.trace_session(name='n')(lambda: None)()",
        HH_API_KEY=KEY,
        HH_API_URL=server.url,
    )
    assert "1 wait there for servers, see `honeytrace resend`" in doctor().checks["spool"][1]


def test_spool_off(remote: Doctor) -> None:
    """A spool that is off is not checked, and what that means is said."""
    status, words = remote(HONEYTRACE_SPOOL_DIR="off").checks["spool"]
    assert (status, words[:9]) == ("skipped", "it is off")


@pytest.mark.parametrize("spool_dir", [__file__, "/tmp/" + "x" * 300, "/proc/spool"])
def test_spool_unwritable(remote: Doctor, spool_dir: str) -> None:
    """A spool that cannot be written fails, and the rest is checked all the same."""
    seen = remote(HONEYTRACE_SPOOL_DIR=spool_dir)
    assert (seen.statuses["spool"], seen.statuses["get"]) == ("FAIL", "ok")
    assert seen.verdict.startswith("The first check that fails is spool: no file can be written (")
    assert seen.verdict.endswith("; set HONEYTRACE_SPOOL_DIR to a directory that you may write to.")


def test_spool_open_to_others(remote: Doctor, tmp_path: Path) -> None:
    """A spool in which others may write is a warning."""
    spool = tmp_path / "spool"
    spool.mkdir()
    spool.chmod(0o777)
    status, words = remote(HONEYTRACE_SPOOL_DIR=str(spool)).checks["spool"]
    assert (status, words) == ("warning", f"{spool} is open to others (mode 777); chmod 700 it")


def test_store_that_grows(doctor: Doctor, tmp_path: Path) -> None:
    """A store over a gigabyte without a bound is a warning that says what to do."""
    store = Store(tmp_path / "sessions.db")
    store.open()
    store.close()
    with sqlite3.connect(tmp_path / "sessions.db") as connection:
        connection.execute("PRAGMA page_size = 65536")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("VACUUM")
        connection.execute("CREATE TABLE large (body)")
        connection.executemany("INSERT INTO large VALUES (zeroblob(?))", [(10**8,)] * 10)
    connection.close()
    status, words = doctor(HONEYTRACE_HOME=str(tmp_path)).checks["store"]
    assert status == "warning"
    assert "`honeytrace prune --older-than 30d` deletes old ones" in words
    bounded = doctor(HONEYTRACE_HOME=str(tmp_path), HONEYTRACE_STORE_AGE="30d")
    assert bounded.statuses["store"] == "ok"


@pytest.mark.parametrize("url", ["hh.internal:8080", "${HH_URL}", "https://u:hunter22@gw/hh"])
def test_an_address_that_cannot_be_used(remote: Doctor, url: str) -> None:
    """A wrong HH_API_URL is the first failure; it says that nothing is sent and all is kept."""
    seen = remote(HH_API_URL=url)
    assert seen.verdict.startswith("The first check that fails is settings: HH_API_URL cannot be ")
    assert "nothing is sent, sessions are kept on this machine" in seen.verdict
    assert "hunter22" not in seen.out


@pytest.mark.parametrize("content", [b"no database" * 100, None])
def test_store_unusable(doctor: Doctor, tmp_path: Path, content: bytes | None) -> None:
    """A store that cannot be opened fails, and nothing is sent to it."""
    home = tmp_path / "place"
    if content is None:
        home.write_text("")
    else:
        home.mkdir()
        (home / "sessions.db").write_bytes(content)
    seen = doctor(HONEYTRACE_HOME=str(home))
    assert seen.statuses["store"] == "FAIL"
    assert (seen.statuses["start"], seen.statuses["get"]) == ("skipped", "skipped")
    assert "set HONEYTRACE_HOME to " in seen.verdict


def test_store_damaged(doctor: Doctor, tmp_path: Path) -> None:
    """A file that can be opened, but is damaged somewhere inside, fails as well."""
    store = Store(tmp_path / "sessions.db")
    for at in range(60):
        store.add({"session_id": str(uuid.UUID(int=at)), "inputs": {"text": "x" * 2000}})
    store.close()
    content = store.path.read_bytes()
    middle = len(content) // 2
    store.path.write_bytes(content[:middle] + b"x" * 8192 + content[middle + 8192 :])
    seen = doctor(HONEYTRACE_HOME=str(tmp_path))
    assert seen.statuses["store"] == "FAIL"
    assert f"{store.path} is damaged (" in seen.verdict
    assert "move it away" in seen.verdict


def broken_at(seen: Seen, check: str) -> str:
    """Asserts that this is where it breaks off, and the rest is skipped; returns its words."""
    order = [*ALL, "get"]
    later = order[order.index(check) + 1 :]
    assert seen.statuses[check] == "FAIL"
    assert {seen.checks[name] for name in later} <= {
        ("skipped", f"not tried, because {check} failed")
    }
    assert seen.verdict.startswith(f"The first check that fails is {check}: ")
    return seen.checks[check][1]


def test_no_such_host(remote: Doctor) -> None:
    """A host that no name server knows fails first."""
    seen = remote(HH_API_URL="https://api.honeytrace.invalid")
    assert broken_at(seen, "host name").startswith("api.honeytrace.invalid is not found (")
    assert "; check HH_API_URL, " in seen.verdict


def test_no_host_name(remote: Doctor) -> None:
    """So does one that cannot be a name."""
    seen = remote(HH_API_URL=f"http://{'x' * 70}.invalid")
    assert " is not found (" in broken_at(seen, "host name")


def test_no_server(remote: Doctor) -> None:
    """A port that nobody listens on."""
    port = closed_port()
    words = f"127.0.0.1 port {port}: Connection refused"
    assert broken_at(remote(HH_API_URL=f"http://127.0.0.1:{port}"), "connection") == words


def test_no_tls(remote: Doctor, server) -> None:
    """An https address of a server that speaks plain http."""
    seen = remote(HH_API_URL=server.url.replace("http:", "https:"))
    assert broken_at(seen, "TLS").startswith("no handshake (")
    assert seen.verdict.endswith("; check that HH_API_URL serves https.")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody signed, and its key, in one file."""
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("there is no openssl to make a certificate with")
    path = tmp_path / "certificate.pem"
    command = f"{openssl} req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
    command += f" -addext subjectAltName=IP:127.0.0.1 -keyout {path}.key -out {path}"
    subprocess.run(command.split(), check=True, capture_output=True)
    with path.open("ab") as file:
        file.write(Path(f"{path}.key").read_bytes())
    return path


@pytest.fixture
def secure(server, certificate: Path) -> str:
    """The address of `server`, which speaks TLS now."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    http: ThreadingHTTPServer = server._http
    http.socket = context.wrap_socket(
        http.socket, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
    )
    return server.url.replace("http:", "https:")


def test_untrusted_certificate(remote: Doctor, secure: str) -> None:
    """A certificate that nobody signed is refused with the words of TLS."""
    seen = remote(HH_API_URL=secure)
    assert "the certificate is refused (self" in broken_at(seen, "TLS")
    assert "SSL_CERT_FILE" in seen.verdict


def test_trusted_certificate(remote: Doctor, secure: str, certificate: Path) -> None:
    """With a certificate that is trusted, everything works over TLS."""
    seen = remote(HH_API_URL=secure, SSL_CERT_FILE=str(certificate))
    assert re.match(r"TLSv1\.\d, certificate good until ", seen.checks["TLS"][1])
    assert seen.verdict == "Everything works."


def test_no_answer(remote: Doctor, server) -> None:
    """A server that takes the connection and says nothing, bounded by the timeout."""
    server.script = lambda request: server.hang
    assert broken_at(remote(HH_API_TIMEOUT="0.3"), "answer") == "timed out"


def test_dripping_answer(remote: Doctor, canned) -> None:
    """A server that drips is given up at the timeout, too."""
    url = canned(*itertools.repeat(b"HTTP/1.1 200", 50), pause=0.1)
    seen = remote(HH_API_URL=url, HH_API_TIMEOUT="0.3")
    assert broken_at(seen, "answer") == "not done within 0.3 s"
    assert seen.verdict.endswith("; try again, or set HH_API_TIMEOUT higher.")


def test_cut_answer(remote: Doctor, canned) -> None:
    """A server that speaks no HTTP."""
    assert broken_at(remote(HH_API_URL=canned(b"220 mail\r\n")), "answer")


@pytest.mark.parametrize(("ahead", "words"), [(3600, "behind"), (-3600, "ahead of")])
def test_clock(remote: Doctor, canned, ahead: int, words: str) -> None:
    """A clock that differs from the server's is a warning that names the difference."""
    seen = remote(HH_API_URL=canned(dated(formatdate(time.time() + ahead, usegmt=True))))
    status, said = seen.checks["clock"]
    assert status == "warning"
    assert re.match(rf"ours is (3599|360[01]) s {words} the server's; ", said)


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_no_date(remote: Doctor, canned, date: str) -> None:
    """Without a date in the answer, or with nonsense, the clock is not compared."""
    words = "the answer has no date to compare with"
    assert remote(HH_API_URL=canned(dated(date))).checks["clock"] == ("skipped", words)


@pytest.mark.parametrize("status", [401, 403])
def test_key_refused(remote: Doctor, server, status: int) -> None:
    """A key that is refused, with the server's words, from which the key is taken out."""
    body = json.dumps({"message": f"{KEY} is unknown"}).encode()
    server.script = lambda request: (status, {}, body)
    seen = remote()
    words = f"refused (status {status}: [REDACTED:api_key] is unknown)"
    assert broken_at(seen, "key") == words
    assert "; check HH_API_KEY, and that " in seen.verdict


def test_key_missing(doctor: Doctor, server) -> None:
    """A server that wants a key when there is none."""
    server.script = lambda request: (401, {}, b"")
    seen = doctor(HH_API_URL=server.url)
    assert broken_at(seen, "key") == "none is set (status 401: Unauthorized)"
    assert seen.verdict.endswith("; set HH_API_KEY.")


def test_key_not_needed(doctor: Doctor, server) -> None:
    """A server that wants no key."""
    server.script = reading(server)
    checks = doctor(HH_API_URL=server.url).checks
    assert checks["key"] == ("ok", "none is set, and the server needs none")


def test_server_at_fault(remote: Doctor, server) -> None:
    """The answer of a broken server says nothing about the key or the settings."""
    server.script = lambda request: (500, {}, b"broken")
    seen = remote()
    words = "not known, because the server answers 500"
    assert seen.checks["key"] == ("skipped", words)
    assert broken_at(seen, "start") == "status 500: broken"
    assert "server's fault" in seen.verdict


def test_start_refused(remote: Doctor, server) -> None:
    """A session that the server does not take, with its words, whatever is in them."""
    server.script = lambda request: (400, {}, b"no such\x1b[2J project")
    seen = remote()
    assert broken_at(seen, "start") == "status 400: no such\\x1b[2J project"
    assert "check HH_API_URL and HH_PROJECT" in seen.verdict


def test_not_found(remote: Doctor, server) -> None:
    """A session that is not found at once is a warning: the server may take its time."""
    server.script = [server.ok, *[(404, {}, b"{}")] * 1000]
    seen = remote()
    assert (seen.code, seen.statuses["get"]) == (0, "warning")
    assert seen.verdict == "Everything works, but see the warnings."


def test_get_refused(remote: Doctor, server) -> None:
    """A server that takes sessions and gives none back."""
    server.script = [server.ok, (500, {}, b"broken")]
    seen = remote()
    assert broken_at(seen, "get") == "status 500: broken"


def test_get_without_an_answer(remote: Doctor, server) -> None:
    """A server that has gone when it is asked for the session."""
    server.script = [server.ok, server.reset]
    assert broken_at(remote(), "get")


def test_proxy(remote: Doctor, server) -> None:
    """With a proxy in the environment, name and connection are the proxy's, and it is named."""
    seen = remote(HH_API_URL="http://127.0.0.3:9", http_proxy=server.url)
    assert seen.checks["host name"][1] == "the proxy 127.0.0.1 is at 127.0.0.1"
    assert seen.checks["connection"][1].startswith(f"the proxy 127.0.0.1 port {server.port}, in ")
    assert server.requests[0].path == "http://127.0.0.3:9/session/start"
    assert seen.code == 0


def test_proxy_and_tls(remote: Doctor, server) -> None:
    """Through a proxy the handshake is not looked at; a refusal of it shows in the answer."""
    server.script = lambda request: (502, {}, b"")
    seen = remote(HH_API_URL="https://127.0.0.3", https_proxy=server.url)
    assert seen.checks["TLS"][1].startswith("behind the proxy; ")
    assert "502" in broken_at(seen, "answer")


def test_no_proxy_there(remote: Doctor) -> None:
    """A proxy that nobody answers at is what is to be checked."""
    seen = remote(http_proxy=f"http://user:secret@127.0.0.1:{closed_port()}")
    assert broken_at(seen, "connection").startswith("the proxy 127.0.0.1 port ")
    assert "check the proxy that the environment names" in seen.verdict
    assert "secret" not in seen.out


def test_nonsense_for_a_proxy(remote: Doctor) -> None:
    """A proxy that makes no sense is a failure like any other, and its password stays in."""
    seen = remote(http_proxy="ftp://user:secret@127.0.0.1")
    assert "proxy" in broken_at(seen, "host name")
    assert "secret" not in seen.out
