#!/usr/bin/env bash
# library_test.sh FILE... - what the static library shows to a linker.
#
# Only thrum_* is global in it, visible from outside only what a public header
# declares, and no part of it asks for an executable stack.
set -u

failures=0
fail() {
    printf 'FAIL: %s\n' "$*"
    failures=$((failures + 1))
}

library=
for file in "$@"; do
    case $file in
    *.pic.a) ;;
    *.a) library=$file ;;
    esac
done
[ -n "$library" ] || library=$(printf '%s\n' "$@" | grep '\.a$' | head -n 1)
[ -n "$library" ] || {
    fail "no static library among: $*"
    exit 1
}

# Global or weak, and defined: bind in column 5, visibility in 6, section in 7.
symbols=$(readelf -sW "$library" 2>/dev/null |
    awk '($5 == "GLOBAL" || $5 == "WEAK") && $7 != "UND" { print $8, $6 }' | sort -u)
[ -n "$symbols" ] || fail "no symbols in $library"

strangers=$(printf '%s\n' "$symbols" | grep -vE '^thrum_|^__start_|^__stop_')
[ -z "$strangers" ] || fail "global, but not thrum_*:" "$strangers"

for symbol in $(printf '%s\n' "$symbols" | awk '$2 == "DEFAULT" { print $1 }'); do
    grep -RqwF -- "$symbol" include || fail "visible, but in no public header: $symbol"
done

# Each object says that it needs no executable stack; one that says nothing does.
objects=$(readelf -SW "$library" 2>/dev/null | grep -c '^File:')
notes=$(readelf -SW "$library" 2>/dev/null | grep -F .note.GNU-stack)
[ "$(printf '%s\n' "$notes" | wc -l)" -eq "$objects" ] ||
    fail "an object without .note.GNU-stack"
executable=$(printf '%s\n' "$notes" | sed 's/.*\.note\.GNU-stack//' | awk '$6 ~ /X/')
[ -z "$executable" ] || fail "an executable stack: $executable"

echo "$objects objects, $(printf '%s\n' "$symbols" | wc -l) symbols, $failures complaints"
exit $((failures > 0))
