/*
 * fixture.c - what a test uses, and what becomes of it at the end.
 *
 * One test runs at a time in a process, and only its own task comes here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <thrum/exit_stack.h>

#include "runtime/kit/kit.h"

/* Something to be done at the end; what it needs follows. */
struct ending {
    thrum_exit exit;
    struct ending *next; /* fixtures: the ones used before */
    const thrum_fixture *fixture;
    bool ready; /* it was set up */
    thrum_fn fn;
    void *arg;
    void *place; /* of a patch, */
    size_t size; /* whose old value is the state */
    unsigned char state[] __attribute__((aligned(16)));
};

static uint64_t own; /* the test's task; 0: there is none */
static int64_t limit;
static thrum_exit_stack exits;
static struct ending *used;

void thrum_kit_fixtures_begin(int64_t time)
{
    own = thrum_self();
    limit = time;
    used = NULL;
    thrum_exit_stack_init(&exits);
}

void thrum_kit_fixtures_end(void)
{
    (void)thrum_exit_stack_close(&exits, 0, NULL); /* what fails is told where it does */
    own = 0;
}

static bool is_own(void)
{
    return own != 0 && thrum_self() == own;
}

static struct ending *ending_new(size_t size)
{
    return (struct ending *)calloc(1, sizeof(struct ending) + size);
}

/* What the task has just failed with; it is told here. */
static void fail(const char *what, const char *name, int status)
{
    thrum_error *error = thrum_fail_take(status);
    char text[512];

    thrum_error_format(error, text, sizeof text);
    text[strcspn(text, "\n")] = '\0';
    thrum_test_fail(NULL, "%s%s failed: %s", what, name, error ? text : thrum_errname(status));
    thrum_error_free(error);
}

/* ---- fixtures -------------------------------------------------------------------------------- */

static void forget(const struct ending *ending)
{
    struct ending **at = &used;

    while (*at != ending)
        at = &(*at)->next;
    *at = ending->next;
}

static int tear_down(void *arg, int status)
{
    struct ending *ending = arg;
    const thrum_fixture *fixture = ending->fixture;
    int err = fixture->tear_down ? thrum_wait_for(fixture->tear_down, ending->state, limit) : 0;

    if (err < 0)
        fail("the tear-down of ", fixture->name, err);
    forget(ending);
    free(ending);
    return status;
}

static struct ending *find(const thrum_fixture *fixture)
{
    struct ending *ending = used;

    while (ending && ending->fixture != fixture)
        ending = ending->next;
    return ending;
}

static int set_up(struct ending *ending)
{
    const thrum_fixture *fixture = ending->fixture;
    int status = fixture->set_up ? fixture->set_up(ending->state) : 0;

    if (status >= 0) {
        ending->ready = true;
        thrum_exit_stack_push(&exits, &ending->exit, tear_down, ending);
        return 0;
    }
    forget(ending); /* those that it has used are torn down at the end */
    free(ending);
    return status;
}

int thrum_use(const thrum_fixture *fixture, void **state)
{
    struct ending *ending;
    int status = 0;

    if (!is_own())
        return THRUM_ESTATE;
    ending = find(fixture);
    if (!ending) {
        ending = ending_new(fixture->size);
        if (!ending)
            return -ENOMEM;
        ending->fixture = fixture;
        ending->next = used;
        used = ending;
        status = set_up(ending);
    } else if (!ending->ready) {
        status = THRUM_ESTATE; /* it uses itself */
    }
    if (!status)
        *state = ending->state;
    return status;
}

/* ---- other things to be done ----------------------------------------------------------------- */

static int call(void *arg, int status)
{
    struct ending *ending = arg;
    int err = thrum_wait_for(ending->fn, ending->arg, limit);

    if (err < 0)
        fail("what was deferred", "", err);
    free(ending);
    return status;
}

int thrum_defer(thrum_fn fn, void *arg)
{
    struct ending *ending = is_own() ? ending_new(0) : NULL;

    if (!ending)
        return is_own() ? -ENOMEM : THRUM_ESTATE;
    ending->fn = fn;
    ending->arg = arg;
    thrum_exit_stack_push(&exits, &ending->exit, call, ending);
    return 0;
}

static int take_back(void *arg, int status)
{
    struct ending *ending = arg;

    memcpy(ending->place, ending->state, ending->size);
    free(ending);
    return status;
}

int thrum_patch(void *place, const void *value, size_t size)
{
    struct ending *ending = is_own() ? ending_new(size) : NULL;

    if (!ending)
        return is_own() ? -ENOMEM : THRUM_ESTATE;
    ending->place = place;
    ending->size = size;
    memcpy(ending->state, place, size);
    memcpy(place, value, size);
    thrum_exit_stack_push(&exits, &ending->exit, take_back, ending);
    return 0;
}
