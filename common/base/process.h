/* process - limits that a program sets for itself when it starts.   [edge]
 */
#ifndef COMMON_BASE_PROCESS_H
#define COMMON_BASE_PROCESS_H

/* Raises the soft limit of open files to the hard one: many systems start programs with 1024. */
void process_raise_files(void);
/* The number of files that the process may have open. */
unsigned process_files_max(void);

/* Hides the process's memory, which holds secrets: the kernel writes no core dump, and other processes of the same user
 * cannot read it (ptrace, /proc/<pid>/mem, environ). Exception, for debugging: $HOOKPACE_CORE_DUMPS=1 changes nothing. */
void process_hide_memory(void);

#endif
