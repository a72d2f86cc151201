"""Who writes down the sound of a question: an endpoint over real HTTP, else PocketSphinx."""

from __future__ import annotations

import email
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest

from daemon.background import wire
from daemon.background.agent import AgentReasoner
from daemon.background.agent_config import AgentConfig, AgentError, load_agent
from daemon.background.clip import decode_flac
from daemon.background.recognisers import EndpointRecogniser, Recognisers, heard
from daemon.background.transcribe import Heard, last_utterance
from models.scenarios import voices
from tests.background.openai_stage import endpoint, says, serving
from tests.background.test_real_endpoint import ROOT, SERVER

pytestmark = pytest.mark.e2e
TORQUE = "what torque for an m eight bolt in aluminium"
LOCAL = "An M8 bolt in aluminium takes 16 newton metres."


@dataclass
class AudioStage:
    """A running server, and what it was sent: form fields by name."""

    url: str = ""
    forms: list[dict[str, bytes]] = field(default_factory=list)


@contextmanager
def audio(status: int = 200, body: bytes = b'{"text": "%s"}' % TORQUE.encode(),
          wait_s: float = 0.0) -> Iterator[AudioStage]:
    """`/v1/audio/transcriptions` on loopback."""
    stage = AudioStage()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Quiet."""

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            form = email.message_from_bytes(
                b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n" + sent)
            stage.forms.append({p.get_param("name", header="content-disposition"):
                                p.get_payload(decode=True) for p in form.get_payload()})
            time.sleep(wait_s)
            right = self.path == "/v1/audio/transcriptions"
            try:
                self.send_response(status if right else 404)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                return  # the client has gone

    with serving(Handler) as stage.url:
        yield stage


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    spoken = voices.espeak().speak(TORQUE.split(), "m1").pcm
    return np.concatenate([np.zeros(16_000, np.int16), spoken, np.zeros(8_000, np.int16)])


class Never:
    """Is not to be asked."""

    def hear(self, clip: np.ndarray) -> Heard:
        raise AssertionError("PocketSphinx was asked")


class Always:
    """What is always there."""

    def hear(self, clip: np.ndarray) -> Heard:
        return heard("from pocketsphinx")


def test_the_last_utterance_goes_as_flac_and_its_words_come_back(clip) -> None:
    with audio() as stage:
        ears = Recognisers(EndpointRecogniser(stage.url, "whisper-x", "key", 5.0), Never())
        found = ears.hear(clip)
    assert found.text == TORQUE and found.terms["aluminium"] == 1.0
    (form,) = stage.forms
    assert form["model"] == b"whisper-x" and form["language"] == b"en"
    assert np.array_equal(decode_flac(form["file"]), last_utterance(clip))


def test_silence_is_not_sent() -> None:
    with audio() as stage:
        ears = Recognisers(EndpointRecogniser(stage.url, "m", "key", 5.0), Never())
        assert ears.hear(np.zeros(48_000, np.int16)).text == ""
    assert stage.forms == []


@pytest.mark.parametrize("trouble", [
    {"status": 500}, {"status": 401}, {"body": b"{]] \xff"}, {"wait_s": 3.0}],
    ids=["500", "401", "rubbish", "hangs"])
def test_pocketsphinx_listens_where_the_endpoint_gives_nothing(clip, trouble) -> None:
    began_s = time.monotonic()
    with audio(**trouble) as stage:
        ears = Recognisers(EndpointRecogniser(stage.url, "m", "key", 0.5), Always())
        assert ears.hear(clip).text == "from pocketsphinx"
    assert time.monotonic() - began_s < 10.0


def test_what_the_endpoint_heard_is_asked_of_the_model_and_answered_without_it(clip, local):
    with audio() as sound, endpoint(says("")) as stage:
        config = AgentConfig(endpoint=stage.url, audio_endpoint=sound.url, timeout_s=10.0,
                             quiet_s=1.0)
        ask = wire.Ask(id=wire.new_ulid(0), device="glasses", kind="question", words="what talk",
                       deadline_s=30)
        result = AgentReasoner(local, config).answer(ask, clip, lambda: False)
    assert f"what talk / {TORQUE}" in json.dumps(stage.asked[0]["messages"])
    assert result is not None and LOCAL in result.sentences


def test_a_whisper_that_cannot_be_had_is_told(local, tmp_path: Path) -> None:
    config = AgentConfig(endpoint="http://127.0.0.1:9/v1", whisper=tmp_path)
    with pytest.raises(AgentError, match="pip install faster-whisper|no model.bin in it"):
        AgentReasoner(local, config)


def test_one_recogniser_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('endpoint = "http://x/v1"\naudio_endpoint = "http://y/v1"\n'
                    'whisper = "/models/w"\n')
    with pytest.raises(AgentError, match="either audio_endpoint or whisper"):
        load_agent(file)


def test_faster_whisper_writes_down_what_a_model_of_random_weights_hears(tmp_path: Path) -> None:
    """The library and its form of a model are real, the words are not."""
    if not list(SERVER.parent.glob("lib/python*/site-packages/faster_whisper")):
        pytest.skip("no faster-whisper: tools/test makes .venv/serve")
    done = subprocess.run(
        [SERVER / "python", Path(__file__).with_name("tiny_whisper.py"), tmp_path], timeout=300,
        capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1])["text"] != ""
