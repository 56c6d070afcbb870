/*
 * slab_model_test.c - a slab beside a list of what must be in it, at random.
 */
#include "tests/alloc/one_slab.h"

#define MODEL_MAX 3000

struct model_block {
    char *p;
    size_t n; /* what the test may use */
    uint64_t key;
    unsigned depth;
    bool alive; /* false: freed, and none starts here now */
};

struct model {
    struct zk_slab *s;
    struct test_random random;
    struct model_block blocks[MODEL_MAX];
    unsigned count, depth;
    unsigned at_mark[ZK_MAX_STAGES];
    uint64_t keys;
};

static bool
model_add(struct model *m, char *p, size_t n)
{
    struct model_block *b = &m->blocks[m->count++];

    /* A dead block at the same address is history. */
    for (unsigned i = 0; i + 1 < m->count; i++) {
        if (m->blocks[i].p == p && m->blocks[i].alive)
            return false;
        if (m->blocks[i].p == p)
            m->blocks[i].p = NULL;
    }
    *b = (struct model_block){p, n, ++m->keys, m->depth, true};
    test_fill(p, n, b->key);
    return live(m->s, p) >= n && (uintptr_t)p % 64 == 0;
}

static bool
model_alloc(struct model *m)
{
    size_t n, align = 64;
    bool zeroed = false;
    char *p;

    switch (test_below(&m->random, 6)) {
    case 0: n = 4096 + test_below(&m->random, 60000); break;
    case 1: n = 4000 + test_below(&m->random, 200); break;
    case 2:
        n = test_below(&m->random, 9000);
        align = (size_t)64 << test_below(&m->random, 12);
        break;
    case 3:
        n = test_below(&m->random, 20000);
        zeroed = true;
        break;
    default: n = test_below(&m->random, 1000); break;
    }
    p = zeroed ? zk__slab_alloc_zeroed(m->s, n)
               : zk__slab_alloc(m->s, n, align);
    if (p == NULL)
        return true;
    if ((uintptr_t)p % align != 0 || (zeroed && !test_all_zero(p, n)))
        return false;
    return model_add(m, p, n);
}

static struct model_block *
model_pick(struct model *m)
{
    if (m->count == 0)
        return NULL;
    /* Often the newest, for which there is a way of its own. */
    if (test_below(&m->random, 2) == 0)
        return &m->blocks[m->count - 1];
    return &m->blocks[test_below(&m->random, m->count)];
}

static bool
model_free(struct model *m)
{
    struct model_block *b = model_pick(m);

    if (b == NULL || b->p == NULL)
        return true;
    if (zk__slab_free(m->s, b->p) != b->alive)
        return false;
    b->alive = false;
    return true;
}

static bool
model_resize(struct model *m)
{
    struct model_block *b = model_pick(m);
    size_t n = test_below(&m->random, 70000);
    size_t old;

    if (b == NULL || b->p == NULL || !b->alive)
        return true;
    old = b->n;
    if (!zk__slab_resize(m->s, b->p, zk__slab_block(m->s, b->p), n))
        return live(m->s, b->p) >= old && n > old;
    if (!test_holds(b->p, n < old ? n : old, b->key))
        return false;
    b->n = n;
    test_fill(b->p, n, b->key);
    return live(m->s, b->p) >= n;
}

/* Each live block is whole and live, and each dead one is dead. */
static bool
model_check(const struct model *m)
{
    for (unsigned i = 0; i < m->count; i++) {
        const struct model_block *b = &m->blocks[i];

        if (b->p == NULL)
            continue;
        if ((live(m->s, b->p) != 0) != b->alive)
            return false;
        if (b->alive && !test_holds(b->p, b->n, b->key))
            return false;
    }
    return true;
}

/* Blocks of an ended stage stay in the list, as dead ones. */
static void
model_kill(struct model *m, unsigned depth)
{
    for (unsigned i = 0; i < m->count; i++)
        if (m->blocks[i].depth >= depth)
            m->blocks[i].alive = false;
}

static bool
model_step(struct model *m)
{
    size_t what = test_below(&m->random, 100);

    if (m->count == MODEL_MAX || what == 0) {
        while (m->depth > 0) {
            zk__slab_rewind(m->s);
            m->depth--;
        }
        zk__slab_reset(m->s);
        model_kill(m, 0);
        if (!model_check(m))
            return false;
        m->count = 0;
        return true;
    }
    if (what < 4 && m->depth < ZK_MAX_STAGES) {
        zk__slab_mark(m->s);
        m->depth++;
    } else if (what < 7 && m->depth > 0) {
        zk__slab_rewind(m->s);
        model_kill(m, m->depth);
        m->depth--;
    } else if (what < 25) {
        return model_resize(m);
    } else if (what < 50) {
        return model_free(m);
    } else {
        return model_alloc(m);
    }
    return true;
}

static void
test_random_use_agrees_with_a_model(void **state)
{
    struct model *m = calloc(1, sizeof *m);

    assert_non_null(m);
    m->s = slab_of(state);
    m->random.state = test_seed("slab model");
    for (unsigned i = 0; i < test_scaled(60000); i++) {
        assert_true(model_step(m));
        if (i % 16 == 0)
            assert_true(model_check(m));
        assert_true(m->s->base <= next_of(m->s)); /* S1 */
        assert_true(next_of(m->s) <= m->s->end);
        assert_true(m->s->end <= m->s->limit);
    }
    free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        slab_test(test_random_use_agrees_with_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
