"""A page of another origin, in a real browser, neither reads nor writes sessions."""

from __future__ import annotations

import http.server
import threading
import uuid

import pytest
from conftest import CHROMIUM, SWITCHES

SECRET = "the secret of this session"
FORM = (
    "<form method=post action='{url}{path}' enctype='{kind}'><input name='{name}' value='{value}'>"
)
READ = """async url => {
    const seen = [];
    const tell = async (how, work) => {
        try { seen.push([how, String(await work())]) } catch (error) { seen.push([how, "refused"]) }
    };
    const loaded = (name, address) => new Promise((resolve, reject) => {
        const element = document.createElement(name);
        element.onload = () => resolve(element.contentDocument?.body.innerText ?? "loaded");
        element.onerror = reject;
        element[name === "link" ? "href" : "src"] = address;
        element.rel = "stylesheet";
        document.body.append(element);
    });
    const json = {"Content-Type": "application/json"};
    const body = JSON.stringify({session: {project: "evil"}});
    const text = answer => answer.text();
    const paths = ["/", "/index.json", "/stats.json", "/live.json?after=0", "/session/ID", "/s/ID"];
    for (const path of paths) {
        await tell(`cors ${path}`, () => fetch(url + path).then(text));
        await tell(`no-cors ${path}`, () => fetch(url + path, {mode: "no-cors"}).then(text));
        await tell(`with cookies ${path}`, () =>
            fetch(url + path, {mode: "cors", credentials: "include"}).then(text));
        await tell(`script ${path}`, () => loaded("script", url + path));
        await tell(`image ${path}`, () => loaded("img", url + path));
        await tell(`style ${path}`, () => loaded("link", url + path));
        await tell(`frame ${path}`, () => loaded("iframe", url + path));
    }
    await tell("stream", () => new Promise((resolve, reject) => {
        const stream = new EventSource(url + "/live?after=0");
        stream.onmessage = event => resolve(event.data);
        stream.onerror = reject;
    }));
    const writes = [["/session/start", "application/json"], ["/session/start", "text/plain"],
                    ["/s/ID/mark", "application/x-www-form-urlencoded"]];
    for (const [path, type] of writes) {
        const content = path === "/session/start" ? body : "mark=bad";
        for (const mode of ["cors", "no-cors", "same-origin"])
            await tell(`write ${mode} ${type}`, () => fetch(url + path,
                {method: "POST", mode, headers: {"Content-Type": type}, body: content}).then(text));
        const blob = new Blob([content], {type});
        await tell(`beacon ${type}`, () => navigator.sendBeacon(url + path, blob));
    }
    return seen;
}"""


@pytest.fixture
def elsewhere():
    """The address of a page on another port, so of another origin."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>evil</title><body>")

        def log_message(self, *args):
            """Write nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def secret(empty):
    """The id of a session that no page elsewhere may see."""
    session_id = str(uuid.uuid4())
    empty.store.add({"session_id": session_id, "session_name": "s", "inputs": {"q": SECRET}})
    return session_id


@pytest.fixture
def visit(chromium):
    """Open a page in a context of its own, where errors are expected."""
    contexts = []

    def visit(address, browser=chromium):
        context = browser.new_context()
        contexts.append(context)
        page = context.new_page()
        page.goto(address)
        return page

    yield visit
    for context in contexts:
        context.close()


def untouched(site, secret):
    """Whether the store is as it was."""
    return site.store.count() == 1 and "feedback" not in site.store.get(secret)


def test_a_page_of_another_origin(empty, secret, elsewhere, visit):
    """Whatever a script tries, it gets nothing: a frame stays empty, and nothing is written."""
    page = visit(elsewhere)
    seen = page.evaluate(READ.replace("ID", secret), empty.url)
    told = {how: said for how, said in seen if said not in ("refused", "", "true", "loaded")}
    assert told == {}
    assert {how.split()[0] for how, said in seen if said == "loaded"} <= {"frame"}
    assert untouched(empty, secret)


@pytest.mark.parametrize(
    ("path", "kind", "name", "value"),
    [
        ("/session/start", "text/plain", '{"session": {"project": "evil"}, "x": "', '"}'),
        ("/s/ID/mark", "application/x-www-form-urlencoded", "mark", "bad"),
    ],
)
def test_a_form_of_another_origin(empty, secret, elsewhere, visit, path, kind, name, value):
    """A form that a page elsewhere submits is refused."""
    page = visit(elsewhere)
    form = FORM.format(
        url=empty.url, path=path.replace("ID", secret), kind=kind, name=name, value=value
    )
    page.evaluate("form => { document.body.innerHTML = form }", form.replace('{"', "{&quot;"))
    with page.expect_navigation() as navigated:
        page.evaluate("document.forms[0].submit()")
    assert navigated.value.status in (403, 415)
    assert untouched(empty, secret)


def test_a_name_that_points_here(empty, secret, visit, playwright):
    """A page whose name is made to point to this machine is of our origin for the browser; the
    server refuses its name."""
    rules = "--host-resolver-rules=MAP evil.example 127.0.0.1"
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*SWITCHES, rules])
    try:
        url = empty.url.replace("127.0.0.1", "evil.example")
        page = visit(f"{url}/", browser)
        assert "evil.example" in page.inner_text("body")
        seen = dict(page.evaluate(READ.replace("ID", secret), url))
        assert not [how for how, said in seen.items() if SECRET in said or secret in said]
        assert {seen[how] for how in seen if how.startswith("stream")} == {"refused"}
        assert untouched(empty, secret)
    finally:
        browser.close()
