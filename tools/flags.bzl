"""The compiler and linker flags of Thrum's own targets; users get none of them."""

WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wshadow",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
    "-Werror",
]

_HARDENING = [
    "-fstack-protector-strong",
    "-fstack-clash-protection",
]

# Fortified functions need the optimiser; the toolchain may define the level too.
_FORTIFY = select({
    "//tools:optimised": [
        "-U_FORTIFY_SOURCE",
        "-D_FORTIFY_SOURCE=2",
    ],
    "//conditions:default": [],
})

def by_context(x86_64, aarch64, portable):
    """What goes with the context switch that is built."""
    return select({
        "//tools:context_aarch64_as_told": aarch64,
        "//tools:context_aarch64_by_processor": aarch64,
        "//tools:context_x86_64_as_told": x86_64,
        "//tools:context_x86_64_by_processor": x86_64,
        "//conditions:default": portable,
    })

_BRANCHES = by_context(
    aarch64 = ["-mbranch-protection=bti"],
    portable = [],
    x86_64 = ["-fcf-protection=branch"],
)

# Sources name their headers from the repository's root ("runtime/plat/futex.h"),
# which Bazel searches by itself, here and in a repository that uses Thrum.
COPTS = ["-std=c11", "-fvisibility=hidden"] + WARNINGS + _HARDENING + _FORTIFY + _BRANCHES

# Empty, so that a source may say so itself as well.
DEFINES = ["_GNU_SOURCE="]

LINKOPTS = [
    "-pthread",
    "-ldl",
    "-Wl,-z,relro",
    "-Wl,-z,now",
    "-Wl,-z,noexecstack",
]

# Two ways to compile the same, for the tests that depend on it.
PLACEMENTS = {
    "fixed": [
        "-O2",
        "-fno-pic",
        "-fno-pie",
    ],
    "pic": [
        "-O2",
        "-fPIC",
    ],
}

# The functions that tools/detect/locks.c wraps.
WRAPPED = [
    "mtx_lock",
    "mtx_timedlock",
    "mtx_trylock",
    "mtx_unlock",
    "pthread_mutex_clocklock",
    "pthread_mutex_lock",
    "pthread_mutex_timedlock",
    "pthread_mutex_trylock",
    "pthread_mutex_unlock",
    "pthread_rwlock_rdlock",
    "pthread_rwlock_timedrdlock",
    "pthread_rwlock_timedwrlock",
    "pthread_rwlock_tryrdlock",
    "pthread_rwlock_trywrlock",
    "pthread_rwlock_unlock",
    "pthread_rwlock_wrlock",
    "pthread_spin_lock",
    "pthread_spin_trylock",
    "pthread_spin_unlock",
]
