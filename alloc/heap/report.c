/*
 * report.c - a line without an allocation.
 *
 * Owns:   nothing that changes.
 * Never:  takes a lock: the caller may hold any.
 */
#include "alloc/heap/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc/heap/span.h"

static const char *const sentence[] = {
    [ZK_MISUSE_FOREIGN] = "was never handed out",
    [ZK_MISUSE_INTERIOR] = "is not where a block begins",
    [ZK_MISUSE_TWICE] = "is free already",
    [ZK_MISUSE_OWNED] = "belongs to a heap that was opened",
    [ZK_MISUSE_OVERRUN] = "was written past its end",
    [ZK_MISUSE_AFTER_FREE] = "was written to after it was freed",
    [ZK_MISUSE_SIZE] = "was asked for with another size",
    [ZK_MISUSE_ENTRY] = "is no block: an entry of a cache was overwritten",
    [ZK_MISUSE_RECORD] = "has a record that was overwritten",
};

/* What the address is part of, as far as that can be told. */
static void
describe(char *text, size_t n, const void *p)
{
    size_t page = zk_page_of(p), offset, size;
    const struct zk_span *s;
    uint32_t word;

    text[0] = '\0';
    if (!zk_page_ours(page))
        return;
    word = zk_load_relaxed(&zk__pages.words[page]);
    switch (zk_run_kind(word)) {
    case ZK_RUN_NONE:
    case ZK_RUN_BUSY:
    case ZK_RUN_FREE: return;
    default: break;
    }
    s = zk_span_at(page - zk_run_back(word));
    offset = (size_t)((const char *)p - zk_span_base(s));
    size = (size_t)s->pages << ZK_HEAP_PAGE_SHIFT;
    if (zk_run_kind(word) != ZK_RUN_LARGE &&
        zk_run_kind(word) != ZK_RUN_ASIDE) {
        size = zk__class[s->class].size;
        offset %= size;
    }
    if (offset == 0)
        (void)snprintf(text, n, " (a block of %zu bytes)", size);
    else
        (void)snprintf(text, n, " (%zu bytes into one of %zu)", offset, size);
}

/* `where`: after what is said of the block. */
static _Noreturn void
end(enum zk_misuse what, const char *call, const void *p, const char *where)
{
    char text[320], block[80] = "";
    int n;

    if (what < ZK_MISUSE_ENTRY)
        describe(block, sizeof block, p);
    n = snprintf(text, sizeof text, "zkrt: heap misuse in %s: %p %s%s%s\n",
                 call, p, sentence[what], block, where);
    if (n > 0 && write(STDERR_FILENO, text, strnlen(text, sizeof text)) < 0)
        abort(); /* nobody listens */
    abort();
}

void
zk__misuse(enum zk_misuse what, const char *call, const void *p)
{
    end(what, call, p, "");
}

void
zk__misuse_at(enum zk_misuse what, const char *call, const void *p, size_t byte)
{
    char where[48];

    (void)snprintf(where, sizeof where, ", at byte %zu", byte);
    end(what, call, p, where);
}
