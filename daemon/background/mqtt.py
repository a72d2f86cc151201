"""One way to make an MQTT 5 client, for device and worker: TLS, no Nagle, jittered back-off."""

from __future__ import annotations

import ipaddress
import random
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from daemon.background.wire import MAX_PACKET_BYTES

KEEPALIVE_S = 15
BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 10.0
"""What waited for the link is to be answered within 30 s of its return."""


class BrokerRefused(ValueError):
    """The broker's address or credentials cannot be used; the message says what to change."""


@dataclass(frozen=True)
class BrokerOptions:
    """Where the broker is and how to be let in."""

    url: str
    """mqtt://host[:port] on loopback, mqtts://host[:port] elsewhere; ports 1883 and 8883."""
    ca: Path | None = None
    """Certificates to trust (PEM), the system's when None."""
    cert: Path | None = None
    """Certificate of this client (PEM)."""
    key: Path | None = None
    """Its private key (PEM)."""
    username: str | None = None
    password_file: Path | None = None
    """The password is its first line."""


@dataclass(frozen=True)
class Address:
    """A broker's address, taken apart."""

    host: str
    port: int
    tls: bool


def parse_url(url: str) -> Address:
    """Take a broker's URL apart.

    Raises:
        BrokerRefused: another scheme, no host, or no TLS away from loopback.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise BrokerRefused(f"broker {url!r}: the port must be 1 to 65535") from None
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise BrokerRefused(
            f"broker {url!r}: expected mqtt://localhost[:port] or mqtts://host[:port]"
        )
    if parts.username or parts.password:
        raise BrokerRefused(
            "broker: the URL must not carry credentials; use username and password_file"
        )
    tls = parts.scheme == "mqtts"
    if not tls and not _is_loopback(parts.hostname):
        raise BrokerRefused(f"broker {url!r}: TLS is required away from loopback; use mqtts://")
    return Address(parts.hostname, port or (8883 if tls else 1883), tls)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def make_client(options: BrokerOptions, client_id: str, manual_ack: bool = False) -> paho.Client:
    """An MQTT 5 client with credentials, TLS and TCP_NODELAY, not yet connected.

    Raises:
        BrokerRefused: address, password file or certificates cannot be used.
    """
    address = parse_url(options.url)
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id, protocol=paho.MQTTv5, manual_ack=manual_ack
    )
    if options.username is not None:
        client.username_pw_set(options.username, _password(options.password_file))
    if address.tls:
        client.tls_set_context(_tls_context(options))
    client.on_socket_open = _no_delay
    client.max_inflight_messages_set(20)
    client.max_queued_messages_set(256)
    set_backoff(client, 0)
    return client


def _password(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BrokerRefused(f"password_file {path}: {error}; expected a readable file") from None
    if not lines or not lines[0]:
        raise BrokerRefused(f"password_file {path}: its first line is empty, not a password")
    return lines[0]


def _tls_context(options: BrokerOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if options.ca is None else str(options.ca))
        if options.cert is not None:
            key = None if options.key is None else str(options.key)
            context.load_cert_chain(str(options.cert), key)
    except (OSError, ssl.SSLError) as error:
        raise BrokerRefused(
            f"TLS files ca={options.ca} cert={options.cert} key={options.key}: {error}; "
            "expected readable PEM files"
        ) from None
    return context


def _no_delay(client: paho.Client, userdata: Any, sock: Any) -> None:
    """Without TCP_NODELAY a request and its response take 80 ms instead of 1 ms."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def connect(
    client: paho.Client,
    url: str,
    session_expiry_s: int,
    receive_maximum: int,
    keepalive_s: int = KEEPALIVE_S,
) -> None:
    """Begin to connect in paho's own thread, which goes on trying until the client is stopped.

    `session_expiry_s` above 0 asks for a session that outlives the connection. The first connect
    then must not be clean: Mosquitto forgets a session begun with a clean start when it restarts.
    """
    address = parse_url(url)
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = session_expiry_s
    properties.ReceiveMaximum = receive_maximum
    properties.MaximumPacketSize = MAX_PACKET_BYTES
    client.connect_async(
        address.host,
        address.port,
        keepalive=keepalive_s,
        clean_start=session_expiry_s == 0,
        properties=properties,
    )
    client.loop_start()


def set_backoff(client: paho.Client, failures: int) -> None:
    """Wait before the next attempt: half to all of a doubling delay, so that a fleet spreads."""
    full = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(failures, 10))
    delay = random.uniform(full / 2, full)
    client.reconnect_delay_set(delay, delay)  # type: ignore[arg-type]


def publish_properties(
    expiry_s: float | None = None, response_topic: str | None = None, correlation: str | None = None
) -> Properties:
    """Properties of one publish; message expiry is rounded up to whole seconds."""
    properties = Properties(PacketTypes.PUBLISH)
    if expiry_s is not None:
        properties.MessageExpiryInterval = max(1, int(expiry_s + 0.999))
    if response_topic is not None:
        properties.ResponseTopic = response_topic
    if correlation is not None:
        properties.CorrelationData = correlation.encode()
    return properties
