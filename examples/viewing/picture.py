"""Make the picture of the page that the README shows.

    python examples/viewing/picture.py [FILE]

It runs the support agent into a store of its own, serves it, and takes a picture with Chromium.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path
from shutil import which

from playwright.sync_api import sync_playwright
from support_agent import main as run_agent

import honeytrace
from honeytrace.local import App, Store, make_server


def main() -> None:
    picture = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent / "page.png"
    with tempfile.TemporaryDirectory() as home:
        honeytrace.configure(home=home)
        run_agent()
        store = Store(Path(home) / "sessions.db")
        session_id = store.search("name:support", 1)[0].summary.id
        server = make_server(App(store), "127.0.0.1", 0)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1200, "height": 640})
            page.goto(f"{server.url}/s/{session_id}")
            page.locator(".tree .step", has_text="chat").click()
            page.locator("#step h2", has_text="chat").wait_for()
            page.mouse.move(0, 0)
            page.screenshot(path=picture)
            browser.close()
        server.shutdown()
        store.close()
    print(f"The picture is {picture}.")


if __name__ == "__main__":
    main()
