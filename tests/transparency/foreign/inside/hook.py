"""pytest for the suite of another package: its functions are decorated as they are defined, and
what becomes of each test is noted.

    python -m hook ARGUMENTS OF PYTEST

`run.py` tells it what to do by the variable `FOREIGN`, a JSON object, and reads what it notes, a
JSON array a line: a line is there also if the suite hangs or crashes after it.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import inspect
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

MARK = "@foreign"  # no name that source text could have
Function = ast.FunctionDef | ast.AsyncFunctionDef
options: dict[str, Any] = json.loads(os.environ.pop("FOREIGN"))  # not for the suite's children
counts: Counter[str] = Counter()


# ---- Decoration


def functions(node: ast.AST, everything: bool) -> Iterator[Function]:
    """The public functions and methods of a module; with `everything`, each `def` there is."""
    for child in ast.iter_child_nodes(node):
        function = isinstance(child, Function)
        named = function or isinstance(child, ast.ClassDef)
        if named and not everything and child.name.startswith("_"):
            continue
        if function:
            yield child
        if everything or not function:
            yield from functions(child, everything)


def mark(function: Function, innermost: bool) -> None:
    """Puts the decorator above a function, as its author would."""
    above = function.decorator_list
    words = [ast.unparse(each).rpartition(".")[2] for each in above]
    if "overload" in words or function.name in options["bare"]:  # the former is never called
        return
    # Above `@x.setter` it would stand above all of the property, the traced getter, too.
    innermost = innermost or bool({"setter", "getter", "deleter"} & {*words})
    name = ast.copy_location(ast.Name(MARK, ast.Load()), above[0] if above else function)
    above.insert(len(above) if innermost else 0, name)


def decorate(decorator: Any, target: Any) -> Any:
    """The decorated target; what the decorator refuses is counted and stays what it was."""
    kind = _kind(target)
    try:
        decorated = decorator(target)
    except TypeError:
        counts[f"refused {kind}"] += 1
        return target
    counts[f"decorated {kind}"] += 1
    return decorated


def _kind(target: Any) -> str:
    kinds = {
        "coroutine": inspect.iscoroutinefunction,
        "generator": inspect.isgeneratorfunction,
        "async generator": inspect.isasyncgenfunction,
        "function": inspect.isfunction,
    }
    fitting = (kind for kind, fits in kinds.items() if fits(target))
    return next(fitting, type(target).__name__)


class Loader(SourceFileLoader):
    def get_code(self, name: str) -> Any:
        """Always compiled: what lies in the cache is not decorated."""
        return self.source_to_code(self.get_data(self.path), self.path)

    def source_to_code(self, data: Any, path: Any, **others: Any) -> Any:
        tree = ast.parse(data, path)
        for function in [*functions(tree, options["scope"] == "all")]:
            mark(function, options["innermost"])
        return super().source_to_code(tree, path, **others)


class Finder:
    """Finds the modules of the package."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        if name.partition(".")[0] != options["package"]:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = Loader(name, spec.loader.path)
        return spec


def install() -> None:
    package, where = options["package"], options["decorator"]
    assert package not in sys.modules, f"{package} was there before it could be decorated"
    module, _, name = where.partition(":")
    decorator = getattr(importlib.import_module(module), name)
    # There, since a name more in a module of the package is a difference of its own.
    setattr(builtins, MARK, functools.partial(decorate, decorator))
    sys.meta_path.insert(0, Finder)


# ---- Notes


def note(*words: object) -> None:
    with Path(options["notes"]).open("a", encoding="utf-8") as notes:
        notes.write(json.dumps(words) + "\n")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # A subtest is part of its test.
    failed = "failed" if report.when == "call" else "error"
    outcome = failed if report.failed else report.outcome
    if report.when == "call" or outcome != "passed":
        note("test", report.nodeid, outcome, _reason(report))


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.outcome != "passed":
        note("test", report.nodeid, "error" if report.failed else "skipped", _reason(report))


def _reason(report: Any) -> str:
    """Why it failed, in a line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = str(crash.message if crash else report.longrepr).strip().splitlines()
    return "" if not report.failed or not lines else lines[0 if crash else -1][:200]


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    stats: dict[str, Any] = {}
    if "honeytrace" in sys.modules and options["decorator"]:
        import honeytrace

        honeytrace.flush(120)
        stats = asdict(honeytrace.stats())
    note("end", counts, stats)


if __name__ == "__main__":
    # Before pytest begins, which imports the package if a warning filter names it.
    if options["decorator"]:
        install()
    sys.exit(pytest.main(sys.argv[1:], [sys.modules[__name__]]))
