#!/usr/bin/env bash
# conformance_test.sh - the table in tests/conformance/README.md and the tests
# beside it are about the same things.
#
# Every test that the table names exists, and every test of that folder is in
# the table. A name of the table stands in backquotes after its file's
# (`cancel: NAME`), or alone if it has two underscores at least; `FILE`: all
# means the whole file.
set -u

table=tests/conformance/README.md
complaints=0

# NAME FILE for each test there is.
tests=$(sed -nE 's/^(TEST|RULE|THRUM_TEST|THRUM_TEST_WITH)\(([a-z0-9_]+)[,)].*/\2 &/p' tests/*_test.c tests/conformance/*_test.c |
    cut -d' ' -f1 | sort -u)
here=$(for file in tests/conformance/*_test.c; do
    grep -qF "\`$(basename "$file" _test.c)\`: all" "$table" && continue
    sed -nE 's/^(TEST|RULE)\(([a-z0-9_]+)\).*/\2/p' "$file"
done | sort -u)
# shellcheck disable=SC2016 # the backquotes are meant
quoted=$(grep -o '`[^`]*`' "$table" | tr -d '`')
named=$({
    sed -nE 's/^[a-z_]+: ([a-z0-9_]+)$/\1/p' <<<"$quoted"
    grep -xE '[a-z0-9]+(_[a-z0-9]+){2,}' <<<"$quoted" | grep -vE '^thrum_'
} | sort -u)

complain()
{
    echo "$table: $1"
    complaints=$((complaints + 1))
}

for name in $named; do
    grep -qx "$name" <<<"$tests" || [ -e "tests/$name.c" ] || complain "there is no test $name"
done
for name in $here; do
    grep -qx "$name" <<<"$named" || complain "does not mention the test $name"
done
echo "$(wc -w <<<"$named") names, $complaints complaints"
[ "$complaints" -eq 0 ] && [ -n "$named" ]
