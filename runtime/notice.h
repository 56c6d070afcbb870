/*
 * notice.h - what the library has to say when nobody asked.
 *
 * Owns:   the way of a line to the hook of the options, or to stderr where
 *         there is none.
 * Never:  decides what is worth a line: who finds it out does.
 */
#ifndef ZK_RUNTIME_NOTICE_H
#define ZK_RUNTIME_NOTICE_H

struct zk_config;

/*
 * Tells the hook of *config one line; control characters become question marks.
 * Without a hook stderr has it, once per process.
 */
void zk__notice(const struct zk_config *config, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Around a fork, so that the child finds the lock of what was said free. */
void zk__notice_lock(void);
void zk__notice_unlock(void);

#endif
