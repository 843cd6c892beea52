/*
 * shield.c - a step that must not be torn apart, and a task that outlives who waits for it.
 *
 * Inside of a shield nothing that is cancelled outside is delivered; it is kept, and told when the
 * shield ends. thrum_shield_join waits for a task: cancelled, it leaves, and the task goes on.
 *
 * Prints:
 *     taken 100 from one
 *     given 100 to the other
 *     then told: the timeout expired
 *     the waiter left: the timeout expired
 *     the report was written: success
 */
#include <stdio.h>

#include <thrum/thrum.h>

struct accounts {
    int one, other;
};

/* Both halves or none, however impatient the caller is. */
static int transfer(struct accounts *accounts, int amount)
{
    thrum_shield shield;

    thrum_shield_begin(&shield);
    accounts->one -= amount;
    printf("taken %d from one\n", amount);
    (void)thrum_yield(); /* suspends: without the shield we would be cancelled right here */
    accounts->other += amount;
    printf("given %d to the other\n", amount);
    return thrum_shield_end(&shield);
}

static int write_report(void *arg)
{
    return thrum_event_wait(arg);
}

/* Waits for a task no longer than 10 ms; the task does not mind. */
static int wait_a_little(thrum_task *task, thrum_outcome *outcome)
{
    thrum_timeout timeout;
    int status = thrum_timeout_begin(&timeout, thrum_ms(10));

    return status ? status : thrum_timeout_end(&timeout, thrum_shield_join(task, outcome));
}

static int root(void *arg)
{
    struct accounts accounts = {500, 0};
    thrum_event ready = THRUM_EVENT_INIT;
    thrum_outcome outcome;
    thrum_timeout timeout;
    thrum_group group;
    thrum_task *report;
    int status;

    (void)arg;
    status = thrum_timeout_begin(&timeout, 0); /* no time at all: cancelled where it suspends */
    if (status)
        return status;
    status = thrum_timeout_end(&timeout, transfer(&accounts, 100));
    printf("then told: %s\n", status == THRUM_ETIMEOUT ? "the timeout expired" : "nothing");

    status = thrum_group_open(&group, NULL);
    if (status)
        return status;
    status = thrum_group_spawn(&group, write_report, &ready, NULL, &report);
    if (!status) {
        status = wait_a_little(report, &outcome);
        printf("the waiter left: %s\n",
               status == THRUM_ETIMEOUT ? "the timeout expired" : thrum_strerror(status));
        thrum_event_set(&ready);
        status = thrum_task_join(report, &outcome);
        printf("the report was written: %s\n", thrum_strerror(outcome.status));
        thrum_task_unref(report);
    }
    status = thrum_group_close(&group, status, NULL);
    thrum_event_destroy(&ready);
    return status;
}

int main(void)
{
    return thrum_run(root, NULL, NULL, NULL) ? 1 : 0;
}
