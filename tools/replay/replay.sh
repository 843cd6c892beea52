#!/usr/bin/env bash
# replay.sh [OPTION...] FILE|TEXT PROGRAM [ARGUMENT...] - run a failing history again.
#
#     tools/bazel run //tools/replay -- failures/transfer.history bazel-bin/bank_test
#     tools/bazel run //tools/replay -- --gdb '1@3>2' bazel-bin/bank_test
#
# FILE is what THRUM_ARTIFACTS keeps of a failure, TEXT what follows THRUM_REPLAY= in its message.
# The program is one that calls thrum_explore; of several explorations the one runs that has the
# file's name. It prints how many of the deltas have matched, and ends as it ends.
#
#   --steps       print every turn as it comes
#   --html=FILE   write a page with a picture
#   --text=FILE   write the turns as text
#   --gdb         start gdb, and stop before the turn that the last delta has made
#   --gdb=N       the same before turn N; --steps has the numbers
set -u

here=${BUILD_WORKING_DIRECTORY:-$PWD} # where bazel run was called
script=${THRUM_GDB_SCRIPT:-$(dirname "$(readlink -f "$0")")/../gdb/thrum.py}
debug=

usage() {
    [ $# -eq 0 ] || echo "replay: $*" >&2
    sed -n '2,17s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

absolute() {
    case $1 in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s/%s\n' "$here" "$1" ;;
    esac
}

while [ $# -gt 0 ]; do
    case $1 in
    --steps) export THRUM_STEPS=1 ;;
    --html=?* | --text=?*)
        THRUM_REPORT=$(absolute "${1#*=}")
        case $1 in --text=*) THRUM_REPORT=${THRUM_REPORT%.txt}.txt ;; esac
        export THRUM_REPORT
        ;;
    --gdb) debug=yes ;;
    --gdb=*)
        debug=yes
        case ${1#*=} in '' | *[!0-9]*) usage "'$1': the number of a turn should follow" ;; esac
        export THRUM_BREAK=${1#*=}
        ;;
    --) shift && break ;;
    -*) usage "there is no option '$1'" ;;
    *) break ;;
    esac
    shift
done
[ $# -ge 2 ] || usage

history=$1 program=$2
shift 2
if [ -f "$(absolute "$history")" ]; then
    THRUM_REPLAY=$(absolute "$history")
else
    case $history in */* | *.history) usage "there is no file $history" ;; esac
    THRUM_REPLAY=$history
fi
export THRUM_REPLAY
case $program in
*/*) program=$(absolute "$program") ;;
*) [ -x "$here/$program" ] && program=$here/$program ;;
esac
cd "$here" || exit 2

[ -n "$debug" ] || exec "$program" "$@"
export THRUM_STEPS=1
exec ${GDB:-gdb -q} -ex 'set breakpoint pending on' -ex "source $script" \
    -ex 'break thrum_replay_break' -ex run -ex thrum-here --args "$program" "$@"
