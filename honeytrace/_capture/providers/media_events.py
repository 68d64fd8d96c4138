"""Merge the events of OpenAI's transcriptions, images and speech."""

from __future__ import annotations

from collections.abc import Callable

from honeytrace._capture.providers.deltas import Budget, Run, Text
from honeytrace._utils.json import Json


class TranscriptEvents:
    """Merges the events of one transcription. `add` returns False for anything else."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._text = Text(budget)
        self._whole: Json = {}

    def add(self, event: Json) -> bool:
        kind, delta = event.get("type"), event.get("delta")
        if type(kind) is not str or not kind.startswith("transcript.text.") or self._whole:
            return False
        if kind == "transcript.text.done":  # it repeats the text
            _put_all(self._budget, self._whole, event)
        elif type(delta) is str:
            self._text.add(delta)
        return True

    def result(self) -> Json:
        return self._whole or {"text": self._text.joined()}


class ImageEvents:
    """Merges the events of one image, of which the last is the whole. `add` is as above."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._image: Json = {}
        self._whole: Json = {}

    def add(self, event: Json) -> bool:
        kind = event.get("type")
        if type(kind) is not str or not kind.startswith(("image_generation.", "image_edit.")):
            return False
        if self._whole:  # the next image
            return False
        rest = dict(event)
        self._image = self._budget.swap(self._image, {"b64_json": rest.pop("b64_json", None)})
        if kind.endswith(".completed"):
            _put_all(self._budget, self._whole, rest)
        return True

    def result(self) -> Json:
        return {**self._whole, "data": [self._image]}


class SpeechEvents:
    """Merges the events of one speech; of the sound, only the size. `add` is as above."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._bytes = 0
        self._whole: Json = {}

    def add(self, event: Json) -> bool:
        kind, audio = event.get("type"), event.get("audio")
        if type(kind) is not str or not kind.startswith("speech.audio.") or self._whole:
            return False
        if kind == "speech.audio.done":
            _put_all(self._budget, self._whole, event)
        elif type(audio) is str:
            self._bytes += len(audio) * 3 // 4 - audio.count("=", -2)
        return True

    def result(self) -> Json:
        return {**self._whole, "audio": f"<audio: {self._bytes} bytes>"}


MEDIA_RUNS: tuple[Callable[[Budget], Run], ...] = (TranscriptEvents, ImageEvents, SpeechEvents)

LAST_MEDIA_EVENTS = (
    *("transcript.text.done", "speech.audio.done"),
    *("image_generation.completed", "image_edit.completed"),
)
"""The events after which the answer is complete."""


def _put_all(budget: Budget, whole: Json, event: Json) -> None:
    for key, value in event.items():
        if key != "type":
            budget.put(whole, key, value)
