#!/bin/sh
# Six nodes made one cluster by hand: what `lab up` is measured against.
#
#   minimal-up.sh up DIRECTORY      until six nodes are Ready and CoreDNS answers another node
#   minimal-up.sh down DIRECTORY    remove all of it
#
# What a skilled person would do at a prompt, as fast as they could: all that is known
# before goes onto the disks before the nodes boot, and nodes boot, load images and
# join side by side. The same layers, isolation, kubeadm settings and manifests as the
# lab's, and nothing else of the lab's: no journal, no going on after an interruption, and
# no checks but the two above. LAYERS holds the directories below a node's disk, topmost
# first, split by colons; VERSION is that of Kubernetes, COREDNS and PAUSE hold image names.
set -eu
umask 022

id=shel
count=6
net=lab-$id
here=$(cd "$(dirname "$0")/.." && pwd)
subnet=10.77.0
pods=10.244
dns=10.96.0.10
nodes=$(seq -f n%g "$count")
raised='fs.inotify.max_user_instances=2048 fs.inotify.max_user_watches=524288
kernel.keys.root_maxkeys=1000000 kernel.keys.root_maxbytes=25000000 kernel.keys.maxkeys=2000'
changed_by_nodes='kernel.panic kernel.panic_on_oops vm.overcommit_memory vm.panic_on_oom'
ignored='[SystemVerification, Swap, Mem, NumCPU]'

fail() {
    echo "minimal-up: $*" >&2
    exit 1
}

# Run a function for each node side by side; fail if one failed.
each() {
    act=$1
    shift
    pids=
    for node in "$@"; do
        "$act" "$node" &
        pids="$pids $!"
    done
    for pid in $pids; do
        wait "$pid" || fail "$act failed on a node, see $dir"
    done
}

address() { echo "$subnet.$((10 + ${1#n}))"; }

inside() { nsenter --net="/run/netns/$net" -- "$@"; }

remote() {
    on=$1
    shift
    inside ssh -F /dev/null -i "$dir/login" -o UserKnownHostsFile="$dir/known_hosts" \
        -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -o ConnectTimeout=1 \
        -o LogLevel=ERROR "root@$(address "$on")" "$@"
}

hierarchies() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        echo /sys/fs/cgroup
    else
        for each_root in /sys/fs/cgroup/*/; do
            [ ! -e "${each_root}cgroup.procs" ] || echo "${each_root%/}"
        done
    fi
}

# --- the host ---------------------------------------------------------------------

hold_sysctls() {
    for name in $changed_by_nodes; do
        sysctl -e "$name"
    done >"$dir/sysctls"
    for setting in $raised; do
        name=${setting%=*} wanted=${setting#*=}
        now=$(sysctl -n "$name")
        echo "$name = $now" >>"$dir/sysctls"
        [ "$now" -ge "$wanted" ] || sysctl -qw "$setting"
    done
}

make_network() {
    ip netns add "$net"
    inside ip -batch - <<EOF
link set lo up
link add $net type bridge
address add $subnet.1/24 dev $net
link set $net up
route add unreachable default
EOF
    inside sysctl -qw net.ipv4.ip_forward=1
}

make_keys() {
    ssh-keygen -q -t ed25519 -N '' -C lab -f "$dir/login"
    for node in $nodes; do
        ssh-keygen -q -t ed25519 -N '' -C lab -f "$dir/host-$node"
        echo "$(address "$node") $(cat "$dir/host-$node.pub")"
    done >"$dir/known_hosts"
}

# --- a node's disk ----------------------------------------------------------------

put() {
    mkdir -p "$(dirname "$upper/$1")"
    cat >"$upper/$1"
}

enable_unit() {
    mkdir -p "$upper/etc/systemd/system/$2.wants"
    ln -s "../$1.service" "$upper/etc/systemd/system/$2.wants/$1.service"
}

write_disk() {
    node=$1
    number=${node#n}
    upper=$dir/$node/upper
    mkdir -p "$upper" "$dir/$node/work" "$dir/$node/root" "$dir/$node/containerd" \
        "$dir/$node/kubelet"
    echo "$node" | put etc/hostname
    tr -d - </proc/sys/kernel/random/uuid | put etc/machine-id
    put etc/resolv.conf </dev/null
    {
        echo 127.0.0.1 localhost
        for peer in $nodes; do echo "$(address "$peer") $peer"; done
    } | put etc/hosts
    (
        umask 077
        mkdir -p "$upper/root"
        put root/.ssh/authorized_keys <"$dir/login.pub"
        put etc/ssh/ssh_host_ed25519_key <"$dir/host-$node"
    )
    chmod 755 "$upper/etc/ssh"
    put etc/systemd/system/lab-boot.service <<EOF
[Unit]
DefaultDependencies=no
Before=network.target ssh.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/ip addr replace $(address "$node")/24 dev host0
ExecStart=/sbin/ip link set host0 up
ExecStart=/sbin/ip route replace default via $subnet.1
$(for peer in $nodes; do
    [ "$peer" = "$node" ] || echo \
        "ExecStart=/sbin/ip route replace $pods.${peer#n}.0/24 via $(address "$peer")"
done)
ExecStart=/sbin/ip route replace unreachable $pods.0.0/16
ExecStart=/usr/sbin/iptables -w -A FORWARD -d 10.96.0.0/16 -j REJECT
ExecStart=/bin/mount --make-rshared /
ExecStart=/bin/sh -c 'for m in /sys/fs/cgroup /sys/fs/cgroup/*; do mountpoint -q \$\$m && mount -o remount,bind,rw \$\$m; done; true'
EOF
    put etc/sysctl.d/90-lab.conf <<EOF
net.ipv4.ip_forward = 1
net.ipv4.conf.all.rp_filter = 0
net.ipv4.conf.default.rp_filter = 0
EOF
    put etc/cni/net.d/10-lab.conflist <<EOF
{"cniVersion": "1.0.0", "name": "lab", "plugins": [
  {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local",
   "ranges": [[{"subnet": "$pods.$number.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
EOF
    put etc/containerd/config.toml <<EOF
version = 3
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "$PAUSE"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["/opt/cni/bin"]
  conf_dir = "/etc/cni/net.d"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = $systemd_cgroup
EOF
    put etc/systemd/system/containerd.service <<EOF
[Unit]
After=network.target
[Service]
Type=notify
ExecStart=/usr/local/bin/containerd
Delegate=yes
KillMode=process
Restart=always
RestartSec=2
LimitNOFILE=1048576
TasksMax=infinity
EOF
    put etc/systemd/system/kubelet.service <<EOF
[Unit]
After=containerd.service
Wants=containerd.service
ConditionPathExists=/var/lib/kubelet/config.yaml
[Service]
Environment="KUBECONFIGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/local/bin/kubelet \$KUBECONFIGS --config=/var/lib/kubelet/config.yaml \$KUBELET_KUBEADM_ARGS
KillMode=process
Restart=always
RestartSec=2
EOF
    put etc/systemd/system/kube-proxy.service <<EOF
[Unit]
After=network.target
ConditionPathExists=/etc/kubernetes/kube-proxy.conf
[Service]
ExecStart=/usr/local/bin/kube-proxy --kubeconfig=/etc/kubernetes/kube-proxy.conf --cluster-cidr=$pods.0.0/16 --proxy-mode=iptables --conntrack-max-per-core=0 --hostname-override=$node
Restart=always
RestartSec=2
EOF
    for unit in containerd kubelet kube-proxy; do
        enable_unit "$unit" multi-user.target
    done
    enable_unit lab-boot sysinit.target
}

boot() {
    node=$1
    write_disk "$node"
    root=$dir/$node/root
    mount -t overlay "$net" \
        -o "lowerdir=$LAYERS,upperdir=$dir/$node/upper,workdir=$dir/$node/work" "$root"
    hierarchies >"$dir/$node/hierarchies"
    memory=$(awk -v parts=$((count + 1)) '/^MemTotal/ { printf "%d", $2 * 1024 * 0.9 / parts }' \
        /proc/meminfo)
    shares=1024
    # The control plane's node has twice the share of another.
    [ "$node" != n1 ] || shares=2048 memory=$((2 * memory))
    while read -r hierarchy; do
        join_cgroup "$hierarchy" "$net" "$net/$node"
    done <"$dir/$node/hierarchies"
    SYSTEMD_NSPAWN_API_VFS_WRITABLE=1 SYSTEMD_SECCOMP=0 \
        nsenter --net="/run/netns/$net" -- setsid systemd-nspawn --quiet --boot --keep-unit \
        --register=no --machine="$id-$node" --directory="$root" --network-bridge="$net" \
        --capability=all --bind=/dev/kmsg --bind="$dir/$node/containerd:/var/lib/containerd" \
        --bind="$dir/$node/kubelet:/var/lib/kubelet" --resolv-conf=off --timezone=off \
        --console=pipe >"$dir/$node/console.log" 2>&1 </dev/null &
}

limit() {
    for file in "$2" "$3"; do
        [ ! -e "$1/$file" ] || echo "$4" >"$1/$file"
    done
}

# Enter this subshell's share of one hierarchy; what it starts is in it from its first breath.
join_cgroup() {
    above=$1
    for group in "$2" "$3"; do
        if [ -e "$above/cgroup.subtree_control" ] && [ -e /sys/fs/cgroup/cgroup.controllers ]; then
            echo '+cpu +cpuset +memory +pids' >"$above/cgroup.subtree_control" || true
        fi
        mkdir -p "$1/$group"
        if [ "${1##*/}" = cpuset ]; then
            cat "$above/cpuset.cpus" >"$1/$group/cpuset.cpus"
            cat "$above/cpuset.mems" >"$1/$group/cpuset.mems"
        fi
        above=$1/$group
    done
    limit "$1/$3" memory.limit_in_bytes memory.max "$memory"
    limit "$1/$3" pids.max pids.max 8192
    limit "$1/$3" cpu.shares cpu.weight "$shares"
    own_pid=$(exec sh -c 'echo $PPID')
    echo "$own_pid" >"$1/$3/cgroup.procs"
}

# --- the cluster ------------------------------------------------------------------

wait_for_sshd() {
    tries=0
    until remote "$1" true 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || fail "$1 did not boot: $(tail -n 5 "$dir/$1/console.log")"
        sleep 0.05
    done
}

load_images() {
    wait_for_sshd "$1"
    archive=agent.tar
    [ "$1" != n1 ] || archive=server.tar
    remote "$1" "systemctl start containerd &&
        ctr -n k8s.io images import --local /usr/share/lab/images/$archive >/dev/null 2>&1"
}

random() { tr -dc a-z0-9 </dev/urandom | head -c "$1"; }

init() {
    load_images n1
    remote n1 'umask 077; cat >/run/init.yaml &&
        kubeadm init --config /run/init.yaml >/var/log/init.log 2>&1 ||
        { tail -n 20 /var/log/init.log >&2; exit 1; }' <<EOF
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: $(address n1), bindPort: 6443}
bootstrapTokens:
  - {token: $token, ttl: 1h0m0s, usages: [signing, authentication],
     groups: ["system:bootstrappers:kubeadm:default-node-token"]}
nodeRegistration:
  name: n1
  criSocket: unix:///run/containerd/containerd.sock
  imagePullPolicy: Never
  ignorePreflightErrors: $ignored
  kubeletExtraArgs: [{name: node-ip, value: $(address n1)}]
skipPhases: [addon/coredns, addon/kube-proxy, show-join-command]
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: lab-shell
kubernetesVersion: $VERSION
networking: {serviceSubnet: 10.96.0.0/16, dnsDomain: cluster.local}
apiServer: {certSANs: ["127.0.0.1", "localhost"]}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
clusterDNS: [$dns]
clusterDomain: cluster.local
cgroupDriver: $cgroup_driver
failSwapOn: false
failCgroupV1: false
imageGCHighThresholdPercent: 100
evictionHard: {}
EOF
    umask 077
    remote n1 'cat /etc/kubernetes/admin.conf' >"$dir/admin.conf"
}

make_proxy_config() {
    remote n1 'umask 077
        kubectl --kubeconfig /etc/kubernetes/admin.conf -n kube-system get configmap \
            kubeadm-config -o "jsonpath={.data.ClusterConfiguration}" >/run/cluster.yaml &&
        kubeadm kubeconfig user --config /run/cluster.yaml --client-name system:kube-proxy \
            >/etc/kubernetes/kube-proxy.conf 2>/dev/null &&
        systemctl start kube-proxy && cat /etc/kubernetes/kube-proxy.conf' >"$dir/kube-proxy.conf"
}

join() {
    remote "$1" 'umask 077; cat >/run/join.yaml &&
        kubeadm join --config /run/join.yaml >/var/log/join.log 2>&1 ||
        { tail -n 20 /var/log/join.log >&2; exit 1; }' <<EOF
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken:
    token: $token
    apiServerEndpoint: $(address n1):6443
    caCertHashes: ["sha256:$ca_hash"]
nodeRegistration:
  name: $1
  criSocket: unix:///run/containerd/containerd.sock
  imagePullPolicy: Never
  ignorePreflightErrors: $ignored
  kubeletExtraArgs: [{name: node-ip, value: $(address "$1")}]
EOF
    remote "$1" 'umask 077; cat >/etc/kubernetes/kube-proxy.conf && systemctl start kube-proxy' \
        <"$dir/kube-proxy.conf"
}

kubectl() { inside "$kubectl" --kubeconfig "$dir/admin.conf" "$@"; }

apply_coredns() {
    for file in "$here"/manifests/coredns/*.yaml.j2; do
        echo ---
        sed -e "s|{{ coredns_image }}|$COREDNS|" -e "s|{{ cluster_dns }}|$dns|" "$file"
    done >"$dir/coredns.yaml"
    ! grep '[{]{' "$dir/coredns.yaml" >&2 || fail "a manifest holds a value not known here"
    kubectl apply --server-side -f "$dir/coredns.yaml" >/dev/null
}

bounded() {
    deadline=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -lt "$deadline" ] || fail "waited in vain: $*"
        sleep 0.1
    done
}

all_ready() {
    conditions='{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}'
    [ "$(kubectl get nodes -o "jsonpath=$conditions" | grep -c '^True$')" = "$count" ]
}

# The node's own look-up with the cluster's server in place of none.
dns_answers() {
    remote n2 "echo nameserver $dns >/run/resolv.conf
        unshare -m sh -c 'mount --bind /run/resolv.conf /etc/resolv.conf &&
            RES_OPTIONS=\"timeout:1 attempts:1\" getent ahostsv4 \
            kubernetes.default.svc.cluster.local' >/dev/null"
}

says() { echo "$(($(date +%s%N) / 1000000 - started)) ms  $*"; }

up() {
    started=$(($(date +%s%N) / 1000000))
    [ ! -e "$dir" ] || fail "$dir exists"
    mkdir -m 700 "$dir"
    systemd_cgroup=false cgroup_driver=cgroupfs
    [ ! -e /sys/fs/cgroup/cgroup.controllers ] || systemd_cgroup=true cgroup_driver=systemd
    token=$(random 6).$(random 16)
    hold_sysctls
    make_network
    make_keys
    # shellcheck disable=SC2086 # a list of words
    each boot $nodes
    says "nodes started"
    agents=$(echo "$nodes" | sed 1d)
    # shellcheck disable=SC2086
    each load_images $agents &
    loading=$!
    init
    says "kubeadm init"
    ca_hash=$(remote n1 cat /etc/kubernetes/pki/ca.crt | openssl x509 -pubkey -noout |
        openssl pkey -pubin -outform der | sha256sum | cut -d ' ' -f 1)
    apply_coredns &
    applying=$!
    make_proxy_config
    wait "$loading"
    # shellcheck disable=SC2086
    each join $agents
    wait "$applying"
    says "kubeadm join"
    bounded 120 all_ready
    says "$count nodes Ready"
    bounded 60 dns_answers
    says "CoreDNS answers"
}

# --- the end ----------------------------------------------------------------------

processes() {
    for hierarchy in $(hierarchies); do
        find "$hierarchy/$net" -name cgroup.procs -exec cat {} + 2>/dev/null || true
    done | sort -u
}

remove_cgroups() {
    left=
    for hierarchy in $(hierarchies); do
        [ -d "$hierarchy/$net" ] || continue
        find "$hierarchy/$net" -depth -type d -exec rmdir {} + 2>/dev/null || left=yes
    done
    [ -z "$left" ]
}

down() {
    for wait_a_little in 0 0.1 0.2 0.3 0.5 1 2 3; do
        sleep "$wait_a_little"
        # shellcheck disable=SC2046 # a list of words
        kill -9 $(processes) 2>/dev/null || break
    done
    for node in $nodes; do
        umount "$dir/$node/root" 2>/dev/null || umount -l "$dir/$node/root" 2>/dev/null || true
        rmdir "/run/systemd/nspawn/propagate/$id-$node" 2>/dev/null || true
    done
    bounded 10 remove_cgroups
    [ ! -e "/run/netns/$net" ] || ip netns delete "$net"
    [ ! -e "$dir/sysctls" ] || sysctl -q -p "$dir/sysctls"
    ! grep -q " $dir/" /proc/self/mounts || fail "something is still mounted below $dir"
    rm -rf "$dir"
}

[ $# -eq 2 ] || fail "usage: minimal-up.sh up|down DIRECTORY"
dir=$2
kubectl=$(echo "${LAYERS:-}" | tr : '\n' | sed 's|$|/usr/local/bin/kubectl|' |
    while read -r file; do [ ! -x "$file" ] || echo "$file"; done)
case $1 in
up) up ;;
down) down ;;
*) fail "usage: minimal-up.sh up|down DIRECTORY" ;;
esac
