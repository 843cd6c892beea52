#!/usr/bin/env bash
# seeded.sh - seed each bug of bugs.txt into a copy of its source, and let the explorer find it.
#
# usage: tests/seeded/seeded.sh [-s SEEDS] [-n SCHEDULES] [-c CLEAN] [-e EACH]
#        [BUG|LIBRARY.a...]
#        from the root of the repository
#
#   -s   a bug must be found from each of that many seeds (1)
#   -n   within so many schedules (10000)
#   -c   first all programs run over the library as it is, so many schedules for each seed (10000;
#        0: not): they must find nothing
#   -e   only every so manieth bug; of the others it is only seen to that they can be seeded
#
# The library as it is, a static one, is built unless it is given.
#
# Prints a table, and as its last line `killed K of N`. Exit status 1: a bug was not found, or is no
# longer in its source, or a program fails without one. CC and CFLAGS are honoured.
set -u

seeds=1
schedules=10000
clean=10000
each=1
library=
while getopts s:n:c:e: option; do
    case $option in
    s) seeds=$OPTARG ;;
    n) schedules=$OPTARG ;;
    c) clean=$OPTARG ;;
    e) each=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
wanted=
for argument in "$@"; do
    case $argument in
    *.pic.a) library=${library:-$argument} ;;
    *.a) library=$argument ;;
    *) wanted="$wanted $argument" ;;
    esac
done

cc=${CC:-cc}
flags="-O1 -std=c11 -D_GNU_SOURCE= -pthread -fvisibility=hidden -w ${CFLAGS:-} -I. -Iinclude"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0

complain() {
    printf '%s\n' "$*"
    bad=1
}

# ---- the programs, and the library as it is ---------------------------------------------------

if [ -z "$library" ]; then
    library=$work/libthrum.a
    mkdir "$work/objects"
    case $(uname -m) in
    x86_64 | aarch64) port=$(uname -m) not=context_portable.c ;;
    *) port= not= ;;
    esac
    for source in runtime/*/*.c ${port:+runtime/plat/context_$port.S}; do
        [ "$(basename "$source")" = "$not" ] && continue
        # shellcheck disable=SC2086
        $cc $flags -c "$source" -o "$work/objects/$(echo "$source" | tr / _).o" || exit 1
    done
    ar rcs "$library" "$work"/objects/*.o
fi

parts=
for name in programs queue lock wait group compose models; do
    # shellcheck disable=SC2086
    $cc $flags -c "tests/seeded/$name.c" -o "$work/$name.o" || exit 1
    parts="$parts $work/$name.o"
done

# link OBJECT: the programs with that object in place of the library's own.
link() {
    # shellcheck disable=SC2086
    $cc $flags $parts ${1:+"$1"} "$library" -o "$work/program"
}

if [ "$clean" -gt 0 ] && [ -z "$wanted" ]; then
    link "" || exit 1
    timeout 3000 "$work/program" -s "$seeds" -n "$clean" >"$work/out" 2>&1 ||
        complain "without a bug a program fails:" "$(grep -v '|fine$' "$work/out")"
    echo "without bugs: $(wc -l <"$work/out") explorations of $clean schedules"
fi

# ---- the bugs ---------------------------------------------------------------------------------

# seed FILE OLD NEW: the source with NEW in place of OLD, which must stand there exactly once.
seed() {
    mkdir -p "$work/$(dirname "$1")"
    OLD=$2 NEW=$3 awk 'BEGIN { RS = "\001"; old = ENVIRON["OLD"] }
        {
            at = index($0, old)
            rest = substr($0, at + length(old))
            if (at == 0 || index(rest, old) != 0)
                exit 1
            printf "%s%s%s", substr($0, 1, at - 1), ENVIRON["NEW"], rest
        }' "$1" >"$work/$1"
}

seen=0
count=0
killed=0

# try NAME PROGRAMS FILE OLD NEW
try() {
    local name=$1 programs=$2 file=$3 line
    seen=$((seen + 1))
    if ! seed "$file" "$4" "$5"; then
        complain "$name: $file no longer has the text that it changes, or more than once"
        count=$((count + 1))
        return
    fi
    [ $((seen % each)) -eq 0 ] || return
    count=$((count + 1))
    # shellcheck disable=SC2086
    if ! $cc $flags -I"$(dirname "$file")" -c "$work/$file" -o "$work/seeded.o" 2>"$work/errors" ||
        ! link "$work/seeded.o" 2>>"$work/errors"; then
        complain "$name: does not compile: $(cat "$work/errors")"
        return
    fi
    # shellcheck disable=SC2086
    timeout 60 "$work/program" -s "$seeds" -n "$schedules" $programs >"$work/out" 2>"$work/errors"
    line=$(awk -F'|' -v seeds="$seeds" '
        NF > 4 && !($2 in found) { # by the first of its programs that notices
            found[$2]; n++; sum += $3; how = how ? how : $1 " | " $4
            deltas = $5 > deltas ? $5 : deltas; bytes = $6 > bytes ? $6 : bytes
        }
        END {
            if (n < seeds) { printf "NOT FOUND by %d of %d seeds", seeds - n, seeds; exit 1 }
            printf "%s | %.0f | %d | %d |", how, sum / n, deltas, bytes
        }' "$work/out")
    if [ $? -eq 0 ]; then
        killed=$((killed + 1))
        echo "| $name | $line"
    else
        complain "| $name | $line"
    fi
}

echo "| bug | program | oracle | schedules | deltas | bytes |"
echo "|---|---|---|--:|--:|--:|"
name=
flush() {
    if [ -n "$name" ] && [[ -z $wanted || " $wanted " == *" $name "* ]]; then
        try "$name" "$programs" "$file" "${old%$'\n'}" "${new%$'\n'}"
    fi
    name=
}
while IFS= read -r line; do
    case $line in
    "= "*)
        flush
        name=${line#= } programs='' file='' old='' new=''
        ;;
    "by "*) programs=${line#by } ;;
    "in "*) file=${line#in } ;;
    "< "* | "<") line=${line#<} old=$old${line# }$'\n' ;;
    "> "* | ">") line=${line#>} new=$new${line# }$'\n' ;;
    "so "* | "#"* | "") ;;
    *) complain "bugs.txt: what is this? $line" ;;
    esac
done <tests/seeded/bugs.txt
flush

echo "killed $killed of $count"
[ "$bad" -eq 0 ] && [ "$killed" -eq "$count" ]
