/*
 * history_fuzz.c - anything at all as a file of a history, and as a text. For libFuzzer:
 *
 *     tests/fuzz/history.sh SECONDS
 *
 * history_test.c has the corpus, and runs in the gate.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/explore/history.h"
#include "runtime/plat/memory.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t length);

static void as_file(const char *bytes, size_t length)
{
    struct history_error error = {0, NULL};
    struct history history;
    int status = thrum_history_read(bytes, length, &history, &error);

    if (status == 0)
        thrum_history_fini(&history);
    else if (!error.reason || error.line == 0)
        abort(); /* a refusal says where and why */
}

static void as_text(const char *bytes, size_t length)
{
    char *text = malloc(length + 1);
    struct places *places;
    struct delta *deltas;

    memcpy(text, bytes, length);
    text[length] = '\0';
    if (thrum_deltas_read(text, &deltas, &places) >= 0) {
        thrum_memory_put(deltas);
        thrum_memory_put(places);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t length)
{
    as_file((const char *)bytes, length);
    as_text((const char *)bytes, length);
    return 0;
}
