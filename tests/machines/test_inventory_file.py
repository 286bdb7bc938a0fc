"""The file is run in a process of its own; names are those of loopback and of documentation."""

import ipaddress
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import EXIT_USAGE, HostUnfit, InvalidValue
from lab.machines.inventory import Host
from lab.machines.inventory_file import load
from lab.paths import Caller

PODS = ipaddress.ip_network("10.42.0.0/16")
SERVICES = ipaddress.ip_network("10.43.0.0/16")
EXAMPLE = Path(__file__).parents[2] / "inventories/my_hosts.py"
AT = "'ssh_hostname': '192.0.2.11', 'ssh_user': 'root'"


@pytest.fixture
def someone(tmp_path: Path) -> Caller:
    """The own user, with an empty home."""
    return Caller(os.geteuid(), os.getegid(), tmp_path)


class Inventory:
    def __init__(self, file: Path, caller: Caller) -> None:
        self.file, self.caller = file, caller

    def load(self, text: str, timeout_s: float = 10) -> tuple[Host, ...]:
        self.file.write_text(text)
        return load(
            self.file, caller=self.caller, pods=PODS, services=SERVICES, timeout_s=timeout_s
        )

    def fails(self, text: str, timeout_s: float = 10) -> str:
        with pytest.raises(InvalidValue) as failure:
            self.load(text, timeout_s)
        assert failure.value.exit_code == EXIT_USAGE
        assert failure.value.hint
        return failure.value.message


@pytest.fixture
def inventory(tmp_path: Path, someone: Caller) -> Inventory:
    return Inventory(tmp_path / "hosts.py", someone)


def test_the_example_is_one_server_and_two_agents_by_sudo(someone: Caller) -> None:
    hosts = load(EXAMPLE, caller=someone, pods=PODS, services=SERVICES)

    assert [(host.name, host.address, host.is_server) for host in hosts] == [
        ("k1", "192.0.2.11", True),
        ("k2", "192.0.2.12", False),
        ("k3", "192.0.2.13", False),
    ]
    assert {(host.user, host.port, host.sudo) for host in hosts} == {("admin", 22, True)}


def test_all_that_is_given_arrives(inventory: Inventory, tmp_path: Path) -> None:
    (tmp_path / "id").touch(mode=0o600)
    (tmp_path / "known").touch()
    (host,) = inventory.load(
        "from pathlib import Path\n"
        "HERE = Path(__file__).parent\n"
        "server = [('k1', {'ssh_hostname': '192.0.2.1', 'ssh_user': 'u', 'ssh_port': 2222,\n"
        "  'ssh_key': HERE / 'id', 'ssh_known_hosts_file': '~/known', '_sudo': True,\n"
        "  'address': '192.0.2.9', 'labels': ('a', 'b')})]\n"
    )

    assert (host.hostname, host.user, host.port, host.sudo) == ("192.0.2.1", "u", 2222, True)
    assert host.address == "192.0.2.9"
    assert host.known_as == "[192.0.2.1]:2222"
    assert (host.key, host.known_hosts) == (tmp_path / "id", tmp_path / "known")
    assert host.data["labels"] == ["a", "b"]


def test_users_own_ssh_configuration_says_where_a_name_is(
    inventory: Inventory, tmp_path: Path
) -> None:
    config = tmp_path / ".ssh/config"
    config.parent.mkdir()
    config.write_text("Host k1\n HostName 192.0.2.7\n User root\n Port 2200\n HostKeyAlias k-one\n")

    (host,) = inventory.load("server = ['k1']")

    assert (host.hostname, host.address, host.user, host.port) == ("k1", "192.0.2.7", "root", 2200)
    assert host.known_as == "k-one"


def test_what_the_file_prints_is_not_taken_for_its_groups(inventory: Inventory) -> None:
    (host,) = inventory.load(f"print('{{}}')\nserver = [('k1', {{{AT}}})]")

    assert host.name == "k1"


def test_what_the_file_does_to_its_process_is_not_done_to_ours(inventory: Inventory) -> None:
    inventory.load(
        "import os, sys\nos.environ['LEFT'] = 'x'\nos.chdir('/')\nsys.modules['lab_left'] = sys\n"
        f"server = [('k1', {{{AT}}})]"
    )

    assert "LEFT" not in os.environ
    assert "lab_left" not in sys.modules


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("server = [\n'k1'", 1, "SyntaxError: '[' was never closed"),
        ("a = 1\nserver = [nothing]", 2, "NameError: name 'nothing' is not defined"),
        ("a = 1\nb = 2\nimport no_such_module", 3, "ModuleNotFoundError"),
        ("def f():\n    1 / 0\n\nf()", 2, "ZeroDivisionError: division by zero"),
        ("import json\njson.loads('x')", 2, "JSONDecodeError"),
        ("raise SystemExit(3)", 1, "it exits with 3"),
        ("raise KeyboardInterrupt", 1, "KeyboardInterrupt"),
        ("class Own(BaseException): pass\nraise Own", 2, "Own"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_file_line_and_message(
    inventory: Inventory, text: str, line: int, said: str
) -> None:
    message = inventory.fails(text)

    assert message.startswith(f"{inventory.file}, line {line}: ")
    assert said in message


def test_a_mistake_in_a_module_of_the_file_names_both(
    inventory: Inventory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside.py").write_text("x = (\n")
    monkeypatch.chdir(tmp_path)

    message = inventory.fails("a = 1\nimport beside")

    assert message.startswith(f"{inventory.file}, line 2: SyntaxError in {tmp_path}/beside.py")


def test_a_file_that_does_not_end_is_ended_at_the_bound(inventory: Inventory) -> None:
    message = inventory.fails("while True: pass", timeout_s=0.5)

    assert message == f"{inventory.file} did not run to its end within 0.5 s"


def test_a_file_that_ends_its_process_is_told_with_what_it_said(inventory: Inventory) -> None:
    message = inventory.fails(
        "import os, sys\nprint('last words', file=sys.stderr, flush=True)\nos._exit(7)"
    )

    assert message == f"{inventory.file} ended its process, status 7: last words"


def test_the_hint_leads_to_an_example_that_is_there(inventory: Inventory) -> None:
    with pytest.raises(InvalidValue) as failure:
        inventory.load("")

    assert Path(str(failure.value.hint).split(" is an example", maxsplit=1)[0]).is_file()


def test_a_file_that_is_not_there_is_told(someone: Caller, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="there is no inventory file"):
        load(tmp_path / "none.py", caller=someone, pods=PODS, services=SERVICES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server = [('k1', {}, 3)]", "server: entry 1 is neither a name nor (name, data)"),
        ("server = ['k1', 7]", "server: entry 2 is neither a name nor (name, data)"),
        ("server = [('k1', 'data')]", "server: entry 1 is neither a name nor (name, data)"),
        ("server = (['k1'], 'data')", "server: the data: it is of type str, not a dict"),
        ("server = (['k1'], {}, {})", "server: it has 3 parts"),
        ("server = [('k1', {'x': {1}})]", "k1: x holds what is no plain data (set)"),
        ("server = [('k1', {'x': print})]", "k1: x holds what is no plain data"),
        ("server = [('k1', {'x': float('nan')})]", "k1: x holds what is no plain data (float)"),
        ("x = []\nx.append(x)\nserver = [('k1', {'x': x})]", "k1: x holds what is no plain data"),
        ("server = 'k1'", "server is of type str, not a list of hosts"),
        ("server = ['k1']\nagents = ('k2', 'k3')", "agents is of type tuple, not a list of hosts"),
        ("", "there is no server"),
    ],
)
def test_a_group_of_another_shape_is_told(inventory: Inventory, text: str, said: str) -> None:
    assert said in inventory.fails(text)


def test_data_of_a_group_is_that_of_its_hosts(inventory: Inventory) -> None:
    first, second = inventory.load(
        "server = ([('k1', {'ssh_hostname': '192.0.2.1'})], {'ssh_user': 'root'})\n"
        "agents = (['k2'], {'ssh_hostname': '192.0.2.2', 'ssh_user': 'u', '_sudo': True})"
    )

    assert (first.user, second.user, second.sudo) == ("root", "u", True)


def test_all_problems_of_keys_and_names_are_told_together(
    inventory: Inventory, tmp_path: Path
) -> None:
    (tmp_path / "open").touch(mode=0o644)
    (tmp_path / "dir").mkdir()

    message = inventory.fails(
        "server = [('k1', {'ssh_hostname': 'no-such-host.invalid', 'ssh_user': 'root',\n"
        "  'ssh_key': '~/none'})]\n"
        "agents = [('k2', {'ssh_hostname': 'localhost', 'ssh_user': 'u', 'ssh_key': '~/open'}),\n"
        "  ('k3', {'ssh_hostname': '10.43.0.1', 'ssh_user': 'root', 'ssh_key': '~/dir',\n"
        "    'ssh_known_hosts_file': '~/none', 'ssh_config_file': '/dev/null'})]"
    )

    head, *problems = message.splitlines()
    assert head == f"{inventory.file} has 8 problems; nothing was changed"
    assert problems == [
        "  k1: 'no-such-host.invalid' cannot be resolved; give an address as ssh_hostname, "
        "or as `address`",
        f"  k1: key {tmp_path}/none cannot be used: no such file or directory",
        f"  k2: key {tmp_path}/open can be read by others (mode 0644): chmod 600 {tmp_path}/open",
        f"  k3: there is no known_hosts file {tmp_path}/none",
        f"  k3: key {tmp_path}/dir is no regular file",
        "  k2: user 'u' is not root, and `_sudo` is not True: lab installs as root",
        "  k3: its address 10.43.0.1 is in the range of services, 10.43.0.0/16",
        "  k2: localhost (127.0.0.1) is loopback, where each node finds itself; give the address "
        "that the others reach as `address` of its data",
    ]


def test_a_configuration_that_ssh_refuses_is_told_of_its_host(
    inventory: Inventory, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("NoSuchOption yes\n")

    message = inventory.fails("server = [('k1', {'ssh_config_file': '~/config'})]")

    assert "k1: " in message
    assert "nosuchoption" in message.lower()


def test_an_address_of_its_own_has_to_be_one(inventory: Inventory) -> None:
    message = inventory.fails(f"server = [('k1', {{{AT}, 'address': 'k1.example.org'}})]")

    assert "k1: address 'k1.example.org' is not an IP address" in message


@pytest.fixture
def everybodys() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="lab-inventory-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


NOBODY = 65534
ROOT = Path(__file__).parents[2]


@pytest.mark.e2e
def test_through_sudo_the_file_runs_as_who_called(
    everybodys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pythons = [each for each in (Path(sys.executable), Path("/usr/bin/python3")) if _is_open(each)]
    if not pythons or not _is_open(ROOT / "lab/__init__.py"):
        pytest.skip("nobody cannot reach a Python and lab")
    monkeypatch.setattr(sys, "executable", str(pythons[0]))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    file = everybodys / "hosts.py"
    file.write_text(
        "import os\n"
        f"server = [('k1', {{{AT}, 'ran_as': [os.getuid(), os.getgid(), *os.getgroups()]}})]"
    )

    nobody = Caller(NOBODY, NOBODY, everybodys)
    (host,) = load(file, caller=nobody, pods=PODS, services=SERVICES)

    assert host.data["ran_as"] == [NOBODY, NOBODY, NOBODY]


@pytest.mark.e2e
def test_a_python_that_the_caller_may_not_run_is_told(
    everybodys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = everybodys / "python"
    locked.touch(mode=0o600)
    monkeypatch.setattr(sys, "executable", str(locked))
    file = everybodys / "hosts.py"
    file.touch()

    with pytest.raises(HostUnfit, match=f"nobody may not run {locked}"):
        load(file, caller=Caller(NOBODY, NOBODY, everybodys), pods=PODS, services=SERVICES)


def _is_open(file: Path) -> bool:
    """Whether everybody reaches it."""
    found = file.resolve()
    return found.exists() and all(each.stat().st_mode & 0o001 for each in found.parents)


@pytest.mark.e2e
def test_pyinfra_itself_finds_the_same_hosts_in_the_example() -> None:
    pyinfra = Path(sys.executable).with_name("pyinfra")
    done = subprocess.run(
        [pyinfra, str(EXAMPLE), "debug-inventory"], capture_output=True, text=True, timeout=30
    )

    assert done.returncode == 0, done.stderr
    for name in ("k1", "k2", "k3", "192.0.2.13", "_sudo"):
        assert name in done.stdout + done.stderr


def test_what_is_wrong_with_the_list_and_with_places_is_told_in_one_round(
    inventory: Inventory, tmp_path: Path
) -> None:
    message = inventory.fails(
        "server = [('k1', {'ssh_hostname': '192.0.2.1', 'ssh_key': '/no/such'}),"
        " ('k2', {'ssh_hostname': '10.42.0.5', 'ssh_user': 'root', 'ssh_password': 'x'})]\n"
        "agents = [('k3', {'ssh_hostname': '-oProxyCommand=x'}), ('k4', {'ssh_port': 'x'})]\n"
    )

    for said in (
        "there are 2 servers",
        "k1: key /no/such cannot be used",
        "k2: ssh_password is not used",
        "k2: its address 10.42.0.5 is in the range of pods",
        "k3: ssh_hostname '-oProxyCommand=x' is neither",
        "k4: ssh_port 'x' is not a number",
    ):
        assert message.count(said) == 1, message
    assert "k3: user" not in message
