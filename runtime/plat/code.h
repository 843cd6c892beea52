/* code.h - what a place in the program's code is called, for reports. */
#ifndef THRUM_PLAT_CODE_H
#define THRUM_PLAT_CODE_H

#include <stddef.h>

/*
 * Say where a call that returns to this address stands, as addr2line and gdb take it:
 * "at program+0x1234", with the function's name if the program exports it.
 */
void thrum_code_tell(const void *where, char *text, size_t size);

#endif
