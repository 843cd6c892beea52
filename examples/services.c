/*
 * services.c - three background services that need each other, and a batcher between two of them.
 *
 * They are started in the order of their needs, each when those before it are ready, and stopped in
 * reverse when one has failed: each finishes what it was given before.
 *
 * Prints:
 *     storage is ready
 *     journal is ready
 *     clerk is ready
 *     journal fails
 *     clerk has stopped, with 5 letters filed
 *     storage has stopped, with 5 letters in it
 *     EIO: the service journal failed, caused by: no more ink
 */
#include <errno.h>
#include <stdio.h>

#include <thrum/thrum.h>

enum { LETTERS = 5 };

struct office {
    thrum_group *group;
    thrum_service storage, journal, clerk;
    thrum_batcher batcher;
    int stored;
    int filed;
};

/* ---- storage: keeps letters, several at a time ------------------------------------------------ */

static int store(void **letters, int *statuses, size_t n, void *context)
{
    struct office *office = context;

    (void)letters;
    (void)statuses;
    office->stored += (int)n;
    return 0;
}

static int run_storage(thrum_service *service, void *arg)
{
    struct office *office = arg;
    thrum_batcher_options options = THRUM_BATCHER_OPTIONS_INIT;
    int closed, status;

    options.flush = store;
    options.context = office;
    status = thrum_batcher_open(&office->batcher, office->group, &options);
    if (status)
        return status;
    printf("storage is ready\n");
    thrum_service_ready(service);
    status = thrum_service_pause(service, THRUM_FOREVER);
    closed = thrum_batcher_close(&office->batcher);
    printf("storage has stopped, with %d letters in it\n", office->stored);
    return closed ? closed : status == THRUM_ESHUTDOWN ? 0 : status;
}

/* ---- journal: fails after a while ------------------------------------------------------------- */

static int run_journal(thrum_service *service, void *arg)
{
    int page, status;

    (void)arg;
    printf("journal is ready\n");
    thrum_service_ready(service);
    status = thrum_service_next(service, &page);
    if (status)
        return status == THRUM_ESHUTDOWN ? 0 : status;
    printf("journal fails\n");
    return thrum_fail(-EIO, "no more ink");
}

/* ---- clerk: files letters, one at a time ------------------------------------------------------ */

static int run_clerk(thrum_service *service, void *arg)
{
    struct office *office = arg;
    int letter, status;

    printf("clerk is ready\n");
    thrum_service_ready(service);
    while ((status = thrum_service_next(service, &letter)) == 0) {
        status = thrum_batcher_submit(&office->batcher, &letter);
        if (status)
            break;
        office->filed++;
    }
    printf("clerk has stopped, with %d letters filed\n", office->filed);
    return status == THRUM_ESHUTDOWN ? 0 : status;
}

/* ---- the office ------------------------------------------------------------------------------- */

static thrum_service_options service(const char *name, thrum_service_fn run, struct office *office)
{
    thrum_service_options options = THRUM_SERVICE_OPTIONS_INIT;

    options.name = name;
    options.run = run;
    options.arg = office;
    options.item_bytes = sizeof(int);
    return options;
}

/* Hand out the work, and wait until one of them has ended. */
static int work(struct office *office, thrum_coordinator *all)
{
    int status = 0, page = 1;

    for (int i = 0; i < LETTERS && !status; i++)
        status = thrum_service_submit(&office->clerk, &i);
    if (!status)
        status = thrum_service_submit(&office->journal, &page);
    return status ? status : thrum_coordinator_wait(all);
}

static int open_office(struct office *office)
{
    static const size_t needs[] = {0, 1}; /* storage, journal */
    thrum_service_options storage = service("storage", run_storage, office);
    thrum_service_options journal = service("journal", run_journal, office);
    thrum_service_options clerk = service("clerk", run_clerk, office);
    thrum_part parts[] = {
        {.service = &office->storage, .options = &storage, .patience = thrum_s(60)},
        {.service = &office->journal,
         .options = &journal,
         .needs = needs,
         .needs_count = 1,
         .patience = thrum_s(60)},
        {.service = &office->clerk,
         .options = &clerk,
         .needs = needs,
         .needs_count = 2,
         .patience = thrum_s(60)},
    };
    thrum_coordinator all;
    thrum_error *errors;
    int status = thrum_coordinator_start(&all, office->group, parts, 3);

    if (status)
        return status;
    status = thrum_coordinator_stop(&all, work(office, &all), &errors);
    if (status == THRUM_EGROUP) {
        const thrum_error *first = thrum_error_child(errors, 0);

        printf("%s: %s, caused by: %s\n", thrum_errname(thrum_error_code(first)),
               thrum_error_message(first), thrum_error_message(thrum_error_cause(first)));
        status = 0; /* as it was meant to be */
    }
    thrum_error_free(errors);
    return status;
}

static int root(void *arg)
{
    struct office office = {.stored = 0};
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    (void)arg;
    if (status)
        return status;
    office.group = &group;
    return thrum_group_close(&group, open_office(&office), NULL);
}

int main(void)
{
    return thrum_run(root, NULL, NULL, NULL) ? 1 : 0;
}
