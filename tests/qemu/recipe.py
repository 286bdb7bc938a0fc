"""What is on the disk of the virtual machine: a small Debian host run by systemd.

It is an ordinary host of somebody, not a node: machined, logind, sudo for a user
`ops`, cgroup v2. Its name and address, who may log in, and the host key come on a
disk of their own at each boot, so that one image serves every machine and holds no
secret.
"""

import hashlib

from lab.artifacts import debian

VERSION = "2"
LABEL = "testhost"
DISK_SIZE = 16 * 1024**3
USER = "ops"
# May log in and become nobody else: sudo asks for a password that there is none of.
POWERLESS = "guest"
SEED = "seed"
HOST_KEY = "ssh_host_ed25519_key"
ROOT_KEYS = "root_keys"
USER_KEYS = "user_keys"
UPLINK = "10-uplink.network"

SYSTEM = ("systemd", "systemd-sysv", "systemd-container", "dbus", "libpam-systemd", "udev")
BOOT = ("linux-image-cloud-amd64", "initramfs-tools")
NETWORK = ("iproute2", "iptables", "nftables", "ebtables", "ethtool", "conntrack", "socat")
TOOLS = ("openssh-server", "sudo", "python3", "python3-venv", "kmod", "procps", "util-linux")
OTHERS = ("mount", "runc", "ca-certificates", "iputils-ping", "curl")
PACKAGES = (*SYSTEM, *BOOT, *NETWORK, *TOOLS, *OTHERS)

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
install -m 644 /mnt/{SEED}/hostname /mnt/{SEED}/hosts /etc
hostname --file /etc/hostname
install -m 644 /mnt/{SEED}/{UPLINK} /etc/systemd/network/{UPLINK}
install -m 600 /mnt/{SEED}/{HOST_KEY} /etc/ssh/{HOST_KEY}
install -D -m 600 /mnt/{SEED}/{ROOT_KEYS} /root/.ssh/authorized_keys
for user in {USER} {POWERLESS}; do
    install -d -o "$user" -m 700 "/home/$user/.ssh"
    install -o "$user" -m 600 /mnt/{SEED}/{USER_KEYS} "/home/$user/.ssh/authorized_keys"
done
"""

SHARES_UNIT = """\
[Unit]
Description=Mount the directories of the tester, be who they say, and let them in
Wants=network-pre.target
Before=network-pre.target ssh.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/mount-shares
"""

FILES: dict[str, tuple[int, str]] = {
    "etc/systemd/system/mount-shares.service": (0o644, SHARES_UNIT),
    "usr/local/sbin/mount-shares": (0o755, MOUNT_SHARES),
    f"etc/sudoers.d/{USER}": (0o440, f"{USER} ALL=(ALL) NOPASSWD: ALL\n"),
    "etc/hostname": (0o644, f"{LABEL}\n"),
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
    parts = (VERSION, debian.SUITE, DISK_SIZE, PACKAGES, EXCLUDED, POWERLESS)
    content = (FILES, LINKS, REMOVED, INITRD_FILES)
    return hashlib.sha256(repr((parts, content)).encode()).hexdigest()[:12]
