/* probe.c - what a call does to who makes it. */
#include <errno.h>

#include "runtime/kit/kit.h"

void thrum_probe_begin(thrum_probe *probe, enum thrum_probe_kind kind)
{
    probe->kind = kind;
    probe->turn = thrum_self_turn();
    if (kind == THRUM_PROBE_YIELDS)
        return;
    (void)!thrum_scope_begin(&probe->scope, 0); /* cannot fail: there are no flags */
    thrum_scope_cancel(&probe->scope, THRUM_ECANCELED, "a probe");
}

static bool check(bool held, const struct thrum_site *site, const char *text, const char *what,
                  int status)
{
    if (!held)
        thrum_test_fail(site, "%s %s (it returned %s)", text, what, thrum_errname(status));
    return held;
}

bool thrum_probe_end(thrum_probe *probe, int status, const struct thrum_site *site,
                     const char *text)
{
    bool yielded = thrum_self_turn() != probe->turn;
    bool pending;

    if (probe->kind == THRUM_PROBE_YIELDS)
        return check(yielded, site, text, "does not let others have their turn", status);
    pending = thrum_cancel_pending();
    (void)thrum_scope_end(&probe->scope, status);
    if (probe->kind == THRUM_PROBE_CANCELS)
        return check(!pending && status == THRUM_ECANCELED, site, text,
                     "does not notice that its scope is cancelled", status);
    yielded = !check(!yielded, site, text, "lets others have their turn", status);
    return check(pending, site, text, "is where a cancel is delivered", status) && !yielded;
}
