/*
 * linear.c - is a history linearizable?
 *
 * The search of Wing and Gong (1993): begins and returns stand in one list, by time. A call whose
 * begin stands before the first return may be the next one in the order that is looked for. If
 * the model can make it, its two entries are taken out of the list, and the search goes on from the
 * front; if it comes to a return, the last call made is put back, and another one tried. When no
 * return is left there is an order.
 *
 * What calls were made, and what state that has led to, is all that decides about the rest (Lowe,
 * 2017): who comes to such a pair again turns back.
 *
 * Whatever stands behind the last return that the search has come to does not matter: up to
 * there no order was found, and up to the one before it there was.
 *
 * Edges
 *   history.clock   end -> begin   calls that do not overlap are seen not to
 */
#include <thrum/linear.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/atomic/verbs.h"
#include "runtime/plat/memory.h"

/* ---- recording ------------------------------------------------------------------------------- */

static uint32_t tick(thrum_history *history)
{
    return add_acq_rel(&history->clock, 1) + 1; /* EDGE history.clock */
}

uint32_t thrum_history_begin(thrum_history *history, uint32_t lane, uint32_t what, int64_t given)
{
    uint32_t call = add_relaxed(&history->count, 1); /* relaxed: a number of one's own */

    if (call < history->room)
        history->records[call] =
            (thrum_record){.lane = lane, .what = what, .given = given, .began = tick(history)};
    return call;
}

void thrum_history_end(thrum_history *history, uint32_t call, int status, int64_t got)
{
    thrum_record *record;

    if (call >= history->room)
        return;
    record = &history->records[call];
    record->status = status;
    record->got = got;
    record->ended = tick(history); /* EDGE history.clock */
}

/* How many calls there are, as far as there was room. */
static uint32_t count_of(const thrum_history *history)
{
    uint32_t count = load_relaxed(&history->count); /* relaxed: nobody records any more */

    return count < history->room ? count : history->room;
}

/* ---- what was met with ----------------------------------------------------------------------- */

#define MET_FIRST 128

/* A set of keys of the same size: which calls were made, a bit for each, and the state. */
struct met {
    unsigned char *keys; /* one after the other */
    size_t capacity;
    uint32_t *slots; /* 0: none; else a key's number from 1 on */
    size_t mask;
    size_t count;
    size_t key_bytes;
};

static uint64_t hash_of(const unsigned char *key, size_t bytes)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ key[i]) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

static size_t slot_of(const struct met *met, const unsigned char *key)
{
    size_t at = (size_t)hash_of(key, met->key_bytes) & met->mask;

    while (met->slots[at] &&
           memcmp(met->keys + (met->slots[at] - 1) * met->key_bytes, key, met->key_bytes) != 0)
        at = (at + 1) & met->mask;
    return at;
}

static bool met_grow(struct met *met)
{
    size_t slots = met->slots ? 2 * (met->mask + 1) : MET_FIRST;

    thrum_memory_put(met->slots);
    met->slots = thrum_memory_get(slots * sizeof *met->slots, 16);
    if (!met->slots)
        return false;
    met->mask = slots - 1;
    for (uint32_t i = 0; i < met->count; i++)
        met->slots[slot_of(met, met->keys + i * met->key_bytes)] = i + 1;
    return true;
}

/* 1: it is new; 0: it is not; -E2BIG: there are too many; -ENOMEM. */
static int met_add(struct met *met, const unsigned char *key)
{
    size_t at;

    if ((!met->slots || 2 * met->count > met->mask) && !met_grow(met))
        return -ENOMEM;
    at = slot_of(met, key);
    if (met->slots[at])
        return 0;
    if (met->count == THRUM_HISTORY_STATES)
        return -E2BIG;
    if (!thrum_memory_reserve(&met->keys, met->count, &met->capacity, met->key_bytes))
        return -ENOMEM;
    memcpy(met->keys + met->count * met->key_bytes, key, met->key_bytes);
    met->slots[at] = (uint32_t)++met->count;
    return 1;
}

/* ---- the search ------------------------------------------------------------------------------ */

/* A begin or a return. They stand by time, the first one being number 1; 0 is both ends. */
struct entry {
    uint32_t record;
    uint32_t other; /* its return; 0: there is none. Of a return: its begin */
    bool returned;
    uint32_t next;
    uint32_t prev;
};

struct search {
    const thrum_model *model;
    const thrum_record *records;
    struct entry *entries;
    uint32_t *made;        /* begins of the calls that were made, in their order: `depth` */
    unsigned char *states; /* the one before each of them */
    unsigned char *key;    /* which were made, and the state now */
    unsigned char *trial;  /* a key of that kind */
    size_t bits_bytes;
    uint32_t depth;
    uint32_t returns; /* that are left in the list */
    uint32_t last;    /* the last one that was come to */
    struct met met;
    uint64_t steps;
};

static void search_fini(struct search *search)
{
    thrum_memory_put(search->entries);
    thrum_memory_put(search->made);
    thrum_memory_put(search->states);
    thrum_memory_put(search->key);
    thrum_memory_put(search->trial);
    thrum_memory_put(search->met.keys);
    thrum_memory_put(search->met.slots);
}

/* Entries in the order of their times, of which none is missing. */
static void enter_all(struct search *search, uint32_t count, uint32_t clock)
{
    struct entry *entries = search->entries;

    for (uint32_t i = 0; i < count; i++) {
        const thrum_record *record = &search->records[i];

        entries[record->began] = (struct entry){.record = i, .other = record->ended};
        if (record->ended) {
            entries[record->ended] =
                (struct entry){.record = i, .other = record->began, .returned = true};
            search->returns++;
        }
    }
    for (uint32_t at = 0; at <= clock; at++) {
        entries[at].next = at == clock ? 0 : at + 1;
        entries[at].prev = at == 0 ? clock : at - 1;
    }
}

static int search_init(struct search *search, const thrum_history *history,
                       const thrum_model *model)
{
    uint32_t count = count_of(history);
    uint32_t clock = load_relaxed(&history->clock); /* relaxed: nobody records any more */

    *search = (struct search){.model = model, .records = history->records};
    search->bits_bytes = (count + 63) / 64 * 8; /* so that the state is aligned */
    search->met.key_bytes = search->bits_bytes + model->state_bytes;
    search->entries = thrum_memory_get((clock + 1) * sizeof *search->entries, 16);
    search->made = thrum_memory_get((count + 1) * sizeof *search->made, 16);
    search->states = thrum_memory_get((count + 1) * (model->state_bytes + 1), 16);
    search->key = thrum_memory_get(search->met.key_bytes + 1, 16);
    search->trial = thrum_memory_get(search->met.key_bytes + 1, 16);
    if (!search->entries || !search->made || !search->states || !search->key || !search->trial)
        return -ENOMEM;
    enter_all(search, count, clock);
    if (model->begin)
        model->begin(search->key + search->bits_bytes, model->context);
    return 0;
}

static void take_out(struct search *search, uint32_t at)
{
    struct entry *entries = search->entries;

    entries[entries[at].prev].next = entries[at].next;
    entries[entries[at].next].prev = entries[at].prev;
}

static void put_back(struct search *search, uint32_t at)
{
    struct entry *entries = search->entries;

    entries[entries[at].prev].next = at;
    entries[entries[at].next].prev = at;
}

static void make(struct search *search, uint32_t at)
{
    uint32_t end = search->entries[at].other;

    memcpy(search->states + search->depth * search->model->state_bytes,
           search->key + search->bits_bytes, search->model->state_bytes);
    memcpy(search->key, search->trial, search->met.key_bytes);
    search->made[search->depth++] = at;
    take_out(search, at);
    if (end) {
        take_out(search, end);
        search->returns--;
    }
}

/* The last one; returns its begin. */
static uint32_t unmake(struct search *search)
{
    uint32_t at = search->made[--search->depth];
    uint32_t end = search->entries[at].other;
    uint32_t record = search->entries[at].record;

    memcpy(search->key + search->bits_bytes,
           search->states + search->depth * search->model->state_bytes, search->model->state_bytes);
    search->key[record / 8] &= (unsigned char)~(1u << record % 8);
    if (end) {
        put_back(search, end);
        search->returns++;
    }
    put_back(search, at);
    return at;
}

/* 1: it can be made next, and `trial` is what would be then; 0: not, or it has been tried. */
static int try_to_make(struct search *search, uint32_t at)
{
    uint32_t record = search->entries[at].record;

    memcpy(search->trial, search->key, search->met.key_bytes);
    search->steps++;
    if (!search->model->step(search->trial + search->bits_bytes, &search->records[record],
                             search->model->context))
        return 0;
    search->trial[record / 8] |= (unsigned char)(1u << record % 8);
    return met_add(&search->met, search->trial);
}

static int look_for_order(struct search *search)
{
    uint32_t at = search->entries[0].next;

    while (search->returns) {
        if (search->entries[at].returned) {
            if (at > search->last)
                search->last = at;
            if (search->depth == 0)
                return THRUM_EUNORDERED;
            at = search->entries[unmake(search)].next;
        } else {
            int can = try_to_make(search, at);

            if (can < 0)
                return can;
            if (can)
                make(search, at);
            at = search->entries[can ? 0 : at].next;
        }
    }
    return 0;
}

/* The first moment after the last one before `at` at which no call was under way. */
static uint32_t calm_before(const struct search *search, uint32_t at)
{
    uint32_t open = 0;
    uint32_t from = 1;

    for (uint32_t i = 1; i <= at; i++) {
        if (open == 0)
            from = i;
        open = search->entries[i].returned ? open - 1 : open + 1;
    }
    return from;
}

int thrum_history_check(const thrum_history *history, const thrum_model *model,
                        thrum_linearity *found)
{
    uint32_t count = load_relaxed(&history->count); /* relaxed: nobody records any more */
    thrum_linearity result = {0, 0, 0, 0, 0, 0};
    struct search search;
    int status;

    if (count > history->room || count > THRUM_HISTORY_CALLS)
        return -E2BIG;
    status = search_init(&search, history, model);
    if (!status)
        status = look_for_order(&search);
    if (status == THRUM_EUNORDERED) {
        result.wrong = search.entries[search.last].record;
        result.from = calm_before(&search, history->records[result.wrong].began);
        result.to = search.last;
    }
    result.steps = search.steps;
    result.states = search.met.count;
    search_fini(&search);
    if (found)
        *found = result;
    return status;
}

/* ---- drawing --------------------------------------------------------------------------------- */

#define COLUMNS 8
#define WIDTH 16

struct drawing {
    const thrum_history *history;
    const thrum_model *model;
    uint32_t lanes[COLUMNS]; /* whose columns these are, */
    bool open[COLUMNS];      /* and whether a call is under way there */
    uint32_t columns;
    bool more; /* lanes than columns */
};

static uint32_t column_of(const struct drawing *drawing, uint32_t lane)
{
    uint32_t column = 0;

    while (column < drawing->columns && drawing->lanes[column] != lane)
        column++;
    return column;
}

/* Lanes by their numbers, the lowest ones if there are too many. */
static void find_lanes(struct drawing *drawing)
{
    for (uint32_t i = 0; i < count_of(drawing->history); i++) {
        uint32_t lane = drawing->history->records[i].lane;
        uint32_t at = drawing->columns;

        if (column_of(drawing, lane) < drawing->columns)
            continue;
        if (at == COLUMNS) {
            drawing->more = true;
            if (lane > drawing->lanes[--at])
                continue;
        } else {
            drawing->columns++;
        }
        for (; at > 0 && drawing->lanes[at - 1] > lane; at--)
            drawing->lanes[at] = drawing->lanes[at - 1];
        drawing->lanes[at] = lane;
    }
}

static void tell_call(const struct drawing *drawing, const thrum_record *record, bool returned,
                      char *text, size_t size)
{
    if (drawing->model->tell)
        drawing->model->tell(record, returned, text, size);
    else if (!returned)
        snprintf(text, size, "%u(%lld)", record->what, (long long)record->given);
    else if (record->status)
        snprintf(text, size, "%s", thrum_errname(record->status));
    else
        snprintf(text, size, "%lld", (long long)record->got);
}

static void put_cell(char *row, uint32_t column, const char *text)
{
    size_t length = strlen(text);

    memcpy(row + column * WIDTH, text, length < WIDTH - 1 ? length : WIDTH - 1);
}

static void end_row(const struct drawing *drawing, char *row)
{
    size_t end = drawing->columns * (size_t)WIDTH;

    while (end && row[end - 1] == ' ')
        end--;
    row[end] = '\0';
}

static void head_row(const struct drawing *drawing, char *row)
{
    char text[16];

    memset(row, ' ', COLUMNS * WIDTH);
    for (uint32_t column = 0; column < drawing->columns; column++) {
        snprintf(text, sizeof text, "%u", drawing->lanes[column]);
        put_cell(row, column, text);
    }
    end_row(drawing, row);
}

/* What happened at that moment, and in the other columns who is under way. */
static void draw_row(struct drawing *drawing, uint32_t time, const thrum_record *record, char *row)
{
    uint32_t here = column_of(drawing, record->lane);
    bool returned = record->ended == time;
    char text[64];

    memset(row, ' ', COLUMNS * WIDTH);
    for (uint32_t column = 0; column < drawing->columns; column++)
        if (drawing->open[column])
            put_cell(row, column, "|");
    if (here < drawing->columns) {
        tell_call(drawing, record, returned, text, sizeof text);
        memset(row + here * WIDTH, ' ', WIDTH);
        put_cell(row, here, text);
        drawing->open[here] = !returned;
    }
    end_row(drawing, row);
}

static const thrum_record *record_at(const thrum_history *history, uint32_t time)
{
    for (uint32_t i = 0; i < count_of(history); i++)
        if (history->records[i].began == time || history->records[i].ended == time)
            return &history->records[i];
    return NULL;
}

static void write_line(const char *text, void *context)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));

    (void)context, (void)ignored;
    ignored = write(STDERR_FILENO, "\n", 1);
}

void thrum_history_tell(const thrum_history *history, const thrum_model *model,
                        const thrum_linearity *found, void (*line)(const char *text, void *context),
                        void *context)
{
    uint32_t clock = load_relaxed(&history->clock); /* relaxed: nobody records any more */
    struct drawing drawing = {.history = history, .model = model};
    char row[COLUMNS * WIDTH + 1];
    char text[sizeof row + 64];

    if (!line)
        line = write_line;
    if (model->name)
        line(model->name, context);
    find_lanes(&drawing);
    head_row(&drawing, row);
    snprintf(text, sizeof text, "       %s%s", row, drawing.more ? "   (and others)" : "");
    line(text, context);
    for (uint32_t time = 1; time <= clock; time++) {
        const thrum_record *record = record_at(history, time);
        bool marked = found && found->to && time >= found->from && time <= found->to;

        if (!record)
            continue;
        draw_row(&drawing, time, record, row);
        snprintf(text, sizeof text, "%c%4u  %s%s", marked ? '>' : ' ', time, row,
                 marked && time == found->to ? "   <- no order explains this" : "");
        line(text, context);
    }
}
