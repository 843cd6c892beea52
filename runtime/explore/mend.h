/*
 * mend.h - a history that does not come to pass any more, because the program was changed
 * elsewhere: near it there is one that does.
 *
 * An unrelated change shifts numbers. A task more in front makes 2 of 1; an outer group makes 1.2 of
 * 2; a line in a log before the place makes @4 of @3; a task behind goes first, for joins run the
 * newest child. So histories are tried in which paths have a number more in front, or from some
 * number on are one or two further or less, points are a few further or less, and a newcomer has to
 * wait; the nearest first. It takes some thousand runs at most.
 */
#ifndef THRUM_EXPLORE_MEND_H
#define THRUM_EXPLORE_MEND_H

#include "runtime/explore/explorer.h"
#include "runtime/explore/history.h"

/*
 * As told it does not fail. True: one nearby does, and its deltas now stand in the history. *runs is
 * raised by how many it took.
 */
bool thrum_mend(struct explorer *explorer, struct history *history, uint64_t *runs);

#endif
