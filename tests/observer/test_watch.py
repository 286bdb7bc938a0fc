"""Follow objects of the cluster, and admit to every gap."""

import asyncio
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab.observer.watch.apiserver import Access, ApiServer, NotConfigured
from lab.observer.watch.describe import pod as describe_pod
from lab.observer.watch.listwatch import Follower
from lab.observer.watch.resources import Resource, resources
from lab.observer.watch.trackers import Objects
from tests.observer.apiserver import (
    FakeApi,
    Listing,
    Refuse,
    Step,
    Watching,
    api_server,
    bookmark,
    event,
    pod,
)

PODS = "/api/v1/namespaces/chirps/pods"
HOLD = Watching(end="hold")
Lines = list[dict[str, Any]]


async def at_once(_: float) -> None:
    await asyncio.sleep(0)


async def follow(*steps: Step) -> tuple[Lines, FakeApi]:
    """Return the lines and the server after all steps, of which the last must be HOLD."""
    lines: Lines = []
    async with api_server(*steps) as server, ApiServer(Access(server.url)) as api:
        resource = Resource("pods", PODS, Objects("pod", describe_pod, typed=True))
        follower = Follower(api, resource, lines.append, sleep=at_once)
        following = asyncio.create_task(follower.run())
        await asyncio.wait(
            {following, waiting := asyncio.create_task(server.done.wait())},
            return_when=asyncio.FIRST_COMPLETED,
        )
        # What the server has sent is read a moment later.
        await until_quiet(lines)
        for task in (following, waiting):
            task.cancel()
        await asyncio.wait({following, waiting})
        if not following.cancelled():
            following.result()
    return lines, server


async def until_quiet(lines: Lines) -> None:
    seen, quiet = -1, 0
    while quiet < 50:
        quiet = quiet + 1 if seen == len(lines) else 0
        seen = len(lines)
        await asyncio.sleep(0)


def watch_lines(lines: Lines) -> list[str]:
    return [line["what"] for line in lines if line["kind"] == "watch"]


def pods(lines: Lines) -> list[tuple[str, str, bool]]:
    found = [line for line in lines if line["kind"] == "pod"]
    return [(line["type"], line["name"], line["ready"]) for line in found]


def test_objects_are_listed_and_then_followed() -> None:
    change = pod("a", "11", ready=False)

    lines, server = asyncio.run(
        follow(
            Listing("10", (pod("a", "5"),)),
            Watching((event("MODIFIED", change), event("DELETED", change)), end="hold"),
        )
    )

    assert pods(lines) == [("LISTED", "a", True), ("MODIFIED", "a", False), ("DELETED", "a", False)]
    assert watch_lines(lines) == ["listed"]
    assert "watch" not in server.asked[0]
    assert server.asked[1]["resourceVersion"] == "10"
    assert server.asked[1]["allowWatchBookmarks"] == "true"
    assert server.paths == [PODS, PODS]
    assert all(isinstance(line["t"], int) for line in lines)


def test_a_change_of_nothing_we_tell_is_no_line() -> None:
    lines, _ = asyncio.run(
        follow(
            Listing("10", (pod("a", "5"),)),
            Watching((event("MODIFIED", pod("a", "11")),), end="hold"),
        )
    )

    assert pods(lines) == [("LISTED", "a", True)]


def test_a_watch_that_ends_in_good_order_goes_on_where_it_was() -> None:
    lines, server = asyncio.run(
        follow(Listing("10"), Watching((event("ADDED", pod("a", "12")), bookmark("19"))), HOLD)
    )

    assert watch_lines(lines) == ["listed"]
    assert [asked.get("resourceVersion") for asked in server.asked] == [None, "10", "19"]


def test_a_watch_that_breaks_off_is_lost_and_resumed() -> None:
    lines, server = asyncio.run(
        follow(
            Listing("10"),
            Watching((event("ADDED", pod("a", "12")),), end="break"),
            Refuse(503, "etcd is away"),
            Refuse(503, "etcd is away"),
            Watching((event("ADDED", pod("b", "13")),), end="hold"),
        )
    )

    # One gap is told once, however often it was tried again; nothing in it is missed.
    assert watch_lines(lines) == ["listed", "lost", "resumed"]
    assert [asked.get("resourceVersion") for asked in server.asked[1:]] == ["10", "12", "12", "12"]
    assert [name for _, name, _ in pods(lines)] == ["a", "b"]


@pytest.mark.parametrize(
    "expired",
    [
        Refuse(410, "too old"),
        Watching((event("ERROR", {"kind": "Status", "code": 410, "message": "too old"}),)),
    ],
)
def test_a_version_that_is_too_old_is_listed_anew(expired: Step) -> None:
    lines, _ = asyncio.run(
        follow(
            Listing("10", (pod("a", "5"), pod("b", "6"))),
            expired,
            Listing("90", (pod("b", "6"), pod("c", "80"))),
            HOLD,
        )
    )

    assert watch_lines(lines) == ["listed", "expired", "listed"]
    # What happened meanwhile is told as far as it can be seen.
    assert pods(lines)[2:] == [("DELETED", "a", True), ("LISTED", "c", True)]


def test_an_error_within_a_watch_is_a_gap() -> None:
    failed = {"kind": "Status", "code": 500, "message": "etcd is away"}

    lines, _ = asyncio.run(follow(Listing("10"), Watching((event("ERROR", failed),)), HOLD))

    assert watch_lines(lines) == ["listed", "lost", "resumed"]


def test_a_line_that_is_cut_off_is_a_gap() -> None:
    cut = Watching((event("ADDED", pod("a", "12")),), raw=b'{"type": "MODI')

    lines, _ = asyncio.run(follow(Listing("10"), cut, HOLD))

    assert watch_lines(lines) == ["listed", "lost", "resumed"]


def test_an_object_may_be_larger_than_any_buffer() -> None:
    large = pod("a", "12")
    large["metadata"]["annotations"] = {"x": "y" * 500_000}

    lines, _ = asyncio.run(follow(Listing("10"), Watching((event("ADDED", large),), end="hold")))

    assert pods(lines) == [("ADDED", "a", True)]


def test_a_watch_that_ends_at_once_is_not_begun_at_once_for_ever() -> None:
    lines, _ = asyncio.run(follow(Listing("10"), Watching(), HOLD))

    assert watch_lines(lines) == ["listed", "lost", "resumed"]


def test_what_may_not_be_read_is_forbidden_and_not_merely_empty() -> None:
    lines, _ = asyncio.run(follow(Refuse(403, "pods is forbidden"), Listing("10"), HOLD))

    assert watch_lines(lines) == ["forbidden", "resumed", "listed"]
    assert lines[0]["detail"] == "403: pods is forbidden"


def test_a_list_that_works_at_last_ends_the_gap() -> None:
    lines, _ = asyncio.run(follow(Refuse(503), Refuse(503), Listing("10"), HOLD))

    assert watch_lines(lines) == ["lost", "resumed", "listed"]


def test_a_server_that_is_not_there_is_a_gap() -> None:
    async def scenario() -> Lines:
        lines: Lines = []
        async with api_server() as server:
            url = server.url
        tried = asyncio.Event()

        async def sleep(_: float) -> None:
            tried.set()
            await asyncio.Event().wait()

        async with ApiServer(Access(url)) as api:
            resource = Resource("pods", PODS, Objects("pod", describe_pod, typed=True))
            task = asyncio.create_task(Follower(api, resource, lines.append, sleep=sleep).run())
            await tried.wait()
            task.cancel()
            await asyncio.wait({task})
        return lines

    assert watch_lines(asyncio.run(scenario())) == ["lost"]


def test_the_usual_objects_are_followed_at_their_paths() -> None:
    found = {each.name: each for each in resources(namespace="chirps", service="chirps")}

    assert found["pods"].path == PODS
    assert found["nodes"].path == "/api/v1/nodes"
    assert found["deployments"].path == "/apis/apps/v1/namespaces/chirps/deployments"
    assert found["endpointslices"].query == {"labelSelector": "kubernetes.io/service-name=chirps"}
    assert set(found) == {
        "pods",
        "replicasets",
        "deployments",
        "endpointslices",
        "events",
        "nodes",
        "jobs",
    }


def test_a_pod_knows_its_server_from_the_kubelet() -> None:
    variables = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}

    access = Access.of_pod(variables)

    assert access.server == "https://[fd00::1]:443"
    assert str(access.token).endswith("/serviceaccount/token")
    with pytest.raises(NotConfigured, match="not in a pod"):
        Access.of_pod({})


def certificate(directory: Path) -> tuple[Path, ssl.SSLContext]:
    """Return the file of an authority, and a server's TLS with a certificate of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    ca, private = directory / "ca.crt", directory / "key"
    ca.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(ca, private)
    return ca, tls


def test_the_server_is_proven_and_the_token_read_anew(tmp_path: Path) -> None:
    ca, tls = certificate(tmp_path)
    token = tmp_path / "token"

    async def scenario() -> list[str | None]:
        async with (
            api_server(Listing("1"), Listing("2"), tls=tls) as server,
            ApiServer(Access(server.url, ca, token)) as api,
        ):
            for value in ("one", "two"):
                token.write_text(f"{value}\n")
                await api.list(PODS, {})
        return server.tokens

    assert asyncio.run(scenario()) == ["Bearer one", "Bearer two"]


def test_a_server_of_another_authority_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    other, _ = certificate(tmp_path / "a")
    _, tls = certificate(tmp_path / "b")

    async def scenario() -> FakeApi:
        async with api_server(tls=tls) as server, ApiServer(Access(server.url, other)) as api:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await api.list(PODS, {})
        return server

    assert asyncio.run(scenario()).asked == []
