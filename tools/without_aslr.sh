#!/usr/bin/env bash
# without_aslr.sh PROGRAM ARGUMENT... - run it at addresses that are not random,
# where the system lets us choose.
#
# The sanitizers of GCC 12 and Clang 14 expect their shadow at fixed places. On
# kernels that shuffle mappings by 32 bits (vm.mmap_rnd_bits; 28 was usual) the
# program may lie there already, and dies before main.
set -u

if command -v setarch >/dev/null && setarch "$(uname -m)" -R true 2>/dev/null; then
    exec setarch "$(uname -m)" -R "$@"
fi
exec "$@"
