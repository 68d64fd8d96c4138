"""Every form of call that OpenAI's SDK offers."""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor

from form_tools import (
    CHAT,
    FILE,
    OPENAI_TOOLS,
    RESPONSE,
    RESPONSE_TOOLS,
    TEXT,
    chunk_text,
    each,
    form,
    got,
    is_asynchronous,
    raised,
    seen,
    step,
    until_error,
    within,
)

FAILED = b'data: {"error": {"message": "Not now", "type": "server_error"}}\n\n'

# OpenAI: chat


@form("openai")
async def openai_chat(client):
    return seen(await got(client.chat.completions.create(**CHAT, temperature=0.5)))


@form("openai", holds="tool")
async def openai_chat_with_tools(client):
    return seen(await got(client.chat.completions.create(**CHAT, tools=OPENAI_TOOLS)))


@form("openai", holds="file")
async def openai_chat_with_image_and_audio(client):
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{FILE}"}}
    audio = {"type": "input_audio", "input_audio": {"data": FILE, "format": "wav"}}
    asked = [{"role": "user", "content": [TEXT, image, audio]}]
    return seen(await got(client.chat.completions.create(model="gpt-4o", messages=asked)))


@form("openai")
async def openai_two_choices(client):
    return seen(await got(client.chat.completions.create(**CHAT, n=2)))


@form("openai")
async def openai_extra_body(client):
    call = client.with_options(timeout=9).chat.completions.create
    return seen(await got(call(**CHAT, extra_body={"top_k": 3}, extra_headers={"x-a": "b"})))


@form("openai")
async def openai_chat_stream(client):
    stream = await got(client.chat.completions.create(**CHAT, stream=True))
    return seen(stream, [chunk.model_dump() async for chunk in each(stream)])


@form("openai")
async def openai_chat_stream_with_usage(client):
    options = {"include_usage": True}
    stream = await got(client.chat.completions.create(**CHAT, stream=True, stream_options=options))
    return seen(stream, [chunk.model_dump() async for chunk in each(stream)])


@form("openai")
async def openai_chat_stream_in_with(client):
    stream = await got(client.chat.completions.create(**CHAT, stream=True))
    async with within(stream) as inside:
        text = "".join([chunk_text(chunk) async for chunk in each(inside)])
    return seen(stream, text, inside is stream, stream.response.status_code)


@form("openai", holds="tool")
async def openai_chat_stream_with_tools(client):
    call = client.chat.completions.create
    stream = await got(call(**CHAT, stream=True, tools=OPENAI_TOOLS))
    return seen(stream, [chunk.model_dump() async for chunk in each(stream)])


@form("openai", holds="part")
async def openai_chat_stream_closed_early(client):
    stream = await got(client.chat.completions.create(**CHAT, stream=True))
    texts = []
    async for chunk in each(stream):
        texts.append(chunk_text(chunk))
        if len(texts) == 3:
            break
    await got(stream.close())
    await got(stream.close())
    return seen(stream, texts, stream.response.is_closed)


@form("openai", holds="part")
async def openai_chat_stream_dropped(client):
    stream = await got(client.chat.completions.create(**CHAT, stream=True))
    texts = []
    async for chunk in each(stream):
        texts.append(chunk_text(chunk))
        if len(texts) == 3:
            break
    del stream
    gc.collect()
    await asyncio.sleep(0)
    return texts


@form("openai", holds="nothing")
async def openai_chat_stream_never_read(client):
    stream = await got(client.chat.completions.create(**CHAT, stream=True))
    await got(stream.close())
    return seen(stream)


@form("openai", holds="part", broken=True)
async def openai_chat_stream_broken_off(client):
    stream = await got(client.chat.completions.create(**CHAT, stream=True))
    return seen(stream, "".join([chunk_text(chunk) async for chunk in each(stream)]))


@form("openai", holds="part and error", broken=True, cut=True)
async def openai_chat_stream_cut(client):
    stream = await got(client.chat.completions.create(**CHAT, stream=True))
    return seen(stream, await until_error(stream, chunk_text))


@form("openai", holds="part and error", broken=True, last=FAILED)
async def openai_chat_stream_failing(client):
    stream = await got(client.chat.completions.create(**CHAT, stream=True))
    return seen(stream, await until_error(stream, chunk_text))


@form("openai")
async def openai_chat_stream_item_by_item(client):
    stream = await got(client.chat.completions.create(**CHAT, stream=True))
    texts = [chunk_text(await step(stream)) for _ in range(3)]
    texts += [chunk_text(chunk) async for chunk in each(stream)]
    return seen(stream, texts, [chunk async for chunk in each(stream)])


@form("openai")
async def openai_chat_stream_helper(client):
    chat = client.chat.completions
    chat = chat if hasattr(chat, "stream") else client.beta.chat.completions
    async with within(chat.stream(**CHAT)) as stream:
        kinds = [event.type async for event in each(stream)]
        final = await got(stream.get_final_completion())
    return seen(final, kinds)


@form("openai")
async def openai_chat_parse(client):
    from pydantic import BaseModel

    City = type("City", (BaseModel,), {"__annotations__": {"city": str}})  # noqa: N806 - a class
    chat = client.chat.completions
    chat = chat if hasattr(chat, "parse") else client.beta.chat.completions
    answer = await got(chat.parse(**CHAT, response_format=City))
    return [type(answer).__qualname__, answer.choices[0].message.parsed.city]


@form("openai")
async def openai_chat_raw(client):
    raw = await got(client.chat.completions.with_raw_response.create(**CHAT))
    return seen(raw, raw.headers["x-request-id"], seen(await got(raw.parse())))


@form("openai")
async def openai_chat_raw_never_parsed(client):
    raw = await got(client.chat.completions.with_raw_response.create(**CHAT))
    return seen(raw, raw.status_code)


@form("openai")
async def openai_chat_raw_stream(client):
    raw = await got(client.chat.completions.with_raw_response.create(**CHAT, stream=True))
    stream = await got(raw.parse())
    return seen(raw, seen(stream), [chunk.model_dump() async for chunk in each(stream)])


@form("openai")
async def openai_chat_streaming_response(client):
    async with within(client.chat.completions.with_streaming_response.create(**CHAT)) as raw:
        return seen(raw, seen(await got(raw.parse())))


@form("openai")
async def openai_chat_streaming_response_lines(client):
    call = client.chat.completions.with_streaming_response.create
    async with within(call(**CHAT, stream=True)) as raw:
        return seen(raw, [line async for line in each(raw.iter_lines())])


@form("openai")
async def openai_chat_streaming_response_stream(client):
    call = client.chat.completions.with_streaming_response.create
    async with within(call(**CHAT, stream=True)) as raw:
        stream = await got(raw.parse())
        return seen(raw, seen(stream), [chunk.model_dump() async for chunk in each(stream)])


@form("openai", holds="nothing")
async def openai_chat_streaming_response_never_read(client):
    async with within(client.chat.completions.with_streaming_response.create(**CHAT)) as raw:
        return seen(raw, raw.status_code)


@form("openai", holds="error", failures=[400])
async def openai_chat_refused(client):
    try:
        await got(client.chat.completions.create(**CHAT))
    except Exception as error:
        return raised(error)


@form("openai", failures=[429, 500])
async def openai_chat_retried(client):
    return seen(await got(client.chat.completions.create(**CHAT)))


@form("openai", sessions=2)
async def openai_chat_at_once(client):
    def call(_):
        return client.chat.completions.create(**CHAT)

    if is_asynchronous():
        answers = await asyncio.gather(*map(call, range(2)))
    else:
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(call, range(2)))
    return [seen(answer) for answer in answers]


@form("openai")
async def openai_post(client):
    return await got(client.post("/chat/completions", body=dict(CHAT), cast_to=object))


# OpenAI: responses, embeddings, completions, Azure


@form("openai")
async def openai_responses(client):
    return seen(await got(client.responses.create(**RESPONSE, instructions="Be kind")))


@form("openai", holds="file")
async def openai_responses_with_image(client):
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{FILE}"}
    asked = [{"role": "user", "content": [{**TEXT, "type": "input_text"}, image]}]
    return seen(await got(client.responses.create(model="gpt-4o", input=asked)))


@form("openai", holds="tool")
async def openai_responses_with_tools(client):
    return seen(await got(client.responses.create(**RESPONSE, tools=RESPONSE_TOOLS)))


@form("openai")
async def openai_responses_stream(client):
    stream = await got(client.responses.create(**RESPONSE, stream=True))
    return seen(stream, [event.model_dump() async for event in each(stream)])


@form("openai")
async def openai_responses_stream_helper(client):
    async with within(client.responses.stream(**RESPONSE)) as stream:
        kinds = [event.type async for event in each(stream)]
        return seen(await got(stream.get_final_response()), kinds)


@form("openai", holds="part")
async def openai_responses_stream_closed_early(client):
    stream = await got(client.responses.create(**RESPONSE, stream=True))
    kinds = []
    async for event in each(stream):
        kinds.append(event.type)
        if len(kinds) == 5:
            break
    await got(stream.close())
    return seen(stream, kinds)


@form("openai")
async def openai_responses_parse(client):
    from pydantic import BaseModel

    City = type("City", (BaseModel,), {"__annotations__": {"city": str}})  # noqa: N806 - a class
    answer = await got(client.responses.parse(**RESPONSE, text_format=City))
    return [type(answer).__qualname__, answer.output_parsed.city, answer.id]


@form("openai")
async def openai_responses_raw(client):
    raw = await got(client.responses.with_raw_response.create(**RESPONSE))
    return seen(raw, raw.headers["x-request-id"], seen(await got(raw.parse())))


@form("openai")
async def openai_responses_raw_stream(client):
    raw = await got(client.responses.with_raw_response.create(**RESPONSE, stream=True))
    stream = await got(raw.parse())
    return seen(raw, seen(stream), [event.model_dump() async for event in each(stream)])


@form("openai")
async def openai_responses_streaming_response(client):
    async with within(client.responses.with_streaming_response.create(**RESPONSE)) as raw:
        return seen(raw, seen(await got(raw.parse())))


@form("openai", holds="usage")
async def openai_embeddings_raw(client):
    raw = await got(client.embeddings.with_raw_response.create(model="e-3", input=["a"]))
    return seen(raw, seen(await got(raw.parse())))


@form("openai", holds="usage")
async def openai_embeddings(client):
    return seen(await got(client.embeddings.create(model="e-3", input=["a", "b"])))


@form("openai", holds="usage")
async def openai_embeddings_as_floats(client):
    call = client.embeddings.create
    return seen(await got(call(model="e-3", input="a", encoding_format="float")))


@form("openai")
async def openai_completions(client):
    return seen(await got(client.completions.create(model="d-2", prompt="good morning to you")))


@form("openai")
async def openai_completions_stream(client):
    call = client.completions.create
    stream = await got(call(model="d-2", prompt="good morning to you", stream=True))
    return seen(stream, "".join([chunk_text(chunk) async for chunk in each(stream)]))


@form("openai", "azure")
async def openai_azure(client):
    return seen(await got(client.chat.completions.create(**CHAT)))


@form("openai", "azure")
async def openai_azure_stream(client):
    stream = await got(client.chat.completions.create(**CHAT, stream=True))
    return seen(stream, "".join([chunk_text(chunk) async for chunk in each(stream)]))
