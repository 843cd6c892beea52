"""Concurrency Kit as the repository @ck.

Its headers come from the system (Debian's libck-dev) where it has them, else
from the release that its makers publish. Thrum uses headers only, so there is
nothing to link.
"""

_VERSION = "0.7.1"
_SHA256 = "97d2a21d5326ef79b4668be2e6eda6284ee77a64c0981b35fd9695c736c3d4ac"
_URL = "https://github.com/concurrencykit/ck/archive/{}.tar.gz".format(_VERSION)

# What ck_pr.h includes, in both places; ck_md.h is our own.
_HEADERS = [
    "ck_cc.h",
    "ck_limits.h",
    "ck_pr.h",
    "ck_stdbool.h",
    "ck_stddef.h",
    "ck_stdint.h",
    "gcc",
]

def _ck_repository(ctx):
    system = ctx.path("/usr/include")
    if system.get_child("ck_pr.h").exists:
        source = system
    else:
        ctx.download_and_extract(
            url = _URL,
            sha256 = _SHA256,
            output = "release",
            stripPrefix = "ck-" + _VERSION,
        )
        source = ctx.path("release/include")
    for header in _HEADERS:
        ctx.symlink(source.get_child(header), "include/" + header)
    ctx.symlink(ctx.attr._ck_md, "include/ck_md.h")
    ctx.symlink(ctx.attr._build, "BUILD.bazel")
    ctx.file("WORKSPACE", "workspace(name = \"ck\")\n")

ck_repository = repository_rule(
    implementation = _ck_repository,
    attrs = {
        "_build": attr.label(default = "//third_party/ck:ck.BUILD"),
        "_ck_md": attr.label(default = "//third_party/ck:ck_md.h"),
    },
    local = True,
)
