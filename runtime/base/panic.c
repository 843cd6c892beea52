/* panic.c - how the process ends when a contract is broken. */
#include "runtime/base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void thrum_panic(const char *format, ...)
{
    char text[512] = "thrum: ";
    size_t used = strlen(text);
    va_list arguments;
    ssize_t ignored;

    va_start(arguments, format);
    vsnprintf(text + used, sizeof text - used - 1, format, arguments);
    va_end(arguments);
    strcat(text, "\n");
    ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
    abort();
}
