"""The command `honeytrace`: parse the arguments and run one of the commands."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import NoReturn

from honeytrace._config import settings
from honeytrace._config.settings import Config
from honeytrace._utils.errors import HoneytraceError
from honeytrace._utils.version import __version__
from honeytrace.cli._output import Stop, fail
from honeytrace.cli._serve import run_server
from honeytrace.local import DEFAULT_PORT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0: done. 1: something was left out, refused, or found to be wrong. 2: it cannot be done.
    130: interrupted by Ctrl-C. Invalid arguments raise `SystemExit(2)`, as usual with `argparse`.
    """
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        code = options.run(options, settings.resolve({"home": options.home}))
        print(end="", flush=True)  # so that a failure to write is raised here, not at exit
    except (Stop, HoneytraceError) as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return 130
    except OSError as error:  # from writing the output: a store raises StoreError
        # Discard the rest of the buffer, which would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # a pipe whose reader stopped early
            return fail(f"the output cannot be written ({error}); send it somewhere else")
        return 0
    return code or 0


_Run = Callable[[argparse.Namespace, Config], int | None]


def _run(path: str, options: argparse.Namespace, config: Config) -> int | None:
    """Import the function of a command and call it: all of them take most of a second to import."""
    module, _, name = path.rpartition(".")
    function: _Run = getattr(import_module(f"honeytrace.cli.{module}"), name)
    return function(options, config)


_NOT_A_COMMAND = re.compile("argument COMMAND: invalid choice: '(.*?)'")
_INSTEAD = {
    **dict.fromkeys(("search", "find", "grep"), "`honeytrace ls WORDS`"),
    **dict.fromkeys(("stats", "statistics"), "`honeytrace serve` and its page Statistics"),
    **dict.fromkeys(("list", "sessions"), "`honeytrace ls`"),
    **dict.fromkeys(("view", "open", "ui"), "`honeytrace serve --open`"),
}
"""Words that people try as a command, and the command that they look for."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Print one sentence; the base class would print the usage first."""
        found = _NOT_A_COMMAND.match(message)
        if found and found[1] in _INSTEAD:
            message = f"{found[1]!r} is not a command; use {_INSTEAD[found[1]]}"
        sys.exit(fail(f"{message}; see `{self.prog} --help`"))


_Add = Callable[[str, "str | _Run", str], argparse.ArgumentParser]
"""Adds a command: its name, its function or where that is, and a sentence about it."""


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="honeytrace", description="Sessions of LLM applications: look at them, send them."
    )
    parser.add_argument("--version", action="version", version=f"honeytrace {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: str | _Run, words: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=words, description=words)
        added.add_argument("--home", help="the directory of the store (HONEYTRACE_HOME)")
        added.set_defaults(parser=added)
        added.set_defaults(run=partial(_run, run) if isinstance(run, str) else run)
        return added

    _add_readers(command)
    _add_transfers(command)
    _add_services(command)
    return parser


def _add_readers(command: _Add) -> None:
    """Add the commands that show sessions."""
    ls = command(
        "ls", "_sessions.list_sessions", "List the sessions stored on this machine, newest first."
    )
    _add_query(ls)
    ls.add_argument("-n", type=_count, default=20, metavar="N", help="how many, 20 by default")
    _add_all(ls)
    ls.add_argument("--json", action="store_true", help="one JSON object a line")
    show = command(
        "show", "_show.show_session", "Show a session as a tree, with what went in and out."
    )
    show.add_argument(
        "id", nargs="*", metavar="ID", help="an id, its beginning, or a name; else the latest"
    )
    show.add_argument("--full", action="store_true", help="all of the inputs, outputs and errors")
    show.add_argument("--no-content", action="store_true", help="the tree alone")
    show.add_argument(
        "--format", choices=["tree", "md", "json"], default="tree", help="md is Markdown"
    )
    words = "the session itself, with totals of its tree; `export ID` writes all of the tree"
    show.add_argument("--json", action="store_true", help=words)
    tail = command(
        "tail", "_sessions.tail_sessions", "List the latest sessions, and new ones as they end."
    )
    _add_query(tail)
    tail.add_argument("-n", type=_count, default=10, metavar="N", help="how many of the latest")
    _add_all(tail)
    tail.add_argument("--json", action="store_true", help="one JSON object a line")


def _add_transfers(command: _Add) -> None:
    """Add the commands that move, change or delete sessions."""
    export = command(
        "export", "_export.export_sessions", "Write sessions as JSON lines, or as tests."
    )
    words = "ids or names, with all inside; or text and conditions, as `ls` takes them; else all"
    export.add_argument("words", nargs="*", metavar="ID_OR_QUERY", help=words)
    export.add_argument("--pytest", action="store_true", help="as tests of what they called")
    export.add_argument(
        "--import",
        action="append",
        default=[],
        dest="modules",
        metavar="MODULE",
        help="for --pytest: a module of yours that defines traced functions, such as app",
    )
    export.add_argument("-o", "--output", metavar="FILE", help="write to this file, not to stdout")
    export.add_argument(
        "--format", choices=["jsonl", "perfetto"], default="jsonl", help="perfetto is a flame chart"
    )
    _add_conditions(export)
    export.set_defaults(query=[])
    added = command(
        "import", "_transfer.import_sessions", "Add sessions from files that `export` wrote."
    )
    added.add_argument("files", nargs="+", metavar="FILE", help="JSON lines; - is stdin")
    push = command(
        "push", "_push.push_sessions", "Send the sessions of this machine to the server."
    )
    push.add_argument("--again", action="store_true", help="also those that were sent before")
    feedback = command("feedback", "_feedback.add_feedback", "Add to the feedback of a session.")
    feedback.add_argument("id", metavar="ID", help="an id, its beginning, or a name")
    feedback.add_argument("values", nargs="+", metavar="NAME=VALUE", help="such as rating=5")
    prune = command("prune", "_transfer.prune_sessions", "Delete old sessions from this machine.")
    prune.add_argument(
        "--older-than", required=True, metavar="TIME", help="how long ago they started, such as 30d"
    )


def _add_services(command: _Add) -> None:
    """Add the server, and the commands about delivery."""
    serve = command("serve", run_server, "Show the sessions in a browser, and take new ones.")
    serve.add_argument("--open", action="store_true", help="open the page in a browser")
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    serve.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help=f"{DEFAULT_PORT}; 0 picks a free one"
    )
    serve.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a name it is reached by"
    )
    serve.add_argument("--token", help="what clients have to set as HH_API_KEY")
    resend = command(
        "resend", "_resend.resend_sessions", "Deliver what ended programs left on disk."
    )
    resend.add_argument("--project", help="what waits for this project (HH_PROJECT)")
    resend.add_argument("--rejected", action="store_true", help="also what the server refused")
    resend.add_argument(
        "--kept-for",
        metavar="URL",
        help="also what was kept while HH_API_URL was wrongly set to this",
    )
    resend.add_argument("--dry-run", action="store_true", help="only say what would be sent")
    command(
        "doctor",
        "_doctor.checks.run_doctor",
        "Check the settings, the spool and the way to the server.",
    )


def _add_query(parser: argparse.ArgumentParser) -> None:
    words = "text to search for, or conditions such as error, name:answer, meta.team=search"
    parser.add_argument("query", nargs="*", metavar="QUERY", help=words)
    _add_conditions(parser)


def _add_all(parser: argparse.ArgumentParser) -> None:
    words = (
        "also sessions inside others; text and conditions find those anyway, except --project, "
        "--source, --user and --since"
    )
    parser.add_argument("--all", action="store_true", help=words)


def _add_conditions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--error", action="store_true", help="only sessions that failed")
    parser.add_argument("--slower", metavar="TIME", help="that took at least so long: 2s, 500ms")
    parser.add_argument("--since", metavar="TIME", help="since: 1h, 30d, today, 2026-01-31")
    parser.add_argument(
        "--cost", metavar="AMOUNT", help="that cost so much, with all inside, in dollars: '>0.01'"
    )
    parser.add_argument(
        "--tokens", metavar="NUMBER", help="that took so many tokens, with all inside: '>1000'"
    )
    parser.add_argument("--marked", choices=["good", "bad"], help="that were marked on the page")
    for name in ("name", "project", "source", "user", "model", "kind"):
        parser.add_argument(f"--{name}", metavar="TEXT", help=f"whose {name} contains this")


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of sessions; use 1 or more")
    return int(text)


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"invalid port {text!r}; use 0–65535")  # noqa: RUF001 - a range
    return int(text)
