/*
 * golden_test.c - what a seed does is the same everywhere: these hashes of all
 * that happened in 500 runs are equal on every compiler, with every optimisation,
 * under sanitizers, and on every processor.
 *
 * They change when the order of decisions changes, in the world or in a
 * primitive; then old texts of histories may no longer match, and the change is
 * worth a line in CHANGELOG.md. `golden_test --only print` shows new ones.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <thrum/thrum.h>

#include "tests/check.h"
#include "tests/workers.h"

#define RUNS 500
#ifndef RUNS_TWICE
#define RUNS_TWICE 500
#endif

/* ---- programs ------------------------------------------------------------------------------- */

struct place {
    thrum_mutex mutex;
    thrum_cond cond;
    thrum_event event;
    thrum_sem sem;
    thrum_queue to;
    thrum_queue back;
    int to_ring[4];
    int back_ring[4];
    int n;
};

static int locks_and_counts(void *arg)
{
    struct place *place = arg;

    for (int i = 0; i < 4; i++) {
        int status = thrum_mutex_lock(&place->mutex);

        if (status)
            return status;
        thrum_shared_store(&place->n, thrum_shared_load(&place->n) + 1);
        thrum_mutex_unlock(&place->mutex);
    }
    return thrum_yield();
}

static int serve(void *arg)
{
    struct place *place = arg;

    for (;;) {
        int item = 0;
        int status = thrum_queue_get(&place->to, &item);

        if (status)
            return status == THRUM_ESHUTDOWN ? 0 : status;
        status = thrum_sleep(thrum_ms(item % 3));
        if (!status)
            status = thrum_queue_put(&place->back, &item);
        if (status)
            return status;
    }
}

static int ask(void *arg)
{
    struct place *place = arg;
    int status = 0;

    for (int i = 0; i < 8 && !status; i++) {
        thrum_timeout timeout;
        int item = i;

        status = thrum_queue_put(&place->to, &item);
        if (status)
            break;
        status = thrum_timeout_begin(&timeout, thrum_ms(2));
        if (status)
            break;
        status = thrum_timeout_end(&timeout, thrum_queue_get(&place->back, &item));
        if (status == THRUM_ETIMEOUT)
            status = thrum_queue_get(&place->back, &item);
    }
    thrum_queue_shutdown(&place->to, false);
    return status;
}

static int waits(void *arg)
{
    struct place *place = arg;
    int status = thrum_sem_acquire(&place->sem, 1);

    if (!status)
        status = thrum_event_wait(&place->event);
    return status;
}

static int wakes(void *arg)
{
    struct place *place = arg;
    int status = thrum_sem_release(&place->sem, 2);

    thrum_event_set(&place->event);
    return status;
}

static int fails(void *arg)
{
    (void)arg;
    return thrum_yield() ? THRUM_ECANCELED : -5;
}

static int run_place(const thrum_fn *fns, size_t n)
{
    struct place place = {
        .mutex = THRUM_MUTEX_INIT, .event = THRUM_EVENT_INIT, .sem = THRUM_SEM_INIT(0)};
    thrum_queue_options options = THRUM_QUEUE_OPTIONS_INIT;
    thrum_child children[8];
    thrum_group group;
    thrum_error *errors;
    int status;

    options.limit = 4;
    options.ring = place.to_ring;
    CHECK_EQ(thrum_queue_init(&place.to, sizeof(int), &options), 0);
    options.ring = place.back_ring;
    CHECK_EQ(thrum_queue_init(&place.back, sizeof(int), &options), 0);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        status = thrum_group_spawn_child(&group, &children[i], fns[i], &place);
        if (status)
            break;
    }
    status = thrum_group_close(&group, 0, &errors);
    thrum_error_free(errors);
    return status == THRUM_EGROUP ? 0 : status;
}

static int program_locks(void *arg)
{
    (void)arg;
    return run_place((thrum_fn[]){locks_and_counts, locks_and_counts, locks_and_counts}, 3);
}

static int program_server(void *arg)
{
    (void)arg;
    return run_place((thrum_fn[]){serve, ask}, 2);
}

static int program_wakes(void *arg)
{
    (void)arg;
    return run_place((thrum_fn[]){waits, waits, wakes}, 3);
}

static int program_fails(void *arg)
{
    (void)arg;
    return run_place((thrum_fn[]){waits, locks_and_counts, fails, locks_and_counts}, 4);
}

/* Bytes through a pipe, and a bell that two wait for: what is ready, and who is told of it when. */
struct wires {
    int pipe[2];
    int bell;
};

static int read_bytes(void *arg)
{
    const struct wires *wires = arg;
    unsigned char byte;

    for (int i = 0; i < 3; i++) {
        thrum_timeout timeout;
        int status = thrum_timeout_begin(&timeout, thrum_ms(2));

        if (status)
            return status;
        status = thrum_timeout_end(&timeout, thrum_fd_wait(wires->pipe[0], THRUM_FD_READ));
        if (status < 0)
            return status == THRUM_ETIMEOUT ? 0 : status;
        CHECK_EQ(read(wires->pipe[0], &byte, 1), 1);
    }
    CHECK_EQ(eventfd_write(wires->bell, 1), 0);
    return 0;
}

static int write_bytes(void *arg)
{
    const struct wires *wires = arg;

    for (int i = 0; i < 3; i++) {
        int status = thrum_sleep(thrum_ms(i));

        if (status)
            return status;
        CHECK_EQ(write(wires->pipe[1], "x", 1), 1);
    }
    return 0;
}

static int hear_bell(void *arg)
{
    const struct wires *wires = arg;
    thrum_timeout timeout;
    int status = thrum_timeout_begin(&timeout, thrum_ms(4));

    if (status)
        return status;
    status = thrum_timeout_end(&timeout, thrum_fd_wait(wires->bell, THRUM_FD_READ));
    return status == THRUM_ETIMEOUT || status > 0 ? 0 : status;
}

static int program_wires(void *arg)
{
    struct wires wires;
    thrum_group group;
    int status;

    (void)arg;
    CHECK_EQ(pipe2(wires.pipe, O_NONBLOCK | O_CLOEXEC), 0);
    wires.bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK_EQ(thrum_group_open(&group, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, hear_bell, &wires, NULL, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, read_bytes, &wires, NULL, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, hear_bell, &wires, NULL, NULL), 0);
    CHECK_EQ(thrum_group_spawn(&group, write_bytes, &wires, NULL, NULL), 0);
    status = thrum_group_close(&group, 0, NULL);
    CHECK_EQ(close(wires.pipe[0]), 0);
    CHECK_EQ(close(wires.pipe[1]), 0);
    CHECK_EQ(close(wires.bell), 0);
    return status;
}

/* ---- hashes --------------------------------------------------------------------------------- */

#define STRATEGIES 5

static const struct {
    const char *name;
    thrum_fn fn;
    uint64_t hashes[STRATEGIES]; /* default, random, PCT, POS, SURW */
} programs[] = {
    {"locks",
     program_locks,
     {UINT64_C(0x72e36c34f3e398b6), UINT64_C(0xa127357394a3b69d), UINT64_C(0xaca9cc7ab3991566),
      UINT64_C(0xc7fa1f6dbc3645e9), UINT64_C(0x8534ccd0a32f315e)}},
    {"server",
     program_server,
     {UINT64_C(0xcebc869d0533a6d6), UINT64_C(0xaa90ca08fd3333fd), UINT64_C(0x9d0e26f21231fc87),
      UINT64_C(0xf22756ed59e25ec8), UINT64_C(0xee7b0a4922b9062f)}},
    {"wakes",
     program_wakes,
     {UINT64_C(0x6ff17951421923e3), UINT64_C(0xae0d03808dcce5a1), UINT64_C(0xf9e4ab085fd1f67e),
      UINT64_C(0x246aed51919563ec), UINT64_C(0x98ebe8b200edb766)}},
    {"fails",
     program_fails,
     {UINT64_C(0x6d2ade1021f4bce2), UINT64_C(0x45e043c146450b0c), UINT64_C(0xf081a604c9330555),
      UINT64_C(0x1f5255c70fabc7c9), UINT64_C(0x21807b4a3a649050)}},
    {"wires",
     program_wires,
     {UINT64_C(0x2aa0387c4977df24), UINT64_C(0x684686caf0572ccd), UINT64_C(0x8d1a5ebe8476a4d7),
      UINT64_C(0x255995452af5e727), UINT64_C(0x610de622e83dfe65)}},
};

#define PROGRAMS (sizeof programs / sizeof programs[0])

static uint64_t hash_of(size_t program, uint32_t strategy, uint32_t flags, uint64_t runs)
{
    thrum_explore_options options = THRUM_EXPLORE_OPTIONS_INIT;
    thrum_explore_result result;

    options.strategy = strategy;
    options.flags = THRUM_EXPLORE_QUIET | flags;
    options.seed = 1;
    options.schedules = runs;
    CHECK_EQ(thrum_explore(&options, programs[program].fn, NULL, &result), 0);
    CHECK_EQ(result.schedules, runs);
    return result.hash;
}

TEST(a_seed_does_the_same_everywhere)
{
    for (size_t i = 0; i < PROGRAMS; i++)
        for (uint32_t k = 0; k < STRATEGIES; k++) {
            uint64_t hash = hash_of(i, k, 0, RUNS);

            if (hash != programs[i].hashes[k]) {
                fprintf(stderr, "%s, strategy %" PRIu32 ": 0x%016" PRIx64 "\n", programs[i].name, k,
                        hash);
                CHECK(hash == programs[i].hashes[k]);
            }
        }
}

/* Each run is repeated from its text, on other stacks, in other memory. */
TEST(ten_thousand_runs_are_the_same_twice)
{
    for (size_t i = 0; i < PROGRAMS; i++)
        for (uint32_t k = 0; k < STRATEGIES; k++) {
            uint64_t hash = hash_of(i, k, THRUM_EXPLORE_TWICE, RUNS_TWICE);

            CHECK(RUNS_TWICE != RUNS || hash == programs[i].hashes[k]);
        }
}

TEST(print)
{
    for (size_t i = 0; i < PROGRAMS; i++) {
        printf("    {\"%s\",\n     program_%s,\n     {", programs[i].name, programs[i].name);
        for (uint32_t k = 0; k < STRATEGIES; k++)
            printf("%sUINT64_C(0x%016" PRIx64 ")%s", k == 3 ? "\n      " : "", hash_of(i, k, 0, RUNS),
                   k + 1 < STRATEGIES ? ", " : "}},\n");
    }
}
