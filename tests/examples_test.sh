#!/usr/bin/env bash
#
# examples_test.sh PROGRAM SOURCE [ARGUMENT...] - a program prints what its source says: the lines
# under ` * Prints:` in its first comment. Where an error's task was spawned is left out.
# With THRUM_SEEDS in the environment it runs in the simulated world, once for each of so many seeds.

set -u

program=$(realpath -- "${1:?usage: examples_test.sh PROGRAM SOURCE}")
source=${2:?usage: examples_test.sh PROGRAM SOURCE}
shift 2

want=$(sed -n '/^ \* Prints.*:$/,/^ \*\/$/s/^ \*     //p' "$source")
[ -n "$want" ] || {
    echo "FAIL: $source does not say what it prints"
    exit 1
}
for ((run = 0; run < ${THRUM_SEEDS:-5}; run++)); do
    [ -z "${THRUM_SEEDS:-}" ] || export THRUM_SIM=$run
    got=$("$program" "$@" 2>&1) || {
        echo "FAIL: status $? in run $run; it printed:"
        printf '%s\n' "$got"
        exit 1
    }
    got=$(printf '%s\n' "$got" | sed 's/ (spawned at [^)]*)$//')
    [ "$got" = "$want" ] || {
        diff <(printf '%s\n' "$want") <(printf '%s\n' "$got")
        echo "FAIL: run $run printed other lines than $source says"
        exit 1
    }
done
echo "$(basename "$program"): as its source says"
