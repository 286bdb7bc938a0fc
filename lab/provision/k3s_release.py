"""Bring a release of k3s to a node: looked at first, and compared there before it gets its name.

Parts of the deploys in `lab.provision.k3s`; which data they read is said there.
"""

import shlex
from dataclasses import dataclass

from pyinfra.context import host
from pyinfra.facts.files import Sha256File
from pyinfra.operations import server as shell

from lab.provision.k3s_config import DATA
from lab.provision.phases import STAGE
from lab.provision.sending import upload
from lab.provision.steps import Stamps, once

PROGRAM = "/usr/local/bin/k3s"
PROGRAMS = "/var/lib/lab/k3s-programs"
IMAGES = f"{DATA}/agent/images"


def bring_program(on_node: str = "") -> None:
    """Upload to a name of its own, compare there, and only then give it its name.

    `on_node` is where the node has it already; then it is copied from there.
    """
    data = host.data
    if host.get_fact(Sha256File, path=PROGRAM) == data.program_sha256:
        return
    staged = f"{STAGE}/k3s.{data.program_sha256}"
    if on_node:
        copy = f"mkdir -p -m 0700 {STAGE} && cp {shlex.quote(on_node)} {staged}"
        shell.shell(name="Copy k3s", commands=[copy])
    else:
        upload("k3s", source=data.program, staged=staged, sha256=data.program_sha256)
    check = f"echo '{data.program_sha256}  {staged}' | sha256sum --check --status"
    shell.shell(
        name="Verify k3s and give it its name",
        commands=[
            f"{check} || {{ rm -f {staged}; echo 'the upload of k3s is damaged' >&2; exit 1; }}",
            # Noted first: what is noted is lab's to remove, whichever release it is of.
            f"echo {data.program_sha256} >> {PROGRAMS} && "
            f"install -o root -g root -m 0755 {staged} {PROGRAM}.new && "
            f"mv -f {PROGRAM}.new {PROGRAM} && rm -f {staged}",
        ],
    )


def bring_images() -> None:
    """Images lie where k3s imports them from at its start (docs.k3s.io/installation/airgap).

    `.cache.json` there has k3s skip what it has imported before.
    """
    data = host.data
    if data.images_on_node or data.images:
        own = Archive(data.images_name, data.images_sha256, data.images, data.images_on_node)
        # What lies beside it on the node is from the same cache.
        pattern = f"{data.images_on_node}/*.tar*" if data.images_on_node else ""
        _bring_archive("the images", own, kind="k3s-images", pattern=pattern)
    for each in data.get("images_beside") or ():
        archive = Archive(each["name"], each["sha256"], each["path"], each["on_node"])
        what = f"the images in {archive.name}"
        _bring_archive(what, archive, kind=f"k3s-beside-{archive.name}")


@dataclass(frozen=True, slots=True)
class Archive:
    """Images in one file: on the controller at `path`, or in the node's directory `on_node`."""

    name: str
    sha256: str
    path: str
    on_node: str


def _bring_archive(what: str, archive: Archive, *, kind: str, pattern: str = "") -> None:
    """Compare it where it has come to, then let k3s have it, or all files of `pattern`."""
    stamp = f"{kind}-{archive.sha256[:12]}"
    if stamp in host.get_fact(Stamps):
        return
    place = f"{archive.on_node or STAGE}/{archive.name}"
    if not archive.on_node:
        upload(what, source=archive.path, staged=place, sha256=archive.sha256)
    check = f"echo '{archive.sha256}  {place}' | sha256sum --check --status"
    # Nothing else there: pyinfra may have found another file to be uploaded already.
    clean = "true" if archive.on_node else f"rm -f {place}"
    once(
        f"Bring {what}",
        stamp=stamp,
        command=f"{{ {check} || {{ {clean}; echo '{what} are damaged' >&2; exit 1; }}; }} "
        f"&& mkdir -p {IMAGES} && for file in {pattern or place}; do "
        f"cp $file {IMAGES}/.new && mv -f {IMAGES}/.new {IMAGES}/${{file##*/}} || exit 1; done "
        f"&& touch {IMAGES}/.cache.json && {clean}",
        kind=kind,
    )
