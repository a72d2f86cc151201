"""Whether the MQTT broker lets this device in and speaks for it when it dies."""

from __future__ import annotations

import shutil
import socket
import threading
from dataclasses import dataclass
from typing import Any

from daemon.background.broker import default_cache
from daemon.background.mqtt import BrokerOptions, BrokerRefused, make_client, parse_url
from daemon.checks.base import Result, fail, ok

ANSWER_S = 5.0
"""Longest wait for each step."""


class _NoAnswer(Exception):
    """The broker did not do its part in time."""


@dataclass(frozen=True)
class Broker:
    """Connects, then lets a second connection break and waits for its last will."""

    options: BrokerOptions
    """`url` may also be none or embedded."""
    device: str = "glasses"
    name: str = "broker"

    def run(self) -> Result:
        """Try the broker for real."""
        if self.options.url == "none":
            return ok("switched off (broker.url = none): open questions are not answered")
        if self.options.url == "embedded":
            return _embedded()
        again = "tagalong doctor; mosquitto -v shows the broker's side"
        try:
            self._will_round_trip()
        except BrokerRefused as error:
            return fail(str(error), "edit [broker] in tagalong.toml")
        except (OSError, _NoAnswer) as error:
            return fail(f"{self.options.url}: {error}", again)
        return ok(f"{self.options.url} lets {self.device} in, last will seen")

    def _will_round_trip(self) -> None:
        topic = f"tagalong/1/{self.device}/doctor"
        heard = threading.Event()
        witness = make_client(self.options, f"{self.device}-doctor-witness")
        witness.on_message = lambda *_: heard.set()
        self._connect(witness)
        try:
            self._subscribe(witness, topic)
            victim = make_client(self.options, f"{self.device}-doctor-victim")
            victim.will_set(topic, b"offline", qos=1)
            self._connect(victim)
            _break(victim)
            if not heard.wait(ANSWER_S):
                raise _NoAnswer(f"connects, but no last will arrived on {topic}: check the ACL")
        finally:
            witness.disconnect()
            witness.loop_stop()

    def _connect(self, client: Any) -> None:
        """Connect and wait for the broker's word, then leave the loop to paho's thread."""
        answered = threading.Event()
        reasons: list[Any] = []

        def on_connect(_client: Any, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
            reasons.append(reason)
            answered.set()

        client.on_connect = on_connect
        address = parse_url(self.options.url)
        client.connect_timeout = ANSWER_S
        client.connect(address.host, address.port, keepalive=10, clean_start=True)
        client.loop_start()
        if not answered.wait(ANSWER_S):
            client.loop_stop()
            raise _NoAnswer(f"takes the connection and says nothing for {ANSWER_S:g} s: MQTT 5?")
        if reasons[0].is_failure:
            client.disconnect()
            client.loop_stop()
            raise _NoAnswer(f"refuses {self.options.username or 'anonymous users'}: {reasons[0]}")

    def _subscribe(self, client: Any, topic: str) -> None:
        granted = threading.Event()
        client.on_subscribe = lambda *_: granted.set()
        client.subscribe(topic, qos=1)
        if not granted.wait(ANSWER_S):
            raise _NoAnswer(f"does not answer a subscription to {topic}")


def _break(client: Any) -> None:
    """Cut the line without a goodbye, as a dying device would."""
    client.reconnect_delay_set(120, 120)
    client.socket().shutdown(socket.SHUT_RDWR)
    client.loop_stop()


def _embedded() -> Result:
    sbin = "/usr/sbin:/usr/local/sbin"
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path=sbin)
    if program is None and (default_cache() / "usr/sbin/mosquitto").is_file():
        program = str(default_cache() / "usr/sbin/mosquitto")
    if program is None:
        return fail("no mosquitto for the embedded broker", "sudo apt install mosquitto")
    return ok(f"embedded, with {program}")
