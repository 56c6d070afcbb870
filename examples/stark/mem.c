/*
 * mem.c - see mem.h.
 *
 * Owns:   every call of malloc and zk_malloc for a buffer of the prover.
 * Never:  keeps a block across the scope that took it.
 */
#include "mem.h"

#include <stdlib.h>

#include <zkrt/zkrt.h>

struct scope {
    struct mem *mem;
    int (*body)(void *);
    void *arg;
    size_t peak;
};

void
mem_init(struct mem *m, enum mem_kind kind)
{
    m->kind = kind;
    m->options = NULL;
    m->depth = 0;
    m->count = 0;
    m->bytes = 0;
    m->peak = 0;
}

void *
mem_take(struct mem *m, size_t bytes)
{
    void *p;

    if (m->count == MEM_MAX_BLOCKS)
        return NULL;
    p = m->kind == MEM_ZKRT ? zk_malloc(bytes) : malloc(bytes);
    if (p == NULL)
        return NULL;

    m->block[m->count].p = p;
    m->block[m->count].bytes = bytes;
    m->count++;
    m->bytes += bytes;
    if (m->bytes > m->peak)
        m->peak = m->bytes;
    return p;
}

/*
 * Newest first. In the arena this is no more than un-bumping; it matters for a
 * block that was below the arena's threshold or did not fit it.
 */
static void
give_back(struct mem *m, unsigned keep)
{
    while (m->count > keep) {
        m->count--;
        m->bytes -= m->block[m->count].bytes;
        if (m->kind == MEM_ZKRT)
            zk_free(m->block[m->count].p);
        else
            free(m->block[m->count].p);
    }
}

static int
run_scope(void *arg)
{
    struct scope *s = arg;
    struct mem *m = s->mem;
    unsigned keep = m->count;
    int result;

    m->peak = m->bytes;
    result = s->body(s->arg);
    s->peak = m->peak;

    if (m->kind == MEM_ZKRT) {
        zk_phase_stats_t stats = {.size = sizeof stats};

        if (zk_phase_stats(&stats) == ZK_OK)
            s->peak = stats.stage_peak_bytes;
    }
    give_back(m, keep);
    return result;
}

int
mem_scope(struct mem *m, const char *name, int (*body)(void *), void *arg,
          size_t *peak)
{
    struct scope s = {m, body, arg, 0};
    size_t outer_peak = m->peak;
    const zk_phase_options_t *options = m->depth++ == 0 ? m->options : NULL;
    int result = m->kind == MEM_ZKRT
                     ? zk_runtime_phase_ex(NULL, name, options, run_scope, &s)
                     : run_scope(&s);

    m->depth--;
    *peak = s.peak;
    if (outer_peak > m->peak)
        m->peak = outer_peak;
    return result;
}
