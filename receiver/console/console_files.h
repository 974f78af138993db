/* console_files - the dashboard's pages, scripts and styles, which CMake compiles into the receiver.
 * [edge: files of receiver/console/assets]
 *
 * The files are the same for everybody and hold nothing secret, so they need no login. Their contents come from the calls
 * below /api, which need one.
 */
#ifndef RECEIVER_CONSOLE_FILES_H
#define RECEIVER_CONSOLE_FILES_H

struct console_files;
struct ops_call;

struct console_files *console_files_new(void);
void console_files_free(struct console_files *f); /* NULL is fine */

/* GET /: the page itself. Ends C. */
void console_files_page(const struct console_files *f, struct ops_call *c);
/* GET /assets/{file}. Ends C; 404 if there is no such file. */
void console_files_asset(const struct console_files *f, struct ops_call *c);

#endif
