"""Whether sessions may leave this process. Module-level state: the pytest plugin says no, before
anything else of the package is imported."""

from __future__ import annotations

allowed = True
