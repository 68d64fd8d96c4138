"""What becomes of sessions that end under pytest. Module-level state, and nothing else: the pytest
plugin sets it before anything else of the package is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

allowed = True
"""Whether sessions may leave this process."""

watch: Callable[[Any], object] | None = None
"""Called with the record of each session that ends, on the thread where it ended."""
