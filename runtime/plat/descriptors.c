/* descriptors.c - one poll says of each number whether it is a descriptor. */
#include "runtime/plat/descriptors.h"

#include <poll.h>
#include <sys/resource.h>

static unsigned numbers(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > DESCRIPTORS_MOST)
        return DESCRIPTORS_MOST;
    return (unsigned)limit.rlim_cur; /* poll takes no more */
}

void thrum_descriptors_open(struct descriptors_open *open)
{
    struct pollfd all[DESCRIPTORS_MOST];
    unsigned n = numbers();

    *open = (struct descriptors_open){{0}};
    for (unsigned fd = 0; fd < n; fd++)
        all[fd] = (struct pollfd){.fd = (int)fd};
    if (poll(all, n, 0) < 0)
        return;
    for (unsigned fd = 0; fd < n; fd++)
        if (!(all[fd].revents & POLLNVAL))
            open->bits[fd / 64] |= (uint64_t)1 << fd % 64;
}
