#!/usr/bin/env bash
#
# treehash_test.sh TREEHASH - what treehash prints is what find, sort and sha256sum print, byte
# for byte, whatever the number of workers; and what cannot be read is named and harms nothing.
#
# What this machine cannot show (a terminal, a file that root may not read) is said and skipped.

set -u
export LC_ALL=C
unset BUILD_WORKSPACE_DIRECTORY BUILD_WORKING_DIRECTORY CDPATH

treehash=$(realpath -- "${1:?usage: treehash_test.sh TREEHASH}")
scratch=$(mktemp -d "${TEST_TMPDIR:-/tmp}/treehash.XXXXXX")
trap 'chmod -R u+rwX "$scratch" 2>/dev/null; rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1

out=$scratch/out err=$scratch/err want=$scratch/want
failures=0

fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# run WANTED_STATUS ARGUMENT...: standard output and error end up in $out and $err.
run() {
    local wanted=$1 status=0
    shift
    "$treehash" "$@" >"$out" 2>"$err" || status=$?
    [ "$status" -eq "$wanted" ] ||
        fail "treehash $*: status $status, not $wanted: $(head -c 400 "$err")"
}

reference() {
    find "$@" -type f -print0 | sort -z | xargs -0 -r sha256sum
}

says() {
    printf '%s\n' "$1" | cmp -s - "$err" || fail "said '$(head -c 400 "$err")', not '$1'"
}

same() {
    cmp "$want" "$out" || fail "$1: other lines than wanted"
    [ -s "$err" ] && fail "$1: said $(head -c 400 "$err")"
}

# ---- A tree of awkward things -------------------------------------------------------------

mkdir -p tree/sub/a tree/sub-a tree/sub.a tree/empty "tree/two words" tree/-dash
printf x >tree/plain
: >tree/nothing
printf 1 >tree/sub/a/f
printf 2 >tree/sub-a/f # '-' and '.' sort before '/': the order is that of whole paths
printf 3 >tree/sub.a/f
printf 4 >"tree/two words/ leading and trailing "
printf 5 >tree/$'new\nline'
printf 6 >tree/'back\slash'
printf 7 >tree/$'carriage\rreturn'
printf 8 >tree/'back\slash'$'\n'both
printf 9 >tree/$'\303\274mlaut \342\202\254'
printf 10 >tree/$'\377\376 not UTF-8'
printf 11 >tree/-dash/--help
printf 12 >tree/'"quoted" $HOME `x` *'
printf 13 >tree/.hidden
printf 14 >tree/Plain
printf 15 >tree/q
head -c 8388608 /dev/urandom >tree/large
head -c 131072 /dev/urandom >tree/one-buffer
head -c 131073 /dev/urandom >tree/one-more
ln -s .. tree/sub/loop
ln -s itself tree/itself
ln -s nowhere tree/dangling
ln -s plain tree/link
mkfifo tree/fifo
for i in $(seq 300); do printf '%s' "$i" >"tree/sub/$i"; done
mkdir -p tree/deep/$(printf 'd/%.0s' $(seq 400))
printf deep >tree/deep/$(printf 'd/%.0s' $(seq 400))f

for workers in 1 2 16; do
    reference tree >"$want"
    run 0 --workers "$workers" tree
    same "$workers workers"
done
(ulimit -n 64 && exec "$treehash" --workers 4 tree) >"$out" 2>"$err"
same "few descriptors"

# ---- Ways to name a directory -------------------------------------------------------------

reference tree/ tree//sub ./tree/sub/a tree/plain tree/nothing tree/plain >"$want"
run 0 tree/ tree//sub --workers=2 ./tree/sub/a tree/plain -- tree/nothing tree/plain
same "several directories, files, and one twice"

(cd tree && "$treehash" -- -dash) >"$out" 2>"$err"
reference tree/-dash | sed 's, tree/, ,' >"$want"
same "a name that looks like an option"

(cd tree/sub-a && reference .) >"$want"
(cd tree/sub-a && "$treehash") >"$out" 2>"$err"
same "no directory: the current one"

reference "$scratch/tree/sub.a" >"$want"
BUILD_WORKSPACE_DIRECTORY=$scratch/tree/sub.a run 0
same "no directory under bazel run: the workspace"

reference tree/sub.a >"$want"
(cd / && BUILD_WORKING_DIRECTORY=$scratch "$treehash" tree/sub.a) >"$out" 2>"$err"
same "a relative directory under bazel run"

ln -s tree/sub-a link
: >"$want"
run 0 link
same "a link given is not followed"
reference link/ >"$want"
run 0 link/
same "a link given with a slash is entered"

: >"$want"
run 0 tree/empty tree/fifo
same "nothing to hash"

# Longer than the kernel takes in one piece, so beyond sha256sum; the line is made by hand.
part=$(printf 'p%.0s' $(seq 200))
mkdir long
(
    cd -P long || exit 1
    for i in $(seq 50); do mkdir "$part" && cd -P "$part" || exit 1; done
    printf far >file
) || fail "cannot make a long path"
printf '%s  long/%sfile\n' "$(printf far | sha256sum | cut -d' ' -f1)" \
    "$(printf "$part/%.0s" $(seq 50))" >"$want"
run 0 long
same "a path of 10,000 bytes"

# ---- What goes wrong ----------------------------------------------------------------------

reference tree/sub >"$want"
run 1 nowhere tree/sub ''
cmp "$want" "$out" || fail "a missing directory: other lines than wanted"
says $'treehash: : No such file or directory\ntreehash: nowhere: No such file or directory'

run 1 $'new\nline'
says 'treehash: new\nline: No such file or directory'

if [ -e /proc/self/mem ]; then
    reference tree/sub >"$want"
    run 1 tree/sub /proc/self/mem
    cmp "$want" "$out" || fail "a read error: other lines than wanted"
    says 'treehash: /proc/self/mem: Input/output error'
fi

# Root reads everything, unless it lays that power down.
mkdir locked locked/directory
printf a >locked/a
printf b >locked/b
printf c >locked/directory/c
chmod 0 locked/b locked/directory
plain=()
[ "$(id -u)" -ne 0 ] || plain=(setpriv --bounding-set=-dac_override,-dac_read_search)
if ! "${plain[@]}" cat locked/a >/dev/null 2>&1 || "${plain[@]}" cat locked/b >/dev/null 2>&1; then
    echo "skipped: no file here that cannot be read"
else
    sha256sum locked/a >"$want"
    status=0
    "${plain[@]}" "$treehash" locked >"$out" 2>"$err" || status=$?
    [ "$status" -eq 1 ] || fail "unreadable: status $status"
    cmp "$want" "$out" || fail "unreadable: other lines than wanted"
    says $'treehash: locked/b: Permission denied\ntreehash: locked/directory: Permission denied'
fi

if [ -e /dev/full ]; then
    status=0
    "$treehash" tree >/dev/full 2>"$err" || status=$?
    [ "$status" -eq 1 ] || fail "a full disk: status $status"
    says 'treehash: standard output: No space left on device'
fi

# Files that come, go and turn into something else while they are hashed: their lines are anyone's
# guess, the others' not.
raced='No such file or directory|Not a directory|Too many levels of symbolic links'
mkdir -p moving/fleeting
cp -R tree/sub moving/steady
reference moving/steady >"$want"
while :; do
    mkdir -p moving/fleeting/{1,2,3,4}
    for i in $(seq 40); do printf x >"moving/fleeting/$((i % 4 + 1))/$i"; done
    for i in $(seq 40); do
        rm -rf "moving/fleeting/$((i % 4 + 1))/$i"
        case $((i / 4 % 3)) in
        0) mkfifo "moving/fleeting/$((i % 4 + 1))/$i" ;;
        1) mkdir "moving/fleeting/$((i % 4 + 1))/$i" ;;
        2) ln -s .. "moving/fleeting/$((i % 4 + 1))/$i" ;;
        esac
    done
    rm -rf moving/fleeting/*
done 2>/dev/null &
mover=$!
for workers in 1 2 16 2 16; do
    status=0
    "$treehash" --workers "$workers" moving >"$out" 2>"$err" || status=$?
    [ "$status" -le 1 ] || fail "moving: status $status"
    grep -F ' moving/steady/' "$out" | cmp - "$want" || fail "moving: the steady files' lines"
    grep -vE "^treehash: moving/fleeting.*: ($raced)\$" "$err" && fail "moving: said that"
done
kill "$mover"
wait "$mover" 2>/dev/null

# ---- Arguments ----------------------------------------------------------------------------

for number in 0 -1 x 2x '' 1025 99999999999999999999; do
    run 2 --workers "$number" tree
    says 'treehash: --workers wants a number from 1 to 1024; see treehash --help'
    run 2 "--workers=$number" tree
done
run 2 tree --workers
says 'treehash: --workers wants a number from 1 to 1024; see treehash --help'
run 2 tree --no-such
says 'treehash: --no-such: no such option; see treehash --help'
[ -s "$out" ] && fail "bad arguments: hashed all the same"
run 0 --help
grep -q '^usage: treehash ' "$out" || fail "--help says something else"

# ---- Progress, on a terminal only ---------------------------------------------------------

if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
    export treehash out
    script -qec '"$treehash" tree >"$out"' /dev/null >"$err" </dev/null
    grep -q ' files, .* MiB' "$err" || fail "no progress on a terminal"
    reference tree | cmp - "$out" || fail "progress: other lines than wanted"
else
    echo "skipped: no terminal here to show progress on"
fi

[ "$failures" -eq 0 ] && echo "treehash: all as find, sort and sha256sum"
exit $((failures > 0))
