#!/bin/sh
# killed.sh - all mutants of all programs, those of orders and those of logic;
# the last line is their sum, `killed K of N`, without those that a comment justifies.
#
# usage: tests/model/killed.sh [DIR [--trust]]    from the root of the repository,
#        after tools/bazel build //tests/model/...; the programs lie in DIR, else in
#        bazel-bin/tests/model. --trust: those that a comment justifies are not run.
#        Exit status 1: a mutant survived.

set -eu

programs=${1:-bazel-bin/tests/model}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for program in "$programs"/*_model; do
    echo "== $(basename "$program")"
    "$program" --mutants ${2:+"$2"} | tee -a "$log" || true
done
echo "== logic"
tests/model/mutants.sh | tee -a "$log" || true

awk '/^killed [0-9]+ of [0-9]+/ { killed += $2; all += $4 }
     END { print "killed " killed " of " all; exit killed != all }' "$log"
