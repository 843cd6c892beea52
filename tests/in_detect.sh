#!/usr/bin/env bash
# in_detect.sh PROGRAM - run a test program with detectors on (thrum/detect.h): none may find anything.
set -u

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

THRUM_DETECT=1 "$1" >"$log" 2>&1
status=$?
grep -avE '^ok ' "$log"
! grep -aq '^thrum: detected: ' "$log" && [ "$status" -eq 0 ]
