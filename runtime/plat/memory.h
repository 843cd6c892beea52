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

/* For tests: the n-th allocation from now fails, once (0: the next; negative: never). */
void thrum_memory_fail_after(int n);

#endif
