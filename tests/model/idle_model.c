/*
 * idle_model.c - the event count (runtime/work/idle.c) in the explorer.
 *
 * Publishers and searchers follow the protocol of sched/README.md, with the
 * smallest queues there are: one word for each piece of work. There are as
 * many searchers as pieces of work, so a searcher that sleeps for ever is a
 * lost wake-up. search_model.c has the same with the scheduler's own code.
 */
#include "runtime/work/idle.h"

#include "runtime/atomic/asymmetric.h"

#include <string.h>

enum { WORKERS = 4, PIECES = 4 };

enum { NONE, HERE, TAKEN };

bool thrum_asymmetric;

static struct idle idle;
static uint64_t work[PIECES];     /* atomic */
static uint32_t notified[WORKERS]; /* atomic, futex */
static uint64_t contents[PIECES];
static int pieces; /* that are looked at */

static void begin_in(bool asymmetric, int count)
{
    static const char *const names[] = {"work 0", "work 1", "work 2", "work 3"};
    static const char *const words[] = {"notified 0", "notified 1", "notified 2", "notified 3"};

    thrum_asymmetric = asymmetric;
    pieces = count;
    thrum_idle_init(&idle, WORKERS);
    memset(work, 0, sizeof(work));
    memset(notified, 0, sizeof(notified));
    memset(contents, 0, sizeof(contents));
    model_name(&idle.state, "state");
    model_name(&idle.sleeping[0], "sleeping");
    for (int i = 0; i < PIECES; i++)
        model_name(&work[i], names[i]);
    for (int i = 0; i < WORKERS; i++)
        model_name(&notified[i], words[i]);
}

static void begin_1(void) { begin_in(true, 1); }
static void begin_1_fences(void) { begin_in(false, 1); }
static void begin_2(void) { begin_in(true, 2); }
static void begin_2_fences(void) { begin_in(false, 2); }
static void begin_3(void) { begin_in(true, 3); }
static void begin_3_fences(void) { begin_in(false, 3); }

/* ---- the protocol -------------------------------------------------------- */

static void notify(void)
{
    int worker = thrum_idle_claim(&idle);

    if (worker < 0)
        return;
    store_relaxed(&notified[worker], 1); /* relaxed: brings nothing with it on purpose */
    model_futex_wake(&notified[worker], 1);
}

static void publish(int piece)
{
    model_write(&contents[piece], 1);
    store_release(&work[piece], HERE);
    fence_light();
    notify();
}

static bool take(void)
{
    for (int i = 0; i < pieces; i++) {
        uint64_t seen = load_relaxed(&work[i]); /* relaxed: a guess */

        if (seen == HERE && cas_acquire(&work[i], &seen, TAKEN)) {
            MODEL_CHECK(model_read(&contents[i]) == 1);
            return true;
        }
    }
    return false;
}

static bool in_sight(void)
{
    for (int i = 0; i < pieces; i++)
        if (load_relaxed(&work[i]) == HERE) /* relaxed: the heavy fence orders it */
            return true;
    return false;
}

static void sleep_until_called(unsigned worker)
{
    if (thrum_idle_sleep(&idle, worker)) {
        fence_heavy();
        if (in_sight() && thrum_idle_unsleep(&idle, worker))
            return;
    }
    while (load_relaxed(&notified[worker]) == 0) /* relaxed: brings nothing */
        model_futex_wait(&notified[worker], 0);
    store_relaxed(&notified[worker], 0); /* relaxed: one notification for each claim */
    thrum_idle_unsleep(&idle, worker);
}

static void search(unsigned worker)
{
    thrum_idle_search(&idle);
    while (!take())
        sleep_until_called(worker);
    if (thrum_idle_found(&idle)) {
        fence_light();
        notify();
    }
}

/* ---- threads ------------------------------------------------------------- */

static void searcher_0(void) { search(0); }
static void searcher_1(void) { search(1); }
static void searcher_2(void) { search(2); }
static void publisher_0(void) { publish(0); }
static void publisher_1(void) { publish(1); }
static void publisher_two(void) { publish(0); publish(1); }
static void publisher_three(void) { publish(0); publish(1); publish(2); }

static void check(void)
{
    for (int i = 0; i < pieces; i++)
        MODEL_CHECK(work[i] == TAKEN);
    MODEL_CHECK(idle.state == 0);
    MODEL_CHECK(idle.sleeping[0] == 0);
}

#define BOTH(text, start, ...)                                            \
    {text ", fences", start##_fences, {__VA_ARGS__}, check, 0, 0, false}, \
    {text, start, {__VA_ARGS__}, check, 0, 0, false}
#define LESS(text, start, ...)                                            \
    {text ", fences", start##_fences, {__VA_ARGS__}, check, 1, 0, false}, \
    {text, start, {__VA_ARGS__}, check, 2, 1, false}

static const struct model models[] = {
    {"two, deep, fences", begin_2_fences, {publisher_0, publisher_1, searcher_0, searcher_1},
     check, 0, 2, false},
    BOTH("one", begin_1, publisher_0, searcher_0),
    LESS("two from one", begin_2, publisher_two, searcher_0, searcher_1),
    LESS("two from two", begin_2, publisher_0, publisher_1, searcher_0, searcher_1),
    {"three, fences", begin_3_fences, {publisher_three, searcher_0, searcher_1, searcher_2}, check,
     1, 1, false},
    {"three", begin_3, {publisher_three, searcher_0, searcher_1, searcher_2}, check, 2, 2, false},
};

int main(int argc, char **argv)
{
    static const char *const subjects[] = {"runtime/work/idle.", NULL};

    return model_main(argc, argv, models, sizeof(models) / sizeof(*models), subjects);
}
