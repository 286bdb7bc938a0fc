import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.errors import InvalidValue
from lab.residue import (
    Blame,
    Difference,
    Fingerprint,
    Kind,
    compare,
    files,
    kernel,
    network,
    processes,
    take_fingerprint,
)
from lab.residue.compare import EVERYTHING
from lab.residue.names import lab_ids, names_place
from lab.residue.processes import is_of_a_lab, parse_process

DATA = "/home/u/.local/share/lab"

# Small values find what there is to find; more of them only cost time.
few = settings(max_examples=40, deadline=None)
names = st.text("abn12-/. k7q", min_size=1, max_size=8)
facts = st.dictionaries(names, st.sampled_from(["", "x", "lab-k7q2", DATA]), max_size=4)
kinds = st.sampled_from(Kind)
fingerprints = st.builds(
    Fingerprint,
    boot=st.sampled_from(["b1", "b2"]),
    places=st.just((DATA,)),
    facts=st.dictionaries(kinds, facts, max_size=5),
    unread=st.dictionaries(kinds, names, max_size=2),
)


def host(kind: Kind, found: dict[str, str], *, boot: str = "b1") -> Fingerprint:
    return Fingerprint(boot, (DATA,), {kind: found}, {})


def difference(
    kind: Kind, before: dict[str, str], after: dict[str, str], living: tuple[str, ...] = ()
) -> Difference:
    (only,) = compare(host(kind, before), host(kind, after), living=living)
    return only


@few
@given(fingerprints)
def test_a_fingerprint_survives_json(fingerprint: Fingerprint) -> None:
    text = json.dumps(fingerprint.to_dict())

    assert Fingerprint.from_dict(json.loads(text)) == fingerprint


@pytest.mark.parametrize(
    "value", [{}, {"boot": "b", "places": [], "facts": {"moon": {}}, "unread": {}}, {"boot": 1}]
)
def test_something_else_is_not_taken_for_a_fingerprint(value: dict[str, object]) -> None:
    with pytest.raises(InvalidValue, match="this is no fingerprint of a host"):
        Fingerprint.from_dict(value)


@few
@given(fingerprints)
def test_a_host_does_not_differ_from_itself(fingerprint: Fingerprint) -> None:
    assert compare(fingerprint, fingerprint) == []


@few
@given(fingerprints, fingerprints)
def test_what_differs_forwards_differs_backwards(one: Fingerprint, other: Fingerprint) -> None:
    forwards = {(d.kind, d.what, d.before, d.after, d.blame) for d in compare(one, other)}
    backwards = {(d.kind, d.what, d.after, d.before, d.blame) for d in compare(other, one)}

    assert forwards == backwards


@few
@given(fingerprints, fingerprints)
def test_each_fact_that_changed_is_named_exactly_once(one: Fingerprint, other: Fingerprint) -> None:
    shared = one.facts.keys() & other.facts.keys()
    changed = sorted(
        what
        for kind in shared
        for what in one.facts[kind].keys() | other.facts[kind].keys()
        if one.facts[kind].get(what) != other.facts[kind].get(what)
    )

    assert sorted(d.what for d in compare(one, other) if d.what != EVERYTHING) == changed


@few
@given(facts, facts)
def test_a_module_is_never_blamed_on_a_lab(before: dict[str, str], after: dict[str, str]) -> None:
    found = compare(host(Kind.MODULE, before), host(Kind.MODULE, after))

    assert not any(d.is_residue or d.blame is Blame.LAB for d in found)


@pytest.mark.parametrize(
    ("kind", "what", "value"),
    [
        (Kind.NETNS, "lab-k7q2", "inode 7"),
        (Kind.LINK, "vb-k7q2-n1", "veth"),
        (Kind.LINK, "lab-k7q2", "bridge"),
        (Kind.CGROUP, "lab-k7q2/n1", "cpu memory"),
        (Kind.UNIT, "machine-k7q2\\x2dn1.scope", "loaded active running"),
        (Kind.MACHINE, "machines/k7q2-n1", "there"),
        (Kind.MOUNT, f"{DATA}/default/nodes/n1/root", "overlay overlay"),
        (Kind.PROCESS, "71 /usr/bin/systemd", "in /lab-k7q2/n1/init.scope, started at tick 3"),
        (Kind.RULES, "nft table inet lab-k7q2", "table ..."),
        (Kind.TEMPORARY, "/run/lab/sysctls.json", "there"),
    ],
)
def test_what_carries_a_mark_of_a_lab_is_residue(kind: Kind, what: str, value: str) -> None:
    found = difference(kind, {}, {what: value})

    assert found == Difference(kind, what, None, value, Blame.LAB)
    assert found.is_residue


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (Kind.LINK, "docker0"),
        (Kind.LINK, "slab-k7q2"),
        (Kind.NETNS, "lab-of-mine"),
        (Kind.USER, "labrador"),
        (Kind.ETC, "/etc/data-n1"),
        (Kind.MOUNT, f"{DATA}rador"),
        (Kind.MOUNT, f"/mnt{DATA}"),
        (Kind.SOCKET, "tcp 127.0.0.1:8080"),
    ],
)
def test_what_a_user_may_have_done_is_named_without_blame(kind: Kind, what: str) -> None:
    found = difference(kind, {}, {what: "there"})

    assert (found.what, found.blame, found.is_residue) == (what, Blame.UNKNOWN, False)


def test_a_sysctl_that_was_not_put_back_is_residue() -> None:
    found = difference(Kind.SYSCTL, {"kernel.panic": "0"}, {"kernel.panic": "10"})

    assert found == Difference(Kind.SYSCTL, "kernel.panic", "0", "10", Blame.LAB)


def test_a_sysctl_that_came_with_a_module_is_told_as_such() -> None:
    found = difference(Kind.SYSCTL, {}, {"net.bridge.bridge-nf-call-iptables": "1"})

    assert (found.kind, found.blame) == (Kind.MODULE, Blame.UNKNOWN)


def test_a_reboot_between_takes_the_blame_for_a_sysctl() -> None:
    before = host(Kind.SYSCTL, {"kernel.panic": "0"}, boot="b1")
    after = host(Kind.SYSCTL, {"kernel.panic": "10"}, boot="b2")

    assert [d.blame for d in compare(before, after)] == [Blame.UNKNOWN]


def test_what_a_lab_took_away_is_its_doing_but_no_residue() -> None:
    found = difference(Kind.NETNS, {"lab-k7q2": "inode 7"}, {})

    assert (found.blame, found.is_residue) == (Blame.LAB, False)


def test_what_another_lab_that_is_up_holds_is_no_difference() -> None:
    living = ("z9z9", f"{DATA}/other")
    before, after = host(Kind.MOUNT, {}), host(Kind.MOUNT, {f"{DATA}/other/root": "overlay"})

    assert compare(before, after, living=living) == []
    assert compare(host(Kind.NETNS, {}), host(Kind.NETNS, {"lab-z9z9": "7"}), living=living) == []
    assert difference(Kind.NETNS, {}, {"lab-k7q2": "8"}, living).is_residue


def test_what_all_labs_share_is_not_blamed_while_another_is_up() -> None:
    register = {"/run/lab/sysctls.json": "there"}

    assert not difference(Kind.TEMPORARY, {}, register, ("z9z9",)).is_residue
    assert not difference(Kind.SYSCTL, {"a": "0"}, {"a": "1"}, ("z9z9",)).is_residue


def test_a_kind_that_could_be_read_only_once_is_told_instead_of_guessed() -> None:
    before = host(Kind.RULES, {"nft table inet lab-k7q2": "..."})
    after = replace(before, facts={}, unread={Kind.RULES: "program 'nft' was not found"})

    assert compare(before, after) == [
        Difference(
            Kind.RULES,
            EVERYTHING,
            "read",
            "not read: program 'nft' was not found",
            Blame.UNKNOWN,
        )
    ]


def test_residue_comes_first() -> None:
    before = Fingerprint("b1", (DATA,), {Kind.LINK: {}, Kind.NETNS: {}}, {})
    after = replace(before, facts={Kind.LINK: {"docker0": "x"}, Kind.NETNS: {"lab-k7q2": "y"}})

    assert [d.what for d in compare(before, after)] == ["lab-k7q2", "docker0"]


def test_what_cannot_be_read_is_told_and_the_rest_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    fingerprint = take_fingerprint()

    assert fingerprint.unread[Kind.LINK] == "program 'ip' was not found"
    assert Kind.LINK not in fingerprint.facts
    assert fingerprint.facts[Kind.MOUNT]["/proc"]


def test_machines_count_only_where_machines_are_meant() -> None:
    assert lab_ids("k7q2-n1", machines=True) == {"k7q2"}
    assert lab_ids("k7q2-n1", machines=False) == set()


def test_a_place_is_named_with_what_is_below_it() -> None:
    assert names_place(f"nspawn --directory={DATA}/x", [DATA])
    assert not names_place(f"{DATA}.old/x", [DATA])


def test_links_have_the_kind_that_the_kernel_gives_them() -> None:
    text = (
        '[{"ifname": "lo", "link_type": "loopback"}, {}, '
        '{"ifname": "br0", "link_type": "ether", "linkinfo": {"info_kind": "bridge"}}]'
    )

    assert network.parse_links(text) == {"lo": "loopback", "br0": "bridge"}


def test_addresses_are_kept_without_the_time_they_have_left() -> None:
    address = {"local": "10.0.0.1", "prefixlen": 8, "scope": "global", "valid_life_time": 71}
    text = json.dumps([{"ifname": "eth0", "addr_info": [address, {}]}])

    assert network.parse_addresses(text) == {"eth0 10.0.0.1/8": "global"}


def test_a_route_is_the_same_when_only_its_expiry_changed() -> None:
    route = {"dst": "default", "dev": "eth0", "expires": 70, "flags": []}
    later = json.dumps([route | {"expires": 12, "flags": ["linkdown"]}])

    assert network.parse_routes(json.dumps([route])) == network.parse_routes(later)
    assert list(network.parse_routes(later)) == ["dst default dev eth0"]


def test_no_routes_at_all_are_read_as_none() -> None:
    assert network.parse_routes("") == {}


TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 7 1
   1: 0100007F:192B 0100007F:8000 01 00000000:00000000 00:00000000 00000000  1000        0 8 1
"""
TCP6 = """\
  sl  local_address                         remote_address  st tx rx tr tm->when uid
   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 33
"""


def test_sockets_that_listen_are_found_and_connections_are_not() -> None:
    assert network.parse_sockets("tcp", TCP) == {"tcp 127.0.0.1:6443": "user 1000"}
    assert network.parse_sockets("tcp6", TCP6) == {"tcp6 [::1]:80": "user 33"}


def test_a_host_without_ipv6_has_no_table_for_it(tmp_path: Path) -> None:
    (tmp_path / "tcp").write_text(TCP)

    assert network.read_sockets(tmp_path) == {"tcp 127.0.0.1:6443": "user 1000"}


def test_rules_are_kept_by_table() -> None:
    text = "table inet a {\n\tchain c {\n\t}\n}\n# Warning: managed\ntable ip b {\n}\n"

    assert network.parse_ruleset(text) == {
        "nft table inet a": "table inet a {\n\tchain c {\n\t}\n}\n",
        "nft table ip b": "table ip b {\n}\n",
    }


def test_legacy_rules_are_kept_without_their_counters() -> None:
    text = "# made at noon\n*nat\n:INPUT ACCEPT [12:900]\n[1:60] -A INPUT -j ACCEPT\nCOMMIT\n"

    assert network.parse_saved("iptables", text) == {
        "iptables-legacy nat": ":INPUT ACCEPT\n -A INPUT -j ACCEPT\nCOMMIT\n"
    }


def test_mounts_on_one_place_are_told_in_their_order() -> None:
    text = "/dev/vda /a ext4 rw 0 0\ntmpfs /a tmpfs rw 0 0\nx /with\\040space y rw 0 0\n"

    assert kernel.parse_mounts(text) == {
        "/a": "ext4 /dev/vda, then tmpfs tmpfs",
        "/with space": "y x",
    }


def test_a_cgroup_is_one_fact_with_the_hierarchies_that_have_it(tmp_path: Path) -> None:
    for name in ("cpu/lab-k7q2/n1/kubepods/besteffort", "pids/lab-k7q2"):
        (tmp_path / name).mkdir(parents=True)
    table = tmp_path / "mounts"
    lines = [f"cgroup {tmp_path}/{name} cgroup rw,{name} 0 0" for name in ("cpu", "pids")]
    table.write_text("\n".join(lines))

    assert kernel.read_cgroups(table) == {
        "lab-k7q2": "cpu pids",
        "lab-k7q2/n1": "cpu",
        "lab-k7q2/n1/kubepods": "cpu",
    }


def test_sysctls_that_the_kernel_lacks_are_left_out(tmp_path: Path) -> None:
    for name, text in (("kernel/panic", "10\n"), ("fs/inotify/max_x", "1\t2\n")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)

    assert kernel.read_sysctls(tmp_path) == {"kernel.panic": "10", "fs.inotify.max_x": "1 2"}


def test_modules_are_named_without_what_changes(tmp_path: Path) -> None:
    (tmp_path / "modules").write_text("veth 45056 2 - Live 0x0\n")

    assert kernel.read_modules(tmp_path / "modules") == {"veth": "loaded"}
    assert kernel.read_modules(tmp_path / "absent") == {}


def test_accounts_are_kept_by_name_and_id() -> None:
    assert files.parse_accounts("root:x:0:0::/root:/bin/sh\n\n+\n") == {"root": "id 0"}


def test_a_file_that_changed_in_size_or_time_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "d/file"
    file.parent.mkdir()
    file.write_text("a")
    before = files.read_etc(tmp_path)

    file.write_text("ab")

    after = files.read_etc(tmp_path)
    assert {path for path in after if before[path] != after[path]} == {str(file)}
    assert re.fullmatch(r"-rw\S+ \d+:\d+ 2 bytes, changed \d+", after[str(file)])


def test_a_link_is_known_by_its_target(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")

    assert files.read_etc(tmp_path) == {f"{tmp_path}/link": "link to nowhere"}


def test_machines_are_what_machined_and_nspawn_list(tmp_path: Path) -> None:
    for name in ("machines/k7q2-n1", "nspawn/propagate/k7q2-n2", "nspawn/other/x"):
        (tmp_path / name).mkdir(parents=True)

    assert set(files.read_machines(tmp_path)) == {"machines/k7q2-n1", "nspawn/propagate/k7q2-n2"}


def test_units_are_kept_with_their_state() -> None:
    text = "lab-k7q2.slice loaded active active Lab k7q2\n"

    assert processes.parse_units(text) == {"lab-k7q2.slice": "loaded active active"}


def process(command: str, *, cgroup: str = "/", foreground: bool = False) -> processes.Process:
    group, terminal = (50, 50) if foreground else (50, -1)
    stat = f"50 (a) name) S 1 {group} 50 34816 {terminal} " + " ".join("0" * 13) + " 777 0 0"
    return parse_process(50, command.replace(" ", "\0").encode() + b"\0", stat, f"0::{cgroup}\n")


def test_a_process_is_read_also_when_its_name_holds_parentheses() -> None:
    found = process("sleep 5", cgroup="/user.slice")

    assert found == processes.Process(50, 1, 777, False, "sleep 5", "/user.slice")


@pytest.mark.parametrize(
    "command",
    [
        "systemd-nspawn --machine=other",
        "/usr/bin/systemd-nspawn -D /srv",
        f"python -u {DATA}/x/forwarder.py",
        "nsenter --net=/run/netns/lab-k7q2 -- true",
        "python -m lab.machines.forwarder",
    ],
)
def test_a_process_of_a_lab_is_known_by_its_command(command: str) -> None:
    assert is_of_a_lab(process(command), [DATA])


def test_what_runs_inside_a_node_is_known_by_its_cgroup() -> None:
    assert is_of_a_lab(process("/sbin/init", cgroup="/lab-k7q2/n1"), [DATA])
    scope = "/machine.slice/machine-k7q2\\x2dn1.scope"
    assert is_of_a_lab(process("/sbin/init", cgroup=scope), [DATA])


def test_somebody_who_reads_a_log_at_a_terminal_is_no_residue() -> None:
    assert not is_of_a_lab(process(f"less {DATA}/x/console.log", foreground=True), [DATA])


def test_other_processes_are_none_of_ours() -> None:
    assert not is_of_a_lab(process("vim labels.txt"), [DATA])
