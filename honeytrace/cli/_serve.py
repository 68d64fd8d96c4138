"""The command `serve`: run the session server for this machine."""

from __future__ import annotations

import argparse
import secrets
import sys
from contextlib import suppress

from honeytrace._config.settings import Config
from honeytrace.cli._output import print_text
from honeytrace.cli._reading import open_store
from honeytrace.local import App, make_server
from honeytrace.local._doors import LOOPBACK

_WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not listened on


def run_server(options: argparse.Namespace, config: Config) -> None:
    token = options.token
    if token is None and options.host not in LOOPBACK:
        token = secrets.token_urlsafe(16)
    store = open_store(config)
    writable = store.open()  # report an unusable store now, not in every answer
    wildcard = ["*"] if options.host in _WILDCARDS else []
    hosts = {*LOOPBACK, options.host.lower(), *map(str.lower, options.allow_host), *wildcard}
    server = make_server(App(store, token, hosts), options.host, options.port)
    with server, suppress(KeyboardInterrupt):
        print_text(f"Sessions go to {store.path}.\nTo send them here: HH_API_URL={server.url}")
        if not writable:
            print_text("The store can be read, but not written: new sessions are refused.")
        if token != options.token:
            print_text(f"Other machines can reach it, so it wants this key: HH_API_KEY={token}")
        sys.stdout.flush()
        server.serve_forever()
    print_text("Stopped.")
