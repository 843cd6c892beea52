/*
 * roster_model.c - the roster (runtime/work/roster.c), with three slots to a
 * segment, in the explorer: who adds, who removes, and who walks.
 *
 * Oracles: a walk meets every word that was there from its beginning to its
 * end, none that was removed before it began, and what it meets is complete.
 * (Before and after are those of full fences, one after an add or remove and one
 * before a walk: a sleeper's and a canceller's.) No slot is lost or given to two:
 * afterwards all of them can be had, once each.
 */
#include <string.h>

#include "runtime/atomic/verbs.h"
#include "runtime/base/base.h"
#include "runtime/work/roster.h"

enum { WORDS = 8, SEGMENTS = 6 };

static struct word {
    bool there;        /* the oracle's: set after it was added, cleared before it is removed */
    bool gone;         /* the oracle's: set after it was removed */
    uint64_t contents; /* plain */
    uint64_t *slot;
} words[WORDS] __attribute__((aligned(16)));

static struct roster roster, other;
static struct roster_segment *segments[SEGMENTS];
static uint32_t taken; /* atomic: segments in use */

static struct roster_segment *segment_get(void)
{
    return segments[add_relaxed(&taken, 1)]; /* relaxed: a counter */
}

static void add_to(struct roster *to, int number)
{
    struct word *word = &words[number];

    model_write(&word->contents, 1);
    word->slot = thrum_roster_add(to, word_of(word));
    if (!word->slot)
        word->slot = thrum_roster_grow(to, segment_get(), word_of(word));
    fence_seq();
    word->there = true;
}

static void add(int number)
{
    add_to(&roster, number);
}

static void take(int number)
{
    struct word *word = &words[number];

    word->there = false;
    thrum_roster_remove(&roster, word->slot);
    fence_seq();
    word->gone = true;
}

/* ---- beginnings ----------------------------------------------------------------------------- */

/* Segments live for the whole execution, and what was in them stays, as in a slab. */
static void begin(int count)
{
    memset(&roster, 0, sizeof(roster));
    memset(&other, 0, sizeof(other));
    memset(words, 0, sizeof(words));
    taken = 0;
    for (int i = 0; i < SEGMENTS; i++)
        segments[i] = memset(model_alloc(sizeof(*segments[i])), 0, sizeof(*segments[i]));
    model_name(&roster.free.lo, "free");
    model_name(&roster.free.hi, "version");
    model_name(&roster.segments, "segments");
    for (int i = 0; i < count; i++)
        add(i);
}
static void begin_empty(void) { begin(0); }
static void begin_1(void) { begin(1); }
static void begin_2(void) { begin(2); }
static void begin_3(void) { begin(3); }

/* One free slot, which was in use before. */
static void begin_used(void)
{
    begin(3);
    take(1);
}

/* ---- walking -------------------------------------------------------------------------------- */

static void walk_from(struct roster_at at, bool from_the_start)
{
    struct word before[WORDS];
    bool met[WORDS] = {false};
    uint64_t word;

    fence_seq();
    memcpy(before, words, sizeof(before));
    if (from_the_start)
        at = thrum_roster_walk(&roster);
    while ((word = thrum_roster_next(&at)) != 0) {
        const struct word *here = pointer_of(word);
        int number = (int)(here - words);

        MODEL_CHECK(number >= 0 && number < WORDS);
        MODEL_CHECK(model_read(&here->contents) == 1);
        MODEL_CHECK(!before[number].gone);
        met[number] = true;
    }
    for (int i = 0; i < WORDS && from_the_start; i++)
        MODEL_CHECK(met[i] || !before[i].there || !words[i].there);
}

static void walker(void)
{
    walk_from((struct roster_at){NULL, 0}, true);
}

/* On from the first word: the ones behind it in its segment, and the older segments'. */
static void walker_on(void)
{
    struct roster_at at = thrum_roster_walk_from(&roster, words[0].slot);

    MODEL_CHECK(at.segment && at.next > 0);
    walk_from(at, false);
}

/* ---- threads -------------------------------------------------------------------------------- */

static void add_4(void) { add(4); }
static void add_5(void) { add(5); }
static void add_4_5(void) { add(4); add(5); }
static void add_take_4(void) { add(4); take(4); }
static void add_take_5(void) { add(5); take(5); }
static void add_take_add(void) { add(4); take(4); add(5); }
static void take_0(void) { take(0); }
static void take_1(void) { take(1); }
static void take_1_add_6(void) { take(1); add(6); }
static void take_0_2_add_4(void) { take(0); take(2); add(4); }

/* Its last user gives the segments back; another roster takes them at once. */
static void shed_and_reuse(void)
{
    struct roster_segment *segment;

    take(0);
    while ((segment = thrum_roster_shed(&roster)) != NULL)
        words[5].slot = thrum_roster_grow(&other, segment, word_of(&words[5]));
    add(4);
}

static void begin_shed(void)
{
    begin_1();
    model_write(&words[5].contents, 1);
}

/* A walk that has lost its roster ends, and meets only words. */
static void lost_walker(void)
{
    struct roster_at at = thrum_roster_walk(&roster);
    uint64_t word;
    int n = 0;

    while ((word = thrum_roster_next(&at)) != 0)
        MODEL_CHECK((word & 1) == 0 && pointer_of(word) >= (void *)words && ++n < 8);
}

/* ---- the end -------------------------------------------------------------------------------- */

static bool is_fresh(uint64_t *const *slots, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (slots[i] == slots[n])
            return false;
    return true;
}

/* All slots can be had, each once; those in use hold their words. */
static void check(void)
{
    uint64_t *slots[SEGMENTS * ROSTER_SLOTS + 1];
    unsigned n = 0, in_segments = 0;

    for (const struct roster_segment *at = pointer_of(roster.segments); at;
         at = pointer_of(at->older))
        in_segments += ROSTER_SLOTS;
    for (int i = 0; i < WORDS; i++)
        if (words[i].there) {
            MODEL_CHECK(*words[i].slot == word_of(&words[i]));
            slots[n] = words[i].slot;
            MODEL_CHECK(is_fresh(slots, n));
            n++;
        }
    while ((slots[n] = thrum_roster_add(&roster, word_of(&words[7]))) != NULL) {
        MODEL_CHECK(is_fresh(slots, n));
        n++;
        MODEL_CHECK(n <= in_segments);
    }
    MODEL_CHECK(n == in_segments);
}

#define T(text, start, ...) {text, start, {__VA_ARGS__}, check, 0, 0, false}

static const struct model models[] = {
    T("add, walk", begin_1, add_4, walker),
    T("grow, walk", begin_3, add_4, walker),
    T("first two", begin_empty, add_4, add_5, walker),
    T("two grow", begin_3, add_4, add_5, walker),
    T("grow against remove", begin_3, add_4_5, take_1),
    T("remove, walk", begin_2, take_1, walker),
    T("remove and add, walk", begin_used, take_0, add_4_5, walker),
    T("used again", begin_used, add_take_4, add_take_5, walker),
    T("back in place", begin_used, take_0_2_add_4, add_5),
    T("twice the same", begin_2, add_take_add, take_1_add_6),
    T("two remove", begin_3, take_0, take_1, add_4),
    T("walk on", begin_3, add_take_4, take_1, walker_on),
    T("shed", begin_shed, shed_and_reuse, lost_walker),
};

int main(int argc, char **argv)
{
    static const char *const subjects[] = {"runtime/work/roster.", NULL};

    return model_main(argc, argv, models, sizeof(models) / sizeof(*models), subjects);
}
