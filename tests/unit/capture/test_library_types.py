"""Values of libraries that are not imported by us, with the real ones where they are installed."""

from __future__ import annotations

import argparse
import array
import enum
import fractions
import io
import ipaddress
import json
import sqlite3
import subprocess
import sys
import types
from contextlib import closing

import pytest

from honeytrace._capture.snapshot import Snapshot


def take(value):
    copy = Snapshot().take(value, "inputs")
    assert json.loads(json.dumps(copy, allow_nan=False)) == copy
    return copy


def forbidden(*_, **__):
    raise AssertionError("called")


def test_none_of_them_is_imported():
    """Copying a value imports nothing."""
    code = (
        "import sys; from honeytrace._capture.snapshot import Snapshot; before = set(sys.modules)\n"
        "class ndarray: pass\n"
        "Snapshot().take([object(), ndarray(), ndarray], '')\n"
        "print(sorted({*sys.modules} - before), {'numpy', 'pandas', 'torch', 'PIL'} & before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] set()\n"


class Numbers(array.array):
    __len__ = __iter__ = tolist = forbidden


class Part(fractions.Fraction):
    __str__ = forbidden


class Address(ipaddress.IPv4Address):
    __str__ = forbidden


class Flag(int):
    to_bytes = __str__ = __index__ = forbidden


@pytest.mark.parametrize(
    ("value", "copy"),
    [
        (argparse.Namespace(a=1, b=[2], _c=3), {"a": 1, "b": [2]}),
        (array.array("d", [1, 2.5, float("nan")]), [1.0, 2.5, "NaN"]),
        (array.array("i", range(100)), "<array.array i (100,)>"),
        (Numbers("i", [1]), "<test_library_types.Numbers i (1,)>"),
        (fractions.Fraction(1, 3), "1/3"),
        (fractions.Fraction(10**5000, 3), "<int of 16610 bits>/3"),
        (Part(1, 3), "1/3"),
        (ipaddress.ip_address("10.0.0.1"), "10.0.0.1"),
        (ipaddress.ip_address("::1"), "::1"),
        (Address("10.0.0.1"), "<test_library_types.Address>"),
        (ipaddress.IPv4Address(Flag(1)), "<ipaddress.IPv4Address>"),
        (ipaddress.ip_network("10.0.0.0/8"), "<ipaddress.IPv4Network>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_kinds_of_the_standard_library(value, copy):
    """Rarely used types are known, too; a subclass runs no code of its own."""
    assert take(value) == copy


def test_a_fraction_of_odd_numbers_is_named():
    """The parts may have been replaced by anything."""
    value = fractions.Fraction(1, 3)
    value._numerator = Flag(2)
    assert take(value) == "<fractions.Fraction>"


def test_an_object_half_made_is_named():
    """Reading it may raise in the library."""
    assert take([fractions.Fraction.__new__(Part)]) == ["0/1"]
    assert take([ipaddress.IPv4Address.__new__(ipaddress.IPv4Address)]) == [
        "<ipaddress.IPv4Address>"
    ]


def test_what_has_the_name_of_a_known_class_alone_is_named():
    """The user's class "ndarray" is not an array, even if it claims to be numpy's."""
    kind = type("ndarray", (), {"__module__": "numpy", "tolist": forbidden, "shape": 5})
    assert take(kind()) == "<numpy.ndarray>"
    odd = type("Odd", (), {})
    odd.__qualname__ = type("Name", (str,), {"__hash__": forbidden})("array")
    assert take([odd()]) == ["<test_library_types.array>"] or take([odd()]) == [
        "<test_library_types>"
    ]


def test_a_module_may_be_any_object(monkeypatch):
    """An object in place of a module is not called."""
    monkeypatch.setitem(sys.modules, "array", type("Lazy", (), {"__getattr__": forbidden})())
    assert take(array.array("i", [1])) == "<array.array>"


def test_scalars_of_numpy():
    """Numbers, texts and moments are as Python has them."""
    np = pytest.importorskip("numpy")
    values = [np.float64(1.5), np.float64("nan"), np.int64(3), np.bool_(True), np.str_("a"),
              np.datetime64("2024-01-02"), np.complex64(1), np.bytes_(b"abc")]  # fmt: skip
    assert take(values) == [1.5, "NaN", 3, True, "a", "2024-01-02", "(1+0j)",
                            "<bytes: 3>"]  # fmt: skip


def test_scalars_that_only_numpy_has_are_named():
    """A long double and a structure have no form in Python."""
    np = pytest.importorskip("numpy")
    pair = np.array((1, 2.0), dtype=[("a", "i4"), ("b", "f8")])[()]
    own = type("Own", (np.float64,), {"item": forbidden, "__float__": forbidden})(1.5)
    assert take([np.longdouble(1), pair, own]) == [
        "<numpy.longdouble>", "<numpy.void>", "<test_library_types.Own>",
    ]  # fmt: skip


def test_arrays():
    """Small ones of numbers are lists, others have a name with shape and type."""
    np = pytest.importorskip("numpy")
    assert take(np.arange(6).reshape(2, 3)) == [[0, 1, 2], [3, 4, 5]]
    assert take({"a": np.array(5), "b": np.array(["x"]), "c": np.array([np.inf])}) == {
        "a": 5, "b": ["x"], "c": ["Infinity"],
    }  # fmt: skip
    assert take(np.zeros((1000, 3), "f4")) == "<numpy.ndarray (1000, 3) float32>"
    assert take(np.array(["x" * 5000])) == "<numpy.ndarray (1,) str160000>"
    assert take(np.array([object()])) == "<numpy.ndarray (1,) object>"
    assert take(np.zeros(3, dtype="i4,f8")) == "<numpy.ndarray (3,) void96>"
    assert take(np.ma.array([1])) == "<numpy.ma.MaskedArray (1,) int64>"


def test_no_code_of_a_derived_array_is_run():
    """It is described by what numpy knows of it."""
    np = pytest.importorskip("numpy")
    names = ("shape", "dtype", "size", "nbytes", "tolist", "__len__")
    kind = type("Own", (np.ndarray,), dict.fromkeys(names, property(forbidden)))
    assert take(np.zeros(2).view(kind)) == "<test_library_types.Own (2,) float64>"


@pytest.fixture(scope="module")
def pd():
    return pytest.importorskip("pandas")


def test_small_frames_are_rows(pd):
    """A table of a few cells is a list of objects, whatever stands in the cells."""
    frame = pd.DataFrame({"n": [1, 2], "t": pd.to_datetime(["2024-01-02", None]), "o": [{3}, "x"]})
    assert take(frame) == [
        {"n": 1, "t": "2024-01-02T00:00:00", "o": [3]},
        {"n": 2, "t": "NaT", "o": "x"},
    ]
    assert take(pd.DataFrame({"s": ["a", "b"]}, dtype="string")) == [{"s": "a"}, {"s": "b"}]
    assert take(pd.DataFrame()) == []


def test_other_frames_have_shape_and_columns(pd):
    """Large tables, and tables that cannot become a list of objects."""
    assert take(pd.DataFrame({"x": range(100), 5: 1.5, "k" * 99: True, (1, 2): 0})) == (
        f"<pandas.DataFrame (100, 4): x int64, 5 float64, {'k' * 50} bool, <builtins.tuple> int64>"
    )
    assert take(pd.DataFrame([[1, 2]], columns=["a", "a"])) == (
        "<pandas.DataFrame (1, 2): a int64, a int64>"
    )
    assert take(pd.DataFrame({"c": pd.Categorical(["x"])})) == (
        "<pandas.DataFrame (1, 1): c CategoricalDtype>"
    )
    assert take(pd.DataFrame([range(30)] * 9)).endswith(", 19 int64, 10 more>")
    moments = pd.DataFrame([[1]], columns=pd.to_datetime(["2024-01-02"]).tz_localize("UTC"))
    assert take(moments) == "<pandas.DataFrame (1, 1): <numpy.dtypes.Int64DType> int64>"


def test_series_and_indexes(pd):
    """Small ones by their labels if these are texts, or as lists; others by length and type."""
    assert take(pd.Series({"p": 3, "q": 4})) == {"p": 3, "q": 4}
    assert take(pd.Series([1, None], dtype="Int64"))[0] == 1
    assert take([pd.Series([1.5]), pd.Index(["a"]), pd.RangeIndex(2)]) == [[1.5], ["a"], [0, 1]]
    assert take(pd.MultiIndex.from_tuples([(1, "a")])) == [[1, "a"]]
    assert take(pd.Series(range(100))) == "<pandas.Series (100,) int64>"
    assert take(pd.Index(range(100))) == "<pandas.RangeIndex (100,) int64>"
    assert take(pd.Series(["x"], dtype="category")) == "<pandas.Series (1,) CategoricalDtype>"


def test_moments_of_pandas(pd):
    """A timestamp is a datetime; the one that is none says so."""
    assert take([pd.Timestamp("2024-01-02"), pd.NaT, pd.Timedelta(1, "D")]) == [
        "2024-01-02T00:00:00", "NaT", "1 day, 0:00:00",
    ]  # fmt: skip


def test_no_code_of_a_derived_frame_is_run(pd):
    """Classes of the user's are named, also where they are the index of a frame."""
    own = {"shape": property(forbidden), "__len__": forbidden, "tolist": forbidden}
    frame, series, index = (
        type("Own", (base,), {}) for base in (pd.DataFrame, pd.Series, pd.Index)
    )
    own_index = index._simple_new(pd.Index(["a"])._values, None)
    values = [frame({"a": [1]}), series([1]), pd.DataFrame({"a": [1]}), own_index]
    values[2].index = own_index
    for kind in (frame, series, index):
        for name, member in own.items():
            setattr(kind, name, member)
    named = "<test_library_types.Own>"
    try:
        assert take(values[:2] + values[3:]) == [named] * 3
        assert take(values[2]) in ("<pandas.DataFrame>", "<pandas.core.frame.DataFrame>")
    finally:
        for kind in (frame, series, index):
            for name in own:
                delattr(kind, name)


@pytest.fixture(scope="module")
def torch():
    """The real one is slow to import and large; what is read of it stands here as well."""
    if "torch" in sys.modules:
        return sys.modules["torch"]
    strided = object()

    class Tensor:
        layout = strided
        dtype = "torch.float32"

        def __init__(self, items, device="cpu"):
            self.items, self.shape = items, [len(items)]
            self.device = type("Device", (), {"type": device, "__str__": lambda self: device})()

        def numel(self):
            return len(self.items)

        def tolist(self):
            if self.items == [0.5]:
                raise RuntimeError("no storage")
            return self.items

    Tensor.__module__, Tensor.__qualname__ = "torch", "Tensor"
    module = types.ModuleType("torch")
    module.Tensor, module.strided = Tensor, strided
    return module


def test_tensors(torch, monkeypatch):
    """Small ones in main memory are lists; to read another would wait for its device."""
    monkeypatch.setitem(sys.modules, "torch", torch)
    own = type("Own", (torch.Tensor,), {"tolist": forbidden})
    assert take(torch.Tensor([1.0, 2.0])) == [1.0, 2.0]
    assert take(torch.Tensor([0.0] * 65)) == "<torch.Tensor (65,) float32 cpu>"
    assert take(torch.Tensor([0.0], device="cuda:0")) == "<torch.Tensor (1,) float32 cuda:0>"
    assert take(own([1.0])) == "<test_library_types.Own>"
    assert take(torch.Tensor([0.5])) == "<torch.Tensor>"


def test_images():
    """Mode and size, and no pixel is read, nor a file."""
    image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    image.new("RGB", (6, 4)).save(file, "PNG")
    file.seek(0)
    opened = image.open(file)
    before = file.tell()
    assert take(image.new("L", (640, 480))) == "<PIL.Image.Image L 640x480>"
    assert take(opened) == "<PIL.PngImagePlugin.PngImageFile RGB 6x4>"
    assert file.tell() == before


@pytest.mark.parametrize("odd", [{"_size": None}, {"_size": (1, "x")}, {"_mode": 5}])
def test_an_image_of_no_size_is_named(odd):
    """Its attributes may be anything."""
    value = pytest.importorskip("PIL.Image").new("L", (1, 1))
    vars(value).update(odd)
    assert take(value) == "<PIL.Image.Image>"


class Color(enum.Enum):
    RED = "red"


def test_attrs():
    """With slots and without."""
    attrs = pytest.importorskip("attrs")
    fields = {"x": attrs.field(default=1), "_y": attrs.field(default=2)}
    made = [attrs.make_class("Made", dict(fields), slots=slots)() for slots in (True, False)]
    assert take(made) == [{"x": 1}, {"x": 1}]


def test_msgspec():
    """With a dict of its own and without."""
    msgspec = pytest.importorskip("msgspec")
    slotted = msgspec.defstruct("Slotted", [("x", int)])(1)
    open_ = msgspec.defstruct("Open", [("x", int)], dict=True)(1)
    open_.more = [2]
    assert take([slotted, open_]) == [{"x": 1}, {"x": 1, "more": [2]}]


def test_pydantic():
    """Fields and those that are allowed beyond; roots; secrets stay secret."""
    pydantic = pytest.importorskip("pydantic", minversion="2")
    open_ = pydantic.create_model("Open", __config__={"extra": "allow"}, x=(Color, ...))
    root = pydantic.RootModel[list[int]]
    secret = pydantic.create_model("Secret", s=(pydantic.SecretStr, ...), root=(int, 5))
    value = open_(x="red", more=[open_(x="red")], _hidden=3)
    assert take(value) == {"x": "red", "more": [{"x": "red"}]}
    assert take([root([1, 2]), pydantic.RootModel[dict](root={"a": {1}})]) == [[1, 2], {"a": [1]}]
    assert take(secret(s="hunter2")) == {"s": "<pydantic.types.SecretStr>", "root": 5}
    assert "hunter2" not in str(take([pydantic.SecretStr("hunter2")]))


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="pydantic 1 does not run there")
def test_pydantic_1():
    """The same of the old version."""
    v1 = pytest.importorskip("pydantic.v1")

    class Open(v1.BaseModel):
        x: int
        s: v1.SecretStr

        class Config:
            extra = "allow"

    class Root(v1.BaseModel):
        __root__: list

    Open.update_forward_refs(v1=v1)
    copy = {"x": 1, "s": "<pydantic.v1.types.SecretStr>", "more": 2}
    assert take([Open(x=1, s="hunter2", more=2), Root(__root__=[1])]) == [copy, [1]]


class OwnRow(sqlite3.Row):
    keys = __iter__ = forbidden


def rows(kind, question):
    with closing(sqlite3.connect(":memory:")) as store:
        store.row_factory = kind
        return store.execute(question).fetchall()


@pytest.mark.parametrize(
    ("kind", "question", "copy"),
    [
        (sqlite3.Row, "SELECT 1 AS id, 'Ada' AS name", [{"id": 1, "name": "Ada"}]),
        (sqlite3.Row, "SELECT 1 AS id, 2 AS id", [[1, 2]]),
        (OwnRow, "SELECT 1 AS id", [f"<{__name__}.OwnRow>"]),
    ],
)
def test_rows_of_a_database(kind, question, copy):
    """They have the names of their columns, unless two are the same."""
    assert take(rows(kind, question)) == copy


def test_rows_of_sqlalchemy(monkeypatch):
    """Also rows of SQLAlchemy; this stands in for its class, which has these two members."""
    module = types.ModuleType("sqlalchemy.engine.row")
    module.Row = type(
        "Row", (), {"_fields": ("id", "name"), "__iter__": lambda _: iter((1, "Ada"))}
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert take([module.Row()]) == [{"id": 1, "name": "Ada"}]
