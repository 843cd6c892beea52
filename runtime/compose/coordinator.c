/*
 * coordinator.c - several services as one.
 *
 * The order is found before anything is started: of those that are not placed, the
 * first that needs nobody who is not placed yet (Kahn 1962). parts[i].order says which one
 * was the i-th.
 */
#include <thrum/coordinator.h>

#include <errno.h>

#include <thrum/error.h>
#include <thrum/fault.h>

static bool in_range(const thrum_part *parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < parts[i].needs_count; k++)
            if (parts[i].needs[k] >= n)
                return false;
    return true;
}

static bool has_all(const thrum_part *parts, const thrum_part *part)
{
    for (size_t k = 0; k < part->needs_count; k++)
        if (!parts[part->needs[k]].placed)
            return false;
    return true;
}

/* The next one to be started; n: there is none. */
static size_t next(const thrum_part *parts, size_t n)
{
    size_t i = 0;

    while (i < n && (parts[i].placed || !has_all(parts, &parts[i])))
        i++;
    return i;
}

/* Find the order without starting anything. False: there is a circle. */
static bool put_in_order(thrum_part *parts, size_t n)
{
    size_t place = 0;

    for (size_t i = 0; i < n; i++) {
        parts[i].placed = false;
        parts[i].error = NULL;
    }
    for (size_t i = 0; i < n && place < n; i++) {
        place = next(parts, n);
        parts[i].order = place;
        if (place < n)
            parts[place].placed = true;
    }
    return place < n || n == 0;
}

static int start(thrum_coordinator *coordinator, thrum_group *group, const thrum_part *part)
{
    thrum_service_options options = *part->options;

    options.flags |= THRUM_CONTAINED;
    options.ended = &coordinator->ended;
    return thrum_service_start(part->service, group, &options);
}

/* One has failed, and this is what the calling task has to say of it. */
static thrum_error *take_error(const thrum_part *part, int status)
{
    thrum_error *said = thrum_fail_take(status);
    const char *name = part->options->name;
    thrum_error *error =
        thrum_error_wrap(status, said, "the service %s failed", name ? name : "without a name");

    thrum_error_free(said);
    return error;
}

/* In reverse order. The gravest of 0, THRUM_ETIMEOUT and THRUM_ECANCELED; *failures is counted up. */
static int stop_all(thrum_coordinator *coordinator, size_t *failures)
{
    int gravest = 0;

    while (coordinator->started) {
        thrum_part *part = &coordinator->parts[coordinator->parts[--coordinator->started].order];
        int64_t patience = gravest == THRUM_ECANCELED ? 0 : part->patience;
        int status = thrum_service_stop(part->service, patience, NULL);

        if (status == THRUM_ECANCELED || (status == THRUM_ETIMEOUT && gravest == 0))
            gravest = status;
        if (status >= 0 || status == THRUM_ECANCELED || status == THRUM_ETIMEOUT)
            continue;
        part->error = take_error(part, status);
        ++*failures;
    }
    return gravest;
}

/* All that parts failed with, as a tree; NULL if there is no memory for it. */
static thrum_error *merge(thrum_part *parts, size_t n)
{
    thrum_error **all = (thrum_error **)thrum_malloc(n * sizeof *all);
    thrum_error *tree = NULL;

    for (size_t i = 0; i < n && all; i++)
        all[i] = parts[i].error;
    if (all && thrum_error_merge("services", all, n, &tree))
        tree = NULL;
    for (size_t i = 0; i < n; i++)
        thrum_error_free(parts[i].error);
    thrum_free(all);
    return tree;
}

int thrum_coordinator_start(thrum_coordinator *coordinator, thrum_group *group, thrum_part *parts,
                            size_t n)
{
    *coordinator = (thrum_coordinator){parts, n, 0, THRUM_EVENT_INIT};
    if (!in_range(parts, n))
        return -EINVAL;
    if (!put_in_order(parts, n))
        return -ELOOP;
    for (size_t i = 0; i < n; i++) {
        const thrum_part *part = &parts[parts[i].order];
        int status = start(coordinator, group, part);
        thrum_error *error, *others = NULL;

        if (!status) {
            coordinator->started++;
            continue;
        }
        error = status == THRUM_ECANCELED ? NULL : take_error(part, status);
        (void)!thrum_coordinator_stop(coordinator, 0, &others);
        thrum_error_free(others);
        return error ? thrum_fail_with(error) : status;
    }
    return 0;
}

int thrum_coordinator_wait(thrum_coordinator *coordinator)
{
    return thrum_event_wait(&coordinator->ended);
}

int thrum_coordinator_stop(thrum_coordinator *coordinator, int status, thrum_error **errors)
{
    size_t failures = 0;
    int gravest = stop_all(coordinator, &failures);
    thrum_error *tree = failures ? merge(coordinator->parts, coordinator->n) : NULL;

    thrum_event_destroy(&coordinator->ended);
    if (errors)
        *errors = tree;
    else if (tree)
        (void)thrum_fail_with(tree);
    if (failures)
        return THRUM_EGROUP;
    return status < 0 || gravest == 0 ? status : gravest;
}
