#!/usr/bin/env bash
# without_sim.sh - what the real world pays for the simulated one.
#
# Builds the benchmarks twice, as they are and from a copy of the sources in which
# the real world asks nothing of a simulated one (no points, no faults, no look
# for a world in the slow paths of spawn, join and pick), and counts the
# instructions of both under callgrind. Run it from the root of the repository; it
# needs valgrind and ck's headers. CC chooses the compiler.
#
# Times say less: the same instructions take 8 % longer when thrum_lane_here
# stands eight bytes further on in a thread's block of variables.
set -eu

cc=${CC:-gcc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/without"
cp -r include runtime tools "$work/without"

# strip FILE SCRIPT: it must change something.
strip() {
    sed -E "$2" "$work/without/$1" >"$work/stripped"
    if cmp -s "$work/without/$1" "$work/stripped"; then
        echo "$1 has changed: '$2' does nothing any more" >&2
        exit 1
    fi
    cp "$work/stripped" "$work/without/$1"
}

strip include/thrum/detail/point.h 's/^#ifdef THRUM_MODEL.*/#if 1/'
strip include/thrum/fault.h 's/^#ifdef THRUM_MODEL.*/#if 1/'
strip runtime/sched/worker.c 's/UNLIKELY\((worker->)?world != NULL\)/0/'
strip runtime/sched/worker.c '/^ *if \(worker->world\)$/,+1d'
strip runtime/sched/worker.c '/^    fiber->player = NULL;$/d'
strip runtime/sched/rest.c 's/UNLIKELY\(scheduler->world != NULL\)/0/'
strip runtime/sched/poller.c 's/UNLIKELY\(scheduler->world != NULL\)/0/'
strip runtime/offload/call.c 's/UNLIKELY\(thrum_world_self\(\) != NULL\)/0/'

# build ROOT PROGRAM
build() {
    sources=$(cd "$1" && ls runtime/*/*.c "runtime/plat/context_$(uname -m).S" tools/bench/*.c |
        grep -v context_portable)
    # shellcheck disable=SC2086
    (cd "$1" && $cc -O2 -DNDEBUG -std=c11 -D_GNU_SOURCE= -fvisibility=hidden -w -pthread -I. -Iinclude \
        $sources -lm -o "$2")
}

build . "$work/with_sim"
build "$work/without" "$work/without_sim"

# count PROGRAM WORKLOAD...
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 >/dev/null |
        awk '/Collected/ {print $4}'
}

while read -r workload; do
    # shellcheck disable=SC2086
    with=$(count "$work/with_sim" $workload)
    # shellcheck disable=SC2086
    without=$(count "$work/without_sim" $workload)
    awk -v w="$workload" -v a="$with" -v b="$without" \
        'BEGIN {printf "%-20s with %12d  without %12d  %+.3f %%\n", w, a, b, 100 * (a / b - 1)}'
done <<'END'
fib 25 1
fib 25 1 pair
skynet 100000 1
yield 1000 1 100
pingpong 20000 1
mutex 5000 1
END
