"""@ck for MODULE.bazel. A file of its own: Bazel 4 to 5 know no extensions."""

load("//third_party/ck:ck.bzl", "ck_repository")

def _ck(_ctx):
    ck_repository(name = "ck")

ck_extension = module_extension(implementation = _ck)
