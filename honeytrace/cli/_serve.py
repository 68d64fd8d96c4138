"""The command `serve`."""

from __future__ import annotations

import argparse
import secrets
import sys
from contextlib import suppress

from honeytrace._config.settings import Config
from honeytrace.cli._output import print_text
from honeytrace.cli._reading import open_store
from honeytrace.local import App, make_server

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def run_server(options: argparse.Namespace, config: Config) -> None:
    token = options.token
    if token is None and options.host not in _LOOPBACK:
        token = secrets.token_urlsafe(16)
    store = open_store(config)
    store.count()  # an unusable store is better said now than in every answer
    server = make_server(App(store, token), options.host, options.port)
    with server, suppress(KeyboardInterrupt):
        print_text(f"Sessions go to {store.path}.\nTo send them here: HH_API_URL={server.url}")
        if token != options.token:
            print_text(f"Others can reach it, so it wants this key: HH_API_KEY={token}")
        sys.stdout.flush()
        server.serve_forever()
    print_text("Stopped.")
