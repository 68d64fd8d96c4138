"""Describe the objects of frameworks for agents, and of SDKs whose answers are not plain objects.

Without this, they would be recorded with all of their internals. See `library_types`.
"""

from __future__ import annotations

import sys
from typing import Any

from honeytrace._capture.providers.embeddings import describe_vector
from honeytrace._capture.records import fields
from honeytrace._capture.stdlib_types import Read, called, describe, named, state
from honeytrace._utils.json import Json

_MAX_MESSAGE_BYTES = 2**20  # a larger message of Protocol Buffers is not copied


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
    module = sys.modules.get("google.protobuf.json_format")  # xAI's SDK does not import it
    if module is None:
        return {field.name: _protobuf_field(field, item) for field, item in value.ListFields()}
    return module.MessageToDict(value, preserving_proto_field_name=True)


def _protobuf_field(field: Any, item: Any) -> Any:
    """Return the value of a field; messages in it are described when it is their turn."""
    message, enum = field.message_type, field.enum_type
    if message is not None and message.GetOptions().map_entry:
        return dict(item)
    names = {} if enum is None else {value.number: value.name for value in enum.values}
    if hasattr(item, "extend"):  # repeated
        return [names.get(each, each) if names else each for each in item]
    return names.get(item, item) if names else item


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

FRAMEWORK_TYPES: dict[str, tuple[tuple[str, Read], ...]] = {
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
}
"""For the name of a class, the modules that hold it and the functions that read its values."""
