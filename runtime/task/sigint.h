/*
 * sigint.h - the first SIGINT cancels what runs, the second ends the process.
 */
#ifndef THRUM_TASK_SIGINT_H
#define THRUM_TASK_SIGINT_H

struct thrum_runtime;

/*
 * For a runtime with THRUM_HANDLE_SIGINT; others: nothing happens. Take SIGINT over; give it
 * back. take: 0; -EBUSY: another runtime has it; -EAGAIN: no thread.
 */
int thrum_sigint_take(struct thrum_runtime *runtime);
void thrum_sigint_give_back(struct thrum_runtime *runtime);

/* In the child of a fork: nobody has it. */
void thrum_sigint_forked(void);

/* Under `control`: the first run begins; the last one has ended. */
void thrum_sigint_watch(struct thrum_runtime *runtime);
void thrum_sigint_rest(struct thrum_runtime *runtime);

#endif
