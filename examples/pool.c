/*
 * pool.c - ten tasks share three connections.
 *
 * A connection is made when there is none to be had and there are not three yet, lent to one task
 * at a time, and used again. One breaks: it is not lent any more, and another one is made.
 *
 * Prints:
 *     50 queries, 49 answers
 *     never more than 3 connections
 *     all of them are closed
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <thrum/thrum.h>

enum { TASKS = 10, QUERIES = 5, CONNECTIONS = 3 };

struct connection {
    int queries;
};

struct database {
    thrum_pool pool;
    thrum_mutex mutex; /* for the counters */
    int open;
    int most;
    int queries;
    int answers;
};

/* Add to a counter, and say what it is then; or why not. */
static int add(struct database *database, int *counter, int n)
{
    int status = thrum_mutex_lock(&database->mutex);

    if (status)
        return status;
    status = *counter += n;
    if (database->most < database->open)
        database->most = database->open;
    thrum_mutex_unlock(&database->mutex);
    return status;
}

static int connect_to(void **resource, void *context)
{
    struct database *database = context;
    struct connection *connection = calloc(1, sizeof *connection);
    int status = connection ? add(database, &database->open, 1) : -ENOMEM;

    if (status < 0) {
        free(connection);
        return status;
    }
    *resource = connection;
    return 0;
}

static void disconnect(void *resource, void *context)
{
    struct database *database = context;

    (void)add(database, &database->open, -1); /* no cancel gets in here */
    free(resource);
}

/* The fifth query of all breaks its connection. */
static int query(struct database *database, struct connection *connection)
{
    int number = add(database, &database->queries, 1);
    int status = number < 0 ? number : thrum_yield(); /* a round trip */

    if (status)
        return status;
    connection->queries++;
    return number == 5 ? -EPIPE : 0;
}

static int ask(void *arg)
{
    struct database *database = arg;
    int status = 0;

    for (int i = 0; i < QUERIES && status >= 0; i++) {
        thrum_pooled *lent;

        status = thrum_pool_acquire(&database->pool, &lent);
        if (status)
            return status;
        status = query(database, lent->resource);
        if (status == -EPIPE) {
            status = thrum_pool_discard(&database->pool, lent);
            continue;
        }
        (void)thrum_pool_release(&database->pool, lent);
        if (!status)
            status = add(database, &database->answers, 1);
    }
    return status < 0 ? status : 0;
}

static int ask_all(struct database *database)
{
    thrum_child children[TASKS];
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (status)
        return status;
    for (int i = 0; i < TASKS && !status; i++)
        status = thrum_group_spawn_child(&group, &children[i], ask, database);
    return thrum_group_close(&group, status, NULL);
}

static int root(void *arg)
{
    thrum_pool_options options = THRUM_POOL_OPTIONS_INIT;
    struct database database = {.mutex = THRUM_MUTEX_INIT};
    thrum_shield shield;
    int status;

    (void)arg;
    options.limit = CONNECTIONS;
    options.create = connect_to;
    options.destroy = disconnect;
    options.context = &database;
    status = thrum_pool_init(&database.pool, &options);
    if (status)
        return status;
    status = ask_all(&database);
    thrum_shield_begin(&shield); /* however it went */
    if (thrum_pool_close(&database.pool) == 0)
        (void)thrum_pool_destroy(&database.pool);
    if (thrum_shield_end(&shield) && !status)
        status = THRUM_ECANCELED;
    if (status)
        return status;
    printf("%d queries, %d answers\n", database.queries, database.answers);
    if (database.most <= CONNECTIONS)
        printf("never more than %d connections\n", CONNECTIONS);
    if (database.open == 0)
        printf("all of them are closed\n");
    return 0;
}

int main(void)
{
    return thrum_run(root, NULL, NULL, NULL) ? 1 : 0;
}
