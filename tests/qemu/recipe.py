"""What is on the disk of the virtual machine: a small Debian host run by systemd.

It is an ordinary host of somebody, not a node: machined, logind, sudo for a user
`ops`, cgroup v2. Who may log in, and the host key, come on a disk of their own at
each boot, so that one image serves every machine and holds no secret.
"""

import hashlib

from lab.artifacts import debian

VERSION = "1"
LABEL = "testhost"
DISK_SIZE = 16 * 1024**3
USER = "ops"
SEED = "seed"
HOST_KEY = "ssh_host_ed25519_key"

SYSTEM = ("systemd", "systemd-sysv", "systemd-container", "dbus", "libpam-systemd", "udev")
BOOT = ("linux-image-cloud-amd64", "initramfs-tools")
NETWORK = ("iproute2", "iptables", "nftables", "ebtables", "ethtool", "conntrack", "socat")
TOOLS = ("openssh-server", "sudo", "python3", "python3-venv", "kmod", "procps", "util-linux")
PACKAGES = (*SYSTEM, *BOOT, *NETWORK, *TOOLS, "mount", "ca-certificates", "iputils-ping")

EXCLUDED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")

MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "systemd-networkd-wait-online.service",
)

MOUNT_SHARES = f"""\
#!/bin/sh
# Every disk with a serial number is a directory of the tester: mount it at /mnt/SERIAL.
set -eu
for disk in /sys/block/vd*; do
    tag=$(cat "$disk/serial")
    [ -n "$tag" ] || continue
    mkdir -p "/mnt/$tag"
    mount -o ro "/dev/${{disk##*/}}" "/mnt/$tag"
done
install -m 600 /mnt/{SEED}/{HOST_KEY} /etc/ssh/{HOST_KEY}
install -D -m 600 /mnt/{SEED}/authorized_keys /root/.ssh/authorized_keys
install -d -o {USER} -m 700 /home/{USER}/.ssh
install -o {USER} -m 600 /mnt/{SEED}/authorized_keys /home/{USER}/.ssh/authorized_keys
"""

SHARES_UNIT = """\
[Unit]
Description=Mount the directories of the tester, and let them in
Before=ssh.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/mount-shares
"""

# A way out is configured, so that it is the missing network that keeps packets in.
UPLINK = """\
[Match]
Driver=virtio_net

[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
LinkLocalAddressing=no
IPv6AcceptRA=no
"""

FILES: dict[str, tuple[int, str]] = {
    "etc/systemd/network/10-uplink.network": (0o644, UPLINK),
    "etc/systemd/system/mount-shares.service": (0o644, SHARES_UNIT),
    "usr/local/sbin/mount-shares": (0o755, MOUNT_SHARES),
    f"etc/sudoers.d/{USER}": (0o440, f"{USER} ALL=(ALL) NOPASSWD: ALL\n"),
    "etc/hostname": (0o644, f"{LABEL}\n"),
    "etc/hosts": (0o644, f"127.0.0.1 localhost\n127.0.1.1 {LABEL}\n::1 localhost\n"),
    "etc/resolv.conf": (0o644, ""),
    "etc/machine-id": (0o444, ""),
}

WANTS = "etc/systemd/system/multi-user.target.wants"
LINKS = {
    **{f"etc/systemd/system/{unit}": "/dev/null" for unit in MASKED},
    f"{WANTS}/mount-shares.service": "/etc/systemd/system/mount-shares.service",
    f"{WANTS}/systemd-networkd.service": "/lib/systemd/system/systemd-networkd.service",
}

REMOVED = ("etc/ssh/ssh_host_*", "etc/apt/apt.conf.d/99mmdebstrap", "var/cache/apt/*.bin")

# Only what finds the root file system: under emulation every module in it costs time.
INITRD_FILES = {
    "etc/initramfs-tools/conf.d/testhost": "MODULES=list\n",
    "usr/share/initramfs-tools/modules.d/testhost": "virtio_pci\nvirtio_blk\next4\n",
}


def key() -> str:
    """Return the same twelve digits for the same recipe."""
    parts = (VERSION, debian.SUITE, DISK_SIZE, PACKAGES, EXCLUDED)
    content = (FILES, LINKS, REMOVED, INITRD_FILES)
    return hashlib.sha256(repr((parts, content)).encode()).hexdigest()[:12]
