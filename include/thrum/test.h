/*
 * test.h - tests of programs that use Thrum, in both worlds.
 *
 *     #include <thrum/test.h>
 *
 *     THRUM_TEST(a_slow_answer_is_given_up)
 *     {
 *         struct server *server = THRUM_USE(&a_server); // set up now, torn down in any case
 *
 *         THRUM_THEN(&server->fetch, .delay = thrum_s(30));
 *         THRUM_EXPECT_STATUS(ask(server), THRUM_ETIMEOUT);
 *         THRUM_EXPECT_CALLS(&server->fetch, 1);
 *         return 0;
 *     }
 *
 *     THRUM_TEST_MAIN
 *
 * A test is a task. Each one is run in the simulated world (THRUM_SIMULATE in run.h), once for
 * each of 20 seeds, and then in the real one with 1, 2 and 8 workers, each time in a process and
 * a runtime of its own, so that it may crash or hang without hurting the others, and begins with
 * the program's variables as they are at its start. Time costs nothing in either: the clock jumps
 * when all wait (thrum_runtime_jump). What fails is printed with what it has said, and with a line
 * that does it again:
 *
 *     FAIL a_slow_answer_is_given_up, simulated with seed 7
 *       again: THRUM_SIM=7 ./server_test --only a_slow_answer_is_given_up
 *
 * The program's options:
 *
 *     --list             names the tests, and runs none
 *     --only PATTERN     runs those whose name matches (as in the shell: * and ?);
 *                        TESTBRIDGE_TEST_ONLY, which is Bazel's --test_filter, does the same
 *     --seeds N          simulated with the seeds 0 to N - 1; 0: not at all; THRUM_SEEDS=N does
 *                        the same
 *     --explore N        besides in N orders of thrum_explore (explore.h), which looks harder, and
 *                        shrinks what fails: the test must set up its variables itself then.
 *                        THRUM_REPLAY does it again
 *     --workers N,N,...  in the real world with so many workers; 0: not at all
 *     --no-fork          in this process, and what it says is not held back: for a debugger
 *
 * THRUM_SIM=seed in the environment means simulated only, with that seed. The program prints
 * `ok NAME`, `skip NAME` or `FAIL NAME` for each test and ends with `N passed, M failed`; it exits
 * with 0 if nothing failed and something was there to run. A test that is not done after
 * THRUM_TEST_PATIENCE seconds of real time (60) is cancelled, if it still does not end killed,
 * and who waits for what in it is printed. For Bazel there is thrum_test in //:defs.bzl.
 *
 * Nothing here is fast or lock-free, and some of it allocates.
 */
#ifndef THRUM_TEST_H
#define THRUM_TEST_H

#include <thrum/condition.h>
#include <thrum/event.h>
#include <thrum/mutex.h>
#include <thrum/run.h>
#include <thrum/scope.h>
#include <thrum/task.h>
#include <thrum/time.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* ---- time and order -------------------------------------------------------------------------- */

/*
 * Wait until every other task of the runtime waits: what could happen by now has happened (Trio:
 * wait_all_tasks_blocked). No time passes: who sleeps sleeps on, even if its time comes just now.
 * Waiting for a descriptor is waiting; in the real world nobody may have taken notice yet of one
 * that is ready. A call on another thread (executor.h, blocking.h) and a hold (hold.h) are not:
 * settle waits for their end. If several settle, one at a time goes on, the first that came, while
 * the others wait. A task that yields again and again never waits, and who settles beside it waits
 * for ever.
 *
 *   context   task, in both worlds; in the real one with any number of workers
 *   suspends  yes
 *   returns   0; THRUM_ECANCELED; -ENOMEM; -ENOTSUP: the runtime is a guest (guest.h), whose loop
 *             may always wake somebody, so that it never is at rest
 */
THRUM_API THRUM_NODISCARD int thrum_settle(void);

/*
 * Let a duration pass: whatever is due in it comes, in the order of its time, each after
 * all before it has settled; and settle at the end. With 0 it is a settle, after what is due now.
 *
 * In the simulated world the clock is there afterwards to the nanosecond, unless others
 * have let time pass after that. In the real world the clock of the whole process is set
 * forward instead of waiting, so that it takes no time; it goes on by itself meanwhile, and
 * what passes so is not counted: afterwards at least `duration` has passed for everybody, and
 * deadlines that are closer to one another than the machine is fast may come together. A task that
 * waits for another thread, process or machine sees its time pass without it.
 *
 *   context   task
 *   suspends  yes
 *   returns   0; -EINVAL: a negative duration; THRUM_ECANCELED, -ENOMEM, -ENOTSUP: as thrum_settle,
 *             and part of the time may have passed
 */
THRUM_API THRUM_NODISCARD int thrum_advance(int64_t duration);

/*
 * From the next run on (run.h), whenever every task of this runtime waits and only time can wake
 * one, set the clock of the process forward to the first deadline (Trio: MockClock's autojump): so
 * sleeping costs nothing with any number of workers. While a task waits for a descriptor, a call
 * runs on another thread or a hold is out, time passes as always. THRUM_TEST does this for each
 * test; a simulated world is like that anyway. Other runtimes of the process have the same clock.
 *
 *   context   any thread; for good
 */
THRUM_API void thrum_runtime_jump(thrum_runtime *runtime);

/*
 * A number that is another one after each time that the calling task has waited or yielded, that
 * is, let others go on. Turns that a simulated world gives to others at any call do not count.
 *
 *   context   task
 *   suspends  no
 */
THRUM_API uint64_t thrum_self_turn(void);

/*
 * Turns, numbered from 0, that tasks take one after the other, to have the order of a race in the
 * test's own hands (Trio: Sequencer).
 *
 *     status = thrum_sequencer_enter(&order, 2); // when 0 and 1 have left
 *     ...
 *     thrum_sequencer_leave(&order);
 *
 * Each turn is for one task. If a task is cancelled while it waits for its turn, that one will
 * never come: the sequencer is broken, for all who wait and will want to.
 */
typedef struct thrum_sequencer {
    thrum_mutex mutex;
    thrum_cond moved;
    uint32_t next; /* whose turn it is, or will be */
    bool taken;    /* and it has come */
    bool broken;
} thrum_sequencer;

/* Nobody has been here. Nothing to free. */
#define THRUM_SEQUENCER_INIT                               \
    {                                                      \
        THRUM_MUTEX_INIT, THRUM_COND_INIT, 0, false, false \
    }

/*
 * Wait for turn number `turn`.
 *
 *   context   task
 *   suspends  unless it is its turn
 *   returns   0: to be left by thrum_sequencer_leave; THRUM_ECANCELED, and it is broken;
 *             THRUM_EBROKEN; THRUM_ESTATE: that turn has been taken; -ENOMEM, and it is broken
 */
THRUM_API THRUM_NODISCARD int thrum_sequencer_enter(thrum_sequencer *sequencer, uint32_t turn);

/*
 * The next one's turn.
 *
 *   context   the task that has entered
 *   suspends  to take a lock
 *   returns   0; THRUM_ECANCELED: it was left all the same; -ENOMEM: it was not
 */
THRUM_API int thrum_sequencer_leave(thrum_sequencer *sequencer);

/* ---- checks ---------------------------------------------------------------------------------- */

/*
 * THRUM_EXPECT... says file, line and both values if something is not so, and the test has failed;
 * it goes on. The expression's value is whether it is so. THRUM_REQUIRE... besides returns
 * THRUM_ECHECK from the function in which it stands, which returns int as a task's does: so the
 * tree of tasks is left as after any failure, and what is to be torn down is.
 *
 *   context   anywhere in a test: any of its tasks, any thread
 *   suspends  no
 *
 * _EQ, _NE, _LT, _LE compare integers and pointers; _STR strings, of which NULL is none;
 * _STATUS is for what returns a status, and tells both by name.
 */
#define THRUM_EXPECT(condition) \
    thrum_test_expect((condition) ? true : false, THRUM_SITE, #condition)
#define THRUM_EXPECT_EQ(a, b) THRUM_EXPECT_COMPARE(a, ==, b)
#define THRUM_EXPECT_NE(a, b) THRUM_EXPECT_COMPARE(a, !=, b)
#define THRUM_EXPECT_LT(a, b) THRUM_EXPECT_COMPARE(a, <, b)
#define THRUM_EXPECT_LE(a, b) THRUM_EXPECT_COMPARE(a, <=, b)
#define THRUM_EXPECT_STR(a, b) thrum_test_expect_text((a), (b), THRUM_SITE, #a " equals " #b)
#define THRUM_EXPECT_STATUS(call, status) \
    thrum_test_expect_status((call), (status), THRUM_SITE, #call)

#define THRUM_REQUIRE(condition) THRUM_OR_RETURN(THRUM_EXPECT(condition))
#define THRUM_REQUIRE_EQ(a, b) THRUM_OR_RETURN(THRUM_EXPECT_EQ(a, b))
#define THRUM_REQUIRE_STR(a, b) THRUM_OR_RETURN(THRUM_EXPECT_STR(a, b))
#define THRUM_REQUIRE_STATUS(call, status) THRUM_OR_RETURN(THRUM_EXPECT_STATUS(call, status))

/* A call that must not fail. If it does its own status is returned; a cancel is no failure. */
#define THRUM_REQUIRE_OK(call)                                                \
    do {                                                                      \
        int thrum_status_ = thrum_test_require_ok((call), THRUM_SITE, #call); \
        if (thrum_status_ < 0)                                                \
            return thrum_status_;                                             \
    } while (0)

#define THRUM_OR_RETURN(expectation) \
    do {                             \
        if (!(expectation))          \
            return THRUM_ECHECK;     \
    } while (0)

#define THRUM_EXPECT_COMPARE(a, op, b)                                                 \
    (__extension__({                                                                   \
        intmax_t thrum_a_ = THRUM_TEST_WORD(a);                                        \
        intmax_t thrum_b_ = THRUM_TEST_WORD(b);                                        \
        thrum_test_expect_values(thrum_a_ op thrum_b_, thrum_a_, thrum_b_, THRUM_SITE, \
                                 #a " " #op " " #b);                                   \
    }))

/* Floating point would be cut down to integers without a word: C refuses it. */
#ifdef __cplusplus
#define THRUM_TEST_WORD(value) ((intmax_t)(value))
#else
#define THRUM_TEST_WORD(value) \
    _Generic((value), float : thrum_no_float, double : thrum_no_float, default : (intmax_t)(value))
extern struct thrum_no_float thrum_no_float;
#endif

THRUM_API bool thrum_test_expect(bool held, const struct thrum_site *site, const char *text);
THRUM_API bool thrum_test_expect_values(bool held, intmax_t a, intmax_t b,
                                        const struct thrum_site *site, const char *text);
THRUM_API bool thrum_test_expect_text(const char *a, const char *b, const struct thrum_site *site,
                                      const char *text);
THRUM_API bool thrum_test_expect_status(int status, int wanted, const struct thrum_site *site,
                                        const char *text);
THRUM_API int thrum_test_require_ok(int status, const struct thrum_site *site, const char *text);

/* The test has failed: say why, as printf does. `site` may be NULL. Any thread. */
#define THRUM_FAIL(...) thrum_test_fail(THRUM_SITE, __VA_ARGS__)
THRUM_API __attribute__((format(printf, 2, 3))) void thrum_test_fail(const struct thrum_site *site,
                                                                     const char *format, ...);

/* How often something was not as expected, in this run of the test. Any thread. */
THRUM_API uint32_t thrum_test_failures(void);

/*
 * What a call does to who makes it (Trio: assert_checkpoints, assert_no_checkpoints).
 *
 *   _CANCELS        in a scope that has been cancelled it returns THRUM_ECANCELED, and the cancel
 *                   is delivered; the call is made there
 *   _YIELDS         others get their turn before it returns
 *   _CHECKPOINT     both; the call is made twice, first in a cancelled scope
 *   _NO_CHECKPOINT  neither; the call is made once, in a cancelled scope
 *
 * `call` is an expression with a status. A call that lets others go now and then (thrum_checkpoint,
 * thrum_event_wait of an event that is set) does not always, nor never.
 *
 *   context   task
 *   suspends  as the call does
 */
#define THRUM_EXPECT_CANCELS(call) THRUM_EXPECT_PROBE(THRUM_PROBE_CANCELS, call)
#define THRUM_EXPECT_YIELDS(call) THRUM_EXPECT_PROBE(THRUM_PROBE_YIELDS, call)
#define THRUM_EXPECT_CHECKPOINT(call)                  \
    (__extension__({                                   \
        bool thrum_held_ = THRUM_EXPECT_CANCELS(call); \
        THRUM_EXPECT_YIELDS(call) && thrum_held_;      \
    }))
#define THRUM_EXPECT_NO_CHECKPOINT(call) THRUM_EXPECT_PROBE(THRUM_PROBE_NEITHER, call)

enum thrum_probe_kind { THRUM_PROBE_CANCELS, THRUM_PROBE_YIELDS, THRUM_PROBE_NEITHER };

typedef struct thrum_probe {
    struct thrum_scope scope;
    uint64_t turn;
    enum thrum_probe_kind kind;
} thrum_probe;

#define THRUM_EXPECT_PROBE(kind, call)                             \
    (__extension__({                                               \
        thrum_probe thrum_probe_;                                  \
        thrum_probe_begin(&thrum_probe_, kind);                    \
        thrum_probe_end(&thrum_probe_, (call), THRUM_SITE, #call); \
    }))

THRUM_API void thrum_probe_begin(thrum_probe *probe, enum thrum_probe_kind kind);
THRUM_API bool thrum_probe_end(thrum_probe *probe, int status, const struct thrum_site *site,
                               const char *text);

/* ---- fixtures -------------------------------------------------------------------------------- */

/*
 * What a test needs, and how to get it and to get rid of it; both may wait. Constant, and its
 * address is its name.
 *
 *     static int set_up(void *arg) { struct database *db = arg; return connect(db); }
 *     static int tear_down(void *arg) { return disconnect(arg); }
 *     static const thrum_fixture a_database = {"database", sizeof(struct database), set_up,
 *                                              tear_down};
 *
 * A set-up may itself use other fixtures: these are torn down after it.
 */
typedef struct thrum_fixture {
    const char *name;
    size_t size;                /* of its state, which is the library's memory */
    int (*set_up)(void *state); /* the state is all zero. Negative: nothing was set up; or NULL */
    int (*tear_down)(void *state); /* or NULL */
} thrum_fixture;

/*
 * The fixture's state: set up at the test's first call, the same at every other. When the body
 * of the test has ended, well, failed or cancelled, what was set up is torn down in reverse order,
 * by the test's task, shielded from cancels, each within the test's timeout. A tear-down that
 * fails is a failure of the test, beside what the body has to say.
 *
 * THRUM_USE returns a pointer, or, if the set-up fails, its status from the function in which it
 * stands; the test has failed then.
 *
 *   context   the test's own task: its body and set-ups
 *   suspends  as the set-up does
 *   returns   0, and *state; what the set-up has returned; -ENOMEM; THRUM_ESTATE: not in a test's
 *             own task, or not any more
 */
#define THRUM_USE(fixture)                                     \
    (__extension__({                                           \
        void *thrum_state_ = NULL;                             \
        THRUM_REQUIRE_OK(thrum_use((fixture), &thrum_state_)); \
        thrum_state_;                                          \
    }))
THRUM_API THRUM_NODISCARD int thrum_use(const thrum_fixture *fixture, void **state);

/*
 * Call fn(arg) when the body has ended, among what is torn down then, in reverse order of calls.
 *
 *   context   the test's own task
 *   suspends  no
 *   returns   0; -ENOMEM, THRUM_ESTATE: as thrum_use
 */
THRUM_API THRUM_NODISCARD int thrum_defer(thrum_fn fn, void *arg);

/*
 * Give a variable, a function pointer for one, another value until the test ends (unittest.mock:
 * patch). Other tasks must not use it just now.
 *
 *     THRUM_PATCH(api.fetch, fetch_mock);
 *
 * As thrum_use, it returns from the function in which it stands if it fails.
 */
#define THRUM_PATCH(place, value)                                                    \
    do {                                                                             \
        __typeof__(place) thrum_value_ = (value);                                    \
        THRUM_REQUIRE_OK(thrum_patch(&(place), &thrum_value_, sizeof thrum_value_)); \
    } while (0)
THRUM_API THRUM_NODISCARD int thrum_patch(void *place, const void *value, size_t size);

/* ---- mocks ----------------------------------------------------------------------------------- */

/*
 * Stands for a function that a test does not want to call: counts and records the calls, and
 * answers as it was told (unittest.mock: AsyncMock). The function itself takes four lines:
 *
 *     static thrum_mock fetch = THRUM_MOCK_INIT("fetch");
 *
 *     static int fetch_mock(const char *url, int tries, struct page *page)
 *     {
 *         return thrum_mock_call(&fetch, page, sizeof *page, THRUM_ARGS(url, tries));
 *     }
 *
 * A call takes the next answer of the script (THRUM_THEN); if there is none (any more), the
 * one for all others (THRUM_ANSWERS); without that either, a call of a mock with a script is a
 * failure of the test and returns THRUM_ECHECK, and of one without returns 0. Everything is
 * forgotten when the test ends.
 *
 *   context   any task of a test; what only asks, any thread
 *   class     a lock that all mocks share
 */
typedef struct thrum_mock {
    const char *name;
    struct thrum_mock_state *state; /* the library's own */
} thrum_mock;

#define THRUM_MOCK_INIT(name) \
    {                         \
        name, NULL            \
    }

/* An argument of a call. */
enum thrum_value_kind { THRUM_VALUE_INTEGER, THRUM_VALUE_TEXT, THRUM_VALUE_POINTER };

typedef struct thrum_value {
    enum thrum_value_kind kind;
    intmax_t integer;
    const char *text; /* copied by the mock */
    const void *pointer;
} thrum_value;

/* One call, for who answers it. */
typedef struct thrum_mocked {
    size_t number; /* from 0 */
    size_t count;  /* of arguments */
    const thrum_value *args;
    void *result; /* as given to thrum_mock_call */
    size_t size;
} thrum_mocked;

/*
 * What a call is answered, in this order: it sleeps for `delay`; waits for `until`; `value`,
 * which was copied before, is copied to the caller's result; if there is `does`, it is called and
 * its status returned, else `status`. A call that is cancelled while it waits returns
 * THRUM_ECANCELED, and is not done. All of it is optional.
 */
typedef struct thrum_answer {
    int status;
    const void *value;
    size_t size; /* of the value */
    int64_t delay;
    thrum_event *until;
    int (*does)(const thrum_mocked *call, void *arg); /* may wait */
    void *arg;
} thrum_answer;

/*
 * Tell the mock how to answer: the next call without an answer; all that have none. THRUM_THEN and
 * THRUM_ANSWERS take the fields of a thrum_answer, by name: THRUM_THEN(&fetch, .status = -EIO).
 * They are for C; in C++ fill in a thrum_answer.
 *
 *   returns   0; -ENOMEM, which the macros make a failure of the test
 */
#define THRUM_THEN(mock, ...) THRUM_TELL(thrum_mock_then, mock, __VA_ARGS__)
#define THRUM_ANSWERS(mock, ...) THRUM_TELL(thrum_mock_answers, mock, __VA_ARGS__)
#define THRUM_TELL(tell, mock, ...)                                                     \
    (void)thrum_test_expect_status(tell((mock), &(const thrum_answer){__VA_ARGS__}), 0, \
                                   THRUM_SITE, #tell)
THRUM_API THRUM_NODISCARD int thrum_mock_then(thrum_mock *mock, const thrum_answer *answer);
THRUM_API THRUM_NODISCARD int thrum_mock_answers(thrum_mock *mock, const thrum_answer *answer);

/*
 * A call. `result`, of `size` bytes, is where the answer's value goes; NULL: nowhere.
 *
 *   context   task
 *   suspends  as the answer says
 *   returns   the answer's status; THRUM_ECANCELED, -ENOMEM, THRUM_ECHECK: see above
 */
THRUM_API int thrum_mock_call(thrum_mock *mock, void *result, size_t size, size_t count,
                              const thrum_value *args);

/* Calls begun; and those that have ended other than by a cancel while they waited. */
THRUM_API size_t thrum_mock_calls(const thrum_mock *mock);
THRUM_API size_t thrum_mock_done(const thrum_mock *mock);

/* Answers of the script that nobody has had. */
THRUM_API size_t thrum_mock_left(const thrum_mock *mock);

/* Arguments of a call, from 0, valid until the test ends; *count of them. NULL: no such call. */
THRUM_API const thrum_value *thrum_mock_args(const thrum_mock *mock, size_t call, size_t *count);

/* Forget all calls and answers. */
THRUM_API void thrum_mock_reset(thrum_mock *mock);

/* There were so many calls; the call number `call` had these arguments, or none. */
#define THRUM_EXPECT_CALLS(mock, n) thrum_test_expect_calls((mock), (n), THRUM_SITE, #mock)
#define THRUM_EXPECT_CALLED_WITH(mock, call, ...) \
    thrum_test_expect_called((mock), (call), THRUM_SITE, THRUM_ARGS(__VA_ARGS__))
THRUM_API bool thrum_test_expect_calls(const thrum_mock *mock, size_t n,
                                       const struct thrum_site *site, const char *text);
THRUM_API bool thrum_test_expect_called(const thrum_mock *mock, size_t call,
                                        const struct thrum_site *site, size_t count,
                                        const thrum_value *args);

static inline thrum_value thrum_value_integer(intmax_t integer)
{
    thrum_value value = {THRUM_VALUE_INTEGER, 0, NULL, NULL};

    value.integer = integer;
    return value;
}

static inline thrum_value thrum_value_text(const char *text)
{
    thrum_value value = {THRUM_VALUE_TEXT, 0, NULL, NULL};

    value.text = text;
    return value;
}

static inline thrum_value thrum_value_pointer(const void *pointer)
{
    thrum_value value = {THRUM_VALUE_POINTER, 0, NULL, NULL};

    value.pointer = pointer;
    return value;
}

/* Their number, and an array of them: one to eight, each an integer, a string or a pointer. */
#define THRUM_ARGS(...) \
    THRUM_COUNT(__VA_ARGS__), THRUM_VALUES(THRUM_MAP(THRUM_COUNT(__VA_ARGS__), __VA_ARGS__))
#define THRUM_NO_ARGS 0, NULL

#ifdef __cplusplus
#define THRUM_VALUE(value) thrum_value_of(value)
#define THRUM_VALUES(...) thrum_values{{__VA_ARGS__}}.all
#else
/* Each function is chosen by its type, and sees only what it can take. */
#define THRUM_VALUE(value) \
    _Generic((value),                                                                             \
        char *: thrum_value_text,                                                                 \
        const char *: thrum_value_text,                                                           \
        bool: thrum_value_integer, char: thrum_value_integer, signed char: thrum_value_integer,   \
        unsigned char: thrum_value_integer, short: thrum_value_integer,                           \
        unsigned short: thrum_value_integer, int: thrum_value_integer,                            \
        unsigned: thrum_value_integer, long: thrum_value_integer,                                 \
        unsigned long: thrum_value_signed, long long: thrum_value_integer,                        \
        unsigned long long: thrum_value_signed, default: thrum_value_pointer)(value)
#define THRUM_VALUES(...) ((const thrum_value[]){__VA_ARGS__})

static inline thrum_value thrum_value_signed(uintmax_t word)
{
    return thrum_value_integer((intmax_t)word);
}
#endif

#define THRUM_COUNT(...) THRUM_COUNT_(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define THRUM_COUNT_(a, b, c, d, e, f, g, h, n, ...) n
#define THRUM_MAP(n, ...) THRUM_MAP_(n, __VA_ARGS__)
#define THRUM_MAP_(n, ...) THRUM_MAP_##n(__VA_ARGS__)
#define THRUM_MAP_1(a) THRUM_VALUE(a)
#define THRUM_MAP_2(a, ...) THRUM_VALUE(a), THRUM_MAP_1(__VA_ARGS__)
#define THRUM_MAP_3(a, ...) THRUM_VALUE(a), THRUM_MAP_2(__VA_ARGS__)
#define THRUM_MAP_4(a, ...) THRUM_VALUE(a), THRUM_MAP_3(__VA_ARGS__)
#define THRUM_MAP_5(a, ...) THRUM_VALUE(a), THRUM_MAP_4(__VA_ARGS__)
#define THRUM_MAP_6(a, ...) THRUM_VALUE(a), THRUM_MAP_5(__VA_ARGS__)
#define THRUM_MAP_7(a, ...) THRUM_VALUE(a), THRUM_MAP_6(__VA_ARGS__)
#define THRUM_MAP_8(a, ...) THRUM_VALUE(a), THRUM_MAP_7(__VA_ARGS__)

/* ---- tests ----------------------------------------------------------------------------------- */

/*
 * Flags: only in that world; the test must fail, and it is a failure if it passes; its clock is
 * never set forward, but by thrum_advance, in the real world.
 */
#define THRUM_TEST_SIMULATED 1u
#define THRUM_TEST_REAL 2u
#define THRUM_TEST_FAILS 4u
#define THRUM_TEST_REAL_TIME 8u

typedef struct thrum_test_options {
    /*
     * How long it may take, in its own time: then it is printed who waits for what, and the test is
     * cancelled. THRUM_FOREVER: no limit, so that a deadlock is found at once (run.h). 0: a day in
     * the simulated world, no limit in the real one.
     */
    int64_t timeout;
    uint32_t flags;       /* see above */
    int32_t workers;      /* in the real world, instead of the program's --workers; 0: those */
    uint64_t stack_bytes; /* as in thrum_options; not when it is explored */
} thrum_test_options;

/* A test: its fields are the library's own. */
typedef struct thrum_test {
    const char *name;
    int (*run)(void);
    const struct thrum_site *site;
    thrum_test_options options;
    struct thrum_test *next;
} thrum_test;

/*
 * A test and its body, a task that returns 0, or a negative status and has failed. With options, by
 * name: THRUM_TEST_WITH(name, .timeout = thrum_s(5)). A file may have any number of them, a program
 * any number of files, but one THRUM_TEST_MAIN.
 */
#define THRUM_TEST(id) THRUM_TEST_WITH(id, 0, 0, 0, 0)
#define THRUM_TEST_WITH(id, ...)                                    \
    static int thrum_tested_##id(void);                             \
    __attribute__((constructor)) static void thrum_tests_##id(void) \
    {                                                               \
        static thrum_test thrum_test_;                              \
        const thrum_test_options thrum_options_ = {__VA_ARGS__};    \
        thrum_test_.name = #id;                                     \
        thrum_test_.run = thrum_tested_##id;                        \
        thrum_test_.site = THRUM_SITE;                              \
        thrum_test_.options = thrum_options_;                       \
        thrum_test_register(&thrum_test_);                          \
    }                                                               \
    static int thrum_tested_##id(void)

#define THRUM_TEST_MAIN                     \
    int main(int argc, char **argv)         \
    {                                       \
        return thrum_test_main(argc, argv); \
    }

THRUM_API void thrum_test_register(thrum_test *test);

/* All tests that were registered; the exit status. Context: the main thread, alone. */
THRUM_API int thrum_test_main(int argc, char **argv);

/* Leave the test here: it cannot be run. It counts as neither passed nor failed. */
#define THRUM_SKIP(reason) return thrum_test_skip(reason)
THRUM_API int thrum_test_skip(const char *reason);

/* Is this the simulated world? Context: task. */
THRUM_API bool thrum_test_simulated(void);

THRUM_END_DECLS

#ifdef __cplusplus
struct thrum_values {
    thrum_value all[8];
};

inline thrum_value thrum_value_of(const char *text)
{
    return thrum_value_text(text);
}

inline thrum_value thrum_value_of(const void *pointer)
{
    return thrum_value_pointer(pointer);
}

template <typename Integer> inline thrum_value thrum_value_of(Integer integer)
{
    return thrum_value_integer(static_cast<intmax_t>(integer));
}

template <typename Object> inline thrum_value thrum_value_of(Object *pointer)
{
    return thrum_value_pointer(pointer);
}

inline thrum_value thrum_value_of(char *text)
{
    return thrum_value_text(text);
}
#endif

#endif
