#!/bin/sh
# daemon.sh TREE WORK CGROUP RUNTIME: a Docker daemon in the Debian at TREE, with all it writes in WORK.
# Started as the first process of namespaces of its own (network, mounts, processes): there is no
# interface that leads out, and nothing of it outlives this process.
set -eu
tree=$1 work=$2 cgroup=$3 runtime=$4
mount --make-rprivate /
mkdir -p "$work/upper" "$work/work" "$work/root" "$work/data" "$work/run"
mount -t overlay -o "lowerdir=$tree,upperdir=$work/upper,workdir=$work/work" docker "$work/root"
install -m 755 "$runtime" "$work/root/usr/local/bin/runc-as-allowed"
cd "$work/root"
mount --rbind /sys sys
mount --rbind /dev dev
mount -t proc proc proc
mkdir -p var/lib/docker run/lab-docker lib/modules
mount --bind "$work/data" var/lib/docker
mount --bind "$work/run" run/lab-docker
pivot_root . mnt
cd /
umount -l /mnt
ip link set lo up
dockerd --host unix:///run/lab-docker/docker.sock --pidfile /run/lab-docker/docker.pid \
    --add-runtime allowed=/usr/local/bin/runc-as-allowed --default-runtime allowed \
    --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "$cgroup" --storage-driver overlay2 \
    --oom-score-adjust 0 --log-level warn &
daemon=$!
trap 'kill -TERM $daemon' TERM
# The trap ends the first wait; the second one is for the daemon to stop in order.
wait $daemon || wait $daemon || true
