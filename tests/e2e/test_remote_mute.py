"""Mute over a real Mosquitto into a running session: what a message may close, and may not open."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.background import wire
from daemon.config import BrokerConfig, Config
from daemon.control import ask
from daemon.mute import Sensor
from daemon.options import RunOptions
from daemon.remote_mute import MuteState, set_topic, state_topic
from daemon.run import Runner
from tests.e2e.mqtt_stage import LONG_S, broker, probe, until
from tests.e2e.scripted import Script, of, read_lines

__all__ = ["broker", "probe"]
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


class Session:
    """A live session with a camera, on a broker, and somebody far away who sees `mute/state`."""

    def __init__(self, broker, probe, folder: Path) -> None:
        self._probe = probe
        self.script = Script()
        self.options = RunOptions(
            microphone="none", camera="synthetic", speaker="none", broker=broker.url,
            events=folder / "e.jsonl", state_dir=folder, runtime_dir=folder)
        self.stopping = threading.Event()
        config = Config(broker=BrokerConfig(device="glasses"))
        self._thread = threading.Thread(target=lambda: Runner(config, model=self.script).run(
            self.options, stopping=self.stopping))
        self.away, self._states = probe(state_topic("glasses"))

    def __enter__(self) -> Session:
        self._thread.start()
        until(lambda: self._states, "the state at connect")
        return self

    def __exit__(self, *_) -> None:
        self.stopping.set()
        self._thread.join(LONG_S)

    @property
    def states(self) -> list[tuple[bool, bool]]:
        """Microphone and camera muted, as published."""
        found = [MuteState.model_validate_json(m.payload) for m in self._states]
        return [(state.microphone.muted, state.camera.muted) for state in found]

    def retained(self) -> MuteState:
        """What somebody who comes now is told."""
        told = []

        def asked() -> bool:
            _, seen = self._probe(state_topic("glasses"))
            until(lambda: seen, "a state")
            told.append(seen[0])
            return seen[0].retain  # one that came by just now says nothing of the next who asks

        until(asked, "the retained state")
        return MuteState.model_validate_json(told[-1].payload)

    def send(self, text: str, retain: bool = False) -> None:
        """Publish on `mute/set`."""
        self.away.publish(set_topic("glasses"), text, qos=1, retain=retain)

    def ask(self, verb: str, **fields) -> dict:
        """`tagalong mute` and its like."""
        return ask(self.options.control_socket, {"verb": verb, **fields})

    def muted(self, sensor: Sensor) -> bool:
        """As `tagalong status` says."""
        return self.ask("status")["sensors"][sensor.value]["muted"]

    def errors(self) -> list[str]:
        """Texts of the `error` events so far."""
        return [event["text"] for event in of(read_lines(self.options.events), "error")]


@pytest.fixture
def session(broker, probe, tmp_path) -> Iterator[Session]:
    with Session(broker, probe, tmp_path) as running:
        yield running


def seen_dark(session: Session) -> Callable[[], bool]:
    return lambda: session.script.turns[-1].state.camera_muted


def test_a_message_mutes_and_lifts_its_own_and_the_state_is_retained(session) -> None:
    assert session.states == [(False, False)]
    session.send('{"v":1,"sensor":"camera","muted":true}')
    until(seen_dark(session), "the camera is closed")
    until(lambda: session.states[-1] == (False, True), "and said to be")
    assert session.ask("status")["camera_open"] is False
    assert session.retained().camera.reasons == ("remote",)
    session.send('{"v":1,"sensor":"camera","muted":false}')
    until(lambda: not session.muted(Sensor.CAMERA), "open again")
    until(lambda: session.states[-1] == (False, False), "and said to be")
    assert session.retained().camera.reasons == ()


def test_a_message_does_not_open_what_was_muted_on_the_glasses(session) -> None:
    session.ask("mute", sensor="microphone")
    until(lambda: session.states[-1] == (True, False), "a local mute is published")
    session.send('{"v":1,"sensor":"all","muted":true}')
    until(lambda: session.states[-1] == (True, True), "both are muted")
    session.send('{"v":1,"sensor":"all","muted":false}')
    until(lambda: session.states[-1] == (True, False), "only its own is lifted")
    until(lambda: any("cannot lift" in text for text in session.errors()), "the refusal is told")
    assert session.muted(Sensor.MICROPHONE)
    session.ask("unmute", sensor="microphone")
    until(lambda: session.states[-1] == (False, False), "the wearer can")


def test_a_timed_mute_ends_and_the_same_message_again_changes_nothing(session) -> None:
    once = '{"v":1,"sensor":"camera","muted":true,"for_s":1,"id":"%s"}' % wire.new_ulid(1)
    session.send(once)
    until(lambda: session.states[-1] == (False, True), "muted")
    until(lambda: session.states[-1] == (False, False), "over by itself")
    session.send(once)
    session.send('{"v":1,"sensor":"microphone","muted":true}')
    until(lambda: session.states[-1] == (True, False), "only the next message counted")


def test_bad_and_retained_messages_mute_nothing(session) -> None:
    bad = ("", "nonsense", '{"v":9,"sensor":"camera","muted":true}', '{"v":1,"sensor":"camera"}',
           '{"v":1,"sensor":"nose","muted":true}', '{"v":1,"sensor":"camera","muted":"yes"}',
           '{"v":1,"sensor":"camera","muted":true,"for_s":1e9}', "x" * 2000)
    for text in bad:
        session.send(text)
    until(lambda: sum(count for name, count in session.ask("status")["link"].items()
                      if name.startswith("bad_")) == len(bad), "all were counted")
    link = session.ask("status")["link"]
    assert [link[f"bad_{why}"] for why in ("json", "version", "schema", "size")] == [2, 1, 4, 1]
    assert session.states == [(False, False)] and link["mutes"] == 0


def test_the_state_comes_again_at_every_connect_and_old_commands_do_not(
        broker, session) -> None:
    session.send('{"v":1,"sensor":"camera","muted":true}', retain=True)
    until(lambda: session.states[-1] == (False, True), "muted")
    session.send('{"v":1,"sensor":"camera","muted":false}')
    until(lambda: session.states[-1] == (False, False), "open")
    connects = session.ask("status")["link"]["connects"]
    broker.kill()
    until(lambda: not session.ask("status")["link"]["connected"], "the link is lost")
    session.ask("mute", sensor="microphone")
    broker.start()
    until(lambda: session.ask("status")["link"]["connects"] > connects, "connected again")
    until(lambda: session.retained().microphone.muted, "the state of now")
    assert not session.muted(Sensor.CAMERA)
