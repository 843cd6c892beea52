/*
 * sim.c - whose turn it is, what time it is, who is who.
 *
 * The scheduler's own queues are only the way in: what was made ready or
 * pushed there is gathered into the ring of those that may go on before anybody
 * is chosen. So the layers above know of one world.
 *
 * A point is decided on the task's own stack: most of the time it goes on.
 */
#include "runtime/world/sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <thrum/detail/point.h>
#include <thrum/fault.h>

#include "runtime/plat/clock.h"
#include "runtime/plat/memory.h"
#include "runtime/plat/races.h"
#include "runtime/sched/internal.h"
#include "runtime/world/tempo.h"

#define NAMED_DEPTH 16 /* of tasks that have a name in reports of races */
#define BEGIN_NS ((int64_t)1000000000) /* the time at the beginning: not 0, to be told from unset */
#define WAITING_FIRST 64
#define OBJECTS_FIRST 64
#define VAIN_NS ((int64_t)100) /* that pass with a round in which nothing was done */
#define VAIN_DOUBLING 32       /* rounds after which twice as much does */
#define OUTSIDE_TURN 64        /* turns between two looks at what comes from outside */
#define CHUNK 64               /* players made at a time */
#define DIRTY_BYTES 4096       /* of a stack */
#define LOWER_BYTES 48         /* about so far down for each frame */
#define DEPTH_MAX 8            /* of joins, one in the other, that run what they join for */
#define STREAK_MAX 4096        /* turns after which a spinning player has to let others go first */

struct player_chunk {
    struct player_chunk *next;
    struct player players[CHUNK];
};

/* What the next functions find on the stack. */
static NOINLINE SANITIZER_UNSEEN void dirty(unsigned char byte)
{
    unsigned char frame[DIRTY_BYTES];

    memset(frame, byte, sizeof frame);
    __asm__ volatile("" : : "r"(frame) : "memory"); /* it is not for nothing */
}

/* ---- players -------------------------------------------------------------------------------- */

static bool players_make(struct sim *sim)
{
    struct player_chunk *chunk = thrum_memory_get(sizeof *chunk, CACHE_LINE);

    if (!chunk)
        return false;
    chunk->next = sim->chunks;
    sim->chunks = chunk;
    for (unsigned i = CHUNK; i-- > 0;) {
        chunk->players[i].next = sim->free;
        sim->free = &chunk->players[i];
    }
    return true;
}

/* Those of a history that has left some behind, which may be in line still. */
static void players_take_back(struct sim *sim)
{
    sim->count = sim->alive = 0;
    sim->running = sim->next = sim->free = NULL;
    for (struct player_chunk *chunk = sim->chunks; chunk; chunk = chunk->next)
        for (unsigned i = CHUNK; i-- > 0;) {
            chunk->players[i].next = sim->free;
            sim->free = &chunk->players[i];
        }
}

uint64_t thrum_player_id(const uint64_t *parent, uint32_t number)
{
    return parent ? sim_mix(*parent + number) : sim_mix(~(uint64_t)number);
}

static struct player *player_new(struct sim *sim, struct player *parent,
                                 struct happening *happening)
{
    struct player *player;

    if (!sim->free && !players_make(sim))
        return NULL;
    player = sim->free;
    sim->free = player->next;
    *player = (struct player){.parent = parent, .happening = happening, .references = 1};
    sim->alive += !happening;
    if (parent) {
        parent->references++;
        player->number = happening ? HAPPENING_NUMBER | ++parent->happenings : ++parent->children;
        player->id = thrum_player_id(&parent->id, player->number);
    } else {
        player->number = sim->roots++;
        player->id = thrum_player_id(NULL, player->number);
    }
    return player;
}

void thrum_sim_end(struct sim *sim, struct player *player)
{
    if (sim->oracle->strategy->died)
        sim->oracle->strategy->died(sim->oracle->self, sim, player);
    sim->alive -= !player->happening;
    thrum_sim_unref(sim, player);
}

void thrum_sim_unref(struct sim *sim, struct player *player)
{
    while (player && --player->references == 0) {
        struct player *parent = player->parent;

        player->next = sim->free;
        sim->free = player;
        player = parent;
    }
}

size_t thrum_player_path(const struct player *player, char *text, size_t size)
{
    const struct player *parent = player->parent;
    const char *before = ".";
    size_t length = 0, left;

    if (!parent)
        before = player->number ? "r" : "";
    else if (!parent->parent && parent->number == 0)
        before = "";
    else
        length = thrum_player_path(parent, text, size);
    left = length < size ? size - length : 0;
    return length + (size_t)snprintf(left ? text + length : NULL, left, "%s%s%u", before,
                                     player->happening ? "d" : "",
                                     player->number & ~HAPPENING_NUMBER);
}

/* ---- objects -------------------------------------------------------------------------------- */

static struct sim_object *object_slot(struct sim_object *objects, size_t mask, uint32_t age,
                                      const void *address)
{
    size_t at = (size_t)(word_of(address) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;

    while (objects[at].age == age && objects[at].address != address)
        at = (at + 1) & mask;
    return &objects[at];
}

static bool objects_grow(struct sim *sim)
{
    struct memory_before before;
    const struct sim_object *old;

    if (!thrum_memory_double(&sim->objects, &sim->objects_mask, OBJECTS_FIRST,
                             sizeof *sim->objects, &before))
        return false;
    old = before.places;
    for (size_t i = 0; i < before.count; i++)
        if (old[i].age == sim->age)
            *object_slot(sim->objects, sim->objects_mask, sim->age, old[i].address) = old[i];
    thrum_memory_put(before.places);
    return true;
}

static NOINLINE uint32_t object_new(struct sim *sim, const void *address)
{
    struct sim_object *object;

    if (2 * (size_t)sim->objects_known >= sim->objects_mask && !objects_grow(sim)) {
        sim->out_of_memory = true;
        return 0;
    }
    object = object_slot(sim->objects, sim->objects_mask, sim->age, address);
    *object = (struct sim_object){address, ++sim->objects_known, sim->age};
    return object->id;
}

/* By order of the first touch: addresses differ from process to process. */
static inline uint32_t object_id(struct sim *sim, const void *address)
{
    const struct sim_object *object;

    if (!address)
        return 0;
    object = object_slot(sim->objects, sim->objects_mask, sim->age, address);
    return LIKELY(object->age == sim->age) ? object->id : object_new(sim, address);
}

/* ---- children ------------------------------------------------------------------------------- */

/* An unstarted one has come. */
static void child_add(struct player *player, void *task)
{
    struct player *parent = player->parent;

    player->task = task;
    player->older = parent->newest;
    if (player->older)
        player->older->newer = player;
    parent->newest = player;
}

/* It starts. Returns its task. */
static void *child_start(struct player *player)
{
    struct player *parent = player->parent;
    void *task = player->task;

    if (player->newer)
        player->newer->older = player->older;
    else
        parent->newest = player->older;
    if (player->older)
        player->older->newer = player->newer;
    player->newer = player->older = NULL;
    player->task = NULL;
    return task;
}

/* It has the turns now, and runs on its parent's stack, who joins it. */
static void enter_here(struct player *child)
{
    child->here = child_start(child);
    child->fiber = child->parent->fiber;
    child->fiber->player = child;
    child->depth = child->parent->here ? child->parent->depth + 1 : 1;
}

/* Its parent has them again. */
static struct player *leave_here(struct sim *sim)
{
    struct player *child = sim->running;

    sim->running = child->parent;
    child->fiber->player = child->parent;
    child->here = NULL;
    return child;
}

/*
 * Who runs: where such a child ends nobody tells us, but then its task is not the current one any
 * more. (None is while a done-callback or an offloaded call runs.)
 */
static NOINLINE void end_ended(struct sim *sim)
{
    const void *current = sim->worker->deque.lane.current;

    while (sim->running->here && current && sim->running->here != current)
        thrum_sim_end(sim, leave_here(sim));
}

static inline struct player *runs_now(struct sim *sim)
{
    const void *here = sim->running->here;

    if (here && UNLIKELY(here != sim->worker->deque.lane.current))
        end_ended(sim);
    return sim->running;
}

/* ---- those that may go on ------------------------------------------------------------------- */

/* Room for one more at the end, by moving all to the front, into more memory if half are taken. */
static NOINLINE bool waiting_make_room(struct sim *sim)
{
    size_t capacity = sim->capacity;
    struct player **waiting = sim->waiting;

    if (2 * sim->count >= capacity) {
        capacity = capacity ? 2 * capacity : WAITING_FIRST;
        waiting = thrum_memory_get_raw(capacity * sizeof *waiting, CACHE_LINE);
        if (!waiting)
            return false;
    }
    if (sim->count)
        memmove(waiting, sim->waiting + sim->first, sim->count * sizeof *waiting);
    if (waiting != sim->waiting)
        thrum_memory_put(sim->waiting);
    sim->waiting = waiting;
    sim->first = 0;
    sim->capacity = capacity;
    return true;
}

static inline void arrive(struct sim *sim, struct player *player)
{
    if (UNLIKELY(sim->first + sim->count == sim->capacity) && !waiting_make_room(sim))
        thrum_panic("a simulated world has no memory for those that may go on");
    player->since = sim->now;
    sim->waiting[sim->first + sim->count++] = player;
}

void thrum_sim_arrive(struct sim *sim, struct player *player)
{
    arrive(sim, player);
}

/* The others move up from the nearer end. */
static void close_up(struct sim *sim, size_t index)
{
    struct player **begin = sim->waiting + sim->first;

    if (index < sim->count / 2) {
        memmove(begin + 1, begin, index * sizeof *begin);
        sim->first++;
    } else {
        memmove(begin + index, begin + index + 1, (sim->count - index) * sizeof *begin);
    }
}

static inline struct player *take(struct sim *sim, size_t index)
{
    struct player *player = sim->waiting[sim->first + index];

    sim->count--;
    if (index == 0)
        sim->first++;
    else if (index < sim->count)
        close_up(sim, index);
    return player;
}

void thrum_sim_depart(struct sim *sim, const struct player *player)
{
    size_t index = 0;

    while (sim_waiting(sim, index) != player)
        index++;
    (void)take(sim, index);
}

static struct player *player_join(struct sim *sim, struct player *parent,
                                  struct happening *happening)
{
    struct player *player = player_new(sim, parent, happening);

    if (player && sim->oracle->strategy->born)
        sim->oracle->strategy->born(sim->oracle->self, sim, player);
    if (UNLIKELY(sim->twin != NULL) && player)
        thrum_twin_born(sim->twin, player);
    return player;
}

/* A task is the cause, whatever comes of what. */
struct player *thrum_sim_cause(struct sim *sim, struct happening *happening)
{
    struct player *cause = runs_now(sim);
    struct player *player;

    while (cause->happening)
        cause = cause->parent;
    player = player_join(sim, cause, happening);
    if (player)
        player->what = SIM_HAPPENS;
    return player;
}

static void came(struct sim *sim, struct fiber *fiber)
{
    struct player *player = fiber->player;

    if (!player) {
        player = player_join(sim, NULL, NULL);
        if (!player)
            thrum_panic("a simulated world has no memory for its first task");
        player->fiber = fiber;
        fiber->player = player;
    } else if (player == sim->running) {
        player->op++;
        player->asked = player->turns = player->faced = player->hurried = 0;
        player->yielded = true;
        player->object = NULL;
        player->object_id = 0;
        player->what = THRUM_POINT_HERE;
    }
    player->came++;
    thrum_sim_arrive(sim, player);
}

/* What tasks have made ready, and what is. */
static inline void gather(struct sim *sim)
{
    struct ready_queue *ready = &sim->worker->ready;
    struct fiber *fiber;

    if (UNLIKELY(sim->descriptors.count > 0) && poller_wanted(sim->worker->scheduler))
        thrum_descriptors_look(sim);
    while (UNLIKELY(ready_more(ready)) && (fiber = ready_take(ready, true)) != NULL)
        came(sim, fiber);
}

/* What others have, and what found no room there. Now and then, and when nobody may go on. */
static NOINLINE void gather_all(struct sim *sim)
{
    struct worker *worker = sim->worker;
    struct inject_node *spare;
    struct fiber *fiber;

    gather(sim);
    while ((fiber = thrum_inject_take(&worker->scheduler->inject, &spare)) != NULL) {
        fiber->node = spare;
        came(sim, fiber);
    }
}

/* ---- turns ---------------------------------------------------------------------------------- */

/* The player does what it was about to do. */
static void turn(struct sim *sim, struct player *player)
{
    uint64_t what = (uint64_t)player->op << 36 ^ (uint64_t)player->object_id << 4 ^ player->what;

    if (UNLIKELY(sim->oracle->may_cancel) && thrum_oracle_cancels(sim->oracle, sim, player))
        sim->cancel(sim->arg);
    sim->hash = sim_mix(sim->hash ^ player->id) + what + (uint64_t)sim->now;
    if (sim->oracle->strategy->turn)
        sim->oracle->strategy->turn(sim->oracle->self, sim, player);
    if (UNLIKELY(sim->coverage != NULL))
        thrum_coverage_turn(sim->coverage, player);
    if (UNLIKELY(sim->twin != NULL))
        thrum_twin_turn(sim->twin, sim, player);
    if ((player->what >= THRUM_POINT_WRITE && player->what <= THRUM_POINT_RELEASE) ||
        player->what == SIM_HAPPENS)
        sim->vain = sim->vain_rounds = 0;
    if (++sim->steps == sim->steps_max && sim->exceeded) {
        sim->fair = true;
        sim->exceeded(sim->arg);
    }
}

static size_t ask(struct sim *sim, struct player *runs)
{
    struct choice *choice = &sim->choice;

    choice->runs = runs;
    choice->count = sim->count + (runs != NULL);
    if (UNLIKELY(sim->fair) || UNLIKELY(runs && sim->streak >= STREAK_MAX))
        return runs != NULL; /* the one that has waited longest */
    if (choice->count == 1)
        return 0;
    return thrum_oracle_choose(sim->oracle, sim, choice);
}

/* Some timers may be faster than the player. */
static NOINLINE void hurry(struct sim *sim, struct player *player)
{
    thrum_tempo_hurry(sim, player);
    gather(sim);
}

static void point(struct world *world, unsigned what, const void *object)
{
    struct sim *sim = sim_of(world);
    struct player *self = runs_now(sim);

    self->op++;
    self->asked = self->turns = self->faced = self->hurried = 0;
    self->what = what;
    self->object = object;
    self->object_id = object_id(sim, object);
    self->yielded = false;
    if (UNLIKELY(sim->twin != NULL))
        thrum_twin_here(sim->twin, self);
    gather(sim);
    if (UNLIKELY(sim->oracle->may_hurry))
        hurry(sim, self);
    if (sim->count > 0) {
        size_t index = ask(sim, self);

        if (index > 0) {
            sim->next = take(sim, index - 1);
            arrive(sim, self);
            thrum_suspend_apart();
            return;
        }
    }
    sim->streak++;
    turn(sim, self);
    self->what = THRUM_POINT_START;
    self->object = NULL;
    self->object_id = 0;
}

/* ---- nobody may go on ----------------------------------------------------------------------- */

static int64_t first_deadline(struct sim *sim)
{
    const struct sim_timer *timer = thrum_sim_timers_first(&sim->timers);
    int64_t happening = thrum_happenings_first(sim);

    return timer && timer->when < happening ? timer->when : happening;
}

/*
 * Somebody outside will come. His time is the real one: ours goes no faster, but it goes, unless a
 * test settles. Has it gone so far that something is due?
 */
static bool wait_outside(struct sim *sim)
{
    bool stands = load_relaxed(&sim->worker->scheduler->settling) != 0; /* relaxed: one thread */
    int64_t first = first_deadline(sim), begin = thrum_clock_now();
    int64_t left = first - sim->now - sim->outside_ns;

    if (stands || first == TIMER_NEVER)
        left = -1;
    else if (left <= 0)
        return true;
    thrum_descriptors_wait_outside(sim, left);
    sim->outside_ns += thrum_clock_now() - begin;
    return false;
}

static void pass(struct sim *sim)
{
    struct scheduler *scheduler = sim->worker->scheduler;

    sim->outside_ns = 0;
    if (!thrum_tempo_pass(sim)) /* who may never come never comes here */
        sim->inner->stuck(scheduler, thrum_scheduler_moment(scheduler));
}

static NOINLINE void wait_for_something(struct sim *sim)
{
    struct scheduler *scheduler = sim->worker->scheduler;
    uint64_t holds = load_acquire(&scheduler->holds); /* EDGE sched.hold */

    /* relaxed: who changes it calls us */
    if (holds != load_relaxed(&scheduler->loose) && !wait_outside(sim))
        return;
    gather_all(sim); /* who has just let go may have made something ready before */
    if (sim->count != 0 || thrum_descriptors_settle(sim))
        return;
    if (load_relaxed(&scheduler->settling) != 0) /* relaxed: one thread */
        sim->inner->settled(scheduler);
    else
        pass(sim);
}

/*
 * All look, yield, and nothing comes of it: perhaps they wait for a time. A little of it passes
 * with each round, and more the longer it goes on.
 */
static void mind_the_vain(struct sim *sim, const struct player *left)
{
    int64_t first, step;

    if (!left || !left->yielded) {
        sim->vain = sim->vain_rounds = 0;
        return;
    }
    if (++sim->vain < 2 * sim->count + 2)
        return;
    sim->vain = 0;
    step =
        VAIN_NS << (sim->vain_rounds / VAIN_DOUBLING < 50 ? sim->vain_rounds / VAIN_DOUBLING : 50);
    sim->vain_rounds++;
    first = first_deadline(sim);
    sim->now = first - sim->now < step ? first : sim->now + step;
    if (first <= sim->now) {
        thrum_tempo_expire(sim);
        thrum_happenings_pass(sim);
    }
    gather(sim);
}

static struct fiber *fiber_for(struct sim *sim, struct player *player, void *task)
{
    if (!thrum_oracle_fault(sim->oracle, sim, player, THRUM_FAULT_MEMORY, 0))
        return thrum_fiber_for(sim->worker, task);
    sim->inner->refuse(task, -ENOMEM);
    return NULL;
}

static NOINLINE void happen(struct sim *sim, struct player *player)
{
    struct happening *happening = player->happening;

    happening->player = NULL;
    happening->state = HAPPENING_NONE;
    happening->happens(sim, happening);
    sim->running = NULL;
    thrum_sim_end(sim, player);
    gather(sim);
}

static void first_turn(struct sim *sim, struct player *player)
{
    player->yielded = false;
    player->since = sim->now;
    sim->running = player;
    turn(sim, player);
    player->what = THRUM_POINT_START; /* if it sleeps now, its waking touches nothing */
    player->object = NULL;
    player->object_id = 0;
}

/* On a fiber of its own. False: there was no memory, and its task was refused. */
static NOINLINE bool start(struct sim *sim, struct player *player)
{
    player->fiber = fiber_for(sim, player, child_start(player));
    if (!player->fiber) {
        thrum_sim_end(sim, player);
        return false;
    }
    player->fiber->player = player;
    return true;
}

/*
 * Gives it a fiber if it needs one. NULL: it was no task; or there was no memory, and its task was
 * refused.
 */
static struct fiber *enter(struct sim *sim, struct player *player)
{
    if (player->task && UNLIKELY(!start(sim, player)))
        return NULL;
    sim->streak = 0;
    first_turn(sim, player);
    if (player->happening) {
        happen(sim, player);
        return NULL;
    }
    return player->fiber;
}

/* There was not enough stack to run the child here: it starts elsewhere while its parent waits. */
static NOINLINE void take_back(struct sim *sim)
{
    struct player *child = leave_here(sim);

    child->fiber = NULL;
    child_add(child, sim->worker->handoff);
    sim->worker->handoff = NULL;
    sim->next = child;
}

static struct fiber *decide(struct sim *sim, struct worker *worker)
{
    struct player *left, *player;
    struct fiber *fiber = NULL;

    sim->worker = worker;
    if (UNLIKELY(worker->handoff != NULL))
        take_back(sim);
    left = sim->running ? runs_now(sim) : NULL;
    player = sim->next;
    sim->next = NULL;
    if (!player) {
        if (UNLIKELY(sim->count == 0) || UNLIKELY(sim->steps % OUTSIDE_TURN == 0))
            gather_all(sim);
        else
            gather(sim);
        if (load_acquire(sim->world.until)) { /* EDGE run.done */
            if (left)
                thrum_sim_end(sim, left);
            sim->running = NULL;
            return NULL;
        }
        mind_the_vain(sim, left);
    }
    sim->running = NULL;
    if (left && left->ended)
        thrum_sim_end(sim, left);
    while (!fiber) {
        while (!player && sim->count == 0) {
            wait_for_something(sim);
            gather_all(sim);
        }
        if (!player) {
            if (UNLIKELY(sim->oracle->may_hurry))
                hurry(sim, sim_waiting(sim, 0));
            player = take(sim, ask(sim, NULL));
        }
        fiber = enter(sim, player);
        player = NULL;
        if (!fiber) /* its end may have woken somebody */
            gather(sim);
    }
    return fiber;
}

static struct fiber *pick(struct world *world, struct worker *worker)
{
    struct fiber *fiber;

    world->decides = true;
    fiber = decide(sim_of(world), worker);
    world->decides = false;
    return fiber;
}

/* ---- tasks ---------------------------------------------------------------------------------- */

static int pushed(struct world *world, void *task)
{
    struct sim *sim = sim_of(world);
    struct player *self = runs_now(sim), *player;

    if (thrum_oracle_fault(sim->oracle, sim, self, THRUM_FAULT_MEMORY, 0))
        return -ENOMEM;
    player = player_join(sim, self, NULL);
    if (!player)
        return -ENOMEM;
    child_add(player, task);
    thrum_sim_arrive(sim, player);
    return 0;
}

/*
 * Was it stolen just now? Else it starts on its parent's stack: but not as deep as there is room, for
 * that is another depth in each build.
 */
static bool is_stolen(struct sim *sim, struct player *child)
{
    struct player *self = sim->running;
    size_t drawn;

    if (self->here && self->depth >= DEPTH_MAX)
        return true;
    sim->running = child;
    drawn = thrum_oracle_draw(sim->oracle, sim, 2);
    sim->running = self;
    return drawn != 0;
}

/*
 * The join of `joined` cannot go on before the newest child has ended. By default this one is
 * next, on its parent's stack. If another is, or it was stolen, the parent has to wait.
 */
static void has(struct world *world, const void *object, const char *what, int n)
{
    struct sim *sim = sim_of(world);

    thrum_sim_has(sim, runs_now(sim), object, what, n);
}

static void *pop(struct world *world, const void *joined)
{
    struct sim *sim = sim_of(world);
    struct player *child = runs_now(sim)->newest;
    size_t index;

    if (!child || !sim->inner->joins(child->task, joined))
        return NULL;
    gather(sim);
    if (UNLIKELY(sim->oracle->may_hurry))
        hurry(sim, child);
    sim->vain = sim->vain_rounds = 0;
    index = sim->count;
    while (sim_waiting(sim, --index) != child)
        continue;
    take(sim, index);
    index = sim->count ? ask(sim, child) : 0;
    if (index > 0) {
        sim->next = take(sim, index - 1);
        thrum_sim_arrive(sim, child);
        return NULL;
    }
    if (is_stolen(sim, child)) {
        sim->next = child;
        return NULL;
    }
    sim->streak++;
    if (UNLIKELY(sim->unlike.dirty))
        dirty(sim->unlike.byte);
    first_turn(sim, child); /* while its task is not the current one yet: see runs_now */
    enter_here(child);
    return pointer_of(word_of(child->here));
}

static int timer(struct world *world, struct timer *armed, int64_t when_ns, uint64_t key)
{
    struct sim *sim = sim_of(world);

    return thrum_sim_timers_add(&sim->timers, when_ns, armed, key, runs_now(sim));
}

static void held(struct world *world, const void *object, const char *what, const void *where)
{
    struct sim *sim = sim_of(world);
    struct held_lock lock = {.object = object, .what = what, .where = where};

    if (sim->looks)
        thrum_held_add(sim, runs_now(sim), lock);
}

static void released(struct world *world, const void *object)
{
    if (sim_of(world)->looks)
        thrum_held_drop(sim_of(world), object);
}

static size_t draw(struct world *world, size_t n)
{
    struct sim *sim = sim_of(world);

    (void)runs_now(sim);
    return n < 2 ? 0 : thrum_oracle_draw(sim->oracle, sim, n);
}

static uint32_t fault(struct world *world, uint32_t kind, uint64_t place)
{
    struct sim *sim = sim_of(world);

    struct player *player = sim->running;

    if (!player) /* it is the world itself that asks */
        return 0;
    if (sim->worker->deque.lane.fiber) /* else it is not resumed yet: a cancel asks */
        player = runs_now(sim);
    return thrum_oracle_fault(sim->oracle, sim, player, kind, place);
}

static int64_t now(struct world *world)
{
    return sim_of(world)->now;
}

static int arm(struct world *world, int fd, uint32_t events, uint64_t key, bool *known)
{
    if (fd & FD_OF_WORLD)
        return thrum_net_arm(sim_of(world), fd, events, key, known);
    return thrum_descriptors_arm(sim_of(world), fd, events, key, known);
}

static void forget(struct world *world, int fd)
{
    if (fd & FD_OF_WORLD)
        thrum_net_forget(sim_of(world), fd);
    else
        thrum_descriptors_forget(sim_of(world), fd);
}

static bool valid(struct world *world, int fd)
{
    return thrum_net_valid(sim_of(world), fd);
}

static int peek(struct world *world, int fd, uint32_t events)
{
    return thrum_net_peek(sim_of(world), fd, events);
}

static uint64_t turn_of(struct world *world)
{
    return runs_now(sim_of(world))->came;
}

/* As histories name it, unless that is long. */
static void tell_name(const struct player *player)
{
    const struct player *above = player;
    char text[64] = "task ";

    sanitizer_hide();
    for (unsigned depth = 0; above && depth < NAMED_DEPTH; depth++)
        above = above->parent;
    if (!above) {
        thrum_player_path(player, text + 5, sizeof text - 5);
        thrum_identity_name(text);
    }
    sanitizer_show();
}

/* Further down on its stack. */
static NOINLINE void run_unlike(const struct sim *sim, void *task, unsigned lower)
{
    volatile unsigned char frame[LOWER_BYTES];

    frame[0] = sim->unlike.byte;
    if (lower > 0) {
        run_unlike(sim, task, lower - 1);
    } else {
        dirty(sim->unlike.byte);
        sim->inner->run(task);
    }
    frame[LOWER_BYTES - 1] = frame[0]; /* it was here until now */
}

static void run(void *task)
{
    struct sim *sim = sim_of(thrum_world_self());

    if (world_races(&sim->world))
        tell_name(sim->running);
    if (UNLIKELY(sim->unlike.dirty))
        run_unlike(sim, task, sim->unlike.lower);
    else
        sim->inner->run(task);
    world_hide(&sim->world);
    while (sim->running->here) /* the last that ran on its stack: ended, unnoticed so far */
        thrum_sim_end(sim, leave_here(sim));
    sim->running->ended = true;
    world_show(&sim->world);
}

/* ---- histories ------------------------------------------------------------------------------ */

/* All of a source's, the oldest to be taken first; but the newest of all are the first. */
static void line_up(struct pool_cache *cache, const struct fiber_source *source, unsigned newest)
{
    struct fiber *fiber = source->newest;

    cache->items = cache->full = NULL;
    cache->count = 0;
    for (unsigned i = 0; fiber && i < newest; i++)
        fiber = fiber->older;
    for (; fiber; fiber = fiber->older)
        thrum_pool_put(cache, &fiber->item);
    fiber = source->newest;
    for (unsigned i = 0; fiber && i < newest; i++, fiber = fiber->older)
        thrum_pool_put(cache, &fiber->item);
}

/*
 * Every history has the same stacks in the same order, unless it is to be unlike others: so what a
 * program does by mistake, depending on an address of a task's own data, it does each time.
 */
static void line_up_fibers(struct worker *worker, unsigned newest)
{
    struct scheduler *scheduler = worker->scheduler;

    /* relaxed: nobody else is there */
    store_relaxed(&scheduler->fibers.head.lo, 0); /* relaxed: see above */
    line_up(&worker->fibers, &worker->source, newest);
    line_up(&scheduler->roots, &scheduler->outside, newest);
}

static void be_faulty(struct sim *sim, bool refuses)
{
    if (sim->world.refuses == refuses)
        return;
    add_relaxed(&thrum_faulty, refuses ? 1 : (uint32_t)-1); /* relaxed: its tasks come later */
    sim->world.refuses = refuses;
}

void thrum_sim_restart(struct sim *sim, struct oracle *oracle)
{
    if (sim->worker)
        line_up_fibers(sim->worker, sim->unlike.turned);
    thrum_held_clear(sim);
    sim->oracle = oracle;
    be_faulty(sim, oracle->may_fault);
    thrum_descriptors_restart(sim);
    thrum_net_restart(sim);
    if (sim->alive > 0)
        players_take_back(sim);
    sim->now = BEGIN_NS;
    sim->timers.count = 0;
    sim->drains = false;
    sim->outside_ns = 0;
    sim->steps = 0;
    sim->fair = false;
    sim->vain = sim->vain_rounds = 0;
    sim->hash = 0;
    sim->roots = 0;
    sim->refused = false;
    sim->objects_known = 0;
    sim->holdings_count = 0;
    sim->age++;
    if (sim->oracle->strategy->begin)
        sim->oracle->strategy->begin(sim->oracle->self, sim);
}

struct sim *thrum_sim_new(const struct task_verbs *verbs, struct oracle *oracle)
{
    struct sim *sim = thrum_memory_get(sizeof *sim, CACHE_LINE);

    if (!sim)
        return NULL;
    sim->world = (struct world){.pick = pick,
                                .pushed = pushed,
                                .pop = pop,
                                .now = now,
                                .turn = turn_of,
                                .timer = timer,
                                .held = held,
                                .released = released,
                                .draw = draw,
                                .point = point,
                                .fault = fault,
                                .has = has,
                                .arm = arm,
                                .forget = forget,
                                .valid = valid,
                                .peek = peek,
                                .io = &thrum_net_verbs};
    sim->world.races = thrum_races_wanted();
    sim->inner = verbs;
    sim->timers.verbs = verbs;
    sim->verbs = *verbs;
    sim->verbs.run = run;
    if (!waiting_make_room(sim) || !objects_grow(sim)) {
        thrum_sim_free(sim);
        return NULL;
    }
    thrum_sim_restart(sim, oracle);
    add_relaxed(&thrum_simulated, 1); /* relaxed: a task of this world comes later */
    sim->counted = true;
    return sim;
}

void thrum_sim_free(struct sim *sim)
{
    be_faulty(sim, false);
    if (sim->counted)
        add_relaxed(&thrum_simulated, (uint32_t)-1); /* relaxed: its tasks have ended */
    thrum_net_fini(sim);
    thrum_identities_forget();
    while (sim->chunks) {
        struct player_chunk *chunk = sim->chunks;

        sim->chunks = chunk->next;
        thrum_memory_put(chunk);
    }
    thrum_descriptors_fini(sim);
    thrum_sim_timers_fini(&sim->timers);
    thrum_memory_put(sim->holdings);
    thrum_held_fini(&sim->held);
    thrum_memory_put(sim->objects);
    thrum_memory_put(sim->waiting);
    thrum_memory_put(sim);
}
