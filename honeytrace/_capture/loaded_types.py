"""Find the classes of modules that the program has imported, without importing any."""

from __future__ import annotations

import sys
import types
from typing import Any

from honeytrace._capture.stdlib_types import qualname

_globals: Any = vars(types.ModuleType)["__dict__"]


def find(module: str, name: str) -> Any:
    found = sys.modules.get(module)
    # Any object may stand in `sys.modules`.
    return _globals.__get__(found).get(name) if issubclass(type(found), types.ModuleType) else None


def is_own(kind: type, module: str) -> bool:
    """Return whether this is the class that the module holds under its name."""
    return find(module, qualname(kind)) is kind
