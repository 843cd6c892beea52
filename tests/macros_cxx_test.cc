/*
 * macros_cxx_test.cc - thrum/macros.h, and with it all public headers, in C++: blocks left by an
 * exception too, arguments that are C++ types.
 */
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include <thrum/macros.h>
#include <thrum/thrum.h>

#define CHECK(condition) \
    ((condition) ? (void)0 : (std::fprintf(stderr, "%d: %s\n", __LINE__, #condition), std::abort()))

namespace {

struct point {
    double x, y;
};

const thrum_local depth = THRUM_LOCAL_INIT(nullptr, nullptr);

THRUM_FN(measure, point, from, point, to, double *, distance)
{
    *distance = (to.x - from.x) + (to.y - from.y);
    return 0;
}

int throws_out_of_blocks(double *distance)
{
    int status = 0;

    try {
        THRUM_TIMEOUT (timeout, thrum_s(100), status)
            THRUM_GROUP (group, nullptr, status) {
                CHECK(!thrum_timeout_expired(timeout));
                status = THRUM_SPAWN(group, measure, point{1, 2}, point{3, 5}, distance);
                throw std::runtime_error("out");
            }
    } catch (const std::runtime_error &) {
        CHECK(*distance == 5);
    }
    return status;
}

void forget(void *arg)
{
    *static_cast<double *>(arg) = 0;
}

int open_door(void *arg)
{
    ++*static_cast<int *>(arg);
    return 0;
}

int close_door(void *arg, int status)
{
    --*static_cast<int *>(arg);
    return thrum_kind_of(status) == THRUM_FAILED ? THRUM_SWALLOW : 0;
}

const thrum_manager doors = {open_door, close_door};

void throws_out_of_a_door()
{
    thrum_exit again;
    int status = 0;
    int open = 0;

    try {
        THRUM_WITH (&doors, &open, status)
            THRUM_EXIT_STACK (stack, status) {
                CHECK(thrum_exit_stack_enter(stack, &again, &doors, &open) == 0);
                CHECK(open == 2);
                status = -5;
                throw std::runtime_error("out");
            }
    } catch (const std::runtime_error &) {
        CHECK(open == 0);
    }
    CHECK(status == 0);
}

int sums_up()
{
    static const int values[] = {1, 2, 3, 4};
    thrum_array_iter array;
    int status = 0;
    int sum = 0;

    THRUM_FOREACH (int, value, thrum_iter_array(&array, values, 4, sizeof(int)), status) {
        if (value == 4)
            break;
        sum += value;
    }
    return status ? status : sum;
}

int selects()
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_mutex mutex = THRUM_MUTEX_INIT;
    thrum_case cases[] = {thrum_case_event(&event), thrum_case_lock(&mutex), thrum_case_now()};
    int chosen = THRUM_SELECT(cases, 0);

    thrum_mutex_unlock(&mutex);
    return chosen;
}

int root(void *)
{
    double distance = 0;
    int status = 0;

    CHECK(throws_out_of_blocks(&distance) == 0);
    throws_out_of_a_door();
    CHECK(sums_up() == 6);
    CHECK(selects() == 1);
    THRUM_LOCAL(&depth, &distance, status)
    THRUM_SHIELD(status) {
        THRUM_DEFER(forget, &distance);
        CHECK(thrum_local_get(&depth) == &distance);
        THRUM_SCOPE (scope, 0, status) {
            thrum_scope_cancel(scope, 1, "enough");
            status = thrum_yield();
            CHECK(status == THRUM_ECANCELED);
            break;
        }
        CHECK(status == 0 && distance == 5);
    }
    CHECK(distance == 0 && thrum_local_get(&depth) == nullptr);
    THRUM_GROUP (group, nullptr, status) {
        thrum_task *task = nullptr;

        CHECK(THRUM_SPAWN_TASK(group, nullptr, &task, measure, point{0, 0}, point{1, 1},
                               &distance) == 0);
        CHECK(thrum_task_join(task, nullptr) == 0);
        thrum_task_unref(task);
    }
    CHECK(status == 0 && distance == 2);
    return status;
}

} // namespace

int main()
{
    for (int workers : {1, 2, 8}) {
        thrum_options options = THRUM_OPTIONS_INIT;

        options.workers = workers;
        CHECK(thrum_run(root, nullptr, &options, nullptr) == 0);
    }
    std::puts("macros in C++: fine");
    return 0;
}
