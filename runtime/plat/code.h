/* code.h - what a place in the program's code is called, for reports. */
#ifndef THRUM_PLAT_CODE_H
#define THRUM_PLAT_CODE_H

#include <stddef.h>

/*
 * Say where a call that returns to this address stands, as addr2line and gdb take it:
 * "at program+0x1234", with the function's name if the program exports it.
 */
void thrum_code_tell(const void *where, char *text, size_t size);

/*
 * Of some calls, the nearest first, which stand inside of each other: the first two that are not in
 * our own sources, as "orders.c:41 < orders.c:97", by addr2line, if that is installed and the
 * program has lines; else the nearest as above. It takes a process and some time.
 */
void thrum_code_line(const void *const *where, size_t count, char *text, size_t size);

#endif
