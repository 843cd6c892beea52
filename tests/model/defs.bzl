"""How a model is declared: thrum_model(name, subjects), with NAME.c beside the BUILD file."""

load("//tools:flags.bzl", "COPTS", "DEFINES", "LINKOPTS")

# The search is long: optimised in every build. The explorer's headers are named
# from tests/.
MODEL_COPTS = COPTS + ["-O2", "-iquote", "tests"]

MODEL_DEFINES = DEFINES + ["THRUM_MODEL"]

def thrum_model(
        name,
        subjects,
        bound = 2,
        hdrs = [],
        defines = [],
        size = "medium",
        linkopts = [],
        mutants = True,
        trust = False,
        tags = [],
        **kwargs):
    """All interleavings up to a bound, and all mutants.

    Args:
      name: of the test and of its source.
      subjects: the runtime's sources under test, compiled for the explorer.
      bound: on preemptions.
      hdrs: what the model includes beside the explorer.
      defines: for the model and its subjects, such as smaller capacities.
      size: as for thrum_test.
      linkopts: besides the common ones.
      mutants: whether they are run here, or by a command alone (README.md).
      trust: mutants that a comment justifies are not run here, but by a command (README.md).
      tags: besides "plain", which keeps it out of sanitizers and emulators.
      **kwargs: as for cc_test.
    """

    # Compiled for TSan, linked without: the explorer is told of plain accesses too.
    native.cc_library(
        name = name + "_subjects",
        testonly = True,
        srcs = ["//:" + subject for subject in subjects],
        copts = MODEL_COPTS + ["-fsanitize=thread"],
        linkstatic = True,
        local_defines = MODEL_DEFINES + defines,
        deps = ["//tests/model:explorer"],
    )
    native.cc_test(
        name = name,
        size = size,
        srcs = [name + ".c"] + hdrs,
        args = ["--bound", str(bound)] +
               (["--mutants"] if mutants else []) +
               (["--trust"] if trust else []),
        copts = MODEL_COPTS,
        data = ["//:headers", "//:sources"],
        linkopts = LINKOPTS + linkopts,
        linkstatic = True,
        local_defines = MODEL_DEFINES + defines,
        tags = tags + ["plain"],
        deps = [
            ":" + name + "_subjects",
            "//tests/model:suite",
        ],
        **kwargs
    )
