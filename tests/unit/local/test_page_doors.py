"""Browsers may see the pages on this machine, or after they logged in with the token."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest
from pages import Browser

import honeytrace
from honeytrace.local import App
from honeytrace.local._doors import LOOPBACK

ID = "653a848d-4652-4b81-b1b8-0a56b7d275d6"
OTHER_ID = "25f8fd95-7e3d-48b5-94fc-c8c8fd8ca3a6"
PAGES = ["/", f"/s/{ID}"]
NAVIGATES = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    {**NAVIGATES, "Sec-Fetch-Dest": "iframe"},
]


@pytest.fixture(autouse=True)
def stored(store):
    store.add({"session_id": ID, "project": "p", "session_name": "a", "inputs": {"text": "secret"}})


@pytest.fixture
def locked(store):
    """The pages of a server that other machines can reach."""
    browser = Browser(App(store, "the token", ("*",)), "http://box.lan:8787")
    yield browser
    browser.http.close()


@pytest.mark.parametrize(
    "path",
    [*PAGES, "/style.css", "/script.js", "/nothing", "/index.json", f"/session/{ID}", "/live.json"],
)
def test_what_every_answer_forbids(browser, path):
    """The whole policy: scripts, styles and forms of our own alone, and no frame. No answer is
    guessed to be another type, or is read by a page of another origin."""
    headers = browser.get(path).headers
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("path", [*PAGES, "/nothing"])
def test_no_page_is_kept(browser, path):
    """What was shown is not in the cache of the browser, after logging out or deleting it."""
    assert browser.get(path).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_what_the_policy_forbids(browser, path):
    """No inline script, style or handler, and nothing from elsewhere."""
    for element in browser.tree(path).iter():
        names = set(element.attrib)
        assert not {name for name in names if name.startswith("on") or name == "style"}
        assert element.tag != "style"
        assert element.tag != "script" or element.get("src", "").startswith("/script.js?")
        for name in ("href", "src", "action"):
            assert element.get(name, "/").startswith(("/", "?", "#", "data:image/png;base64,"))


@pytest.mark.parametrize("path", [*PAGES, "/index.json", f"/s/{ID}.json"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "box.lan"])
def test_foreign_names_see_nothing(browser, path, host):
    """A page that points its own name here, by DNS rebinding, gets no session."""
    answer = browser.get(path, Host=host)
    assert (answer.status_code, "secret" in answer.text) == (421, False)


@pytest.mark.parametrize("path", [*PAGES, "/index.json", f"/s/{ID}.json"])
@pytest.mark.parametrize("headers", FOREIGN)
def test_pages_of_other_origins_see_nothing(browser, path, headers):
    """Neither a script, nor an image, nor a frame of another page gets a session."""
    answer = browser.get(path, **headers)
    assert (answer.status_code, "secret" in answer.text) == (403, False)


def test_a_link_elsewhere_opens_a_page(browser):
    """A link in a chat or an issue opens the page in a tab, and never the data."""
    headers = {**NAVIGATES, "Sec-Fetch-Dest": "document"}
    assert browser.get("/", **headers).status_code == 200
    assert browser.get("/index.json", **headers).status_code == 403
    assert browser.get(f"/session/{ID}", **headers).status_code == 403


@pytest.mark.parametrize("path", PAGES)
def test_beyond_loopback_a_page_needs_the_token(locked, path):
    """A browser gets the form to log in, a program a refusal in JSON, nobody a session."""
    answer = locked.get(path)
    assert (answer.status_code, "secret" in answer.text) == (401, False)
    assert 'type="password"' in answer.text
    refused = locked.http.get(path, headers={"Accept": "application/json"})
    assert (refused.status_code, "token" in refused.json()["message"]) == (401, True)
    assert locked.http.get(path, headers={"Authorization": "Bearer the token"}).status_code == 200
    assert locked.http.get(path, headers={"Authorization": "Bearer another"}).status_code == 401


def log_in(browser, token, **fields):
    form = {"token": token, **fields}
    return browser.http.post("/login", data=form, headers={"Origin": "http://box.lan:8787"})


def test_logging_in(locked):
    """The token is asked for once; the cookie is for this server alone, and is not the token."""
    answer = log_in(locked, " the token ", next=f"/s/{ID}?q=a")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/s/{ID}?q=a")
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "the token" not in cookie
    assert "secret" in locked.get(f"/s/{ID}").text
    assert locked.http.get(f"/session/{ID}").status_code == 200


def test_the_cookie_does_not_write(locked):
    """Only the pages' own forms write with it; the API wants the token itself."""
    log_in(locked, "the token")
    body = {"session": {"project": "p"}}
    assert locked.http.post("/session/start", json=body).status_code == 401


@pytest.mark.parametrize("value", ["", "x", "the token"])
def test_a_cookie_that_was_made_up(locked, value):
    """Only the cookie that the server gave opens a page."""
    name = log_in(locked, "the token").headers["Set-Cookie"].partition("=")[0]
    locked.http.cookies.clear()
    assert locked.get("/", Cookie=f"{name}={value}").status_code == 401
    assert locked.get("/", Cookie=name).status_code == 401


def test_a_wrong_token(locked):
    """The form comes again, says so, and still leads to the page that was asked for."""
    answer = log_in(locked, "token", next="/?q=a")
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (401, False)
    assert "This is not the key" in answer.text
    assert 'value="/?q=a"' in answer.text


@pytest.mark.parametrize(
    "address", ["//evil.example", "https://evil.example", "/\\evil", "x", "/\r\nA: b"]
)
def test_logging_in_leads_to_this_server_alone(locked, address):
    """The address to go on to cannot be one of another server."""
    assert log_in(locked, "the token", next=address).headers["Location"] == "/"


def test_the_login_page(locked, browser):
    """It can be opened by itself, and only a server with a token has it."""
    assert "password" in locked.page("/login")
    assert browser.get("/login").status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),  # a browser says where a form comes from
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://box.lan:8787", "Content-Type": "text/plain"}, 415),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
    ],
)
def test_a_form_has_to_be_ours(locked, headers, status):
    """A form sent by a page of another origin is refused."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = locked.http.post("/login", content=b"token=the+token", headers={**kind, **headers})
    assert answer.status_code == status


def test_a_form_is_bounded(locked):
    """A form of megabytes is refused."""
    assert log_in(locked, "x" * 100_000).status_code == 413


def test_within_a_program_there_is_no_check(store):
    """An app that is called in its own process asks for no host."""
    with httpx.Client(transport=httpx.WSGITransport(App(store)), base_url="http://any") as client:
        assert client.get("/", headers={"Accept": "text/html"}).status_code == 200


def test_the_files_of_the_pages(browser):
    """The style sheet and the script are there, with their types, also before logging in."""
    assert browser.get("/style.css").headers["Content-Type"].startswith("text/css")
    assert browser.get("/script.js").headers["Content-Type"].startswith("text/javascript")


@pytest.mark.parametrize("path", ["/nothing", "/s/", "/s/x", f"/s/{OTHER_ID}"])
def test_what_is_not_there(browser, path):
    """A browser gets a page that says so, and a program JSON."""
    page = browser.page(path, status=404)
    assert 'href="/"' in page
    refused = browser.http.get(path)
    assert (refused.status_code, bool(refused.json()["message"])) == (404, True)


def test_loopback_is_what_it_says():
    """The names that every server answers to."""
    assert LOOPBACK == ("127.0.0.1", "localhost", "::1")


FROM_A_ZIP = """
import sys
sys.path.insert(0, sys.argv[1])
import honeytrace.local.page._layout as layout
assert layout.__file__.startswith(sys.argv[1]), layout.__file__
print(sorted(layout.FILES), all(content for _, content in layout.FILES.values()))
"""


def test_the_files_of_a_program_in_a_zip_file(tmp_path):
    """An application that zipapp, shiv or pex has packed finds them, too."""
    place, package = tmp_path / "app.pyz", Path(honeytrace.__file__).parent
    with zipfile.ZipFile(place, "w") as packed:
        for path in package.rglob("*.*"):
            if path.suffix in (".py", ".css", ".js"):
                packed.write(path, path.relative_to(package.parent))
    words = [sys.executable, "-c", FROM_A_ZIP, str(place)]
    said = subprocess.check_output(words, cwd=tmp_path, text=True)
    assert said == "['/script.js', '/style.css'] True\n"


def test_a_browser_gets_a_page_for_an_address_of_the_api(browser):
    """Who follows a link to a session that is gone reads a sentence, and a program gets JSON."""
    path = "/session/6a1f2ad5-0d4c-4a5d-8f5c-1f0c39d4ab55"
    assert "There is no session" in browser.page(path, status=404)
    assert "there is no session" in browser.http.get(path).json()["message"]
    answer = browser.http.post("/session/start", headers={"Accept": "text/html"}, content=b"{")
    assert answer.status_code == 415
    assert "message" in answer.json()
