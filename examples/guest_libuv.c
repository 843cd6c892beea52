/*
 * guest_libuv - Thrum's tasks inside of libuv's loop.
 *
 * Tasks run on the loop's thread, between its callbacks: here a timer of the
 * loop ticks, tasks sleep and call threads meanwhile, and count in the same plain
 * variable as the timer. Prints
 *
 *     ticks: some
 *     naps: 30
 *     calls: 3
 *
 * Build it with `cc guest_libuv.c -lthrum $(pkg-config --cflags --libs libuv)`.
 */
#include <stdio.h>
#include <thrum/thrum.h>
#include <uv.h>

#define NAPS 10
#define SLEEPERS 3

/* All of it is the loop's thread's own. */
struct guest {
    thrum_runtime *runtime;
    uv_poll_t poll;
    uv_timer_t timer; /* for the runtime's timers */
    uv_timer_t tick;  /* the program's own */
    int ticks, naps, calls, left;
};

static void stop(struct guest *guest)
{
    uv_close((uv_handle_t *)&guest->poll, NULL);
    uv_close((uv_handle_t *)&guest->timer, NULL);
    uv_close((uv_handle_t *)&guest->tick, NULL);
}

/* ---- the runtime as a guest ------------------------------------------------------------------ */

static void turn(struct guest *guest);

static void on_time(uv_timer_t *timer)
{
    turn(timer->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    turn(poll->data);
}

static void turn(struct guest *guest)
{
    int64_t next;

    if (thrum_turn(guest->runtime, thrum_ms(2), &next) != 0)
        return;
    if (next == THRUM_FOREVER)
        uv_timer_stop(&guest->timer);
    else
        uv_timer_start(&guest->timer, on_time, (uint64_t)(next + 999999) / 1000000, 0);
    if (guest->left == 0)
        stop(guest);
}

static int enter_loop(struct guest *guest, uv_loop_t *loop)
{
    guest->poll.data = guest;
    guest->timer.data = guest;
    uv_timer_init(loop, &guest->timer);
    uv_poll_init(loop, &guest->poll, thrum_poll_fd(guest->runtime));
    return uv_poll_start(&guest->poll, UV_READABLE, on_readable);
}

/* ---- the program --------------------------------------------------------------------------------- */

static void on_tick(uv_timer_t *timer)
{
    struct guest *guest = timer->data;

    guest->ticks++;
}

static int call(void *arg)
{
    (void)arg; /* on a thread of its own: nothing of the loop's */
    return 1;
}

static int sleeper(void *arg)
{
    struct guest *guest = arg;

    for (int i = 0; i < NAPS; i++) {
        int status = thrum_sleep(thrum_ms(1));

        if (status)
            return status;
        guest->naps++;
    }
    if (thrum_to_thread(NULL, call, NULL) == 1)
        guest->calls++;
    guest->left--;
    return 0;
}

int main(void)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    struct guest guest = {.left = SLEEPERS};
    uv_loop_t *loop = uv_default_loop();
    int status;

    options.flags = THRUM_GUEST;
    status = thrum_runtime_create(&guest.runtime, &options);
    if (!status)
        status = enter_loop(&guest, loop);
    for (int i = 0; i < SLEEPERS && !status; i++)
        status = thrum_post(guest.runtime, sleeper, &guest);
    if (status) {
        fprintf(stderr, "guest_libuv: %s\n", thrum_strerror(status));
        return 1;
    }
    guest.tick.data = &guest;
    uv_timer_init(loop, &guest.tick);
    uv_timer_start(&guest.tick, on_tick, 1, 1);
    uv_run(loop, UV_RUN_DEFAULT);
    status = thrum_runtime_close(guest.runtime);
    printf("ticks: %s\nnaps: %d\ncalls: %d\n", guest.ticks > 0 ? "some" : "none", guest.naps,
           guest.calls);
    return status || uv_loop_close(loop);
}
