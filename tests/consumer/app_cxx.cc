// app_cxx.cc - the same library from C++11.
#include <cstdio>

#include <thrum/thrum.h>

namespace {

int twice(void *arg)
{
    *static_cast<int *>(arg) *= 2;
    return 0;
}

int body(void *arg)
{
    thrum_group group;
    thrum_child child;
    int status = thrum_group_open(&group, nullptr);

    if (status == 0) {
        status = thrum_group_spawn_child(&group, &child, twice, arg);
        status = thrum_group_close(&group, status, nullptr);
    }
    return status;
}

} // namespace

int main()
{
    int number = 21;
    int status = thrum_run(body, &number, nullptr, NULL);

    std::printf("status %d, number %d\n", status, number);
    return status == 0 && number == 42 ? 0 : 1;
}
