"""The command `serve`: run the session server for this machine, with its pages."""

from __future__ import annotations

import argparse
import secrets
import sys
import threading
from contextlib import suppress

from honeytrace._config.settings import Config
from honeytrace._utils.paths import store_path
from honeytrace.cli._output import print_text
from honeytrace.local import App, Store, make_server
from honeytrace.local._doors import LOOPBACK

_WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not listened on
"""Hosts that mean every address of this machine, each with the host for a browser."""


def run_server(options: argparse.Namespace, config: Config) -> int:
    token = options.token
    if token is None and options.host not in LOOPBACK:
        token = secrets.token_urlsafe(16)
    store = Store(store_path(config.home))
    writable = store.open()  # report an unusable store now, not in every answer
    wildcard = ["*"] if options.host in _WILDCARDS else []
    hosts = {*LOOPBACK, options.host.lower(), *map(str.lower, options.allow_host), *wildcard}
    server = make_server(App(store, token, hosts), options.host, options.port)
    page = _page(server.url, options.host)
    with server, suppress(KeyboardInterrupt):
        print_text(f"Sessions go to {store.path}.\nTo send them here: HH_API_URL={page}")
        print_text(f"To look at them, open {page}")
        if wildcard:
            print_text("On other machines, write the name of this one instead of this address.")
        if not writable:
            print_text("The store can be read, but not written: new sessions are refused.")
        if token and token == options.token:
            print_text("Programs that send sessions have to set HH_API_KEY to the token.")
        elif token:
            print_text(f"Other machines can reach it, so it wants this key: HH_API_KEY={token}")
        sys.stdout.flush()
        if options.open:
            _open_browser(page)
        server.serve_forever()
    print_text("Stopped.")
    return 0


def _page(url: str, host: str) -> str:
    """Return the address for a browser on this machine."""
    found = _WILDCARDS.get(host)
    if found is None:
        return url
    name = f"[{found}]" if ":" in found else found
    return f"http://{name}:{url.rpartition(':')[2]}"


def _open_browser(address: str) -> None:
    """Open a browser without waiting: some commands that open one end only when it ends."""
    import webbrowser  # most servers are started without it

    threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
