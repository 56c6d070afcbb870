/*
 * stage.c - see stage.h.
 *
 * Owns:   clock_gettime and getrusage.
 * Never:  looks into a stage.
 */
#include "stage.h"

#include <sys/resource.h>
#include <time.h>

const char *const stage_name[STAGE_COUNT] = {
    [STAGE_TRACE] = "trace",     [STAGE_EXTENSION] = "extension",
    [STAGE_COMMIT] = "commit",   [STAGE_QUOTIENT] = "quotient",
    [STAGE_DEEP] = "DEEP",       [STAGE_FRI] = "FRI",
    [STAGE_QUERIES] = "queries",
};

struct reading {
    struct timespec time;
    struct rusage usage;
};

static struct reading
read_now(void)
{
    struct reading r;

    (void)clock_gettime(CLOCK_MONOTONIC, &r.time);
    (void)getrusage(RUSAGE_SELF, &r.usage);
    return r;
}

static int
run_measured(struct stages *s, const char *name, int (*body)(void *), void *arg,
             struct stage_cost *cost)
{
    struct reading before = read_now();
    size_t peak = 0;
    int result = mem_scope(s->mem, name, body, arg, &peak);
    struct reading after = read_now();

    cost->ms += (double)(after.time.tv_sec - before.time.tv_sec) * 1e3 +
                (double)(after.time.tv_nsec - before.time.tv_nsec) / 1e6;
    cost->minor_faults += after.usage.ru_minflt - before.usage.ru_minflt;
    cost->major_faults += after.usage.ru_majflt - before.usage.ru_majflt;
    if (peak > cost->peak_bytes)
        cost->peak_bytes = peak;
    return result;
}

int
stage_run(struct stages *s, enum stage stage, int (*body)(void *), void *arg)
{
    if (s->progress != NULL)
        s->progress(s->progress_arg, stage, s->entries);
    s->entries++;
    return run_measured(s, stage_name[stage], body, arg,
                        &s->cost->stage[stage]);
}

int
stage_run_proof(struct stages *s, int (*body)(void *), void *arg)
{
    *s->cost = (struct proof_cost){0};
    s->entries = 0;
    return run_measured(s, "proof", body, arg, &s->cost->total);
}
