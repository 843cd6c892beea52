/*
 * locals.c - values that tasks inherit.
 *
 * A task that sets a local gets a node: a scope, as far as the chain of scopes
 * is concerned, that holds the values from there on inwards. To look a value
 * up is to walk the chain outwards to the first node:
 *
 *     task p:  start <- node {x=1} <- group G <- node {x=2} <- group H
 *     child of G, spawned before x=2: starts in G, finds {x=1}
 *     child of H:                     starts in H, finds {x=2}
 *
 * So inheriting costs nothing: who opened a scope before a set does not see it,
 * and who opened one after it does, and the chain outlives all who start in it.
 *
 * The node is always the innermost scope of its task. What the task sets next
 * in the same scope takes the place of the values in it; when it closes the
 * scope that the node stands on, the node moves out. While anything stands
 * inside of a node its values stay what they are. Two kinds of task start not
 * inside of it:
 *
 *   - What is spawned into a group that was opened before the set (G, after
 *     x=2), or by another task than the group's owner. It starts in a stamp: a
 *     node that never changes and stands on the group. Children that are spawned
 *     with the same values share one, which hangs on the owner's node until the
 *     group is closed. Each thrum_task has its own, since its group may live
 *     long. The groups' owner words are tagged, so that all spawns into them
 *     take their slow path.
 *   - Branches that were forked right at the node. One that is stolen takes a
 *     reference to the values before anything else, under the node's lock, and
 *     has a node of its own from then on. One that its join runs has the
 *     forker's stack, so that the forker sets nothing meanwhile.
 *
 * Edges
 *   locals.ended   put -> put   all use of a value before it is dropped
 */
#include "runtime/task/locals.h"

#include <errno.h>

#include "runtime/sched/lent.h"
#include "runtime/task/lock.h"
#include "runtime/task/record.h"
#include "runtime/task/scope.h"
#include "runtime/task/task.h"

struct cell {
    uint64_t references; /* atomic */
    const thrum_local *local;
    void *value;
};

struct locals {
    uint64_t references; /* atomic */
    size_t count;
    struct cell *cells[]; /* no two of one local */
};

struct locals_node {
    struct thrum_scope scope;   /* first */
    struct locals *values;      /* lock; constant while anything stands inside */
    struct locals_node *stamps; /* its owner's groups', newest first; of a stamp: the next */
    uint32_t lock;
};

/* What a task has that has inherited nothing. Its first reference is never given back. */
static struct locals nothing = {.references = 1};

/* Has any local ever been set? */
static uint32_t used;

/* What a thread sees that runs no task, or a call for one: in a simulated world. */
static __thread uint64_t borrowed; /* atomic: struct locals * */

/* ---- values ---------------------------------------------------------------------------------- */

static struct locals *locals_ref(struct locals *values)
{
    add_relaxed(&values->references, 1); /* relaxed: the caller sees to it that there is one */
    return values;
}

static void cell_put(struct cell *cell)
{
    if (add_acq_rel(&cell->references, (uint64_t)-1) != 1) /* EDGE locals.ended */
        return;
    if (cell->local->drop)
        cell->local->drop(cell->value);
    thrum_lent_put(cell);
}

void thrum_locals_put(struct locals *values)
{
    if (add_acq_rel(&values->references, (uint64_t)-1) != 1) /* EDGE locals.ended */
        return;
    for (size_t i = 0; i < values->count; i++)
        cell_put(values->cells[i]);
    thrum_lent_put(values);
}

static struct cell *find(const struct locals *values, const thrum_local *local)
{
    for (size_t i = 0; i < values->count; i++)
        if (values->cells[i]->local == local)
            return values->cells[i];
    return NULL;
}

static struct locals *locals_new(size_t room)
{
    struct locals *values = thrum_lent_get(sizeof *values + room * sizeof values->cells[0], 16);

    if (values)
        values->references = 1;
    return values;
}

/* All but the local's, and the cell unless it is NULL. NULL: out of memory. */
static struct locals *with(const struct locals *values, const thrum_local *local, struct cell *cell)
{
    struct locals *changed = locals_new(values->count + 1);

    if (!changed)
        return NULL;
    for (size_t i = 0; i < values->count; i++)
        if (values->cells[i]->local != local)
            changed->cells[changed->count++] = values->cells[i];
    if (cell)
        changed->cells[changed->count++] = cell;
    for (size_t i = 0; i < changed->count; i++)
        add_relaxed(&changed->cells[i]->references, 1); /* relaxed: each has one already */
    return changed;
}

/* With a new value. On failure the value is still the caller's. */
static struct locals *with_value(const struct locals *values, const thrum_local *local, void *value)
{
    struct cell *cell = thrum_lent_get(sizeof *cell, 16);
    struct locals *changed;

    if (!cell)
        return NULL;
    *cell = (struct cell){.local = local, .value = value};
    changed = with(values, local, cell);
    if (!changed)
        thrum_lent_put(cell);
    return changed;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static struct locals_node *node_of(const struct thrum_scope *scope)
{
    return container_of(scope, struct locals_node, scope);
}

/* The nearest from a scope outwards; NULL: there is none. */
static struct locals_node *nearest(const struct thrum_scope *scope)
{
    uint32_t steps = 0;

    for (; scope; scope = scope_next(scope, &steps))
        if (scope_flags(scope) & SCOPE_LOCALS)
            return node_of(scope);
    return NULL;
}

/* The values that who stands in this scope sees. */
static struct locals *seen_from(const struct thrum_scope *scope)
{
    const struct locals_node *node = nearest(scope);

    return node ? node->values : &nothing;
}

/* The running task's own, if it is its innermost scope. */
static struct locals_node *own_node(void)
{
    const struct thrum_lane *lane = thrum_lane_self();
    struct thrum_scope *scope = lane->scope;

    if (!scope || !(scope_flags(scope) & SCOPE_LOCALS) || scope_owner(scope) != lane->current)
        return NULL;
    return node_of(scope);
}

/* On `outer`. Takes the reference to the values on success. */
static struct locals_node *node_new(struct thrum_scope *outer, const void *owner, void *fiber,
                                    struct locals *values)
{
    struct locals_node *node = thrum_lent_get(sizeof *node, 16);

    if (!node)
        return NULL;
    node->scope = (struct thrum_scope){
        .owner = word_of(owner), .outer = word_of(outer), .fiber = fiber, .flags = SCOPE_LOCALS};
    node->values = values;
    return node;
}

static void node_free(struct locals_node *node)
{
    thrum_locals_put(node->values);
    thrum_lent_put(node);
}

/* Takes the reference. */
static void replace(struct locals_node *node, struct locals *values)
{
    struct locals *before = node->values;

    lock_enter(&node->lock);
    node->values = values;
    lock_leave(&node->lock);
    thrum_locals_put(before);
}

/* The groups that the running task has open: what it spawns there is to be stamped. */
static void tag_groups(void)
{
    const struct thrum_lane *lane = thrum_lane_self();
    struct thrum_scope *scope = lane->scope;

    for (; scope && scope_owner(scope) == lane->current; scope = scope_outer(scope))
        if (scope_is_group(scope))
            scope_tag(scope);
}

/* The same, made if need be; it has what the task sees now. NULL: out of memory. */
static struct locals_node *own_node_made(void)
{
    struct locals_node *node = own_node();
    struct thrum_lane *lane = thrum_lane_self();
    struct locals *values;

    if (node)
        return node;
    values = locals_ref(seen_from(lane->scope));
    node = node_new(lane->scope, lane->current, lane->fiber, values);
    if (!node) {
        thrum_locals_put(values);
        return NULL;
    }
    tag_groups();
    lane->scope = &node->scope;
    return node;
}

bool thrum_locals_on(const struct thrum_scope *scope)
{
    const struct locals_node *node = own_node();

    return node && scope_outer(&node->scope) == scope;
}

struct locals_node *thrum_locals_lift(const struct thrum_scope *scope)
{
    struct locals_node *node = thrum_locals_on(scope) ? own_node() : NULL;

    if (UNLIKELY(node != NULL))
        thrum_lane_self()->scope = scope_outer(&node->scope);
    return node;
}

/* Those of groups further out. */
static void hand_over_stamps(const struct locals_node *from, struct locals_node *to)
{
    struct locals_node **link = &to->stamps;

    while (*link)
        link = &(*link)->stamps;
    *link = from->stamps;
}

void thrum_locals_lower(struct locals_node *node)
{
    struct thrum_lane *lane = thrum_lane_self();
    struct locals_node *below;

    if (LIKELY(!node))
        return;
    below = own_node();
    if (below) { /* it moves out on to what the task has set there */
        replace(below, locals_ref(node->values));
        hand_over_stamps(node, below);
        node_free(node);
        return;
    }
    store_relaxed(&node->scope.outer, word_of(lane->scope)); /* relaxed: nobody stands inside */
    store_relaxed(&node->scope.flags, SCOPE_LOCALS);         /* relaxed: likewise */
    lane->scope = &node->scope;
}

void thrum_locals_leave(void)
{
    struct locals_node *node = own_node();

    if (LIKELY(!node))
        return;
    thrum_lane_self()->scope = scope_outer(&node->scope);
    node_free(node);
}

/* ---- starts ---------------------------------------------------------------------------------- */

static struct locals_node *stamp_new(struct thrum_group *group, struct locals *values)
{
    struct locals_node *stamp =
        node_new(&group->scope, scope_owner(&group->scope), group->scope.fiber, locals_ref(values));

    if (stamp)
        stamp->scope.flags |= SCOPE_STAMP;
    else
        thrum_locals_put(values);
    return stamp;
}

int thrum_locals_stamp(struct thrum_child *child, struct thrum_group *group)
{
    struct locals_node *node = nearest(thrum_lane_self()->scope);
    struct locals_node *stamp;

    if (!node || node->values == seen_from(&group->scope))
        return 0;
    stamp = node->stamps; /* the node is ours, and inside of the group: it was made since */
    if (!stamp || stamp->values != node->values || scope_outer(&stamp->scope) != &group->scope) {
        stamp = stamp_new(group, node->values);
        if (!stamp)
            return -ENOMEM;
        stamp->stamps = node->stamps;
        node->stamps = stamp;
    }
    child->owner = word_of(&stamp->scope) | KIND_CHILD | KIND_STAMPED;
    return 0;
}

int thrum_locals_give(struct thrum_task *task, struct thrum_group *group)
{
    struct locals_node *stamp;
    struct locals *values;

    if (!load_relaxed(&used)) /* relaxed: our spawner's sets happened before */
        return 0;
    values = seen_from(thrum_lane_self()->scope);
    if (values == seen_from(&group->scope))
        return 0;
    stamp = stamp_new(group, values);
    if (!stamp)
        return -ENOMEM;
    task->child.owner = word_of(&stamp->scope) | KIND_TASK | KIND_STAMPED;
    return 0;
}

void thrum_locals_take_back(struct thrum_task *task)
{
    if (task->child.owner & KIND_STAMPED)
        node_free(node_of(start_of(&task->child)));
}

void thrum_locals_group_closed(struct locals_node *node, const struct thrum_group *group)
{
    struct locals_node **link;

    if (!node)
        return;
    for (link = &node->stamps; *link;) {
        struct locals_node *stamp = *link;

        if (scope_outer(&stamp->scope) == &group->scope) {
            *link = stamp->stamps;
            node_free(stamp);
        } else {
            link = &stamp->stamps;
        }
    }
}

int thrum_locals_capture(struct thrum_scope *start)
{
    struct thrum_lane *lane = thrum_lane_self();
    struct locals_node *forkers;
    struct locals_node *node;
    struct locals *values;

    if (LIKELY(!(scope_flags(start) & SCOPE_LOCALS)))
        return 0;
    forkers = node_of(start);
    lock_enter(&forkers->lock);
    values = locals_ref(forkers->values);
    lock_leave(&forkers->lock);
    node = node_new(start, lane->current, lane->fiber, values);
    if (!node) {
        thrum_locals_put(values);
        return -ENOMEM;
    }
    lane->scope = &node->scope;
    return 0;
}

/* ---- threads --------------------------------------------------------------------------------- */

struct locals *thrum_locals_lend(void)
{
    return locals_ref(seen_from(thrum_lane_self()->scope));
}

void thrum_locals_borrow(struct locals *values)
{
    store_relaxed(&borrowed, word_of(values)); /* relaxed: the thread's own */
}

/* ---- the public side ------------------------------------------------------------------------- */

void *thrum_local_get(const thrum_local *local)
{
    const struct thrum_lane *lane = thrum_lane_self();
    const struct locals *values;
    const struct cell *cell;

    if (!load_relaxed(&used)) /* relaxed: what we could see happened before */
        return local->initial;
    if (lane->scope && lane->current)
        values = seen_from(lane->scope);
    else /* NULL: what is called when a task has ended runs outside of all */
        values = pointer_of(load_relaxed(&borrowed)); /* relaxed: the thread's own */
    cell = values ? find(values, local) : NULL;
    return cell ? cell->value : local->initial;
}

/* Not outside of all tasks, and not in a function that was given to thrum_task_on_end either. */
static void check_inside(const char *call)
{
    thrum_check_inside(call);
    if (!thrum_lane_self()->current)
        thrum_panic("%s was called outside a task; start one with thrum_run", call);
}

int thrum_local_set(const thrum_local *local, void *value)
{
    struct locals_node *node;
    struct locals *values;

    check_inside("thrum_local_set");
    if (!load_relaxed(&used))    /* relaxed: who could see what we set is ordered after us */
        store_relaxed(&used, 1); /* relaxed: likewise */
    node = own_node_made();
    values = node ? with_value(node->values, local, value) : NULL;
    if (!values)
        return -ENOMEM;
    replace(node, values);
    return 0;
}

int thrum_local_swap(const thrum_local *local, void *value, thrum_local_token *token)
{
    struct locals *before;
    struct record *record;
    int err;

    check_inside("thrum_local_swap");
    record = thrum_record_get();
    if (!record)
        return -ENOMEM;
    before = locals_ref(seen_from(thrum_lane_self()->scope));
    err = thrum_local_set(local, value);
    if (err) {
        thrum_locals_put(before);
        return err;
    }
    *token = (thrum_local_token){.local = local,
                                 .task = thrum_lane_self()->current,
                                 .before = before,
                                 .after = locals_ref(own_node()->values)};
    record->tokens++;
    return 0;
}

int thrum_local_reset(thrum_local_token *token)
{
    struct locals *before = token->before;
    struct locals_node *node;

    check_inside("thrum_local_reset");
    if (!token->local)
        return THRUM_ESTATE;
    if (token->task != thrum_lane_self()->current)
        thrum_panic("thrum_local_reset was called with another task's token");
    node = own_node_made();
    if (!node)
        return -ENOMEM;
    if (node->values == token->after) {
        locals_ref(before);
    } else { /* others have been set since */
        before = with(node->values, token->local, find(before, token->local));
        if (!before)
            return -ENOMEM;
    }
    replace(node, before);
    thrum_locals_put(token->before);
    thrum_locals_put(token->after);
    token->local = NULL;
    thrum_record_find()->tokens--;
    return 0;
}
