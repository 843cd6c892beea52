/* report.c - a run as text, and as a page with a picture. */
#include "runtime/explore/report.h"

#include <inttypes.h>
#include <string.h>

#include <thrum/detail/point.h>

#include "runtime/plat/memory.h"

#define TURNS_MAX 20000 /* that are kept; a page with more is of no use */

static const char *const doings[] = {[THRUM_POINT_START] = "goes on",
                                     [THRUM_POINT_READ] = "reads",
                                     [THRUM_POINT_WRITE] = "writes",
                                     [THRUM_POINT_RMW] = "changes",
                                     [THRUM_POINT_ACQUIRE] = "wants",
                                     [THRUM_POINT_RELEASE] = "gives",
                                     [THRUM_POINT_HERE] = "lets others go first"};

/* The first half goes, when there are too many. */
static void make_room(struct report *report)
{
    size_t half = report->count / 2;

    memmove(report->turns, report->turns + half, (report->count - half) * sizeof *report->turns);
    report->count -= half;
    report->left_out += half;
}

static uint32_t lane_of(const struct report *report, uint64_t player)
{
    for (size_t i = report->count; i-- > 0;)
        if (report->turns[i].player == player)
            return report->turns[i].lane;
    return report->lanes;
}

void thrum_report_turn(struct report *report, const struct sim *sim, const struct player *player,
                       bool deviates)
{
    struct turn *turn;

    if (report->count == TURNS_MAX)
        make_room(report);
    if (!thrum_memory_reserve(&report->turns, report->count, &report->capacity,
                              sizeof *report->turns)) {
        report->incomplete = true;
        return;
    }
    turn = &report->turns[report->count];
    *turn = (struct turn){.now = sim->now,
                          .player = player->id,
                          .op = player->op,
                          .what = player->what,
                          .object = player->object_id,
                          .lane = lane_of(report, player->id),
                          .deviates = deviates};
    thrum_player_path(player, turn->path, sizeof turn->path);
    report->lanes += turn->lane == report->lanes;
    report->count++;
}

void thrum_report_fini(struct report *report)
{
    thrum_memory_put(report->turns);
    *report = (struct report){0};
}

static void put_doing(const struct turn *turn, char *text, size_t size)
{
    if (turn->object)
        snprintf(text, size, "%s object %" PRIu32, doings[turn->what], turn->object);
    else
        snprintf(text, size, "%s", doings[turn->what]);
}

void thrum_report_text(const struct report *report, FILE *file, size_t most)
{
    size_t first = report->count > most ? report->count - most : 0;

    if (first + report->left_out)
        fprintf(file, "  (%" PRIu64 " turns before)\n", first + report->left_out);
    for (size_t i = first; i < report->count; i++) {
        const struct turn *turn = &report->turns[i];
        char doing[64];

        put_doing(turn, doing, sizeof doing);
        fprintf(file, "  %12.9f s  %c %*s%-8s %s\n", (double)turn->now / 1e9,
                turn->deviates ? '*' : ' ', 2 * (int)(turn->lane < 16 ? turn->lane : 16), "",
                turn->path, doing);
    }
    if (report->incomplete)
        fprintf(file, "  (there was no memory for the rest)\n");
}

/* ---- the page ------------------------------------------------------------------------------- */

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

static bool races(const struct turn *a, const struct turn *b)
{
    return a->object && a->object == b->object && a->player != b->player &&
           (a->what != THRUM_POINT_READ || b->what != THRUM_POINT_READ);
}

/* The last turn that is out of order and races with one that would have come before it. */
static bool racing_pair(const struct report *report, size_t *first, size_t *second)
{
    for (size_t i = report->count; i-- > 0;) {
        if (!report->turns[i].deviates)
            continue;
        for (size_t a = i; a < report->count && report->turns[a].player == report->turns[i].player;
             a++)
            for (size_t b = a + 1; b < report->count; b++)
                if (races(&report->turns[a], &report->turns[b])) {
                    *first = a;
                    *second = b;
                    return true;
                }
    }
    return false;
}

static void put_row(const struct report *report, FILE *file, size_t i, const char *mark)
{
    const struct turn *turn = &report->turns[i];
    char doing[64];

    put_doing(turn, doing, sizeof doing);
    fprintf(file, "<tr%s><td class=t>%.9f</td>", mark, (double)turn->now / 1e9);
    for (uint32_t lane = 0; lane < report->lanes; lane++) {
        if (lane != turn->lane) {
            fputs("<td></td>", file);
            continue;
        }
        fprintf(file, "<td class=\"on%s\" title=\"point %" PRIu32 "\">%s</td>",
                turn->deviates ? " delta" : "", turn->op, doing);
    }
    fputs("</tr>\n", file);
}

static void put_head(const struct report *report, FILE *file)
{
    fputs("<tr><th>time, s</th>", file);
    for (uint32_t lane = 0; lane < report->lanes; lane++)
        for (size_t i = 0; i < report->count; i++)
            if (report->turns[i].lane == lane) {
                fprintf(file, "<th>task %s</th>", report->turns[i].path);
                break;
            }
    fputs("</tr>\n", file);
}

void thrum_report_html(const struct report *report, FILE *file, const char *title,
                       const char *replay)
{
    size_t first = SIZE_MAX, second = SIZE_MAX;
    bool pair = racing_pair(report, &first, &second);

    fputs("<!doctype html>\n<meta charset=utf-8>\n<title>", file);
    put_escaped(file, title);
    fputs("</title>\n<style>body{font:14px/1.4 sans-serif;margin:2em}"
          "table{border-collapse:collapse}th{position:sticky;top:0;background:#fff;text-align:left}"
          "td,th{padding:1px 10px;border-left:1px solid #ddd}"
          ".t{color:#888;font-family:monospace}.on{background:#e8f0fb}"
          ".delta{background:#ffd9a8;font-weight:bold}"
          ".race .on{outline:2px solid #c00}code{background:#eee;padding:2px 6px}</style>\n<h1>",
          file);
    put_escaped(file, title);
    fputs("</h1>\n<p>The same again: <code>THRUM_REPLAY='", file);
    put_escaped(file, replay);
    fputs("'</code></p>\n<p>Time goes down, each task has a column. Where a turn is marked, "
          "another task would have had it in the ordinary order.",
          file);
    if (pair)
        fputs(" The two framed ones touch the same object, and are in the order in which the "
              "last mark has brought them.",
              file);
    fputs("</p>\n", file);
    if (report->left_out)
        fprintf(file, "<p>%" PRIu64 " turns before these are left out.</p>\n", report->left_out);
    fputs("<table>\n", file);
    put_head(report, file);
    for (size_t i = 0; i < report->count; i++)
        put_row(report, file, i, i == first || i == second ? " class=race" : "");
    fputs("</table>\n", file);
}
