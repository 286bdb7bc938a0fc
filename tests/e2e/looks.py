"""How is a host, that it can be compared with how it was before lab put anything on it?"""

# What of a host may not differ when all is taken off again. Logs and caches of its own are its
# affair, and so is what its own services keep about themselves. Tables of iptables without a rule
# or a chain stay: the kernel has them from the first look on.
LOOK = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /mnt \
    -o -path /var/log -o -path /var/lib/systemd -o -path /var/cache -o -path /var/tmp \
    -o -path /root -o -path /home \) -prune -o -printf '%y %m %u %p %l\n' | sort
find /var/log /run/netns /run/containerd /run/lab /home /root -printf '%y %m %u %p\n' 2> /dev/null |
    grep -v journal | sort
systemctl list-unit-files --no-legend | awk '$2 != "transient" {print $1, $2}' | sort
systemctl list-units --all --no-legend --plain --type=service,slice,mount | awk '{print $1, $3}' |
    grep -v -e session -e user -e run-credentials -e modprobe | sort
ip -o link | awk '{print $2}' | sort
ip route
for tables in iptables ip6tables; do
    $tables-save | grep -E '^-|^:.* (-|DROP) ' | sed "s/ \[.*//; s/^/$tables /"
done
awk '{print $2}' /proc/self/mounts | sort
cat /etc/hosts
"""
SETTINGS = (
    "net.ipv4.ip_forward net.ipv4.conf.all.rp_filter net.ipv4.conf.default.rp_filter "
    "net.ipv4.conf.all.route_localnet vm.overcommit_memory kernel.panic kernel.panic_on_oops"
)
SCRIPT = f"{LOOK}\nsysctl {SETTINGS}"


def compare(before: str, now: str) -> list[str]:
    """Return lines that were and are not, and those that are now and were not."""
    old, new = before.splitlines(), now.splitlines()
    gone = [f"- {line}" for line in old if line not in set(new)]
    return gone + [f"+ {line}" for line in new if line not in set(old)]
