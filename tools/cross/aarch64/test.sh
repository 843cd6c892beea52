#!/usr/bin/env bash
# tools/cross/aarch64/test.sh - the tests on AArch64, without Bazel.
#
#   tools/cross/aarch64/test.sh [PATTERN...]
#
# Builds the runtime and the programs tests/*_test.c and tests/plat_*.c with the
# cross compiler, statically, and runs one after the other under qemu-user. A
# pattern (as in the shell) chooses programs by name. Prints each program's
# output, and at the end `N passed, M failed`: test functions, and 1 for a
# program that was not built or did not come to its own count. The exit status
# is 0 only if nothing failed. Installs nothing and leaves nothing behind.
#
#   CC                 the compiler (aarch64-linux-gnu-gcc)
#   CFLAGS             what is added to its arguments
#   QEMU               the emulator (qemu-aarch64)
#   CK                 where Concurrency Kit's headers lie (/usr/include)
#   PROGRAM_TIMEOUT    seconds for one program (300)
#   CHECK_TIMEOUT      seconds for one test function (120)
#   THRUM_STOP_ROUNDS  rounds of tests/stop_test.c (1)
#
# No program is left out. Tests that this machine cannot run skip themselves and
# say why; where a count of workers or rounds is what makes them slow, they do
# less (tests/workers.h).
#
# What it cannot show: the emulator runs AArch64's instructions on the orders of
# the machine beneath it. On x86-64 a missing barrier goes unnoticed; the
# explorer (tests/model) is what looks for these.
set -u

cd "$(dirname -- "${BASH_SOURCE[0]}")/../../.." || exit 1

CC=${CC:-aarch64-linux-gnu-gcc}
QEMU=${QEMU:-qemu-aarch64}
CK=${CK:-/usr/include}
export CHECK_TIMEOUT=${CHECK_TIMEOUT:-120}
export THRUM_STOP_ROUNDS=${THRUM_STOP_ROUNDS:-1}
export CHECK_FEW=1 # less of the same, at most eight workers: tests/workers.h

# The flags of tools/flags.bzl.
flags=(-std=c11 -D_GNU_SOURCE= -O2 -g -fvisibility=hidden
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Werror -fstack-protector-strong -fstack-clash-protection -mbranch-protection=bti
    -Iinclude -I.)

passed=0
failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# broke WHAT: a failure that no program counts.
broke() {
    printf 'FAIL: %s\n' "$1"
    failed=$((failed + 1))
}

# The Debian packages of what is not here.
missing() {
    command -v "$CC" >/dev/null || echo gcc-aarch64-linux-gnu
    printf '#include <stdlib.h>\n' | "$CC" -E -x c -o /dev/null - 2>/dev/null ||
        echo libc6-dev-arm64-cross
    command -v "$QEMU" >/dev/null || echo qemu-user
    [ -r "$CK/ck_pr.h" ] || echo libck-dev
}

# The headers of the CK that is installed, without the description of the
# machine it was built for and without that machine's C library beside them.
link_ck() {
    local header

    mkdir "$work/ck"
    for header in "$CK"/ck_*.h "$CK/gcc"; do
        [ "${header##*/}" = ck_md.h ] || ln -s "$header" "$work/ck/"
    done
    flags+=(-isystem tools/cross/aarch64 -isystem "$work/ck")
}

compile() {
    # shellcheck disable=SC2086 # CFLAGS is a list
    "$CC" "${flags[@]}" ${CFLAGS:-} "$@"
}

# build_library NAME FLAG...: the runtime with AArch64's context switch.
build_library() {
    local library=$1 source object

    shift
    mkdir "$work/$library"
    for source in runtime/*/*.c runtime/plat/context_aarch64.S; do
        [ "$source" != runtime/plat/context_portable.c ] || continue
        object=$work/$library/$(printf '%s' "$source" | tr / _).o
        compile "$@" -c "$source" -o "$object" || return
    done
    "${CC%gcc}ar" rcs "$work/$library.a" "$work/$library"/*.o
}

# Programs that stop workers at named points need a runtime that has them.
has_points() {
    grep -q THRUM_POINTS "$1"
}

build_program() {
    local source=$1 library=runtime points=()

    if has_points "$source"; then
        library=points
        points=(-DTHRUM_POINTS)
        [ -e "$work/points.a" ] || build_library points "${points[@]}" || return
    fi
    compile ${points[@]+"${points[@]}"} -Itests -static "$source" tests/check.c \
        "$work/$library.a" -pthread -o "$work/$(basename "$source" .c)"
}

wanted() {
    local name=$1 pattern

    shift
    [ $# -gt 0 ] || return 0
    for pattern in "$@"; do
        # shellcheck disable=SC2053 # a pattern is meant
        [[ $name != $pattern ]] || return 0
    done
    return 1
}

run_program() {
    local name=$1 status=0 line

    timeout --kill-after=10 "${PROGRAM_TIMEOUT:-300}" "$QEMU" "$work/$name" >"$work/log" 2>&1 ||
        status=$?
    cat "$work/log"
    line=$(grep -aE '^[0-9]+ passed, [0-9]+ failed' "$work/log" | tail -n 1)
    if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
        [ "$status" -eq 0 ] || [ "${BASH_REMATCH[2]}" -gt 0 ] ||
            broke "$name: exit status $status"
    elif [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        broke "$name: not done after ${PROGRAM_TIMEOUT:-300} s"
    else
        broke "$name: exit status $status, and it counted nothing"
    fi
}

mapfile -t packages < <(missing | sort -u)
if [ ${#packages[@]} -gt 0 ]; then
    echo "test.sh: missing here; Debian has it in: ${packages[*]}" >&2
    exit 2
fi
link_ck
build_library runtime || exit 1

for source in tests/*_test.c tests/plat_*.c; do
    name=$(basename "$source" .c)
    wanted "$name" "$@" || continue
    printf '\n== %s\n' "$name"
    if build_program "$source"; then
        run_program "$name"
        rm -f "$work/$name"
    else
        broke "$name: not built"
    fi
done

printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
