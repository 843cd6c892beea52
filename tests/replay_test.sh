#!/usr/bin/env bash
# replay_test.sh REPLAY PROGRAM GDB_SCRIPT - the tool //tools/replay, with a program that has two failures.
set -u

replay=$PWD/$1
program=$PWD/$2
gdb_script=$PWD/$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

expect() { # NAME PATTERN FILE
    if grep -qE -- "$2" "$3"; then
        echo "ok $1"
        passed=$((passed + 1))
    else
        echo "FAIL $1: no line '$2' in:"
        cat "$3"
        failed=$((failed + 1))
    fi
}

export BUILD_WORKING_DIRECTORY=$work # as bazel run says where it was called
THRUM_ARTIFACTS=$work "$program" >"$work/found" 2>&1
expect "both are found" '^two counters: -1001' "$work/found"
expect "and kept" "written to $work/three_counters.history" "$work/found"

"$replay" --steps --html=page.html --text=turns.txt three_counters.history "$program" >"$work/out" 2>&1
expect "all deltas match" 'replayed, ([0-9]+) of \1 deltas matched: .*\(-1001\)' "$work/out"
expect "the other one is not run" '^two counters: 0, 0 runs' "$work/out"
expect "steps are shown" '^ +1 +1\.0+ s +0 +goes on' "$work/out"
expect "turns are written" 'writes object 1' "$work/turns.txt"

text=$(sed -n "s/.*two counters.*THRUM_REPLAY='\(.*\)'/\1/p" "$work/found")
"$replay" --html=page.html "$text" "$program" >"$work/out" 2>&1
expect "a text does too" 'replayed, 1 of 1 deltas matched: .*\(-1001\)' "$work/out"
expect "a page is written" '^<!doctype html>' "$work/page.html"

head -c 40 "$work/two_counters.history" >"$work/cut.history"
"$replay" cut.history "$program" >"$work/out" 2>&1
expect "what is cut off is refused" 'cut.history:3: the file ends in the middle of this line' "$work/out"
"$replay" missing.history "$program" >"$work/out" 2>&1
expect "what is not there is missed" 'there is no file missing.history' "$work/out"
"$replay" --gdb=x "$text" "$program" >"$work/out" 2>&1
expect "turns are numbers" 'the number of a turn should follow' "$work/out"

if gdb -batch -q -ex 'break main' -ex run -ex 'info breakpoints' "$program" 2>&1 | grep -q 'already hit 1 time'; then
    GDB='gdb -batch -q' THRUM_GDB_SCRIPT=$gdb_script "$replay" --gdb "$text" "$program" >"$work/out" 2>&1
    expect "gdb stops at the last delta" 'thrum_replay_break' "$work/out"
    GDB='gdb -batch -q' THRUM_GDB_SCRIPT=$gdb_script "$replay" --gdb=3 "$text" "$program" >"$work/out" 2>&1
    expect "and in the task that has a turn" '^#[0-9]+ .*count_up ' "$work/out"
    GDB='gdb -batch -q' THRUM_GDB_SCRIPT=$gdb_script "$replay" --gdb=99 "$text" "$program" >"$work/out" 2>&1
    expect "or says that it did not" 'has ended, and has not come there' "$work/out"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
