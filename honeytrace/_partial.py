"""A partial whose function is traced. It is a partial like any other; a proxy of wrapt's is not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

_Plain: Any = functools.partial  # generic for type checkers alone


class TracedPartial(_Plain):  # type: ignore[misc] # see _Plain
    __slots__ = ("_again",)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Copies and pickles are those of the plain partial, traced again."""
        again, *how = self._again
        return again, tuple(how)

    def __repr__(self) -> str:
        return repr(functools.partial(self.func, *self.args, **self.keywords))


# So it shows as what it is; pickles do not name the class.
for _label in ("__name__", "__qualname__", "__module__", "__doc__"):
    setattr(TracedPartial, _label, getattr(_Plain, _label))


def traced(target: Any, function: Any, again: Callable[..., Any], *how: Any) -> Any:
    """What the partial `target` is, but with this function; `again(target, *how)` traces it."""
    made = TracedPartial(function, *target.args, **target.keywords)
    made.__dict__.update(target.__dict__)
    made._again = (again, target, *how)
    return made
