#!/bin/sh
# runc for a daemon that lacks CAP_SYS_RESOURCE itself. `--privileged` asks for every capability
# there is, and one that cannot be given keeps the container from starting ("unable to apply
# caps"), so it is taken out of what runc is told: of containers, and of programs run in them.
set -eu
file='' previous=''
for word in "$@"; do
    case $previous in
    --bundle | -b) file=$word/config.json ;;
    --process | -p) file=$word ;;
    esac
    previous=$word
done
bounding=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)
# 24 is its number, capabilities(7); the mask is hexadecimal.
if [ -n "$file" ] && [ $((0x$bounding >> 24 & 1)) -eq 0 ]; then
    sed -i 's/"CAP_SYS_RESOURCE",//g; s/,"CAP_SYS_RESOURCE"//g' "$file"
fi
exec /usr/sbin/runc "$@"
