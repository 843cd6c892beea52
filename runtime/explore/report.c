/* report.c - a run as text, and as a page with a picture. */
#include "runtime/explore/report.h"

#include <inttypes.h>
#include <string.h>

#include <thrum/detail/point.h>

#include "runtime/plat/memory.h"

#define TURNS_MAX 20000 /* that are kept; a page with more is of no use */

const char *thrum_report_doing(unsigned what)
{
    static const char *const doings[] = {[THRUM_POINT_START] = "goes on",
                                         [THRUM_POINT_READ] = "reads",
                                         [THRUM_POINT_WRITE] = "writes",
                                         [THRUM_POINT_RMW] = "changes",
                                         [THRUM_POINT_ACQUIRE] = "wants",
                                         [THRUM_POINT_RELEASE] = "gives",
                                         [THRUM_POINT_HERE] = "lets others go first",
                                         [SIM_HAPPENS] = "happens"};

    return doings[what];
}

/* The first half goes, when there are too many. */
static void make_room(struct report *report)
{
    size_t half = report->count / 2;

    memmove(report->turns, report->turns + half, (report->count - half) * sizeof *report->turns);
    report->count -= half;
    report->left_out += half;
}

/* What happens without a task happens in the lane of its cause. */
static uint32_t lane_of(const struct report *report, const struct player *player)
{
    uint64_t id = player->happening ? player->parent->id : player->id;

    for (size_t i = report->count; i-- > 0;)
        if (report->turns[i].player == id)
            return report->turns[i].lane;
    return report->lanes;
}

static bool has_room(struct report *report)
{
    if (report->count == TURNS_MAX || (report->lent && report->count == report->capacity))
        make_room(report);
    if (report->lent)
        return report->count < report->capacity;
    return thrum_memory_reserve(&report->turns, report->count, &report->capacity,
                                sizeof *report->turns);
}

void thrum_report_turn(struct report *report, const struct sim *sim, const struct player *player,
                       uint32_t delta)
{
    struct turn *turn;

    if (!has_room(report)) {
        report->incomplete = true;
        return;
    }
    turn = &report->turns[report->count];
    *turn = (struct turn){.now = sim->now,
                          .player = player->id,
                          .op = player->op,
                          .what = player->what,
                          .object = player->object_id,
                          .lane = lane_of(report, player),
                          .delta = delta};
    thrum_player_path(player, turn->path, sizeof turn->path);
    report->lanes += turn->lane == report->lanes;
    report->count++;
}

void thrum_report_reset(struct report *report)
{
    report->count = 0;
    report->left_out = 0;
    report->lanes = 0;
    report->incomplete = false;
}

void thrum_report_fini(struct report *report)
{
    if (!report->lent)
        thrum_memory_put(report->turns);
    *report = (struct report){.turns = NULL};
}

static void put_doing(const struct turn *turn, char *text, size_t size)
{
    if (turn->object)
        snprintf(text, size, "%s object %" PRIu32, thrum_report_doing(turn->what), turn->object);
    else
        snprintf(text, size, "%s", thrum_report_doing(turn->what));
}

/* ---- the racing pair ------------------------------------------------------------------------ */

/* Two turns in this order, of which the other order might have ended otherwise. */
struct pair {
    size_t first, second; /* SIZE_MAX: there is none */
};

static bool races(const struct turn *a, const struct turn *b)
{
    return a->object && a->object == b->object && a->player != b->player &&
           (a->what != THRUM_POINT_READ || b->what != THRUM_POINT_READ);
}

/* From turn a on, while its player goes on: the first that races with what comes later. */
static bool pair_from(const struct report *report, size_t begin, struct pair *pair)
{
    const struct turn *turns = report->turns;

    for (size_t a = begin; a < report->count && turns[a].player == turns[begin].player; a++)
        for (size_t b = a + 1; b < report->count; b++)
            if (races(&turns[a], &turns[b])) {
                *pair = (struct pair){a, b};
                return true;
            }
    return false;
}

/* The last turn of all that races with one before it, the nearest. */
static bool last_pair(const struct report *report, struct pair *pair)
{
    for (size_t b = report->count; b-- > 0;)
        for (size_t a = b; a-- > 0;)
            if (races(&report->turns[a], &report->turns[b])) {
                *pair = (struct pair){a, b};
                return true;
            }
    return false;
}

/* The last turn that a delta has made, and the one that it races with; else the last two that race. */
static struct pair racing_pair(const struct report *report)
{
    struct pair pair = {SIZE_MAX, SIZE_MAX};

    for (size_t i = report->count; i-- > 0;)
        if (report->turns[i].delta && pair_from(report, i, &pair))
            return pair;
    (void)last_pair(report, &pair);
    return pair;
}

/* ---- text ----------------------------------------------------------------------------------- */

static void put_turn(const struct report *report, FILE *file, size_t i, bool races_here)
{
    const struct turn *turn = &report->turns[i];
    char doing[64];

    put_doing(turn, doing, sizeof doing);
    fprintf(file, "  %6" PRIu64 " %14.9f s %c%c %*s%-8s %s\n", report->left_out + i + 1,
            (double)turn->now / 1e9, turn->delta ? '*' : ' ', races_here ? '!' : ' ',
            2 * (int)(turn->lane < 16 ? turn->lane : 16), "", turn->path, doing);
}

void thrum_report_last(const struct report *report, FILE *file)
{
    if (report->count)
        put_turn(report, file, report->count - 1, false);
}

static void put_chances(const struct report *report, FILE *file)
{
    if (!report->chances)
        return;
    fprintf(file,
            "  With the first deltas as they are and then anybody by chance, so many of %u "
            "runs fail:\n",
            report->chances);
    for (size_t i = 0; i <= report->deltas; i++)
        fprintf(file, "  %6u  %s%s\n", report->failed[i], i ? "then " : "with none",
                i ? report->words[i - 1] : "");
}

void thrum_report_text(const struct report *report, FILE *file, size_t most)
{
    size_t first = report->count > most ? report->count - most : 0;
    struct pair pair = racing_pair(report);

    put_chances(report, file);
    fprintf(file,
            "  %6s %16s    task, and what it does ('*': by default another would have gone "
            "first; '!': the race)\n",
            "turn", "time");
    if (first + report->left_out)
        fprintf(file, "  (%" PRIu64 " turns before)\n", first + report->left_out);
    for (size_t i = first; i < report->count; i++)
        put_turn(report, file, i, i == pair.first || i == pair.second);
    if (report->incomplete)
        fprintf(file, "  (there was no memory for the rest)\n");
}

/* ---- the page ------------------------------------------------------------------------------- */

static const char style[] =
    "body{font:14px/1.45 system-ui,sans-serif;margin:2em;color:#222}"
    "h1{font-size:1.4em}code{background:#eee;padding:2px 6px;border-radius:3px}"
    "table{border-collapse:collapse}"
    "th{position:sticky;top:0;background:#fff;text-align:left;border-bottom:2px solid #888}"
    "td,th{padding:1px 10px;white-space:nowrap}"
    ".run td,.run th{border-left:1px solid #ddd}"
    ".run tr:hover{background:#f6f6f6}"
    ".t{color:#888;font-family:monospace;text-align:right}"
    ".on{background:#dbe8fa}"
    ".delta{background:#ffd9a8;font-weight:bold}"
    ".delta i{float:right;margin-left:1em;font:12px monospace}"
    ".race{box-shadow:inset 0 0 0 2px #c00}"
    ".race::after{content:' \\26a1';color:#c00}"
    ".bar{background:#c00;height:.8em;display:inline-block;margin-right:.6em}";

static void put_escaped(FILE *file, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        case '&':
            fputs("&amp;", file);
            break;
        default:
            fputc(*text, file);
        }
}

static void put_cell(const struct report *report, FILE *file, const struct turn *turn, bool race)
{
    char doing[64];

    put_doing(turn, doing, sizeof doing);
    fprintf(file, "<td class=\"on%s%s\" title=\"point %" PRIu32 " of task %s\">%s",
            turn->delta ? " delta" : "", race ? " race" : "", turn->op, turn->path, doing);
    if (turn->delta && turn->delta <= report->deltas) {
        fputs(" <i>", file);
        put_escaped(file, report->words[turn->delta - 1]);
        fputs("</i>", file);
    }
    fputs("</td>", file);
}

static void put_row(const struct report *report, FILE *file, size_t i, bool race)
{
    const struct turn *turn = &report->turns[i];

    fprintf(file, "<tr><td class=t>%" PRIu64 "</td><td class=t>%.9f</td>", report->left_out + i + 1,
            (double)turn->now / 1e9);
    for (uint32_t lane = 0; lane < report->lanes; lane++)
        if (lane == turn->lane)
            put_cell(report, file, turn, race);
        else
            fputs("<td></td>", file);
    fputs("</tr>\n", file);
}

static void put_head(const struct report *report, FILE *file)
{
    fputs("<thead><tr><th>turn</th><th>time, s</th>", file);
    for (uint32_t lane = 0; lane < report->lanes; lane++)
        for (size_t i = 0; i < report->count; i++)
            if (report->turns[i].lane == lane) {
                fprintf(file, "<th>task %s</th>", report->turns[i].path);
                break;
            }
    fputs("</tr></thead>\n", file);
}

static void put_bars(const struct report *report, FILE *file)
{
    if (!report->chances)
        return;
    fprintf(file,
            "<p>With the first deltas as they are, and then anybody by chance, so many of "
            "%u runs fail:</p>\n<table>\n",
            report->chances);
    for (size_t i = 0; i <= report->deltas; i++) {
        fputs("<tr><td>", file);
        if (i) {
            fputs("<code>", file);
            put_escaped(file, report->words[i - 1]);
            fputs("</code>", file);
        } else {
            fputs("none", file);
        }
        fprintf(file, "</td><td><span class=bar style=\"width:%upx\"></span>%u</td></tr>\n",
                3 * report->failed[i], report->failed[i]);
    }
    fputs("</table>\n", file);
}

static void put_legend(const struct report *report, FILE *file, bool pair)
{
    fputs("<p>Time goes down, each task has a column. Task 0 is the one that was run, 2 the second "
          "that it has started, 2.1 the first of that one. ",
          file);
    fputs("Where a turn is <span class=\"on delta\">marked</span>, another task would have had it "
          "in the ordinary order.",
          file);
    if (pair)
        fputs(" The two <span class=\"on race\">framed</span> ones touch the same object: in the "
              "other order it might have ended otherwise.",
              file);
    fputs("</p>\n", file);
    if (report->left_out)
        fprintf(file, "<p>%" PRIu64 " turns before these are left out.</p>\n", report->left_out);
}

void thrum_report_html(const struct report *report, FILE *file, const char *title,
                       const char *replay)
{
    struct pair pair = racing_pair(report);

    fputs("<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<title>", file);
    put_escaped(file, title);
    fprintf(file, "</title>\n<style>%s</style>\n<h1>", style);
    put_escaped(file, title);
    fputs("</h1>\n<p>The same again: <code>THRUM_REPLAY='", file);
    put_escaped(file, replay);
    fputs("'</code></p>\n", file);
    put_bars(report, file);
    put_legend(report, file, pair.first != SIZE_MAX);
    fputs("<table class=run>\n", file);
    put_head(report, file);
    fputs("<tbody>\n", file);
    for (size_t i = 0; i < report->count; i++)
        put_row(report, file, i, i == pair.first || i == pair.second);
    fputs("</tbody>\n</table>\n</html>\n", file);
}
