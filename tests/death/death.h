/*
 * death.h - how a child ended.
 *
 * Owns:   telling a death by the machine from one by a sanitizer and from none.
 * Never:  asserts.
 */
#ifndef ZK_TESTS_DEATH_H
#define ZK_TESTS_DEATH_H

#include "private/atomic.h"
#include "tests/support.h"

/* First in main(). The parent starts no thread: so children of a program under
 * ThreadSanitizer may start theirs. */
static inline void
death_begin(void)
{
    const char *only = getenv("RT_ONLY");

    alarm(280);
    unsetenv("ZK_TEST_SEED"); /* which the library would name */
    if (only != NULL)
        cmocka_set_test_filter(only);
}

/* By the signal; a sanitizer reports it and exits with a code of its own. */
static inline bool
death_by(const struct test_child *child, int signal)
{
    if (TEST_SANITIZED && child->exited)
        return child->code != 0 && strstr(child->err, "Sanitizer") != NULL;
    return !child->exited && child->signal == signal;
}

#endif
