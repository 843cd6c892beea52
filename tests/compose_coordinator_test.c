/*
 * compose_coordinator_test.c - nothing is started before what it needs, nothing
 * is stopped before what needs it, and when one fails all are stopped.
 */
#include "tests/conformance/conform.h"
#include "racing.h"

enum { PARTS = 5 };

/* What the services do, in the order in which they do it: a letter each. */
struct diary {
    uint32_t text[64]; /* atomic: who is cancelled writes on while it is read */
    uint32_t n;        /* atomic */
};

struct actor {
    struct diary *diary;
    char letter; /* said in lower case at the start, in upper case at the end */
    int early;   /* fails with that before it is ready */
    int late;    /* fails with that once it is */
    bool deaf;   /* does not stop but by a cancel */
};

static void note(struct diary *diary, char letter)
{
    uint32_t i = add_relaxed(&diary->n, 1); /* relaxed: a number */

    CHECK_LT(i, 63);
    store_relaxed(&diary->text[i], (uint32_t)letter); /* relaxed: a letter */
}

static bool says(const struct diary *diary, const char *want)
{
    size_t i = 0;

    while (want[i] && load_relaxed(&diary->text[i]) == (uint32_t)want[i]) /* relaxed: a letter */
        i++;
    return !want[i] && load_relaxed(&diary->text[i]) == 0; /* relaxed: likewise */
}

static int act(thrum_service *service, void *arg)
{
    struct actor *actor = arg;
    int status;

    SPAN;
    if (thrum_yield())
        return THRUM_ECANCELED;
    if (actor->early)
        return thrum_fail(actor->early, "stage fright");
    note(actor->diary, actor->letter);
    thrum_service_ready(service);
    if (actor->late)
        status = thrum_yield() ? THRUM_ECANCELED : thrum_fail(actor->late, "forgot the text");
    else
        status = actor->deaf ? rest() : thrum_service_pause(service, THRUM_FOREVER);
    note(actor->diary, (char)(actor->letter - 'a' + 'A'));
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

struct cast {
    struct diary diary;
    struct actor actors[PARTS];
    thrum_service services[PARTS];
    thrum_service_options options[PARTS];
    thrum_part parts[PARTS];
    thrum_coordinator all;
};

/* a needs c and e, b needs a, c and d need nobody, e needs d. */
static const size_t needs_a[] = {2, 4}, needs_b[] = {0}, needs_e[] = {3};
#define STARTED "cdeab"
#define STOPPED "BAEDC"

static void begin(struct cast *cast)
{
    static const char *const names[PARTS] = {"a", "b", "c", "d", "e"};

    memset(cast, 0, sizeof *cast);
    for (int i = 0; i < PARTS; i++) {
        cast->actors[i] = (struct actor){&cast->diary, (char)('a' + i), 0, 0, false};
        cast->options[i] = (thrum_service_options)THRUM_SERVICE_OPTIONS_INIT;
        cast->options[i].run = act;
        cast->options[i].arg = &cast->actors[i];
        cast->options[i].name = names[i];
        cast->parts[i].service = &cast->services[i];
        cast->parts[i].options = &cast->options[i];
        cast->parts[i].patience = THRUM_FOREVER;
    }
    cast->parts[0].needs = needs_a;
    cast->parts[0].needs_count = 2;
    cast->parts[1].needs = needs_b;
    cast->parts[1].needs_count = 1;
    cast->parts[4].needs = needs_e;
    cast->parts[4].needs_count = 1;
}

/* Unless a cancel has made them write on meanwhile. */
#define EXPECT_DIARY(cast, want) EXPECT(says(&(cast)->diary, want))

static int start(struct cast *cast, thrum_group *group)
{
    return thrum_coordinator_start(&cast->all, group, cast->parts, PARTS);
}

/* ---- order ----------------------------------------------------------------------------------- */

RULE(they_are_started_in_the_order_of_their_needs_and_stopped_in_reverse)
{
    struct cast cast;
    thrum_group group;
    int status;

    SPAN;
    begin(&cast);
    open_group(&group);
    status = start(&cast, &group);
    EXPECT_EQ(status, 0);
    EXPECT_DIARY(&cast, STARTED);
    if (!status)
        EXPECT_EQ(thrum_coordinator_stop(&cast.all, 17, NULL), 17);
    EXPECT_DIARY(&cast, STARTED STOPPED);
    EXPECT_EQ(close_group(&group, 0), 0);
}

RULE(needs_that_cannot_be_met_are_refused)
{
    static const size_t circle[] = {1}, beyond[] = {PARTS};
    struct cast cast;
    thrum_group group;

    SPAN;
    begin(&cast);
    open_group(&group);
    cast.parts[3].needs_count = 1;
    cast.parts[3].needs = circle;
    CHECK_EQ(start(&cast, &group), -ELOOP); /* d, b, a, e */
    cast.parts[3].needs = beyond;
    CHECK_EQ(start(&cast, &group), -EINVAL);
    CHECK_EQ(cast.diary.n, 0);
    CHECK_EQ(thrum_coordinator_start(&cast.all, &group, NULL, 0), 0);
    CHECK_EQ(thrum_coordinator_stop(&cast.all, 0, NULL), 0);
    EXPECT_EQ(close_group(&group, 0), 0);
}

/* ---- failures -------------------------------------------------------------------------------- */

static int start_in_vain(void *arg)
{
    struct cast *cast = arg;
    thrum_group group;
    int status;

    SPAN;
    open_group(&group);
    status = start(cast, &group);
    EXPECT_EQ(close_group(&group, 0), 0);
    return status;
}

RULE(one_that_does_not_start_stops_those_that_have)
{
    thrum_outcome outcome = {THRUM_OK, 0, NULL};
    struct cast cast;
    thrum_group group;
    thrum_task *task;

    SPAN;
    begin(&cast);
    cast.actors[0].early = -EIO;
    open_collecting(&group);
    task = spawn(&group, start_in_vain, &cast);
    if (task)
        (void)!thrum_task_join(task, &outcome);
    thrum_task_unref(task);
    EXPECT_EQ(outcome.status, -EIO);
    EXPECT(outcome.error && strstr(thrum_error_message(outcome.error), "the service a failed"));
    EXPECT(outcome.error &&
           strcmp(thrum_error_message(thrum_error_cause(outcome.error)), "stage fright") == 0);
    thrum_error_free(outcome.error);
    EXPECT_DIARY(&cast, "cdeEDC");
    (void)close_group(&group, 0);
}

RULE(when_one_fails_the_others_are_stopped)
{
    struct cast cast;
    thrum_error *errors = NULL;
    thrum_group group;
    int status;

    SPAN;
    begin(&cast);
    cast.actors[1].late = -EIO;
    open_group(&group);
    status = start(&cast, &group);
    if (!status) {
        status = thrum_coordinator_wait(&cast.all);
        EXPECT_EQ(status, 0);
        status = thrum_coordinator_stop(&cast.all, status, &errors);
    }
    EXPECT_EQ(status, THRUM_EGROUP);
    EXPECT_EQ(thrum_error_count(errors), 1);
    EXPECT_EQ(thrum_error_code(thrum_error_child(errors, 0)), -EIO);
    thrum_error_free(errors);
    EXPECT_DIARY(&cast, STARTED STOPPED); /* b failed, and is the first to go anyway */
    EXPECT_EQ(close_group(&group, 0), 0);
}

/* ---- patience and cancels -------------------------------------------------------------------- */

RULE(who_does_not_stop_in_time_is_cancelled)
{
    struct cast cast;
    thrum_group group;
    int status;

    SPAN;
    begin(&cast);
    cast.actors[4].deaf = true;
    cast.parts[4].patience = thrum_us(20);
    open_group(&group);
    status = start(&cast, &group);
    if (!status)
        status = thrum_coordinator_stop(&cast.all, 0, NULL);
    EXPECT_EQ(status, THRUM_ETIMEOUT);
    EXPECT_DIARY(&cast, STARTED STOPPED);
    EXPECT_EQ(close_group(&group, 0), 0);
}

RULE(a_cancelled_stop_has_no_more_patience)
{
    struct cast cast;
    thrum_timeout timeout;
    thrum_group group;
    int status;

    SPAN;
    begin(&cast);
    cast.actors[4].deaf = true;
    cast.actors[2].deaf = true;
    open_group(&group);
    status = start(&cast, &group);
    CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(30)), 0);
    if (!status)
        status = thrum_coordinator_stop(&cast.all, 0, NULL);
    EXPECT_EQ(status, THRUM_ECANCELED);
    EXPECT_EQ(thrum_timeout_end(&timeout, status), THRUM_ETIMEOUT);
    if (!disturbed())
        CHECK_EQ(cast.diary.n, 2 * PARTS); /* in no order: some were cancelled, some were told */
    EXPECT_EQ(close_group(&group, 0), 0);
}

/* Who is cancelled while all runs stops them as at any time. */
RULE(a_cancelled_wait_is_followed_by_an_orderly_stop)
{
    struct cast cast;
    thrum_timeout timeout;
    thrum_group group;
    int status;

    SPAN;
    begin(&cast);
    open_group(&group);
    status = start(&cast, &group);
    if (!status) {
        int waited;

        CHECK_EQ(thrum_timeout_begin(&timeout, thrum_us(30)), 0);
        waited = thrum_coordinator_wait(&cast.all);
        EXPECT_EQ(waited, THRUM_ECANCELED);
        waited = thrum_timeout_end(&timeout, waited);
        EXPECT_EQ(waited, THRUM_ETIMEOUT);
        EXPECT_EQ(thrum_coordinator_stop(&cast.all, waited, NULL), THRUM_ETIMEOUT);
    }
    EXPECT_DIARY(&cast, STARTED STOPPED);
    EXPECT_EQ(close_group(&group, 0), 0);
}
