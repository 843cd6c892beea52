/*
 * generator.h - a function that hands out values one by one, and goes on where
 * it was when the next one is asked for.
 *
 *     static int pages(thrum_generator *generator, void *arg)
 *     {
 *         struct session *session = arg;
 *         int status = 0;
 *
 *         for (int page = 1; !status && page <= 10; page++) {
 *             status = fetch(session, page);
 *             if (!status)
 *                 status = thrum_generator_yield(generator, &session->page);
 *         }
 *         return status;
 *     }
 *
 *     status = thrum_generator_open(&generator, pages, &session, sizeof page);
 *     if (status)
 *         return status;
 *     while ((status = thrum_generator_next(&generator, &page)) > 0)
 *         ...
 *     return thrum_generator_close(&generator, status);
 *
 * The body runs on a stack of its own, and only while somebody is in next or
 * close. It is no task: it is part of the task that calls next, has its
 * identity, its locals and its cancels, and what it waits for that task waits
 * for. So nothing runs ahead of who asks, and a body that is left half-way
 * stays there until close ends it.
 *
 * A generator belongs to the task that opened it, and that task closes it
 * before it ends. Meanwhile it may ask for values, and any other task may, one
 * at a time. One that a body opens belongs to that body: so generators nest,
 * and closing the outer one has the inner ones closed.
 *
 * When it yields, a body has no group, scope, timeout or shield of its own
 * open: they would be around the consumer then. Open them around the waits
 * between two yields, or around the loop that consumes. Locals that it sets are
 * its consumer's.
 *
 *   class   lock-free. The first next takes a stack, recycled or new; each next
 *           and each yield is a switch between stacks, no more
 */
#ifndef THRUM_GENERATOR_H
#define THRUM_GENERATOR_H

#include <thrum/iter.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

typedef struct thrum_generator thrum_generator;

/* A generator's body. 0: there are no more values; a negative status: it has failed. */
typedef int (*thrum_generator_fn)(thrum_generator *generator, void *arg);

/* Its fields are the runtime's own. In the caller's memory, from open to close. Never copy one. */
struct thrum_generator {
    thrum_iter iter; /* first: what it is for those who do not know what it is */
    thrum_generator_fn fn;
    void *arg;
    void *item; /* where the value goes that was asked for */
    void *coroutine;
    const void *opener;   /* a task, or a generator whose body has opened it */
    const void *consumer; /* the task that asks, */
    const void *inside;   /* and in which scope */
    uint32_t state;
    uint32_t generators; /* that its body has opened and not closed */
    int status;          /* what the body has returned */
};

/*
 * Open a generator with that body, whose values have item_bytes each. Nothing
 * of the body runs yet.
 *
 *   context   task
 *   suspends  no
 *   returns   0; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_generator_open(thrum_generator *generator,
                                                   thrum_generator_fn fn, void *arg,
                                                   size_t item_bytes);

/*
 * Let the body go on until it yields, and copy what it yields to *item.
 *
 *   context   task; one at a time, and not the body
 *   suspends  as the body does
 *   cancel    as the body's waits are told of it; one that the body returns ends the generator
 *   returns   1: *item is the next value; 0: the body has returned, there are no more; what it
 *             has returned if that is negative, and from then on 0; -ENOMEM: there was no
 *             memory for a stack, and the body has not begun
 */
THRUM_API THRUM_NODISCARD int thrum_generator_next(thrum_generator *generator, void *item);

/*
 * In the body, or whatever it calls: hand out a value, a copy of *item.
 *
 *   context   the generator's body
 *   suspends  no; returns when the next value is asked for, or the generator closed. A cancel
 *             is not delivered here
 *   returns   0: go on; THRUM_ECLOSED: no more is wanted: tidy up and return
 *   misuse    a yield outside of the body, with a scope of the body's open, or after
 *             THRUM_ECLOSED: the process stops
 */
THRUM_API THRUM_NODISCARD int thrum_generator_yield(thrum_generator *generator, const void *item);

/*
 * Close it. If its body waits at a yield, that returns THRUM_ECLOSED, and close
 * returns when the body has. What the body does for that is shielded from
 * cancels, of either style. A body that has not begun never does.
 *
 * `status` is the caller's status so far. If that is a failure (negative, but
 * not THRUM_ECANCELED or THRUM_ECLOSED), and the body returns one too, both become what the calling task has to say if it returns
 * THRUM_EGROUP.
 *
 *   context   the task that opened it, in a body that is part of it too; or the body that did
 *   suspends  as the body does
 *   returns   THRUM_EGROUP: see above; else what the body failed with; else status, but
 *             THRUM_ECANCELED instead of 0 and more if the body has returned that, or a cancel
 *             came meanwhile
 *   misuse    one that is not open, another's, or whose body runs: the process stops
 */
THRUM_API int thrum_generator_close(thrum_generator *generator, int status);

THRUM_END_DECLS

#endif
