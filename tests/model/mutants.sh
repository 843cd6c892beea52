#!/bin/sh
# mutants.sh - mutants of the source's logic: each line below takes away a
# re-check or swaps two steps; every model program must notice its own.
#
# usage: tests/model/mutants.sh [NAME...]    from the root of the repository
#
# Weakened memory orders need no list: the programs find those themselves
# (--mutants). CC and CFLAGS are honoured. Exit status 1: a mutant survived.

set -eu

cc=${CC:-cc}
flags="-O2 -std=c11 -D_GNU_SOURCE -DTHRUM_MODEL -w ${CFLAGS:-}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# name | program, and its bound if not 2 | file | sed script
list() {
    cat <<'END'
deque.no_version       | deque | runtime/work/deque.c | s/\) \+ VERSION_ONE;/);/
deque.ring_first       | deque | runtime/work/deque.c | /^void \*thrum_deque_steal/,/^}/{s/thrum_pair seen = shared_load\(deque\);/thrum_pair seen;/;s/^    const struct deque_ring \*ring;/    const struct deque_ring *ring = pointer_of(load_acquire(\&deque->ring)); seen = shared_load(deque);/;/^    ring = pointer_of/d}
deque.slot_late        | deque | runtime/work/deque.c | /^void \*thrum_deque_steal/,/^}/s/    return task;/    return pointer_of(load_relaxed(\&ring->slots[(seen.lo) \& ring->mask]));/
deque.bottom_early     | deque | runtime/work/deque.c | /^bool thrum_deque_revoke/,/^}/{s/^    store_relaxed\(floor_of/    bottom = load_acquire(\&deque->lane.bottom);\n&/;/^    bottom = load_acquire\(&deque->lane.bottom\); \/\*/d}
deque.poison_late      | deque | runtime/work/deque.c | /^bool thrum_deque_revoke/,/^}/{/^    store_relaxed\(floor_of/d;s/^    fence_heavy\(\);.*/&\n    store_relaxed(floor_of(deque), FLOOR_POISON);/}
deque.no_poison        | deque | runtime/work/deque.c | /^bool thrum_deque_revoke/,/^}/{/^    store_relaxed\(floor_of/d}
deque.unpoison_late    | deque | runtime/work/deque.c | /^static bool settle/,/^}/{/^    store_relaxed\(floor_of/d;s/^    return cas_acq_rel_pair(.*);/    bool done_ = cas_acq_rel_pair\1; if (done_) store_relaxed(floor_of(deque), split); return done_;/}
deque.settle_once      | deque | runtime/work/deque.c | /^void \*thrum_deque_pop/,/^}/s/    \} while \(!settle\(deque, &seen, split\)\);/    } while (!settle(deque, \&seen, split) \&\& 0);/
deque.no_recount       | deque | runtime/work/deque.c | /^void \*thrum_deque_pop/,/^}/s/\(int64_t\)\(bottom - seen.lo\) < 0/0/
deque.keep_bottom      | deque | runtime/work/deque.c | /^void \*thrum_deque_pop/,/^}/s/store_release\(&deque->lane.bottom, bottom \+ 1\);/;/
deque.lower_floor      | deque | runtime/work/deque.c | s/split = bottom == split \? split : split_for\(seen, bottom\);/split = split_for(seen, bottom + 1);/
deque.copy_late        | deque | runtime/work/deque.c | /^static bool grow/,/^}/{/^    ring_use/d;s/^    for \(uint64_t i = top/    ring_use(deque, ring);\n&/}
deque.limit_high       | deque | runtime/work/deque.c | s/top \+ deque->lane.mask \+ 1\)/top + deque->lane.mask + 2)/
deque.room_stale       | deque | runtime/work/deque.c | s/bottom - top > deque->lane.mask && !grow/bottom - top > deque->lane.mask + 1 \&\& !grow/
deque.no_alarm         | deque | runtime/work/deque.c | /^void thrum_deque_alarm/,/^}/s/store_relaxed\(.*/;/
deque.torn_backwards   | deque | runtime/work/deque.c | /^static thrum_pair shared_load/,/^}/{/shared.hi = load/d;s/^    shared.lo = .*/    shared.lo = load_relaxed(\&deque->shared.lo);\n    shared.hi = load_relaxed(\&deque->shared.hi);/}
lane.slot_late         | deque | include/thrum/detail/lane.h | /thrum_lane_push/,/^}/{/thrum_store_relaxed_64\(&lane->slots/d;s/^    thrum_fence_compiler\(\);/    thrum_store_relaxed_64(\&lane->slots[bottom \& lane->mask], (uint64_t)(uintptr_t)task);/}
lane.floor_early       | deque | include/thrum/detail/lane.h | /thrum_lane_pop/,/^}/{s/^    thrum_store_release_64\(&lane->bottom, bottom\);.*/    uint64_t floor_ = thrum_load_relaxed_64(\&lane->floor);\n&/;s/thrum_load_relaxed_64\(&lane->floor\)\) /floor_) /}
ready.no_version       | ready | runtime/sched/ready.c | s/\(\(shared.hi & ~GAP_MASK\) \+ GAP_MASK \+ 1\)/(shared.hi \& ~GAP_MASK)/
ready.no_poison        | ready | runtime/sched/ready.c | /^    store_relaxed\(&queue->ceiling, CEILING_POISON\)/d
ready.poison_late      | ready | runtime/sched/ready.c | /^void \*thrum_ready_revoke/,/^}/{/^    thrum_ready_ask/d;s/^    fence_heavy\(\);.*/&\n    thrum_ready_ask(queue);/}
ready.mine_early       | ready | runtime/sched/ready.c | /^void \*thrum_ready_revoke/,/^}/{s/^    thrum_ready_ask/    uint64_t mine_ = load_acquire(\&queue->mine);\n&/;s/end - load_acquire\(&queue->mine\)/end - mine_/}
ready.ceiling_late     | ready | runtime/sched/ready.c | /^static bool settle/,/^}/{/^    store_relaxed/d;s/^    return cas_acq_rel_pair(.*);/    bool done_ = cas_acq_rel_pair\1; if (done_) store_relaxed(\&queue->ceiling, end); return done_;/}
ready.window_kept      | ready | runtime/sched/ready.c | s/settle\(queue, &seen, head \+ window, head \+ window\)/settle(queue, \&seen, head, head + window)/
ready.empty_kept       | ready | runtime/sched/ready.c | s/store_release\(&queue->mine, head\);/store_release(\&queue->mine, index);/;s/settle\(queue, &seen, head, head\)/settle(queue, \&seen, head, end)/
ready.ceiling_first    | ready | runtime/sched/ready.h | /ready_take\(struct/,/^}/{s/^    store_release\(&queue->mine, index \+ 1\);.*/    uint64_t ceiling_ = load_relaxed(\&queue->ceiling);\n&/;s/index - load_relaxed\(&queue->ceiling\)/index - ceiling_/}
ready.tail_early       | ready | runtime/sched/ready.h | /ready_push\(struct/,/^}/{/^    store_relaxed\(&queue->slots/d;s/^    store_release\(&queue->tail.*/&\n    store_relaxed(\&queue->slots[tail % READY_SLOTS], word_of(fiber));/}
inject.unchecked_tail  | inject | runtime/work/inject.c | /^void thrum_inject_push/,/^}/s/!unchanged\(&queue->tail, tail\)/0/
inject.unchecked_head  | inject | runtime/work/inject.c | s/!unchanged\(&queue->head, head\)/0/
inject.no_version      | inject | runtime/work/inject.c | s/seen.hi \+ 1\}/seen.hi}/
inject.no_help         | inject | runtime/work/inject.c | s/head.lo == tail.lo/0/
inject.value_late      | inject | runtime/work/inject.c | s/            return value;/            return pointer_of(load_relaxed(\&node_of(pair_load(\&queue->head))->value));/
pool.no_version        | pool | runtime/work/pool.c | s/seen.hi \+ 1\}/seen.hi}/
idle.count_first       | idle | runtime/work/idle.c | /^bool thrum_idle_sleep/,/^}/{/^    add_acq_rel\(&idle->sleeping/d;s/^    seen = add_acq_rel.*/&\n    add_acq_rel(\&idle->sleeping[worker \/ 64], (uint64_t)1 << worker % 64);/}
idle.claim_once        | idle@4 | runtime/work/idle.c | s/!thrum_idle_found\(idle\) \|\| !anybody_sleeps\(idle\)/thrum_idle_found(idle) || 1/
idle.last_forgets      | idle | runtime/work/idle.c | /^bool thrum_idle_found/,/^}/s/== 1;/== 7;/
idle.sleep_forgets     | idle | runtime/work/idle.c | /^bool thrum_idle_sleep/,/^}/s/== 1;/== 7;/
idle.unsleep_uncounted | idle | runtime/work/idle.c | /^bool thrum_idle_unsleep/,/^}/s/add_acq_rel\(&idle->state, SEARCHER - SLEEPER\);/;/
search.no_alarm        | search | runtime/sched/search.c | s/^        alarm_all\(scheduler\);/        ;/
search.no_look         | search | runtime/sched/search.c | s/thrum_work_in_sight\(scheduler\) \|\| must_leave\(worker\)/must_leave(worker)/
search.inject_unseen   | search | runtime/sched/search.c | s/return round.work \|\| !thrum_inject_empty\(&scheduler->inject\);/return round.work;/
search.look_early      | search | runtime/sched/search.c | /^static bool fall_asleep/,/^}/{s/^        alarm_all\(scheduler\);/        bool seen_ = thrum_work_in_sight(scheduler);\n&/;s/\(thrum_work_in_sight\(scheduler\) \|\|/(seen_ ||/}
search.last_forgets    | search | runtime/sched/search.c | /^struct fiber \*thrum_worker_search/,/^}/s/^        thrum_notify\(scheduler\);/        ;/
search.poller_late     | search | runtime/sched/search.c | /^void thrum_worker_call/,/^}/{/^    exchange_seq/d;s/^    if \(load_acquire\(&worker->scheduler->poller\)/    uint32_t poller_ = load_acquire(\&worker->scheduler->poller);\n    exchange_seq(\&worker->notified, NOTIFY_RUN);\n    if (poller_/}
search.place_kept      | search | runtime/sched/search.c | /^static void park_polling/,/^}/s/^    store_release\(&scheduler->poller, 0\);/    ;/
search.untold          | search | runtime/sched/search.c | /^static void wake_up/,/^}/s/^    thrum_poller_tell\(worker\);/    ;/
heap.unannounced       | heap | runtime/work/heap.c | /^static void write_at/,/^}/s/^    announce\(heap\);/    ;/
heap.push_unannounced  | heap | runtime/work/heap.c | /^size_t thrum_heap_push/,/^}/s/^    announce\(heap\);/    ;/
heap.count_early       | heap | runtime/work/heap.c | /^size_t thrum_heap_push/,/^}/{/^    store_release\(&heap->count/d;s/^    write_at\(heap, end, entry\);/    store_release(\&heap->count, count + 1);\n&/}
heap.shrunk_early      | heap | runtime/work/heap.c | /^void thrum_heap_remove/,/^}/{/^    store_release\(&heap->count/d;s/^    ASSERT.*/    store_release(\&heap->count, count - 1);/}
timers.out_first       | heap | runtime/sched/timers.c | /^static void end_first/,/^}/{s/^    POINT.*/    thrum_heap_remove(\&timers->heap, 0);/;s/^    if \(thrum_heap_count.*/    if (1)/}
timers.always_same     | heap | runtime/sched/timers.c | s/bool same = rescue->exact && /bool same = rescue->exact || /
timers.exact           | heap | runtime/sched/timers.c | s/rescue->exact = exact && \(.*\);/rescue->exact = true;/
timers.moved_exact     | heap | runtime/sched/timers.c | s/rescue->exact = exact && \(.*\);/rescue->exact = exact;/
timers.slot_time       | heap | runtime/sched/timers.c | s/\(int64_t\)load_relaxed\(&timer->when\) > search->now/0/
wait.commit_deaf       | wait | runtime/task/wait.c | /^static void commit/,/^}/s/^    thrum_ready\(left\);/    ;/
wait.fire_late_read    | wait | runtime/task/wait.c | s/^        thrum_ready\(asleep\);/        thrum_ready(asleep), (void)load_relaxed(\&wait->key);/
wait.fire_twice        | wait | runtime/task/wait.h | /^static inline bool thrum_wait_claim/,/^}/s/ \|\| \(state != WAIT_OPEN && state != WAIT_ASLEEP\)//
wait.any_key           | wait | runtime/task/wait.h | /^static inline bool thrum_wait_claim/,/^}/s/\(seen & ~\(uint64_t\)WAIT_STATE\) != key/0/
wait.key_kept          | task | runtime/task/wait.c | /^static uint64_t key_next/,/^}/s/ \+ WAIT_KEY_ONE;/;/
wait.no_look           | wait | runtime/task/wait.c | s/wait.key & WAIT_DEAF \|\| LIKELY\(load_relaxed\(alert\) == looked\)/1/
wait.look_asleep       | wait | runtime/task/wait.c | s/!move\(&wait, WAIT_ASLEEP, WAIT_OPEN\)/0/
branch.commit_deaf     | wait | runtime/task/branch.c | /^static void commit/,/^}/s/^        thrum_ready\(left\);.*/        ;/
branch.end_stores      | wait | runtime/task/branch.c | s/seen = exchange_acq_rel\(&branch->state, done_with\(status\)\);/seen = load_acquire(\&branch->state); store_release(\&branch->state, done_with(status));/
group.commit_deaf      | wait | runtime/task/group.c | /^static void wait_commit/,/^}/s/^        thrum_ready\(left\);.*/        ;/
group.base_kept        | wait | runtime/task/group.c | /^static void wait_commit/,/^}/s/own - REMOTE_BASE\) == REMOTE_BASE - own/own) == REMOTE_BASE - own/
roster.no_version      | roster | runtime/work/roster.c | s/seen.hi \+ 1\}/seen.hi}/
roster.unlinked        | roster | runtime/work/roster.c | s/store_relaxed\(last, seen.lo \| FREE\);/store_relaxed(last, FREE);/
roster.older_lost      | roster | runtime/work/roster.c | s/^        store_relaxed\(&segment->older, seen\);.*/        store_relaxed(\&segment->older, 0);/
roster.free_seen       | roster | runtime/work/roster.c | s/word && !\(word & FREE\)/word/
cancel.no_alert        | cancel | runtime/task/cancel.c | s/thrum_alert\(scheduler\)/load_relaxed(\&scheduler->alert)/
cancel.alert_late      | cancel | runtime/task/cancel.c | /^void thrum_cancel_spread/,/^}/{s/^    spread.alert = .*/    spread.alert = UINT64_MAX;/;s/^    spread_below\(&spread\);/&\n    thrum_alert(scheduler);/}
cancel.mark_late       | cancel | runtime/task/cancel.c | /^void thrum_cancel_scope/,/^}/{/^    thrum_cancel_mark/d;s/^    thrum_cancel_spread\(&target\);/&\n    thrum_cancel_mark(scope, code, text, file, line);/}
cancel.no_walk         | cancel | runtime/task/cancel.c | /^void thrum_cancel_spread/,/^}/s/^    spread_below\(&spread\);/    ;/
cancel.second_place    | cancel | runtime/task/cancel.c | /^           thrum_walk_stands_here/d;s/(load_acquire\(&strand->tiers\) != 0) &&/\1;/
cancel.way_unchecked   | cancel | runtime/task/walk.c | s/load_acquire\(&strand->life\) != done->life \|\| //
strand.bottom_up       | cancel | runtime/task/strand.c | s/\(above = parent_of\(parent\)\) != NULL &&/(above = parent_of(parent)) != NULL \&\& 0 \&\&/
scope.alert_late       | cancel | runtime/task/scope.c | /^static bool look\(/,/^}/{s/^    uint64_t alert = .*/    uint64_t alert;/;s/^    struct sum sum = sum_from\(scope\);/&\n    alert = load_acquire(\&fiber_of(strand)->home->alert);/}
strand.tier_unchecked  | cancel | runtime/task/strand.c | s/if \(next && load_relaxed\(&tier_of\(next\)->depth\) > depth\)/if (0)/
task.never_closed      | task | runtime/task/task.c | s/add_acq_rel\(&task->requests, CLOSED\)/load_acquire(\&task->requests)/
task.pending_quietly   | task | runtime/task/task.c | /^bool thrum_task_cancel_at/,/^}/s/^        thrum_alert\(scheduler\);/        ;/
task.no_spread         | task | runtime/task/task.c | /^bool thrum_task_cancel_at/,/^}/s/^        spread\(task\);/        ;/
task.not_forgotten     | task | runtime/task/task.c | s/^        thrum_scope_forget\(.*/        ;/
done.not_waited_for    | task | runtime/task/done.c | s/while \(task->called == done && /while (0 \&\& /
counted.given_twice    | task | runtime/task/counted.c | s/^    if \(!thrum_waiters_claim\(room, &woken\)\)/    (void)thrum_waiters_claim(room, \&woken);/
counted.place_kept     | task | runtime/task/counted.c | /^int thrum_counted_enter/,/^}/s/^            place_give\(room_of\(group\)\);/            ;/
counted.not_the_last   | task | runtime/task/counted.c | /^static void leave/,/^}/s/!= 1\)/!= 0)/
deadline.end_stores    | cancel | runtime/task/timeout.c | s/if \(!cas_acq_rel\(&deadline->word, &seen, key \+ KEY_ONE\)\)/store_release(\&deadline->word, key + KEY_ONE); if (0)/
deadline.expire_stores | cancel | runtime/task/timeout.c | s/if \(!cas_seq\(&deadline->word, &seen, target.value\)\)/store_release(\&deadline->word, target.value); if (0)/
deadline.key_kept      | cancel | runtime/task/timeout.c | /^static bool disarm/,/^}/s/key \+ KEY_ONE/key/
waiters.not_linked     | select | runtime/task/waiters.c | s/^            thrum_waiters_link_first\(list, self\);/            ;/
waiters.not_asked      | cancel | runtime/task/waiters.c | s/kind->again && kind->again\(list, self\)/0/
waiters.one_try        | sync | runtime/task/waiters.c | /^bool thrum_waiters_claim\(/,/^}/s/while \(list->first\)/if (list->first)/
waiters.wake_first     | sync | runtime/task/waiters.c | /^static bool wake_some/,/^}/s/\(next = next_of\(called\)\) != NULL/n < 1 \&\& (next = next_of(called)) != NULL/
waiters.look_first     | sync | runtime/task/waiters.c | /^int thrum_waiter_stay/,/^}/{s/^    lock_enter\(lock\);/    lock_enter(lock); bool done_ = kind->again(list, self); lock_leave(lock); lock_enter(lock);/;s/kind->again\(list, self\)\) \{/done_) {/}
mutex.unmarked         | sync | runtime/sync/mutex.c | /^static bool must_wait/,/^}/s/seen \+ 1\)/seen ? seen : 1)/
mutex.kept             | sync | runtime/sync/mutex.c | /^void thrum_mutex_unlock/,/^}/s/store_release\(&mutex->state, MUTEX_FREE\);/;/
mutex.freed            | sync | runtime/sync/mutex.c | /^void thrum_mutex_unlock/,/^}/s/store_release\(&mutex->state, MUTEX_HELD\);/store_release(\&mutex->state, MUTEX_FREE);/
sem.left_nothing       | sync | runtime/sync/semaphore.c | /^static bool left/,/^}/s/return grant\(list, woken\);/return false;/
sem.too_many           | sync | runtime/sync/semaphore.c | /^static bool grant/,/^}/s/if \(thrum_waiters_claim_first\(list, woken\)\)/thrum_waiters_claim_first(list, woken); if (0)/
sem.cancelled_pays     | sync | runtime/sync/semaphore.c | /^static bool grant/,/^}/s/if \(thrum_waiters_claim_first\(list, woken\)\)/thrum_waiters_claim_first(list, woken);/
queue.twice            | sync | runtime/sync/queue.c | /^static bool hand_over/,/^}/s/return true;/break;/
queue.none_let_in      | sync | runtime/sync/queue.c | /^static int get\(/,/^}/s/^    let_in\(queue, woken\);/    ;/
queue.let_in_nothing   | sync | runtime/sync/queue.c | /^static void let_in/,/^}/s/^        store\(queue, item\);/        ;/
lock.wake_unfenced     | sync | runtime/task/lock.c | s/^    fence_heavy\(\);.*/    ;/
lock.not_counted       | sync | runtime/task/lock.c | /^void thrum_lock_enter_slow/,/^}/s/^    add_relaxed\(sleepers, 1\);.*/    ;/
lock.pins_unseen       | sync | runtime/task/lock.c | /^void thrum_lock_enter_last/,/^}/s/pins == 0/1/
select.not_linked      | select | runtime/sync/select.c | s/if \(entry == ENTRY_OPEN && !self->linked\)/if (0)/
select.not_claimed     | select | runtime/sync/select.c | s/if \(!thrum_wait_claim\(&all->wait, WAIT_WOKEN, &asleep\)\)/if (0)/
select.not_wasted      | select | runtime/sync/select.c | s/^        return ENTRY_WASTED;/        ;/
select.no_look         | select | runtime/sync/select.c | s/if \(!is_ready\(&all->cases\[i\]\)\)/if (1)/
select.old_sleep       | select | runtime/sync/select.c | /^static enum entry enter\(/,/^}/s/^    self->wait = all->wait;/    ;/
select.no_leave        | select | runtime/sync/select.c | s/^            leave\(one\);/            lock_leave(lock_of(one));/
select.mark_late       | select | runtime/sync/semaphore.c | /^static bool ready/,/^}/s/if \(cas_relaxed\(.*/if (1)/
waiters.claimed_stays  | select | runtime/task/waiters.h | s/^        one->claimed = false;/        ;/
END
}

sources() {
    case $1 in
    deque) echo runtime/work/deque.c ;;
    ready) echo runtime/sched/ready.c ;;
    inject) echo runtime/work/inject.c ;;
    pool) echo runtime/work/pool.c ;;
    idle) echo runtime/work/idle.c ;;
    search)
        echo runtime/sched/search.c runtime/sched/poller.c runtime/sched/rest.c \
            runtime/sched/ready.c runtime/work/deque.c runtime/work/idle.c runtime/work/inject.c
        ;;
    heap) echo runtime/work/heap.c runtime/sched/timers.c ;;
    wait) echo runtime/task/wait.c runtime/task/branch.c runtime/task/group.c ;;
    roster) echo runtime/work/roster.c ;;
    cancel)
        echo runtime/task/cancel.c runtime/task/walk.c runtime/task/strand.c runtime/task/scope.c \
            runtime/task/wait.c runtime/task/waiters.c runtime/task/lock.c runtime/task/timeout.c \
            runtime/task/record.c runtime/sync/event.c runtime/work/roster.c
        ;;
    select)
        sources cancel
        echo runtime/sync/select.c runtime/sync/semaphore.c
        ;;
    task)
        sources cancel
        echo runtime/task/task.c runtime/task/done.c runtime/task/counted.c runtime/task/sleep.c
        ;;
    sync)
        echo runtime/task/lock.c runtime/task/waiters.c runtime/task/wait.c runtime/sync/event.c \
            runtime/sync/mutex.c runtime/sync/semaphore.c runtime/sync/queue.c
        ;;
    esac
}

defines() {
    case $1 in
    search) echo -DYOUNG_NS=0 ;;
    ready) echo -DREADY_SLOTS=4 -DREADY_WINDOW=2 ;;
    roster) echo -DROSTER_SLOTS=3 ;;
    cancel | select | task) echo -DROSTER_SLOTS=3 -DWALK_LEVELS=1 -DLOCK_PLACES=1 ;;
    sync) echo -DLOCK_PLACES=1 -DLOCK_LOOKS=0 ;;
    esac
}


# What a model never calls is not there (tests/model/BUILD).
absent() {
    case $1 in
    select | task | wait) echo -no-pie -Wl,--unresolved-symbols=ignore-all ;;
    esac
}

# build PROGRAM FILE: the program, with FILE taken from $work. The sources under
# test tell the explorer of their plain accesses (-fsanitize=thread).
build() {
    parts=
    for source in $(sources "$1"); do
        part="$work/part.$(basename "$source").o"
        if [ "$source" = "$2" ]; then
            source="$work/$source"
        fi
        # shellcheck disable=SC2046,SC2086
        $cc $flags $(defines "$1") -fsanitize=thread -I"$work" -I"$work/include" \
            -Itests -Iinclude -I. -c "$source" -o "$part" || return 1
        parts="$parts $part"
    done
    # shellcheck disable=SC2046,SC2086
    $cc $flags $(defines "$1") $(absent "$1") -I"$work" -I"$work/include" -Itests -Iinclude \
        -I. "tests/model/$1_model.c" $parts "$work/explorer.o" "$work/suite.o" -o "$work/program"
}

# shellcheck disable=SC2086
for part in explorer suite; do
    $cc $flags -Itests -Iinclude -I. -c "tests/model/$part.c" -o "$work/$part.o"
done

count=0
killed=0
list >"$work/list"
while IFS='|' read -r name program file script; do
    name=$(echo "$name" | tr -d ' ')
    program=$(echo "$program" | tr -d ' ')
    bound=2
    case $program in
    *@*) bound=${program#*@} program=${program%@*} ;;
    esac
    file=$(echo "$file" | tr -d ' ')
    case " $* " in
    "  " | *" $name "*) ;;
    *) continue ;;
    esac
    count=$((count + 1))
    mkdir -p "$work/$(dirname "$file")"
    sed -E "$script" "$file" >"$work/$file"
    if cmp -s "$file" "$work/$file"; then
        echo "$name: the source has changed, this mutant no longer applies"
    elif ! build "$program" "$file" 2>"$work/errors"; then
        echo "$name: does not compile:"
        cat "$work/errors"
    else
        status=0
        timeout 600 "$work/program" --first --bound "$bound" >"$work/out" 2>&1 || status=$?
        case $status in
        0) echo "$name: SURVIVES" ;;
        124) echo "$name: out of time, not counted as killed" ;;
        *)
            killed=$((killed + 1))
            echo "$name: killed by $(tail -n 1 "$work/out" | sed 's/  *[0-9]* executions.*FAILED/:/')"
            ;;
        esac
    fi
    rm -f "$work/$file"
done <"$work/list"

echo "killed $killed of $count"
[ "$killed" = "$count" ]
