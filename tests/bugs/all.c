/* all.c - all families. */
#include "tests/bugs/kit.h"

const struct bug *const bugs_all[] = {bugs_sct,      bugs_chess,       bugs_convul,   bugs_other,
                                      bugs_go_locks, bugs_go_channels, bugs_go_races, NULL};
