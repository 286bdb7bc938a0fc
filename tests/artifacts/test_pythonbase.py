import shlex
import subprocess
from pathlib import Path

import pytest

from lab.artifacts import bytecode, pythonbase
from lab.artifacts.pythonbase import PythonBase, package_versions, pick
from lab.artifacts.recipe import keys_of
from lab.errors import BuildFailed


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    root = tmp_path / "unpacked"
    for name in (
        "usr/bin/python3.11",
        "usr/bin/busybox",
        "usr/bin/dpkg",
        "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        "usr/lib/x86_64-linux-gnu/libc.so.6",
        "usr/lib/x86_64-linux-gnu/libdb-5.3.so",
        "usr/lib/python3.11/os.py",
        "usr/lib/python3.11/encodings/cp437.py",
        "usr/lib/python3.11/encodings/cp850.py",
        "usr/lib/python3.11/encodings/iso8859_1.py",
        "usr/lib/python3.11/encodings/utf_8.py",
        "usr/lib/python3.11/turtle.py",
        "usr/lib/python3.11/test/regrtest.py",
        "usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so",
        "usr/lib/python3.11/lib-dynload/_dbm.cpython-311-x86_64-linux-gnu.so",
        "usr/share/doc/gcc-12-base/copyright",
        "usr/share/doc/gcc-12-base/changelog.gz",
        "var/lib/dpkg/status",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "usr/share/doc/libgcc-s1").symlink_to("gcc-12-base")
    return root


def files_of(tree: Path) -> set[str]:
    found = (path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(tree)) for path in found}


def test_of_the_packages_only_what_serves_is_kept(tmp_path: Path, unpacked: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    pick(unpacked, tree)

    assert files_of(tree) == {
        *pythonbase.FILES,
        "usr/bin/python3.11",
        "usr/bin/busybox",
        "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        "usr/lib/x86_64-linux-gnu/libc.so.6",
        "usr/lib/python3.11/os.py",
        "usr/lib/python3.11/encodings/cp437.py",
        "usr/lib/python3.11/encodings/iso8859_1.py",
        "usr/lib/python3.11/encodings/utf_8.py",
        "usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so",
        "usr/share/doc/gcc-12-base/copyright",
    }


def test_a_shell_and_python_are_found_by_their_usual_names(tmp_path: Path, unpacked: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    pick(unpacked, tree)

    assert (tree / "bin/sh").resolve() == tree / "usr/bin/busybox"
    assert (tree / "bin/python3").resolve() == tree / "usr/bin/python3.11"
    assert (tree / "tmp").stat().st_mode & 0o7777 == 0o1777


def test_every_user_of_the_images_has_a_group() -> None:
    users = [line.split(":") for line in pythonbase.FILES["etc/passwd"].splitlines()]
    groups = {line.split(":")[2] for line in pythonbase.FILES["etc/group"].splitlines()}

    assert {name: uid for name, _, uid, *_ in users} == {
        "root": "0",
        "chirps": "1000",
        "postgres": "999",
        "nobody": "65534",
    }
    assert {gid for _, _, _, gid, *_ in users} <= groups


def test_versions_are_read_from_the_names_of_the_fetched_files() -> None:
    listing = "zlib1g_1%3a1.2.13.dfsg-1_amd64.deb\nlock\npartial\nlibc6_2.36-9_amd64.deb\n"

    assert package_versions(listing) == {"zlib1g": "1:1.2.13.dfsg-1", "libc6": "2.36-9"}


def test_a_base_of_no_packages_is_refused() -> None:
    with pytest.raises(BuildFailed, match="no packages"):
        package_versions("lock\npartial\n")


def test_the_list_of_packages_is_written_beside_the_unpacked_tree(tmp_path: Path) -> None:
    fetched = tmp_path / "unpacked/var/cache/apt/archives"
    fetched.mkdir(parents=True)
    (fetched / "libc6_2.36-9_amd64.deb").touch()
    # As mmdebstrap runs a hook.
    hook = ("sh", "-c", pythonbase.LIST_PACKAGES, "exec", str(tmp_path / "unpacked"))
    subprocess.run(hook, check=True)

    assert package_versions((tmp_path / "packages").read_text()) == {"libc6": "2.36-9"}


def test_the_key_changes_with_what_is_kept_and_not_with_the_mirror(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = keys_of([PythonBase()])
    monkeypatch.setenv("LAB_DEBIAN_MIRROR", "http://mirror.test/debian")
    assert keys_of([PythonBase()]) == before

    monkeypatch.setattr(pythonbase, "KEPT", (*pythonbase.KEPT, "usr/bin/less"))
    assert keys_of([PythonBase()]) != before


def test_the_bases_python_runs_on_its_own_libraries(tmp_path: Path, unpacked: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    pick(unpacked, tree)
    libraries = tree / "usr/lib/x86_64-linux-gnu"

    assert shlex.join(bytecode.interpreter(tree)) == shlex.join(
        (
            str(libraries / "ld-linux-x86-64.so.2"),
            *("--library-path", str(libraries)),
            *(str(tree / "usr/bin/python3.11"), "-s"),
        )
    )


def test_a_base_without_python_is_told(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="holds no Python"):
        bytecode.interpreter(tmp_path)
