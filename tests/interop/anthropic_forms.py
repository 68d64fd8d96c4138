"""Every form of call that Anthropic's SDK offers."""

from __future__ import annotations

from form_tools import (
    ANTHROPIC_TOOLS,
    ASKED,
    CLAUDE,
    FILE,
    TEXT,
    each,
    form,
    got,
    raised,
    seen,
    until_error,
    within,
)

FAILED = b"""event: error
data: {"type": "error", "error": {"type": "overloaded_error", "message": "Not now"}}

"""

# Anthropic


@form("anthropic")
async def anthropic_messages(client):
    return seen(await got(client.messages.create(**CLAUDE, system="Be kind")))


@form("anthropic", holds="tool")
async def anthropic_messages_with_tools(client):
    return seen(await got(client.messages.create(**CLAUDE, tools=ANTHROPIC_TOOLS)))


@form("anthropic", holds="file")
async def anthropic_messages_with_image(client):
    source = {"type": "base64", "media_type": "image/png", "data": FILE}
    asked = [{"role": "user", "content": [TEXT, {"type": "image", "source": source}]}]
    return seen(await got(client.messages.create(**{**CLAUDE, "messages": asked})))


@form("anthropic")
async def anthropic_messages_with_thinking(client):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    return seen(await got(client.messages.create(**CLAUDE, extra_body={"thinking": thinking})))


@form("anthropic")
async def anthropic_messages_stream(client):
    stream = await got(client.messages.create(**CLAUDE, stream=True))
    return seen(stream, [event.model_dump() async for event in each(stream)])


@form("anthropic", holds="part")
async def anthropic_messages_stream_closed_early(client):
    stream = await got(client.messages.create(**CLAUDE, stream=True))
    kinds = []
    async for event in each(stream):
        kinds.append(event.type)
        if len(kinds) == 4:
            break
    await got(stream.close())
    return seen(stream, kinds, stream.response.is_closed)


@form("anthropic")
async def anthropic_stream_helper(client):
    async with within(client.messages.stream(**CLAUDE)) as stream:
        texts = [text async for text in each(stream.text_stream)]
    return seen(stream, texts)


@form("anthropic", holds="tool")
async def anthropic_stream_helper_with_tools(client):
    async with within(client.messages.stream(**CLAUDE, tools=ANTHROPIC_TOOLS)) as stream:
        return seen(await got(stream.get_final_message()))


@form("anthropic", holds="part", broken=True)
async def anthropic_stream_broken_off(client):
    stream = await got(client.messages.create(**CLAUDE, stream=True))
    return seen(stream, [event.type async for event in each(stream)])


@form("anthropic", holds="part and error", broken=True, cut=True)
async def anthropic_stream_cut(client):
    stream = await got(client.messages.create(**CLAUDE, stream=True))
    return seen(stream, await until_error(stream, lambda event: event.type))


@form("anthropic", holds="part and error", broken=True, last=FAILED)
async def anthropic_stream_failing(client):
    stream = await got(client.messages.create(**CLAUDE, stream=True))
    return seen(stream, await until_error(stream, lambda event: event.type))


@form("anthropic", holds="nothing")
async def anthropic_stream_never_read(client):
    stream = await got(client.messages.create(**CLAUDE, stream=True))
    await got(stream.close())
    return seen(stream)


@form("anthropic")
async def anthropic_beta(client):
    return seen(await got(client.beta.messages.create(**CLAUDE)))


@form("anthropic")
async def anthropic_beta_stream(client):
    stream = await got(client.beta.messages.create(**CLAUDE, stream=True))
    return seen(stream, [event.type async for event in each(stream)])


@form("anthropic")
async def anthropic_raw(client):
    raw = await got(client.messages.with_raw_response.create(**CLAUDE))
    return seen(raw, seen(await got(raw.parse())))


@form("anthropic")
async def anthropic_raw_stream(client):
    raw = await got(client.messages.with_raw_response.create(**CLAUDE, stream=True))
    stream = await got(raw.parse())
    return seen(raw, seen(stream), [event.type async for event in each(stream)])


@form("anthropic")
async def anthropic_streaming_response(client):
    async with within(client.messages.with_streaming_response.create(**CLAUDE)) as raw:
        return seen(raw, seen(await got(raw.parse())))


@form("anthropic")
async def anthropic_streaming_response_lines(client):
    call = client.messages.with_streaming_response.create
    async with within(call(**CLAUDE, stream=True)) as raw:
        return seen(raw, [line async for line in each(raw.iter_lines())])


@form("anthropic", holds="error", failures=[400])
async def anthropic_refused(client):
    try:
        await got(client.messages.create(**CLAUDE))
    except Exception as error:
        return raised(error)


@form("anthropic", failures=[429])
async def anthropic_retried(client):
    return seen(await got(client.messages.create(**CLAUDE)))


@form("anthropic", sessions=0)
async def anthropic_count_tokens(client):
    try:
        await got(client.messages.count_tokens(model="claude-4", messages=ASKED))
    except Exception as error:
        return type(error).__qualname__


@form("anthropic", "vertex")
async def anthropic_vertex(client):
    return seen(await got(client.messages.create(**CLAUDE)))


@form("anthropic", "vertex")
async def anthropic_vertex_stream(client):
    stream = await got(client.messages.create(**CLAUDE, stream=True))
    return seen(stream, [event.type async for event in each(stream)])


@form("anthropic", "bedrock")
async def anthropic_bedrock(client):
    return seen(await got(client.messages.create(**CLAUDE)))


@form("anthropic", "bedrock")
async def anthropic_bedrock_stream(client):
    stream = await got(client.messages.create(**CLAUDE, stream=True))
    return seen(stream, [event.type async for event in each(stream)])


@form("anthropic", "bedrock")
async def anthropic_bedrock_stream_helper(client):
    async with within(client.messages.stream(**CLAUDE)) as stream:
        return seen(stream, [text async for text in each(stream.text_stream)])
