"""Speech recognition by an OpenAI-compatible endpoint (vLLM, speaches, a cloud ...), and by a Whisper
model on this machine; PocketSphinx, which is always there, stands in when they fail."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from daemon.background.clip import CLIP_RATE, encode_flac
from daemon.background.spoken import words_of
from daemon.background.tools.manual_search import terms_of
from daemon.background.transcribe import Heard, last_utterance

LOG = logging.getLogger("tagalong.background")


class Recogniser(Protocol):
    """Hears a clip."""

    def hear(self, clip: np.ndarray) -> Heard:
        """Words of the last utterance of a clip, (T,) int16 at 16 kHz."""


def heard(text: str) -> Heard:
    """What a recogniser wrote, every word taken as sure."""
    plain = " ".join(text.split())
    return Heard(plain, dict.fromkeys(terms_of(words_of(plain)), 1.0), (plain,))


class EndpointRecogniser:
    """`POST /v1/audio/transcriptions` with the clip as FLAC.

    Source: OpenAI's API reference, "Create transcription".
    """

    def __init__(self, url: str, model: str, key: str, timeout_s: float) -> None:
        """url: up to and with `/v1`."""
        from openai import OpenAI

        self._client = OpenAI(base_url=url, api_key=key, timeout=timeout_s, max_retries=1)
        self._model = model

    def hear(self, clip: np.ndarray) -> Heard:
        """Raises what the client raises."""
        speech = last_utterance(clip)
        if not speech.size:
            return Heard("", {})
        done = self._client.audio.transcriptions.create(
            file=("question.flac", encode_flac(speech), "audio/flac"), model=self._model,
            language="en", response_format="json")
        return heard(done.text)


class WhisperRecogniser:
    """faster-whisper with a CTranslate2 model that lies in a folder; nothing is downloaded."""

    def __init__(self, folder: Path) -> None:
        """Raises ImportError without faster-whisper, ValueError where the folder holds no model."""
        from faster_whisper import WhisperModel

        if not (folder / "model.bin").is_file():
            raise ValueError(f"whisper {folder}: no model.bin in it; expected a folder with a "
                             "CTranslate2 model of Whisper, as ct2-transformers-converter makes")
        self._model: Any = WhisperModel(str(folder), device="auto", local_files_only=True)

    def hear(self, clip: np.ndarray) -> Heard:
        """Raises what the library raises."""
        speech = last_utterance(clip)
        if not speech.size:
            return Heard("", {})
        assert CLIP_RATE == 16_000  # what Whisper takes
        segments, _ = self._model.transcribe(speech.astype(np.float32) / 32768, language="en",
                                             beam_size=1, condition_on_previous_text=False)
        return heard(" ".join(segment.text for segment in segments))


class Recognisers:
    """The first that does not fail; the last is always there."""

    def __init__(self, better: Recogniser | None, always: Recogniser) -> None:
        self._better, self._always = better, always

    def hear(self, clip: np.ndarray) -> Heard:
        """Words of the last utterance."""
        if self._better is not None:
            try:
                return self._better.hear(clip)
            except Exception as error:  # of the client, the endpoint or the library
                LOG.warning("the recogniser gave no words (%s); PocketSphinx listens",
                            type(error).__name__)
        return self._always.hear(clip)
