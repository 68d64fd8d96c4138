"""Judge the sessions that are stored already: a loop over them, and a model as the judge."""

from model_server import ModelServer
from openai import OpenAI

import honeytrace
from honeytrace import trace_session

honeytrace.instrument("openai")

QUESTIONS = ["What does yield do?", "What is a closure?"]


def say(client: OpenAI, text: str) -> str:
    answer = client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": text}]
    )
    return str(answer.choices[0].message.content)


@trace_session(step="chain")
def explain(client: OpenAI, question: str) -> str:
    return say(client, question)


@trace_session(step="evaluator")
def is_about(client: OpenAI, question: str, answer: str) -> bool:
    verdict = say(client, f"Is this an answer to {question!r}: yes or no? {answer}")
    return "YES" in verdict


with ModelServer() as server, OpenAI(base_url=server.openai_url, api_key="none") as client:
    for question in QUESTIONS:
        explain(client, question)
    for session in honeytrace.sessions("name:explain"):
        question, answer = session.inputs["question"], session.outputs["result"]
        good = is_about(client, question, answer)
        honeytrace.update_session(session.session_id, feedback={"on_topic": good})
        print(f"{question:22} {answer:22} on topic: {good}")
