/*
 * models.h - what Thrum's own objects do if calls are made one after the other
 * (thrum/linear.h). Calls that were cancelled have no effect.
 */
#ifndef TESTS_SEEDED_MODELS_H
#define TESTS_SEEDED_MODELS_H

#include <thrum/thrum.h>

/* A place in memory. */
enum { REGISTER_READ, REGISTER_WRITE };
extern const thrum_model model_register;

/* Queues of small numbers; a priority queue hands out the smallest first. */
enum { QUEUE_PUT, QUEUE_GET, QUEUE_TRY_PUT, QUEUE_TRY_GET, QUEUE_SHUT, QUEUE_SHUT_NOW };

struct model_queue {
    enum thrum_order order;
    uint32_t limit; /* 0: none */
};

#define MODEL_QUEUE_ROOM 24

/* `context` points to a struct model_queue. */
thrum_model model_queue(const struct model_queue *queue);

/* Permits; `given` is how many. A try that is refused may always be. */
enum { SEM_ACQUIRE, SEM_TRY_ACQUIRE, SEM_RELEASE };

struct model_sem {
    uint32_t permits;
    uint32_t bound;
};

thrum_model model_sem(const struct model_sem *sem);

/* A lock, for writing and reading; a mutex is one for writing. */
enum { LOCK_WRITE, LOCK_TRY_WRITE, LOCK_WRITE_UNLOCK, LOCK_READ, LOCK_TRY_READ, LOCK_READ_UNLOCK };
extern const thrum_model model_lock;

/* An event. `got` of a look: whether it was set. */
enum { EVENT_SET, EVENT_CLEAR, EVENT_LOOK, EVENT_WAIT };
extern const thrum_model model_event;

/* A promise of a number; `given` of a failure is its status. */
enum { PROMISE_SET, PROMISE_FAIL, PROMISE_DROP, PROMISE_WAIT };
extern const thrum_model model_promise;

/* A broadcast of numbers; `got` of a receive: see model_received. Lanes below MODEL_LANES. */
enum { BROADCAST_SUBSCRIBE, BROADCAST_SEND, BROADCAST_RECEIVE, BROADCAST_TRY, BROADCAST_SHUT };
#define MODEL_LANES 8

static inline int64_t model_received(int64_t item, uint64_t missed)
{
    return item * 1000 + (int64_t)missed;
}

/* `limit` points to how many items are kept. */
thrum_model model_broadcast(const uint32_t *limit);

#endif
