/* Makes chosen system calls of a program fail, kills the program in them, or moves its wall clock, on command of a test.
 *
 * Preloaded (LD_PRELOAD) into a collector or an engine. Orders come through a file that both sides map: the test may
 * change them while the program runs. Without the file nothing is changed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { SEGMENT_WRITE, SEGMENT_SYNC, SEGMENT_UNLINK, FOLDER_SYNC, STATE_WRITE, PART_RENAME, CALLS };
enum { PASS, FAIL_ONCE, FAIL, KILL_BEFORE, KILL_AFTER };

struct order {
    int32_t mode;
    int32_t skip;  /* calls that pass before the order holds */
    int32_t error; /* errno */
    int32_t calls; /* seen so far */
    int32_t done;  /* failed or killed */
};

/* The layout is known to orders.rs. */
static struct {
    char folder[256]; /* a renamed part must lie below it */
    char last[256];   /* the part that was being renamed */
    struct order orders[CALLS];
    int64_t clock_ahead; /* seconds that the wall clock is ahead; CLOCK_BOOTTIME and the like stay right */
} *control;

__attribute__((constructor)) static void map_control(void) {
    const char *path = getenv("TAMGA_FAULTS_ORDERS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED) control = mapped;
}

static time_t ahead(void) { return control ? __atomic_load_n(&control->clock_ahead, __ATOMIC_SEQ_CST) : 0; }

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* What is to happen to this call: PASS, FAIL or KILL_AFTER; does not return from KILL_BEFORE. */
static int decide(int call) {
    if (!control || call < 0) return PASS;
    struct order *order = &control->orders[call];
    __atomic_fetch_add(&order->calls, 1, __ATOMIC_SEQ_CST);
    int mode = __atomic_load_n(&order->mode, __ATOMIC_SEQ_CST);
    if (mode == PASS) return PASS;
    if (__atomic_fetch_sub(&order->skip, 1, __ATOMIC_SEQ_CST) > 0) return PASS;
    __atomic_fetch_add(&order->done, 1, __ATOMIC_SEQ_CST);
    if (mode == KILL_BEFORE) die();
    if (mode == KILL_AFTER) return KILL_AFTER;
    if (mode == FAIL_ONCE) __atomic_store_n(&order->mode, PASS, __ATOMIC_SEQ_CST);
    errno = order->error;
    return FAIL;
}

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && !strcmp(text + length - tail, end);
}

/* Which kind of file this is, from calls for segments and for state files. */
static int kind(int fd, int segment, int state) {
    if (!control) return -1;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return -1;
    path[length] = 0;
    if (ends_with(path, ".seg")) return segment;
    const char *name = strrchr(path, '/');
    return name && !strncmp(name, "/state-", 7) ? state : -1;
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    REAL(pwrite64);
    int what = decide(kind(fd, SEGMENT_WRITE, STATE_WRITE));
    if (what == FAIL) return -1;
    ssize_t written = real(fd, bytes, count, offset);
    if (what == KILL_AFTER) die();
    return written;
}

int fdatasync(int fd) {
    REAL(fdatasync);
    return decide(kind(fd, SEGMENT_SYNC, -1)) == FAIL ? -1 : real(fd);
}

int fsync(int fd) {
    REAL(fsync);
    struct stat status;
    int folder = control && !fstat(fd, &status) && S_ISDIR(status.st_mode);
    return decide(folder ? FOLDER_SYNC : -1) == FAIL ? -1 : real(fd);
}

int unlink(const char *path) {
    REAL(unlink);
    return decide(ends_with(path, ".seg") ? SEGMENT_UNLINK : -1) == FAIL ? -1 : real(path);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    int part = control && control->folder[0] && strstr(from, control->folder) && strstr(from, "tmp_insert_");
    if (part) snprintf(control->last, sizeof control->last, "%s", to);
    int what = decide(part ? PART_RENAME : -1);
    if (what == FAIL) return -1;
    int renamed = real(from, to);
    if (what == KILL_AFTER) die();
    return renamed;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime);
    int got = real(clock, now);
    if (!got && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += ahead();
    return got;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    static int (*real)(struct timeval *, void *);
    if (!real) real = (int (*)(struct timeval *, void *))dlsym(RTLD_NEXT, "gettimeofday");
    int got = real(now, zone);
    if (!got) now->tv_sec += ahead();
    return got;
}

time_t time(time_t *now) {
    REAL(time);
    time_t moved = real(NULL) + ahead();
    if (now) *now = moved;
    return moved;
}
