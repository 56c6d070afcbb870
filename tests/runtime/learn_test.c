/*
 * learn_test.c - what is kept from run to run: read back as it was written, or
 * not at all.
 */
#include "tests/runtime/rt.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "runtime/learn.h"

/* ---- a disk that is full ----------------------------------------------------- */

static struct {
    bool full;
    bool halves; /* a write does half of it */
    bool no_rename;
} disk;

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
int __real_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to);

ssize_t
__wrap_write(int fd, const void *p, size_t n)
{
    if (disk.full) {
        errno = ENOSPC;
        return -1;
    }
    return __real_write(fd, p, disk.halves && n > 1 ? n / 2 : n);
}

int
__wrap_renameat(int a, const char *from, int b, const char *to)
{
    if (disk.no_rename) {
        errno = EPERM;
        return -1;
    }
    return __real_renameat(a, from, b, to);
}

/* ---- a directory for each test ------------------------------------------------ */

static char dir[64];
static char path[128];

static int
setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/zkrt-learn-XXXXXX");
    memset(&disk, 0, sizeof disk);
    snprintf(path, sizeof path, "%s/file",
             mkdtemp(dir) != NULL ? dir : "/nowhere");
    return 0;
}

static int
teardown(void **state)
{
    char command[160];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command); /* NOLINT(cert-env33-c): our own directory */
}

/* Files in the directory, whatever their names. */
static unsigned
files(void)
{
    return test_entries(dir);
}

static struct zk_learn
sample(unsigned count, uint64_t key)
{
    struct zk_learn l = {.count = count, .workers = 2};

    for (unsigned i = 0; i < count; i++) {
        snprintf(l.phase[i].name, sizeof l.phase[i].name, "phase %u", i);
        l.phase[i].opener = key * 1000 + i;
        l.phase[i].other = key * 2000 + i;
    }
    return l;
}

static bool
same(const struct zk_learn *a, const struct zk_learn *b)
{
    return a->count == b->count && a->workers == b->workers &&
           memcmp(a->phase, b->phase, a->count * sizeof *a->phase) == 0;
}

static enum zk_learn_state
read_state(const char **why)
{
    struct zk_learn l;
    enum zk_learn_state state = zk__learn_read(path, &l, why);

    if (state != ZK_LEARN_READ && l.count != 0)
        return (enum zk_learn_state)99; /* it shall be empty then */
    return state;
}

static size_t
load(char *bytes, size_t room)
{
    FILE *f = fopen(path, "rb");
    size_t n = f != NULL ? fread(bytes, 1, room, f) : 0;

    if (f != NULL)
        fclose(f);
    return n;
}

static void
store(const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");

    if (f != NULL) {
        fwrite(bytes, 1, n, f);
        fclose(f);
    }
}

static void
flip(char *byte, unsigned bits)
{
    *(unsigned char *)byte ^= (unsigned char)bits;
}

/* ---- the format ------------------------------------------------------------------ */

static void
test_what_was_written_is_read_back(void **state)
{
    static const unsigned counts[] = {0, 1, 5, ZK_LEARN_PHASES};
    struct zk_learn in, out;
    const char *why;
    struct stat st;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        in = sample(counts[i], i);
        assert_null(zk__learn_write(path, &in));
        assert_int_equal(zk__learn_read(path, &out, &why), ZK_LEARN_READ);
        assert_null(why);
        assert_true(same(&in, &out));
    }
    assert_int_equal(files(), 1);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void
test_no_file_is_nothing_learnt(void **state)
{
    struct zk_learn l;
    const char *why;

    (void)state;
    assert_int_equal(zk__learn_read(path, &l, &why), ZK_LEARN_READ);
    assert_null(why);
    assert_int_equal(l.count, 0);
    assert_int_equal(zk__learn_read("/dev/null/file", &l, &why), ZK_LEARN_READ);
}

static void
test_every_changed_bit_is_found_out(void **state)
{
    struct zk_learn in = sample(3, 7);
    char bytes[512];
    const char *why;
    size_t n;

    (void)state;
    assert_null(zk__learn_write(path, &in));
    n = load(bytes, sizeof bytes);
    assert_int_equal(n, 32 + 3 * 64);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        flip(&bytes[bit / 8], 1u << bit % 8);
        store(bytes, n);
        assert_int_equal(read_state(&why),
                         bit < 64 ? ZK_LEARN_FOREIGN : ZK_LEARN_IGNORED);
        assert_non_null(why);
        flip(&bytes[bit / 8], 1u << bit % 8);
    }
    store(bytes, n);
    assert_int_equal(read_state(&why), ZK_LEARN_READ);
}

static void
test_random_damage_is_found_out(void **state)
{
    struct test_random random = {test_seed("learn")};
    enum { BYTES = 32 + ZK_LEARN_PHASES * 64 };
    char bytes[2 * BYTES], good[2 * BYTES];
    struct zk_learn in = sample(ZK_LEARN_PHASES, 9);
    const char *why;

    (void)state;
    assert_null(zk__learn_write(path, &in));
    assert_int_equal(load(good, sizeof good), BYTES);
    for (unsigned i = 0; i < test_scaled(5000); i++) {
        size_t m = BYTES;

        memcpy(bytes, good, sizeof bytes);
        if (i % 3 == 0) /* cut short, or too long */
            m = i % 2 == 0 ? test_below(&random, BYTES)
                           : BYTES + 1 + test_below(&random, 1000);
        for (size_t k = i % 3 == 0 ? 0 : 1 + test_below(&random, 20); k > 0;
             k--)
            flip(&bytes[test_below(&random, BYTES)],
                 1 + (unsigned)test_below(&random, 255));
        if (m == BYTES && memcmp(bytes, good, BYTES) == 0)
            continue;
        store(bytes, m);
        assert_int_not_equal(read_state(&why), ZK_LEARN_READ);
        assert_non_null(why);
    }
}

/* With a checksum that fits: fields are checked on their own, too. */
static void
test_names_without_an_end_are_damage(void **state)
{
    struct zk_learn in = sample(2, 1);
    const char *why;

    (void)state;
    memset(in.phase[1].name, 'x', sizeof in.phase[1].name);
    assert_null(zk__learn_write(path, &in));
    assert_int_equal(read_state(&why), ZK_LEARN_IGNORED);
    assert_string_equal(why, "it is damaged");
}

static void
test_later_version_is_told_from_damage(void **state)
{
    struct zk_learn in = sample(2, 1);
    char bytes[512];
    const char *why;
    size_t n;

    (void)state;
    assert_null(zk__learn_write(path, &in));
    n = load(bytes, sizeof bytes);
    bytes[8] = 2;
    store(bytes, n);
    assert_int_equal(read_state(&why), ZK_LEARN_IGNORED);
    assert_string_equal(why, "a later version has written it");
}

static void
test_other_peoples_files_are_foreign(void **state)
{
    static const char text[] = "My thesis\n";
    const char *why;

    (void)state;
    store(text, sizeof text);
    assert_int_equal(read_state(&why), ZK_LEARN_FOREIGN);
    store("zk", 2); /* the beginning of one of ours */
    assert_int_equal(read_state(&why), ZK_LEARN_IGNORED);
    store("", 0);
    assert_int_equal(read_state(&why), ZK_LEARN_IGNORED);
}

/* ---- what may lie there instead ----------------------------------------------- */

static void
test_link_is_followed_neither_to_read_nor_to_write(void **state)
{
    struct zk_learn in = sample(1, 1), out;
    char target[128];
    const char *why;
    struct stat st;

    (void)state;
    snprintf(target, sizeof target, "%s/target", dir);
    assert_null(zk__learn_write(target, &in));
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(read_state(&why), ZK_LEARN_IGNORED);
    assert_string_equal(why, "it is a symbolic link");
    in = sample(2, 5);
    assert_null(zk__learn_write(path, &in)); /* it is replaced itself */
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(zk__learn_read(target, &out, &why), ZK_LEARN_READ);
    assert_int_equal(out.count, 1);
}

static void
test_pipe_directory_and_device_are_no_files(void **state)
{
    struct zk_learn in = sample(1, 1);
    const char *why;

    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(read_state(&why), ZK_LEARN_IGNORED); /* and not for ever */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(read_state(&why), ZK_LEARN_IGNORED);
    assert_non_null(zk__learn_write(path, &in));
    assert_int_equal(files(), 1);
    assert_non_null(zk__learn_write("/", &in));
    assert_non_null(zk__learn_write("", &in));
}

static void
test_file_that_others_may_write_is_ignored(void **state)
{
    struct zk_learn in = sample(1, 1);
    const char *why;

    (void)state;
    assert_null(zk__learn_write(path, &in));
    assert_int_equal(chmod(path, 0622), 0);
    assert_int_equal(read_state(&why), ZK_LEARN_IGNORED);
    assert_string_equal(why, "others may write to it");
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(read_state(&why), ZK_LEARN_READ);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, 12345), 0);
        assert_int_equal(read_state(&why), ZK_LEARN_IGNORED);
        assert_string_equal(why, "it is another user's");
    }
}

static int
write_without_rights(void *arg)
{
    struct zk_learn in = sample(1, 1);
    const char *why;

    (void)arg;
    CHILD_CHECK(chmod(path, 0) == 0 && chmod(dir, 0500) == 0);
    if (geteuid() == 0) { /* who may do anything otherwise */
        CHILD_CHECK(chown(dir, 12345, 12345) == 0);
        CHILD_CHECK(chown(path, 12345, 12345) == 0);
        CHILD_CHECK(setuid(12345) == 0);
    }
    CHILD_CHECK(zk__learn_write(path, &in) != NULL);
    CHILD_CHECK(read_state(&why) == ZK_LEARN_IGNORED);
    CHILD_CHECK(strcmp(why, "it cannot be opened") == 0);
    return 0;
}

static void
test_without_permission_nothing_is_written(void **state)
{
    struct zk_learn in = sample(1, 1);
    struct test_child child;

    (void)state;
    assert_null(zk__learn_write(path, &in));
    child = test_in_child(write_without_rights, NULL);
    if (child.code != 0)
        print_error("%s", child.err);
    assert_int_equal(child.code, 0);
    (void)chmod(dir, 0700);
    assert_int_equal(files(), 1);
}

/* ---- writes that fail ------------------------------------------------------------ */

static void
test_full_disk_leaves_the_old_file(void **state)
{
    struct zk_learn old = sample(2, 1), in = sample(3, 2), out;
    const char *why;

    (void)state;
    assert_null(zk__learn_write(path, &old));
    disk.full = true;
    assert_non_null(zk__learn_write(path, &in));
    disk.full = false;
    disk.no_rename = true;
    assert_non_null(zk__learn_write(path, &in));
    disk.no_rename = false;
    assert_int_equal(zk__learn_read(path, &out, &why), ZK_LEARN_READ);
    assert_true(same(&old, &out));
    assert_int_equal(files(), 1);
    disk.halves = true; /* not a failure */
    assert_null(zk__learn_write(path, &in));
    assert_int_equal(zk__learn_read(path, &out, &why), ZK_LEARN_READ);
    assert_true(same(&in, &out));
}

static int
write_beyond_the_limit(void *arg)
{
    struct rlimit limit = {10, 10};
    struct zk_learn in = sample(3, 2);

    (void)arg;
    CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHILD_CHECK(zk__learn_write(path, &in) != NULL);
    return 0;
}

/* A write beyond RLIMIT_FSIZE would end the process. */
static void
test_limit_of_file_sizes_is_no_signal(void **state)
{
    (void)state;
    assert_int_equal(test_in_child(write_beyond_the_limit, NULL).code, 0);
    assert_int_equal(files(), 0);
}

/* ---- several processes at a time ------------------------------------------------- */

static int
write_and_read(void *arg)
{
    unsigned rounds = test_scaled(600);

    (void)arg;
    for (unsigned i = 0; i < rounds; i++) {
        struct zk_learn in =
                            sample(1 + i % ZK_LEARN_PHASES, (uint64_t)getpid()),
                        out, whole;
        const char *why;

        CHILD_CHECK(zk__learn_write(path, &in) == NULL);
        CHILD_CHECK(zk__learn_read(path, &out, &why) == ZK_LEARN_READ);
        /* Somebody's, but whole. */
        CHILD_CHECK(out.count > 0 && out.phase[0].opener % 1000 == 0);
        whole = sample(out.count, out.phase[0].opener / 1000);
        CHILD_CHECK(same(&whole, &out));
    }
    return 0;
}

static void
test_processes_that_write_at_a_time_do_not_mix(void **state)
{
    pid_t pid[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        pid[i] = fork();
        if (pid[i] == 0)
            _exit(write_and_read(NULL));
        assert_true(pid[i] > 0);
    }
    for (int i = 0; i < 4; i++) {
        int status = -1;

        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(files(), 1);
}

/* ---- the place ---------------------------------------------------------------------- */

static void
test_default_place_is_the_users_cache(void **state)
{
    struct zk_learn in = sample(1, 1);
    char found[ZK_LEARN_PATH], again[ZK_LEARN_PATH], cache[128];
    struct stat st;

    (void)state;
    snprintf(cache, sizeof cache, "%s/cache", dir);
    setenv("XDG_CACHE_HOME", cache, 1);
    assert_true(zk__learn_default_path(found));
    assert_true(strncmp(found, cache, strlen(cache)) == 0);
    assert_non_null(strstr(found, "/zkrt/learn_test-"));
    assert_null(zk__learn_write(found, &in)); /* both directories are made */
    snprintf(cache, sizeof cache, "%s/cache/zkrt", dir);
    assert_int_equal(stat(cache, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_true(zk__learn_default_path(again));
    assert_string_equal(found, again);

    setenv("XDG_CACHE_HOME", "relative", 1); /* which has to be ignored */
    setenv("HOME", dir, 1);
    assert_true(zk__learn_default_path(found));
    snprintf(cache, sizeof cache, "%s/.cache/zkrt/", dir);
    assert_true(strncmp(found, cache, strlen(cache)) == 0);
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    assert_false(zk__learn_default_path(found));
    setenv("HOME", "/tmp", 1);
}

/* ---- noting --------------------------------------------------------------------------- */

static void
test_marks_only_rise_and_small_rises_are_not_worth_a_write(void **state)
{
    struct zk_learn l = {.count = 0};
    char name[80];

    (void)state;
    assert_false(zk__learn_note(&l, "idle", 0, 0));
    assert_true(zk__learn_note(&l, "a", 1000000, 0));
    l.written = l.sum;
    assert_false(zk__learn_note(&l, "a", 1000000, 0));
    assert_false(zk__learn_note(&l, "a", 500, 0));
    assert_int_equal(l.phase[1].opener, 1000000);
    assert_false(zk__learn_note(&l, "a", 1040000, 0));
    assert_true(zk__learn_note(&l, "a", 1080000, 0)); /* both rises together */
    assert_true(zk__learn_note(&l, "a", 0, 900000));
    assert_int_equal(l.phase[1].opener, 1080000);
    assert_int_equal(l.phase[1].other, 900000);
    assert_int_equal(l.sum, 1980000);

    /* Names are cut where a phase's are, and there is room for so many. */
    memset(name, 'n', sizeof name);
    name[79] = '\0';
    (void)zk__learn_note(&l, name, 1, 1);
    name[60] = '\0';
    (void)zk__learn_note(&l, name, 2, 2);
    assert_int_equal(l.count, 3);
    for (unsigned i = 0; i < 2 * ZK_LEARN_PHASES; i++) {
        snprintf(name, sizeof name, "%u", i);
        (void)zk__learn_note(&l, name, 1, 1);
    }
    assert_int_equal(l.count, ZK_LEARN_PHASES);
}

#define learn_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        learn_test(test_what_was_written_is_read_back),
        learn_test(test_no_file_is_nothing_learnt),
        learn_test(test_every_changed_bit_is_found_out),
        learn_test(test_random_damage_is_found_out),
        learn_test(test_names_without_an_end_are_damage),
        learn_test(test_later_version_is_told_from_damage),
        learn_test(test_other_peoples_files_are_foreign),
        learn_test(test_link_is_followed_neither_to_read_nor_to_write),
        learn_test(test_pipe_directory_and_device_are_no_files),
        learn_test(test_file_that_others_may_write_is_ignored),
        learn_test(test_without_permission_nothing_is_written),
        learn_test(test_full_disk_leaves_the_old_file),
        learn_test(test_limit_of_file_sizes_is_no_signal),
        learn_test(test_processes_that_write_at_a_time_do_not_mix),
        learn_test(test_default_place_is_the_users_cache),
        learn_test(test_marks_only_rise_and_small_rises_are_not_worth_a_write),
    };

    test_clean_environment();
    umask(022);
    rt_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
