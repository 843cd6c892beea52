#!/usr/bin/env bash
# elsewhere_test.sh GOLDEN_TEST - are its hashes the same in processes that are not alike?
#
# With and without ASLR, in a large environment and an empty one, with another place for stacks,
# another malloc, other bytes in fresh memory, and under another name. A run that passes has found the
# committed hashes, so all that pass agree. The last line is `N passed, M failed`.
set -u

program=$1
passed=0
failed=0
log=$(mktemp) || exit 1
moved=$(mktemp -d) || exit 1
trap 'rm -rf "$log" "$moved"' EXIT
cp "$program" "$moved/a-much-longer-name-than-the-other-has" || exit 1
large=$(printf 'x%.0s' {1..100000})

# in_process NAME COMMAND...
in_process() {
    local name=$1
    shift
    if "$@" --only 'a_seed*' >"$log" 2>&1; then
        passed=$((passed + 1))
    else
        printf '%s\n' "$name"
        cat "$log"
        failed=$((failed + 1))
    fi
}

in_process 'with ASLR' "$program"
if setarch -R true 2>/dev/null; then
    in_process 'without ASLR' setarch -R "$program"
fi
in_process 'a large environment' env LARGE="$large" "$program"
in_process 'an empty environment' env -i "$program"
in_process 'stacks elsewhere' bash -c 'ulimit -s unlimited; exec "$@"' bash "$program"
in_process 'filled memory' env MALLOC_PERTURB_=165 "$program"
in_process 'another malloc' env GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0 \
    MALLOC_TOP_PAD_=1000000 MALLOC_MMAP_THRESHOLD_=4096 "$program"
in_process 'another name' "$moved/a-much-longer-name-than-the-other-has"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
