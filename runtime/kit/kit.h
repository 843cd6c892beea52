/* kit.h - what the files of the test kit share. */
#ifndef THRUM_KIT_H
#define THRUM_KIT_H

#include <thrum/test.h>

/* verdict.c: a line to standard error, in one piece; printf's. Any thread. */
__attribute__((format(printf, 1, 2))) void thrum_kit_say(const char *format, ...);

/* verdict.c: a run of a test begins: nothing has failed. */
void thrum_kit_verdict_begin(void);
bool thrum_kit_skipped(void);
/* verdict.c: nothing is said from here on, or again. No test runs. */
void thrum_kit_mute(bool muted);

/* fixture.c: the calling task is a test's own; what it uses is torn down within `limit` each. */
void thrum_kit_fixtures_begin(int64_t limit);
/* What was set up is torn down, the last first. */
void thrum_kit_fixtures_end(void);

/* mock.c: all mocks forget everything. */
void thrum_kit_mocks_end(void);

/* body.c: one run of one test, as the root of a runtime. */
struct kit_run {
    const thrum_test *test;
    int64_t limit; /* for the body, and for each tear-down */
    bool failed;   /* an earlier one of many: what happens has been said */
};
int thrum_kit_root(void *run);

/* "1.5 s" */
const char *thrum_kit_duration(int64_t ns, char *text, size_t size);

#endif
