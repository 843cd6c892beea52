#!/usr/bin/env bash
# consumer_test.sh - a workspace that is not ours builds against @thrum and runs.
#
# A copy of tests/consumer is built by a Bazel of its own, with nothing but what
# a user writes: no flags of ours reach it, and no header of the runtime may.
set -eu

# What Bazel lays out for a test are links; the workspace itself lies behind them.
root=$(dirname -- "$(readlink -f -- deps.bzl)")
scratch=$(mktemp -d "${TEST_TMPDIR:-/tmp}/consumer.XXXXXX")

bazel() {
    (
        cd "$scratch/workspace"
        env -i HOME="$scratch" PATH="$PATH" "$root/tools/bazel" --output_user_root="$scratch/bazel" \
            --max_idle_secs=10 "$@"
    )
}

clean_up() {
    bazel shutdown >/dev/null 2>&1 || true
    chmod -R u+w "$scratch" 2>/dev/null || true
    rm -rf "$scratch"
}
trap clean_up EXIT

mkdir "$scratch/workspace"
cp -R -L "$root"/tests/consumer/* "$scratch/workspace/"
for file in WORKSPACE MODULE.bazel; do
    sed -i "s,path = \"../..\",path = \"$root\"," "$scratch/workspace/$file"
done

build=(--noshow_progress --nosandbox_debug)
bazel run "${build[@]}" //:app
bazel run "${build[@]}" -c opt //:app
bazel run "${build[@]}" //:app_cxx

# thrum_test runs a test in both worlds, and says how to do it again when it fails.
bazel test "${build[@]}" --test_output=errors //:app_test
if bazel test "${build[@]}" --test_output=errors --test_env=APP_TEST_WRONG=1 \
    //:app_test >"$scratch/said" 2>&1 ||
    ! grep -q 'again: bazel test //:app_test --test_filter=wrong --test_env=THRUM_SIM=0' \
        "$scratch/said"; then
    cat "$scratch/said"
    echo "FAIL: a test that fails does not say how to do it again"
    exit 1
fi

# Nothing of ours but <thrum/...> is on a user's search path.
for header in '<runtime/base/base.h>' '<base/base.h>' '"base/base.h"' '<check.h>'; do
    echo "#include $header" >"$scratch/workspace/app.c"
    if bazel build "${build[@]}" //:app 2>"$scratch/said" || ! grep -q 'file not found\|No such file' "$scratch/said"; then
        cat "$scratch/said"
        echo "FAIL: a user finds $header"
        exit 1
    fi
done
echo "consumer: fine"
