/*
 * linear.h - is what several tasks have seen of an object what it would have shown to one?
 *
 * A history says who has called what, in which order calls began and returned, and what they have
 * returned. It is linearizable (Herlihy and Wing, 1990) if each call can be given one moment
 * between its beginning and its end such that the calls, made in the order of these moments one
 * after the other, return the same. What they would return then a model says: a state of
 * some bytes, and a function that makes one call.
 *
 *     thrum_record records[64];
 *     thrum_history history = THRUM_HISTORY_INIT(records, 64);
 *
 *     // in each task
 *     uint32_t call = thrum_history_begin(&history, lane, PUT, 7);
 *     thrum_history_end(&history, call, thrum_queue_put(&queue, &item), 0);
 *
 *     // when all is over, or not
 *     status = thrum_history_check(&history, &fifo, NULL);
 *
 * The search is the one of Wing and Gong (Testing and Verifying Concurrent Objects, 1993), made
 * fast by never trying twice the same calls from the same state (Lowe, Testing for
 * Linearizability, 2017). It takes exponential time in bad cases, so it has bounds; histories of
 * some dozens of calls are what it is for. In the simulated world (explore.h) it belongs at the end
 * of the explored function, whose status it can be.
 *
 * That a call waits for ever is nothing that this could find: see hold.h for deadlocks. One that
 * was refused or cancelled is a call like any other, which a model makes without an effect.
 */
#ifndef THRUM_LINEAR_H
#define THRUM_LINEAR_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* One call. */
typedef struct thrum_record {
    uint32_t lane;  /* who has made it: calls of one lane do not overlap */
    uint32_t what;  /* which operation it was: a number of the model's */
    int64_t given;  /* what it was given, */
    int64_t got;    /* what it has handed out, */
    int status;     /* and what it has returned */
    uint32_t began; /* when, counted from 1 */
    uint32_t ended; /* likewise; 0: it has not returned: it may have had its effect or not */
    uint32_t unused;
} thrum_record;

/* Its fields are the library's own, the records apart: they are the reader's when all is over. */
typedef struct thrum_history {
    thrum_record *records;
    uint32_t room;
    uint32_t count; /* atomic: calls, those included for which there was no room */
    uint32_t clock; /* atomic */
    uint32_t unused;
} thrum_history;

/* An empty one, in the caller's memory. */
#define THRUM_HISTORY_INIT(records, room) \
    {                                     \
        (records), (room), 0, 0, 0        \
    }

/*
 * A call begins: which one it is, for its end. Say so right before the call, and the end right
 * after it. Any thread; does not suspend, and is no point at which others could go first.
 */
THRUM_API uint32_t thrum_history_begin(thrum_history *history, uint32_t lane, uint32_t what,
                                       int64_t given);
THRUM_API void thrum_history_end(thrum_history *history, uint32_t call, int status, int64_t got);

/* What an object does if calls are made one after the other. Constant. */
typedef struct thrum_model {
    const char *name;
    /* Two states are the same iff all their bytes are: whatever is not used must stay 0. */
    size_t state_bytes;
    /* Make the first state of zeroes; NULL: it is that. */
    void (*begin)(void *state, const void *context);
    /*
     * Can the call be made in this state, and return what it did? True: *state is the one
     * after it; false: *state does not matter. `status` and `got` of a call that has not returned
     * are 0 and mean nothing: any return will do.
     */
    bool (*step)(void *state, const thrum_record *call, const void *context);
    /* Say it in a few letters, the call ("put 7") or its return ("0"); NULL: by numbers. */
    void (*tell)(const thrum_record *call, bool returned, char *text, size_t size);
    const void *context; /* for begin and step */
} thrum_model;

/* What a check has found. */
typedef struct thrum_linearity {
    uint32_t wrong;  /* THRUM_EUNORDERED: the call whose return no order explains, */
    uint32_t from;   /* and the shortest part of the history that shows it: from this moment, the */
    uint32_t to;     /* last before it at which no call was under way, to this one, its return */
    uint32_t unused;
    uint64_t steps;  /* calls that were tried */
    uint64_t states; /* pairs of calls made and state that were met with */
} thrum_linearity;

#define THRUM_HISTORY_CALLS 1024u        /* that a history may have to be checked */
#define THRUM_HISTORY_STATES (1ull << 18) /* pairs that are looked at before it is given up */

/*
 * Is the history linearizable? `found` may be NULL. Nobody records meanwhile.
 *
 *   context   anywhere
 *   suspends  no
 *   returns   0; THRUM_EUNORDERED: it is not; -E2BIG: nobody knows: there was no room for all
 *             calls, there are more than THRUM_HISTORY_CALLS, or more than THRUM_HISTORY_STATES
 *             pairs were met with; -ENOMEM
 */
THRUM_API THRUM_NODISCARD int thrum_history_check(const thrum_history *history,
                                                  const thrum_model *model,
                                                  thrum_linearity *found);

/*
 * Draw it: a column for each lane, time downwards. `found`, unless NULL, marks the part that it
 * names. line(text, context) is called for each line, without its end; NULL: it is written to file
 * descriptor 2. No more than 8 lanes have a column of their own.
 *
 *   context   anywhere
 *   suspends  no
 */
THRUM_API void thrum_history_tell(const thrum_history *history, const thrum_model *model,
                                  const thrum_linearity *found,
                                  void (*line)(const char *text, void *context), void *context);

THRUM_END_DECLS

#endif
