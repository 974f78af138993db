/* process - what the program asks of the system for itself at its start.   [edge]
 */
#ifndef COMMON_BASE_PROCESS_H
#define COMMON_BASE_PROCESS_H

/* Raises the soft limit of open files to the hard one: many systems start programs with 1024. */
void process_raise_files(void);
/* The number of files that the process may have open. */
unsigned process_files_max(void);

struct process_usage { /* each is negative if the system does not tell it */
    double cpu_s, rss_bytes, virtual_bytes;
    double started_s; /* since 1970 */
    double open_files;
};
void process_read_usage(struct process_usage *out);

/* Secrets live in memory: no core dump is written, and other processes of the same user cannot look
 * (ptrace, /proc/<pid>/mem, environ). $HOOKPACE_CORE_DUMPS=1 leaves all that as it is, for
 * debugging. */
void process_hide_memory(void);

#endif
