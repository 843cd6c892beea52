#!/usr/bin/env bash
# headers_test.sh - each public header compiles alone, twice over, as C11 and as
# C++11, without a warning, by the compilers that are installed.
set -u

failures=0
compiled=0
flags=(-fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -Iinclude)
for ck in ../*ck*/include; do
    [ ! -d "$ck" ] || flags+=(-isystem "$ck")
done

# try HEADER COMPILER FLAG...
try() {
    local header=$1
    shift
    printf '#include <%s>\n#include <%s>\n' "$header" "$header" |
        "$@" "${flags[@]}" - || {
        echo "FAIL: <$header> with $*"
        failures=$((failures + 1))
    }
    compiled=$((compiled + 1))
}

for compiler in gcc:g++ clang-14:clang++-14 clang-19:clang++-19; do
    c=${compiler%:*} cxx=${compiler#*:}
    if ! command -v "$c" >/dev/null; then
        echo "skipped: no $c here"
        continue
    fi
    for path in $(cd include && find thrum -name '*.h' | sort); do
        try "$path" "$c" -std=c11 -Wstrict-prototypes -x c
        if command -v "$cxx" >/dev/null; then
            try "$path" "$cxx" -std=c++11 -x c++
        fi
    done
done
echo "$compiled compilations, $failures complaints"
[ "$failures" -eq 0 ] && [ "$compiled" -gt 0 ]
