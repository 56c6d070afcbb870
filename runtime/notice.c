/*
 * notice.c - one line to whoever wants to know.
 *
 * Owns:   where a notice goes, and which ones were said.
 * Never:  tells stderr the same words twice; a hook is told each time.
 */
#include "runtime/notice.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/config.h"

static void
default_notice(const char *message, void *arg)
{
    char line[512];
    int n = snprintf(line, sizeof line, "zkrt: %s\n", message);

    (void)arg;
    if (n < 0 || write(STDERR_FILENO, line, strlen(line)) < 0)
        return; /* there is nobody to tell */
}

static pthread_mutex_t said_lock = PTHREAD_MUTEX_INITIALIZER;

void
zk__notice_lock(void)
{
    pthread_mutex_lock(&said_lock);
}

void
zk__notice_unlock(void)
{
    pthread_mutex_unlock(&said_lock);
}

/* True the first time that this process says these words, while there is room to
 * remember them: stale pointers could go on for ever. */
static bool
first_time(const char *message)
{
    static uint64_t said[64];
    static unsigned nsaid;
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    bool known = false;

    for (const char *c = message; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;

    pthread_mutex_lock(&said_lock);
    for (unsigned i = 0; i < nsaid && !known; i++)
        known = said[i] == hash;
    if (!known && nsaid < sizeof said / sizeof *said)
        said[nsaid++] = hash;
    else
        known = true;
    pthread_mutex_unlock(&said_lock);
    return !known;
}

void
zk__notice(const struct zk_config *config, const char *format, ...)
{
    char message[400];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    for (char *c = message; *c != '\0'; c++) /* it stays one line */
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';

    if (config->notice != NULL)
        config->notice(message, config->notice_arg);
    else if (first_time(message))
        default_notice(message, NULL);
}
