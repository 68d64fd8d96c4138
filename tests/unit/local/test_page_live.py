"""News of sessions as they end, and marks."""

from __future__ import annotations

import socket
import sqlite3
import threading
import uuid
from contextlib import contextmanager

import httpx
import pytest
from pages import classed, text

from honeytrace.local import App, Store, make_server
from honeytrace.local._doors import LOOPBACK

OURS = {"Origin": "http://127.0.0.1:8787"}


def add(store, name="a", **fields):
    session_id = str(uuid.uuid4())
    store.add({"session_id": session_id, "project": "p", "session_name": name, **fields})
    return session_id


@contextmanager
def served(application):
    """Run an application on the server of `honeytrace serve`."""
    server = make_server(application, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield server.url
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def url(store):
    with served(App(store, None, LOOPBACK)) as url:
        yield url


def test_asking(store, browser):
    """The answer counts the sessions after a number; without news it is a few bytes."""
    add(store)
    last = store.last_number()
    assert browser.data(f"/live?after={last}") == {"new": 0}
    add(store, "b")
    add(store, "c")
    answer = browser.get(f"/live.json?after={last}&q=name:b")
    assert answer.json() == {"new": 1}
    again = browser.get(
        f"/live.json?after={last}&q=name:b", **{"If-None-Match": answer.headers["ETag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


def test_asking_an_emptied_store(store, browser):
    """A store that was emptied while the page was open numbers its sessions from 1 again."""
    for name in "abc":
        add(store, name, start_time=1)
    last = store.last_number()
    assert sum(store.prune(0)) == 3
    assert browser.data(f"/live?after={last}") == {"new": 0}
    add(store, "d")
    assert browser.data(f"/live?after={last}") == {"new": 1}


@pytest.mark.parametrize("after", ["", "x", "-1", "9" * 40, "²"])
def test_a_number_that_is_none(store, browser, after):
    """Then all count."""
    add(store)
    assert browser.data(f"/live?after={after}") == {"new": 1}


def test_a_query_that_is_none(store, browser):
    """The sentence names the word."""
    add(store)
    answer = browser.http.get("/live.json?q=nmae:x")
    assert (answer.status_code, "did you mean" in answer.json()["message"]) == (400, True)


@contextmanager
def stream(url):
    with httpx.Client(timeout=20) as client, client.stream("GET", f"{url}/live?after=0") as answer:
        yield answer


def test_a_stream(store, url):
    """Each new count is an event."""
    add(store)
    with stream(url) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        lines = (line for line in answer.iter_lines() if line.startswith("data"))
        assert next(lines) == "data: 1"
        add(store)
        assert next(lines) == "data: 2"


def test_eight_streams(url):
    """The ninth is told to ask instead; a place is free again when a browser goes."""
    clients = []
    for _ in range(8):
        client = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
        client.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in client.recv(1000)
        clients.append(client)
    assert httpx.get(f"{url}/live").status_code == 503
    for client in clients:
        client.close()
    while httpx.head(f"{url}/live").status_code == 503:
        pass


@pytest.mark.parametrize("content", [[b"data: 1\n\n"], (b"data: %d\n\n" % at for at in (1, 2))])
def test_a_stream_that_ends(content):
    """A stream of another application ends with its connection."""

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return content

    with served(application) as url:
        assert httpx.get(url).text.startswith("data: 1\n\n")


def test_other_servers_have_no_streams(store, browser):
    """A server that is not ours may have one thread for all: nothing there goes on for ever."""
    assert browser.get("/live").status_code == 503


def mark(browser, session_id, **form):
    return browser.http.post(f"/s/{session_id}/mark", data=form, headers=OURS)


def test_marking(store, browser):
    """A mark and its note are kept in the feedback, beside what is there, and can be searched."""
    session_id = add(store, feedback={"rating": 5})
    answer = mark(browser, session_id, mark="bad", note=" too long ", q="name:a", fold="all")
    assert answer.headers["Location"] == f"/s/{session_id}?q=name%3Aa&fold=all"
    assert store.get(session_id)["feedback"] == {"rating": 5, "mark": "bad", "note": "too long"}
    (found,) = store.search("marked:bad")
    assert (found.summary.id, store.search("marked:good")) == (session_id, [])
    page = browser.tree(f"/s/{session_id}")
    assert [text(each) for each in classed(page, "bad") if each.get("aria-pressed") == "true"] == [
        "Bad"
    ]
    listed = browser.page("/?q=marked:bad")
    assert "honeytrace export --pytest --marked bad" in listed


def test_removing_a_mark(store, browser):
    """The note goes with it."""
    session_id = add(store)
    mark(browser, session_id, mark="good", note="fine")
    mark(browser, session_id, mark="", note="fine")
    assert store.get(session_id)["feedback"] == {}
    assert store.search("marked:good") == []


def test_marks_that_are_none(store, browser):
    """Another word is refused, here and in a query, and so is a session that is not there."""
    session_id = add(store)
    assert mark(browser, session_id, mark="ugly").status_code == 400
    assert mark(browser, uuid.uuid4(), mark="bad").status_code == 404
    with pytest.raises(ValueError, match="use marked:good or marked:bad"):
        store.search("marked:ugly")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({**OURS, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**OURS, "Host": "evil.example"}, 421),
        ({**OURS, "Content-Type": "text/plain"}, 415),
    ],
)
def test_only_our_own_pages_mark(store, browser, headers, status):
    """A form on any other page is refused, whatever a browser lets it send."""
    session_id = add(store)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    path = f"/s/{session_id}/mark"
    answer = browser.http.post(path, content=b"mark=bad", headers={**kind, **headers})
    assert (answer.status_code, store.search("marked:bad")) == (status, [])


def test_a_mark_is_not_made_by_a_link(store, browser):
    """GET changes nothing."""
    session_id = add(store)
    answer = browser.get(f"/s/{session_id}/mark?mark=bad")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert store.search("marked:bad") == []


def without_marks(path):
    """Make a store as it was before marks: one column and one index less."""
    connection = sqlite3.connect(path)
    connection.executescript(
        "DROP INDEX summaries_marked; ALTER TABLE summaries DROP COLUMN marked;"
    )
    connection.close()


def test_a_store_from_before_marks(store):
    """A store of the same schema without the column gets it, and keeps its sessions."""
    session_id = add(store)
    store.close()
    without_marks(store.path)
    assert store.search("name:a")[0].summary.marked is None
    assert store.mark(session_id, "good")
    assert len(store.search("marked:good")) == 1


def test_a_store_from_before_marks_that_cannot_be_written(open_home, unwritable):
    """It is searched all the same."""
    store = Store(open_home / "sessions.db")
    add(store, feedback={"mark": "bad"})
    store.close()
    without_marks(store.path)
    with unwritable(open_home):
        assert len(store.search("marked:bad")) == 1
        store.close()
