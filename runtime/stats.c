/*
 * stats.c - what was chosen and what has happened.
 *
 * Owns:   the reading of everybody's counters.
 * Never:  stops or slows anybody down: figures of a busy lane are a moment old.
 */
#include <string.h>

#include <zkrt/shared.h>

#include "alloc/huge.h"
#include "alloc/pages.h"
#include "alloc/region.h"
#include "runtime/lane.h"

_Static_assert(sizeof((zk_runtime_info_t){0}.workers_why) == ZK_PLAN_WHY,
               "the words fit");
_Static_assert(sizeof((zk_runtime_stats_t){0}.steals_at) ==
                   ZK_DISTANCES * sizeof(uint64_t),
               "a count for each distance");

zk_err_t
zk_runtime_info(const zk_runtime_t *lane, zk_runtime_info_t *info)
{
    const struct zk_arena *arena;

    if (lane == NULL || info == NULL || info->size != sizeof *info)
        return ZK_EINVAL;
    arena =
        zk_load_acquire(&lane->nphases) != 0 ? lane->phases[0]->arena : NULL;
    *info = (zk_runtime_info_t){
        .size = sizeof *info,
        .workers = lane->nworkers,
        .threads = zk_load_acquire(&lane->threads),
        .slots = lane->nslots,
        .arenas = zk_load_relaxed(&lane->nphases),
        .nodes = lane->topology->nnodes,
        .slab_bytes = lane->config.slab_bytes,
        .slab_bytes_got = lane->slab_bytes_got,
        .min_bytes = lane->config.min_bytes,
        .spin_us = lane->config.spin_us,
        .bind = zk_load_relaxed(&lane->bind_refused) ? ZK_BIND_NONE
                                                     : lane->config.bind,
        .hugepages = lane->config.huge,
        .trap = arena != NULL ? zk__arena_trap(arena) : ZK_TRAP_OFF,
        .trap_phases = arena != NULL ? arena->nsites - 1 : 0,
        .workers_from = lane->plan.from,
        .places = lane->plan.places.n != 0 ? lane->plan.places.n
                                           : lane->topology->npus,
        .budget_bytes = lane->budget_bytes,
        .budget_from = lane->budget_from,
        .memory_limit = lane->memory_limit,
        .numa = lane->topology->part ? ZK_NUMA_LANES : lane->numa.mode,
        .numa_error = zk_load_relaxed(&lane->numa_error),
        .backend = lane->borrows ? ZK_BACKEND_OPENMP : ZK_BACKEND_PTHREADS,
        .prefault_bytes = lane->config.prefault_bytes,
        .node = lane->topology->part ? (int)lane->topology->pus[0].node : -1,
    };
    memcpy(info->workers_why, lane->plan.why, sizeof info->workers_why);
    return ZK_OK;
}

static void
add_arena(const struct zk_arena *a, zk_runtime_stats_t *stats)
{
    stats->moves += zk_load_relaxed(&a->moves);
    stats->moves_skipped += zk_load_relaxed(&a->moves_skipped);
    stats->budget_refusals += zk_load_relaxed(&a->budget.refusals);
    for (unsigned i = 0; i < a->nslots; i++) {
        const struct zk_slab *s = &a->slabs[i];

        stats->arena_bytes += zk_load_relaxed(&s->bytes_ended);
        stats->arena_committed += zk_load_relaxed(&s->committed);
        stats->overflow_count += zk_load_relaxed(&s->overflow_count);
        stats->overflow_bytes += zk_load_relaxed(&s->overflow_bytes);
        stats->arena_released += zk_load_relaxed(&s->released);
        stats->stale_calls += zk_load_relaxed(&s->stale_calls);
        stats->bad_frees += zk_load_relaxed(&s->bad_frees);
    }
}

static void
add_counts(const struct zk_phase *phase, zk_runtime_stats_t *stats)
{
    for (unsigned i = 0; i < phase->lane->nslots; i++)
        stats->tasks += zk_load_relaxed(&phase->count[i].pushed);
    stats->tasks += zk_load_relaxed(&phase->far_pushed);
}

zk_err_t
zk_runtime_stats(const zk_runtime_t *lane, zk_runtime_stats_t *stats)
{
    if (lane == NULL || stats == NULL || stats->size != sizeof *stats)
        return ZK_EINVAL;
    *stats = (zk_runtime_stats_t){.size = sizeof *stats};
    stats->phases = zk_load_relaxed(&lane->phases_begun);
    stats->stages = zk_load_relaxed(&lane->stages_begun);
    for (unsigned i = 0; i < lane->nslots; i++) {
        for (unsigned far = 0; far < ZK_DISTANCES; far++)
            stats->steals_at[far] +=
                zk_load_relaxed(&lane->slots[i].steals[far]);
        stats->sleeps += zk_load_relaxed(&lane->slots[i].sleeps);
        stats->outside_near += zk_load_relaxed(&lane->slots[i].outside_near);
        stats->outside_far += zk_load_relaxed(&lane->slots[i].outside_far);
    }
    for (unsigned far = 0; far < ZK_DISTANCES; far++)
        stats->steals += stats->steals_at[far];
    stats->budget_charged = zk__budget_charged();
    stats->budget_refusals = zk_load_relaxed(&lane->shared.refusals);
    stats->shared_bytes = zk__region_bytes();
    stats->shared_regions = zk__region_number();
    stats->prefaulted = zk_load_relaxed(&lane->warmed);
    add_counts(lane->outside, stats);
    for (unsigned i = 0; i < zk_load_acquire(&lane->nphases); i++) {
        add_counts(lane->phases[i], stats);
        add_arena(lane->phases[i]->arena, stats);
    }
    return ZK_OK;
}

void
zk_runtime_stats_reset_overflow(zk_runtime_t *lane)
{
    if (lane == NULL)
        return;
    for (unsigned i = 0; i < zk_load_acquire(&lane->nphases); i++) {
        struct zk_arena *a = lane->phases[i]->arena;

        for (unsigned k = 0; k < a->nslots; k++) {
            zk_store_relaxed(&a->slabs[k].overflow_count, (uint64_t)0);
            zk_store_relaxed(&a->slabs[k].overflow_bytes, (uint64_t)0);
        }
    }
}

const struct zk_phase *
zk__phase_of(const struct zk_thread *me)
{
    if (me->slot != NULL && me->slot->phase->arena != NULL)
        return me->slot->phase;
    if (me->last != NULL && zk__lane_alive(me->last_lane, me->last_serial))
        return me->last;
    return NULL;
}

zk_err_t
zk_phase_stats(zk_phase_stats_t *stats)
{
    const struct zk_phase *phase = zk__phase_of(&zk__thread);
    struct zk_arena_use use;
    struct zk_work work;

    if (stats == NULL || stats->size != sizeof *stats)
        return ZK_EINVAL;
    if (phase == NULL)
        return ZK_ESTALE;

    use = zk__arena_use(phase->arena);
    *stats = (zk_phase_stats_t){
        .size = sizeof *stats,
        .epoch = zk_load_relaxed(&phase->epoch),
        .depth = phase->depth,
        .bytes = use.bytes,
        .peak_bytes = use.peak_bytes,
        .stage_peak_bytes = use.stage_peak_bytes,
        .scratch_peak_bytes = use.scratch_peak_bytes,
        .refused = zk_load_relaxed(&phase->arena->budget.refused),
        .charged_bytes = zk__arena_charged(phase->arena),
    };
    work = zk__progress_at(phase, 1);
    stats->work_done = work.done;
    stats->work_total = work.total;
    if (phase->secret) {
        stats->flags = ZK_PHASE_SECRET;
        stats->locked_bytes = use.locked_bytes;
    }
    memcpy(stats->name, phase->name[phase->depth != 0 ? phase->depth : 1],
           sizeof stats->name);
    return ZK_OK;
}

/* ---- pages ---------------------------------------------------------------- */

zk_err_t
zk_huge_info(zk_huge_info_t *info)
{
    const struct zk_huge_facts *f;
    struct zk_huge_seen seen;

    if (info == NULL || info->size != sizeof *info)
        return ZK_EINVAL;
    f = zk__huge_facts();
    seen = zk__huge_seen();
    *info = (zk_huge_info_t){
        .size = sizeof *info,
        .system = f->system,
        .given = f->given,
        .pays = f->pays,
        .huge_ns = f->huge_ns,
        .base_ns = f->base_ns,
        .small_bytes = f->small_bytes,
        .took_ns = f->took_ns,
        .looks = seen.looks,
        .looks_ns = seen.took_ns,
        .last_huge_ns = seen.huge_ns,
        .last_base_ns = seen.base_ns,
        .to_base = seen.to_base,
        .to_huge = seen.to_huge,
    };
    return ZK_OK;
}

zk_err_t
zk_phase_pages(zk_phase_pages_t *pages)
{
    const struct zk_phase *phase = zk__phase_of(&zk__thread);
    struct zk_pages sum;

    if (pages == NULL || pages->size != sizeof *pages)
        return ZK_EINVAL;
    if (phase == NULL)
        return ZK_ESTALE;
    if (!zk__pages_of(phase->arena, &sum))
        return ZK_ESYS;
    *pages = (zk_phase_pages_t){
        .size = sizeof *pages,
        .used_bytes = sum.used,
        .resident_bytes = sum.resident,
        .huge_bytes = sum.huge,
        .huge_share =
            sum.resident != 0 ? (double)sum.huge / (double)sum.resident : 0,
        .fallbacks = sum.fallbacks,
        .slab_resident_bytes = sum.slab_resident,
        .slab_huge_bytes = sum.slab_huge,
        .exact = sum.exact,
    };
    return ZK_OK;
}

static void
show_use(zk_numa_pages_t *pages, const struct zk_numa_use *use)
{
    const unsigned shown = sizeof pages->node_bytes / sizeof(size_t);

    *pages = (zk_numa_pages_t){.size = sizeof *pages,
                               .wanted_bytes = use->wanted,
                               .other_bytes = use->other,
                               .unknown_bytes = use->unknown};
    for (unsigned i = 0; i < shown; i++) {
        pages->node_bytes[i] = use->on[i];
        if (use->on[i] != 0)
            pages->nodes = i + 1;
    }
}

zk_err_t
zk_numa_pages(const zk_runtime_t *lane, zk_numa_pages_t *pages)
{
    struct zk_numa_use use = {0};
    unsigned n;

    if (lane == NULL || pages == NULL || pages->size != sizeof *pages)
        return ZK_EINVAL;
    n = zk_load_acquire(&lane->nphases);
    for (unsigned i = 0; i < n; i++)
        if (!zk__numa_count(lane->phases[i]->arena, &use))
            return ZK_ESYS;
    show_use(pages, &use);
    return ZK_OK;
}

zk_err_t
zk_shared_pages(const void *p, zk_numa_pages_t *pages)
{
    struct zk_numa_use use = {0};
    bool known;

    if (p == NULL || pages == NULL || pages->size != sizeof *pages)
        return ZK_EINVAL;
    if (!zk__region_count(p, &use, &known))
        return ZK_ESYS;
    if (!known)
        return ZK_EINVAL;
    show_use(pages, &use);
    return ZK_OK;
}
