/*
 * verdict.c - what was not as expected, counted and told.
 *
 * One test runs at a time in a process, so that all its tasks and threads share
 * one verdict. The lock is held for some stores; nothing waits under it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/kit/kit.h"

#define LINE 1024

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint32_t failures; /* mutex */
static bool skipped;      /* mutex */
static bool mute;         /* changes while no test runs */

void thrum_kit_verdict_begin(void)
{
    pthread_mutex_lock(&mutex);
    failures = 0;
    skipped = false;
    pthread_mutex_unlock(&mutex);
}

void thrum_kit_mute(bool muted)
{
    mute = muted;
}

bool thrum_kit_skipped(void)
{
    bool was;

    pthread_mutex_lock(&mutex);
    was = skipped;
    pthread_mutex_unlock(&mutex);
    return was;
}

uint32_t thrum_test_failures(void)
{
    uint32_t n;

    pthread_mutex_lock(&mutex);
    n = failures;
    pthread_mutex_unlock(&mutex);
    return n;
}

/* ---- telling --------------------------------------------------------------------------------- */

static void put(const char *text, size_t length)
{
    while (length > 0) {
        ssize_t wrote = write(STDERR_FILENO, text, length);

        if (wrote < 0 && errno != EINTR)
            return;
        if (wrote > 0) {
            text += wrote;
            length -= (size_t)wrote;
        }
    }
}

/* `text` has LINE bytes, `length` of which would be used by all there is to say. */
static void put_line(char *text, size_t length)
{
    if (mute)
        return;
    if (length > LINE - 2)
        length = LINE - 2;
    text[length] = '\n';
    put(text, length + 1);
}

void thrum_kit_say(const char *format, ...)
{
    char text[LINE];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put_line(text, length < 0 ? 0 : (size_t)length);
}

void thrum_test_fail(const struct thrum_site *site, const char *format, ...)
{
    char text[LINE];
    va_list args;
    size_t length =
        site ? (size_t)snprintf(text, sizeof text, "%s:%d: ", site->file, site->line) : 0;
    int more;

    if (length >= sizeof text)
        length = sizeof text - 1;
    va_start(args, format);
    more = vsnprintf(text + length, sizeof text - length, format, args);
    va_end(args);
    put_line(text, length + (more < 0 ? 0 : (size_t)more));
    pthread_mutex_lock(&mutex);
    failures++;
    pthread_mutex_unlock(&mutex);
}

int thrum_test_skip(const char *reason)
{
    thrum_kit_say("skipped: %s", reason);
    pthread_mutex_lock(&mutex);
    skipped = true;
    pthread_mutex_unlock(&mutex);
    return 0;
}

const char *thrum_kit_duration(int64_t ns, char *text, size_t size)
{
    snprintf(text, size, "%lld.%03d s", (long long)(ns / 1000000000), (int)(ns / 1000000 % 1000));
    return text;
}

/* ---- expectations ---------------------------------------------------------------------------- */

bool thrum_test_expect(bool held, const struct thrum_site *site, const char *text)
{
    if (!held)
        thrum_test_fail(site, "not true: %s", text);
    return held;
}

bool thrum_test_expect_values(bool held, intmax_t a, intmax_t b, const struct thrum_site *site,
                              const char *text)
{
    if (!held)
        thrum_test_fail(site, "not true: %s (%jd and %jd; %#jx and %#jx)", text, a, b, (uintmax_t)a,
                        (uintmax_t)b);
    return held;
}

bool thrum_test_expect_text(const char *a, const char *b, const struct thrum_site *site,
                            const char *text)
{
    bool held = a && b ? strcmp(a, b) == 0 : a == b;

    if (!held)
        thrum_test_fail(site, "not true: %s\n  left:  %s\n  right: %s", text, a ? a : "(null)",
                        b ? b : "(null)");
    return held;
}

static const char *name_of(int status, char *text, size_t size)
{
    if (status < 0)
        return thrum_errname(status);
    snprintf(text, size, "%d", status);
    return text;
}

bool thrum_test_expect_status(int status, int wanted, const struct thrum_site *site,
                              const char *text)
{
    char is[16], was_to_be[16];

    if (status == wanted)
        return true;
    thrum_test_fail(site, "%s returned %s, not %s", text, name_of(status, is, sizeof is),
                    name_of(wanted, was_to_be, sizeof was_to_be));
    return false;
}

int thrum_test_require_ok(int status, const struct thrum_site *site, const char *text)
{
    if (status < 0 && status != THRUM_ECANCELED)
        thrum_test_fail(site, "%s failed: %s: %s", text, thrum_errname(status),
                        thrum_strerror(status));
    return status;
}
