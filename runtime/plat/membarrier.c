/*
 * membarrier.c - membarrier(2), private and expedited.
 */
#define _GNU_SOURCE
#include "runtime/plat/membarrier.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/base.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool available;

static long membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0);
}

static void register_process(void)
{
    const char *wanted = secure_getenv("THRUM_MEMBARRIER");
    long commands;

    if (wanted && strcmp(wanted, "0") == 0)
        return;
    commands = membarrier(MEMBARRIER_CMD_QUERY);
    if (commands < 0 || !(commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED))
        return;
    available = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

bool thrum_membarrier_setup(void)
{
    pthread_once(&once, register_process);
    return available;
}

void thrum_membarrier(void)
{
    if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0)
        thrum_panic("membarrier failed; call thrum_membarrier_setup() first");
}
