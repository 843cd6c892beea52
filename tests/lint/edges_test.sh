#!/usr/bin/env bash
# edges_test.sh - every ordered edge has two ends and a line in a table.
#
# A comment `EDGE name, other.name` beside an operation names the edges it
# takes part in. A table under a line ` * Edges` at the top of some file says
# what each orders. So every name used is in a table, and every name in a table
# is used at two places at least.
set -u

files=$(find include runtime -name '*.[chS]' | sort)

# shellcheck disable=SC2086 # no blanks in these names
awk '
    FNR == 1 { table = 0 }
    /^ \* Edges/ { table = 1; next }
    table && (/\*\// || /^ \*[ \t]*$/) && seen_row[FILENAME] { table = 0 }
    table && /^ \* +[a-z_]+\.[a-z_]+([ \t]|$)/ {
        listed[$2] = FILENAME ":" FNR
        seen_row[FILENAME] = 1
    }
    /EDGE/ {
        rest = substr($0, index($0, "EDGE") + 4)
        while (match(rest, /^,?[ \t]*[a-z_]+\.[a-z_]+/)) {
            name = substr(rest, RSTART, RLENGTH)
            gsub(/[, \t]/, "", name)
            uses[name]++
            where[name] = where[name] "\n    " FILENAME ":" FNR
            rest = substr(rest, RSTART + RLENGTH)
        }
    }
    END {
        for (name in uses) {
            edges++
            if (uses[name] < 2)
                bad[++n] = "EDGE " name " has only one end:" where[name]
            if (!(name in listed))
                bad[++n] = "EDGE " name " is in no table of edges:" where[name]
        }
        for (name in listed)
            if (!(name in uses))
                bad[++n] = listed[name] ": edge " name " is listed but not used"
        for (i = 1; i <= n; i++)
            print "FAIL: " bad[i]
        print edges + 0 " edges, " n + 0 " complaints"
        exit n > 0
    }
' $files
