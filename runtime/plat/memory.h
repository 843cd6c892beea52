/*
 * memory.h - where the runtime's own memory comes from: one door, so that a
 * test can let every allocation fail in turn.
 */
#ifndef THRUM_MEMORY_H
#define THRUM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Zero-filled and aligned to a power of two of at least 16; NULL when there is none. */
void *thrum_memory_get(size_t bytes, size_t align);
/* The same, not filled: large memory then costs nothing until it is touched. */
void *thrum_memory_get_raw(size_t bytes, size_t align);

void thrum_memory_put(void *memory);

/*
 * Room for one more in an array, `array` being the address of a pointer to it: of *capacity places
 * `count` are taken. If there is none it moves into twice the memory, zero-filled behind what is
 * taken. False: there was no memory, and nothing has changed.
 */
bool thrum_memory_reserve(void *array, size_t count, size_t *capacity, size_t size);

/*
 * Twice as many places for a hash table, zero-filled: `table` is the address of a pointer to it, NULL
 * at first, when it gets `first` places, a power of two; *mask is how many there are, less 1. What
 * was there is the caller's, to enter it again and put it back. False: there was no memory, and
 * nothing has changed.
 */
struct memory_before {
    void *places;
    size_t count;
};

bool thrum_memory_double(void *table, size_t *mask, size_t first, size_t size,
                         struct memory_before *before);

/* For tests: the n-th allocation from now fails, once (0: the next; negative: never). */
void thrum_memory_fail_after(int n);

#endif
