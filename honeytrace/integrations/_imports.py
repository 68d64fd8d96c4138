"""Run something with a module: at once if it is imported already, else as soon as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType

from honeytrace._utils.guard import try_call

Action = Callable[[ModuleType], None]


def when_imported(name: str, action: Action) -> None:
    """Call `action(module)`. It must not raise, since it may run inside the user's `import`."""
    module = sys.modules.get(name)
    if module is not None:
        action(module)
        return
    # Imported here because few programs need it, and wrapt takes longer than all of honeytrace.
    import wrapt

    wrapt.register_post_import_hook(action, name)


def can_be_found(name: str) -> bool:
    """Return whether a module is imported or can be; nothing is imported to find out."""
    package, top = name.rpartition(".")[0], name.partition(".")[0]
    if package in sys.modules:
        return name in sys.modules or try_call(find_spec, name)[0] is not None
    return name in sys.modules or top in sys.modules or try_call(find_spec, top)[0] is not None


def spec_of(module: ModuleType) -> object:
    """Return the `__spec__`; `importlib.reload` and a new import both make a new one."""
    return getattr(module, "__spec__", None)


def is_importing(module: ModuleType) -> bool:
    """Return whether the module's own code is still running, so names may be missing."""
    return bool(getattr(spec_of(module), "_initializing", False))


def loaded_again(name: str, before: object) -> ModuleType | None:
    """Return a module if its code has run again since its `__spec__` was `before`; else None."""
    module = sys.modules.get(name)
    return module if module is not None and spec_of(module) is not before else None
