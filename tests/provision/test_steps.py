import base64
import io
import tarfile

from lab.provision.steps import NodeFile, pack


def members(archive: str) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(archive))) as opened:
        return {member.name: member for member in opened}


def test_files_and_links_are_packed_with_mode_and_owner() -> None:
    files = {"/etc/a": NodeFile("text", 0o755), "/etc/b": NodeFile(target="a")}

    packed = members(pack(files)[0])

    assert (packed["etc/a"].mode, packed["etc/a"].uid, packed["etc/a"].size) == (0o755, 0, 4)
    assert packed["etc/b"].linkname == "a"


def test_the_same_files_have_the_same_digest_in_any_order() -> None:
    one, other = NodeFile("1"), NodeFile("2")

    assert pack({"/a": one, "/b": other}) == pack({"/b": other, "/a": one})


def test_another_content_has_another_digest() -> None:
    assert pack({"/a": NodeFile("1")})[1] != pack({"/a": NodeFile("2")})[1]
