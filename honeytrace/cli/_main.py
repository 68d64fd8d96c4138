"""The command `honeytrace`: parse, call one function, print."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from honeytrace._config import settings
from honeytrace._utils.errors import HoneytraceError
from honeytrace._utils.version import __version__
from honeytrace.cli._doctor.checks import run_doctor
from honeytrace.cli._output import Stop, fail
from honeytrace.cli._resend import resend_sessions
from honeytrace.cli._serve import run_server
from honeytrace.cli._sessions import export_tests, list_sessions, show_session
from honeytrace.local import DEFAULT_PORT


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0, or 2 for what cannot be done, or 1 for what
    `resend` and `doctor` found and `export` left out.

    Arguments that make no sense end with `SystemExit(2)`, as `argparse` does it.
    """
    options = _parser().parse_args(arguments)
    try:
        code = options.run(options, settings.resolve({"home": options.home}))
        print(end="", flush=True)  # a failure to write is to show here, not at exit
    except (Stop, HoneytraceError) as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return 130
    except OSError as error:  # of the output: a store raises StoreError
        # The rest would fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # the reader of a pipe has seen enough
            return fail(f"the output cannot be written ({error}); send it somewhere else")
        return 0
    return code or 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence, where the base class prints its usage first."""
        sys.exit(fail(f"{message}; see `{self.prog} --help`"))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="honeytrace", description="Sessions of LLM applications: look at them, send them."
    )
    parser.add_argument("--version", action="version", version=f"honeytrace {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[..., int | None], words: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=words, description=words)
        added.add_argument("--home", help="the directory of the store (HONEYTRACE_HOME)")
        added.set_defaults(run=run)
        return added

    ls = command("ls", list_sessions, "List the sessions stored on this machine, newest first.")
    ls.add_argument("-n", type=_count, default=20, metavar="N", help="how many, 20 by default")
    ls.add_argument("--all", action="store_true", help="also those that started inside another")
    ls.add_argument("--json", action="store_true", help="one JSON object a line")
    show = command("show", show_session, "Show a session as a tree, with durations and errors.")
    show.add_argument("id", metavar="ID", help="a session's id, or the beginning of it")
    show.add_argument("--json", action="store_true", help="the whole session as JSON")
    export = command(
        "export", export_tests, "Write sessions as tests of the functions they called."
    )
    export.add_argument("ids", nargs="+", metavar="ID", help="their ids, or the beginnings of them")
    export.add_argument(
        "--pytest", action="store_true", required=True, help="as a file of tests for pytest"
    )
    serve = command("serve", run_server, "Answer startSession and getSession on this machine.")
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    serve.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help=f"{DEFAULT_PORT}; 0 picks a free one"
    )
    serve.add_argument("--token", help="what clients have to give as their API key")
    resend = command("resend", resend_sessions, "Deliver what ended programs left on disk.")
    resend.add_argument("--dry-run", action="store_true", help="only say what would be sent")
    command("doctor", run_doctor, "Check the settings, the spool and the way to the server.")
    return parser


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of sessions; give 1 or more")
    return int(text)


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number from 0 to 65535")
    return int(text)
