/*
 * witness_test.c - what a secret phase held is nowhere, whatever ends it.
 *
 * Each case is a process of its own, which puts a witness into a phase, leaves
 * the phase in some way, and then looks for it in its memory, in a child's, or
 * dies with a core that is searched. With the flag it is found 0 times; the same
 * without it finds some.
 */
#include "tests/phase/witness.h"

#include <dirent.h>
#include <pthread.h>

static const zk_phase_options_t secret = {.size = sizeof secret,
                                          .flags = ZK_PHASE_SECRET};
static zk_runtime_t *lane;

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_witness_is_not_in_memory_after_any_way_out),
        cmocka_unit_test(test_witness_is_not_in_a_child),
        cmocka_unit_test(test_witness_is_not_in_a_core),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
