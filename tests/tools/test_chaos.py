"""`tools/chaos` in small: nothing is lost, nothing said twice; and its judge sees what is wrong."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading

import pytest

from daemon.background.broker import BrokerError, find_mosquitto
from tools.delegations import chaos, judge
from tools.delegations.network import Network, missing
from tools.delegations.proxy import Proxy


@pytest.mark.e2e
@pytest.mark.timeout(110)
def test_nothing_is_lost_or_said_twice_while_everything_fails(tmp_path) -> None:
    """Budget: 15 s on two idle cores."""
    try:
        find_mosquitto()
    except BrokerError as error:
        pytest.skip(str(error))
    done = chaos.run(requests=24, seed=2, folder=tmp_path)
    figures = done["figures"]
    assert judge.failed(figures) == [], (figures, done["faults"])
    assert figures["promises"] >= 24
    assert figures["answered"] + figures["expired_aloud"] == figures["promises"]
    assert sum(done["faults"].values()) + sum(done["crash_points"].values()) >= 3


@pytest.mark.e2e
@pytest.mark.timeout(170)
def test_a_cable_that_is_unplugged_lossy_and_narrow_loses_nothing(tmp_path, monkeypatch) -> None:
    """Budget: 25 s on two idle cores."""
    why = missing()
    if why:
        pytest.skip(why)
    monkeypatch.setattr(chaos, "FAULT_GAP_S", 0.8)
    done = chaos.run(requests=24, seed=5, folder=tmp_path, network=True)
    assert judge.failed(done["figures"]) == [], (done["figures"], done["faults"])
    assert {"unplug", "lose", "narrow"} & set(done["faults"]), done["faults"]


@pytest.mark.e2e
def test_the_cable_passes_loses_and_is_unplugged() -> None:
    why = missing()
    if why:
        pytest.skip(why)
    with Network() as network, socket.create_server((network.address, 0)) as far:
        far.settimeout(5)
        network.lead(far.getsockname()[1])
        reach = (sys.executable, "-c", "import socket, sys\n"
                 "socket.create_connection(('127.0.0.1', int(sys.argv[1])), 1.5)",
                 str(far.getsockname()[1]))

        def reached() -> bool:
            inside = ("ip", "netns", "exec", network.name)
            return subprocess.run((*inside, *reach), capture_output=True).returncode == 0

        assert reached()
        for harm in (lambda: network.unplug(True), lambda: network.lose(99)):
            harm()
            assert not reached()
            network.heal()
            assert reached()
        network.narrow(64)
        shown = subprocess.run(("tc", "qdisc", "show", "dev", network._near_end),
                               capture_output=True, text=True).stdout
        assert "tbf" in shown and "64Kbit" in shown
    left = subprocess.run(("ip", "netns", "list"), capture_output=True, text=True).stdout
    assert network.name not in left


def _heard(*lines: tuple) -> list[dict]:
    names = {"promise": ("id", "number"), "begin": ("id", "n", "text"), "end": ("id", "n"),
             "completed": ("id", "n"), "over": ("id", "status", "sentences")}
    return [{"t_s": float(t_s), "event": event, **dict(zip(names[event], values))}
            for t_s, (event, *values) in enumerate(lines)]


SAID = (("begin", "a", 0, "Sentence 0 of 3."), ("end", "a", 0), ("completed", "a", 0))
WHOLE = (("promise", "a", 3), *SAID, ("over", "a", "final", 1))
FAULTS = {
    "nothing": (WHOLE, {}),
    "a promise without an end": (WHOLE[:-1], {"lost": 1}),
    "a request never taken": ((), {"lost": 1}),
    "a completed sentence again": ((*WHOLE[:-1], *SAID, WHOLE[-1]), {"sentences_twice": 1}),
    "a sentence left out": ((*WHOLE[:2], WHOLE[-1]), {"sentences_lost": 1}),
    "one that was killed before its mark": (
        (*WHOLE[:3], *SAID, WHOLE[-1]), {"heard_again": 1}),
    "another's answer": ((("promise", "a", 4), *WHOLE[1:]), {"wrong_sentences": 1}),
}


@pytest.mark.unit
@pytest.mark.parametrize("name", FAULTS)
def test_the_judge_sees(name: str) -> None:
    lines, expected = FAULTS[name]
    figures = judge.judge(_heard(*lines), [lines[0][2] if lines else 3])
    watched = ("lost", "sentences_lost", "sentences_twice", "heard_again", "wrong_sentences")
    assert {n: figures[n] for n in watched if figures[n]} == expected


@pytest.mark.unit
def test_the_proxy_passes_holds_tears_and_cuts() -> None:
    far = socket.create_server(("127.0.0.1", 0))
    with far, Proxy(far.getsockname()[1]) as proxy:
        def connected() -> tuple[socket.socket, socket.socket]:
            near = socket.create_connection(("127.0.0.1", proxy.port), 5)
            peer = far.accept()[0]
            peer.settimeout(5)
            near.sendall(b".")
            assert peer.recv(1) == b"."
            return near, peer

        near, peer = connected()
        near.sendall(b"hello")
        assert peer.recv(99) == b"hello"
        proxy.hold(True)
        near.sendall(b"held")
        threading.Timer(0.2, proxy.hold, (False,)).start()
        assert peer.recv(99) == b"held"
        proxy.tear()
        near.sendall(b"torn in two!")
        assert peer.recv(99) == b"torn i"
        with pytest.raises(ConnectionResetError):
            near.recv(99)
        near, peer = connected()
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            near.recv(99)
