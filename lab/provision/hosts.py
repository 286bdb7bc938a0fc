"""pyinfra deploys for machines that somebody already has: claim them, bring programs, give back.

They read only `host.data`, so that a plain pyinfra run can use them as well. What lab puts on a
host it finds there by the owner's mark, and it overwrites nothing that it has not put there.
"""

import shlex

from pyinfra.api.deploy import deploy
from pyinfra.context import host
from pyinfra.operations import server

from lab.machines.nspawn import STORE
from lab.provision.node import render
from lab.provision.phases import KERNEL_SETTINGS, RELEASE, STAGE, claim_script
from lab.provision.sending import upload
from lab.provision.steps import Stamps, once

RELEASE_BOUND_S = 60


@deploy("Claim the host")
def claim() -> None:
    """Mark the host as the lab's, and note the kernel settings that it has. Data: owner.

    `owner` is "ID NAME" of the lab. A host with another mark is refused.
    """
    lab_id = host.data.owner.split()[0]
    once("Mark the host", stamp=f"owner-{lab_id}", command=claim_script(host.data.owner))


@deploy("Give the host back")
def release() -> None:
    """Put the kernel's settings back and remove the mark, when all else is gone. Data: owner."""
    server.shell(
        name="Put kernel settings back and remove the mark",
        commands=["sh -s"],
        _stdin=render(RELEASE, kernel_settings=KERNEL_SETTINGS),
        _timeout=RELEASE_BOUND_S,
    )


@deploy("Bring programs and images")
def bring() -> None:
    """Upload what the host has not, compare it there, and link programs to where they are run.

    Data: uploads: directory, archive (a path on the controller), sha256, files.
    """
    for each in host.data.uploads:
        _bring(each["directory"], each["archive"], each["sha256"])
    links = {
        f"/{file}": f"{STORE}/{each['directory']}/tree/{file}"
        for each in host.data.uploads
        for file in each["files"]
    }
    names = "-".join(sorted(each["sha256"][:4] for each in host.data.uploads))
    once(
        "Link programs and images",
        stamp=f"links-{names}",
        kind="links",
        command=f"({render('host-links.sh.j2', links=links)})",
    )


def _bring(directory: str, archive: str, sha256: str) -> None:
    """What is uploaded gets its name only when it is whole and was unpacked to its end."""
    stamp = f"store-{directory}-{sha256[:12]}"
    if stamp in host.get_fact(Stamps):
        return
    staged = f"{STAGE}/{directory}.tar.gz"
    upload(directory, source=archive, staged=staged, sha256=sha256)
    place = shlex.quote(f"{STORE}/{directory}")
    check = f"echo '{sha256}  {staged}' | sha256sum --check --status"
    once(
        f"Verify and unpack {directory}",
        stamp=stamp,
        command=f"{{ {check} || {{ rm -f {staged}; echo 'the upload of {directory} is damaged' "
        f">&2; exit 1; }}; }} && rm -rf {place} {place}.new && mkdir -p {place}.new && "
        f"tar -x -z -C {place}.new --no-same-owner -f {staged} && mv -T {place}.new {place} && "
        f"rm -f {staged}",
    )
