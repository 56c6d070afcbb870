/*
 * unload.c - libzkrt.so loaded, used and unloaded when it is idle, again and again,
 * by threads that exit afterwards and with a block of the heap that is used on.
 *
 *     unload LIBRARY
 */
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zkrt/zkrt.h>

#define ROUNDS 100

/* Neighbours that the kernel joins or keeps apart. One a round would be a hundred. */
#define MORE_MAPPINGS 16

#define CHECK(cond)                                                    \
    do {                                                               \
        if (!(cond)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
            exit(1);                                                   \
        }                                                              \
    } while (0)

/* The library's calls, by their own types. */
static struct {
    __typeof__(&zk_runtime_open) open;
    __typeof__(&zk_runtime_close) close;
    __typeof__(&zk_parallel_for_on) loop;
    __typeof__(&zk_phase_begin_on) begin;
    __typeof__(&zk_phase_end) end;
    __typeof__(&zk_malloc) malloc;
    __typeof__(&zk_free) free;
} zk;

/* ISO C knows no way from an object's address to a function's but its bytes. */
static void
find(void *library, const char *name, void *call)
{
    void *address = dlsym(library, name);

    CHECK(address != NULL);
    memcpy(call, &address, sizeof address);
}

static void
find_all(void *library)
{
    find(library, "zk_runtime_open", &zk.open);
    find(library, "zk_runtime_close", &zk.close);
    find(library, "zk_parallel_for_on", &zk.loop);
    find(library, "zk_phase_begin_on", &zk.begin);
    find(library, "zk_phase_end", &zk.end);
    find(library, "zk_malloc", &zk.malloc);
    find(library, "zk_free", &zk.free);
}

static int
touch(size_t begin, size_t end, void *arg)
{
    (void)arg;
    for (; begin < end; begin++) {
        char *p = zk.malloc(100 + begin * 300);

        if (p == NULL)
            return 1;
        p[0] = 1;
        zk.free(p);
    }
    return 0;
}

static void
use(zk_runtime_t *lane)
{
    CHECK(zk.loop(lane, 0, 64, 1, touch, NULL) == ZK_OK);
    CHECK(zk.begin(lane, "phase") == ZK_OK);
    CHECK(zk.loop(lane, 0, 64, 1, touch, NULL) == ZK_OK);
    CHECK(zk.end() == ZK_OK);
}

struct thread {
    pthread_t thread;
    zk_runtime_t *lane;
    sem_t used, unloaded;
};

/* Uses the library, and exits when it has gone. */
static void *
outlive(void *arg)
{
    struct thread *t = arg;

    use(t->lane);
    sem_post(&t->used);
    while (sem_wait(&t->unloaded) != 0)
        ;
    return NULL;
}

static unsigned
count_threads(void)
{
    DIR *d = opendir("/proc/self/task");
    unsigned n = 0;

    CHECK(d != NULL);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

/* Lines of the memory map. */
static unsigned
count_mappings(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    unsigned n = 0;

    CHECK(f != NULL);
    for (int c = fgetc(f); c != EOF; c = fgetc(f))
        n += c == '\n';
    fclose(f);
    return n;
}

static void
load_and_unload(const char *path)
{
    zk_options_t options = {
        .size = sizeof options, .workers = 2, .slab_bytes = (size_t)4 << 20};
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    char *kept;
    unsigned threads = count_threads();
    struct thread t;
    int status = 1;
    pid_t pid;

    if (library == NULL)
        fprintf(stderr, "%s\n", dlerror());
    CHECK(library != NULL);
    find_all(library);
    CHECK(zk.open(&t.lane, &options) == ZK_OK);
    CHECK(sem_init(&t.used, 0, 0) == 0 && sem_init(&t.unloaded, 0, 0) == 0);
    CHECK(pthread_create(&t.thread, NULL, outlive, &t) == 0);
    while (sem_wait(&t.used) != 0)
        ;
    use(t.lane);
    kept = zk.malloc(100000);
    CHECK(kept != NULL);
    CHECK(zk.close(t.lane) == ZK_OK);
    for (int i = 0; count_threads() != threads + 1 && i < 10000; i++)
        usleep(1000); /* one that was joined may be listed for a moment */
    CHECK(count_threads() == threads + 1);
    CHECK(dlclose(library) == 0);

    memset(kept, 1, 100000);
    zk.free(
        kept); /* what the heap gave is the program's until it gives it back */
    sem_post(&t.unloaded);
    CHECK(pthread_join(t.thread, NULL) == 0);
    pid = fork(); /* its handlers are still called */
    if (pid == 0)
        _exit(0);
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    sem_destroy(&t.used);
    sem_destroy(&t.unloaded);
}

int
main(int argc, char **argv)
{
    unsigned before, after;

    CHECK(argc == 2);
    for (int i = 0; i < ROUNDS / 10; i++)
        load_and_unload(argv[1]);
    before = count_mappings();
    for (int i = 0; i < ROUNDS; i++)
        load_and_unload(argv[1]);
    after = count_mappings();
    printf("%d times: %u mappings, %u before\n", ROUNDS, after, before);
    CHECK(after <= before + MORE_MAPPINGS);
    return 0;
}
