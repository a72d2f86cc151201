"""Whatever comes: a payload is a message of ours or refused with a reason that is counted."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.background import wire
from daemon.background.broker import BrokerError, find_mosquitto
from daemon.background.clip import decode_flac, encode_flac
from daemon.background.wire import Answer, Ask, BadPayload, Cancel
from daemon.promises import COUNTERS
from daemon.remote_mute import parse_set
from tools.delegations import hostile, mutate

PARSERS: dict[str, Callable[[bytes], object]] = {
    "answer": lambda payload: wire.parse(Answer, payload),
    "ask": lambda payload: wire.parse(Ask, payload),
    "cancel": lambda payload: wire.parse(Cancel, payload),
    "mute/set": parse_set,
    "attachment": decode_flac,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(("v", "id", "n", "kind", "worker", "type", "text", "sensor", "muted"))
        | st.text(max_size=5), inner, max_size=6),
    max_leaves=12)
DEVICE_REASONS = {name.removeprefix("bad_") for name in COUNTERS if name.startswith("bad_")}


def _judged(name: str, payload: bytes) -> None:
    try:
        PARSERS[name](payload)
    except BadPayload as error:
        assert error.reason and len(str(error)) < 500
        if name in ("answer", "mute/set"):
            assert error.reason in DEVICE_REASONS


@pytest.mark.unit
@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=60, deadline=None)
@given(payload=st.binary(max_size=200) | JSON.map(lambda raw: json.dumps(raw).encode()))
def test_any_bytes_are_judged(name: str, payload: bytes) -> None:
    _judged(name, payload)


@pytest.mark.unit
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), which=st.integers(0, 4))
def test_nearly_right_payloads_are_judged(seed: int, which: int) -> None:
    target = mutate.targets("w-1", lambda: "01HF7YAT000000000000000001")[which]
    (topic, payload) = target.shot(random.Random(seed))[-1]
    device, rest = wire.split_topic(topic)
    assert device == mutate.DEVICE and rest
    _judged(target.name, payload)


@pytest.mark.unit
@settings(max_examples=100, deadline=None)
@given(topic=st.text(max_size=60) | st.lists(
    st.sampled_from(("tagalong", "1", "glasses", "ask", "+", "#", "", "$share", "..")),
    max_size=7).map("/".join))
def test_any_topic_is_judged(topic: str) -> None:
    try:
        device, rest = wire.split_topic(topic)
    except BadPayload as error:
        assert error.reason == "topic"
    else:
        assert topic == "/".join((wire.PREFIX, device, *rest))


@pytest.mark.e2e
@pytest.mark.timeout(110)
def test_both_sides_live_through_mutated_payloads_on_every_topic() -> None:
    """`tools/hostile` in small, through a real Mosquitto."""
    try:
        find_mosquitto()
    except BrokerError as error:
        pytest.skip(str(error))
    done = hostile.run(payloads=60, seed=3)
    assert done["threads_lost"] == 0 and done["answered_afterwards"]
    for name, figures in done["topics"].items():
        assert figures["counted"] == figures["messages"], name
        assert sum(n for reason, n in figures.items() if reason.startswith("bad_")) > 20, name


@pytest.mark.unit
def test_a_clip_whose_tags_are_no_text_is_refused() -> None:
    """Found by `tools/hostile`: it ended the worker."""
    clip = encode_flac(np.arange(1_000, dtype=np.int16))
    assert b"encoder=" in clip
    with pytest.raises(BadPayload, match="audio"):
        decode_flac(clip.replace(b"encoder=", b"enc\x94der="))
