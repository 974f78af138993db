/* commands - what `hookpace` can do: one function a command, and what they share.   [on cli/client, cli/show] */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/client.h"
#include "cli/options.h"
#include "cli/show.h"
#include "common/config/config.h"

#define EXIT_DONE 0
#define EXIT_FAILED 1 /* the receiver cannot be reached, or it said no */
#define EXIT_MISUSED 2
#define EXIT_FOUND 3 /* `check` found something */

struct cli {
    struct options options;
    struct client *client;
    wall_ms now;
    bool json, use_colors;
    bool has_told;                      /* that partitions are missing */
    char digest[CONFIG_DIGEST_LEN + 1]; /* of the file that --config names; empty without */
};

struct command {
    const char *name, *arguments, *help;
    size_t least, most;        /* arguments */
    unsigned long options;     /* bits of enum option, beside those that every command takes */
    bool is_local;             /* does not call the receiver */
    int (*run)(struct cli *c); /* the exit code */
};
extern const struct command commands[]; /* ended by a row without a name */

/* --- what commands share --- */

/* Prints a sentence to stderr, and what to do next if NEXT is not NULL. Returns CODE. */
int cli_fail(int code, const char *next, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Calls PATH; POSTED is JSON, NULL for a GET. Returns the parsed answer; NULL if there is none or its status is no 2xx: that was
 * printed. With --json the answer's bytes are printed. Free with json_free. */
struct json *cli_call(struct cli *c, const char *path, const struct slice *posted);
/* Calls PATH. False if there is no answer: that was printed. Free *OUT with client_answer_clear, also then. */
bool cli_fetch(struct cli *c, const char *path, const struct slice *posted,
               struct client_answer *out) MUST_CHECK;
/* The parsed answer of a call that was made, as cli_call. */
struct json *cli_take(struct cli *c, const struct client_answer *a);
/* Says once, on stderr, which partitions DOC is without, if there are any. */
void cli_tell_missing(struct cli *c, const struct json *doc);
/* Prints what the receiver said against a call. Returns EXIT_FAILED. */
int cli_refused(const struct client_answer *a);
/* Appends "/api/THING/ID/VERB" with ID percent-encoded; VERB may be NULL. */
void cli_add_path(struct buf *out, const char *thing, const char *id, const char *verb);
/* Appends the filter of the options as a query that begins with '?', or as members of JSON. EXIT_DONE, or EXIT_MISUSED after
 * printing why. */
int cli_add_query(const struct cli *c, struct buf *out);
int cli_add_filter(const struct cli *c, struct buf *out);
/* Member NAME of OBJECT; NULL if there is none or OBJECT is no object. Its text; empty if it is no string. */
const struct json *cli_member(const struct json *object, const char *name);
struct slice cli_text(const struct json *object, const char *name);
/* Calls the pages of the list at PATH and gives them to TAKE: all pages, or up to the first one that has items. A page may be
 * empty though more pages follow. With --json the command prints the first page, also an empty one, or all pages as one.
 * EXIT_DONE, or EXIT_FAILED. */
int cli_each_page(struct cli *c, const char *path, bool all,
                  void (*take)(struct cli *c, void *ctx, const struct json *page), void *ctx);
/* Asks on the terminal whether to go on. With --yes: yes. Without a terminal: no, and says so. */
bool cli_confirm(const struct cli *c, const char *question);

int command_status(struct cli *c);
int command_lanes(struct cli *c);
int command_list(struct cli *c);
int command_dead(struct cli *c);
int command_show(struct cli *c);
int command_body(struct cli *c);
int command_resend(struct cli *c);
int command_drop(struct cli *c);
int command_pause(struct cli *c);
int command_resume(struct cli *c);
int command_partition(struct cli *c);
int command_purge(struct cli *c);
int command_delay(struct cli *c);
int command_send_test(struct cli *c);
int command_tail(struct cli *c);
int command_listen(struct cli *c);
int command_check(struct cli *c);
int command_completion(struct cli *c);

#endif
