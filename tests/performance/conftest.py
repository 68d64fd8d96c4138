"""The table of ratios at the end of a benchmark run."""

from __future__ import annotations

import pytest

rows: list[tuple[str, str]] = []


@pytest.fixture
def report():
    """Adds a line to the table: what was measured, and the figure with its bar."""
    return lambda what, figure: rows.append((what, figure))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if rows:
        terminalreporter.section("honeytrace against its bars")
        width = max(len(what) for what, _ in rows)
        for what, figure in rows:
            terminalreporter.write_line(f"{what:<{width}}  {figure}")
