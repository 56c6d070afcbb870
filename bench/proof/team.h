/*
 * team.h - two bound threads that spin for each other, for the contenders that
 * bring no threads of their own.
 */
#ifndef ZK_BENCH_TEAM_H
#define ZK_BENCH_TEAM_H

void team_open(void);
void team_run(void (*body)(unsigned thread));
void team_close(void);

#endif
