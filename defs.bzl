"""For users of Thrum: how a test is declared that runs in both worlds.

    load("@thrum//:defs.bzl", "thrum_test")

    thrum_test(name = "client_test", deps = [":client"])
"""

def thrum_test(
        name,
        srcs = None,
        deps = [],
        seeds = 20,
        workers = [1, 2, 8],
        args = [],
        **kwargs):
    """A program of THRUM_TESTs (thrum/test.h).

    Each of them is run in the simulated world, once for each seed, and then in the real one with
    each number of workers. What fails is printed with its seed and a line that does it again:

        FAIL a_slow_answer_is_given_up, simulated with seed 7
          again: bazel test //:client_test --test_filter=a_slow_answer_is_given_up \\
              --test_env=THRUM_SIM=7

    For a longer search: --test_env=THRUM_SEEDS=1000. shard_count may be set.

    Args:
      name: of the test, and of its source unless srcs says otherwise.
      srcs: its sources, one of which has THRUM_TEST_MAIN.
      deps: what it tests; Thrum is added.
      seeds: how many, from 0 on; 0: not simulated.
      workers: numbers of workers; []: not in the real world.
      args: more arguments of the program: --only=PATTERN, for one.
      **kwargs: as for cc_test.
    """
    native.cc_test(
        name = name,
        srcs = srcs or [name + ".c"],
        args = [
            "--seeds=%d" % seeds,
            "--workers=%s" % (",".join([str(n) for n in workers]) or "0"),
        ] + args,
        deps = deps + [str(Label("//:thrum"))],
        **kwargs
    )
