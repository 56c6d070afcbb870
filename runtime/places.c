/*
 * places.c - the grammar of places, and dealing workers out.
 *
 * Owns:   the parser and the arithmetic.
 * Never:  clamps: a description that is malformed anywhere is refused whole.
 */
#include "runtime/places.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "private/bits.h"

#define CPUS_MAX   8192u /* numbers that a description may name */
#define PLACES_MAX 4096u
#define WORD_BITS  (8 * sizeof(unsigned long))

/* ---- sets of CPU numbers ------------------------------------------------ */

struct cpus {
    unsigned long word[CPUS_MAX / WORD_BITS];
};

static void
cpus_set(struct cpus *set, unsigned cpu, bool on)
{
    unsigned long bit = 1ul << cpu % WORD_BITS;

    if (on)
        set->word[cpu / WORD_BITS] |= bit;
    else
        set->word[cpu / WORD_BITS] &= ~bit;
}

static bool
cpus_has(const struct cpus *set, unsigned cpu)
{
    return cpu < CPUS_MAX &&
           (set->word[cpu / WORD_BITS] >> cpu % WORD_BITS & 1) != 0;
}

/* ---- parsing -------------------------------------------------------------- */

/* Places as sets of CPU numbers; without memory for them, only the grammar. */
struct parser {
    const char *at;
    bool keep;
    struct cpus *place;
    unsigned n, room;
    bool no_memory;
};

static void
skip_blanks(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

static bool
take(struct parser *p, char c)
{
    skip_blanks(p);
    if (*p->at != c)
        return false;
    p->at++;
    skip_blanks(p);
    return true;
}

/* A number of at most six digits. */
static bool
take_number(struct parser *p, long *n)
{
    int digits = 0;

    skip_blanks(p);
    for (*n = 0; *p->at >= '0' && *p->at <= '9'; p->at++) {
        *n = *n * 10 + (*p->at - '0');
        if (++digits > 6)
            return false;
    }
    return digits != 0;
}

static bool
take_signed(struct parser *p, long *n)
{
    bool minus = take(p, '-');

    if (!minus)
        (void)take(p, '+');
    if (!take_number(p, n))
        return false;
    if (minus)
        *n = -*n;
    return true;
}

/* ":length:stride", each of which may be missing. */
static bool
take_interval(struct parser *p, long *length, long *stride)
{
    *length = *stride = 1;
    if (!take(p, ':'))
        return true;
    if (!take_number(p, length) || *length < 1)
        return false;
    return !take(p, ':') || take_signed(p, stride);
}

/* One or more CPUs of a place: "4", "4:2", "4:2:8", "!4". */
static bool
take_resource(struct parser *p, struct cpus *set)
{
    bool on = !take(p, '!');
    long first, length, stride;

    if (!take_number(p, &first) || !take_interval(p, &length, &stride))
        return false;
    for (long i = 0; i < length; i++) {
        long cpu = first + i * stride;

        if (cpu < 0 || cpu >= (long)CPUS_MAX)
            return false;
        cpus_set(set, (unsigned)cpu, on);
    }
    return true;
}

/* "{...}" or a single CPU number. */
static bool
take_set(struct parser *p, struct cpus *set)
{
    long cpu;

    memset(set, 0, sizeof *set);
    if (!take(p, '{')) {
        if (!take_number(p, &cpu) || cpu >= (long)CPUS_MAX)
            return false;
        cpus_set(set, (unsigned)cpu, true);
        return true;
    }
    do
        if (!take_resource(p, set))
            return false;
    while (take(p, ','));
    return take(p, '}');
}

/* The set with each number raised. False: one leaves what can be named. */
static bool
shift(const struct cpus *set, long by, struct cpus *out)
{
    memset(out, 0, sizeof *out);
    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
        long to = (long)cpu + by;

        if (!cpus_has(set, cpu))
            continue;
        if (to < 0 || to >= (long)CPUS_MAX)
            return false;
        cpus_set(out, (unsigned)to, true);
    }
    return true;
}

static bool
same(const struct cpus *a, const struct cpus *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void
add_place(struct parser *p, const struct cpus *set)
{
    if (p->n == p->room) {
        unsigned room = p->room != 0 ? 2 * p->room : 16;
        struct cpus *more = realloc(p->place, room * sizeof *more);

        if (more == NULL) {
            p->no_memory = true;
            return;
        }
        p->place = more;
        p->room = room;
    }
    p->place[p->n++] = *set;
}

static void
drop_place(struct parser *p, const struct cpus *set)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < p->n; i++)
        if (!same(&p->place[i], set))
            p->place[kept++] = p->place[i];
    p->n = kept;
}

/* "{0:4}", "{0:4}:8:4", "!{4}". */
static bool
take_places(struct parser *p)
{
    bool on = !take(p, '!');
    struct cpus set, moved;
    long length, stride, width = 0;

    if (!take_set(p, &set))
        return false;
    /* Without a stride the places follow each other without a gap. */
    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++)
        width += cpus_has(&set, cpu);
    length = 1;
    stride = width;
    if (take(p, ':') && (!on || !take_number(p, &length) || length < 1 ||
                         length > (long)PLACES_MAX ||
                         (take(p, ':') && !take_signed(p, &stride))))
        return false;
    for (long i = 0; i < length; i++) {
        if (!shift(&set, i * stride, &moved))
            return false;
        if (!p->keep)
            continue;
        if (on)
            add_place(p, &moved);
        else
            drop_place(p, &moved);
    }
    return p->n <= PLACES_MAX;
}

static bool
parse_list(struct parser *p)
{
    do
        if (!take_places(p))
            return false;
    while (take(p, ','));
    return *p->at == '\0';
}

/* ---- abstract names ------------------------------------------------------- */

enum name { THREADS, CORES, CACHES, SOCKETS, NODES };

/* "cores" or "cores(4)". count 0: as many as there are. */
static bool
parse_name(const char *text, enum name *name, long *count)
{
    static const struct {
        const char *word;
        enum name name;
    } words[] = {{"threads", THREADS},
                 {"cores", CORES},
                 {"ll_caches", CACHES},
                 {"sockets", SOCKETS},
                 {"numa_domains", NODES}};
    struct parser p = {.at = text};
    size_t length;

    skip_blanks(&p);
    length = strspn(p.at, "abcdefghijklmnopqrstuvwxyz_"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    *count = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].word) != length ||
            strncasecmp(p.at, words[i].word, length) != 0)
            continue;
        *name = words[i].name;
        p.at += length;
        if (take(&p, '(') &&
            (!take_number(&p, count) || *count < 1 || !take(&p, ')')))
            return false;
        skip_blanks(&p);
        return *p.at == '\0';
    }
    return false;
}

bool
zk__places_valid(const char *text)
{
    struct parser p = {.at = text};
    enum name name;
    long count;

    return parse_name(text, &name, &count) || parse_list(&p);
}

/* ---- places of a machine -------------------------------------------------- */

/* Room for one more place, of at most so many units. */
static struct zk_units *
new_place(struct zk_places *out, unsigned units)
{
    struct zk_units *more =
        realloc(out->place, (out->n + 1) * sizeof *out->place);
    struct zk_units *place;

    if (more == NULL)
        return NULL;
    out->place = more;
    place = &more[out->n];
    *place = (struct zk_units){.units = calloc(units, sizeof(unsigned))};
    if (place->units == NULL)
        return NULL;
    out->n++;
    return place;
}

/* What two units of the same place have in common. */
static unsigned
key_of(const struct zk_topology *t, unsigned unit, enum name name)
{
    const struct zk_pu *pu = &t->pus[unit];

    switch (name) {
    case CORES: return pu->core;
    case CACHES: return pu->cache;
    case SOCKETS: return pu->package;
    case NODES: return pu->node;
    case THREADS: break;
    }
    return unit;
}

static bool
make_named(struct zk_places *out, enum name name, long count,
           const struct zk_topology *t)
{
    for (unsigned i = 0; i < t->npus; i++) {
        unsigned key = key_of(t, i, name), k;

        for (k = 0; k < out->n; k++)
            if (key_of(t, out->place[k].units[0], name) == key)
                break;
        if (k == out->n && count != 0 && out->n == (unsigned long)count)
            continue;
        if (k == out->n && new_place(out, t->npus) == NULL)
            return false;
        out->place[k].units[out->place[k].n++] = i;
    }
    return true;
}

static bool
make_listed(struct zk_places *out, const struct parser *p,
            const struct zk_topology *t)
{
    for (unsigned i = 0; i < p->n; i++) {
        struct zk_units *place = new_place(out, t->npus);
        unsigned named = 0;

        if (place == NULL)
            return false;
        for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++)
            named += cpus_has(&p->place[i], cpu);
        for (unsigned u = 0; u < t->npus; u++)
            if (cpus_has(&p->place[i], t->pus[u].os_index))
                place->units[place->n++] = u;
        out->outside += named - place->n;
        if (place->n == 0) {
            free(place->units);
            out->n--;
        }
    }
    return true;
}

bool
zk__places_make(struct zk_places *out, const char *text,
                const struct zk_topology *t)
{
    struct parser p = {.at = text, .keep = true};
    enum name name;
    long count;
    bool ok;

    *out = (struct zk_places){0};
    if (parse_name(text, &name, &count)) {
        ok = make_named(out, name, count, t);
    } else {
        ok = parse_list(&p) && !p.no_memory && make_listed(out, &p, t);
        free(p.place);
    }
    if (!ok)
        zk__places_free(out);
    return ok;
}

void
zk__places_free(struct zk_places *places)
{
    for (unsigned i = 0; i < places->n; i++)
        free(places->place[i].units);
    free(places->place);
    *places = (struct zk_places){0};
}

unsigned
zk__places_of(unsigned nplaces, unsigned index, unsigned workers,
              enum zk_bind bind)
{
    if (bind == ZK_BIND_PRIMARY)
        return 0;
    if (workers <= nplaces && bind != ZK_BIND_SPREAD)
        return index;
    return (unsigned)((unsigned long long)index * nplaces / workers);
}

static bool
reaches(const struct zk_places *places, unsigned unit)
{
    for (unsigned k = 0; k < places->n; k++)
        for (unsigned u = 0; u < places->place[k].n; u++)
            if (places->place[k].units[u] == unit)
                return true;
    return false;
}

unsigned
zk__places_cores(const struct zk_places *places, const struct zk_topology *t)
{
    unsigned cores = 0, last = 0;

    for (unsigned i = 0; i < t->npus; i++) {
        /* Units of a core stand next to each other. */
        if ((cores != 0 && t->pus[i].core == last) || !reaches(places, i))
            continue;
        last = t->pus[i].core;
        cores++;
    }
    return cores;
}

/* ---- shares ---------------------------------------------------------------- */

struct zk_share
zk__share_of(struct zk_share node, unsigned units, unsigned machine)
{
    unsigned long long wanted = (unsigned long long)units * node.size;
    struct zk_share share = {0, 1};

    if (node.size <= 1 || machine == 0)
        return share;
    share.size = (unsigned)((wanted + machine - 1) / machine);
    share.rank = node.rank % share.size;
    return share;
}

void
zk__share_take(struct zk_topology *t, struct zk_share share)
{
    bool by_core = t->ncores >= share.size;
    unsigned all = by_core ? t->ncores : t->npus, from, to;
    unsigned kept = 0, at = 0, cores = 0;

    if (share.size <= 1 || all == 0)
        return;
    share.rank %= share.size;
    if (share.size > all) { /* more processes than units */
        from = share.rank % all;
        to = from + 1;
    } else {
        from = (unsigned)((unsigned long long)share.rank * all / share.size);
        to =
            (unsigned)((unsigned long long)(share.rank + 1) * all / share.size);
    }
    for (unsigned i = 0; i < t->npus; i++) {
        /* Units of a core stand next to each other. */
        at += i != 0 && (!by_core || t->pus[i].first_thread);
        if (at < from || at >= to)
            continue;
        t->pus[kept] = t->pus[i];
        t->pus[kept].first_thread =
            kept == 0 || t->pus[kept].core != t->pus[kept - 1].core;
        cores += t->pus[kept].first_thread;
        kept++;
    }
    t->npus = kept;
    t->ncores = cores;
    t->share = share;
}
