/*
 * draw.h - where Thrum tosses a coin: in the simulated world the world decides.
 * Not an interface for users.
 */
#ifndef THRUM_DETAIL_DRAW_H
#define THRUM_DETAIL_DRAW_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* A number below n, by chance: of the calling task's worker, or as its world decides. Any thread. */
THRUM_API size_t thrum_draw_below(size_t n);

THRUM_END_DECLS

#endif
