"""LangChain through `patch`: the steps of a chain become sessions, without a line in the chain."""

import sys
from importlib import import_module
from importlib.util import find_spec

import honeytrace
from honeytrace.cli import main as honeytrace_command

if find_spec("langchain_core") is None:
    print("This example needs LangChain: pip install langchain-core")
    sys.exit()

# Before or after the import; the model is one that LangChain has for tests.
honeytrace.patch(
    "langchain_core.runnables.base:RunnableSequence.invoke", name="chain", step="chain"
)
honeytrace.patch(
    "langchain_core.language_models.chat_models:BaseChatModel.invoke", name="model", step="model"
)

models = import_module("langchain_core.language_models.fake_chat_models")
prompts = import_module("langchain_core.prompts")

prompt = prompts.ChatPromptTemplate.from_messages([("user", "Say {word} in French.")])
chain = prompt | models.FakeListChatModel(responses=["Bonjour"])
print(chain.invoke({"word": "hello"}).content)

honeytrace.flush()
honeytrace_command(["show", "chain"])
