"""Turn values of libraries that are not imported here into text, numbers, or data to copy instead.

The libraries are numpy, pandas, torch, PIL, SQLAlchemy, Django, pytest, rarely used parts of the
standard library, those that have URLs, and frameworks for agents. Without this, objects of
frameworks would be recorded with all of their internals. A class is recognized by its name, and by
being the class that its module holds under that name. Code of a library runs only for values of
exactly these classes; a value of a subclass is described by what the base class knows.
"""

from __future__ import annotations

import sys
import types
from functools import partial
from typing import Any

from honeytrace._capture.providers.embeddings import describe_vector
from honeytrace._capture.records import fields, public
from honeytrace._capture.stdlib_types import (
    Read,
    called,
    describe,
    named,
    qualname,
    state,
    whole,
)
from honeytrace._utils.guard import try_call
from honeytrace._utils.json import Json

_COUNTS = ("usage", "usage_metadata", "usageMetadata", "additional_kwargs")
_ANSWER_ATTRIBUTES = {*_COUNTS, "type", "choices", "delta", "meta", "raw", "prompt_eval_count"}


def is_answer(own: dict[str, Any]) -> bool:
    """Return whether these are the attributes of an answer or a chunk of a known shape.

    The test is narrow, because parsers and form fields have `usage` or `choices` too.
    """
    if _ANSWER_ATTRIBUTES.isdisjoint(own):
        return False
    about, choices = own.get("type"), own.get("choices")
    return (
        (type(about) is str and about.startswith(("content_block_", "message_st", "message_del")))
        or (type(choices) is list and bool(choices) and _has(choices[0], "message", "delta"))
        or _has(own.get("delta"), "content", "tool_calls", "text", "role", "partial_json")
        or any("token" in name.lower() for key in _COUNTS for name in _parts(own.get(key)))
        or _is_counted_elsewhere(own)
    )


def _is_counted_elsewhere(own: dict[str, Any]) -> bool:
    """Return whether it is an answer of Ollama, Cohere or LlamaIndex, by where the tokens are."""
    return (
        ("eval_count" in own and "prompt_eval_count" in own)
        or ("text" in own and _has(own.get("meta"), "billed_units"))
        or (_has(own.get("raw"), "choices", "usage", "usage_metadata") and _is_said(own))
    )


def _is_said(own: dict[str, Any]) -> bool:
    return "text" in own or _has(own.get("message"), "content", "blocks")


def _has(value: object, *names: str) -> bool:
    parts = _parts(value)
    return any(name in parts for name in names)


def _parts(value: object) -> dict[str, Any]:
    """Return the items of a dict or the attributes of an object."""
    return named(value) if type(value) is dict else state(value, type(value))


_MAX_ELEMENTS = 64  # a longer array is not listed
_MAX_BYTES = 16 * 1024  # nor is a larger one: its elements may be long texts
_MAX_COLUMNS = 20  # further columns of a table are not shown
_MAX_LABEL_CHARACTERS = 50
_MAX_MESSAGE_BYTES = 2**20  # a larger message of Protocol Buffers is not copied
_globals: Any = vars(types.ModuleType)["__dict__"]


def known(kind: type) -> Read | None:
    """Return the function that reads values of a class; None for an unknown class."""
    name = qualname(kind)
    for module, read in _KNOWN.get(name, ()) if type(name) is str else ():
        if _find(module, name) is kind:
            return partial(_careful, read)
    return None


def _careful(read: Read, value: Any) -> Any:
    found, error = try_call(read, value)
    return found if error is None else describe(value)


def _find(module: str, name: str) -> Any:
    found = sys.modules.get(module)
    # Any object may stand in `sys.modules`.
    return _globals.__get__(found).get(name) if issubclass(type(found), types.ModuleType) else None


def _is_own(kind: type, module: str) -> bool:
    """Return whether this is the class that the module holds under its name."""
    return _find(module, qualname(kind)) is kind


def _shape(sizes: Any) -> str:
    return str(tuple(sizes))


def _scalar(value: Any) -> Any:
    """Return a number or text as Python's; name structures and numpy's own types."""
    kind = type(value)
    found = value.item() if _is_own(kind, "numpy") else value
    # `item()` of a long double is a long double.
    return describe(value) if type(found) is kind or type(found) is tuple else found


def _ndarray(value: Any) -> Any:
    base = _find("numpy", "ndarray")
    shape, kind = base.shape.__get__(value), base.dtype.__get__(value)
    small = base.size.__get__(value) <= _MAX_ELEMENTS and base.nbytes.__get__(value) <= _MAX_BYTES
    if small and type(value) is base and kind.kind in "biufcU":
        return value.tolist()
    return f"<{called(type(value))} {_shape(shape)} {kind.name}>"


def _frame(value: Any) -> Any:
    """Return the rows of a small table, or else its shape and columns."""
    axes: list[Any] = value.axes if _is_own(type(value), "pandas") else [None]
    if not all(_is_own(type(axis), "pandas") for axis in axes):
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
    if not _is_own(kind, "pandas"):
        return describe(value)
    if value.size > _MAX_ELEMENTS or not _is_plain(value.dtype):
        return f"<pandas.{qualname(kind)} {_shape(value.shape)} {_dtype(value.dtype)}>"
    return value.tolist()


def _labels(index: Any) -> list[str] | None:
    """Return the labels of an index if they are texts and all different."""
    own = _is_own(type(index), "pandas") and len(index) <= _MAX_ELEMENTS and _is_plain(index.dtype)
    labels: list[Any] = index.tolist() if own else [None]
    fit = all(type(label) is str for label in labels) and len(set(labels)) == len(labels)
    return labels if fit else None


def _label(value: Any) -> str:
    if type(value) is str:
        return value[:_MAX_LABEL_CHARACTERS]
    return str(value) if type(value) is int else describe(value)


def _is_plain(dtype: Any) -> bool:
    """Return whether items of this dtype can be listed without running user code."""
    if issubclass(type(dtype), _find("numpy", "dtype")):
        return dtype.kind in "biufcMmO"
    return _is_own(type(dtype), "pandas") and qualname(type(dtype)) in _COLUMNS


def _dtype(dtype: Any) -> str:
    known = issubclass(type(dtype), _find("numpy", "dtype"))
    return str(dtype.name) if known else qualname(type(dtype))


_COLUMNS = {"BooleanDtype", "StringDtype"} | {
    f"{kind}{bits}Dtype" for kind in ("Int", "UInt", "Float") for bits in (8, 16, 32, 64)
}


def _tensor(value: Any) -> Any:
    """Return a small tensor as a list, unless reading it would wait for a device."""
    kind = type(value)
    torch = sys.modules["torch"]
    if kind is not torch.Tensor and not _is_own(kind, "torch.nn"):
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
    base = _find("array", "array")
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
    known = _is_own(type(value), "ipaddress") and type(state(value, type(value))["_ip"]) is int
    return str(value) if known else describe(value)


def _row(value: Any) -> Any:
    """Return a row of a database by the names of its columns, or as a list if a name repeats."""
    kind = type(value)
    if _is_own(kind, "sqlite3"):
        names = value.keys()
    elif _is_own(kind, "sqlalchemy.engine.row"):
        names = value._fields
    else:
        return describe(value)
    items = list(value)
    by_name = dict(zip(names, items, strict=True))
    return by_name if len(by_name) == len(items) else items


def _row_mapping(value: Any) -> Any:
    own = _is_own(type(value), "sqlalchemy.engine.row")
    return dict(value.items()) if own else describe(value)


def _django_row(value: Any) -> Json:
    """Return the loaded columns of a row of Django, which holds related rows elsewhere."""
    return public(state(value, type(value)))


def _own_text(module: str) -> Read:
    """Return a function that reads values of just the class of this module as text."""
    return lambda value: str(value) if _is_own(type(value), module) else describe(value)


def _pydantic_url(value: Any) -> str:
    inner = state(value, type(value))["_url"]
    return str(inner) if _is_own(type(inner), "pydantic_core") else describe(value)


def _run_context(value: Any) -> Json:
    """Return what a framework tells a tool about its run, without the history and the client."""
    own = state(value, type(value))
    found = {name: own[name] for name in _CONTEXT if own.get(name) is not None}
    for name in ("deps", "context", "model"):
        if own.get(name) is not None:
            found[name] = short(own[name])
    return found


_CONTEXT = ("prompt", "tool_name", "tool_call_id", "retry", "run_step", "usage", "turn_input")


def short(value: Any) -> Any:
    """Return a plain value as it is, anything else by its type and its name or model."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    own = state(value, type(value))
    names = (own.get(name) for name in ("name", "_name", "model_name", "model", "_model_name"))
    name = next((each for each in names if type(each) is str and each), None)
    return f"<{called(type(value))} {name}>" if name else describe(value)


def _agent_result(value: Any) -> Json:
    """Return the outcome of an agent's run; its model calls are sessions of their own."""
    own = state(value, type(value))
    found: Json = {name: own[name] for name in ("final_output", "output") if name in own}
    inside = own.get("context_wrapper", own.get("_state"))
    usage = state(inside, type(inside)).get("usage") if inside is not None else None
    return found if usage is None else {**found, "usage": usage}


def _prediction(value: Any) -> Json:
    """Return the fields of DSPy's Prediction or Example, and its tokens by model."""
    own = state(value, type(value))
    fields_of = own.get("_store")
    found = named(fields_of) if type(fields_of) is dict else {}
    usage = own.get("_lm_usage")
    return {**found, "_lm_usage": usage} if type(usage) is dict and usage else found


def _protobuf(value: Any) -> Any:
    """Return a message of Protocol Buffers by the names of its fields."""
    if value.ByteSize() > _MAX_MESSAGE_BYTES:
        return f"<{called(type(value))} {value.ByteSize()} bytes>"
    return sys.modules["google.protobuf.json_format"].MessageToDict(
        value, preserving_proto_field_name=True
    )


def _inner(name: str) -> Read:
    """Return a function that returns what an object holds under a name, for a plain wrapper."""
    return lambda value: state(value, type(value))[name]


def _request_output(value: Any) -> Json:
    """Return an answer of vLLM: its texts, and the number of its tokens instead of the tokens."""
    own = state(value, type(value))
    texts = [state(each, type(each)) for each in own["outputs"]]
    usage = {
        "prompt_tokens": len(own["prompt_token_ids"] or ()),
        "completion_tokens": sum(len(each["token_ids"]) for each in texts),
        "cached_tokens": own.get("num_cached_tokens"),
    }
    kept = ("index", "text", "finish_reason", "stop_reason")
    outputs = [{name: each.get(name) for name in kept} for each in texts]
    return {"request_id": own.get("request_id"), "outputs": outputs, "usage": usage}


def _node(value: Any) -> Json:
    """Return the text and metadata of a document of LlamaIndex, without relations and vector."""
    own = state(value, type(value))
    if "node" in own:
        return {"score": own.get("score"), **_node(own["node"])}
    resource = own.get("text_resource")
    text = own.get("text") or (state(resource, type(resource)).get("text") if resource else None)
    return {"id": own.get("id_"), "text": text, "metadata": own.get("metadata")}


def _document(value: Any) -> Json:
    """Return a document of LangChain or Haystack; of its embedding, only the length and norm."""
    found = fields(value)
    if type(found.get("embedding")) is list:
        found["embedding"] = describe_vector(found["embedding"])
    return {name: item for name, item in found.items() if item is not None}


_AGENTS, _DSPY, _LLAMA = "agents", "dspy", "llama_index.core.schema"
_VOYAGE, _XAI = "voyageai.object", "xai_sdk.chat"
_GEMINI = "google.generativeai.types.generation_types"
_VERTEX = "vertexai.generative_models._generative_models"
_AZURE = "azure.ai.inference"

_KNOWN: dict[str, tuple[tuple[str, Read], ...]] = {
    "RunContext": (("pydantic_ai", _run_context),),
    "AgentRunResult": (("pydantic_ai.run", _agent_result), ("pydantic_ai.agent", _agent_result)),
    "RunContextWrapper": ((_AGENTS, _run_context),),
    "ToolContext": ((f"{_AGENTS}.tool_context", _run_context),),
    "RunResult": ((_AGENTS, _agent_result),),
    "RunResultStreaming": ((_AGENTS, _agent_result),),
    "Agent": ((_AGENTS, short), ("pydantic_ai", short), ("crewai", short)),
    "BaseChatModel": (("langchain_core.language_models.chat_models", short),),
    "BaseLLM": (("langchain_core.language_models.llms", short),),
    "Prediction": ((_DSPY, _prediction),),
    "Example": ((_DSPY, _prediction),),
    "Message": (("google.protobuf.message", _protobuf), ("proto.message", _inner("_pb"))),
    "GenerateContentResponse": ((_GEMINI, _inner("_result")),),
    "AsyncGenerateContentResponse": ((_GEMINI, _inner("_result")),),
    "GenerationResponse": ((_VERTEX, _inner("_raw_response")),),
    "_ResponseProtoDecorator": ((_XAI, _inner("_proto")),),
    "Chunk": ((_XAI, _inner("_proto")),),
    "_MyMutableMapping": (
        (f"{_AZURE}._model_base", _inner("_data")),
        (f"{_AZURE}._utils.model_base", _inner("_data")),
    ),
    "RequestOutput": (("vllm.outputs", _request_output),),
    "EmbeddingsObject": ((f"{_VOYAGE}.embeddings", fields),),
    "RerankingObject": ((f"{_VOYAGE}.reranking", fields),),
    "MultimodalEmbeddingsObject": ((f"{_VOYAGE}.multimodal_embeddings", fields),),
    "NodeWithScore": ((_LLAMA, _node),),
    "TextNode": ((_LLAMA, _node),),
    "Node": ((_LLAMA, _node),),
    "Document": ((_LLAMA, _node), ("haystack", _document)),
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
