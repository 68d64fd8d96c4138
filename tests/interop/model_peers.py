"""Run every form of model call with honeytrace and its peers: what changes, what is recorded.

    python tests/interop/model_peers.py [--environments DIR] [PEER …]

It prints three tables in Markdown: which programs change, what the spans tell, and what a call
costs its caller (`model_costs.py`). Below the first stands each form that changes.

Each peer has an environment of its own and is set up as its documentation says. Nothing is sent to
its service. Each form runs in a fresh process, once with the peer and once without any, and both
have to see the same. This takes twenty minutes and some hundred megabytes, so no test runs it.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import model_forms
from form_tools import CLASS, FORMS, OFFERS, TYPE, Form
from model_matrix import ROOT, make
from model_server import ModelServer
from peer_records import COUNTS, FACTS, known, made
from peer_setups import PEERS, Ready, settings
from peers import serving

Json = Any
TIMEOUT_S = 60
RUNS = 3

# One form, in a process of its own


def in_child(work: Callable[[], Json]) -> Json:
    """Return what `work` returns in a fork of this process, and what the fork printed."""
    results, answer = os.pipe()
    with tempfile.TemporaryFile() as printed:
        if (child := os.fork()) == 0:
            signal.alarm(TIMEOUT_S)
            for stream in (1, 2):
                os.dup2(printed.fileno(), stream)
            try:
                with os.fdopen(answer, "w") as pipe:
                    pipe.write(json.dumps(work(), default=str))
            finally:
                os._exit(0)
        os.close(answer)
        with os.fdopen(results) as pipe:
            told = pipe.read()
        os.waitpid(child, 0)
        printed.seek(0)
        nothing = {"raised": "no end", "seen": None, "sent": [], "records": [], "facts": {}}
        found = json.loads(told) if told else nothing
        return {**found, "printed": printed.read().decode()}


def once(form: Form, asynchronous: bool, name: str = "") -> Json:
    """Run a form; return what the program and the server see, and what is recorded."""
    warnings.simplefilter("always")
    records: list[str] = []
    ready = PEERS[name].setup(records) if name else Ready()
    make_client = model_forms.make_client
    model_forms.make_client = lambda *about: ready.wrap(make_client(*about))
    os.ftruncate(2, 0)  # what was printed so far was not printed by a call
    with ModelServer() as server:
        server.usage = COUNTS
        run, raised = model_forms.Run(None, []), ""
        with ready.recording():
            try:
                run = model_forms.run(form, server, asynchronous)
            except Exception as error:
                raised = f"{type(error).__name__}: {error}"
            gc.collect()
        facts = known(made(form, server.requests), records) if server.requests else {}
    found = {"raised": raised, "seen": run.seen, "sent": run.sent}
    return {**found, "records": records, "facts": facts}


def report(name: str) -> dict[str, Json]:
    """Run the forms in this environment; return what each changes, makes and tells."""
    cases = [
        (form, asynchronous)
        for form in FORMS
        if form.sessions and model_forms.is_offered(form)
        for asynchronous in (False, True)
    ]
    with ModelServer() as server:  # so that no fork has to import the SDKs again
        for case in cases:
            model_forms.run(case[0], server, case[1])
    for sdk in ("openai", "anthropic"):
        importlib.import_module(f"{sdk}.resources.beta.beta")
    gc.collect()
    plain = [in_child(lambda case=case: once(*case)) for case in cases]
    for module in PEERS[name].imports:
        importlib.import_module(module)
    found = {}
    for (form, asynchronous), before in zip(cases, plain, strict=True):
        changed = set(CHANGES)
        for _ in range(RUNS):  # a dropped stream prints now and then, also without a peer
            traced = in_child(lambda case=(form, asynchronous): once(*case, name))
            changed &= set(changes(before, traced))
            if "prints" not in changed:
                break
            before = in_child(lambda case=(form, asynchronous): once(*case))
        if "isinstance" in changed:
            changed -= {"type"}
        title = f"{form.sdk}: {form.name}{' (async)' * asynchronous}"
        found[title] = {
            "changes": [change for change in CHANGES if change in changed],
            "spans": len(traced["records"]) - form.sessions,
            "facts": traced["facts"] or dict.fromkeys(before["facts"], False),
            "words": words(before, traced),
        }
    return found


# What a form is like with a peer


CHANGES = {
    "raises": "it raises, or hangs",
    "result": "it gets other values",
    "isinstance": "`isinstance` with the SDK's class fails",
    "attribute": "the result lacks an attribute or method",
    "type": "only `type(result)` is another",
    "body": "the server gets another request",
    "headers": "the server gets other headers",
    "prints": "it prints or warns",
}
"""How a program can change, the worst first."""


def changes(plain: Json, traced: Json) -> Iterator[str]:
    if traced["raised"] != plain["raised"]:
        yield "raises"
        return
    yield from _differences(plain["seen"], traced["seen"])
    if traced["sent"] != plain["sent"]:
        bodies = [[(path, body) for path, _, body in each["sent"]] for each in (plain, traced)]
        yield "headers" if bodies[0] == bodies[1] else "body"
    if traced["printed"] and not plain["printed"]:
        yield "prints"


def words(plain: Json, traced: Json) -> str:
    """Return what differs, if it is short: the exception, or the names of the headers."""
    if traced["raised"] != plain["raised"]:
        return traced["raised"]
    names = [
        name
        for before, after in zip(plain["sent"], traced["sent"], strict=False)
        for name in before[1].keys() | after[1].keys()
        if before[1].get(name) != after[1].get(name)
    ]
    return ", ".join(sorted(set(names)))


def _differences(plain: Json, traced: Json, key: str = "") -> Iterator[str]:
    if plain == traced:
        return
    if key == TYPE:
        yield "type"
    elif key in (CLASS, OFFERS):
        if not set(plain) <= set(traced):
            yield "isinstance" if key == CLASS else "attribute"
    elif isinstance(plain, dict) and isinstance(traced, dict) and plain.keys() == traced.keys():
        for name in plain:
            yield from _differences(plain[name], traced[name], name)
    elif isinstance(plain, list) and isinstance(traced, list) and len(plain) == len(traced):
        for one, other in zip(plain, traced, strict=True):
            yield from _differences(one, other)
    else:
        yield "result"


# The tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("peers", nargs="*", metavar="PEER", help=", ".join(PEERS))
    parser.add_argument("--environments", type=pathlib.Path, metavar="DIR")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        where = (options.environments or pathlib.Path(temporary)).resolve()
        names = options.peers or list(PEERS)
        pythons = {name: make(where / name, PEERS[name].packages) for name in names}
        print("\n".join(f"{name}: {versions(python)}" for name, python in pythons.items()))
        found = {name: run(pythons[name], __file__, name) for name in names}
        show_changes(found)
        show_facts(found)
        show_costs({name: run(pythons[name], COSTS, name) for name in names})


COSTS = str(pathlib.Path(__file__).with_name("model_costs.py"))


def run(python: pathlib.Path, program: str, name: str) -> dict[str, Json]:
    """Run a program in a peer's environment while a server takes what the peer sends."""
    with serving() as server, tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [python, program, "--here", name],
            env={
                **settings(name, f"http://127.0.0.1:{server.server_port}"),
                "HOME": home,
                "NO_PROXY": "127.0.0.1",
                "HTTPS_PROXY": "http://127.0.0.1:9",
                "PYTHONPATH": str(ROOT),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    found: dict[str, Json] = json.loads(done.stdout.splitlines()[-1])
    return found


def versions(python: pathlib.Path) -> str:
    listed = subprocess.check_output([python, "-m", "pip", "list", "--format=json"])
    named = ("openai", "anthropic", "lang", "logfire", "openinference-instrumentation")
    return ", ".join(
        f"{each['name']} {each['version']}"
        for each in json.loads(listed)
        if each["name"].startswith(named)
    )


def table(title: str, names: Iterable[str], rows: dict[str, list[Any]]) -> None:
    heads = [title, *names]
    print("\n|", " | ".join(heads), "|")
    print("|---" * len(heads) + "|")
    for row, cells in rows.items():
        print(f"| {row} |", " | ".join(map(str, cells)), "|", flush=True)


def show_changes(found: dict[str, Json]) -> None:
    each = [[form["changes"] for form in forms.values()] for forms in found.values()]
    rows = {"forms": [len(forms) for forms in each]}
    rows["that change"] = [sum(map(bool, forms)) for forms in each]
    for change, told in CHANGES.items():
        rows[told] = [sum(change in form for form in forms) for forms in each]
    table("of the program", found, rows)
    for name, forms in found.items():
        for change, told in CHANGES.items():
            changed = [title for title, form in forms.items() if change in form["changes"]]
            seen = {forms[title]["words"] for title in changed} - {""}
            if changed:
                more = f" ({'; '.join(sorted(seen))})" if change in ("raises", "headers") else ""
                print(f"\n{name}, {told}{more}: {', '.join(together(changed))}")


def together(titles: list[str]) -> Iterator[str]:
    """Yield the titles, those of both clients as one."""
    for title in titles:
        name = title.removesuffix(" (async)")
        both = name in titles and f"{name} (async)" in titles
        if not both:
            yield title if title != name else f"{name} (sync)"
        elif title == name:
            yield name


def show_facts(found: dict[str, Json]) -> None:
    rows: dict[str, list[Any]] = {}
    counts = [[form["spans"] for form in forms.values()] for forms in found.values()]
    rows["not recorded"] = [sum(count < 0 for count in each) for each in counts]
    rows["in more than one span"] = [sum(count > 0 for count in each) for each in counts]
    for fact in FACTS:
        told = [
            [form["facts"][fact.name] for form in forms.values() if fact.name in form["facts"]]
            for forms in found.values()
        ]
        rows[fact.name] = [f"{sum(each)} of {len(each)}" for each in told]
    table("recorded", found, rows)


def show_costs(costs: dict[str, Json]) -> None:
    """Show the medians, in microseconds and as multiples of the first column."""
    first = next(iter(costs.values()))
    rows = {}
    for form, (plain, least, noise) in first.items():
        found = [each[form] for each in costs.values()]
        rows[f"{form} ({plain:.0f} µs by itself, noise {noise:+.0f})"] = [
            f"{one[1]:.0f} µs, {one[1] / least:.1f} ×" if one else "raises" for one in found
        ]
    table("added to the caller's CPU time", costs, rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        print(json.dumps(report(sys.argv[2])))
    else:
        main()
