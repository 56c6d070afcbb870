/*
 * faults_test.c - each call for memory, a lock, a thread or a binding is refused
 * in turn, in a program that uses everything.
 *
 * For each kind of call (refuse.h): the first alone, the second, ... until the
 * program made no call that was refused; then all from the first on; then some at
 * random. Whatever happens, nothing crashes, no byte is lost, each answer is one
 * that the headers name, and after the close mappings, descriptors, threads and
 * locked memory are what they were.
 */
#include "tests/badinput/refuse.h"
#include "tests/badinput/work.h"

#include <errno.h>

/* All of it is for the release build. */
#define SLOW (TEST_SANITIZED || TEST_CHECKED)

/* ---- what must hold: threads note, the main thread asserts ------------------- */

static _Atomic int broken; /* the line that was first, 0: none */

static void
note(bool good, int line)
{
    int none = 0;

    if (!good)
        (void)zk_cas_acq_rel(&broken, &none, line);
}

#define must(good) note((good), __LINE__)

static bool
one_of(zk_err_t err, zk_err_t other)
{
    return err == ZK_OK || err == ZK_ENOMEM || err == other;
}

/* Nothing is an answer when something was refused, and the end of the phase says
 * it too. */
static bool
served(const void *p)
{
    return p != NULL || (errno == ENOMEM && refuse_count() != 0);
}

static bool
ended(zk_err_t err)
{
    return err == ZK_OK || (err == ZK_ENOMEM && refuse_count() != 0);
}

/* ---- the program ----------------------------------------------------------------- */

#define SECRET ZK_PHASE_OPTIONS(.flags = ZK_PHASE_SECRET)
#define LARGE  (300 * KIB)
#define SLAB   (8 * MIB)
#define DIRECTED \
    40 /* spawns: a deque and an inbox grow elsewhere (refused_test) */

/* Blocks, a stage, scratch and loops inside of a phase. */
static void
use_phase(void)
{
    zk_scratch_t scope = zk_scratch_begin();
    char *p, *q, *r, *s;

    must(served(p = zk_malloc(LARGE)));
    must(served(q = zk_calloc(3, LARGE)));
    must(served(s = zk_scratch_alloc(LARGE, 4096)));
    must(q == NULL || test_all_zero(q, 3 * LARGE));
    if (p != NULL)
        test_fill(p, LARGE, 1);
    if (q != NULL)
        test_fill(q, 3 * LARGE, 2);
    if (s != NULL)
        test_fill(s, LARGE, 3);
    must(work_loop(NULL));
    if (zk_phase_begin("stage") == ZK_OK) {
        must(served(r = zk_aligned_alloc(4096, LARGE)));
        if (r != NULL)
            test_fill(r, LARGE, 4);
        must(work_group(NULL));
        must(r == NULL || test_holds(r, LARGE, 4));
        if (r != NULL && !zk_in_arena(r))
            zk_free(r);
        must(ended(zk_phase_end()));
    } else {
        must(zk_phase_error() == ZK_ENOMEM);
    }
    must(s == NULL || test_holds(s, LARGE, 3));
    must(zk_scratch_end(scope) == ZK_OK);
    must(q == NULL || test_holds(q, 3 * LARGE, 2));
    zk_free(q);
    if (p != NULL) {
        must(served(r = zk_realloc(p, 5 * LARGE)));
        p = r != NULL ? r : p;
        must(test_holds(p, LARGE, 1));
    }
    zk_free(p);
}

/* Some phases of a thread, so that slabs move, grow and shrink. */
static void
phases(zk_runtime_t *lane, const char *name)
{
    for (int i = 0; i < 3; i++) {
        bool secret = i == 1;
        zk_err_t err = secret ? zk_phase_begin_ex(lane, name, SECRET)
                              : zk_phase_begin_on(lane, name);

        must(one_of(err, ZK_EAGAIN));
        if (err != ZK_OK)
            continue;
        use_phase();
        must(ended(zk_phase_end()));
    }
    must(zk_phase_release() == ZK_OK);
}

static void *
other_thread(void *lane)
{
    phases(lane, "other");
    return NULL;
}

/* A large phase, small ones after it, and what they do not need goes. */
static void
shrink(zk_runtime_t *lane)
{
    size_t released;

    for (int i = 0; i < 20; i++) {
        size_t n = i == 0 ? 5 * MIB : 100 * KIB;
        char *p;

        if (zk_phase_begin_on(lane, "shrink") != ZK_OK)
            break;
        must(served(p = zk_calloc(1, n)));
        must(p == NULL || test_all_zero(p, n));
        if (p != NULL)
            test_fill(p, n, 5);
        must(p == NULL || test_holds(p, n, 5));
        if (!zk_in_arena(p))
            zk_free(p);
        must(ended(zk_phase_end()));
    }
    must(zk_runtime_trim(lane, &released) == ZK_OK);
}

/* Of what was secret, where the system refuses to undo that: children find zeros,
 * and somebody was told. */
static _Atomic bool hidden_for_good;

static void
hear(const char *message, void *arg)
{
    (void)arg;
    if (strstr(message, "keeps what was a secret phase hidden") != NULL)
        zk_store_relaxed(&hidden_for_good, true);
}

/* A child that goes on in its parent's phase, and closes the lane. */
static int
go_on(zk_runtime_t *lane, char *p)
{
    char *q;
    bool lost = zk_load_relaxed(&hidden_for_good) && test_all_zero(p, LARGE);

    must(lost || test_holds(p, LARGE, 6));
    must(served(q = zk_malloc(LARGE)));
    if (q != NULL)
        test_fill(q, LARGE, 7);
    must(work_loop(NULL));
    must(lost || test_holds(p, LARGE, 6));
    must(q == NULL || test_holds(q, LARGE, 7));
    must(ended(zk_phase_end()));
    must(zk_runtime_close(lane) == ZK_OK);
    return zk_load_relaxed(&broken);
}

static void
fork_inside(zk_runtime_t *lane)
{
    char *p;
    int status = 0;
    pid_t pid;

    if (zk_phase_begin_on(lane, "fork") != ZK_OK)
        return;
    must(served(p = zk_malloc(LARGE)));
    if (p != NULL) {
        test_fill(p, LARGE, 6);
        fflush(NULL);
        pid = fork();
        if (pid == 0) {
            alarm(60);
            status = go_on(lane, p);
            if (status != 0)
                fprintf(stderr, "in the child: line %d\n", status);
            _exit(status != 0);
        }
        must(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    }
    if (!zk_in_arena(p))
        zk_free(p);
    must(ended(zk_phase_end()));
}

static zk_runtime_t *
open_lane(unsigned workers)
{
    zk_runtime_t *lane = (zk_runtime_t *)(uintptr_t)64;
    zk_err_t err =
        zk_runtime_open(&lane, ZK_OPTIONS(.workers = workers, .spare_slots = 2,
                                          .slab_bytes = SLAB, .decay_ms = 1,
                                          .min_bytes = 4096, .notice = hear));

    zk_store_relaxed(&hidden_for_good, false);
    must(one_of(err, ZK_OK));
    must((err == ZK_OK) == (lane != NULL));
    return lane;
}

static void
everything(void)
{
    zk_runtime_t *lane = open_lane(2), *second = open_lane(1);
    zk_group_t group = ZK_GROUP_INIT;
    _Atomic uint64_t ran = 0;
    uint64_t spawned = 0;
    pthread_t thread;

    if (lane != NULL) {
        for (int i = 0; i < DIRECTED; i++) {
            zk_err_t err = zk_spawn_on(lane, &group, work_add_one, &ran);

            must(one_of(err, ZK_OK));
            spawned += err == ZK_OK;
        }
        must(zk_sync(&group) == ZK_OK && ran == spawned);
        must(refuse_not_thread(&thread, other_thread, lane));
        phases(lane, "first");
        pthread_join(thread, NULL);
        shrink(lane);
        fork_inside(lane);
    }
    if (second != NULL) {
        must(work_loop(second));
        phases(second, "second");
    }
    must(zk_runtime_close(lane) == ZK_OK);
    must(zk_runtime_close(second) == ZK_OK);
}

/* ---- what must be as before --------------------------------------------------------- */

static unsigned
locked_kib(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    unsigned kib = 0;

    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "VmLck: %u", &kib) == 1)
            break;
    fclose(f);
    return kib;
}

struct state {
    size_t mapped;
    unsigned descriptors, threads, locked;
};

static struct state
now(void)
{
    return (struct state){refuse_mapped, test_entries("/proc/self/fd"),
                          test_entries("/proc/self/task"), locked_kib()};
}

/* An exiting thread is in /proc a little longer than pthread_join() waits. */
static void
check_state(const struct state *before)
{
    struct state after = now();

    for (int i = 0; i < 5000 && after.threads > before->threads; i++) {
        usleep(1000);
        after = now();
    }
    must(after.descriptors == before->descriptors);
    must(after.threads == before->threads);
    must(after.locked == before->locked);
}

/*
 * True when something was refused. The heap keeps a record for each thread that
 * asked it while others did, so the address space may grow, but not each time.
 */
static bool
run(const char *what, unsigned number)
{
    bool grew = true, refused = false;
    int line;

    for (int i = 0; grew && i < 8; i++) {
        struct state before = now();

        refuse_again();
        everything();
        refused = refused || refuse_count() != 0;
        refuse_clean();
        check_state(&before);
        grew = refuse_mapped > before.mapped;
    }
    refuse_none();
    must(!grew);
    line = zk_load_relaxed(&broken);
    zk_store_relaxed(&broken, 0);
    if (line != 0)
        print_error("%s, %u: line %d\n", what, number, line);
    assert_int_equal(line, 0);
    return refused;
}

/* The topology is loaded once, and stays; so does the heap. */
static int
warm_up(void **state)
{
    (void)state;
    refuse_none();
    zk_free(zk_malloc(256 * MIB));
    everything();
    everything();
    return zk_load_relaxed(&broken);
}

static void
test_each_call_may_be_refused_alone(void **state)
{
    unsigned most = test_full() || !SLOW ? UINT32_MAX : TEST_TSAN ? 3 : 8;

    (void)state;
    for (unsigned i = 0; i < REFUSED_CALLS; i++) {
        unsigned k = 0, clean = 0;

        /* Threads race for the numbers: it is over when several runs were. */
        for (; clean < 3 && k < most; k++) {
            refuse((enum refused_call)i, k, k + 1);
            clean = run(refused_names[i], k) ? 0 : clean + 1;
            assert_in_range(k, 0, 2000);
        }
        printf("%s: %u\n", refused_names[i], k - clean);
    }
}

static void
test_all_calls_of_a_kind_may_be_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < REFUSED_CALLS; i++) {
        refuse((enum refused_call)i, 0, UINT32_MAX);
        (void)run(refused_names[i], UINT32_MAX);
    }
}

static void
test_all_calls_from_some_on_may_be_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < REFUSED_CALLS; i++)
        for (unsigned k = 1; k < (TEST_SANITIZED ? 20u : 200u);
             k += 1 + k / 4) {
            refuse((enum refused_call)i, k, UINT32_MAX);
            if (!run(refused_names[i], k))
                break;
        }
}

static void
test_any_calls_may_be_refused_at_random(void **state)
{
    struct test_random random = {test_seed("faults")};
    unsigned rounds = test_scaled(SLOW ? 50 : 100), refused = 0;

    (void)state;
    for (unsigned i = 0; i < rounds; i++) {
        static const unsigned shares[] = {300, 2000, 8000, 30000};

        refuse_some(shares[i % 4], test_next(&random));
        refused += run("at random", i);
    }
    assert_true(refused != 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call_may_be_refused_alone),
        cmocka_unit_test(test_all_calls_of_a_kind_may_be_refused),
        cmocka_unit_test(test_all_calls_from_some_on_may_be_refused),
        cmocka_unit_test(test_any_calls_may_be_refused_at_random),
    };

    test_clean_environment();
    work_begin();
    alarm(600);
    return cmocka_run_group_tests(tests, warm_up, NULL);
}
