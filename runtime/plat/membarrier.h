/*
 * membarrier.h - a full fence in every running thread of the process, paid for
 * by the caller alone. In the explorer it is one fence step for each thread,
 * anywhere between call and return.
 */
#ifndef THRUM_PLAT_MEMBARRIER_H
#define THRUM_PLAT_MEMBARRIER_H

#include <stdbool.h>

/*
 * Register the process. False if the kernel has no such call or forbids it,
 * or if the variable THRUM_MEMBARRIER is 0. The first answer stands.
 */
bool thrum_membarrier_setup(void);

/* Only after setup has said true; cannot fail then. */
#ifdef THRUM_MODEL
void model_membarrier(void);
#define thrum_membarrier() model_membarrier()
#else
void thrum_membarrier(void);
#endif

#endif
