#!/usr/bin/env bash
#
# guest_loops_test.sh LIBRARY EXAMPLE... - runtimes inside of other people's loops.
#
# The examples that need a library which Thrum does not need are built here, as a user
# would, where pkg-config knows that library; where it does not, that is said and
# skipped. Each must print what its first comment says.
set -u

flags=(-std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Iinclude)
for ck in ../*ck*/include; do
    [ ! -d "$ck" ] || flags+=(-isystem "$ck")
done
library=
failures=0
ran=0

# check SOURCE PACKAGE
check() {
    local program
    program=${TEST_TMPDIR:-/tmp}/$(basename "$1" .c)

    if ! pkg-config --exists "$2" 2>/dev/null; then
        echo "skipped: $1: no $2 here"
        return
    fi
    # shellcheck disable=SC2046 # several words
    if ! cc "${flags[@]}" "$1" "$library" \
        $(pkg-config --cflags --libs "$2") -pthread -o "$program"; then
        echo "FAIL: $1 does not build"
        failures=$((failures + 1))
        return
    fi
    if ! diff <(sed -n '1,/\*\//s/^ \*     //p' "$1") <(timeout 60 "$program"); then
        echo "FAIL: $1 prints something else than it says"
        failures=$((failures + 1))
    fi
    ran=$((ran + 1))
}

for file in "$@"; do
    case $file in
    *.a) library=$file ;;
    *guest_libuv.c) check "$file" libuv ;;
    *guest_glib.c) check "$file" glib-2.0 ;;
    esac
done
[ -n "$library" ] || {
    echo "FAIL: no library among $*"
    failures=1
}
echo "$ran ran, $failures failures"
exit $((failures > 0))
