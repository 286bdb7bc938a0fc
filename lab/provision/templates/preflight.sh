# Say what this host is and has, one `name=value` a line; a name may come more than once.
#
# For dash and busybox, as root. It changes nothing: what has to be tried is tried in namespaces
# that end with the trial, and in one directory beside `data` that is gone when it ends.
# Set by who sends this: `data`, where the images of containers will lie; `programs` that are
# needed; paths that are `claimed` by lab's nodes of kubeadm; names of kernel settings, `sysctls`.
# In what is not root's, nothing can be tried.
attempt() {
    [ "$(id -u)" = 0 ] || { echo 'untested: not root'; return; }
    for program in unshare timeout; do
        have "$program" || { echo "untested: no $program"; return; }
    done
    if said=$(timeout 20 "$@" 2>&1); then echo ok; else echo "${said:-it failed}"; fi
}
# The nearest directory that is there.
above() {
    place=$1
    while [ ! -d "$place" ]; do place=$(dirname "$place"); done
    echo "$place"
}

# Write through an overlay: change a file of the lower layer, and remove one.
overlay() (
    box=$(mktemp -d "$1/.lab-preflight.XXXXXX" 2>&1) || { echo "$box"; exit; }
    trap 'rm -rf "$box"' EXIT
    trap 'exit 1' HUP INT TERM PIPE
    mkdir "$box/lower" "$box/upper" "$box/work" "$box/root"
    echo original > "$box/lower/changed"
    echo original > "$box/lower/removed"
    # shellcheck disable=SC2016 # for the inner shell
    attempt unshare -m sh -c 'mount --make-rprivate / &&
        mount -t overlay overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/root" &&
        echo changed > "$1/root/changed" && rm "$1/root/removed" &&
        [ "$(cat "$1/upper/changed")" = changed ] && [ ! -e "$1/root/removed" ] &&
        umount "$1/root"' sh "$box"
)
link() {
    have ip || { echo 'untested: no ip'; return; }
    attempt unshare -n ip link add lab-preflight type "$@"
}
# What kube-proxy and the overlay write, in a network that nobody else has.
nat() {
    have iptables || { echo 'untested: no iptables'; return; }
    attempt unshare -n iptables -w -t nat -A POSTROUTING -m conntrack --ctstate NEW -j MASQUERADE
}
module() {
    if [ -e "$2" ]; then
        echo loaded
    elif have modprobe && modprobe -n -q "$1"; then
        echo loadable
    else
        echo missing
    fi
}
listening() {
    for file in tcp tcp6 udp udp6; do
        state=0A
        case $file in udp*) state=07 ;; esac
        awk -v state=$state -v kind=${file%6} \
            'FNR > 1 && $4 == state { n = split($2, parts, ":"); print kind "/" parts[n] }' \
            "/proc/net/$file" 2> /dev/null
    done | sort -u
}
sysctl_of() {
    path=/proc/sys/$(echo "$1" | tr . /)
    if [ ! -e "$path" ]; then
        echo "$1 absent"
    elif [ -w "$path" ]; then
        echo "$1 writable $(cat "$path")"
    else
        echo "$1 fixed $(cat "$path")"
    fi
}
# The IPv4 or IPv6 table has an entry for everything, on a link that is not lo.
default_route() {
    awk '$2 == "00000000" && $8 == "00000000" && $1 != "lo" { print $1 }' /proc/net/route 2> /dev/null
    awk '$1 ~ /^0+$/ && $2 == "00" && $NF != "lo" { print $NF }' /proc/net/ipv6_route 2> /dev/null
}
controllers() {
    if [ "$(stat -f -c %T /sys/fs/cgroup 2> /dev/null)" = cgroup2fs ]; then
        say cgroup v2
        say controllers "$(cat /sys/fs/cgroup/cgroup.controllers)"
    else
        say cgroup v1
        say controllers "$(awk '$4 == 1 { print $1 }' /proc/cgroups 2> /dev/null)"
    fi
}
clusters() {
    for path in /etc/systemd/system/k3s*.service /usr/lib/systemd/system/k3s*.service \
        /var/lib/rancher/k3s/server \
        /var/lib/rancher/k3s/agent/kubelet.kubeconfig /etc/rancher/k3s/config.yaml; do
        [ ! -e "$path" ] || say k3s "$path"
    done
    for path in /etc/kubernetes/admin.conf /etc/kubernetes/kubelet.conf \
        /etc/kubernetes/manifests/*.yaml /var/lib/etcd/member; do
        [ ! -e "$path" ] || say kubeadm "$path"
    done
    [ ! -e /usr/local/bin/k3s ] || say k3s_program /usr/local/bin/k3s
    [ ! -e /var/lib/lab/k3s ] || say ours k3s
    for path in /var/lib/lab/init.* /var/lib/lab/join.*; do
        [ ! -e "$path" ] || { say ours kubeadm; break; }
    done
}
# A link into lab's own tree is lab's, and any other is not. Of a file, the owner decides.
is_lab_link() {
    [ -L "$1" ] && case $(readlink "$1" 2> /dev/null) in /var/lib/lab/*) true ;; *) false ;; esac
}
claimed() {
    for path in ${claimed:-}; do
        if is_lab_link "$path"; then
            continue
        elif [ -L "$path" ]; then
            say foreign "$path"
        elif [ -d "$path" ]; then
            for each in "$path"/*; do
                # What a file system of its own has from the beginning.
                [ "$each" != "$path/lost+found" ] || continue
                [ ! -e "$each" ] || is_lab_link "$each" || { say taken "$path"; break; }
            done
        elif [ -e "$path" ]; then
            say taken "$path"
        fi
    done
}
# Units of packages, and what changes units of their names wherever these come from.
units() {
    set -- /usr/local/lib /usr/lib
    [ -L /lib ] || set -- "$@" /lib
    for unit in containerd kubelet kube-proxy; do
        for place in "$@"; do
            [ ! -e "$place/systemd/system/$unit.service" ] ||
                say foreign "$place/systemd/system/$unit.service"
        done
        for place in "$@" /etc; do
            for path in "$place/systemd/system/$unit.service.d"/*.conf; do
                [ ! -e "$path" ] || say foreign "$path"
            done
        done
    done
}
networks_of_pods() {
    for path in /etc/cni/net.d/*; do
        [ ! -e "$path" ] || [ "$path" = /etc/cni/net.d/10-lab.conflist ] || say foreign "$path"
    done
}
# A container may hold a whole machine of its own, so only what runs where this does counts.
runtimes() {
    have readlink || return 0
    here=$(readlink /proc/self/ns/pid)
    for process in /proc/[0-9]*; do
        { read -r name < "$process/comm"; } 2> /dev/null || continue
        case $name in containerd | dockerd) ;; *) continue ;; esac
        [ "$(readlink "$process/ns/pid" 2> /dev/null)" = "$here" ] || continue
        program=$(readlink "$process/exe" 2> /dev/null)
        case $program in
            /var/lib/lab/* | /var/lib/rancher/k3s/*) ;;
            *) say foreign "${program:-$name} (process ${process#/proc/})" ;;
        esac
    done
}
missing() {
    for name in ${programs:-}; do have "$name" || echo "$name"; done
}
firewalls() {
    if have systemctl && systemctl is-active --quiet firewalld 2> /dev/null; then
        say firewall firewalld
    fi
    if grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf; then say firewall ufw; fi
}

# First and last, so that how long this takes does not count.
say clock "$(seconds)"
say uid "$(id -u)"
# By which root finds programs, without what was added for this look.
say path "${PATH%:/usr/local/sbin:/usr/sbin:/sbin}"
say hostname "$(uname -n)"
say machine "$(cat /etc/machine-id 2> /dev/null)"
say boot "$(cat /proc/sys/kernel/random/boot_id 2> /dev/null)"
say arch "$(uname -m)"
say kernel "$(uname -r)"
if [ -d /run/systemd/system ]; then say systemd running; else say systemd "no: $(cat /proc/1/comm)"; fi
controllers
if [ -r /dev/kmsg ]; then say kmsg ok; else say kmsg missing; fi
place=$(above "$data")
say place "$place"
say file_system "$(stat -f -c %T "$place")"
say disk "$(df -Pk "$place" | awk 'NR == 2 { print $2, $4 }')"
say overlay "$(overlay "$place")"
say vxlan "$(link vxlan id 1 dstport 8472)"
say bridge "$(link bridge)"
say veth "$(link veth peer name lab-preflight2)"
say br_netfilter "$(module br_netfilter /proc/sys/net/bridge)"
say conntrack "$(module nf_conntrack /proc/sys/net/netfilter)"
say iptables "$(iptables --version 2> /dev/null)"
say nat "$(nat)"
say route "$(default_route)"
addresses
say memory "$(awk '$1 == "MemTotal:" { total = $2 } $1 == "MemAvailable:" { print total, $2 }' /proc/meminfo)"
say listening "$(listening)"
for name in ${sysctls:-}; do say sysctl "$(sysctl_of "$name")"; done
say swap "$(awk 'NR > 1 { print $1 }' /proc/swaps 2> /dev/null)"
say programs_missing "$(missing)"
firewalls
[ ! -e /var/lib/lab/owner ] || say owner "$(head -c 100 /var/lib/lab/owner)"
clusters
claimed
units
networks_of_pods
runtimes
say end "$(seconds)"
