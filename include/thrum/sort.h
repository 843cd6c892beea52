/*
 * sort.h - sorting on all cores: a stable merge sort.
 *
 *     #define BY_AGE(a, b) ((a)->age < (b)->age)
 *     THRUM_SORT(sort_by_age, struct person, BY_AGE)
 *
 *     status = sort_by_age(people, n);
 *
 * Both halves of the array are sorted, and then merged, in parallel, between
 * the array and memory of its size. The result is the same on any number of
 * workers, as there is only one.
 *
 *   context   task
 *   suspends  until all is done
 *   returns   0; THRUM_ECANCELED; -ENOMEM: there was no memory of the array's size, or for a
 *             stack. Then the elements are all still there, in some order
 */
#ifndef THRUM_SORT_H
#define THRUM_SORT_H

#include <thrum/types.h>

THRUM_BEGIN_DECLS

/* As qsort. */
THRUM_API THRUM_NODISCARD int thrum_parallel_sort(void *base, size_t n, size_t bytes,
                                                  int (*compare)(const void *a, const void *b));

/*
 * What one task does of it, for one type of elements and one order. A right element goes
 * before a left one only if it is less.
 */
struct thrum_sort_kind {
    size_t bytes; /* of an element */
    /* Sort n elements of `from`; the result goes there, or into `spare`. */
    void (*sort)(void *from, void *spare, size_t n, bool into_spare, const void *order);
    void (*merge)(const void *left, size_t n_left, const void *right, size_t n_right, void *to,
                  const void *order);
    /* How many of the first k of the merged are from the left? */
    size_t (*split)(const void *left, size_t n_left, const void *right, size_t n_right, size_t k,
                    const void *order);
    const void *order; /* passed to all of them */
};

/* For THRUM_SORT. */
THRUM_API THRUM_NODISCARD int thrum_sort_by(void *base, size_t n,
                                            const struct thrum_sort_kind *kind);

/*
 * Define `static int name(type *base, size_t n)`. LESS(a, b) says of two `const type *`
 * whether *a goes before *b: a strict weak order (if it contradicts itself the result is
 * anything, but only the array is written to). It is compiled into the loops, which for simple
 * types have no branch that depends on it. Elements are copied as plain memory.
 */
#define THRUM_SORT(name, type, LESS)                                                        \
    THRUM_SORT_PARTS(name, type, LESS)                                                      \
                                                                                            \
    THRUM_NODISCARD static inline int name(type *base, size_t n)                            \
    {                                                                                       \
        static const struct thrum_sort_kind kind = {sizeof(type), name##_run, name##_merge, \
                                                    name##_split, NULL};                    \
                                                                                            \
        return thrum_sort_by(base, n, &kind);                                               \
    }

/* ---- what THRUM_SORT is made of ---------------------------------------------------------------- */

#define THRUM_SORT_PARTS(name, type, LESS)                                                     \
    THRUM_SORT_FEW(name, type, LESS)                                                           \
    THRUM_SORT_MERGE(name, type, LESS)                                                         \
    THRUM_SORT_SPLIT(name, type, LESS)                                                         \
    static inline void name##_run(void *from, void *spare, size_t n, bool into_spare,          \
                                  const void *order)                                           \
    {                                                                                          \
        size_t half = n / 2;                                                                   \
        type *source = (type *)(into_spare ? from : spare);                                    \
                                                                                               \
        if (n <= THRUM_SORT_SMALL) {                                                           \
            name##_few((type *)from, n, (type *)(into_spare ? spare : from), order);           \
            return;                                                                            \
        }                                                                                      \
        name##_run(from, spare, half, !into_spare, order);                                     \
        name##_run((type *)from + half, (type *)spare + half, n - half, !into_spare, order);   \
        name##_merge(source, half, source + half, n - half, into_spare ? spare : from, order); \
    }

#define THRUM_SORT_SMALL 8

/* A few elements, each to its rank. */
#define THRUM_SORT_FEW(name, type, LESS)                                                   \
    static inline void name##_few(const type *from, size_t n, type *to, const void *order) \
    {                                                                                      \
        type held[THRUM_SORT_SMALL];                                                       \
        unsigned rank[THRUM_SORT_SMALL] = {0};                                             \
                                                                                           \
        (void)order;                                                                       \
        for (size_t i = 0; i < n; i++) {                                                   \
            unsigned own = 0;                                                              \
                                                                                           \
            held[i] = from[i];                                                             \
            for (size_t j = 0; j < i; j++) {                                               \
                unsigned less = LESS((&from[i]), (&from[j])) ? 1 : 0;                      \
                                                                                           \
                rank[j] += less;                                                           \
                own += 1 - less;                                                           \
            }                                                                              \
            rank[i] += own;                                                                \
        }                                                                                  \
        for (size_t i = 0; i < n; i++)                                                     \
            to[rank[i]] = held[i];                                                         \
    }

/* From both ends at once: neither chain waits for the other. As long as none can run dry. */
#define THRUM_SORT_MERGE(name, type, LESS)                                                    \
    static inline void name##_merge(const void *left, size_t n_left, const void *right,       \
                                    size_t n_right, void *into, const void *order)            \
    {                                                                                         \
        const type *l = (const type *)left, *r = (const type *)right;                         \
        const type *l_end = l + n_left, *r_end = r + n_right;                                 \
        type *to = (type *)into, *end = to + n_left + n_right;                                \
        ptrdiff_t steps;                                                                      \
                                                                                              \
        (void)order;                                                                          \
        while ((steps = l_end - l < r_end - r ? l_end - l : r_end - r) >= THRUM_SORT_SMALL) { \
            for (; steps > 0; steps--) {                                                      \
                ptrdiff_t up = LESS((r), (l)) ? 1 : 0;                                        \
                ptrdiff_t down = LESS((r_end - 1), (l_end - 1)) ? 1 : 0;                      \
                                                                                              \
                *to++ = *(up ? r : l);                                                        \
                r += up;                                                                      \
                l += 1 - up;                                                                  \
                *--end = *((down ? l_end : r_end) - 1);                                       \
                l_end -= down;                                                                \
                r_end -= 1 - down;                                                            \
            }                                                                                 \
        }                                                                                     \
        while (l < l_end && r < r_end)                                                        \
            *to++ = LESS((r), (l)) ? *r++ : *l++;                                             \
        while (l < l_end)                                                                     \
            *to++ = *l++;                                                                     \
        while (r < r_end)                                                                     \
            *to++ = *r++;                                                                     \
    }

/* The merge path (Odeh et al. 2012): a binary search along a diagonal. */
#define THRUM_SORT_SPLIT(name, type, LESS)                                                \
    static inline size_t name##_split(const void *left, size_t n_left, const void *right, \
                                      size_t n_right, size_t k, const void *order)        \
    {                                                                                     \
        const type *l = (const type *)left, *r = (const type *)right;                     \
        size_t low = k > n_right ? k - n_right : 0, high = k < n_left ? k : n_left;       \
                                                                                          \
        (void)order;                                                                      \
        while (low < high) {                                                              \
            size_t middle = low + (high - low) / 2;                                       \
                                                                                          \
            if (LESS((&r[k - middle - 1]), (&l[middle])))                                 \
                high = middle;                                                            \
            else                                                                          \
                low = middle + 1;                                                         \
        }                                                                                 \
        return low;                                                                       \
    }

THRUM_END_DECLS

#endif
