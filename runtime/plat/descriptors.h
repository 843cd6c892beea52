/* descriptors.h - which descriptors the process has open, for who looks for those left open. */
#ifndef THRUM_PLAT_DESCRIPTORS_H
#define THRUM_PLAT_DESCRIPTORS_H

#include <stdbool.h>
#include <stdint.h>

#define DESCRIPTORS_MOST 1024 /* with larger numbers they are not seen */

struct descriptors_open {
    uint64_t bits[DESCRIPTORS_MOST / 64];
};

void thrum_descriptors_open(struct descriptors_open *open);

static inline bool descriptor_is_open(const struct descriptors_open *open, unsigned fd)
{
    return open->bits[fd / 64] >> fd % 64 & 1;
}

#endif
