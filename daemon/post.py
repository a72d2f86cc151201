"""The way out of a device's desk: paho's client while it is connected."""

from __future__ import annotations

import paho.mqtt.client as paho

from daemon.background import wire
from daemon.background.mqtt import publish_properties


class MqttPost:
    """The desk's way out: paho's client while it is connected."""

    def __init__(self, client: paho.Client, device: str) -> None:
        self._client, self._device = client, device
        self.connected = False

    def publish(
        self, topic: str, payload: bytes, left_s: float | None = None, answer_to: str | None = None
    ) -> None:
        response = None if answer_to is None else wire.answer_topic(self._device, answer_to)
        properties = publish_properties(left_s, response, answer_to)
        self._client.publish(topic, payload, qos=1, properties=properties)
