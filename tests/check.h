/*
 * check.h - the test harness: TEST, CHECK and a runner.
 *
 *     TEST(two_and_two)
 *     {
 *         CHECK_EQ(2 + 2, 4);
 *     }
 *
 * Each test runs in a process of its own, so it may crash, hang or leave
 * threads behind without hurting the next one. A check that fails ends the
 * process at once, from whichever thread it stands in. A test passes if its
 * function returns and the process then exits with 0, sanitizers' verdicts at
 * exit included. The runner's options are described in check.c.
 */
#ifndef THRUM_TESTS_CHECK_H
#define THRUM_TESTS_CHECK_H

#include <stdbool.h>
#include <stdint.h>

struct check_test {
    const char *name;
    void (*run)(void);
    struct check_test *next;
};

/* Where a check stands, for its message. */
struct check_site {
    const char *file;
    int line;
    const char *text;
};

#define CHECK_SITE(text) (&(const struct check_site){__FILE__, __LINE__, text})

#define TEST(id)                                                       \
    static void test_##id(void);                                       \
    static struct check_test check_test_##id = {#id, test_##id, NULL}; \
    __attribute__((constructor)) static void check_register_##id(void) \
    {                                                                  \
        check_register(&check_test_##id);                              \
    }                                                                  \
    static void test_##id(void)

#define CHECK(cond) ((cond) ? (void)0 : check_fail(CHECK_SITE(#cond)))

/* Integers and pointers, each evaluated once; the message shows both values. */
#define CHECK_EQ(a, b) CHECK_COMPARE(a, ==, b)
#define CHECK_NE(a, b) CHECK_COMPARE(a, !=, b)
#define CHECK_LT(a, b) CHECK_COMPARE(a, <, b)
#define CHECK_LE(a, b) CHECK_COMPARE(a, <=, b)

#define CHECK_STR_EQ(a, b) check_str_eq(CHECK_SITE(#a " equals " #b), a, b)

/*
 * Run an expression or a { block } in a forked process, which has to end by a
 * signal or with a status other than 0 and to have said `text` on its standard
 * error. In a process with several threads only the calling one is forked.
 */
#define CHECK_DEATH(expr, text)                           \
    do {                                                  \
        if (check_death_begin()) {                        \
            expr;                                         \
            check_death_survived(CHECK_SITE(#expr));      \
        }                                                 \
        check_death_end(CHECK_SITE(#expr " dies"), text); \
    } while (0)

/* Leave the test here: this machine cannot run it. Counted apart. */
#define SKIP(reason) check_skip(reason)

#define CHECK_COMPARE(a, op, b)                                                   \
    do {                                                                          \
        intmax_t check_a_ = CHECK_WORD(a);                                        \
        intmax_t check_b_ = CHECK_WORD(b);                                        \
        if (!(check_a_ op check_b_))                                              \
            check_fail_values(CHECK_SITE(#a " " #op " " #b), check_a_, check_b_); \
    } while (0)

/* Floating point would be cut down to integers without a word: refuse it. */
#define CHECK_WORD(v) \
    _Generic((v), float: check_no_float, double: check_no_float, default: (intmax_t)(v))

extern struct check_no_float check_no_float;

void check_register(struct check_test *test);
_Noreturn void check_fail(const struct check_site *site);
_Noreturn void check_fail_values(const struct check_site *site, intmax_t a, intmax_t b);
_Noreturn void check_skip(const char *reason);
void check_str_eq(const struct check_site *site, const char *a, const char *b);

/* True in the process that is to die. */
bool check_death_begin(void);
_Noreturn void check_death_survived(const struct check_site *site);
void check_death_end(const struct check_site *site, const char *text);

#endif
