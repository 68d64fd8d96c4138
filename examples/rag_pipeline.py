"""Answers a question about Python from the manual that ships with it, and shows every step.

    python examples/rag_pipeline.py "what does yield do?"

The passages are found by BM25 and quoted. With OPENAI_API_KEY set (and OPENAI_BASE_URL and
OPENAI_MODEL, if need be) a model writes the answer from them.
"""

import math
import os
import re
import sys
import textwrap
import uuid
from collections import Counter
from dataclasses import dataclass, replace
from pydoc_data.topics import topics
from typing import Any

import httpx

import honeytrace
from honeytrace import trace_session
from honeytrace.cli import main as honeytrace_command

SIZE = 900  # of a passage, in characters
SMALL = r"\b(a|an|and|are|can|do|does|how|i|in|is|it|mean|of|the|to|what|when|where|why|work)\b"
TITLE = re.compile(r"(.+)\n([*=~^-])\2+|([\w.]+\(.*\))")  # underlined, or a signature alone
SENTENCE = re.compile(r'.+?(?:[.!?][")”*]*(?=\s+[A-Z"“*(]|$)|:$)', re.DOTALL)
PROSE = re.compile(r'(?!See |For full|\w+ in version|\*\*PEP)["“(*]*[A-Z"“](?!.*\| )')


@dataclass(frozen=True)
class Passage:
    source: str
    text: str
    title: str = ""  # of the section that begins here
    score: float = 0.0
    quote: str = ""


def read_manual() -> list[Passage]:
    """Cut the topics at their titles, and between them where a passage would grow too long."""
    found: dict[str, Passage] = {}
    # Long topics repeat shorter ones: a passage stays with the shortest, most specific one.
    for topic in sorted(topics, key=lambda name: len(topics[name])):
        passages = [Passage(topic, "")]
        for block in topics[topic].split("\n\n"):
            last = passages[-1]
            if heading := TITLE.fullmatch(block.strip()):
                title = heading[1] or heading[3]
                passages.append(Passage(f"{topic}: {title}", "", title))
            elif len(last.text) + len(block) > SIZE:
                passages.append(Passage(last.source, block))
            else:
                passages[-1] = replace(last, text=f"{last.text}\n\n{block}".strip("\n"))
        found = {p.text: p for p in passages if p.text} | found
    return list(found.values())


def words(text: str) -> list[str]:
    """Return the words without their endings, so that `Yielding` and `yields` are both `yield`."""
    return [re.sub(r"(?<=\w{4})(ing|ed|es|s|e)$", "", w) for w in re.findall(r"\w+", text.lower())]


def sentences(text: str) -> list[str]:
    """Return the prose of a passage, without its code, tables and cross-references."""
    found = (" ".join(s.split()) for block in text.split("\n\n") for s in SENTENCE.findall(block))
    return [sentence for sentence in found if PROSE.match(sentence)]


class Manual:
    """BM25: a word counts more the rarer it is, and less the longer the passage it stands in."""

    def __init__(self, passages: list[Passage], k1: float = 1.5, b: float = 0.75) -> None:
        self.passages, self.k1, self.b = passages, k1, b
        # A title says more about a passage than as many words of its text.
        self.counts = [Counter(words(f"{p.source} {p.title} {p.title} {p.text}")) for p in passages]
        self.mean = sum(count.total() for count in self.counts) / len(passages)
        n, held = len(passages), Counter(word for count in self.counts for word in count)
        self.idf = {word: math.log(1 + (n - h + 0.5) / (h + 0.5)) for word, h in held.items()}

    @trace_session(name="retrieve", config_args=("k",))
    def retrieve(self, question: str, k: int = 2) -> list[Passage]:
        asked = words(re.sub(SMALL, "", question.lower())) or words(question)
        asked = [word for word in asked if word in self.idf]
        best = self.rerank(asked, self.search(asked))[:k]
        return [p for p in best if p.score > best[0].score / 2]

    @trace_session(name="search", config_args=("k",))
    def search(self, asked: list[str], k: int = 20) -> list[Passage]:
        scores = [self.bm25(asked, count) for count in self.counts]
        scored = [replace(p, score=s) for p, s in zip(self.passages, scores, strict=True) if s]
        return sorted(scored, key=lambda p: -p.score)[:k]

    @trace_session(name="rerank")
    def rerank(self, asked: list[str], passages: list[Passage]) -> list[Passage]:
        """Put first what defines the thing asked about, and quote it from there on."""
        ranked: list[Passage] = []
        for p in passages:
            lines = sentences(p.text)
            fits = [self.fit(asked, line) for line in lines] or [0.0]
            fits[0] += self.fit(asked, p.title)  # the first sentence explains the title
            quote = " ".join(lines[fits.index(max(fits)) :][:4])
            ranked.append(replace(p, score=p.score * max(fits), quote=quote))
        return sorted((p for p in ranked if p.quote), key=lambda p: -p.score)

    def bm25(self, asked: list[str], count: Counter[str]) -> float:
        norm = self.k1 * (1 - self.b + self.b * count.total() / self.mean)
        return sum(self.idf[w] * count[w] * (self.k1 + 1) / (count[w] + norm) for w in asked)

    def fit(self, asked: list[str], text: str) -> float:
        """Return a score: high for text that has the words early, and `is` or `are` after them."""
        found = words(text)
        held = [word for word in asked if word in found]
        first = min(map(found.index, held), default=0)
        defines = not {"is", "are"}.isdisjoint(found[first + 1 : first + 3])
        share = sum(self.idf[w] for w in held) / sum(self.idf[w] for w in asked)
        return share * (1 + 1 / (1 + first / 2) + defines / 2)


@trace_session(name="answer")
def answer(question: str, passages: list[Passage]) -> str:
    if not passages:
        return "The manual has nothing on that."
    if not os.environ.get("OPENAI_API_KEY"):
        return "\n\n".join(f"{textwrap.fill(p.quote, 90)}\n[{p.source}]" for p in passages)
    task = "Answer from these passages alone, and name the one you used."
    texts = "\n\n".join(f"[{p.source}]\n{p.text}" for p in passages)
    messages = [
        {"role": "system", "content": f"{task}\n\n{texts}"},
        {"role": "user", "content": question},
    ]
    completion = chat(os.environ.get("OPENAI_MODEL") or "gpt-4o-mini", messages)
    return str(completion["choices"][0]["message"]["content"])


@trace_session(name="chat", config_args=("model",))
def chat(model: str, messages: list[dict[str, str]]) -> dict[str, Any]:
    base = os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    response = httpx.post(
        f"{base.rstrip('/')}/chat/completions",
        headers={"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"},
        json={"model": model, "messages": messages},
        timeout=60,
    )
    return dict(response.raise_for_status().json())


def ask(manual: Manual, question: str, session_id: str | None = None) -> str:
    asked, about = {"question": question}, {"corpus": "pydoc_data.topics"}
    with trace_session(
        "RAG pipeline", session_id=session_id, inputs=asked, metadata=about
    ) as session:
        passages = manual.retrieve(question)
        session.metrics["hits"] = len(passages)
        text = answer(question, passages)
        session.outputs = {"answer": text, "sources": [p.source for p in passages]}
    return text


def show(session_id: str) -> None:
    honeytrace.flush(timeout=5)
    stats, config = honeytrace.stats(), honeytrace.configure()
    if not config.enabled:
        return
    if config.local:
        honeytrace_command(["show", session_id])
    else:
        print(f"{stats.delivered} of {stats.accepted} sessions went to {config.server_url}.")
        print(f"The outermost one is {session_id}.")


def main() -> int:
    question = " ".join(sys.argv[1:] or ["what does yield do?"]).strip()
    if not question:
        print('The question is empty: ask one, such as "what does yield do?".', file=sys.stderr)
        return 2
    session_id = str(uuid.uuid4())
    try:
        print(ask(Manual(read_manual()), question, session_id), end="\n\n")
    finally:
        show(session_id)
    return 0


if __name__ == "__main__":
    sys.exit(main())
