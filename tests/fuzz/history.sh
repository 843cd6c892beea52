#!/usr/bin/env bash
# history.sh [SECONDS] - fuzz what reads histories, with libFuzzer, from the committed corpus.
# Needs clang with its runtime libraries (CLANG=clang-14). Nothing is written into the tree.
set -eu

cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/found"
${CLANG:-clang-14} -std=c11 -D_GNU_SOURCE= -g -O1 -mcx16 -pthread \
    -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I. -Iinclude \
    tests/fuzz/history_fuzz.c $(ls runtime/*/*.c | grep -v context_portable) runtime/plat/context_x86_64.S -o "$work/fuzz" \
    2>"$work/log" || { cat "$work/log" >&2; exit 1; }
"$work/fuzz" -max_total_time="${1:-60}" -max_len=4096 -artifact_prefix="$PWD/" \
    -print_final_stats=1 "$work/found" tests/corpus/history
