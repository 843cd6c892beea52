/* status.c - names and sentences of status codes. */
#include <thrum/types.h>

#include <limits.h>
#include <string.h>

static const struct {
    int status;
    const char *name;
    const char *text;
} own[] = {
    {THRUM_EGROUP, "THRUM_EGROUP", "a task of the group failed"},
    {THRUM_ESTATE, "THRUM_ESTATE", "not possible in this state of the object's life"},
    {THRUM_ENESTED, "THRUM_ENESTED",
     "a runtime cannot be started, changed or closed from inside a task"},
    {THRUM_ELAYOUT, "THRUM_ELAYOUT",
     "the program was compiled with headers of another version than the library's"},
    {THRUM_ECANCELED, "THRUM_ECANCELED", "cancelled"},
    {THRUM_ETIMEOUT, "THRUM_ETIMEOUT", "the timeout expired"},
    {THRUM_EDEADLOCK, "THRUM_EDEADLOCK", "every task waited and nothing could wake one"},
    {THRUM_EFOREIGN, "THRUM_EFOREIGN", "an object of another runtime"},
    {THRUM_ESHUTDOWN, "THRUM_ESHUTDOWN", "it is shutting down and takes no more"},
    {THRUM_EBROKEN, "THRUM_EBROKEN", "a barrier was broken or a promise was not kept"},
    {THRUM_ECLOSED, "THRUM_ECLOSED", "no more is wanted of it: it shall end"},
    {THRUM_ELIVELOCK, "THRUM_ELIVELOCK", "the simulated run did not end"},
    {THRUM_ECRASHED, "THRUM_ECRASHED", "the simulated run has ended its process"},
    {THRUM_EUNORDERED, "THRUM_EUNORDERED", "no order of the calls explains their history"},
    {THRUM_ECHECK, "THRUM_ECHECK", "something was not as the test expected"},
    {THRUM_ELEFT, "THRUM_ELEFT", "the simulated run has ended and left something behind"},
    {THRUM_ERACE, "THRUM_ERACE", "tasks of the simulated run shared data that nothing orders"},
    {THRUM_EDIVERGED, "THRUM_EDIVERGED", "the simulated run was repeated and was not the same"},
};

/* The errno that the status stands for; there is none so large as INT_MAX. */
static int errno_of(int status)
{
    return status == INT_MIN ? INT_MAX : -status;
}

const char *thrum_errname(int status)
{
    const char *name;

    if (status >= 0)
        return "OK";
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (own[i].status == status)
            return own[i].name;
    name = strerrorname_np(errno_of(status));
    return name ? name : "unknown status";
}

const char *thrum_strerror(int status)
{
    const char *text;

    if (status >= 0)
        return "success";
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (own[i].status == status)
            return own[i].text;
    text = strerrordesc_np(errno_of(status));
    return text ? text : "unknown status";
}
