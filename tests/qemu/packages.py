"""Which Debian packages must the host have to build and boot the virtual machine?"""

PACKAGES = (
    "debian-archive-keyring",
    "e2fsprogs",
    "mmdebstrap",
    "openssh-client",
    "qemu-system-x86",
    "util-linux",
)
