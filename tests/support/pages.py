"""A browser without JavaScript, which checks every page that it opens."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import html5lib
import httpx

MAX_PAGE_BYTES = 3 * 1024 * 1024


class Browser:
    """A browser without JavaScript: opens pages, and reads them as an HTML checker would."""

    def __init__(self, app, url="http://127.0.0.1:8787"):
        self.http = httpx.Client(transport=httpx.WSGITransport(app), base_url=url)

    def get(self, path, **headers):
        return self.http.get(path, headers={"Accept": "text/html", **headers})

    def page(self, path, status=200):
        """Open a page, and check that it is valid HTML and small enough."""
        answer = self.get(path)
        assert answer.status_code == status, answer.text
        assert len(answer.content) < MAX_PAGE_BYTES
        html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(answer.text)
        return answer.text

    def tree(self, path, status=200):
        """Open a page, and return its elements."""
        return html5lib.parse(self.page(path, status), namespaceHTMLElements=False)

    def data(self, path):
        """Ask for the data of a page, in both ways; they have to agree."""
        bare, _, query = path.partition("?")
        named = "/index.json" if bare == "/" else f"{bare}.json"
        asked = self.http.get(path, headers={"Accept": "application/json"})
        assert asked.headers["Content-Type"] == "application/json"
        assert asked.content == self.http.get(f"{named}?{query}").content
        return asked.json()


def text(element: Element) -> str:
    """The text of an element and of all inside, with single spaces."""
    return " ".join(" ".join(element.itertext()).split())


def classed(element: Element, name: str) -> list[Element]:
    """The elements inside with this class."""
    return [each for each in element.iter() if name in each.get("class", "").split()]
