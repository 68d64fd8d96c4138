"""Mark the tests of the plugin that run pytest in a process of its own as long."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "pytest_plugin" in item.path.parts and "run" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.long)
