"""The database's password comes from a file, as it is when a connection is made."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lab.kube import manifests
from lab.observer.audit import store
from lab.observer.database import password
from lab.observer.database.password import PasswordUnreadable
from lab.observer.database.sampler import Sampler

Connect = Callable[[str], Awaitable[object]]
ASK_FOR_PASSWORD = b"R" + struct.pack("!ii", 8, 3)
REFUSED = b"SFATAL\0VFATAL\0C28P01\0Mwrong\0\0"


class Doorkeeper:
    """A PostgreSQL that asks for the password in clear, keeps it, and lets nobody in.

    The messages are those of protocol 3.0: StartupMessage, AuthenticationCleartextPassword,
    PasswordMessage, ErrorResponse.
    """

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.conninfo = ""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        await reader.readexactly(length - 4)
        writer.write(ASK_FOR_PASSWORD)
        kind, length = struct.unpack("!ci", await reader.readexactly(5))
        assert kind == b"p"
        self.heard.append((await reader.readexactly(length - 4))[:-1].decode())
        writer.write(b"E" + struct.pack("!i", 4 + len(REFUSED)) + REFUSED)
        writer.close()


@asynccontextmanager
async def doorkeeper() -> AsyncIterator[Doorkeeper]:
    keeper = Doorkeeper()
    server = await asyncio.start_server(keeper.talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    keeper.conninfo = (
        f"host=127.0.0.1 port={port} dbname=x user=observer sslmode=disable gssencmode=disable"
    )
    async with server:
        yield keeper


async def sample(conninfo: str) -> dict[str, Any]:
    lines: list[Any] = []
    await Sampler(lines.append, hz=2, conninfo=conninfo).sample()
    (line,) = lines
    return dict(line)


async def audit(conninfo: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="wrong"):
        await store.connect(conninfo)


@pytest.mark.parametrize("connect", [sample, audit])
def test_each_connection_is_made_with_the_password_of_that_moment(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    monkeypatch.setenv("PGPASSWORD_FILE", str(file))
    monkeypatch.setenv("PGPASSWORD", "of the environment")

    async def scenario() -> list[str]:
        async with doorkeeper() as keeper:
            for secret in ("old\n", "new with blanks \n"):
                file.write_text(secret)
                await connect(keeper.conninfo)
            return keeper.heard

    assert asyncio.run(scenario()) == ["old", "new with blanks "]


def test_without_a_file_libpq_finds_the_password_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPASSWORD_FILE", raising=False)
    monkeypatch.setenv("PGPASSWORD", "of the environment")

    async def scenario() -> list[str]:
        async with doorkeeper() as keeper:
            await audit(keeper.conninfo)
            return keeper.heard

    assert asyncio.run(scenario()) == ["of the environment"]
    assert password.from_file({"PGPASSWORD_FILE": ""}) is None


def test_a_sample_without_a_readable_password_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "missing"
    monkeypatch.setenv("PGPASSWORD_FILE", str(missing))

    line = asyncio.run(sample("host=127.0.0.1 port=1 dbname=x"))

    assert (line["kind"], line["sqlstate"]) == ("db", None)
    assert line["error"].startswith(f"PGPASSWORD_FILE is '{missing}', which cannot be read: ")


def test_a_file_that_is_no_text_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"\xff\xfe")

    with pytest.raises(PasswordUnreadable, match="PGPASSWORD_FILE is"):
        password.from_file({"PGPASSWORD_FILE": str(tmp_path / "password")})


def test_the_pod_has_its_password_as_a_file_that_only_its_owner_reads() -> None:
    observer = manifests.render("observer", image="i:1", image_key="0123456789ab")[-1]
    pod = observer["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    variables = {each["name"]: each for each in container["env"]}
    (mount,) = [each for each in container["volumeMounts"] if each["name"] == "password"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == "password"]
    assert "PGPASSWORD" not in variables
    assert variables["PGPASSWORD_FILE"]["value"] == f"{mount['mountPath']}/password"
    assert mount["readOnly"] is True
    assert volume["secret"] == {
        "secretName": "postgres-observer",
        "items": [{"key": "password", "path": "password"}],
        "defaultMode": 0o400,
    }
