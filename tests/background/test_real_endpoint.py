"""The agent against a real OpenAI-compatible server (`transformers serve`) on loopback, with a model
that is made on the spot: the protocol is real, the prose is always the same."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from daemon.background import wire
from daemon.background.agent import NO_MORE, AgentReasoner
from daemon.background.agent_config import AgentConfig

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / ".venv" / "serve" / "bin"
"""Environment of the server; `tools/test` makes it."""
SAID = ("The valve opens slowly.", "Turn it by hand until it stops.")
TORQUE = "what torque for an m eight bolt in aluminium"
LOCAL = "An M8 bolt in aluminium takes 16 newton metres."
START_S = 120.0


@dataclass
class Server:
    """A running server."""

    url: str
    model: str
    process: subprocess.Popen


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (SERVER / "transformers").exists():
        pytest.skip("no server of language models: tools/test makes .venv/serve")
    folder = tmp_path_factory.mktemp("model")
    maker = Path(__file__).with_name("tiny_language_model.py")
    subprocess.run([SERVER / "python", maker, folder, " ".join(SAID)], check=True, timeout=300,
                   env={**os.environ, "HF_HUB_OFFLINE": "1"})
    return folder


@pytest.fixture
def server(model: Path) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    process = subprocess.Popen(
        [SERVER / "transformers", "serve", "--device", "cpu", "--host", "127.0.0.1", "--port",
         str(port), model], env={**os.environ, "HF_HUB_OFFLINE": "1"}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + START_S
        while not _answers(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None and time.monotonic() < until, "the server did not start"
            time.sleep(0.2)
        yield Server(f"http://127.0.0.1:{port}/v1", str(model), process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as found:
            return found.status == 200
    except OSError:
        return False


def ask(words: str, **more) -> wire.Ask:
    return wire.Ask(id=wire.new_ulid(0), device="glasses", kind="question", words=words,
                    deadline_s=60, **more)


def test_a_real_server_streams_an_answer_that_is_spoken(local, server) -> None:
    config = AgentConfig(endpoint=server.url, model=server.model, timeout_s=60.0, quiet_s=30.0)
    said = [wire.Said(who="wearer", text="we begin"), wire.Said(who="tagalong", text="Yes.")]
    result = AgentReasoner(local, config).answer(
        ask("how does the valve open", conversation=tuple(said)), None, lambda: False)
    assert result is not None and result.sentences == SAID
    assert result.source == f"model {server.model}"[:200]


def test_an_answer_that_the_budget_cuts_off_ends_with_its_last_whole_sentence(local, server):
    config = AgentConfig(endpoint=server.url, model=server.model, timeout_s=60.0, quiet_s=30.0,
                         tokens=50)
    reasoner = AgentReasoner(local, config)
    said: list[str] = []
    result = reasoner.answer(ask(TORQUE), None, lambda: False, say=said.append)
    assert tuple(said) == SAID[:1], "said when the next one began, which was then cut off"
    assert result.sentences == (*SAID[:1], NO_MORE)


def test_a_server_that_dies_leaves_the_question_to_the_local_reasoner(local, server) -> None:
    config = AgentConfig(endpoint=server.url, model=server.model, timeout_s=20.0, quiet_s=5.0)
    reasoner = AgentReasoner(local, config)
    killed = threading.Timer(0.05, os.killpg, (server.process.pid, signal.SIGKILL))
    killed.start()
    result = reasoner.answer(ask(TORQUE), None, lambda: False)
    killed.join()
    assert result is not None and LOCAL in result.sentences
