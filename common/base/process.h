/* process - what the program asks of the system for itself at its start.   [edge]
 */
#ifndef COMMON_BASE_PROCESS_H
#define COMMON_BASE_PROCESS_H

/* Raises the soft limit of open files to the hard one: many systems start programs with 1024. */
void process_raise_files(void);
struct process_files {
    unsigned open;     /* how many files may be */
    unsigned clients;  /* of these, connections of clients, over all threads */
    unsigned refusals; /* and those that are only told to come later, in each thread */
};
/* The rest is kept for Redis, logs, names, certificates and the admin listener, so that a crowd
 * outside cannot starve what is inside. */
struct process_files process_share_files(unsigned threads);
/* The same of a dispatcher: how many connections to downstreams may be open. */
unsigned process_files_for_calls(void);

/* Secrets live in memory: no core dump is written, and other processes of the same user cannot look
 * (ptrace, /proc/<pid>/mem, environ). $HOOKPACE_CORE_DUMPS=1 leaves all that as it is, for
 * debugging. */
void process_hide_memory(void);

#endif
