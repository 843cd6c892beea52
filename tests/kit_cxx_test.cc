/* kit_cxx_test.cc - thrum/test.h in C++: tests written there, with what C++ has instead of names. */
#include <cstring>
#include <string>

#include <thrum/test.h>

namespace {

thrum_mock fetch = THRUM_MOCK_INIT("fetch");

int fetch_mock(const std::string &url, unsigned tries, const void *from, long *size)
{
    return thrum_mock_call(&fetch, size, sizeof *size, THRUM_ARGS(url.c_str(), tries, from));
}

struct resource {
    int number;
};

int set_up(void *arg)
{
    static_cast<resource *>(arg)->number = 7;
    return thrum_sleep(1);
}

const thrum_fixture a_resource = {"resource", sizeof(resource), set_up, nullptr};

int patched = 1;

} // namespace

THRUM_TEST(mocks_and_fixtures)
{
    resource *it = static_cast<resource *>(THRUM_USE(&a_resource));
    thrum_answer answer = thrum_answer();
    long size = 0, big = 1000;

    THRUM_PATCH(patched, it->number);
    THRUM_EXPECT_EQ(patched, 7);
    answer.value = &big;
    answer.size = sizeof big;
    answer.delay = thrum_ms(1);
    THRUM_REQUIRE_OK(thrum_mock_then(&fetch, &answer));
    THRUM_EXPECT_STATUS(fetch_mock("http://a/", 3u, it, &size), 0);
    THRUM_EXPECT_EQ(size, 1000);
    THRUM_EXPECT_CALLS(&fetch, 1);
    THRUM_EXPECT_CALLED_WITH(&fetch, 0, "http://a/", 3, it);
    return 0;
}

THRUM_TEST(checks)
{
    std::string text = "abc";

    THRUM_EXPECT(text == "abc");
    THRUM_EXPECT_STR(text.c_str(), "abc");
    THRUM_EXPECT_NE(&text, nullptr);
    THRUM_EXPECT_LT(1, 2);
    THRUM_REQUIRE_EQ(text.size(), 3);
    THRUM_EXPECT_CHECKPOINT(thrum_yield());
    THRUM_EXPECT_STATUS(thrum_settle(), 0);
    THRUM_EXPECT_STATUS(thrum_advance(thrum_s(1)), 0);
    return 0;
}

THRUM_TEST_WITH(failures, 0, THRUM_TEST_FAILS, 2, 0)
{
    THRUM_EXPECT_EQ(1, 2);
    return 0;
}

THRUM_TEST_MAIN
