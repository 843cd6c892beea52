/* plat.h - what the build puts in the place of the C library's names, and what a test may set. */
#ifndef THRUM_TESTS_VIRTUAL_PLAT_H
#define THRUM_TESTS_VIRTUAL_PLAT_H

#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>

#include "virtual/machine.h"

#define VIRTUAL_DESCRIPTORS 8

int virtual_join(pthread_t thread, void **value);
int virtual_mutex_lock(pthread_mutex_t *mutex);
int virtual_yield(void);

/* So many CPUs the runtime believes to have. */
extern int virtual_cpus;

/* The descriptor is ready for these from here on (POLL_READ, POLL_WRITE, 0). */
void virtual_set_ready(int fd, uint32_t events);

#endif
