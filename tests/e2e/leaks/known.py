"""Which secrets does a lab have? Those of its directory, of its nodes' disks, of its cluster."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.leaks.find import WORD, Secret
from tests.e2e.leaks.walk import disks, own_files, read, walk

# No program is that small, and no key that large.
MAX_BYTES = 1 << 18
_PEM = re.compile(rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----\s(.*?)-----END", re.DOTALL)
_KEY_DATA = re.compile(rb"client-key-data\"?: *\"?([A-Za-z0-9+/=]+)")
_TOKEN = re.compile(rb"^ *(?:agent-)?token: *['\"]?([^\s'\"]+)", re.MULTILINE)
# docs.k3s.io/cli/token: what precedes `::` is the hash of the CA, which is public.
_CA_HASH = re.compile(rb"K10[0-9a-f]{64}")
# Files of lab and of k3s that hold nothing but secrets; of k3s, see docs.k3s.io/cli/token.
_TOKEN_FILE = re.compile(
    r"/keys/[^/]*\.json$|/etc/rancher/node/password$|/etc/rancher/k3s/[^/]*token[^/]*$"
    r"|/rancher/k3s/server/(?:agent-|node-)?token$|/rancher/k3s/server/cred/[^/]*(?:passwd|psk)$"
)
_CONFIG_FILE = re.compile(r"/etc/rancher/k3s/config\.yaml$|/kubeconfig$|\.conf$")
_SECRET_ENTRY = re.compile(r"pass|token|key", re.IGNORECASE)
# An RSA key has more lines than this, and one of an elliptic curve less.
_MANY_LINES = 10
# RFC 7468 has lines of 64 characters, OpenSSH of 70.
FULL_LINE = 64


def secrets_of(lab: Path) -> set[Secret]:
    """Return what the files of the lab and on the disks of its nodes hold."""
    trees = [tree for disk in disks(lab) for tree in disk.trees]
    files = [*own_files(lab), *(each for tree in trees for each in walk(tree))]
    return {
        secret
        for each in files
        if each.size <= MAX_BYTES
        for secret in secrets_in(str(each.path), read(each.path))
    }


def secrets_in(path: str, content: bytes) -> Iterator[Secret]:
    """Yield the private keys of any file, and the tokens of files known to hold such."""
    for key in private_keys(content):
        yield Secret(f"private key of {path}", key)
    tokens = []
    if _TOKEN_FILE.search(path):
        tokens = WORD.findall(_CA_HASH.sub(b"", content))
    elif _CONFIG_FILE.search(path):
        tokens = [re.split(rb"[.:]", token)[-1] for token in _TOKEN.findall(content)]
    yield from words_of(f"token of {path}", tokens)


def words_of(name: str, values: list[bytes]) -> Iterator[Secret]:
    """Leave out what cannot be searched for: too short, or none of WORD."""
    for value in values:
        if WORD.fullmatch(value):
            yield Secret(name, value)


def private_keys(content: bytes) -> Iterator[bytes]:
    """Yield lines of each key's PEM that are in no public key and in no other private one."""
    for kind, body in _PEM.findall(content):
        # Where PEM is part of a JSON text, its lines end with the two characters \n.
        lines = [line for line in body.replace(rb"\n", b"\n").split() if len(line) >= FULL_LINE]
        yield from private_lines(kind, lines)
    for data in _KEY_DATA.findall(content):
        yield from private_keys(decode(data))


def private_lines(kind: bytes, lines: list[bytes]) -> list[bytes]:
    """Return those lines of a key that hold its private numbers.

    OpenSSH's format (PROTOCOL.key) begins with a head and the public key. RSA's (RFC 8017, A.1.2)
    ends with private numbers, an elliptic curve's (RFC 5915) begins with the only one.
    """
    if kind == b"OPENSSH ":
        return lines[2:4]
    return lines[-2:] if len(lines) > _MANY_LINES else lines[:1]


def secrets_of_cluster(objects: str) -> set[Secret]:
    """Return what `kubectl get secrets -A -o json` tells; nothing if it did not answer."""
    try:
        items = json.loads(objects)["items"]
    except (json.JSONDecodeError, KeyError):
        return set()
    return {
        secret
        for item in items
        for key, value in (item.get("data") or {}).items()
        if _SECRET_ENTRY.search(key)
        for secret in _secrets_of_entry(f"{key} of secret {item['metadata']['name']}", value)
    }


def _secrets_of_entry(name: str, value: str) -> Iterator[Secret]:
    content = decode(value.encode())
    yield from (Secret(name, key) for key in private_keys(content))
    yield from words_of(name, [re.split(rb"[.:]", content.strip())[-1]])


def bootstrap_secret(token: bytes) -> Secret:
    """Return the secret half of a bootstrap token; the other half is its public name."""
    return Secret("a bootstrap token", token.rpartition(b".")[2])


def decode(value: bytes) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        return b""
