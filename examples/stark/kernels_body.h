/*
 * kernels_body.h - the inner loops, over lanes of any width.
 *
 * Owns:   the text of every kernel; a file that includes a lanes_*.h and then
 *         this one gets them as static functions.
 * Never:  is included twice in one file.
 */
#ifndef STARK_KERNELS_BODY_H
#define STARK_KERNELS_BODY_H

#include <string.h>

#include "algebra_lanes.h"
#include "kernels.h"

#include "air_eval.h"

/* 2^12 elements are 32 KiB: below that, all passes run in the first cache. */
#define LOG_CACHED 12u

/*
 * Butterflies at distance h < V_LANES pair elements of one register, so two
 * registers are taken apart by index bit, and put together again.
 */
#if V_LANES > 1
static inline v_t
short_twiddles(unsigned bit, const fp_t *twiddles)
{
    size_t h = (size_t)1 << bit;
    fp_t w[V_LANES];

    for (size_t i = 0; i < V_LANES; i++)
        w[i] = twiddles[h + (i & (h - 1))];
    return v_load(w);
}

static void
short_dit(fp_t *v, size_t n, const fp_t *twiddles)
{
    v_t w1 = short_twiddles(1, twiddles);
    v_t w2 = short_twiddles(2, twiddles);

    for (size_t i = 0; i < n; i += 2 * V_LANES) {
        v_t v0 = v_load(v + i), v1 = v_load(v + i + V_LANES);
        v_t lo, hi;

        v_split(0, v0, v1, &lo, &hi); /* its only twiddle is one */
        v_join(0, v_add(lo, hi), v_sub(lo, hi), &v0, &v1);
        v_split(1, v0, v1, &lo, &hi);
        hi = v_mul(hi, w1);
        v_join(1, v_add(lo, hi), v_sub(lo, hi), &v0, &v1);
        v_split(2, v0, v1, &lo, &hi);
        hi = v_mul(hi, w2);
        v_join(2, v_add(lo, hi), v_sub(lo, hi), &v0, &v1);
        v_store(v + i, v0);
        v_store(v + i + V_LANES, v1);
    }
}

static void
short_dif(fp_t *v, size_t n, const fp_t *twiddles)
{
    v_t w1 = short_twiddles(1, twiddles);
    v_t w2 = short_twiddles(2, twiddles);

    for (size_t i = 0; i < n; i += 2 * V_LANES) {
        v_t v0 = v_load(v + i), v1 = v_load(v + i + V_LANES);
        v_t lo, hi;

        v_split(2, v0, v1, &lo, &hi);
        v_join(2, v_add(lo, hi), v_mul(v_sub(lo, hi), w2), &v0, &v1);
        v_split(1, v0, v1, &lo, &hi);
        v_join(1, v_add(lo, hi), v_mul(v_sub(lo, hi), w1), &v0, &v1);
        v_split(0, v0, v1, &lo, &hi);
        v_join(0, v_add(lo, hi), v_sub(lo, hi), &v0, &v1);
        v_store(v + i, v0);
        v_store(v + i + V_LANES, v1);
    }
}
#endif

/* One pass of butterflies at distance h >= V_LANES. */
static void
pass_dit(fp_t *v, size_t n, size_t h, const fp_t *twiddles)
{
    for (size_t block = 0; block < n; block += 2 * h) {
        fp_t *lo = v + block, *hi = lo + h;

        for (size_t i = 0; i < h; i += V_LANES) {
            v_t x = v_load(lo + i);
            v_t y = v_mul(v_load(hi + i), v_load(twiddles + h + i));

            v_store(lo + i, v_add(x, y));
            v_store(hi + i, v_sub(x, y));
        }
    }
}

static void
pass_dif(fp_t *v, size_t n, size_t h, const fp_t *twiddles)
{
    for (size_t block = 0; block < n; block += 2 * h) {
        fp_t *lo = v + block, *hi = lo + h;

        for (size_t i = 0; i < h; i += V_LANES) {
            v_t x = v_load(lo + i), y = v_load(hi + i);

            v_store(lo + i, v_add(x, y));
            v_store(hi + i, v_mul(v_sub(x, y), v_load(twiddles + h + i)));
        }
    }
}

/*
 * Depth first: each block that fits the cache runs all of its own passes, and
 * only the few passes above it stream through memory.
 */
static void
ntt_dit(fp_t *v, unsigned log_n, const fp_t *twiddles)
{
    size_t n = (size_t)1 << log_n;
    size_t cached = log_n < LOG_CACHED ? n : (size_t)1 << LOG_CACHED;

    for (size_t block = 0; block < n; block += cached) {
#if V_LANES > 1
        short_dit(v + block, cached, twiddles);
#endif
        for (size_t h = V_LANES; h < cached; h *= 2)
            pass_dit(v + block, cached, h, twiddles);
    }
    for (size_t h = cached; h < n; h *= 2)
        pass_dit(v, n, h, twiddles);
}

static void
ntt_dif(fp_t *v, unsigned log_n, const fp_t *twiddles)
{
    size_t n = (size_t)1 << log_n;
    size_t cached = log_n < LOG_CACHED ? n : (size_t)1 << LOG_CACHED;

    for (size_t h = n / 2; h >= cached; h /= 2)
        pass_dif(v, n, h, twiddles);
    for (size_t block = 0; block < n; block += cached) {
        for (size_t h = cached / 2; h >= V_LANES; h /= 2)
            pass_dif(v + block, cached, h, twiddles);
#if V_LANES > 1
        short_dif(v + block, cached, twiddles);
#endif
    }
}

static void
multiply(fp_t *out, const fp_t *v, const fp_t *factor, size_t n)
{
    for (size_t i = 0; i < n; i += V_LANES)
        v_store(out + i, v_mul(v_load(v + i), v_load(factor + i)));
}

static void
scale(fp_t *v, fp_t c, size_t n)
{
    for (size_t i = 0; i < n; i += V_LANES)
        v_store(v + i, v_mul(v_load(v + i), v_const(c)));
}

static void
accumulate(fp_t *a, fp_t *b, const fp_t *v, fq_t c, size_t n)
{
    for (size_t i = 0; i < n; i += V_LANES) {
        x_t sum = {v_load(a + i), v_load(b + i)};

        sum = x_accumulate(sum, v_load(v + i), c);
        v_store(a + i, sum.a);
        v_store(b + i, sum.b);
    }
}

static fp_t
sum_of_lanes(v_t v)
{
    fp_t lane[V_LANES];
    fp_t sum = 0;

    v_store(lane, v);
    for (unsigned i = 0; i < V_LANES; i++)
        sum = fp_add(sum, lane[i]);
    return sum;
}

static fq_t
dot(const fp_t *v, const fp_t *a, const fp_t *b, size_t n)
{
    x_t sum = x_const(FQ_ZERO);

    for (size_t i = 0; i < n; i += V_LANES) {
        x_t weight = {v_load(a + i), v_load(b + i)};

        sum = x_add(sum, x_scale(weight, v_load(v + i)));
    }
    return (fq_t){sum_of_lanes(sum.a), sum_of_lanes(sum.b)};
}

/* Rows row + 1, ..., where row 0 follows the last one. */
static inline v_t
load_next(const fp_t *column, size_t row, size_t rows)
{
    fp_t wrapped[V_LANES];

    if (row + V_LANES < rows)
        return v_load(column + row + 1);
    memcpy(wrapped, column + row + 1, (V_LANES - 1) * sizeof wrapped[0]);
    wrapped[V_LANES - 1] = column[0];
    return v_load(wrapped);
}

static void
load_row(struct air_row *row, const struct quotient_stripe *stripe, size_t at)
{
    const fp_t *main = stripe->main, *aux = stripe->aux;
    size_t stride = stripe->stride, rows = stripe->rows;

    for (size_t c = 0; c < AIR_MAIN; c++)
        row->here[c] = v_load(main + c * stride + at);
    for (size_t c = 0; c < AIR_MAIN_NEXT; c++)
        row->next[c] = load_next(main + c * stride, at, rows);
    for (size_t c = 0; c < AIR_EXTENDED; c++) {
        row->extended[c].a = v_load(aux + 2 * c * stride + at);
        row->extended[c].b = v_load(aux + (2 * c + 1) * stride + at);
    }
    row->next_sum.a = load_next(aux, at, rows);
    row->next_sum.b = load_next(aux + stride, at, rows);
    row->table = v_load(stripe->table + at % AIR_TABLE_ROWS);
}

static void
quotient(const struct quotient_stripe *stripe,
         const struct quotient_points *points)
{
    struct air_row row;

    for (size_t i = 0; i < points->count; i += V_LANES) {
        load_row(&row, stripe, points->first + i);

        struct air_sums sums =
            air_eval(stripe->statement, stripe->challenges, &row);
        x_t step = x_scale(sums.step, v_load(points->from_end + i));
        x_t sum = x_add(sums.all, step);

        sum = x_scale(sum, v_const(stripe->over_all));
        sum = x_add(sum, x_scale(sums.first, v_load(points->over_first + i)));
        sum = x_add(sum, x_scale(sums.last, v_load(points->over_last + i)));
        v_store(points->a + i, sum.a);
        v_store(points->b + i, sum.b);
    }
}

/* The table of one form; `of` names it. */
#define KERNELS_OF(of)                                                  \
    {                                                                   \
        .name = (of), .ntt_dif = ntt_dif, .ntt_dit = ntt_dit,           \
        .multiply = multiply, .scale = scale, .accumulate = accumulate, \
        .dot = dot, .quotient = quotient,                               \
    }

#endif
