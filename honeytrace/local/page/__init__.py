"""The pages that show the sessions of this machine in a browser.

Each page is made on the server, reads without JavaScript, and has its data as JSON: ask with
`Accept: application/json`, or add `.json` to the path.
"""

from honeytrace.local.page._routes import answer, failure

__all__ = ["answer", "failure"]
