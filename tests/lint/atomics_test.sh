#!/usr/bin/env bash
# atomics_test.sh - atomic operations have one home, and some tools have none.
#
# ck_pr_*, __atomic_* and __sync_* stand in thrum/detail/atomic.h alone. C11's
# own atomics are not used in the library: C++ cannot read them, and the
# explorer cannot see them. Condition variables lose wake-ups in glibc before
# 2.41; Thrum parks on futexes.
set -u

failures=0

# forbid WHAT PATTERN DIRECTORY... [EXCEPT]: lines of C that match, comments apart.
forbid() {
    local what=$1 pattern=$2 found
    shift 2
    found=$(grep -RnE --include='*.[chS]' -- "$pattern" "$@" |
        grep -vE '^(include/thrum/detail/atomic\.h):' | grep -vE '^[^:]+:[0-9]+: *(/?\*|//)')
    [ -n "$found" ] || return 0
    printf 'FAIL: %s:\n%s\n' "$what" "$found"
    failures=$((failures + 1))
}

forbid "atomics outside thrum/detail/atomic.h" '\b(ck_pr_|__atomic_|__sync_)' include runtime tests
forbid "C11 atomics" '\b_Atomic\b|<stdatomic\.h>|\batomic_(load|store|exchange|fetch)' include runtime
forbid "condition variables" '\bpthread_cond_' include runtime

[ "$(find include runtime -name '*.[ch]' | wc -l)" -gt 2 ] || {
    echo "FAIL: found no sources to look at"
    failures=$((failures + 1))
}
[ "$failures" -eq 0 ] && echo "atomics: fine"
exit $((failures > 0))
