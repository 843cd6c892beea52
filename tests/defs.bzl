"""How a test is declared: thrum_test(name), with NAME.c beside the BUILD file."""

load("//tools:flags.bzl", "COPTS", "DEFINES", "LINKOPTS")

def thrum_test(
        name,
        srcs = None,
        library = "//:thrum",
        deps = [],
        copts = [],
        defines = [],
        linkopts = [],
        size = "small",
        tags = [],
        **kwargs):
    """A program of TESTs (check.h) that may use the runtime's own headers.

    Several threads on all cores are what most are about: Bazel gives each two, while models and
    runs in the simulated world, of one thread, have one.

    Args:
      name: of the test, and of its source unless srcs says otherwise.
      srcs: its sources.
      library: the build of the runtime that it links.
      deps: libraries besides the harness and the runtime.
      copts: compiler flags besides the common ones.
      defines: preprocessor definitions for this test alone.
      linkopts: linker flags besides the common ones.
      size: small, medium or large; .bazelrc says how long each may take.
      tags: "campaign" keeps it out of //...
      **kwargs: as for cc_test.
    """
    native.cc_test(
        name = name,
        size = size,
        srcs = srcs or [name + ".c"],
        copts = COPTS + copts,
        linkopts = LINKOPTS + linkopts,
        linkstatic = True,
        local_defines = DEFINES + defines,
        tags = tags + ["cpu:2"],
        deps = ["//:declarations", "//tests:check", library] + deps,
        **kwargs
    )

def in_sim(name, size = "medium", watched = False):
    """The test program `name` once more, in the simulated world.

    Args:
      name: of the program; the test is NAME_in_sim.
      size: of the test.
      watched: also when ThreadSanitizer looks for races: runtime/plat/races.h.
    """
    native.sh_test(
        name = name + "_in_sim",
        size = size,
        srcs = ["//tests:in_sim.sh"],
        args = ["$(rootpath :%s)" % name],
        data = [":" + name],
        # Other builds run the programs themselves.
        tags = ["sim" if watched else "plain"],
    )

def in_detect(name):
    """The test program `name` once more, with detectors on.

    Args:
      name: of the program; the test is NAME_in_detect.
    """
    native.sh_test(
        name = name + "_in_detect",
        size = "medium",
        srcs = ["//tests:in_detect.sh"],
        args = ["$(rootpath :%s)" % name],
        data = [":" + name],
        tags = ["plain"],
    )
