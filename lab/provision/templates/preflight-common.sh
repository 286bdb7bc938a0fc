# What every look at a host begins with. For dash and busybox.
set -u
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH

say() { printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr '\n' ' ')"; }
have() { command -v "$1" > /dev/null 2>&1; }
seconds() { date +%s.%N; }
# Each link with one of its addresses.
addresses() {
    have ip || return 0
    ip -o addr | awk '{ print $2, $4 }' | while read -r each; do say address "$each"; done
}
