/*
 * progress.c - see progress.h.
 *
 * Owns:   the width of the terminal and its escape sequences.
 * Never:  allocates: the line is built on the stack and written at once.
 */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAX_WIDTH 200u
#define BAR_CELLS 24u

static unsigned
terminal_width(void)
{
    const char *columns = getenv("COLUMNS");
    unsigned long width = columns == NULL ? 0 : strtoul(columns, NULL, 10);
    struct winsize size;

    if (width == 0 && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0)
        width = size.ws_col;
    if (width == 0)
        width = 80;
    return width < MAX_WIDTH ? (unsigned)width : MAX_WIDTH;
}

void
progress_init(struct progress *p, unsigned proofs, bool quiet)
{
    const char *no_colour = getenv("NO_COLOR");

    p->shown = !quiet && isatty(STDERR_FILENO);
    p->colour = no_colour == NULL || no_colour[0] == '\0';
    p->width = terminal_width();
    p->proof = 1;
    p->proofs = proofs;
    pthread_mutex_init(&p->lock, NULL);
}

/* A line that fails to be written is not worth a failed proof. */
static void
put(const char *text, size_t n)
{
    ssize_t ignored = write(STDERR_FILENO, text, n);

    (void)ignored;
}

/* pre: the lock is held */
static void
draw(const struct progress *p)
{
    char bar[BAR_CELLS + 1], line[MAX_WIDTH + 1], out[MAX_WIDTH + 32];
    double done = (p->entry + p->part) / STAGE_ENTRIES;
    unsigned full = (unsigned)(done * BAR_CELLS);
    int n;

    memset(bar, '.', BAR_CELLS);
    memset(bar, '#', full < BAR_CELLS ? full : BAR_CELLS);
    bar[BAR_CELLS] = '\0';

    /* One column stays free, where some terminals would wrap. */
    n = snprintf(line, p->width, "proof %u/%u [%s] %3.0f %% %s", p->proof,
                 p->proofs, bar, done * 100, stage_name[p->stage]);
    if (n < 0)
        return;
    n = snprintf(out, sizeof out, "\r\033[K%s%s%s", p->colour ? "\033[36m" : "",
                 line, p->colour ? "\033[0m" : "");
    if (n > 0)
        put(out, (size_t)n);
}

void
progress_stage(void *progress, enum stage stage, unsigned entry)
{
    struct progress *p = progress;

    if (!p->shown)
        return;
    pthread_mutex_lock(&p->lock);
    p->stage = stage;
    p->entry = entry;
    p->part = 0;
    draw(p);
    pthread_mutex_unlock(&p->lock);
}

/*
 * Between stages, and when a stage has begun that we have not drawn yet, there is
 * nothing to add: the thread that proves draws first. A loop that begins makes the
 * part that is done smaller, and the bar waits for it.
 */
void
progress_tell(const zk_progress_t *told, void *progress)
{
    struct progress *p = progress;
    double part;

    pthread_mutex_lock(&p->lock);
    if (told->depth == 2 && told->stage_total != 0 &&
        strcmp(told->name, stage_name[p->stage]) == 0) {
        part = (double)told->stage_done / (double)told->stage_total;
        if (part > p->part) {
            p->part = part;
            draw(p);
        }
    }
    pthread_mutex_unlock(&p->lock);
}

void
progress_end(struct progress *p)
{
    static const char wipe[] = "\r\033[K";

    if (p->shown)
        put(wipe, sizeof wipe - 1);
    pthread_mutex_destroy(&p->lock);
}
