/* block_on.c - a thread waits for a task, but not without end. */
#include <thrum/ticket.h>
#include <thrum/time.h>

struct patient {
    thrum_fn fn;
    void *arg;
    int64_t patience;
};

static int wait_for(void *arg)
{
    const struct patient *patient = (const struct patient *)arg;

    return thrum_wait_for(patient->fn, patient->arg, patient->patience);
}

int thrum_block_on(thrum_runtime *runtime, thrum_fn fn, void *arg, int64_t patience,
                   thrum_error **errors)
{
    struct patient patient = {fn, arg, patience};

    return thrum_runtime_run(runtime, wait_for, &patient, errors);
}
