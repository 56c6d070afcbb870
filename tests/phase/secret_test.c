/*
 * secret_test.c - what a secret phase held is nowhere, whatever ends it.
 *
 * Each case is a process of its own, which puts a witness into a phase, leaves
 * the phase in some way, and then looks for it in its memory, in a child's, or
 * dies with a core that is searched. With the flag it is found 0 times; the same
 * without it finds some.
 */
#include "tests/phase/witness.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <ucontext.h>

static const zk_phase_options_t secret = {.size = sizeof secret,
                                          .flags = ZK_PHASE_SECRET};
static zk_runtime_t *lane;

/* The same pointer, of which the compiler knows nothing. */
static void *
test_same(void *p)
{
    __asm__ volatile("" : "+r"(p));
    return p;
}

/* ---- the ways out ------------------------------------------------------- */

struct run {
    const zk_phase_options_t *options; /* NULL: no secret */
    enum witness_look look;
    const char *directory; /* for a core */
};

static jmp_buf jump;

static void
must(bool good)
{
    if (!good) {
        fprintf(stderr, "a step failed: %s\n", zk_strerror(zk_phase_error()));
        _exit(99);
    }
}

static void
normal_end(const struct run *r)
{
    must(zk_phase_begin_ex(lane, "witness", r->options) == ZK_OK);
    must(witness_everywhere(NULL) == ZK_OK);
    must(zk_phase_end() == ZK_OK);
}

static int
fill_and_fail(void *arg)
{
    return witness_everywhere(arg) != ZK_OK ? 98 : 7;
}

static void
error(const struct run *r)
{
    must(zk_runtime_phase_ex(lane, "witness", r->options, fill_and_fail,
                             NULL) == 7);
}

static void
cancel(const struct run *r)
{
    must(zk_phase_begin_ex(lane, "witness", r->options) == ZK_OK);
    must(witness_everywhere(NULL) == ZK_OK);
    must(zk_phase_cancel(zk_phase_id()) == ZK_OK);
    must(zk_phase_end() == ZK_ECANCELED);
}

static int
leave_block(const struct run *r)
{
    ZK_PHASE_EX ("witness", r->options) {
        must(witness_everywhere(NULL) == ZK_OK);
        return 1;
    }
    return 0;
}

static void
block(const struct run *r)
{
    must(leave_block(r) == 1);
}

/* An open stage is what ends first. */
static void
left_open_stage(const struct run *r)
{
    ZK_PHASE_EX ("witness", r->options) {
        must(zk_phase_begin_ex(NULL, "stage", r->options) == ZK_OK);
        must(witness_everywhere(NULL) == ZK_OK);
    }
}

static int
fill_and_jump(void *arg)
{
    must(witness_everywhere(arg) == ZK_OK);
    longjmp(jump, 1);
}

static void
jump_out_of_function(const struct run *r)
{
    if (setjmp(jump) == 0)
        (void)zk_runtime_phase_ex(lane, "witness", r->options, fill_and_jump,
                                  NULL);
}

static __attribute__((noinline)) void
jump_out_of_block(const struct run *r)
{
    if (setjmp(jump) == 0) {
        ZK_PHASE_EX ("witness", r->options)
            (void)fill_and_jump(NULL);
    }
}

static void
begin_by_hand(const struct run *r)
{
    must(zk_phase_begin_on(lane, "next") == ZK_OK);
    must(r->options == NULL || test_phase_stats().depth == 1);
}

static void
function_then_begin(const struct run *r)
{
    jump_out_of_function(r);
    begin_by_hand(r);
}

static void
function_then_begin_here(const struct run *r)
{
    if (setjmp(jump) == 0)
        (void)zk_runtime_phase_ex(lane, "witness", r->options, fill_and_jump,
                                  NULL);
    begin_by_hand(r);
}

static void
block_then_begin(const struct run *r)
{
    jump_out_of_block(r);
    begin_by_hand(r);
}

static int
see_depth(void *arg)
{
    *(unsigned *)arg = test_phase_stats().depth;
    return ZK_OK;
}

static void
block_then_function(const struct run *r)
{
    unsigned depth = 0;

    jump_out_of_block(r);
    must(zk_runtime_phase("next", see_depth, &depth) == ZK_OK);
    must(r->options == NULL || depth == 1);
}

/* The same frame, the same block: only its guard tells. */
static void
block_then_block(const struct run *r)
{
    for (int i = 0; i < 3; i++)
        jump_out_of_block(r);
    begin_by_hand(r);
}

static void
function_then_close(const struct run *r)
{
    jump_out_of_function(r);
    must(zk_runtime_close(lane) == ZK_OK);
}

static void
block_then_close(const struct run *r)
{
    jump_out_of_block(r);
    must(zk_runtime_close(lane) == ZK_OK);
}

static const struct run *at_exit;

static void
look_at_exit(void)
{
    witness_report(at_exit->look);
}

/* pre: atexit() was called before the first secret phase: it looks last */
static void
process_exit(const struct run *r)
{
    must(zk_phase_begin_ex(lane, "witness", r->options) == ZK_OK);
    must(witness_everywhere(NULL) == ZK_OK);
    exit(0);
}

static void
jump_then_exit(const struct run *r)
{
    jump_out_of_function(r);
    exit(0);
}

static void
quick(const struct run *r)
{
    must(zk_phase_begin_ex(lane, "witness", r->options) == ZK_OK);
    must(witness_everywhere(NULL) == ZK_OK);
    quick_exit(0);
}

static void *
exit_inside(void *arg)
{
    const struct run *r = arg;

    must(zk_phase_begin_ex(lane, "witness", r->options) == ZK_OK);
    must(witness_everywhere(NULL) == ZK_OK);
    return NULL;
}

static void
thread_exit(const struct run *r)
{
    pthread_t thread;

    must(pthread_create(&thread, NULL, exit_inside, (void *)(size_t)r) == 0);
    must(pthread_join(thread, NULL) == 0);
}

/* The phase is open: what it has is in its own memory, and nowhere else. */
static void
still_open(const struct run *r)
{
    must(zk_phase_begin_ex(lane, "witness", r->options) == ZK_OK);
    must(witness_everywhere(NULL) == ZK_OK);
}

/* Nothing but a stage that has ended. */
static void
end_of_stage(const struct run *r)
{
    void *outer;

    must(zk_phase_begin_ex(lane, "phase", r->options) == ZK_OK);
    outer = zk_malloc(100);
    must(outer != NULL && zk_malloc(WITNESS_LARGE) != NULL);
    memset(outer, 0x5a, 100);
    must(zk_runtime_phase_ex(NULL, "witness", r->options, witness_everywhere,
                             NULL) == ZK_OK);
    for (int i = 0; i < 100; i++)
        must(((char *)outer)[i] == 0x5a);
}

/* More than the caches hold, by all workers. */
static void
past_the_cache(const struct run *r)
{
    size_t bytes = TEST_SANITIZED ? 8 * MIB : 160 * MIB;
    char *p;

    must(zk_phase_begin_ex(lane, "witness", r->options) == ZK_OK);
    for (int i = 0; i < 2; i++) {
        p = zk_malloc(bytes + 4096 * (size_t)i + 333);
        must(p != NULL);
        for (size_t at = 0; at < bytes; at += 64 * KIB + 777)
            witness_put(p + at);
    }
    must(zk_phase_end() == ZK_OK);
}

static const struct way {
    const char *name;
    void (*leave)(const struct run *);
    bool not_in_memory; /* where it is, rightly */
} ways[] = {
    {"normal end", normal_end, false},
    {"error", error, false},
    {"cancel", cancel, false},
    {"return out of a block", block, false},
    {"a stage left open", left_open_stage, false},
    {"longjmp out of the function form, then begin", function_then_begin,
     false},
    {"longjmp and begin in one function", function_then_begin_here, false},
    {"longjmp out of a block, then begin", block_then_begin, false},
    {"longjmp out of a block, then a function form", block_then_function,
     false},
    {"longjmp out of a block, and again", block_then_block, false},
    {"longjmp out of the function form, then close", function_then_close,
     false},
    {"longjmp out of a block, then close", block_then_close, false},
    {"longjmp, then exit", jump_then_exit, false},
    {"exit", process_exit, false},
    {"quick_exit", quick, false},
    {"exit of the thread", thread_exit, false},
    {"end of a stage", end_of_stage, false},
    {"much of it", past_the_cache, false},
    {"none, it is open", still_open, true},
};

static const struct way *way;

static int
run_one(void *arg)
{
    const struct run *r = arg;

    if (r->look == IN_CORE && !witness_core_in(r->directory))
        return 97;
    at_exit = r;
    if (atexit(look_at_exit) != 0 || at_quick_exit(look_at_exit) != 0)
        return 96;
    lane = test_lane(3, way->leave == past_the_cache ? 512 * MIB : 32 * MIB, 0);
    if (lane == NULL || zk_runtime_enter(lane) != ZK_OK)
        return 95;
    way->leave(r);
    witness_report(r->look);
    return 94;
}

/* Looks into a file, but for its holes. */
static size_t
search_file(int fd)
{
    off_t end = lseek(fd, 0, SEEK_END), from = 0, to;
    size_t found = 0;

    while (from < end && (from = lseek(fd, from, SEEK_DATA)) >= 0) {
        to = lseek(fd, from, SEEK_HOLE);
        found += witness_in_range(fd, (uint64_t)from, (uint64_t)to);
        from = to;
    }
    return end > 0 ? found : SIZE_MAX;
}

/* Looks into each file of a directory, and removes it. */
static size_t
search_cores(const char *directory)
{
    DIR *dir = opendir(directory);
    const struct dirent *entry;
    size_t found = SIZE_MAX;

    if (dir == NULL)
        return SIZE_MAX;
    while ((entry = readdir(dir)) != NULL) {
        int fd = openat(dirfd(dir), entry->d_name, O_RDONLY);

        if (entry->d_name[0] != '.') {
            found = search_file(fd);
            unlinkat(dirfd(dir), entry->d_name, 0);
        }
        if (fd >= 0)
            close(fd);
    }
    closedir(dir);
    return found;
}

static size_t
found_by(const struct run *r)
{
    struct test_child child = test_in_child(run_one, (void *)(size_t)r);
    size_t found =
        r->look == IN_CORE ? search_cores(r->directory) : witness_found(&child);

    if (found == SIZE_MAX)
        fprintf(stderr, "%s: exited %d code %d signal %d\n%s\n", way->name,
                child.exited, child.code, child.signal, child.err);
    return found;
}

static void
look_after_each_way(enum witness_look look)
{
    char directory[] = "/tmp/zkrt-core-XXXXXX";

    if (look == IN_CORE)
        assert_non_null(mkdtemp(directory));
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct run with = {&secret, look, directory};
        struct run without = {NULL, look, directory};
        size_t n[2];

        way = &ways[i];
        if (look == IN_MEMORY && way->not_in_memory)
            continue;
        if (TEST_TSAN && look == IN_CHILD && way->leave != normal_end &&
            way->leave != still_open)
            continue; /* a second each, to list its mappings */
        n[0] = found_by(&with);
        n[1] = found_by(&without);
        printf("    %-46s %zu with, %zu without\n", way->name, n[0], n[1]);
        fflush(stdout);
        assert_int_equal(n[0], 0);
        assert_int_not_equal(n[1], SIZE_MAX);
        assert_true(n[1] > 0);
    }
    if (look == IN_CORE)
        rmdir(directory);
}

static void
test_witness_is_not_in_memory_after_any_way_out(void **state)
{
    (void)state;
    look_after_each_way(IN_MEMORY);
}

static void
test_witness_is_not_in_a_child(void **state)
{
    (void)state;
    look_after_each_way(IN_CHILD);
}

static void
test_witness_is_not_in_a_core(void **state)
{
    (void)state;
    if (!witness_cores()) {
        printf("    no core dumps here: only the kernel's marks are checked\n");
        skip();
    }
    look_after_each_way(IN_CORE);
}

/* ---- how it is kept ------------------------------------------------------- */

static int
open_lane(void **state)
{
    (void)state;
    lane = test_lane(3, TEST_SANITIZED ? 64 * MIB : 256 * MIB, 0);
    return lane != NULL ? 0 : -1;
}

static int
close_lane(void **state)
{
    (void)state;
    return zk_runtime_close(lane) == ZK_OK ? 0 : -1;
}

/* The mapping that an address lies in: its length, and whether VmFlags has the
 * flag. */
static size_t
mapping_of(const void *p, const char *flag, bool *has)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    unsigned long long lo, hi;
    size_t bytes = 0;
    char line[512];
    bool here = false;

    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "%llx-%llx ", &lo, &hi) == 2) {
            here = (uintptr_t)p >= lo && (uintptr_t)p < hi;
            if (here)
                bytes = (size_t)(hi - lo);
        } else if (here && strncmp(line, "VmFlags:", 8) == 0) {
            *has = strstr(line, flag) != NULL;
        }
    }
    if (f != NULL)
        fclose(f);
    return bytes;
}

static bool
has_flag(const void *p, const char *flag)
{
    bool has = false;

    return mapping_of(p, flag, &has) != 0 && has;
}

static void
test_kernel_knows_while_the_phase_is_open_and_no_longer(void **state)
{
    char *small, *large;
    size_t before, after;
    bool has;

    (void)state;
    assert_int_equal(zk_phase_begin_on(lane, "size"), ZK_OK);
    large = zk_malloc(10 * MIB);
    before = mapping_of(large, "rd", &has);
    assert_int_equal(zk_phase_end(), ZK_OK);

    for (int i = 0; i < 5; i++) {
        assert_int_equal(zk_phase_begin_ex(lane, "secret", &secret), ZK_OK);
        small = zk_malloc(100);
        large = zk_malloc(10 * MIB);
        memset(large, 1, 10 * MIB);
        assert_true(has_flag(small, " dd") && has_flag(large, " dd"));
        assert_true(has_flag(small, " wf") && has_flag(large, " wf"));
        if (test_phase_stats().locked_bytes != 0)
            assert_true(has_flag(small, " lo"));
        assert_int_equal(zk_phase_end(), ZK_OK);
        after = mapping_of(large, " dd", &has);
        assert_int_equal(after, before); /* one mapping, that can be moved */
        assert_false(has_flag(large, " dd") || has_flag(large, " wf") ||
                     has_flag(large, " lo"));
    }
    if (!TEST_SANITIZED)
        assert_true(test_info(lane).trap == ZK_TRAP_ON);
    assert_int_equal(zk_phase_begin_on(lane, "no secret"), ZK_OK);
    assert_false(has_flag(zk_malloc(100000), " dd"));
    assert_int_equal(test_phase_stats().flags, 0);
    assert_int_equal(test_phase_stats().locked_bytes, 0);
    assert_int_equal(zk_phase_end(), ZK_OK);
}

/* Locks divide a slab's mapping where its blocks and its scratch end. Nothing was
 * in it before, so nothing but the library sees to it that the parts can be one
 * again. */
static void
test_slab_is_one_mapping_after_the_end(void **state)
{
    zk_scratch_t scope;
    char *block, *scratch;
    bool has;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(zk_phase_begin_ex(lane, "secret", &secret), ZK_OK);
        scope = zk_scratch_begin();
        scratch = zk_scratch_alloc(100000, 0);
        block = zk_malloc(100000);
        assert_true(zk_in_arena(scratch) && scratch > block);
        memset(block, 1, 100000);
        memset(scratch, 1, 100000);
        assert_true(has_flag(block, " dd") && has_flag(scratch, " dd"));
        if (test_phase_stats().locked_bytes != 0)
            assert_true(mapping_of(block, " lo", &has) <
                        (size_t)(scratch - block));
        assert_int_equal(zk_scratch_end(scope), ZK_OK);
        assert_int_equal(zk_phase_end(), ZK_OK);
        assert_true(mapping_of(block, " dd", &has) >=
                    (size_t)(scratch - block));
        assert_false(has_flag(block, " dd") || has_flag(scratch, " lo"));
    }
    assert_int_equal(test_stats(lane).moves, 2);
}

static void
test_each_request_comes_from_the_arena_or_from_nowhere(void **state)
{
    size_t room = 1000 * MIB, before = test_stats(lane).overflow_count;
    char *heap = zk_malloc(100), *p;

    (void)state;
    assert_int_equal(zk_phase_begin_ex(lane, "secret", &secret), ZK_OK);
    assert_int_equal(test_phase_stats().flags, ZK_PHASE_SECRET);
    assert_true(zk_in_arena(zk_malloc(0)));
    assert_true(zk_in_arena(zk_malloc(1)));
    assert_true(zk_in_arena(zk_calloc(3, 5)));
    assert_true(zk_in_arena(zk_aligned_alloc(8, 24)));
    assert_true(zk_in_arena(zk_realloc(NULL, 10)));
    errno = 0;
    assert_null(zk_malloc(room));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(zk_calloc(1, room));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(zk_aligned_alloc(64, room));
    assert_int_equal(errno, ENOMEM);
    p = zk_malloc(100);
    errno = 0;
    assert_null(zk_realloc(p, room));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(test_stats(lane).overflow_count - before, 4);

    heap = zk_realloc(heap, 50000); /* once from the heap, always from there */
    assert_false(zk_in_arena(heap));
    memset(p, 7, 100);
    assert_false(zk_in_arena(p = zk_detach(p, 100)));
    assert_int_equal(zk_phase_end(), ZK_OK);
    assert_int_equal(p[99], 7);
    zk_free(p);
    zk_free(heap);
    assert_false(zk_in_arena(p = zk_malloc(100)));
    zk_free(p);
}

static void *
grow_from_outside(void *arg)
{
    void **p = arg;

    p[1] = zk_realloc(p[0], 200000);
    p[2] = (void *)(intptr_t)errno;
    return NULL;
}

static void
test_block_does_not_leave_by_a_realloc_from_outside(void **state)
{
    void *p[3];
    pthread_t thread;

    (void)state;
    assert_int_equal(zk_phase_begin_ex(lane, "secret", &secret), ZK_OK);
    p[0] = zk_malloc(100);
    assert_int_equal(pthread_create(&thread, NULL, grow_from_outside, p), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_null(p[1]);
    assert_int_equal((intptr_t)p[2], EPERM);
    assert_int_equal(zk_phase_end(), ZK_OK);
}

static void
test_options_that_do_not_fit_change_nothing(void **state)
{
    zk_phase_options_t odd = {.size = sizeof odd, .flags = 1u << 30};
    zk_phase_options_t size = {.size = sizeof size - 1};

    (void)state;
    assert_int_equal(zk_phase_begin_ex(lane, "odd", &odd), ZK_EINVAL);
    assert_int_equal(zk_phase_begin_ex(lane, "size", &size), ZK_EINVAL);
    assert_int_equal(zk_phase_end(), ZK_ESTALE);
    assert_int_equal(zk_runtime_phase_ex(lane, "x", &secret, NULL, NULL),
                     ZK_EINVAL);

    assert_int_equal(zk_phase_begin_ex(lane, "plain", NULL), ZK_OK);
    assert_int_equal(zk_phase_begin_ex(lane, "stage", &secret), ZK_EINVAL);
    assert_int_equal(zk_phase_error(), ZK_EINVAL);
    assert_int_equal(test_phase_stats().depth, 1);
    assert_int_equal(zk_phase_end(), ZK_OK);

    assert_int_equal(
        zk_phase_begin_ex(lane, "secret",
                          ZK_PHASE_OPTIONS(.flags = ZK_PHASE_SECRET)),
        ZK_OK);
    assert_int_equal(zk_phase_begin("a stage, secret too"), ZK_OK);
    assert_true(zk_in_arena(zk_malloc(1)));
    assert_int_equal(zk_phase_begin_ex(lane, "stage", &secret), ZK_OK);
    assert_int_equal(test_phase_stats().depth, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(zk_phase_end(), ZK_OK);
}

static void
test_after_the_end_all_reads_as_zero(void **state)
{
    char *p, *small;

    (void)state;
    assert_int_equal(zk_phase_begin_ex(lane, "secret", &secret), ZK_OK);
    small = zk_malloc(10);
    p = zk_malloc(MIB + 1);
    memset(small, 1, 10);
    memset(p, 1, MIB + 1);
    assert_int_equal(zk_phase_end(), ZK_OK);
    if (TEST_ASAN)
        return;       /* there it is a report */
    p = test_same(p); /* for the compiler nobody but us knows what is there */
    small = test_same(small);
    assert_true(test_all_zero(p, MIB + 1));
    assert_true(test_all_zero(small, 10));
}

/* The child has the phase, without what is in it, and does not have to pay for
 * what the parent's was. */
static int
go_on_in_child(void *arg)
{
    char *p = test_same(arg), *more;
    size_t before;

    CHILD_CHECK(p[0] == 0 && p[12345] == 0 && p[20 * MIB - 1] == 0);
    before = test_resident();
    more = zk_malloc(100000);
    CHILD_CHECK(more != NULL);
    test_fill(more, 100000, 1);
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    CHILD_CHECK(TEST_ASAN || test_all_zero(test_same(more), 100000));
    CHILD_CHECK(TEST_SANITIZED || test_resident() < before + 4 * MIB);
    CHILD_CHECK(zk_phase_begin_ex(lane, "next", &secret) == ZK_OK);
    CHILD_CHECK((more = zk_malloc(MIB)) != NULL);
    test_fill(more, MIB, 2);
    CHILD_CHECK(test_holds(more, MIB, 2));
    CHILD_CHECK(zk_phase_end() == ZK_OK);
    return 0;
}

static void
test_child_goes_on_with_zeros(void **state)
{
    char *p;

    (void)state;
    assert_int_equal(zk_phase_begin_ex(lane, "secret", &secret), ZK_OK);
    p = zk_malloc(20 * MIB);
    test_fill(p, 20 * MIB, 5);
    assert_true(test_child_succeeds(go_on_in_child, p));
    assert_true(test_holds(p, 20 * MIB, 5));
    assert_int_equal(zk_phase_end(), ZK_OK);
}

/* ---- where the system refuses ---------------------------------------------- */

static unsigned told;

static void
count_notices(const char *message, void *arg)
{
    (void)arg;
    told += strstr(message, "RLIMIT_MEMLOCK") != NULL;
}

static int
run_without_locking(void *arg)
{
    struct rlimit limit = {256 * KIB, 256 * KIB};
    zk_phase_stats_t stats;
    char *p;

    (void)arg;
    CHILD_CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    if (geteuid() == 0)
        CHILD_CHECK(setuid(65534) == 0); /* root is not bound by it */
    CHILD_CHECK(
        zk_runtime_open(&lane, ZK_OPTIONS(.workers = 2, .bind = ZK_BIND_NONE,
                                          .slab_bytes = 64 * MIB,
                                          .notice = count_notices)) == ZK_OK);
    for (int i = 0; i < 3; i++) {
        CHILD_CHECK(zk_phase_begin_ex(lane, "secret", &secret) == ZK_OK);
        CHILD_CHECK(zk_malloc(1000) != NULL);
        stats = test_phase_stats(); /* the first steps fit */
        CHILD_CHECK(stats.locked_bytes == stats.peak_bytes);
        p = zk_malloc(20 * MIB);
        CHILD_CHECK(p != NULL);
        memset(p, 1, 20 * MIB);
        stats = test_phase_stats();
        CHILD_CHECK(stats.locked_bytes != 0 &&
                    stats.locked_bytes < stats.peak_bytes);
        CHILD_CHECK(has_flag(p, " dd") && has_flag(p, " wf"));
        CHILD_CHECK(zk_phase_end() == ZK_OK);
        CHILD_CHECK(TEST_ASAN || test_all_zero(test_same(p), 20 * MIB));
    }
    CHILD_CHECK(told == 1);
    return 0;
}

static void
test_locking_that_is_refused_is_told_once_and_readable(void **state)
{
    (void)state;
    assert_true(test_child_succeeds(run_without_locking, NULL));
}

/* ---- what is not abandoned --------------------------------------------------- */

static __attribute__((noinline)) int
nest(int depth)
{
    volatile char stack[300];

    stack[depth] = 0;
    ZK_PHASE ("outer")
        ZK_PHASE ("inner") {
            if (test_phase_stats().depth != 2 * (unsigned)depth)
                return 1;
            if (depth < 5 && nest(depth + 1) != 0)
                return 1;
            if (test_phase_stats().depth != 2 * (unsigned)depth)
                return 1;
        }
    return stack[depth];
}

static int
nest_functions(void *arg)
{
    unsigned depth = test_phase_stats().depth;
    char *p = zk_malloc(100000);

    p[5] = (char)depth;
    if (depth < 10 &&
        zk_runtime_phase_on(lane, "deeper", nest_functions, arg) != ZK_OK)
        return 1;
    return p[5] != (char)depth || test_phase_stats().depth != depth;
}

static void
test_forms_that_are_open_are_not_ended_by_those_inside(void **state)
{
    (void)state;
    assert_int_equal(nest(1), 0);
    assert_int_equal(zk_runtime_phase_on(lane, "outer", nest_functions, NULL),
                     ZK_OK);
    assert_int_equal(zk_phase_end(), ZK_ESTALE);
}

static ucontext_t back, fibre;
static unsigned fibre_depth;

static void
begin_on_fibre(void)
{
    if (zk_phase_begin("stage") == ZK_OK) {
        fibre_depth = test_phase_stats().depth;
        (void)!zk_phase_end();
    }
}

/* A fibre's stack may lie above the thread's or below: that says nothing. */
static void
test_begin_on_another_stack_is_a_stage(void **state)
{
    static char below[64 << 10];
    char *heap, *stacks[2];

    (void)state;
    if (TEST_SANITIZED)
        skip(); /* which would have to be told of each switch */
    heap = malloc(sizeof below);
    stacks[0] = below;
    stacks[1] = heap;
    for (int i = 0; i < 2; i++)
        ZK_PHASE ("outer") {
            getcontext(&fibre);
            fibre.uc_stack.ss_sp = stacks[i];
            fibre.uc_stack.ss_size = sizeof below;
            fibre.uc_link = &back;
            makecontext(&fibre, begin_on_fibre, 0);
            fibre_depth = 0;
            swapcontext(&back, &fibre);
            assert_int_equal(fibre_depth, 2);
            assert_int_equal(test_phase_stats().depth, 1);
        }
    free(heap);
}

#define in_lane(f) cmocka_unit_test_setup_teardown(f, open_lane, close_lane)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_witness_is_not_in_memory_after_any_way_out),
        cmocka_unit_test(test_witness_is_not_in_a_child),
        cmocka_unit_test(test_witness_is_not_in_a_core),
        in_lane(test_kernel_knows_while_the_phase_is_open_and_no_longer),
        in_lane(test_slab_is_one_mapping_after_the_end),
        in_lane(test_each_request_comes_from_the_arena_or_from_nowhere),
        in_lane(test_block_does_not_leave_by_a_realloc_from_outside),
        in_lane(test_options_that_do_not_fit_change_nothing),
        in_lane(test_after_the_end_all_reads_as_zero),
        in_lane(test_child_goes_on_with_zeros),
        cmocka_unit_test(
            test_locking_that_is_refused_is_told_once_and_readable),
        in_lane(test_forms_that_are_open_are_not_ended_by_those_inside),
        in_lane(test_begin_on_another_stack_is_a_stage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
