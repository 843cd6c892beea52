/* code.c - names of places in code: dladdr, which all C libraries of ours have. */
#include "runtime/plat/code.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

void thrum_code_tell(const void *where, char *text, size_t size)
{
    const char *call = where;
    Dl_info info;

    if (!call) {
        snprintf(text, size, "at a place that is not known");
        return;
    }
    call--; /* the call stands before */
    if (dladdr(call, &info) == 0 || !info.dli_fname)
        snprintf(text, size, "at %p", (const void *)call);
    else if (info.dli_sname)
        snprintf(text, size, "at %.40s+0x%tx (%.40s)", last_part(info.dli_fname),
                 call - (const char *)info.dli_fbase, info.dli_sname);
    else
        snprintf(text, size, "at %.40s+0x%tx", last_part(info.dli_fname),
                 call - (const char *)info.dli_fbase);
}
