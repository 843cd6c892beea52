#!/usr/bin/env bash
# mutants.sh [NAME...] - are bugs in the scheduler found by virtual workers?
#
# Each line: name | source | what sed makes of it. One by one the sources are
# built with it, and run for at most 10,000 schedules. Run it from the root of the repository.
# CC chooses the compiler, THRUM_VIRTUAL_OUT keeps the objects.
set -u

cc=${CC:-gcc}
flags="-O1 -std=c11 -D_GNU_SOURCE= -DTHRUM_MODEL -Dpthread_join=virtual_join
    -Dpthread_mutex_lock=virtual_mutex_lock -Dsched_yield=virtual_yield -pthread -w"
where="-iquote tests/virtual -iquote tests -iquote . -Iinclude -Itests/virtual -Itests"
schedules=${THRUM_SCHEDULES:-10000}
out=${THRUM_VIRTUAL_OUT:-$(mktemp -d)}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"; [ -n "${THRUM_VIRTUAL_OUT:-}" ] || rm -rf "$out"' EXIT

list() {
    cat <<'END'
sleep.no_look        | runtime/sched/search.c | s/thrum_work_in_sight\(scheduler\) \|\| must_leave\(worker\)/must_leave(worker)/
sleep.no_alarm       | runtime/sched/search.c | s/^        alarm_all\(scheduler\);/        ;/
sleep.inject_unseen  | runtime/sched/search.c | s/return round.work \|\| !thrum_inject_empty\(&scheduler->inject\);/return round.work;/
search.last_forgets  | runtime/sched/search.c | /^struct fiber \*thrum_worker_search/,/^}/s/^        thrum_notify\(scheduler\);/        ;/
wake.not_counted     | runtime/sched/search.c | /^void thrum_notify/,/^}/s/^    thrum_worker_stirs\(scheduler\);.*/    ;/
wake.counted_twice   | runtime/sched/search.c | /^static void count_again/,/^}/s/^        thrum_worker_rests\(scheduler\);/        ;/
wake.never_counted   | runtime/sched/search.c | /^static void wake_up/,/^}/s/^    count_again\(worker\);/    ;/
wake.poller_asleep   | runtime/sched/search.c | /^void thrum_worker_call/,/^}/s/== worker->index \+ 1/== UINT32_MAX/
wake.poller_early    | runtime/sched/search.c | /^void thrum_worker_call/,/^}/{/^    exchange_seq/d;s/^    if \(load_acquire\(&worker->scheduler->poller\)/    uint32_t poller_ = load_acquire(\&worker->scheduler->poller);\n    exchange_seq(\&worker->notified, NOTIFY_RUN);\n    if (poller_/}
poller.place_kept    | runtime/sched/search.c | /^static void park_polling/,/^}/s/^    store_release\(&scheduler->poller, 0\);/    ;/
poller.untold        | runtime/sched/search.c | /^static void wake_up/,/^}/s/^    thrum_poller_tell\(worker\);/    ;/
poller.unheard       | runtime/sched/search.c | /^static void hear/,/^}/s/^    exchange_acquire\(.*/    ;/
ready.unsaid         | runtime/sched/worker.c | /^void thrum_ready\(/,/^}/s/^    thrum_notify\(scheduler\);/    ;/
spawn.unsaid         | runtime/sched/worker.c | /^int thrum_worker_pushed/,/^}/s/^    thrum_notify\(worker->scheduler\);.*/    ;/
inject.unsaid        | runtime/sched/worker.c | /^static void inject/,/^}/s/^    thrum_notify\(scheduler\);/    ;/
leave.counts         | runtime/sched/scheduler.c | /^bool thrum_worker_stay/,/^}/s/^    thrum_worker_rests\(scheduler\);/    ;/
seat.worker_kept     | runtime/sched/seat.c | /^bool thrum_worker_give_away/,/^}/s/^    call\(spare, SEAT_CALLED\);/    if (load_relaxed(\&spare->called)) call(spare, SEAT_CALLED);/
seat.ready_first     | runtime/sched/seat.c | /^static void dismiss/,/^}/{s/^    push_spare\(seat\);/    thrum_ready(fiber);\n    push_spare(seat);/;s/^    thrum_ready\(fiber\);$/    ;/}
clock.asks_nobody    | runtime/sched/clock.c | s/^        ask\(worker, OVERDUE_JOIN\);/        ;/
deque.settle_once    | runtime/work/deque.c | /^void \*thrum_deque_pop/,/^}/s/    \} while \(!settle\(deque, &seen, split\)\);/    } while (!settle(deque, \&seen, split) \&\& 0);/
deque.no_recount     | runtime/work/deque.c | /^void \*thrum_deque_pop/,/^}/s/\(int64_t\)\(bottom - seen.lo\) < 0/0/
deque.no_poison      | runtime/work/deque.c | /^bool thrum_deque_revoke/,/^}/{/^    store_relaxed\(floor_of/d}
ready.no_poison      | runtime/sched/ready.c | /^    store_relaxed\(&queue->ceiling, CEILING_POISON\)/d
idle.uncounted       | runtime/work/idle.c | /^bool thrum_idle_unsleep/,/^}/s/add_acq_rel\(&idle->state, SEARCHER - SLEEPER\);/;/
idle.last_forgets    | runtime/work/idle.c | /^bool thrum_idle_found/,/^}/s/== 1;/== 7;/
group.deaf           | runtime/task/group.c | /^static void wait_commit/,/^}/s/^        thrum_ready\(left\);.*/        ;/
branch.deaf          | runtime/task/branch.c | /^static void commit/,/^}/s/^        thrum_ready\(left\);.*/        ;/
END
}

sources() {
    ls runtime/*/*.c runtime/plat/context_x86_64.S |
        grep -vE 'plat/(context_portable|clock|cpus|futex|membarrier|overflow|poll|thread)\.c' |
        grep -vE 'runtime/(compose|explore|kit)/|base/panic\.c'
    ls tests/virtual/*.c
}

# build FILE OBJECT [FIRST]: files are looked for in FIRST first.
build() {
    still=
    case $1 in *runtime/plat/*) still=-DMACHINE_STILL ;; esac
    # shellcheck disable=SC2086
    $cc $flags $still ${3:+-iquote "$3"} $where -c "$1" -o "$2"
}

object_of() {
    echo "$1" | tr / _
}

# shellcheck disable=SC2046
header=$(ls -t $(find include runtime tests/virtual -name '*.h') | head -n 1) # the newest
objects=
for source in $(sources); do
    object=$out/$(object_of "$source").o
    objects="$objects $object"
    { [ "$object" -nt "$source" ] && [ "$object" -nt "$header" ]; } ||
        build "$source" "$object" || exit 1
done

count=0
killed=0
list >"$work/list"
while IFS='|' read -r name file script; do
    name=$(echo "$name" | tr -d ' ')
    file=$(echo "$file" | tr -d ' ')
    case " $* " in
    "  " | *" $name "*) ;;
    *) continue ;;
    esac
    count=$((count + 1))
    mkdir -p "$work/$(dirname "$file")"
    sed -E "$script" "$file" >"$work/$file"
    object=$out/$(object_of "$file").o
    if cmp -s "$file" "$work/$file"; then
        echo "$name: the source has changed, this mutant no longer applies"
    elif ! build "$work/$file" "$work/mutant.o" 2>"$work/errors"; then
        echo "$name: does not compile:"
        cat "$work/errors"
    else
        # shellcheck disable=SC2046
        $cc -pthread -o "$work/program" $(echo "$objects" | tr ' ' '\n' | grep -vxF "$object") "$work/mutant.o"
        status=0
        timeout 120 "$work/program" --schedules "$schedules" >"$work/said" 2>&1 || status=$?
        case $status in
        0) echo "$name: SURVIVES" ;;
        124) echo "$name: out of time, not counted as killed" ;;
        *)
            killed=$((killed + 1))
            echo "$name: killed by $(grep -m 1 -a '^seed' "$work/said" || echo "status $status")"
            ;;
        esac
    fi
done <"$work/list"
echo "killed $killed of $count"
[ "$killed" = "$count" ]
