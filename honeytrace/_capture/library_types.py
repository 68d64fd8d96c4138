"""Turn values of libraries that are not imported here into text, numbers, or data to copy instead.

The libraries are numpy, pandas, torch, PIL, SQLAlchemy, Django, pytest, rarely used parts of the
standard library, and those that have URLs. A class is recognized by its name, and by
being the class that its module holds under that name. Code of a library runs only for values of
exactly these classes; a value of a subclass is described by what the base class knows.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from honeytrace._capture.framework_types import FRAMEWORK_TYPES
from honeytrace._capture.loaded_types import find, is_own
from honeytrace._capture.records import fields, public
from honeytrace._capture.stdlib_types import Read, called, describe, qualname, state, whole
from honeytrace._utils.guard import try_call
from honeytrace._utils.json import Json

_MAX_ELEMENTS = 64  # a longer array is not listed
_MAX_BYTES = 16 * 1024  # nor is a larger one: its elements may be long texts
_MAX_COLUMNS = 20  # further columns of a table are not shown
_MAX_LABEL_CHARACTERS = 50


def known(kind: type) -> Read | None:
    """Return the function that reads values of a class; None for an unknown class."""
    name = qualname(kind)
    for module, read in _KNOWN.get(name, ()) if type(name) is str else ():
        if find(module, name) is kind:
            return partial(_careful, read)
    return None


def _careful(read: Read, value: Any) -> Any:
    found, error = try_call(read, value)
    return found if error is None else describe(value)


def _shape(sizes: Any) -> str:
    return str(tuple(sizes))


def _scalar(value: Any) -> Any:
    """Return a number or text as Python's; name structures and numpy's own types."""
    kind = type(value)
    found = value.item() if is_own(kind, "numpy") else value
    # `item()` of a long double is a long double.
    return describe(value) if type(found) is kind or type(found) is tuple else found


def _ndarray(value: Any) -> Any:
    base = find("numpy", "ndarray")
    shape, kind = base.shape.__get__(value), base.dtype.__get__(value)
    small = base.size.__get__(value) <= _MAX_ELEMENTS and base.nbytes.__get__(value) <= _MAX_BYTES
    if small and type(value) is base and kind.kind in "biufcU":
        return value.tolist()
    return f"<{called(type(value))} {_shape(shape)} {kind.name}>"


def _frame(value: Any) -> Any:
    """Return the rows of a small table, or else its shape and columns."""
    axes: list[Any] = value.axes if is_own(type(value), "pandas") else [None]
    if not all(is_own(type(axis), "pandas") for axis in axes):
        return describe(value)
    columns = axes[1]
    labels, dtypes = _labels(columns), value.dtypes.tolist()
    if labels is not None and value.size <= _MAX_ELEMENTS and all(map(_is_plain, dtypes)):
        items = [value[label].tolist() for label in labels]
        return [dict(zip(labels, row, strict=True)) for row in zip(*items, strict=True)]
    names = map(_label, columns[:_MAX_COLUMNS].tolist() if _is_plain(columns.dtype) else dtypes)
    shown = [
        f"{name} {_dtype(kind)}" for name, kind in zip(names, dtypes[:_MAX_COLUMNS], strict=False)
    ]
    rest = [f"{len(dtypes) - _MAX_COLUMNS} more"] if len(dtypes) > _MAX_COLUMNS else []
    return f"<pandas.DataFrame {_shape(value.shape)}: {', '.join(shown + rest)}>"


def _series(value: Any) -> Any:
    """Return a small series as a dict if its labels are texts, or as a list; else its type."""
    items = _column(value)
    labels = _labels(value.index) if type(items) is list else None
    return items if labels is None else dict(zip(labels, items, strict=True))


def _column(value: Any) -> Any:
    """Return a small series or index as a list, or else its type."""
    kind = type(value)
    if not is_own(kind, "pandas"):
        return describe(value)
    if value.size > _MAX_ELEMENTS or not _is_plain(value.dtype):
        return f"<pandas.{qualname(kind)} {_shape(value.shape)} {_dtype(value.dtype)}>"
    return value.tolist()


def _labels(index: Any) -> list[str] | None:
    """Return the labels of an index if they are texts and all different."""
    own = is_own(type(index), "pandas") and len(index) <= _MAX_ELEMENTS and _is_plain(index.dtype)
    labels: list[Any] = index.tolist() if own else [None]
    fit = all(type(label) is str for label in labels) and len(set(labels)) == len(labels)
    return labels if fit else None


def _label(value: Any) -> str:
    if type(value) is str:
        return value[:_MAX_LABEL_CHARACTERS]
    return str(value) if type(value) is int else describe(value)


def _is_plain(dtype: Any) -> bool:
    """Return whether items of this dtype can be listed without running user code."""
    if issubclass(type(dtype), find("numpy", "dtype")):
        return dtype.kind in "biufcMmO"
    return is_own(type(dtype), "pandas") and qualname(type(dtype)) in _COLUMNS


def _dtype(dtype: Any) -> str:
    known = issubclass(type(dtype), find("numpy", "dtype"))
    return str(dtype.name) if known else qualname(type(dtype))


_COLUMNS = {"BooleanDtype", "StringDtype"} | {
    f"{kind}{bits}Dtype" for kind in ("Int", "UInt", "Float") for bits in (8, 16, 32, 64)
}


def _tensor(value: Any) -> Any:
    """Return a small tensor as a list, unless reading it would wait for a device."""
    kind = type(value)
    torch = sys.modules["torch"]
    if kind is not torch.Tensor and not is_own(kind, "torch.nn"):
        return describe(value)
    if (
        value.device.type == "cpu"
        and value.numel() <= _MAX_ELEMENTS
        and value.layout is torch.strided
    ):
        return value.tolist()
    name = str(value.dtype).removeprefix("torch.")
    return f"<{called(kind)} {_shape(value.shape)} {name} {value.device}>"


def _image(value: Any) -> str:
    """Describe an image by its mode and size, which are attributes."""
    own = state(value, type(value))
    mode, size = own.get("_mode", own.get("mode")), own.get("_size")
    if type(mode) is not str or type(size) is not tuple or len(size) != 2:
        return describe(value)
    width, height = size
    if type(width) is not int or type(height) is not int:
        return describe(value)
    return f"<{called(type(value))} {mode} {width}x{height}>"


def _request(value: Any) -> Any:
    """Return the parameter of a pytest fixture."""
    own = state(value, type(value))
    return own["param"] if "param" in own else describe(value)


def _array(value: Any) -> Any:
    """Return a small array of numbers as a list, or else its type code and length."""
    base = find("array", "array")
    size, code = base.__len__(value), base.typecode.__get__(value)
    if size <= _MAX_ELEMENTS and type(value) is base:
        return value.tolist()
    return f"<{called(type(value))} {code} {_shape([size])}>"


def _fraction(value: Any) -> str:
    own = state(value, type(value))
    parts: list[Any] = [own["_numerator"], own["_denominator"]]
    plain = all(type(part) is int for part in parts)
    return "/".join(str(whole(part)) for part in parts) if plain else describe(value)


def _address(value: Any) -> str:
    known = is_own(type(value), "ipaddress") and type(state(value, type(value))["_ip"]) is int
    return str(value) if known else describe(value)


def _row(value: Any) -> Any:
    """Return a row of a database by the names of its columns, or as a list if a name repeats."""
    kind = type(value)
    if is_own(kind, "sqlite3"):
        names = value.keys()
    elif is_own(kind, "sqlalchemy.engine.row"):
        names = value._fields
    else:
        return describe(value)
    items = list(value)
    by_name = dict(zip(names, items, strict=True))
    return by_name if len(by_name) == len(items) else items


def _row_mapping(value: Any) -> Any:
    own = is_own(type(value), "sqlalchemy.engine.row")
    return dict(value.items()) if own else describe(value)


def _django_row(value: Any) -> Json:
    """Return the loaded columns of a row of Django, which holds related rows elsewhere."""
    return public(state(value, type(value)))


def _own_text(module: str) -> Read:
    """Return a function that reads values of just the class of this module as text."""
    return lambda value: str(value) if is_own(type(value), module) else describe(value)


def _pydantic_url(value: Any) -> str:
    inner = state(value, type(value))["_url"]
    return str(inner) if is_own(type(inner), "pydantic_core") else describe(value)


_KNOWN: dict[str, tuple[tuple[str, Read], ...]] = {
    **FRAMEWORK_TYPES,
    "generic": (("numpy", _scalar),),
    "ndarray": (("numpy", _ndarray),),
    "DataFrame": (("pandas", _frame),),
    "Series": (("pandas", _series),),
    "Row": (("sqlite3", _row), ("sqlalchemy.engine.row", _row)),
    "RowMapping": (("sqlalchemy.engine.row", _row_mapping),),
    "Model": (("django.db.models.base", _django_row),),
    "Index": (("pandas", _column),),
    "URL": tuple((module, _own_text(module)) for module in ("httpx", "yarl")),
    "Url": (("pydantic_core", _own_text("pydantic_core")),),
    "MultiHostUrl": (("pydantic_core", _own_text("pydantic_core")),),
    "_BaseUrl": (("pydantic.networks", _pydantic_url),),
    "_BaseMultiHostUrl": (("pydantic.networks", _pydantic_url),),
    "NaTType": (("pandas._libs.tslibs.nattype", lambda _: "NaT"),),
    "Tensor": (("torch", _tensor),),
    "Image": (("PIL.Image", _image),),
    "SubRequest": (("_pytest.fixtures", _request),),
    "Namespace": (("argparse", fields),),
    "array": (("array", _array),),
    "Fraction": (("fractions", _fraction),),
    "IPv4Address": (("ipaddress", _address),),
    "IPv6Address": (("ipaddress", _address),),
}
