/*
 * service.c - a background service.
 *
 * One task of the caller's group runs the body, and runs it again if that is
 * wanted. When the task has ended, even if it never ran, a done-callback
 * (`end`) lets go of all who wait: for the start, or with something to submit.
 *
 * The state only goes on: STARTING, then RUNNING and RESTARTING by turns, then
 * STOPPING, then ENDED; each of those may be left out.
 */
#include <thrum/service.h>

#include <errno.h>

#include <thrum/detail/atomic.h>
#include <thrum/error.h>
#include <thrum/fault.h>
#include <thrum/scope.h>
#include <thrum/time.h>

/* ---- state ----------------------------------------------------------------------------------- */

static enum thrum_service_state state_of(const thrum_service *service)
{
    return (enum thrum_service_state)thrum_load_relaxed_64(&service->state); /* relaxed: a glance */
}

/* Who is to stop, or has ended, stays so. */
static void set_state(thrum_service *service, enum thrum_service_state state)
{
    uint64_t seen = thrum_load_relaxed_64(&service->state); /* relaxed: a guess */

    while (seen < THRUM_SERVICE_STOPPING || state > seen)
        if (thrum_cas_relaxed_64(&service->state, &seen, state))
            return; /* relaxed: it orders nothing else */
}

static bool is_started(const thrum_service *service)
{
    return thrum_promise_resolved(&service->started, NULL);
}

bool thrum_service_stopping(const thrum_service *service)
{
    return thrum_event_is_set(&service->stop);
}

void thrum_service_ready(thrum_service *service)
{
    set_state(service, THRUM_SERVICE_RUNNING);
    (void)thrum_promise_set(&service->started, NULL);
}

void thrum_service_health_get(thrum_service *service, thrum_service_health *health)
{
    *health = (thrum_service_health){
        .state = state_of(service),
        .failure = (int)(int64_t)thrum_load_relaxed_64(&service->failure), /* relaxed: glances */
        .restarted = thrum_load_relaxed_64(&service->restarted),           /* relaxed */
        .waiting = service->item_bytes ? thrum_queue_count(&service->inbox) : 0,
        .handled = thrum_load_relaxed_64(&service->handled), /* relaxed */
        .failed = thrum_load_relaxed_64(&service->failed),   /* relaxed */
    };
}

/* ---- what it does ---------------------------------------------------------------------------- */

int thrum_service_pause(thrum_service *service, int64_t duration)
{
    thrum_timeout timeout;
    int status = thrum_timeout_begin(&timeout, duration);

    if (status)
        return status;
    status = thrum_timeout_end(&timeout, thrum_event_wait(&service->stop));
    return status == THRUM_ETIMEOUT ? 0 : status ? status : THRUM_ESHUTDOWN;
}

int thrum_service_next(thrum_service *service, void *item)
{
    return service->item_bytes ? thrum_queue_get(&service->inbox, item) : -EINVAL;
}

/* A `handle` for each item. */
static int handle_all(thrum_service *service, void *arg)
{
    void *item = thrum_malloc(service->item_bytes);
    int status = item ? 0 : -ENOMEM;

    if (item)
        thrum_service_ready(service);
    while (!status && (status = thrum_service_next(service, item)) == 0) {
        status = service->handle(item, arg);
        thrum_add_relaxed_64(&service->handled, 1); /* relaxed: a counter */
        if (status >= 0 || status == THRUM_ECANCELED)
            continue;
        thrum_add_relaxed_64(&service->failed, 1); /* relaxed: a counter */
        thrum_error_free(thrum_fail_take(status));
        status = 0;
    }
    thrum_free(item);
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

/* It has failed. Wait until it is to be run again; false: it is not. */
static bool run_again(thrum_service *service, int status)
{
    if (status >= 0 || status == THRUM_ECANCELED)
        return false;
    thrum_store_relaxed_64(&service->failure, (uint64_t)(int64_t)status); /* relaxed: a glance */
    if (!is_started(service) || service->restarts == 0)
        return false;
    set_state(service, THRUM_SERVICE_RESTARTING);
    if (thrum_service_pause(service, thrum_backoff_next(&service->backoff)))
        return false; /* it is to stop; what it has failed with is told */
    service->restarts--;
    thrum_add_relaxed_64(&service->restarted, 1); /* relaxed: a counter */
    thrum_error_free(thrum_fail_take(status));
    set_state(service, THRUM_SERVICE_RUNNING);
    return true;
}

static int supervise(void *arg)
{
    thrum_service *service = (thrum_service *)arg;
    int status;

    service->ran = true;
    do
        status = service->run(service, service->arg);
    while (run_again(service, status));
    service->status = status > 0 ? 0 : status;
    if (status >= 0 || status == THRUM_ECANCELED)
        return status;
    if (is_started(service) && !(service->flags & THRUM_CONTAINED))
        return status;
    service->error = thrum_fail_take(status);
    return 0;
}

/* The task has ended, or will never run. */
static void end(thrum_task *task, void *arg)
{
    thrum_service *service = (thrum_service *)arg;

    if (!service->ran)
        (void)thrum_task_ended(task, &service->status);
    set_state(service, THRUM_SERVICE_ENDED);
    if (service->item_bytes)
        thrum_queue_shutdown(&service->inbox, false);
    (void)thrum_promise_fail(&service->started, service->status ? service->status : THRUM_ESTATE);
    if (service->ended)
        thrum_event_set(service->ended);
}

/* ---- starting and stopping ------------------------------------------------------------------- */

static bool in_range(const thrum_service_options *options)
{
    return options->size == sizeof *options && !(options->flags & ~THRUM_CONTAINED) &&
           !options->run != !options->handle && (!options->handle || options->item_bytes);
}

static int init(thrum_service *service, const thrum_service_options *options)
{
    thrum_queue_options queue = THRUM_QUEUE_OPTIONS_INIT;

    if (!in_range(options))
        return -EINVAL;
    *service = (thrum_service){
        .stop = THRUM_EVENT_INIT,
        .started = THRUM_PROMISE_INIT(NULL, 0),
        .run = options->run ? options->run : handle_all,
        .handle = options->handle,
        .arg = options->arg,
        .ended = options->ended,
        .item_bytes = options->item_bytes,
        .restarts = options->restarts,
        .flags = options->flags,
    };
    if (thrum_backoff_init(&service->backoff, options->backoff))
        return -EINVAL;
    queue.limit = options->limit;
    return options->item_bytes ? thrum_queue_init(&service->inbox, options->item_bytes, &queue) : 0;
}

/* The task has ended, or there is none. */
static void fini(thrum_service *service)
{
    if (service->task) {
        (void)thrum_task_off_end(service->task, &service->done);
        thrum_task_unref(service->task);
        service->task = NULL;
    }
    thrum_error_free(service->error); /* nobody was told: it was cancelled as it failed */
    thrum_promise_destroy(&service->started);
    thrum_event_destroy(&service->stop);
    if (service->item_bytes)
        thrum_queue_destroy(&service->inbox);
}

/* Until it has ended, come what may. THRUM_ECANCELED: the caller was cancelled, and it with him. */
static int await_end(thrum_service *service)
{
    int status = thrum_task_join(service->task, NULL);
    thrum_shield shield;

    if (status == 0 || status == THRUM_ECANCELED)
        return status;
    thrum_shield_begin(&shield);
    while (thrum_task_join(service->task, NULL))
        (void)thrum_yield(); /* no memory to sleep with */
    return thrum_shield_end(&shield);
}

/* It has ended, like this, and is gone. */
static thrum_outcome bury(thrum_service *service)
{
    thrum_outcome outcome = {THRUM_OK, 0, NULL};

    if (thrum_task_off_end(service->task, &service->done))
        end(service->task, service); /* who joins may be faster than what is called at the end */
    (void)thrum_task_outcome(service->task, &outcome);
    if (outcome.kind == THRUM_OK && service->status < 0) { /* contained: the task has ended well */
        outcome = (thrum_outcome){THRUM_FAILED, service->status, service->error};
        service->error = NULL;
    }
    fini(service);
    return outcome;
}

/* The same, and the caller says what a failure that is not the group's has said. */
static int bury_and_tell(thrum_service *service)
{
    bool contained = service->error != NULL;
    thrum_outcome outcome = bury(service);

    if (contained)
        (void)thrum_fail_with(outcome.error);
    else
        thrum_error_free(outcome.error);
    return outcome.status < 0 ? outcome.status : 0;
}

int thrum_service_start(thrum_service *service, thrum_group *group,
                        const thrum_service_options *options)
{
    thrum_task_options task = THRUM_TASK_OPTIONS_INIT;
    int waited, started = 0, status = init(service, options);

    if (status)
        return status;
    task.name = options->name;
    status = thrum_group_spawn(group, supervise, service, &task, &service->task);
    if (status) {
        fini(service);
        return status;
    }
    thrum_task_on_end(service->task, &service->done, end, service);
    waited = thrum_promise_wait(&service->started, NULL);
    if (waited == 0)
        return 0;
    if (!thrum_promise_resolved(&service->started, &started) || started == 0)
        (void)thrum_task_cancel(service->task, waited, "its start was given up");
    else
        waited = 0;
    if (await_end(service))
        waited = THRUM_ECANCELED;
    status = bury_and_tell(service);
    return waited ? waited : status ? status : THRUM_ESTATE;
}

/* At most so long. True: it has ended. */
static bool ends_within(thrum_service *service, int64_t patience, int *status)
{
    thrum_timeout timeout;

    *status = thrum_timeout_begin(&timeout, patience);
    if (!*status)
        *status = thrum_timeout_end(&timeout, thrum_shield_join(service->task, NULL));
    return *status == 0;
}

/* For who wants no outcome; `stopped`: what became of the stop. */
static int in_one(thrum_service *service, int stopped, bool at_once)
{
    int status = bury_and_tell(service);

    if (stopped == THRUM_ECANCELED || status == 0)
        return stopped;
    if (status == THRUM_ECANCELED)
        return at_once ? 0 : stopped ? stopped : status;
    return status;
}

int thrum_service_stop(thrum_service *service, int64_t patience, thrum_outcome *outcome)
{
    int stopped = 0;

    if (patience < 0)
        return -EINVAL;
    if (!service->task)
        return THRUM_ESTATE;
    if (thrum_task_needs_me(service->task))
        return -EDEADLK;
    set_state(service, THRUM_SERVICE_STOPPING);
    if (service->item_bytes)
        thrum_queue_shutdown(&service->inbox, false);
    thrum_event_set(&service->stop);
    if (patience == 0)
        (void)thrum_task_cancel(service->task, THRUM_ESHUTDOWN, "it was stopped");
    else if (!ends_within(service, patience, &stopped))
        (void)thrum_task_cancel(service->task, stopped, "it did not stop in time");
    if (await_end(service))
        stopped = THRUM_ECANCELED;
    if (!outcome)
        return in_one(service, stopped, patience == 0);
    *outcome = bury(service);
    return stopped;
}

int thrum_service_submit(thrum_service *service, const void *item)
{
    return service->item_bytes ? thrum_queue_put(&service->inbox, item) : -EINVAL;
}

int thrum_service_try_submit(thrum_service *service, const void *item)
{
    return service->item_bytes ? thrum_queue_try_put(&service->inbox, item) : -EINVAL;
}
