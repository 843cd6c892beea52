#!/usr/bin/env bash
# layers_test.sh - includes point down only.
#
# The folders of runtime/ from the ground up; those in one line ignore one
# another. A file may include its own folder and those below. The one exception
# are atomic and plat, which make one floor: the verbs serve the platform, and
# the asymmetric fences need its membarrier. compose stands on top and includes
# public headers alone, as a user would; so does kit, the test kit. Files directly in runtime/ bind
# the layers together and may include all. Public headers include public headers and
# the C library.
set -u

layers='
base
atomic plat
work
sched
world
task
time
sync io offload
compose
explore kit
'

printf '%s\n' "$layers" | awk '
    FNR == NR {
        for (i = 1; i <= NF; i++)
            rank[$i] = FNR
        next
    }
    FNR == 1 {
        depth = split(FILENAME, path, "/")
        folder = path[1] == "runtime" && depth > 2 ? path[2] : ""
        public = path[1] == "include"
        if (folder != "" && !(folder in rank))
            complain("runtime/" folder " has no place in the layers")
        files++
    }
    /^[ \t]*#[ \t]*include[ \t]*"/ {
        split($0, quoted, "\"")
        split(quoted[2], target, "/")
        if (public && quoted[2] != "model/atomic.h")
            complain("a public header includes \"" quoted[2] "\"")
        else if ((folder == "compose" || folder == "kit") && target[2] != folder)
            complain("runtime/" folder " includes \"" quoted[2] "\", which is not a public header")
        else if (folder != "" && target[1] == "runtime" && target[2] != folder &&
                 rank[target[2]] >= rank[folder] && !one_floor(target[2], folder))
            complain("runtime/" folder " includes \"" quoted[2] "\", which is not below it")
    }
    folder == "compose" && /^[ \t]*#[ \t]*include[ \t]*"/ {
        complain("runtime/compose is written against the public headers alone")
    }
    function one_floor(a, b) {
        return rank[a] == rank["atomic"] && rank[b] == rank["atomic"]
    }
    function complain(what) {
        print "FAIL: " FILENAME ":" FNR ": " what
        bad++
    }
    END {
        print files + 0 " files, " bad + 0 " complaints"
        exit bad > 0 || files < 3
    }
' - $(find include runtime -name '*.[chS]' | sort)
