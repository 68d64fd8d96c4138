"""The pages in a browser: accessible, safe, live, and usable in small windows."""

from __future__ import annotations

import time
import uuid

import pytest
from conftest import serve

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def id_of(site, query):
    return site.store.search(query, 1)[0].summary.id


def addresses(site):
    """An address of each page, by name."""
    failed = id_of(site, "error:Timeout")
    ok = id_of(site, "name:chat")
    return {
        "list": "/",
        "search": "/?q=error",
        "bad query": "/?q=nmae:x",
        "nothing": "/?q=nowhere",
        "session": f"/s/{ok}?q=parcels",
        "error": f"/s/{failed}",
        "json": f"/s/{ok}?view=json",
        "compare": f"/d/{id_of(site, 'name:agent error')}/{id_of(site, 'name:agent')}",
        "stats": "/stats",
        "missing": f"/s/{uuid.uuid4()}",
    }


@pytest.fixture(scope="module")
def axe():
    return pytest.importorskip("axe_playwright_python.sync_playwright").Axe()


def violations(axe, page, theme="light"):
    """Return what axe-core finds; only colours differ between the themes."""
    options = {"resultTypes": ["violations"]}
    if theme == "dark":
        options["runOnly"] = ["color-contrast"]
    found = axe.run(page, options=options).response["violations"]
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible(agent, open_page, axe, theme):
    """axe-core finds no violation, in either theme."""
    page = open_page(agent.url, color_scheme=theme, bypass_csp=True)
    for name, path in addresses(agent).items():
        page.goto(agent.url + path)
        assert violations(axe, page, theme) == [], name
    page.goto(agent.url)
    page.keyboard.press("?")
    assert violations(axe, page, theme) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_first_pages_are_accessible(empty, tmp_path, open_page, axe, theme):
    """So are an empty list and the page to log in."""
    page = open_page(empty.url, color_scheme=theme, bypass_csp=True)
    assert violations(axe, page, theme) == []
    for locked in serve(tmp_path / "locked", tmp_path, token="x"):
        page.goto(locked.url)
        assert violations(axe, page, theme) == []


def test_a_narrow_window_scrolls_one_way(agent, open_page):
    """At 390 pixels nothing is wider than the window."""
    page = open_page(agent.url, size=(390, 844))
    for name, path in addresses(agent).items():
        page.goto(agent.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name


@pytest.mark.parametrize("width", [390, 1280])
def test_long_words_do_not_widen_the_list(empty, open_page, width):
    """Names and models without a space, and endless times, do not make the page wider."""
    add(
        empty.store,
        "x" * 300,
        config={"model": "m" * 300},
        duration=1e308,
        user_properties={"user": "u" * 300},
    )
    add(empty.store, "y" * 300, config={"model": "n" * 300})
    page = open_page(empty.url, size=(width, 800))
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_logging_in(tmp_path, open_page):
    """Beyond loopback the token is asked for once."""
    for locked in serve(tmp_path / "locked", tmp_path, token="the token"):
        page = open_page(locked.url)
        page.get_by_label("Key").fill("the token")
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("No sessions yet").wait_for()
        assert page.evaluate("document.cookie") == ""
        page.reload()
        assert page.get_by_text("No sessions yet").count() == 1


def add(store, name, **fields):
    session_id = str(uuid.uuid4())
    fields = {"start_time": time.time() * 1000, "duration": 5.0, **fields}
    store.add({"session_id": session_id, "project": "p", "session_name": name, **fields})
    return session_id


def test_what_a_session_holds_never_runs(empty, open_page):
    """Markup in every field is text; an alert or an error would fail this test."""
    session_id = add(
        empty.store,
        HOSTILE,
        inputs={
            "messages": [{"role": HOSTILE, "content": HOSTILE}],
            HOSTILE: "javascript:alert(3)",
        },
        error=HOSTILE,
        metadata={HOSTILE: HOSTILE},
        user_properties={"user": HOSTILE},
    )
    page = open_page(empty.url)
    page.goto(f"{empty.url}/s/{session_id}")
    assert page.locator("#step img").count() == 0
    assert page.locator("a[href^=javascript]").count() == 0
    page.goto(f"{empty.url}/d/{session_id}/{session_id}")
    assert HOSTILE in page.locator("h2").inner_text()


def test_news(empty, open_page):
    """New sessions are told in a bar, and the list stays as it is until one asks for them."""
    add(empty.store, "first")
    page = open_page(empty.url)
    assert page.locator(".news").is_hidden()
    add(empty.store, "second")
    add(empty.store, "third")
    page.get_by_role("link", name="2 new").wait_for()
    assert page.locator(".sessions tbody tr").count() == 1
    page.get_by_role("link", name="2 new").click()
    page.locator(".sessions tbody tr").nth(2).wait_for()


def test_news_without_a_stream(empty, open_page):
    """Without room for another stream, the page asks from time to time."""
    page = open_page("about:blank")
    page.route("**/live?*", lambda route: route.fulfill(status=503))
    with page.expect_response("**/live.json*") as asked:
        page.goto(empty.url)
    assert asked.value.json() == {"new": 0}


def test_a_step_opens_in_its_place(agent, open_page):
    """Choosing a step leaves the page where it is; the browser's way back leads back."""
    page = open_page(f"{agent.url}/s/{id_of(agent, 'name:agent')}")
    page.evaluate("window.same = true")
    page.locator(".tree .step", has_text="rerank").click()
    page.locator("#step h2", has_text="rerank").wait_for()
    assert page.locator(".row.chosen .step").inner_text() == "rerank"
    page.go_back()
    page.locator("#step h2", has_text="support agent").wait_for()
    assert page.evaluate("window.same")


def test_folds_are_remembered(agent, open_page):
    """A folded step stays folded; "Unfold all" holds for every session."""
    address = f"{agent.url}/s/{id_of(agent, 'name:agent')}"
    page = open_page(address)
    page.locator(".tree li li summary").first.click()
    page.locator(".tree li li li .row").first.wait_for(state="hidden")
    page.reload()
    assert page.locator(".tree li li li .row").first.is_hidden()
    page.get_by_role("link", name="Unfold all").click()
    page.reload()
    assert page.locator(".tree li li li .row").first.is_visible()


def test_the_tree_is_a_tree(agent, open_page):
    """Screen readers are told levels, and what is unfolded."""
    page = open_page(f"{agent.url}/s/{id_of(agent, 'name:agent')}")
    assert page.get_by_role("tree").count() == 1
    inner = page.get_by_role("treeitem", level=3)
    assert inner.count() == 3
    assert page.get_by_role("treeitem", expanded=True).count() == 2


def test_copying(agent, open_page):
    """A value is copied as it was recorded."""
    chat = id_of(agent, "name:rerank")
    page = open_page(f"{agent.url}/s/{chat}", permissions=["clipboard-read", "clipboard-write"])
    page.locator(".field.inputs .copy").click()
    page.locator("#said", has_text="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == agent.store.get(chat)["inputs"]["text"]


def test_keys_work_in_a_deep_tree(empty, open_page):
    """Browsers flatten elements that are nested too deeply; the script still finds each step."""
    parent = None
    for at in range(250):
        ours = {"parent_id": parent, "root_id": "r"} if parent else {}
        parent = add(empty.store, f"step {at}", metadata={"honeytrace": ours})
    page = open_page(f"{empty.url}/s/{parent}")
    assert page.get_by_role("treeitem").count() > 100
    page.keyboard.press("?")
    page.locator("dialog[open]").wait_for()


def test_a_session_that_was_deleted(shop, open_page):
    """If sessions are deleted while a page is open, choosing or copying one says so."""
    page = open_page(f"{shop.url}/s/{id_of(shop, 'name:price kettle')}")
    page.locator(".tree").wait_for()
    for _ in shop.store.prune(0):
        pass
    page.locator(".field.inputs .copy").click()
    page.locator("#said", has_text="Nothing was copied").wait_for()
    page.locator(".tree .step", has_text="lookup").click()
    page.locator("h1", has_text="Not Found").wait_for()


def test_a_browser_that_does_not_let_copy(agent, open_page):
    """Over plain HTTP from another machine a page has no clipboard; it says that it cannot copy."""
    page = open_page("about:blank")
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.goto(f"{agent.url}/s/{id_of(agent, 'name:rerank')}")
    page.locator(".field.inputs .copy").click()
    page.locator("#said", has_text="does not let this page copy").wait_for()
