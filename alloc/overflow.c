/*
 * overflow.c - a hash table of blocks, in shards.
 *
 * Owns:   the table, in pages of its own: the heap may be the caller.
 * Never:  shrinks; but for one page each, shards are as large as they had to be.
 *
 * Open addressing with linear probing. Taking an entry out moves later ones of its
 * run up (Knuth, TAOCP 6.4, algorithm R), so there are no tombstones.
 */
#include "alloc/overflow.h"

#include <pthread.h>

#include "alloc/heap/pages.h"
#include "alloc/os.h"

#define SHARDS 16u

struct entry {
    void *block; /* NULL: free */
    size_t bytes;
};

struct shard {
    ZK_ALIGNED_LINE pthread_mutex_t lock;
    struct entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t used;
};

static struct shard shards[SHARDS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

_Atomic size_t zk__overflow_live;

static void
init_locks(void)
{
    for (unsigned i = 0; i < SHARDS; i++)
        pthread_mutex_init(&shards[i].lock, NULL);
}

static uint64_t
hash(const void *p)
{
    return (uint64_t)(uintptr_t)p / 16 * 0x9e3779b97f4a7c15u;
}

static struct shard *
shard_of(const void *p)
{
    pthread_once(&once, init_locks);
    return &shards[hash(p) >> 60];
}

static size_t
home(const struct shard *s, const void *p)
{
    return (size_t)(hash(p) >> 20) & (s->capacity - 1);
}

/* Where the block is, or the free entry where it would be. */
static size_t
probe(const struct shard *s, const void *p)
{
    size_t i = home(s, p);

    while (s->entries[i].block != NULL && s->entries[i].block != p)
        i = (i + 1) & (s->capacity - 1);
    return i;
}

/* Has room for one more. False: no memory; nothing changed. */
static bool
make_room(struct shard *s)
{
    size_t capacity = s->capacity != 0 ? 2 * s->capacity
                                       : zk__os_page() / sizeof(struct entry);
    struct shard old = {.entries = s->entries, .capacity = s->capacity};

    if (s->used < s->capacity / 4 * 3)
        return true;
    s->entries = zk__os_map(capacity * sizeof(struct entry));
    if (s->entries == NULL) {
        s->entries = old.entries;
        return false;
    }
    s->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++)
        if (old.entries[i].block != NULL)
            s->entries[probe(s, old.entries[i].block)] = old.entries[i];
    zk__os_unmap(old.entries, old.capacity * sizeof(struct entry));
    return true;
}

bool
zk__overflow_enter(void *p, size_t n)
{
    struct shard *s = shard_of(p);
    bool ok;

    zk__pages_detour(+1);
    pthread_mutex_lock(&s->lock);
    ok = make_room(s);
    if (ok) {
        s->entries[probe(s, p)] = (struct entry){p, n};
        s->used++;
        zk_add_relaxed(&zk__overflow_live, (size_t)1);
    }
    pthread_mutex_unlock(&s->lock);
    if (!ok)
        zk__pages_detour(-1);
    return ok;
}

/* pre: the entry is used */
static void
take_out(struct shard *s, size_t hole)
{
    size_t mask = s->capacity - 1;

    for (size_t i = (hole + 1) & mask; s->entries[i].block != NULL;
         i = (i + 1) & mask) {
        size_t from = home(s, s->entries[i].block);

        /* It may move up to the hole, but not before its home. */
        if (((i - from) & mask) >= ((i - hole) & mask)) {
            s->entries[hole] = s->entries[i];
            hole = i;
        }
    }
    s->entries[hole] = (struct entry){NULL, 0};
    s->used--;
}

size_t
zk__overflow_leave(void *p)
{
    struct shard *s = shard_of(p);
    size_t bytes = 0;
    bool found = false;

    pthread_mutex_lock(&s->lock);
    if (s->capacity != 0) {
        size_t i = probe(s, p);

        found = s->entries[i].block != NULL && p != NULL;
        if (found) {
            bytes = s->entries[i].bytes;
            take_out(s, i);
            zk_add_relaxed(&zk__overflow_live, (size_t)-1);
        }
    }
    pthread_mutex_unlock(&s->lock);
    if (found)
        zk__pages_detour(-1);
    return bytes;
}

void
zk__overflow_lock(void)
{
    pthread_once(&once, init_locks);
    for (unsigned i = 0; i < SHARDS; i++)
        pthread_mutex_lock(&shards[i].lock);
}

void
zk__overflow_unlock(void)
{
    for (unsigned i = SHARDS; i-- > 0;)
        pthread_mutex_unlock(&shards[i].lock);
}
