"""`./run demo`, with stand-ins for lab, sudo and id: which way does it take, and why?"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAB = """#!/bin/sh
echo "lab $*" >> {calls}
case "$*" in
doctor) echo "ok        systemd   runs"; echo "MISSING   root      runs as user 1000" ;;
"doctor --json" | "doctor --fix") exit {fit} ;;
"scenario run "*) exit {judged} ;;
esac
"""


class Tree:
    """A checkout in which set-up was done."""

    def __init__(self, path: Path) -> None:
        self.path, self.calls = path, path / "calls"
        for name in ("run", "pyproject.toml"):
            shutil.copy(ROOT / name, path)
        self.program(".venv/bin/pip", "#!/bin/sh\n")
        done = subprocess.run(
            ["cksum"], input=(ROOT / "pyproject.toml").read_bytes(), capture_output=True, check=True
        )
        (path / ".venv" / f".installed-{done.stdout.decode().rstrip().replace(' ', '-')}").touch()

    def program(self, name: str, text: str) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)

    def demo(self, *, sudo: bool, fit: bool, judged: int = 0) -> "subprocess.CompletedProcess[str]":
        lab = LAB.format(calls=self.calls, fit=0 if fit else 4, judged=judged)
        self.program(".venv/bin/lab", lab)
        self.program("bin/id", "#!/bin/sh\necho 1000\n")
        allowed = '[ "$1" != -n ] || shift\nexec "$@"' if sudo else "exit 1"
        self.program("bin/sudo", f"#!/bin/sh\n{allowed}\n")
        return subprocess.run(
            ["sh", "run", "demo"],
            cwd=self.path,
            env={"PATH": f"{self.path}/bin:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def lines(self) -> list[str]:
        return self.calls.read_text().splitlines()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.mark.parametrize(("sudo", "fit"), [(False, True), (True, False)])
def test_where_nodes_cannot_run_the_demo_is_played_on_the_twin_and_says_why(
    tree: Tree, sudo: bool, fit: bool
) -> None:
    done = tree.demo(sudo=sudo, fit=fit, judged=1)

    assert tree.lines()[-1] == "lab scenario run half-migrated-rename --stage twin"
    assert not {"lab up", "lab deploy"} & set(tree.lines())
    assert "Six nodes cannot run on this host:\n  root      runs as user 1000\n" in done.stdout
    assert done.returncode == 1


def test_where_nodes_can_run_the_lab_is_made_and_stays(tree: Tree) -> None:
    done = tree.demo(sudo=True, fit=True, judged=3)

    assert tree.lines()[1:] == [
        "lab up",
        "lab deploy",
        "lab scenario run half-migrated-rename",
        "lab status",
    ]
    assert "The lab stays up" in done.stdout
    assert done.returncode == 3
