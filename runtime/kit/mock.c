/*
 * mock.c - what stands for a function: its answers, and what it was called with.
 *
 * One lock for all mocks, held for some stores and an allocation; nothing waits
 * under it, for in the simulated world whoever waits lets others go on, on the
 * same thread.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <thrum/shared.h>

#include "runtime/kit/kit.h"

struct answer {
    struct answer *next;
    thrum_answer answer; /* its value is the copy that follows */
    unsigned char value[] __attribute__((aligned(16)));
};

/* A call that was made; the texts among its arguments follow. */
struct made {
    size_t count;
    thrum_value args[];
};

struct thrum_mock_state {
    thrum_mock *mock;
    struct thrum_mock_state *next;
    struct answer *script; /* what is left of it, */
    struct answer **last;
    struct answer *had;    /* and what is not: somebody may still be at it */
    struct answer *others; /* the answer of calls without one, the newest first; or NULL */
    struct made **calls;
    size_t count;
    size_t room;
    size_t done;
    bool scripted; /* there was a script */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct thrum_mock_state *all; /* mutex */

/* ---- beginning and end ----------------------------------------------------------------------- */

/* Locked. NULL: no memory. */
static struct thrum_mock_state *state_of(thrum_mock *mock)
{
    struct thrum_mock_state *state = mock->state;

    if (state)
        return state;
    state = (struct thrum_mock_state *)calloc(1, sizeof *state);
    if (!state)
        return NULL;
    state->mock = mock;
    state->last = &state->script;
    state->next = all;
    all = state;
    mock->state = state;
    return state;
}

static void free_answers(struct answer *answer)
{
    while (answer) {
        struct answer *next = answer->next;

        free(answer);
        answer = next;
    }
}

static void state_free(struct thrum_mock_state *state)
{
    free_answers(state->script);
    free_answers(state->had);
    free_answers(state->others);
    for (size_t i = 0; i < state->count; i++)
        free(state->calls[i]);
    free(state->calls);
    free(state);
}

/* Locked. */
static void forget(thrum_mock *mock)
{
    struct thrum_mock_state **at = &all;

    if (!mock->state)
        return;
    while (*at != mock->state)
        at = &(*at)->next;
    *at = mock->state->next;
    state_free(mock->state);
    mock->state = NULL;
}

void thrum_mock_reset(thrum_mock *mock)
{
    pthread_mutex_lock(&mutex);
    forget(mock);
    pthread_mutex_unlock(&mutex);
}

void thrum_kit_mocks_end(void)
{
    pthread_mutex_lock(&mutex);
    while (all)
        forget(all->mock);
    pthread_mutex_unlock(&mutex);
}

/* ---- answers --------------------------------------------------------------------------------- */

static struct answer *answer_new(const thrum_answer *given)
{
    struct answer *answer =
        (struct answer *)calloc(1, sizeof *answer + (given->value ? given->size : 0));

    if (!answer)
        return NULL;
    answer->answer = *given;
    if (given->value) {
        memcpy(answer->value, given->value, given->size);
        answer->answer.value = answer->value;
    }
    return answer;
}

static int tell(thrum_mock *mock, const thrum_answer *given, bool script)
{
    struct answer *answer = answer_new(given);
    struct thrum_mock_state *state;

    if (!answer)
        return -ENOMEM;
    pthread_mutex_lock(&mutex);
    state = state_of(mock);
    if (state && script) {
        *state->last = answer;
        state->last = &answer->next;
        state->scripted = true;
    } else if (state) {
        answer->next = state->others; /* who is at the old one may stay there */
        state->others = answer;
    }
    pthread_mutex_unlock(&mutex);
    if (!state)
        free(answer);
    return state ? 0 : -ENOMEM;
}

int thrum_mock_then(thrum_mock *mock, const thrum_answer *answer)
{
    return tell(mock, answer, true);
}

int thrum_mock_answers(thrum_mock *mock, const thrum_answer *answer)
{
    return tell(mock, answer, false);
}

/* Locked. NULL: there is none. */
static const thrum_answer *answer_take(struct thrum_mock_state *state)
{
    struct answer *answer = state->script;

    if (!answer)
        return state->others ? &state->others->answer : NULL;
    state->script = answer->next;
    if (!state->script)
        state->last = &state->script;
    answer->next = state->had;
    state->had = answer;
    return &answer->answer;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static size_t text_size(const thrum_value *value)
{
    return value->kind == THRUM_VALUE_TEXT && value->text ? strlen(value->text) + 1 : 0;
}

static struct made *made_new(size_t count, const thrum_value *args)
{
    size_t size = sizeof(struct made) + count * sizeof *args;
    struct made *made;
    char *text;

    for (size_t i = 0; i < count; i++)
        size += text_size(&args[i]);
    made = (struct made *)calloc(1, size);
    if (!made)
        return NULL;
    made->count = count;
    text = (char *)&made->args[count];
    for (size_t i = 0; i < count; i++) {
        size_t length = text_size(&args[i]);

        made->args[i] = args[i];
        if (length > 0)
            made->args[i].text = memcpy(text, args[i].text, length);
        text += length;
    }
    return made;
}

/* Locked. */
static bool has_room(struct thrum_mock_state *state)
{
    size_t room = state->room ? 2 * state->room : 8;
    struct made **calls;

    if (state->count < state->room)
        return true;
    calls = (struct made **)realloc((void *)state->calls, room * sizeof(struct made *));
    if (!calls)
        return false;
    state->calls = calls;
    state->room = room;
    return true;
}

/* *answer, NULL: it has none. 0, -ENOMEM, or THRUM_ECHECK: it should have one. */
static int record(thrum_mock *mock, struct made *made, thrum_mocked *call,
                  const thrum_answer **answer)
{
    struct thrum_mock_state *state;
    int status = -ENOMEM;

    pthread_mutex_lock(&mutex);
    state = state_of(mock);
    if (state && has_room(state)) {
        call->number = state->count;
        state->calls[state->count++] = made;
        *answer = answer_take(state);
        status = !*answer && state->scripted ? THRUM_ECHECK : 0;
    }
    pthread_mutex_unlock(&mutex);
    return status;
}

static int wait_for(const thrum_answer *answer)
{
    int status = answer->delay > 0 ? thrum_sleep(answer->delay) : 0;

    return !status && answer->until ? thrum_event_wait(answer->until) : status;
}

/* What does not fit is a mistake of the test. */
static int give(const thrum_mock *mock, const thrum_answer *answer, const thrum_mocked *call)
{

    if (answer->value && call->result) {
        if (answer->size > call->size) {
            thrum_test_fail(NULL, "an answer of %s has %zu bytes, and its caller room for %zu",
                            mock->name, answer->size, call->size);
            return THRUM_ECHECK;
        }
        memcpy(call->result, answer->value, answer->size);
    }
    return answer->does ? answer->does(call, answer->arg) : answer->status;
}

static void note_done(thrum_mock *mock)
{
    pthread_mutex_lock(&mutex);
    if (mock->state)
        mock->state->done++;
    pthread_mutex_unlock(&mutex);
}

int thrum_mock_call(thrum_mock *mock, void *result, size_t size, size_t count,
                    const thrum_value *args)
{
    const thrum_answer *answer = NULL;
    struct made *made = made_new(count, args);
    thrum_mocked call;
    int status = -ENOMEM;

    if (!made)
        return status;
    thrum_point_at(THRUM_POINT_RMW, mock);
    call = (thrum_mocked){0, count, made->args, result, size};
    status = record(mock, made, &call, &answer);
    if (status == -ENOMEM) {
        free(made);
        return status;
    }
    if (status)
        thrum_test_fail(NULL, "%s was called %zu times, and its script has %zu answers", mock->name,
                        call.number + 1, call.number);
    if (answer)
        status = wait_for(answer);
    if (answer && !status)
        status = give(mock, answer, &call);
    else if (answer)
        return status;
    note_done(mock);
    return status;
}

/* ---- asking ---------------------------------------------------------------------------------- */

enum question { CALLS, DONE, LEFT };

static size_t ask(const thrum_mock *mock, enum question question)
{
    const struct thrum_mock_state *state;
    size_t n = 0;

    pthread_mutex_lock(&mutex);
    state = mock->state;
    if (state && question == CALLS)
        n = state->count;
    else if (state && question == DONE)
        n = state->done;
    else if (state)
        for (const struct answer *answer = state->script; answer; answer = answer->next)
            n++;
    pthread_mutex_unlock(&mutex);
    return n;
}

size_t thrum_mock_calls(const thrum_mock *mock)
{
    return ask(mock, CALLS);
}

size_t thrum_mock_done(const thrum_mock *mock)
{
    return ask(mock, DONE);
}

size_t thrum_mock_left(const thrum_mock *mock)
{
    return ask(mock, LEFT);
}

const thrum_value *thrum_mock_args(const thrum_mock *mock, size_t call, size_t *count)
{
    const struct made *made = NULL;

    pthread_mutex_lock(&mutex);
    if (mock->state && call < mock->state->count)
        made = mock->state->calls[call];
    pthread_mutex_unlock(&mutex);
    *count = made ? made->count : 0;
    return made ? made->args : NULL;
}

bool thrum_test_expect_calls(const thrum_mock *mock, size_t n, const struct thrum_site *site,
                             const char *text)
{
    size_t calls = thrum_mock_calls(mock);

    (void)text;
    if (calls != n)
        thrum_test_fail(site, "%s was called %zu times, not %zu", mock->name, calls, n);
    return calls == n;
}

static bool is_like(const thrum_value *a, const thrum_value *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == THRUM_VALUE_TEXT)
        return a->text && b->text ? strcmp(a->text, b->text) == 0 : a->text == b->text;
    return a->kind == THRUM_VALUE_INTEGER ? a->integer == b->integer : a->pointer == b->pointer;
}

static int show(const thrum_value *value, char *text, size_t size)
{
    if (value->kind == THRUM_VALUE_INTEGER)
        return snprintf(text, size, "%jd", value->integer);
    if (value->kind == THRUM_VALUE_TEXT)
        return snprintf(text, size, value->text ? "\"%s\"" : "NULL", value->text);
    return snprintf(text, size, "%p", value->pointer);
}

/* `a, b, c`, cut to fit. */
static const char *show_all(size_t count, const thrum_value *args, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < count && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s", i > 0 ? ", " : "");
        if (used < size)
            used += (size_t)show(&args[i], text + used, size - used);
    }
    return text;
}

bool thrum_test_expect_called(const thrum_mock *mock, size_t call, const struct thrum_site *site,
                              size_t count, const thrum_value *args)
{
    size_t made_count;
    const thrum_value *made = thrum_mock_args(mock, call, &made_count);
    bool like = made && made_count == count;
    char is[256], was_to_be[256];

    for (size_t i = 0; like && i < count; i++)
        like = is_like(&made[i], &args[i]);
    if (like)
        return true;
    show_all(count, args, was_to_be, sizeof was_to_be);
    if (made)
        thrum_test_fail(site, "call %zu was %s(%s), not %s(%s)", call, mock->name,
                        show_all(made_count, made, is, sizeof is), mock->name, was_to_be);
    else
        thrum_test_fail(site, "there was no call %zu of %s(%s)", call, mock->name, was_to_be);
    return false;
}
