/*
 * guest_glib - Thrum's tasks inside of GLib's main loop.
 *
 * As guest_libuv, with one source of GLib's that stands for the runtime: its
 * descriptor, and its next timer's time. Prints
 *
 *     ticks: some
 *     naps: 30
 *     calls: 3
 *
 * Build it with `cc guest_glib.c -lthrum $(pkg-config --cflags --libs glib-2.0)`.
 */
#include <glib.h>
#include <stdio.h>
#include <thrum/thrum.h>

#define NAPS 10
#define SLEEPERS 3

/* All of it is the loop's thread's own. */
struct guest {
    GSource source; /* first */
    thrum_runtime *runtime;
    GMainLoop *loop;
    int ticks, naps, calls, left;
};

/* ---- the runtime as a guest ------------------------------------------------------------------ */

static gboolean turn(GSource *source, GSourceFunc callback, gpointer data)
{
    struct guest *guest = (struct guest *)source;
    int64_t next;

    (void)callback;
    (void)data;
    if (thrum_turn(guest->runtime, thrum_ms(2), &next) != 0)
        return G_SOURCE_REMOVE;
    g_source_set_ready_time(source, next == THRUM_FOREVER
                                        ? -1
                                        : g_get_monotonic_time() + (next + 999) / 1000);
    if (guest->left == 0)
        g_main_loop_quit(guest->loop);
    return G_SOURCE_CONTINUE;
}

/* A source with a descriptor and a ready time needs no more. */
static GSourceFuncs functions = {.dispatch = turn};

static struct guest *guest_new(GMainLoop *loop)
{
    thrum_options options = THRUM_OPTIONS_INIT;
    GSource *source = g_source_new(&functions, sizeof(struct guest));
    struct guest *guest = (struct guest *)source;

    options.flags = THRUM_GUEST;
    if (thrum_runtime_create(&guest->runtime, &options) != 0)
        return NULL;
    guest->loop = loop;
    g_source_add_unix_fd(source, thrum_poll_fd(guest->runtime), G_IO_IN);
    g_source_attach(source, NULL);
    return guest;
}

/* ---- the program --------------------------------------------------------------------------------- */

static gboolean on_tick(gpointer data)
{
    struct guest *guest = data;

    guest->ticks++;
    return G_SOURCE_CONTINUE;
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
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    struct guest *guest = guest_new(loop);
    guint ticks;
    int status = 0;

    if (!guest)
        return 1;
    guest->left = SLEEPERS;
    for (int i = 0; i < SLEEPERS && !status; i++)
        status = thrum_post(guest->runtime, sleeper, guest);
    ticks = g_timeout_add(1, on_tick, guest);
    if (!status)
        g_main_loop_run(loop);
    g_source_remove(ticks);
    g_source_destroy(&guest->source);
    status = status ? status : thrum_runtime_close(guest->runtime);
    printf("ticks: %s\nnaps: %d\ncalls: %d\n", guest->ticks > 0 ? "some" : "none", guest->naps,
           guest->calls);
    g_source_unref(&guest->source);
    g_main_loop_unref(loop);
    return status != 0;
}
