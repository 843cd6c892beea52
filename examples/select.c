/*
 * select.c - a worker that listens to several things at once: urgent orders before others, room
 * for what it has made, the end of its shift, and its patience.
 *
 * A select waits for the first of its cases, and of the others nothing happens: no item is taken
 * from a queue that was not chosen, and nobody's place in line is lost. With THRUM_SELECT_ORDERED
 * the cases' order is their priority.
 *
 * Prints:
 *     urgent 7
 *     urgent 8
 *     order 1
 *     order 2
 *     nothing to do
 *     order 3
 *     the shift is over
 *     room for 100, not for 101
 *     nobody takes 101 in time
 *     taken: 100
 *     sent 101
 */
#include <stdio.h>

#include <thrum/macros.h>
#include <thrum/thrum.h>

struct shop {
    thrum_queue urgent;
    thrum_queue orders;
    thrum_event idle;
    thrum_event closing;
};

static int serve(void *arg)
{
    struct shop *shop = arg;
    int order;
    thrum_case cases[] = {thrum_case_get(&shop->urgent, &order),
                          thrum_case_get(&shop->orders, &order), thrum_case_event(&shop->closing),
                          thrum_case_now()};
    size_t n = 4; /* the last one: look, do not wait */
    bool closes = false;

    for (;;) {
        int chosen = thrum_select(cases, n, THRUM_SELECT_ORDERED);

        if (chosen < 0)
            return chosen; /* cancelled: nothing was taken */
        switch (chosen) {
        case 0:
            printf("urgent %d\n", order);
            break;
        case 1:
            printf("order %d\n", order);
            break;
        case 2:
            if (closes) {
                printf("the shift is over\n");
                return 0;
            }
            closes = true; /* an order may have come between the looks at the cases: */
            cases[2] = thrum_case_now(); /* serve what is left */
            break;
        default:
            printf("nothing to do\n");
            thrum_event_set(&shop->idle);
            n = 3; /* from now on, wait */
        }
    }
}

static int put(thrum_queue *queue, int order)
{
    return thrum_queue_put(queue, &order);
}

static int keep_shop(struct shop *shop)
{
    thrum_group group;
    int status = thrum_group_open(&group, NULL);

    if (status)
        return status;
    for (int i = 1; i <= 2 && !status; i++)
        status = put(&shop->orders, i);
    for (int i = 7; i <= 8 && !status; i++)
        status = put(&shop->urgent, i);
    if (!status)
        status = thrum_group_spawn(&group, serve, shop, NULL, NULL);
    if (!status)
        status = thrum_event_wait(&shop->idle);
    if (!status)
        status = put(&shop->orders, 3); /* it comes before the end of the shift: so it is served */
    thrum_event_set(&shop->closing);
    return thrum_group_close(&group, status, NULL);
}

/* Send, but not at any price: a queue that stays full is one case, the time another. */
static int send(thrum_queue *queue, int parcel, int64_t patience)
{
    thrum_case cases[] = {thrum_case_put(queue, &parcel), thrum_case_after(patience)};
    int chosen = THRUM_SELECT(cases, THRUM_SELECT_ORDERED);

    return chosen == 0 ? cases[0].result : chosen == 1 ? THRUM_ETIMEOUT : chosen;
}

static int send_parcels(void)
{
    thrum_queue_options one = THRUM_QUEUE_OPTIONS_INIT;
    thrum_queue van;
    int parcel;
    int status;

    one.limit = 1;
    status = thrum_queue_init(&van, sizeof(int), &one);
    if (status)
        return status;
    if (send(&van, 100, 0) == 0 && send(&van, 101, 0) == THRUM_ETIMEOUT)
        printf("room for 100, not for 101\n");
    if (send(&van, 101, thrum_ms(1)) == THRUM_ETIMEOUT)
        printf("nobody takes 101 in time\n");
    status = thrum_queue_get(&van, &parcel);
    if (!status) {
        printf("taken: %d\n", parcel);
        status = send(&van, 101, THRUM_FOREVER);
    }
    if (!status)
        printf("sent 101\n");
    thrum_queue_destroy(&van);
    return status;
}

static int root(void *arg)
{
    struct shop shop = {.idle = THRUM_EVENT_INIT, .closing = THRUM_EVENT_INIT};
    int status = thrum_queue_init(&shop.urgent, sizeof(int), NULL);

    (void)arg;
    if (status)
        return status;
    status = thrum_queue_init(&shop.orders, sizeof(int), NULL);
    if (!status) {
        status = keep_shop(&shop);
        thrum_queue_destroy(&shop.orders);
    }
    thrum_queue_destroy(&shop.urgent);
    thrum_event_destroy(&shop.idle);
    thrum_event_destroy(&shop.closing);
    return status ? status : send_parcels();
}

int main(void)
{
    return thrum_run(root, NULL, NULL, NULL) ? 1 : 0;
}
