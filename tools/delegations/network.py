"""A network of its own for a process: a namespace behind a virtual cable that can be unplugged, made
narrow (tc tbf) and lossy (nftables). Needs root, iproute2 and nftables.

Inside, one port of 127.0.0.1 leads to the same port of this side of the cable, so that what runs
there needs no other address than on loopback. The kernel's own delay (netem) is often not built
in; `proxy.Proxy` delays.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

CLONE_NEWNET = 0x40000000
"""Source: setns(2)."""
NEAR, FAR = "10.213.{0}.1", "10.213.{0}.2"
RULES = """
table ip tagalong {{
    chain output {{
        type nat hook output priority -100;
        ip daddr 127.0.0.1 tcp dport {port} dnat to {near}
    }}
    chain postrouting {{
        type nat hook postrouting priority 100;
        oifname "{cable}" masquerade
    }}
    chain lose_in {{ type filter hook input priority 0; }}
    chain lose_out {{ type filter hook output priority 0; }}
}}
"""
BURST_BYTES, QUEUE_MS = 4_000, 400
"""Of tc's token bucket."""


class NetworkError(Exception):
    """The network cannot be made; the message says why and what to do next."""


def missing() -> str:
    """Why no network can be made here; empty where it can."""
    absent = [name for name in ("ip", "tc", "nft") if shutil.which(name) is None]
    if absent:
        return f"no {', '.join(absent)}; next: apt-get install iproute2 nftables"
    return "" if os.geteuid() == 0 else "namespaces need root"


def _run(*command: str, text: str | None = None) -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        raise NetworkError(f"{' '.join(command)}: {done.stderr.strip()}")


class Network:
    """A namespace and its cable; a context manager."""

    def __init__(self, number: int = os.getpid() % 250) -> None:
        """number: 0 to 254, of the subnet."""
        self.name = f"tagalong{number}"
        self.address, self._far = NEAR.format(number), FAR.format(number)
        self._near_end, self._far_end = f"tag{number}n", f"tag{number}f"

    def __enter__(self) -> Network:
        """Raises NetworkError: not root, or a tool or a part of the kernel is missing."""
        why = missing()
        if why:
            raise NetworkError(why)
        try:
            self._lay()
        except NetworkError:
            self._remove()
            raise
        return self

    def _lay(self) -> None:
        _run("ip", "netns", "add", self.name)
        _run("ip", "link", "add", self._near_end, "type", "veth", "peer", "name", self._far_end,
             "netns", self.name)
        _run("ip", "addr", "add", f"{self.address}/30", "dev", self._near_end)
        _run("ip", "link", "set", self._near_end, "up")
        self._inside("ip", "addr", "add", f"{self._far}/30", "dev", self._far_end)
        for device in ("lo", self._far_end):
            self._inside("ip", "link", "set", device, "up")
        # what goes to loopback and is sent on to the cable is no martian
        self._inside("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")

    def lead(self, port: int) -> None:
        """Let this port of 127.0.0.1 inside lead to the same port of `address`."""
        rules = RULES.format(port=port, near=self.address, cable=self._far_end)
        self._inside("nft", "-f", "-", text=rules)

    def __exit__(self, *error: object) -> None:
        self._remove()

    def _remove(self) -> None:
        for command in (("ip", "link", "del", self._near_end), ("ip", "netns", "del", self.name)):
            subprocess.run(command, capture_output=True)

    def _inside(self, *command: str, text: str | None = None) -> None:
        _run("ip", "netns", "exec", self.name, *command, text=text)

    def unplug(self, out: bool) -> None:
        """Take the cable out, or put it in again."""
        _run("ip", "link", "set", self._near_end, "down" if out else "up")

    def lose(self, percent: int) -> None:
        """Drop so many of the packets, each way, by chance; 0 for none, 99 at most."""
        self._inside("nft", "flush chain ip tagalong lose_in; flush chain ip tagalong lose_out")
        for chain, name in (("lose_in", "iifname"), ("lose_out", "oifname")):
            if percent:
                self._inside("nft", f'add rule ip tagalong {chain} {name} "{self._far_end}" '
                             f"numgen random mod 100 < {percent} drop")

    def narrow(self, kbit: int | None) -> None:
        """Let so many kilobits a second through, each way; None for all."""
        subprocess.run(("tc", "qdisc", "del", "dev", self._near_end, "root"), capture_output=True)
        subprocess.run(("ip", "netns", "exec", self.name, "tc", "qdisc", "del", "dev",
                        self._far_end, "root"), capture_output=True)
        if kbit is not None:
            bucket = ("root", "tbf", "rate", f"{kbit}kbit", "burst", str(BURST_BYTES), "latency",
                      f"{QUEUE_MS}ms")
            _run("tc", "qdisc", "add", "dev", self._near_end, *bucket)
            self._inside("tc", "qdisc", "add", "dev", self._far_end, *bucket)

    def heal(self) -> None:
        """Cable in, nothing lost, as wide as it is."""
        self.unplug(False)
        self.lose(0)
        self.narrow(None)


def enter(name: str) -> None:
    """Move this process (its one thread) into the namespace of that name. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(Path("/var/run/netns") / name) as space:
        if libc.setns(space.fileno(), CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), name)
