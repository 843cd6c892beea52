/* models.c - see models.h. */
#include "tests/seeded/models.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* It was refused without an effect, whatever it was. */
static bool refused(const thrum_record *call)
{
    return call->status == THRUM_ECANCELED || call->status == -ENOMEM;
}

/* A call that has not returned may have returned anything. */
static bool open(const thrum_record *call)
{
    return call->ended == 0;
}

static void tell(const char *const *names, const thrum_record *call, bool returned, char *text,
                 size_t size)
{
    if (!returned)
        snprintf(text, size, "%s %lld", names[call->what], (long long)call->given);
    else if (call->status)
        snprintf(text, size, "= %s", thrum_errname(call->status) + 6 * (call->status < -4096));
    else
        snprintf(text, size, "= %lld", (long long)call->got);
}

/* ---- a place in memory ----------------------------------------------------------------------- */

static bool register_step(void *state, const thrum_record *call, const void *context)
{
    int64_t *value = state;

    (void)context;
    if (call->what == REGISTER_READ)
        return open(call) || call->got == *value;
    *value = call->given;
    return true;
}

static void register_tell(const thrum_record *call, bool returned, char *text, size_t size)
{
    tell((const char *const[]){"read", "write"}, call, returned, text, size);
}

const thrum_model model_register = {
    .name = "register", .state_bytes = 8, .step = register_step, .tell = register_tell};

/* ---- queues ---------------------------------------------------------------------------------- */

struct queue_state {
    uint64_t count;
    uint64_t shut;
    int64_t items[MODEL_QUEUE_ROOM]; /* in the order in which they came; behind them zeroes */
};

static bool is_full(const struct queue_state *state, const struct model_queue *queue)
{
    return state->count == (queue->limit ? queue->limit : MODEL_QUEUE_ROOM);
}

static size_t next_out(const struct queue_state *state, const struct model_queue *queue)
{
    size_t best = 0;

    if (queue->order == THRUM_LIFO)
        return state->count - 1;
    for (size_t i = 1; queue->order == THRUM_PRIORITY && i < state->count; i++)
        if (state->items[i] < state->items[best])
            best = i;
    return best;
}

static int64_t take_out(struct queue_state *state, size_t at)
{
    int64_t item = state->items[at];

    state->count--;
    memmove(&state->items[at], &state->items[at + 1], (state->count - at) * sizeof item);
    state->items[state->count] = 0;
    return item;
}

static bool queue_put(struct queue_state *state, const thrum_record *call,
                      const struct model_queue *queue)
{
    if (call->status == THRUM_ESHUTDOWN)
        return state->shut;
    if (call->status == -EAGAIN)
        return call->what == QUEUE_TRY_PUT && !state->shut && is_full(state, queue);
    if (call->status || state->shut || is_full(state, queue))
        return false;
    state->items[state->count++] = call->given;
    return true;
}

static bool queue_get(struct queue_state *state, const thrum_record *call,
                      const struct model_queue *queue)
{
    int64_t item;

    if (call->status == THRUM_ESHUTDOWN)
        return state->shut && state->count == 0;
    if (call->status == -EAGAIN)
        return call->what == QUEUE_TRY_GET && !state->shut && state->count == 0;
    if (call->status || state->count == 0)
        return false;
    item = take_out(state, next_out(state, queue));
    return open(call) || item == call->got;
}

static bool queue_step(void *raw, const thrum_record *call, const void *context)
{
    struct queue_state *state = raw;

    if (refused(call))
        return true;
    switch (call->what) {
    case QUEUE_PUT:
    case QUEUE_TRY_PUT:
        return queue_put(state, call, context);
    case QUEUE_GET:
    case QUEUE_TRY_GET:
        return queue_get(state, call, context);
    default:
        state->shut = 1;
        while (call->what == QUEUE_SHUT_NOW && state->count)
            (void)take_out(state, state->count - 1);
        return true;
    }
}

static void queue_tell(const thrum_record *call, bool returned, char *text, size_t size)
{
    tell((const char *const[]){"put", "get", "try_put", "try_get", "shut", "shut_now"}, call,
         returned, text, size);
}

thrum_model model_queue(const struct model_queue *queue)
{
    static const char *const names[] = {"fifo", "lifo", "priority"};

    return (thrum_model){.name = names[queue->order],
                         .state_bytes = sizeof(struct queue_state),
                         .step = queue_step,
                         .tell = queue_tell,
                         .context = queue};
}

/* ---- permits --------------------------------------------------------------------------------- */

static void sem_begin(void *state, const void *context)
{
    *(int64_t *)state = ((const struct model_sem *)context)->permits;
}

static bool sem_step(void *state, const thrum_record *call, const void *context)
{
    int64_t *free = state;
    int64_t bound = ((const struct model_sem *)context)->bound;

    if (refused(call) || (call->what == SEM_TRY_ACQUIRE && call->status == -EAGAIN))
        return true;
    if (call->what == SEM_RELEASE && call->status == -EINVAL)
        return *free + call->given > bound;
    *free += call->what == SEM_RELEASE ? call->given : -call->given;
    return call->status == 0 && *free >= 0 && *free <= bound;
}

static void sem_tell(const thrum_record *call, bool returned, char *text, size_t size)
{
    tell((const char *const[]){"acquire", "try_acquire", "release"}, call, returned, text, size);
}

thrum_model model_sem(const struct model_sem *sem)
{
    return (thrum_model){.name = "semaphore",
                         .state_bytes = 8,
                         .begin = sem_begin,
                         .step = sem_step,
                         .tell = sem_tell,
                         .context = sem};
}

/* ---- locks ----------------------------------------------------------------------------------- */

struct lock_state {
    uint64_t writer; /* its lane + 1 */
    uint64_t readers;
};

static bool lock_step(void *raw, const thrum_record *call, const void *context)
{
    struct lock_state *state = raw;
    uint64_t me = (uint64_t)call->lane + 1;

    (void)context;
    if (refused(call))
        return true;
    switch (call->what) {
    case LOCK_WRITE:
    case LOCK_TRY_WRITE:
        if (call->status == -EBUSY)
            return call->what == LOCK_TRY_WRITE;
        if (call->status || state->writer || state->readers)
            return false;
        state->writer = me;
        return true;
    case LOCK_WRITE_UNLOCK:
        if (state->writer != me)
            return false;
        state->writer = 0;
        return true;
    case LOCK_READ:
    case LOCK_TRY_READ:
        if (call->status == -EBUSY)
            return call->what == LOCK_TRY_READ;
        if (call->status || state->writer)
            return false;
        state->readers++;
        return true;
    default:
        if (state->readers == 0)
            return false;
        state->readers--;
        return true;
    }
}

static void lock_tell(const thrum_record *call, bool returned, char *text, size_t size)
{
    tell((const char *const[]){"lock", "try_lock", "unlock", "read", "try_read", "read_unlock"},
         call, returned, text, size);
}

const thrum_model model_lock = {
    .name = "lock", .state_bytes = sizeof(struct lock_state), .step = lock_step, .tell = lock_tell};

/* ---- events ---------------------------------------------------------------------------------- */

static bool event_step(void *state, const thrum_record *call, const void *context)
{
    int64_t *set = state;

    (void)context;
    if (refused(call))
        return true;
    switch (call->what) {
    case EVENT_SET:
    case EVENT_CLEAR:
        *set = call->what == EVENT_SET;
        return true;
    case EVENT_LOOK:
        return open(call) || call->got == *set;
    default:
        return call->status == 0 && *set;
    }
}

static void event_tell(const thrum_record *call, bool returned, char *text, size_t size)
{
    tell((const char *const[]){"set", "clear", "look", "wait"}, call, returned, text, size);
}

const thrum_model model_event = {
    .name = "event", .state_bytes = 8, .step = event_step, .tell = event_tell};

/* ---- promises -------------------------------------------------------------------------------- */

struct promise_state {
    int64_t resolved;
    int64_t status;
    int64_t value;
};

static bool promise_step(void *raw, const thrum_record *call, const void *context)
{
    struct promise_state *state = raw;

    (void)context;
    if (refused(call))
        return true;
    if (call->what == PROMISE_WAIT)
        return state->resolved &&
               (open(call) || (call->status == state->status &&
                               (call->status != 0 || call->got == state->value)));
    if (call->status == THRUM_ESTATE)
        return state->resolved;
    if (call->status || state->resolved)
        return false;
    state->resolved = 1;
    state->status = call->what == PROMISE_SET    ? 0
                    : call->what == PROMISE_FAIL ? call->given
                                                 : THRUM_EBROKEN;
    state->value = call->what == PROMISE_SET ? call->given : 0;
    return true;
}

static void promise_tell(const thrum_record *call, bool returned, char *text, size_t size)
{
    tell((const char *const[]){"set", "fail", "drop", "wait"}, call, returned, text, size);
}

const thrum_model model_promise = {.name = "promise",
                                   .state_bytes = sizeof(struct promise_state),
                                   .step = promise_step,
                                   .tell = promise_tell};

/* ---- broadcasts ------------------------------------------------------------------------------ */

struct broadcast_state {
    int64_t sent;
    int64_t shut;
    int64_t next[MODEL_LANES];
    int64_t items[MODEL_QUEUE_ROOM];
};

static bool broadcast_step(void *raw, const thrum_record *call, const void *context)
{
    struct broadcast_state *state = raw;
    int64_t limit = *(const uint32_t *)context;
    int64_t *next = &state->next[call->lane % MODEL_LANES];
    int64_t oldest = state->sent > limit ? state->sent - limit : 0;
    int64_t missed = *next < oldest ? oldest - *next : 0;

    if (refused(call))
        return true;
    switch (call->what) {
    case BROADCAST_SUBSCRIBE:
        *next = state->sent;
        return true;
    case BROADCAST_SHUT:
        state->shut = 1;
        return true;
    case BROADCAST_SEND:
        if (call->status == THRUM_ESHUTDOWN)
            return state->shut;
        if (call->status || state->shut || state->sent == MODEL_QUEUE_ROOM)
            return false;
        state->items[state->sent++] = call->given;
        return true;
    default:
        if (call->status == THRUM_ESHUTDOWN)
            return state->shut && *next == state->sent;
        if (call->status == -EAGAIN)
            return call->what == BROADCAST_TRY && *next == state->sent && !state->shut;
        if (call->status || *next == state->sent)
            return false;
        *next += missed + 1;
        return open(call) || call->got == model_received(state->items[*next - 1], (uint64_t)missed);
    }
}

static void broadcast_tell(const thrum_record *call, bool returned, char *text, size_t size)
{
    tell((const char *const[]){"subscribe", "send", "receive", "try_receive", "shut"}, call,
         returned, text, size);
}

thrum_model model_broadcast(const uint32_t *limit)
{
    return (thrum_model){.name = "broadcast",
                         .state_bytes = sizeof(struct broadcast_state),
                         .step = broadcast_step,
                         .tell = broadcast_tell,
                         .context = limit};
}
