"""A certificate authority of our own in a folder: certificates, private keys, revocations.

Keys are elliptic, P-256. A certificate's common name is the user that the broker knows: a device's
name, or a worker's. Private keys are readable by their owner only. Source of the extensions: RFC
5280, 4.2.1.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS, BROKER_DAYS, CLIENT_DAYS, CRL_DAYS = 3_650, 825, 825, 3_650
"""Lifetimes. The list of the revoked is renewed with every revocation; Mosquitto refuses everybody
once it has run out, so it lives as long as the authority."""
BACKDATE = timedelta(minutes=5)
"""Glasses' clocks are seldom right."""
Key = ec.EllipticCurvePrivateKey


class ProvisionError(ValueError):
    """It cannot be done; the message says why, and what to do."""


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner reads; there must not be one."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


class Authority:
    """The folder's `ca.pem` and `ca.key`, and what they have signed in `certificates/`."""

    def __init__(self, folder: Path) -> None:
        """Open it.

        Raises:
            ProvisionError: `create` has not been here, or its files cannot be read.
        """
        self.folder = Path(folder)
        try:
            self._certificate = x509.load_pem_x509_certificate(self._read("ca.pem"))
            key = load_pem_private_key(self._read("ca.key"), None)
        except (OSError, ValueError) as error:
            raise ProvisionError(f"{folder}: {error}; expected ca.pem and ca.key of "
                                 "`tools/provision init`") from None
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key

    @classmethod
    def create(cls, folder: Path) -> Authority:
        """Make a new authority.

        Raises:
            ProvisionError: there is one already.
        """
        folder = Path(folder)
        if (folder / "ca.key").exists():
            raise ProvisionError(f"{folder} has an authority already; all that it signed would be "
                                 "lost: name another folder")
        (folder / "certificates").mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("tagalong authority")
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        built = _builder(name, name, key, CA_DAYS)
        built = built.add_extension(x509.BasicConstraints(True, 0), critical=True)
        certificate = built.add_extension(usage, critical=True).sign(key, hashes.SHA256())
        _save(folder, "ca", certificate, key)
        made = cls(folder)
        made.revoke(())
        return made

    def issue(self, name: str, hosts: Sequence[str] = ()) -> Path:
        """Sign a certificate: of a broker that is reached as `hosts`, else of a client.

        Returns the certificate's file; the key is beside it.

        Raises:
            ProvisionError: there is one of this name.
        """
        folder = self.folder / "certificates"
        if (folder / f"{name}.pem").exists():
            raise ProvisionError(f"{name} has a certificate already; revoke it first, or choose "
                                 "another name")
        key = ec.generate_private_key(ec.SECP256R1())
        days = BROKER_DAYS if hosts else CLIENT_DAYS
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        built = _builder(_name(name), self._certificate.subject, key, days)
        built = built.add_extension(x509.BasicConstraints(False, None), critical=True)
        built = built.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if hosts:
            names = x509.SubjectAlternativeName([_host(host) for host in hosts])
            built = built.add_extension(names, critical=False)
        _save(folder, name, built.sign(self._key, hashes.SHA256()), key)
        return folder / f"{name}.pem"

    def revoke(self, names: Sequence[str]) -> None:
        """Write `crl.pem` with those that were revoked before and these; their files are put
        aside, so that the name may be given again.

        Raises:
            ProvisionError: nobody has that name.
        """
        now = datetime.now(timezone.utc)
        built = x509.CertificateRevocationListBuilder().issuer_name(self._certificate.subject)
        built = built.last_update(now - BACKDATE).next_update(now + timedelta(days=CRL_DAYS))
        crl = self.folder / "crl.pem"
        for old in x509.load_pem_x509_crl(crl.read_bytes()) if crl.exists() else ():
            built = built.add_revoked_certificate(old)
        for name in names:
            serial = self._put_aside(name)
            gone = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
            built = built.add_revoked_certificate(gone.build())
        signed = built.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        fresh = self.folder / "crl.new"
        fresh.write_bytes(signed)
        fresh.replace(crl)

    def _put_aside(self, name: str) -> int:
        folder = self.folder / "certificates"
        path = folder / f"{name}.pem"
        if not path.exists():
            known = ", ".join(sorted(p.stem for p in folder.glob("*.pem"))) or "nobody"
            raise ProvisionError(f"{name} has no certificate; there are: {known}")
        serial = x509.load_pem_x509_certificate(path.read_bytes()).serial_number
        aside = self.folder / "revoked"
        aside.mkdir(exist_ok=True)
        path.replace(aside / f"{name}-{serial:x}.pem")
        path.with_suffix(".key").unlink(missing_ok=True)
        return serial

    def _read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


def _builder(subject: x509.Name, issuer: x509.Name, key: Key, days: int) -> x509.CertificateBuilder:
    now = datetime.now(timezone.utc)
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATE).not_valid_after(now + timedelta(days=days)))


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _save(folder: Path, name: str, certificate: x509.Certificate, key: Key) -> None:
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private(folder / f"{name}.key", secret)
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
