from pathlib import Path

import pytest

from lab.artifacts import debian
from lab.artifacts.debian import KEYRING, PUBLIC, Source, find_sources
from lab.artifacts.noderoot import FILES, configure

UNIT = "etc/systemd/system/getty.target"

DEB822 = """\
# The distribution itself
Types: deb deb-src
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib

Types: deb
URIs: http://old.test/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb
URIs: https://vendor.test/apt
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/vendor.gpg
"""


@pytest.fixture
def host(tmp_path: Path) -> Path:
    (tmp_path / "etc/apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "etc/os-release").write_text('ID=debian\nVERSION_CODENAME="bookworm"\n')
    return tmp_path


def test_the_sources_of_a_bookworm_host_are_used(host: Path) -> None:
    (host / "etc/apt/sources.list.d/debian.sources").write_text(DEB822)

    assert find_sources(root=host, environ={}) == (
        Source("http://mirror.test/debian", ("bookworm", "bookworm-updates")),
    )


def test_sources_of_one_line_are_understood(host: Path) -> None:
    (host / "etc/apt/sources.list").write_text(
        "# deb http://off.test/debian bookworm main\n"
        f"deb [arch=amd64 signed-by={KEYRING}] http://a.test/debian bookworm main non-free\n"
        "deb-src http://a.test/debian bookworm main\n"
        "deb http://b.test/debian-security bookworm-security main # comment\n"
        "deb http://c.test/debian trixie main\n"
    )

    assert [source.uris for source in find_sources(root=host, environ={})] == [
        "http://a.test/debian",
        "http://b.test/debian-security",
    ]


@pytest.mark.parametrize("release", ["ID=debian\nVERSION_CODENAME=trixie\n", "ID=fedora\n", ""])
def test_another_host_uses_the_public_mirror(host: Path, release: str) -> None:
    (host / "etc/os-release").write_text(release)
    (host / "etc/apt/sources.list.d/debian.sources").write_text(DEB822)

    assert find_sources(root=host, environ={}) == PUBLIC


def test_a_mirror_that_was_asked_for_wins(host: Path) -> None:
    (host / "etc/apt/sources.list.d/debian.sources").write_text(DEB822)
    environ = {"LAB_DEBIAN_MIRROR": "http://mine.test/debian"}

    assert [each.uris for each in find_sources(root=host, environ=environ)] == [
        "http://mine.test/debian"
    ]


def test_a_source_is_written_as_it_is_read() -> None:
    source = Source("http://a.test/debian", ("bookworm",), "/usr/share/keyrings/debian-archive.gpg")

    assert [*debian.parse_deb822(source.to_deb822())] == [source]


def test_a_key_of_several_lines_stays_whole() -> None:
    text = PUBLIC[0].to_deb822().replace(KEYRING, "\n debian-archive\n .\n line")

    (source,) = debian.parse_deb822(text)
    assert source.signed_by == "\n debian-archive\n .\n line"


def test_only_installed_packages_are_listed() -> None:
    status = (
        "Package: a\nStatus: install ok installed\nVersion: 1\nDescription: x\n more\n\n"
        "Package: b\nStatus: deinstall ok config-files\nVersion: 2\n"
    )

    assert debian.installed_packages(status) == {"a": "1"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("etc/ssh/ssh_host_rsa_key", "etc/resolv.conf", "usr/bin/su", "dev/null", UNIT):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("host's")
    (tmp_path / "etc/machine-id").write_text("0123")
    (tmp_path / "usr/bin/su").chmod(0o4755)
    (tmp_path / "bin").symlink_to("/usr/bin")
    configure(tmp_path)
    return tmp_path


def test_a_node_root_has_no_identity(tree: Path) -> None:
    assert (tree / "etc/machine-id").read_text() == ""
    assert not [*(tree / "etc/ssh").glob("ssh_host*"), *(tree / "dev").iterdir()]
    assert not (tree / "etc/resolv.conf").exists()


def test_no_program_of_a_node_root_raises_privileges(tree: Path) -> None:
    assert (tree / "usr/bin/su").stat().st_mode & 0o7777 == 0o755


def test_a_node_root_masks_what_slows_a_boot(tree: Path) -> None:
    assert (tree / "etc/systemd/system/getty.target").readlink() == Path("/dev/null")
    assert (tree / "var/log/journal").is_dir()


def test_a_node_root_does_not_tell_where_it_came_from(tree: Path) -> None:
    text = (tree / "etc/apt/sources.list").read_text()

    assert text == FILES["etc/apt/sources.list"]
    assert text.splitlines()[0] == "deb http://deb.debian.org/debian bookworm main"
