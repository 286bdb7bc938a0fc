"""Places of a release: what is not had is told with its address and cause, in time."""

import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from lab import artifacts
from lab.artifacts import k3s_http
from lab.artifacts.k3s_http import keeps_content
from lab.artifacts.k3s_source import Directory, Release, mirror
from lab.artifacts.recipe import Workshop
from lab.errors import ArtifactError, InvalidValue, NoSpace
from lab.paths import Paths
from lab.progress import Silent
from tests.artifacts.conftest import TextRecipe
from tests.artifacts.k3s_release import (
    VERSION,
    make_release,
    redirecting,
    saying,
    serving,
    speaking,
)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return make_release(tmp_path / "mirror" / VERSION)


def ignore(done: int, total: int) -> None:
    pass


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ("HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\nshort", "ended after 5 of 100 bytes"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nshort", "IncompleteRead"),
        ("", "Remote end closed connection"),
        ("no HTTP at all\r\n", "no HTTP at all"),
    ],
)
def test_an_answer_that_ends_early_or_is_none_is_told(
    tmp_path: Path, answer: str, cause: str
) -> None:
    with (
        speaking(saying(answer)) as address,
        pytest.raises(ArtifactError, match=cause) as caught,
    ):
        Release(VERSION, address).copy("k3s", tmp_path / "k3s", ignore)

    assert caught.value.message.startswith(f"{address}/v1.36.3%2Bk3s1/k3s ")


def test_a_list_that_ends_early_is_not_taken_for_a_short_one() -> None:
    answer = "HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\nshort"

    with speaking(saying(answer)) as address, pytest.raises(ArtifactError, match="ended after 5"):
        Release(VERSION, address).text("sha256sum-amd64.txt")


def test_a_place_that_drips_is_not_waited_for_without_end(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(release.parent) as (address, _):
        there = Release(VERSION, address)
        there.copy("k3s", tmp_path / "k3s", ignore)
        monkeypatch.setattr(k3s_http, "PACE_S", 0.0)

        with pytest.raises(ArtifactError, match=r"k3s came too slowly, \d+ bytes in"):
            there.copy("k3s", tmp_path / "k3s", ignore)


@pytest.mark.parametrize("over_http", [True, False])
def test_a_full_disk_is_not_blamed_on_the_place(
    paths: Paths, release: Path, *, over_http: bool
) -> None:
    with serving(release.parent) as (address, _):
        source = Release(VERSION, address) if over_http else Directory(release)

        def write(workshop: Workshop) -> None:
            source.copy("k3s", Path("/dev/full"), ignore)

        with pytest.raises(NoSpace, match="no space left"):
            artifacts.ensure((TextRecipe("a", before=write),), paths=paths, progress=Silent())


def test_a_redirect_is_followed_where_it_is_no_worse(release: Path) -> None:
    with (
        serving(release.parent) as (address, _),
        speaking(saying(redirect(f"{address}/{VERSION}/k3s"))) as first,
    ):
        assert "echo k3s" in Release(VERSION, first).text("k3s")


def test_a_redirect_to_plain_http_is_refused_without_asking_there() -> None:
    away = "http://mirror.invalid/k3s?signature=secret"

    with (
        speaking(saying(redirect(away))) as first,
        pytest.raises(ArtifactError, match=r"leads to mirror\.invalid without https") as caught,
    ):
        Release(VERSION, first).text("k3s")

    assert "secret" not in caught.value.message


def test_a_look_that_is_redirected_stays_a_look_and_fetches_nothing(release: Path) -> None:
    with serving(release.parent) as (there, asked):
        home = redirecting(lambda path: f"{there}{path}")
        with serving(release.parent, home) as (address, first):
            assert Release(VERSION, address).trouble() == ""

    (path,) = first
    assert path.startswith("HEAD /v1.36.3%2Bk3s1/sha256sum-")
    assert asked == [path]


def test_what_is_missing_behind_a_redirect_is_told_by_the_address_that_was_asked(
    release: Path,
) -> None:
    with serving(release.parent) as (there, _):
        home = redirecting(lambda path: f"{there}/nowhere?signature=secret")
        with serving(release.parent, home) as (address, _):
            trouble = Release(VERSION, address).trouble()

    assert trouble.startswith(f"{address}/v1.36.3%2Bk3s1/sha256sum-")
    assert "404" in trouble
    assert "secret" not in trouble


@pytest.mark.parametrize("target", ["/again", "{path}x"])
def test_redirects_without_end_are_given_up_and_told_in_a_line(release: Path, target: str) -> None:
    endless = redirecting(lambda path: target.format(path=path))

    with serving(release.parent, endless) as (address, asked):
        trouble = Release(VERSION, address).trouble()

    assert "302" in trouble
    assert "infinite loop" in trouble
    assert "\n" not in trouble
    assert 1 < len(asked) < 20


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Return what a server on loopback speaks with, and have it trusted."""
    files = [tmp_path / "key.pem", tmp_path / "certificate.pem"]
    what = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=127.0.0.1"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", files[0], "-out", files[1]]
    subprocess.run(["openssl", *what.split(), *names], check=True, capture_output=True)
    trusting = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=files[1]))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), k3s_http.NeverWorse, trusting
    )
    monkeypatch.setattr(k3s_http, "_DIRECT", opener)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files[1], files[0])
    return server


def test_over_https_a_release_is_reachable_and_comes(release: Path, tls: ssl.SSLContext) -> None:
    with serving(release.parent, tls=tls) as (address, _):
        there = Release(VERSION, address)

        assert (there.trouble(), there.text("k3s")) == ("", "#!/bin/sh\necho k3s\n")


def test_no_redirect_leads_from_https_to_plain_http(release: Path, tls: ssl.SSLContext) -> None:
    away = redirecting(lambda path: f"http://mirror.invalid{path}?signature=secret")

    with serving(release.parent, away, tls) as (address, asked):
        there = Release(VERSION, address)
        troubles = [there.trouble()]
        with pytest.raises(ArtifactError) as caught:
            there.text("k3s")

    for trouble in (*troubles, caught.value.message):
        assert trouble.startswith(address)
        assert trouble.endswith("leads to mirror.invalid without https")
    assert len(asked) == 2


def redirect(target: str) -> str:
    return f"HTTP/1.0 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://example.org/k3s", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://localhost", True),
        ("http://example.org", False),
        ("http://127.0.0.1.example.org", False),
        ("http://10.0.0.1", False),
        ("ftp://127.0.0.1", False),
    ],
)
def test_content_is_kept_by_https_and_on_loopback_only(url: str, *, kept: bool) -> None:
    assert keeps_content(url) is kept


def test_a_place_that_answers_is_reachable(release: Path) -> None:
    with serving(release.parent) as (address, _):
        assert Release(VERSION, address).is_reachable()
        assert Release(VERSION, address).trouble() == ""


def test_a_place_that_does_not_answer_is_given_up_within_its_bound() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = Release(VERSION, f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()

        trouble = there.trouble(within_s=0.2)

        assert time.monotonic() - began < 1
        assert "timed out" in trouble or "does not answer within 0.2 s" in trouble
        assert not there.is_reachable(within_s=0.01)


def test_a_byte_at_a_time_does_not_prolong_the_bound() -> None:
    is_over = threading.Event()

    def drip(connection: socket.socket) -> None:
        for each in b"HTTP/1.0 200 OK\r\nX: " + 80 * b"x":
            connection.send(bytes([each]))
            if is_over.wait(0.05):
                return

    with speaking(drip) as address:
        began = time.monotonic()
        trouble = Release(VERSION, address).trouble(within_s=0.2)
        took = time.monotonic() - began
        is_over.set()

    assert took < 1
    assert trouble.endswith("does not answer within 0.2 s")


def test_why_a_place_cannot_be_had_is_told_in_a_line_with_its_address(release: Path) -> None:
    with serving(release.parent) as (address, _):
        unknown = Release("v9.9.9+k3s1", address).trouble()
    refused = Release(VERSION, address).trouble()

    assert unknown.startswith(f"{address}/v9.9.9%2Bk3s1/sha256sum-")
    assert "404" in unknown
    assert "Connection refused" in refused


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://example.org",
        "example.org/k3s",
        "/srv/k3s",
        "http://",
        "http://h:port",
        "http://[",
    ],
)
def test_what_is_no_web_address_is_no_mirror(url: str) -> None:
    with pytest.raises(InvalidValue, match=r"--k3s-mirror is .*, which is no"):
        mirror(url, VERSION)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@example.org",
        "https://example.org/k3s?token=secret",
        "https://example.org/#secret",
        "https://user:se/secret@example.org",
    ],
)
def test_an_address_that_may_hold_a_secret_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidValue, match="is no plain address") as caught:
        mirror(url, VERSION)

    assert "secret" not in f"{caught.value.message}{caught.value.hint}"


def test_a_name_that_is_none_is_told_and_no_fault_of_lab() -> None:
    assert "http://a..b/" in mirror("http://a..b", VERSION).trouble()
