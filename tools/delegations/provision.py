"""`tools/provision`: what a broker, its devices and its workers need to trust one another.

A folder holds the authority (`ca.pem`, `ca.key`: keep it offline), the list of the revoked
(`crl.pem`), certificates with their keys, and Mosquitto's `tagalong.conf` and `tagalong.acl`.
Nobody has a password: a client is who its certificate says. After `worker` and `revoke` the broker
must read its files again: `systemctl restart mosquitto`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from daemon.background.wire import PREFIX, check_name
from tools.delegations.authority import Authority, ProvisionError

DEVICE_RULES = f"""# A client is who its certificate says (%u). A device uses its
# own topics only; it can neither answer itself nor read what it asked.
pattern write {PREFIX}/%u/ask
pattern write {PREFIX}/%u/cancel/+
pattern write {PREFIX}/%u/worker/+/+/+
pattern write {PREFIX}/%u/status
pattern write {PREFIX}/%u/stats
pattern write {PREFIX}/%u/mute/state
pattern read {PREFIX}/%u/answer/+
pattern read {PREFIX}/%u/mute/set
"""
WORKER_RULES = (
    f"topic read {PREFIX}/+/ask",
    f"topic read {PREFIX}/+/cancel/+",
    f"topic read {PREFIX}/+/worker/+/+/+",
    f"topic write {PREFIX}/+/answer/+",
)
CONFIGURATION = """# Mosquitto 2 for glasses and workers, over TLS with certificates of both sides.
listener {port}
cafile {folder}/ca.pem
certfile {folder}/certificates/{broker}.pem
keyfile {folder}/certificates/{broker}.key
crlfile {folder}/crl.pem
require_certificate true
use_identity_as_username true
tls_version tlsv1.2
allow_anonymous false
acl_file {folder}/tagalong.acl
# Without this a question and its answer take 80 ms instead of 1 ms.
set_tcp_nodelay true
# Sessions and waiting messages survive a restart of the broker; what a hard one costs the devices
# ask again. Saved at every change, each message would wait for a write of the whole store.
persistence true
persistence_location {store}/
autosave_interval 30
persistent_client_expiration 14d
# Bounds: a device that stays away fills no memory.
max_queued_messages 1000
max_inflight_messages 20
max_packet_size 4194304
"""
BROKER = "broker"


def init(folder: Path, hosts: Sequence[str], port: int, store: Path) -> list[str]:
    """A new authority, the broker's certificate and its configuration; what was written."""
    authority = Authority.create(folder)
    authority.issue(BROKER, hosts)
    where = Path(folder).resolve()
    text = CONFIGURATION.format(folder=where, port=port, broker=BROKER, store=store)
    (where / "tagalong.conf").write_text(text, encoding="utf-8")
    _write_rules(where, [])
    return [str(where / name) for name in ("ca.pem", "ca.key", "crl.pem", "tagalong.conf",
                                           "tagalong.acl")]


def add(folder: Path, name: str, worker: bool) -> list[str]:
    """The certificate of a device or a worker; what to copy to it."""
    _check(name)
    workers = _workers(folder)
    path = Authority(folder).issue(name)
    if worker:
        _write_rules(folder, [*workers, name])
    return [str(folder / "ca.pem"), str(path), str(path.with_suffix(".key"))]


def revoke(folder: Path, name: str) -> list[str]:
    """Refuse a device or worker from now on; what was changed."""
    _check(name)
    workers = _workers(folder)
    Authority(folder).revoke([name])
    _write_rules(folder, [w for w in workers if w != name])
    return [str(folder / "crl.pem"), str(folder / "tagalong.acl")]


def _check(name: str) -> None:
    check_name(name, "name")
    if name == BROKER:
        raise ProvisionError(f"{BROKER} is the broker's own name; choose another")


def _workers(folder: Path) -> list[str]:
    path = folder / "tagalong.acl"
    if not path.exists():
        raise ProvisionError(f"{folder}: no tagalong.acl; next: tools/provision init {folder} "
                             "--host NAME")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines if line.startswith("user ")]


def _write_rules(folder: Path, workers: Sequence[str]) -> None:
    blocks = ["\n".join((f"user {name}", *WORKER_RULES)) + "\n" for name in workers]
    (folder / "tagalong.acl").write_text("\n".join((*blocks, DEVICE_RULES)), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, do it, list the files; 2 when it cannot be done."""
    parser = argparse.ArgumentParser(prog="tools/provision", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    first = verbs.add_parser("init", help="authority, broker certificate and configuration")
    first.add_argument("folder", type=Path)
    first.add_argument("--host", action="append", required=True, dest="hosts",
                       help="name or address by which clients reach the broker; may be repeated")
    first.add_argument("--port", type=int, default=8883)
    first.add_argument("--store", type=Path, default=Path("/var/lib/mosquitto"))
    for verb, text in (("device", "certificate of a device; NAME is its broker.device"),
                       ("worker", "certificate of a worker"),
                       ("revoke", "refuse a device or worker that is lost")):
        one = verbs.add_parser(verb, help=text)
        one.add_argument("folder", type=Path)
        one.add_argument("name")
    given = parser.parse_args(argv)
    try:
        if given.verb == "init":
            written = init(given.folder, given.hosts, given.port, given.store)
        elif given.verb == "revoke":
            written = revoke(given.folder, given.name)
        else:
            written = add(given.folder, given.name, given.verb == "worker")
    except (ProvisionError, ValueError) as error:
        print(f"tools/provision: {error}", file=sys.stderr)
        return 2
    print("\n".join(written))
    return 0


if __name__ == "__main__":
    sys.exit(main())
