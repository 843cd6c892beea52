/* thrum.h - all of Thrum's public headers. */
#ifndef THRUM_THRUM_H
#define THRUM_THRUM_H

#include <thrum/barrier.h>
#include <thrum/batcher.h>
#include <thrum/blocking.h>
#include <thrum/branch.h>
#include <thrum/broadcast.h>
#include <thrum/completed.h>
#include <thrum/condition.h>
#include <thrum/coordinator.h>
#include <thrum/error.h>
#include <thrum/event.h>
#include <thrum/executor.h>
#include <thrum/exit_stack.h>
#include <thrum/explore.h>
#include <thrum/fd.h>
#include <thrum/gather.h>
#include <thrum/generator.h>
#include <thrum/group.h>
#include <thrum/guest.h>
#include <thrum/hold.h>
#include <thrum/iter.h>
#include <thrum/latch.h>
#include <thrum/local.h>
#include <thrum/mutex.h>
#include <thrum/once.h>
#include <thrum/parallel.h>
#include <thrum/pool.h>
#include <thrum/promise.h>
#include <thrum/queue.h>
#include <thrum/rate.h>
#include <thrum/retry.h>
#include <thrum/run.h>
#include <thrum/rwlock.h>
#include <thrum/scope.h>
#include <thrum/select.h>
#include <thrum/semaphore.h>
#include <thrum/service.h>
#include <thrum/shared.h>
#include <thrum/task.h>
#include <thrum/ticket.h>
#include <thrum/time.h>
#include <thrum/types.h>
#include <thrum/workers.h>

#endif
