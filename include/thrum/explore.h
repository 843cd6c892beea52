/*
 * explore.h - run a program in many orders, and find the one that fails.
 *
 * thrum_explore runs a task function again and again in the simulated world
 * (THRUM_SIMULATE in run.h), each time in another order of its tasks, on
 * virtual time, until one of the runs fails. That one is shrunk to the fewest
 * places where it differs from the ordinary order, and told as a short text,
 *
 *     1@3>2
 *
 * which says: when the first task that the root has started comes to its third
 * point, the second one goes on instead. ("@3:1": when it stands first there for
 * the second time; "@3=1": what it had a free choice of was the second one; "@3#1": it
 * was dealt a fault there, see fault.h.) With
 * THRUM_REPLAY='1@3>2' in the environment the program runs just this history, as
 * often as wanted, under a debugger too.
 *
 * What happened is printed turn by turn, with the two accesses marked that have come out of order,
 * and how likely the failure has become with each of the places. In the environment:
 *
 *   THRUM_REPLAY      a text, or the name of a file, with a '/' in it
 *   THRUM_ARTIFACTS   a directory, for a file of each failure (PROGRAM.history, whose format
 *                     runtime/explore/history.h tells) and a page (PROGRAM.html)
 *   THRUM_REPORT      FILE: a page with a picture of the last failure, or of what was replayed:
 *                     tasks side by side, time downwards; FILE.txt: a text
 *   THRUM_STEPS       every turn that is replayed is printed as it comes
 *   THRUM_BREAK       the number of a turn: while it is replayed with THRUM_STEPS,
 *                     thrum_replay_break is called there; unless set, at the last of the places
 *
 * `tools/bazel run //tools/replay -- FILE|TEXT program` sets them, and starts a debugger there.
 *
 * What counts as a failure: fn returns anything but 0; all tasks wait and nothing
 * can wake one (THRUM_EDEADLOCK); it does not end (THRUM_ELIVELOCK); it has ended and left
 * something behind (THRUM_ELEFT): a task that was submitted, a mutex or rwlock that is locked,
 * what belongs to tasks and was not given back (handles, errors, queues, timeouts, generators,
 * executors, thrum_malloc), and if that is asked for descriptors and permits. Lines on standard
 * error say what. Checks return a status of their own choice. In a run in which something was refused
 * (`faults`) it is none that fn says so: -ENOMEM, -EAGAIN, or THRUM_EGROUP if no task
 * has failed with anything else.
 *
 * fn must begin with the same state each time: it sets up what it uses. It
 * must not depend on addresses, real time, real threads or other sources of
 * chance. Tasks take turns at the calls of Thrum, and at the accesses that
 * shared.h tells of.
 */
#ifndef THRUM_EXPLORE_H
#define THRUM_EXPLORE_H

#include <thrum/run.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* How orders are chosen: runtime/world/strategies.h has the literature. */
typedef enum thrum_strategy {
    THRUM_STRATEGY_DEFAULT,   /* a mixture, mostly SURW */
    THRUM_STRATEGY_RANDOM,    /* anybody */
    THRUM_STRATEGY_PCT,       /* random priorities with `depth` - 1 changes */
    THRUM_STRATEGY_POS,       /* random priorities of events */
    THRUM_STRATEGY_SURW,      /* uniform over the orders of one object's events */
    THRUM_STRATEGY_SYSTEMATIC, /* all that differ from the default by at most `delays` */
    THRUM_STRATEGY_DELAY,      /* the default but for `depth` delays at random places */
    THRUM_STRATEGY_PORTFOLIO   /* SURW, POS, PCT, delays and random; who shows more is asked more */
} thrum_strategy;

/*
 * Flags.
 *
 *   THRUM_EXPLORE_QUIET    nothing is printed
 *   THRUM_EXPLORE_TWICE    every run is made once more, from its text, and must do the same, while
 *                          all is changed that a program must not depend on: where tasks' stacks and
 *                          what malloc gives are, what stands in memory that nobody has written
 *                          (fresh stacks, malloc's blocks, thrum_malloc's), the order and number of
 *                          the environment's variables; with ISOLATE the process too. If it is not
 *                          the same, THRUM_EDIVERGED is returned, and `divergence` says where the
 *                          two part, and so does a line on standard error:
 *                          "at step 9, decision 6: task 2 at its point 3 wants object 2
 *                          (orders.c:41 < orders.c:97); then task 2 at its point 3 reads object 1
 *                          (orders.c:45 < orders.c:97)", with lines by addr2line, if that is there.
 *                          THRUM_TWICE in the environment sets it
 *   THRUM_EXPLORE_ALL      do not stop at a failure; `failures` says how many there were
 *   THRUM_EXPLORE_CANCEL   cancel fn once in every run but the first, before every turn that anybody
 *                          has, one after the other, then anywhere. That it returns
 *                          THRUM_ECANCELED is no failure then. In a text: "1@3!"
 *   THRUM_EXPLORE_ISOLATE  explore in a child process, and shrink in one for each run: a run that
 *                          crashes (assert, a broken contract, a signal, exit) is a failure, with
 *                          the status THRUM_ECRASHED. Not together with ALL. The caller has no
 *                          other threads
 *   THRUM_EXPLORE_TIMERS   timers that are due at the same moment may expire in any order, one by
 *                          one, and tasks may go first meanwhile. With a `timer_slack` a task that
 *                          may go on may be held up for so long, and what comes due meanwhile
 *                          expires first, in any order. Nobody wakes before his time: time goes on
 *                          to what has expired. In a text: "1@3~2", before the first task goes on
 *                          at its third point the second timer expires; "1@3^1": its timer would
 *                          be the first to expire, and the next one is instead
 *   THRUM_EXPLORE_FDS      a descriptor below 1024 that a run has opened and left open is a
 *                          failure. Nobody else opens any meanwhile
 *   THRUM_EXPLORE_PERMITS  so are permits of a semaphore that somebody has acquired and nobody has
 *                          released; not for programs in which a semaphore is a signal
 *   THRUM_EXPLORE_RACES    in a program built with Clang's ThreadSanitizer (else nothing): that tasks
 *                          share data which nothing orders is a failure, THRUM_ERACE. THRUM_RACES=1
 *                          in the environment sets it, and has THRUM_SIM report races
 *   THRUM_EXPLORE_LEAVE    nobody looks at what a run leaves behind
 */
#define THRUM_EXPLORE_QUIET 1u
#define THRUM_EXPLORE_TWICE 2u
#define THRUM_EXPLORE_ALL 4u
#define THRUM_EXPLORE_CANCEL 8u
#define THRUM_EXPLORE_ISOLATE 16u
#define THRUM_EXPLORE_TIMERS 32u
#define THRUM_EXPLORE_FDS 64u
#define THRUM_EXPLORE_PERMITS 128u
#define THRUM_EXPLORE_LEAVE 256u
#define THRUM_EXPLORE_RACES 512u

typedef struct thrum_explore_options {
    uint32_t size;      /* sizeof(thrum_explore_options), set by THRUM_EXPLORE_OPTIONS_INIT */
    uint32_t strategy;  /* thrum_strategy */
    uint32_t flags;     /* see above */
    uint32_t depth;     /* PCT: 1 to 16, DELAY: 1 to 8; 0: 3 */
    uint64_t delays;    /* SYSTEMATIC; UINT64_MAX: no bound */
    uint64_t seed;      /* of the first run; THRUM_SEED in the environment overrides it */
    uint64_t schedules; /* at most so many runs; 0: 10,000; THRUM_SCHEDULES overrides it */
    uint64_t steps;     /* turns after which a run is cancelled as THRUM_ELIVELOCK; 0: 2^20 */
    const char *name;   /* for what is printed, or NULL */
    uint32_t faults;    /* THRUM_FAULT_* (fault.h), put together; 0: nothing goes wrong */
    uint32_t unused;    /* 0 */
    int64_t timer_slack; /* with THRUM_EXPLORE_TIMERS, in ns */
    /* What the program counts itself, given fn's argument: as much after each run as before. Or NULL */
    int64_t (*count)(void *arg);
    uint64_t plateau; /* stop after so many runs in a row that have shown no two steps of two tasks
                         at one object next to each other that were not seen before; 0: never */
    uint32_t shard;   /* of `shards` processes this is one, from 0: each makes other runs of */
    uint32_t shards;  /* those that the seed has, the same each time. 0: it is alone */
} thrum_explore_options;

#define THRUM_EXPLORE_OPTIONS_INIT \
    {                              \
        sizeof(thrum_explore_options), 0, 0, 0, UINT64_MAX, 0, 0, 0, NULL, 0, 0, 0, NULL, 0, 0, 0 \
    }

#define THRUM_REPLAY_BYTES 512
#define THRUM_DIVERGENCE_BYTES 512

typedef struct thrum_explore_result {
    uint64_t schedules; /* runs made, shrinking not counted */
    uint64_t failing;   /* which of them was the first to fail, from 1; 0: none */
    uint64_t failures;  /* how many did */
    int status;         /* of the first that failed */
    bool complete;      /* SYSTEMATIC: there are no other orders within the bound */
    uint32_t deltas;    /* of its shrunk history */
    uint64_t decisions; /* in all runs: places with more than one answer */
    uint64_t hash;      /* of all that happened in all runs: equal on all machines */
    uint64_t shrunk;    /* runs that shrinking took */
    uint64_t pairs;     /* PORTFOLIO, plateau: of steps next to each other that were seen */
    bool plateau;       /* it has stopped for having shown nothing new */
    char divergence[THRUM_DIVERGENCE_BYTES]; /* TWICE: where a run and its repetition parted */
    char replay[THRUM_REPLAY_BYTES]; /* its text; "" is the ordinary order */
} thrum_explore_result;

/*
 * Explore fn(arg). `options` and `result` may be NULL. When SYSTEMATIC has run all orders within its
 * bound, a line says how many they were, and their hash.
 *
 *   context   a thread that runs no task
 *   returns   0: no run has failed; else the status of the first that did; THRUM_EDIVERGED;
 *             -EINVAL: an option is out of range; -ENOMEM; THRUM_ENESTED
 */
THRUM_API THRUM_NODISCARD int thrum_explore(const thrum_explore_options *options, thrum_fn fn,
                                            void *arg, thrum_explore_result *result);

/*
 * Run one history, told by its text. If it does not fail, the program may have been changed in places
 * that have nothing to do with it, and what was the third point is the fourth: histories nearby are
 * tried, some thousand at most, and the first that fails is told on standard error, and run. So a
 * program whose bug is gone takes that many runs.
 *
 *   context   as above
 *   returns   what fn returned, THRUM_EDEADLOCK, THRUM_ELIVELOCK; -EINVAL: the text cannot be read.
 *             *matched, unless NULL, is how many of its places came to pass as they were told
 */
THRUM_API THRUM_NODISCARD int thrum_replay(const char *text, thrum_fn fn, void *arg,
                                           size_t *matched);

THRUM_END_DECLS

#endif
