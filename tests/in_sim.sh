#!/usr/bin/env bash
# in_sim.sh PROGRAM - run a test program in the simulated world, once for each seed.
#
# Seed 0 is the ordinary order. THRUM_SEEDS (20) says how many seeds, from 0 on;
# the campaign takes 1000. What fails is shown, with its seed; the last line is
# `N passed, M failed`, of all seeds together. Built with ThreadSanitizer, races are looked for.
set -u

program=$1
seeds=${THRUM_SEEDS:-20}
passed=0
failed=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

for ((seed = 0; seed < seeds; seed++)); do
    THRUM_RACES=1 THRUM_SIM=$seed "$program" >"$log" 2>&1
    status=$?
    line=$(grep -aE '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
    own_passed=${line%% *}
    own_failed=${line#*, }
    own_failed=${own_failed%% *}
    passed=$((passed + ${own_passed:-0}))
    if [ "$status" -ne 0 ]; then
        [ "${own_failed:-0}" -gt 0 ] || own_failed=1
        printf 'THRUM_SIM=%s %s\n' "$seed" "$program"
        grep -avE '^(ok|skip) ' "$log"
        failed=$((failed + own_failed))
    fi
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
