/*
 * macros.h - shorter ways to write what the other headers offer: blocks that
 * are closed on every way out, and tasks that take arguments by value.
 *
 *     THRUM_FN(fetch, const char *, url, int, tries)
 *     {
 *         ...
 *         return 0;
 *     }
 *
 *     static int fetch_both(void *arg)
 *     {
 *         int status = 0;
 *
 *         THRUM_GROUP (group, NULL, status) {
 *             status = THRUM_SPAWN(group, fetch, "http://a/", 3);
 *             if (!status)
 *                 status = THRUM_SPAWN(group, fetch, "http://b/", 5);
 *         }
 *         return status;
 *     }
 *
 * A block is left by its end, by break and continue (which leave the block,
 * not a loop around it), by goto and by return: the group is closed, the
 * timeout ended, whatever it is. `status` is an int variable: what it holds is
 * what the body has to say, and then what the block makes of it. A return from
 * inside has fetched its value before that: who must not lose the status of the
 * block leaves it otherwise. If the block cannot be opened, its body does not
 * run, and `status` says why.
 *
 * This needs the cleanup attribute and statement expressions of GCC and Clang,
 * and works the same in C11 and in C++11 and later. There exceptions leave blocks
 * as return does; they must not leave a task. longjmp and ending the thread run
 * no cleanup, as always. Everything here is built from the public functions;
 * those stay, and are to be mixed freely with these.
 */
#ifndef THRUM_MACROS_H
#define THRUM_MACROS_H

#include <thrum/exit_stack.h>
#include <thrum/group.h>
#include <thrum/iter.h>
#include <thrum/local.h>
#include <thrum/scope.h>
#include <thrum/select.h>
#include <thrum/task.h>
#include <thrum/time.h>
#include <thrum/types.h>

THRUM_BEGIN_DECLS

#define THRUM_CLEANUP(fn) __attribute__((cleanup(fn), unused))
#define THRUM_PASTE(a, b) THRUM_PASTE_(a, b)
#define THRUM_PASTE_(a, b) a##b
#define THRUM_HERE(name) THRUM_PASTE(name, __LINE__)

/*
 * What all blocks are: two loops that run once. The outer one has the object,
 * which `leave` is called with on every way out, and is passed over if `enter`
 * returns NULL; the inner one has what the body may use.
 */
#define THRUM_BLOCK(type, enter, leave, ...)                                     \
    for (type THRUM_HERE(thrum_block) THRUM_CLEANUP(leave),                      \
         *THRUM_HERE(thrum_once) = enter(&THRUM_HERE(thrum_block), __VA_ARGS__); \
         THRUM_HERE(thrum_once); THRUM_HERE(thrum_once) = NULL)

#define THRUM_BLOCK_NAME(type, name, member) \
    for (type *name = &THRUM_HERE(thrum_once)->member; name; name = NULL)

/* ---- groups ---------------------------------------------------------------------------------- */

struct thrum_group_block {
    thrum_group group;
    int *status; /* NULL: it is not open */
};

static inline struct thrum_group_block *
thrum_group_enter(struct thrum_group_block *block, const thrum_group_options *options, int *status)
{
    int err = thrum_group_open(&block->group, options);

    block->status = err ? NULL : status;
    if (err)
        *status = err;
    return err ? NULL : block;
}

static inline void thrum_group_leave(struct thrum_group_block *block)
{
    if (block->status)
        *block->status = thrum_group_close(&block->group, *block->status, NULL);
}

/*
 * A block with a group. In it `name` is a thrum_group *; `options` may be NULL.
 * What its tasks failed of becomes what the calling task has to say, as for
 * thrum_group_close without `errors`.
 */
#define THRUM_GROUP(name, options, status)                                                 \
    THRUM_BLOCK(struct thrum_group_block, thrum_group_enter, thrum_group_leave, (options), \
                &(status))                                                                 \
    THRUM_BLOCK_NAME(thrum_group, name, group)

/* ---- scopes, timeouts, shields --------------------------------------------------------------- */

struct thrum_scope_block {
    thrum_scope scope;
    int *status; /* NULL: it is not open */
};

static inline struct thrum_scope_block *thrum_scope_enter(struct thrum_scope_block *block,
                                                          unsigned flags, int *status)
{
    int err = thrum_scope_begin(&block->scope, flags);

    block->status = err ? NULL : status;
    if (err)
        *status = err;
    return err ? NULL : block;
}

static inline void thrum_scope_leave(struct thrum_scope_block *block)
{
    if (block->status)
        *block->status = thrum_scope_end(&block->scope, *block->status);
}

/* A block that can be cancelled. In it `name` is a thrum_scope *. */
#define THRUM_SCOPE(name, flags, status)                                                 \
    THRUM_BLOCK(struct thrum_scope_block, thrum_scope_enter, thrum_scope_leave, (flags), \
                &(status))                                                               \
    THRUM_BLOCK_NAME(thrum_scope, name, scope)

struct thrum_timeout_block {
    thrum_timeout timeout;
    int *status; /* NULL: it is not open */
};

static inline struct thrum_timeout_block *thrum_timeout_enter(struct thrum_timeout_block *block,
                                                              int64_t duration, int *status)
{
    int err = thrum_timeout_begin(&block->timeout, duration);

    block->status = err ? NULL : status;
    if (err)
        *status = err;
    return err ? NULL : block;
}

static inline void thrum_timeout_leave(struct thrum_timeout_block *block)
{
    if (block->status)
        *block->status = thrum_timeout_end(&block->timeout, *block->status);
}

/* A block that is cancelled when it takes longer. In it `name` is a thrum_timeout *. */
#define THRUM_TIMEOUT(name, duration, status)                                                     \
    THRUM_BLOCK(struct thrum_timeout_block, thrum_timeout_enter, thrum_timeout_leave, (duration), \
                &(status))                                                                        \
    THRUM_BLOCK_NAME(thrum_timeout, name, timeout)

struct thrum_shield_block {
    thrum_shield shield;
    int *status;
};

static inline struct thrum_shield_block *thrum_shield_enter(struct thrum_shield_block *block,
                                                            int *status)
{
    thrum_shield_begin(&block->shield);
    block->status = status;
    return block;
}

static inline void thrum_shield_leave(struct thrum_shield_block *block)
{
    int cancelled = thrum_shield_end(&block->shield);

    if (cancelled && *block->status >= 0)
        *block->status = cancelled;
}

/* A block that no cancel from outside reaches; one that came becomes the status if it was none. */
#define THRUM_SHIELD(status) \
    THRUM_BLOCK(struct thrum_shield_block, thrum_shield_enter, thrum_shield_leave, &(status))

/* ---- selects --------------------------------------------------------------------------------- */

/* thrum_select with all cases of an array. */
#define THRUM_SELECT(cases, flags) thrum_select((cases), sizeof(cases) / sizeof *(cases), (flags))

/* ---- locals ---------------------------------------------------------------------------------- */

struct thrum_local_block {
    thrum_local_token token;
    int *status; /* NULL: it is not open */
};

static inline struct thrum_local_block *thrum_local_enter(struct thrum_local_block *block,
                                                          const thrum_local *local, void *value,
                                                          int *status)
{
    int err = thrum_local_swap(local, value, &block->token);

    block->status = err ? NULL : status;
    if (err)
        *status = err;
    return err ? NULL : block;
}

static inline void thrum_local_leave(struct thrum_local_block *block)
{
    int err = block->status ? thrum_local_reset(&block->token) : 0;

    if (err && *block->status >= 0)
        *block->status = err;
}

/* A block in which a local has another value. */
#define THRUM_LOCAL(local, value, status)                                                         \
    THRUM_BLOCK(struct thrum_local_block, thrum_local_enter, thrum_local_leave, (local), (value), \
                &(status))

/* ---- exits ----------------------------------------------------------------------------------- */

struct thrum_exit_stack_block {
    thrum_exit_stack stack;
    int *status;
};

static inline struct thrum_exit_stack_block *
thrum_exit_stack_begin(struct thrum_exit_stack_block *block, int *status)
{
    thrum_exit_stack_init(&block->stack);
    block->status = status;
    return block;
}

static inline void thrum_exit_stack_leave(struct thrum_exit_stack_block *block)
{
    *block->status = thrum_exit_stack_close(&block->stack, *block->status, NULL);
}

/*
 * A block with an exit stack, which is closed. In it `name` is a
 * thrum_exit_stack *. What is pushed there stands outside of the block: it is
 * called when what the block has declared is gone.
 */
#define THRUM_EXIT_STACK(name, status)                                                     \
    THRUM_BLOCK(struct thrum_exit_stack_block, thrum_exit_stack_begin, thrum_exit_stack_leave, \
                &(status))                                                                 \
    THRUM_BLOCK_NAME(thrum_exit_stack, name, stack)

struct thrum_with_block {
    thrum_exit_stack stack;
    thrum_exit exit;
    int *status;
};

static inline struct thrum_with_block *thrum_with_enter(struct thrum_with_block *block,
                                                        const thrum_manager *manager, void *arg,
                                                        int *status)
{
    int err;

    thrum_exit_stack_init(&block->stack);
    block->status = status;
    err = thrum_exit_stack_enter(&block->stack, &block->exit, manager, arg);
    if (err < 0)
        *status = err;
    return err < 0 ? NULL : block;
}

static inline void thrum_with_leave(struct thrum_with_block *block)
{
    if (block->stack.top)
        *block->status = thrum_exit_stack_close(&block->stack, *block->status, NULL);
}

/*
 * A block inside of what the manager (exit_stack.h) enters with `arg` and
 * leaves, telling it how the block went.
 */
#define THRUM_WITH(manager, arg, status)                                                    \
    THRUM_BLOCK(struct thrum_with_block, thrum_with_enter, thrum_with_leave, (manager), (arg), \
                &(status))

/* ---- loops over iterators -------------------------------------------------------------------- */

struct thrum_foreach_block {
    thrum_iter *iter;
    int *status;
};

static inline struct thrum_foreach_block *thrum_foreach_enter(struct thrum_foreach_block *block,
                                                              thrum_iter *iter, int *status)
{
    block->iter = iter;
    block->status = status;
    return block;
}

static inline void thrum_foreach_leave(struct thrum_foreach_block *block)
{
    *block->status = thrum_iter_close(block->iter, *block->status);
}

static inline bool thrum_foreach_next(struct thrum_foreach_block *block, void *item)
{
    int said = *block->status < 0 ? 0 : thrum_iter_next(block->iter, item);

    if (said < 0)
        *block->status = said;
    return said == 1;
}

/*
 * A loop over all values of an iterator (iter.h), which is closed on every way
 * out. In it `name` is the value, of that type; the loop ends too when the body
 * has made the status negative. Here break and continue are the loop's.
 */
#define THRUM_FOREACH(type, name, iter, status)                                             \
    THRUM_BLOCK(struct thrum_foreach_block, thrum_foreach_enter, thrum_foreach_leave, (iter), \
                &(status))                                                                  \
    for (type name; thrum_foreach_next(THRUM_HERE(thrum_once), &name);)

/* ---- defer ----------------------------------------------------------------------------------- */

struct thrum_deferred {
    void (*fn)(void *arg);
    void *arg;
};

static inline void thrum_deferred_call(struct thrum_deferred *deferred)
{
    deferred->fn(deferred->arg);
}

/*
 * Call fn(arg) when the block that this stands in is left, on whatever way;
 * the last one first. fn and arg are looked at now. One for each line.
 *
 *     char *text = malloc(n);
 *     THRUM_DEFER(free, text);
 */
#define THRUM_DEFER(fn, arg)                         \
    struct thrum_deferred THRUM_HERE(thrum_deferred) \
        THRUM_CLEANUP(thrum_deferred_call) = {(fn), (arg)}

/* ---- tasks with arguments -------------------------------------------------------------------- */

/*
 * Define a function of one to eight arguments that can be spawned with them:
 * THRUM_FN(name, type, argument, ...) { body }. It is static, returns a status
 * as all task functions do, and can be called like any other. Types are those
 * that stand before a name: for arrays and pointers to functions use a typedef;
 * in C++ only what can be copied by memcpy. Arguments are copied at the spawn
 * (thrum_group_spawn_copy: 64 bytes of them without an allocation).
 */
#define THRUM_FN(name, ...)                                                                       \
    struct name##_arguments {                                                                     \
        THRUM_EACH(THRUM_FIELD, THRUM_NOTHING, __VA_ARGS__)                                       \
    };                                                                                            \
    static int name(THRUM_EACH(THRUM_PARAMETER, THRUM_COMMA, __VA_ARGS__));                       \
    static inline int name##_run(void *thrum_copy)                                                \
    {                                                                                             \
        struct name##_arguments *thrum_arguments = (struct name##_arguments *)thrum_copy;         \
        return name(THRUM_EACH(THRUM_PASSED, THRUM_COMMA, __VA_ARGS__));                           \
    }                                                                                             \
    THRUM_NODISCARD static inline int name##_spawn(                                               \
        thrum_group *thrum_to, const thrum_task_options *thrum_options_, thrum_task **thrum_out,  \
        const struct thrum_site *thrum_at, THRUM_EACH(THRUM_PARAMETER, THRUM_COMMA, __VA_ARGS__)) \
    {                                                                                             \
        typedef char thrum_alignment[__alignof__(struct name##_arguments) <= 16 ? 1 : -1]         \
            __attribute__((unused));                                                              \
        struct name##_arguments thrum_copy = {                                                    \
            THRUM_EACH(THRUM_ARGUMENT, THRUM_COMMA, __VA_ARGS__)};                                \
        return thrum_group_spawn_copy_at(thrum_to, name##_run, &thrum_copy, sizeof thrum_copy,    \
                                         thrum_options_, thrum_out, thrum_at);                    \
    }                                                                                             \
    static int name(THRUM_EACH(THRUM_PARAMETER, THRUM_COMMA, __VA_ARGS__))

/* Spawn such a function into a group; returns what thrum_group_spawn does. */
#define THRUM_SPAWN(group, name, ...) name##_spawn((group), NULL, NULL, THRUM_SITE, __VA_ARGS__)

/* The same with options and a handle. */
#define THRUM_SPAWN_TASK(group, options, out, name, ...) \
    name##_spawn((group), (options), (out), THRUM_SITE, __VA_ARGS__)

/* What the above is made of: one macro for each pair of type and name, with separators. */
#define THRUM_NOTHING()
#define THRUM_COMMA() ,
#define THRUM_FIELD(type, name) type name;
#define THRUM_PARAMETER(type, name) type name
#define THRUM_PASSED(type, name) thrum_arguments->name
#define THRUM_ARGUMENT(type, name) name

#define THRUM_EACH(m, sep, ...)                                                              \
    THRUM_PASTE(THRUM_EACH_,                                                                 \
                THRUM_PAIRS(__VA_ARGS__, 8, x, 7, x, 6, x, 5, x, 4, x, 3, x, 2, x, 1, x, 0)) \
    (m, sep, __VA_ARGS__)
#define THRUM_PAIRS(t1, n1, t2, n2, t3, n3, t4, n4, t5, n5, t6, n6, t7, n7, t8, n8, pairs, ...) \
    pairs
#define THRUM_EACH_1(m, sep, t, n) m(t, n)
#define THRUM_EACH_2(m, sep, t, n, ...) m(t, n) sep() THRUM_EACH_1(m, sep, __VA_ARGS__)
#define THRUM_EACH_3(m, sep, t, n, ...) m(t, n) sep() THRUM_EACH_2(m, sep, __VA_ARGS__)
#define THRUM_EACH_4(m, sep, t, n, ...) m(t, n) sep() THRUM_EACH_3(m, sep, __VA_ARGS__)
#define THRUM_EACH_5(m, sep, t, n, ...) m(t, n) sep() THRUM_EACH_4(m, sep, __VA_ARGS__)
#define THRUM_EACH_6(m, sep, t, n, ...) m(t, n) sep() THRUM_EACH_5(m, sep, __VA_ARGS__)
#define THRUM_EACH_7(m, sep, t, n, ...) m(t, n) sep() THRUM_EACH_6(m, sep, __VA_ARGS__)
#define THRUM_EACH_8(m, sep, t, n, ...) m(t, n) sep() THRUM_EACH_7(m, sep, __VA_ARGS__)

THRUM_END_DECLS

#endif
