/* thrum.h - all of Thrum's public headers. */
#ifndef THRUM_THRUM_H
#define THRUM_THRUM_H

#include <thrum/branch.h>
#include <thrum/error.h>
#include <thrum/event.h>
#include <thrum/group.h>
#include <thrum/run.h>
#include <thrum/task.h>
#include <thrum/types.h>

#endif
