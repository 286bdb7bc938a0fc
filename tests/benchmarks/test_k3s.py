"""The pure parts of the benchmark of provisioning; what it measures needs nodes."""

import tarfile
from dataclasses import replace
from pathlib import Path

from benchmarks import k3s, standin, uploads
from benchmarks.k3s import Provisioned, Step
from benchmarks.uploads import LAB, PYINFRA, Upload, turns
from lab.artifacts import layout
from lab.artifacts.k3s_lock import binary_file, images_file
from lab.artifacts.recipe import architecture
from lab.paths import find_paths
from lab.provision.child import Target
from tests.k3s.build import lock_of

UPLOAD = Upload(LAB, 3, 200_000_000, 20.0, 2.0, 15.0)


def make_release(directory: Path) -> tuple[Path, Path]:
    """Make a small release, and return its program and its images."""
    directory.mkdir()
    program = directory / binary_file(architecture())
    program.write_text("#!/bin/sh\n")
    standin.fill_release(directory, program_size=5000, images_size=7000)
    return program, directory / images_file(architecture())


def test_a_release_has_a_program_of_the_size_that_still_begins_as_it_did(tmp_path: Path) -> None:
    program, _ = make_release(tmp_path / "release")

    assert program.stat().st_size == 5000
    assert program.read_bytes().startswith(b"#!/bin/sh\n")


def test_a_program_that_is_larger_already_stays_as_it_is(tmp_path: Path) -> None:
    program = tmp_path / binary_file(architecture())
    program.write_bytes(b"x" * 5000)

    standin.fill_release(tmp_path, program_size=100, images_size=1)

    assert program.read_bytes() == b"x" * 5000


def test_images_are_an_archive_of_the_size(tmp_path: Path) -> None:
    _, images = make_release(tmp_path / "release")

    with tarfile.open(images) as archive:
        assert [entry.size for entry in archive.getmembers()] == [7000]


def test_each_release_is_locked_to_a_content_of_its_own(tmp_path: Path) -> None:
    make_release(tmp_path / "one")
    make_release(tmp_path / "two")

    one, two = (lock_of(tmp_path / name, "v1").hashes for name in ("one", "two"))

    assert one.keys() == two.keys() == {binary_file(architecture()), images_file(architecture())}
    assert not set(one.values()) & set(two.values())


def test_a_cache_of_its_own_has_what_is_built_and_keeps_what_comes_to_itself(
    tmp_path: Path,
) -> None:
    users = replace(find_paths(), cache=tmp_path / "users")
    built = layout.place("noderoot", "0123456789ab", paths=users)
    built.tree.mkdir(parents=True)
    (built.path / layout.MANIFEST).touch()

    own = standin.with_own_cache(users, tmp_path / "own")
    layout.place("k3s", "abcdef012345", paths=own).tree.mkdir(parents=True)

    assert [each.name for each in layout.present(own)] == ["noderoot"]
    assert [each.name for each in layout.artifacts(users).iterdir()] == [built.path.name]


def test_bare_nodes_have_nothing_of_k3s_in_their_layers() -> None:
    trees = {name: Path("/", name) for name in ("noderoot", "k3s", "k3sprobe", "pause")}

    assert standin.Bare().layers(trees) == (Path("/noderoot"),)


def test_each_way_is_as_often_the_first_as_the_other() -> None:
    assert list(turns((1, 3), 2)) == [
        (LAB, 1),
        (PYINFRA, 1),
        (LAB, 3),
        (PYINFRA, 3),
        (PYINFRA, 1),
        (LAB, 1),
        (PYINFRA, 3),
        (LAB, 3),
    ]


def test_an_inventory_for_pyinfra_has_data_and_login_of_each_node() -> None:
    target = Target("n1", "10.77.0.11", ("k3s_prepare",), {"node_name": "n1"})
    found: dict[str, object] = {}

    text = uploads.render_inventory([(target, {"ssh_user": "root"})])
    exec(text, found)

    assert found["nodes"] == [("n1", {"node_name": "n1", "ssh_user": "root"})]


def test_rates_are_of_all_the_time_a_node_and_in_all() -> None:
    text = "\n".join(uploads.render([UPLOAD, replace(UPLOAD, way=PYINFRA, seconds=80.0)]))

    assert "| 3 | lab | 20.0 s | 15.0 s | 2.0 s | 10.0 | 30.0 |" in text
    assert "| 3 | plain pyinfra | 80.0 s |" in text
    assert "3 nodes, medians: lab 20.0 s, plain pyinfra 80.0 s, which is 4.0 times as long" in text


def test_where_the_sending_cannot_be_told_apart_nothing_is_claimed_of_it() -> None:
    plain = Upload(PYINFRA, 3, 200_000_000, 80.0, 4.0)

    lines = list(uploads.render([UPLOAD, plain]))

    assert "| 3 | plain pyinfra | 80.0 s |  | 4.0 s | 2.5 | 7.5 |" in lines


def provisioned() -> Provisioned:
    title = "joining n2 to n6"
    first = (Step("preparing n1 to n6", 4.0, 30), Step(title, 6.0, 10))
    again = (Step("preparing n1 to n6", 1.0, 0), Step(title, 0.5, 0))
    return Provisioned(1, first, again, Step("removing k3s from n1 to n6", 3.0, 6))


def test_phases_are_shown_with_their_sum_beside_the_second_run() -> None:
    lines = list(k3s.render([provisioned()]))

    assert "| joining n2 to n6 | 6.0 s | 10 | 0.5 s | 0 |" in lines
    assert "| all phases | 10.0 s | 40 | 1.5 s | 0 |" in lines
    assert lines[-1].startswith("| removing k3s from n1 to n6 | 3.0 s | 6 |")


def test_every_row_has_as_many_cells_as_its_heading() -> None:
    rows = [line for line in k3s.render([provisioned()]) if line.startswith("|")]

    assert {row.count("|") for row in rows} == {6}


def test_every_heading_says_that_it_is_no_k3s() -> None:
    plain = Upload(PYINFRA, 3, 200_000_000, 80.0, 4.0)
    lines = [*k3s.render([provisioned()]), *uploads.render([UPLOAD, plain])]

    headings = [line for line in lines if line.startswith("#")]

    assert len(headings) == 2
    assert all("the k3s stand-in, which is no k3s" in each for each in headings)
