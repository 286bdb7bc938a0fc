"""Parts of deploys: bring a file from the controller to where it is compared and put to use.

Who uses pyinfra alone has it uploaded by pyinfra. `lab` has sent it before, side by side and
without a copy in /tmp that others may see coming (pyinfra's `files.put` with sudo).
"""

from pyinfra.context import host
from pyinfra.facts.files import Sha256File
from pyinfra.operations import files, server

from lab.provision.phases import STAGE


def upload(what: str, *, source: str, staged: str, sha256: str) -> None:
    """Have the controller's file `source` at `staged`, below STAGE, unless it is there already."""
    if host.get_fact(Sha256File, path=staged) == sha256:
        return
    server.shell(name="Make a private directory", commands=[f"mkdir -p -m 0700 {STAGE}"])
    files.put(name=f"Upload {what}", src=source, dest=staged, mode="600")
