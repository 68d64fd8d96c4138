"""The SDKs that `instrument` knows, as tables."""

from __future__ import annotations

from honeytrace.integrations._stainless import Operation, Sdk

OPENAI = Sdk(
    "openai",
    operations=(
        Operation("/chat/completions", "chat.completions", "chat"),
        Operation("/responses", "responses", "responses"),
        Operation("/embeddings", "embeddings", "embeddings", step="embedding"),
        Operation("/completions", "completions", "completions"),
        Operation("/images/generations", "images.generations", "images"),
        Operation("/images/edits", "images.edits", "images"),
        Operation("/audio/transcriptions", "audio.transcriptions", "transcriptions"),
        Operation("/audio/translations", "audio.translations", "transcriptions"),
        Operation("/audio/speech", "audio.speech", "speech"),
        Operation("/moderations", "moderations", "moderations", step="guardrail"),
    ),
    skipped=(
        *("/files", "/uploads", "/batches", "/fine_tuning", "/vector_stores", "/assistants"),
        *("/threads", "/containers", "/cancel", "/input_tokens", "/realtime", "/conversations"),
        *("/evals", "/organization", "/webhooks", "/skills"),
    ),
    platforms=(("AzureOpenAI", "azure"), ("BedrockOpenAI", "bedrock")),
)

LITELLM = Sdk("litellm", operations=())

ANTHROPIC = Sdk(
    "anthropic",
    operations=(
        Operation("/messages", "messages", "messages"),
        Operation("/complete", "completions", "completions"),
    ),
    skipped=(
        *("/count_tokens", "/batches", "/files", "/skills", "/environments", "/sessions"),
        *("/agents", "/vaults", "/organizations", "/oauth"),
    ),
    platforms=(
        ("AnthropicBedrock", "bedrock"),
        ("AnthropicVertex", "vertex"),
        ("AnthropicFoundry", "azure"),
        ("AnthropicAWS", "aws"),
        ("AnthropicGoogleCloud", "vertex"),
    ),
    rewriting=("bedrock", "vertex"),
)
