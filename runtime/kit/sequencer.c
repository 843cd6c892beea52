/* sequencer.c - turns that tasks take one after the other. */
#include <thrum/test.h>

#include <thrum/scope.h>

/* No cancel is noticed. 0 or -ENOMEM; *cancelled: one came meanwhile, or was waiting. */
static int lock(thrum_sequencer *sequencer, int *cancelled)
{
    thrum_shield shield;
    int status;

    thrum_shield_begin(&shield);
    status = thrum_mutex_lock(&sequencer->mutex);
    *cancelled = thrum_shield_end(&shield);
    return status;
}

static bool is_to_wait(const thrum_sequencer *sequencer, uint32_t turn)
{
    return !sequencer->broken &&
           (turn > sequencer->next || (turn == sequencer->next && sequencer->taken));
}

static void break_it(thrum_sequencer *sequencer)
{
    sequencer->broken = true;
    thrum_cond_notify_all(&sequencer->moved);
}

int thrum_sequencer_enter(thrum_sequencer *sequencer, uint32_t turn)
{
    int cancelled;
    int status = lock(sequencer, &cancelled);

    if (status)
        return status;
    status = cancelled;
    while (!status && is_to_wait(sequencer, turn))
        status = thrum_cond_wait(&sequencer->moved, &sequencer->mutex);
    if (status)
        break_it(sequencer);
    else if (sequencer->broken)
        status = THRUM_EBROKEN;
    else if (turn < sequencer->next)
        status = THRUM_ESTATE;
    else
        sequencer->taken = true;
    thrum_mutex_unlock(&sequencer->mutex);
    return status;
}

int thrum_sequencer_leave(thrum_sequencer *sequencer)
{
    int cancelled;
    int status = lock(sequencer, &cancelled);

    if (status)
        return status;
    sequencer->taken = false;
    sequencer->next++;
    thrum_cond_notify_all(&sequencer->moved);
    thrum_mutex_unlock(&sequencer->mutex);
    return cancelled;
}
