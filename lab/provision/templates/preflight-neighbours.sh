# Say this host's addresses, by which way it sends to each of its peers, and what came of it.
#
# `peers` is set by who sends this: a word each, "ADDRESS,PORT".
bound=3

# Connect by what there is; each of these ends by itself.
connect() {
    case $1 in *:*) host="[$1]" ;; *) host=$1 ;; esac
    if have bash && have timeout; then
        # shellcheck disable=SC2016 # for bash
        timeout "$bound" bash -c 'exec 3<> "/dev/tcp/$0/$1"' "$1" "$2"
    elif have python3; then
        python3 -c 'import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]))
except OSError as exc:
    sys.exit(str(exc))' "$1" "$2" "$bound"
    elif have curl; then
        # It waits for what the other has to say; its words tell whether that answered at all.
        curl -s -v --noproxy '*' --max-time "$bound" -o /dev/null "telnet://$host:$2"
    elif have nc; then
        nc -v -z -w "$bound" "$1" "$2"
    else
        echo 'untested: no bash, python3, curl or nc'
        false
    fi
}
knock() {
    said=$(connect "$1" "$2" 2>&1 < /dev/null)
    case $? in
        0) echo connected ;;
        # How timeout of GNU ends, and that of busybox.
        124 | 143) echo timed out ;;
        *) echo "${said:-timed out}" ;;
    esac
}
way() {
    have ip || { echo 'untested: no ip'; return; }
    ip route get "$1" 2>&1
}

say clock "$(seconds)"
addresses
for peer in ${peers:-}; do
    address=${peer%,*} port=${peer#*,}
    say way "$address $(way "$address")"
    # All at once; a line is written as a whole.
    say peer "$address $port $(knock "$address" "$port")" &
done
wait
say end "$(seconds)"
