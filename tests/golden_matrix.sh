#!/usr/bin/env bash
# golden_matrix.sh - golden_test as every compiler makes it: are its hashes the same?
#
#     tests/golden_matrix.sh [NAME...]
#
# Builds the library and the test by the compilers themselves, without Bazel, in a directory of its
# own, and runs the test: GCC at -O0 to -O3, Clang 14 and 19 at -O0 and -O2, each with
# AddressSanitizer, Clang's ThreadSanitizer, and AArch64 under qemu-user. What is not installed is
# said and counts as failed. A test that passes has found the committed hashes, so all that pass
# agree. The last line is `N passed, M failed`. Takes some minutes.
set -u

cd "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
wanted=" $* "
passed=0
failed=0

# ck_md.h is ours and says for which processor; the rest is where Debian or Bazel has it.
mkdir "$work/ck"
for from in /usr/include bazel-"$(basename "$PWD")"/external/ck/include; do
    [ -e "$from/ck_pr.h" ] || continue
    cp -rL "$from"/ck_{cc,limits,pr,stdbool,stddef,stdint}.h "$from/gcc" "$work/ck"
    break
done
cp third_party/ck/ck_md.h "$work/ck"

# row NAME CONTEXT RUN... -- COMPILER FLAG...
row() {
    local name=$1 context=$2 run=() out sources status=0
    shift 2
    while [ "$1" != -- ]; do
        run+=("$1")
        shift
    done
    shift
    [ "$wanted" = "  " ] || [ "${wanted/ $name /}" != "$wanted" ] || return 0
    out=$work/$name
    mkdir "$out"
    sources=$(ls runtime/*/*.c | grep -v context_portable)
    if ! command -v "$1" >/dev/null; then
        printf '%-16s there is no %s\n' "$name" "$1"
        failed=$((failed + 1))
        return 0
    fi
    # shellcheck disable=SC2086
    if ! "$@" -std=c11 -w -D_GNU_SOURCE= -pthread -I. -Iinclude -I"$work/ck" -o "$out/test" \
        tests/golden_test.c tests/check.c $sources "runtime/plat/context_$context.S" -lm \
        >"$out/log" 2>&1; then
        status=1
    else
        "${run[@]}" "$out/test" --only 'a_seed*' >"$out/log" 2>&1 || status=1
    fi
    if [ "$status" -eq 0 ]; then
        printf '%-16s the same\n' "$name"
        passed=$((passed + 1))
    else
        printf '%-16s FAILED\n' "$name"
        tail -n 8 "$out/log"
        failed=$((failed + 1))
    fi
}

for level in 0 1 2 3; do
    row "gcc-O$level" x86_64 env -- gcc "-O$level"
done
for clang in clang-14 clang-19; do
    for level in 0 2; do
        row "$clang-O$level" x86_64 env -- "$clang" "-O$level"
    done
done
row gcc-asan x86_64 tools/without_aslr.sh -- gcc -O1 -g -fsanitize=address,undefined
row clang-14-asan x86_64 tools/without_aslr.sh -- clang-14 -O1 -g -fsanitize=address,undefined
row clang-14-tsan x86_64 tools/without_aslr.sh -- clang-14 -O1 -g -fsanitize=thread -mcx16
row aarch64-O0 aarch64 qemu-aarch64 -L /usr/aarch64-linux-gnu -- aarch64-linux-gnu-gcc -O0
row aarch64-O2 aarch64 qemu-aarch64 -L /usr/aarch64-linux-gnu -- aarch64-linux-gnu-gcc -O2
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
