"""From a search to a test of a session that went wrong: once by mouse, once by keyboard alone."""

from __future__ import annotations

import pytest


def chosen(page):
    return page.locator("#step h2").inner_text()


def test_by_mouse(shop, open_page):
    """Search, session, child, fold and unfold, compare, mark, export."""
    page = open_page(shop.url)
    page.get_by_role("searchbox").fill("kettle name:price")
    page.get_by_role("button", name="Search").click()
    assert page.locator(".sessions tbody tr").count() == 3
    # The link covers its row, so a click anywhere in it is one on the link.
    page.locator(".sessions .preview").first.click(force=True)

    page.locator(".tree .row", has_text="lookup").locator(".took").click(force=True)
    page.locator("#step h2", has_text="lookup").wait_for()
    child = page.locator(".tree li li .row")
    page.locator(".tree summary").first.click()
    child.wait_for(state="hidden")
    page.locator(".tree summary").first.click()
    child.wait_for(state="visible")

    page.locator("a[rel=up]").click()
    boxes = page.locator("input[name=pick]")
    boxes.nth(0).check()
    assert page.get_by_role("button", name="Compare").is_disabled()
    boxes.nth(1).check()
    page.get_by_role("button", name="Compare").click()
    assert page.locator(".status.changed").count() == 1
    assert page.locator("del").all_inner_texts()[0] == "2"
    assert page.locator("ins").all_inner_texts()[0] == "3"

    page.locator(".sides .name").last.click()
    page.get_by_label("Note").fill("too dear")
    page.get_by_role("button", name="Bad").click()
    page.locator(".bad[aria-pressed=true]").wait_for()
    page.locator("a[rel=up]").click()
    page.get_by_role("link", name="marked bad 1").click()
    command = page.locator("code", has_text="honeytrace export").inner_text()
    assert command == "honeytrace export --pytest --marked bad --import MODULE -o test_marked.py"
    assert "def test_price" in shop.honeytrace(*command.replace("MODULE", "shop").split()[1:7])


def test_by_keyboard(shop, open_page):
    """The same way without a mouse."""
    page = open_page(shop.url)
    press = page.keyboard.press
    press("/")
    page.keyboard.type("kettle name:price")
    press("Enter")
    page.wait_for_url("**/?q=kettle*")
    press("j")
    press("j")
    press("Enter")
    page.wait_for_url("**/s/*")

    press("j")
    press("j")
    press("Enter")
    page.locator("#step h2", has_text="lookup").wait_for()
    press("k")
    child = page.locator(".tree li li .row")
    press("h")
    child.wait_for(state="hidden")
    press("l")
    child.wait_for(state="visible")
    press("Enter")
    page.locator("#step h2", has_text="price").wait_for()

    press("c")
    page.wait_for_url("**/d/**")
    assert page.locator(".status.changed").count() == 1
    page.go_back()
    page.locator(".tree").wait_for()

    tab_to(page, "Bad")
    press("Enter")
    page.locator(".bad[aria-pressed=true]").wait_for()
    press("/")
    page.keyboard.type("marked:bad")
    press("Enter")
    page.wait_for_url("**/?q=marked*")
    assert page.locator(".sessions tbody tr").count() == 1
    assert "def test_price" in shop.honeytrace(
        *("export", "--pytest", "--marked", "bad", "--import", "shop")
    )


def tab_to(page, name):
    """Press Tab until the button with this name has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == name:
            return
    pytest.fail(f"no Tab leads to {name}")


def test_without_javascript(shop, open_page):
    """Everything reads: the tree folds, steps open, sessions are compared and marked."""
    page = open_page(f"{shop.url}/?q=name:price+kettle", java_script_enabled=False)
    page.locator(".sessions .name").first.click()
    page.locator(".tree summary").first.click()
    page.locator(".tree li li .row").wait_for(state="hidden")
    page.locator(".tree summary").first.click()
    page.locator(".tree .step", has_text="lookup").click()
    assert chosen(page) == "lookup"
    page.get_by_role("link", name="JSON").click()
    assert '"item": "kettle"' in page.locator("#step").inner_text()
    page.get_by_role("button", name="Good").click()
    page.locator(".good[aria-pressed=true]").wait_for()
    page.get_by_role("button", name="Remove mark").click()
    assert page.locator("[aria-pressed=true]").count() == 0
    page.get_by_role("link", name="Compare with the run before").click()
    assert page.locator(".numbers tbody tr").count() == 1


def test_more_keys(agent, open_page):
    """Errors, slow steps, neighbours, help, and the link."""
    page = open_page(f"{agent.url}/?q=error", permissions=["clipboard-read", "clipboard-write"])
    press = page.keyboard.press
    focused = "document.activeElement.closest('.row, tr')?.className"
    press("e")
    assert "failed" in page.evaluate(focused)
    press("Enter")
    page.locator(".tree").wait_for()
    first = page.url
    press("e")
    assert "failed" in page.evaluate(focused)
    press("s")
    own = "row => Number(row.dataset.self)"
    times = page.locator(".row[data-self]").evaluate_all(f"rows => rows.map({own})")
    assert page.evaluate(f"({own})(document.activeElement.closest('.row'))") == max(times)
    press("y")
    page.locator("#said", has_text="Link copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == first
    press("?")
    page.locator("dialog[open]").wait_for()
    assert page.locator("dialog kbd").count() == 13
    press("Escape")
    press("]")
    page.wait_for_url(lambda address: address != first)
    press("[")
    page.wait_for_url(first)


def test_keys_are_left_to_fields(agent, open_page):
    """Keys typed in a field are text."""
    page = open_page(agent.url)
    page.get_by_role("searchbox").focus()
    page.keyboard.type("js?/e")
    assert page.get_by_role("searchbox").input_value() == "js?/e"
    assert page.url == f"{agent.url}/"


def test_ticking_by_key(agent, open_page):
    """`c` on two rows of the list compares them."""
    page = open_page(agent.url)
    for key in "jcjc":
        page.keyboard.press(key)
    page.wait_for_url("**/d/*/*")
    assert page.locator(".sides .name").count() == 2
