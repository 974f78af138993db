/* hookpace: looks at the queue and changes it, over the receiver's operators' API. */
#include "cli/commands.h"

#include "common/base/text.h"
#include "common/config/config.h"
#include "common/program/env_file.h"
#include "common/program/program.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROBLEMS_MAX_BYTES ((size_t)64 << 10)
#define DEFAULT_URL "http://127.0.0.1:8081"
#define COMMON_OPTIONS                                                                             \
    ((1ul << OPTION_URL) | (1ul << OPTION_LOGIN) | (1ul << OPTION_CONFIG) |                        \
     (1ul << OPTION_ENV_FILE) | (1ul << OPTION_JSON) | (1ul << OPTION_HELP) |                      \
     (1ul << OPTION_VERSION))

/* --- help --- */

static void print_options(unsigned long which)
{
    for (enum option o = 0; o < OPTION_COUNT; o++) {
        const struct option_row *row = option_row(o);
        char name[40];
        if (!(which & (1ul << o)))
            continue;
        snprintf(name, sizeof name, "%s%s%s", row->name, row->value ? " " : "",
                 row->value ? row->value : "");
        printf("  %-24s %s\n", name, row->help);
    }
}

static int print_help(const struct command *of)
{
    if (of) {
        printf("hookpace %s - %s\n\nusage: hookpace %s %s%s[OPTION...]\n\n", of->name, of->help,
               of->name, of->arguments, *of->arguments ? " " : "");
        print_options(of->options | COMMON_OPTIONS);
        return EXIT_DONE;
    }
    printf("hookpace - looks at the queue of webhooks and changes it\n\n"
           "usage: hookpace COMMAND [ARGUMENT] [OPTION...]\n\n");
    for (const struct command *c = commands; c->name; c++) {
        char usage[40];
        snprintf(usage, sizeof usage, "%s %s", c->name, c->arguments);
        printf("  %-24s %s\n", usage, c->help);
    }
    printf("\nevery command takes:\n");
    print_options(COMMON_OPTIONS);
    printf("\n`hookpace COMMAND --help` has the options of a command. It ends with 0 if all went "
           "well, 1 if the\n"
           "receiver could not be reached or said no, 2 if it was used wrongly, 3 if `check` found "
           "something.\n");
    return EXIT_DONE;
}

/* --- which command --- */

static const struct command *find_command(const char *name)
{
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static int unknown_command(const char *name)
{
    char guess[TEXT_GUESS_MAX];
    struct text_guess g = text_guess(slice_str(name));
    for (const struct command *c = commands; c->name; c++)
        text_guess_try(&g, slice_str(c->name));
    return cli_fail(EXIT_MISUSED, "try --help", "there is no command %.60s%s", name,
                    text_guess_write(&g, "", guess));
}

/* An empty argument names nothing. Most often a variable of a script has no value. */
static bool has_empty_argument(const struct options *o)
{
    for (size_t i = 0; i < o->argument_count; i++)
        if (!*o->arguments[i])
            return true;
    return false;
}

static int check_use(const struct command *of, const struct options *o)
{
    for (enum option i = 0; i < OPTION_COUNT; i++)
        if (o->values[i] && !((of->options | COMMON_OPTIONS) & (1ul << i)))
            return cli_fail(EXIT_MISUSED, "try --help", "%s takes no %s", of->name,
                            option_row(i)->name);
    if (o->argument_count >= of->least && o->argument_count <= of->most && !has_empty_argument(o))
        return EXIT_DONE;
    char usage[80];
    snprintf(usage, sizeof usage, "usage: hookpace %s%s%s", of->name, *of->arguments ? " " : "",
             of->arguments);
    return cli_fail(EXIT_MISUSED, usage, "%s %s", of->name,
                    o->argument_count < of->least  ? "has too few arguments"
                    : o->argument_count > of->most ? "has too many arguments"
                                                   : "has an empty argument");
}

/* --- where the receiver is --- */

struct place {         /* place_clear frees the texts */
    char *url, *login; /* the login may be NULL */
};

static void place_clear(struct place *p)
{
    free(p->url);
    free(p->login);
}

static void set_text(char **text, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void set_text(char **text, const char *fmt, ...)
{
    va_list args;
    char *made = NULL;
    va_start(args, fmt);
    if (vasprintf(&made, fmt, args) < 0)
        abort(); /* no memory */
    va_end(args);
    free(*text);
    *text = made;
}

/* An admin of the configuration whose password is known. */
static const struct config_account *an_admin(const struct config *conf)
{
    size_t at = 0;
    struct slice name;
    void *value;
    while (map_next(&conf->accounts, &at, &name, &value)) {
        const struct config_account *a = value;
        if (a->role == ACCOUNT_ADMIN)
            return a;
    }
    return NULL;
}

/* A receiver that listens on all addresses is reached on loopback. */
static void place_of_config(const struct config *conf, struct place *p)
{
    const char *listen = conf->admin.listen, *scheme = conf->admin.tls.cert ? "https" : "http";
    const struct config_account *a = an_admin(conf);
    if (strncmp(listen, "0.0.0.0:", 8) == 0)
        set_text(&p->url, "%s://127.0.0.1:%s", scheme, listen + 8);
    else if (strncmp(listen, "[::]:", 5) == 0)
        set_text(&p->url, "%s://[::1]:%s", scheme, listen + 5);
    else
        set_text(&p->url, "%s://%s", scheme, listen);
    if (a)
        set_text(&p->login, "%s:%s", a->name, a->password);
}

static int read_config(struct cli *c, const char *path, struct place *p)
{
    struct config *conf = NULL;
    struct config_problems problems;
    config_problems_init(&problems);
    enum err rc = config_load(path, &conf, &problems);
    if (rc == OK) {
        place_of_config(conf, p);
        memcpy(c->digest, conf->digest, sizeof c->digest);
    } else {
        fprintf(stderr, "hookpace: the configuration %s has problems:\n%s", path,
                problems.text.ptr);
    }
    config_problems_clear(&problems);
    config_unref(conf);
    return rc == OK ? EXIT_DONE : EXIT_MISUSED;
}

static int read_variables(const char *path)
{
    struct buf problems;
    struct error e;
    buf_init(&problems, PROBLEMS_MAX_BYTES);
    enum err rc = env_file_read(path, &problems, &e);
    if (rc == ERR_IO)
        fprintf(stderr, "hookpace: %s\n", e.text);
    else if (rc != OK)
        fputs(problems.ptr, stderr);
    buf_clear(&problems);
    return rc == OK ? EXIT_DONE : EXIT_MISUSED;
}

static void choose(char **out, const char *option, const char *variable)
{
    const char *value = option ? option : getenv(variable);
    if (value && *value)
        set_text(out, "%s", value);
}

static int find_place(struct cli *c, struct place *p)
{
    const struct options *o = &c->options;
    set_text(&p->url, "%s", DEFAULT_URL);
    if (o->values[OPTION_ENV_FILE] && read_variables(o->values[OPTION_ENV_FILE]) != EXIT_DONE)
        return EXIT_MISUSED;
    if (o->values[OPTION_CONFIG] && read_config(c, o->values[OPTION_CONFIG], p) != EXIT_DONE)
        return EXIT_MISUSED;
    choose(&p->url, o->values[OPTION_URL], o->values[OPTION_CONFIG] ? "" : "HOOKPACE_URL");
    choose(&p->login, o->values[OPTION_LOGIN],
           o->values[OPTION_CONFIG] && p->login ? "" : "HOOKPACE_LOGIN");
    if (!p->login)
        return cli_fail(EXIT_MISUSED, "set HOOKPACE_LOGIN to name:password, or use --config FILE",
                        "no login is known");
    if (!strchr(p->login, ':'))
        return cli_fail(EXIT_MISUSED, "write name:password", "the login has no colon");
    return EXIT_DONE;
}

static int run(struct cli *c, const struct command *of)
{
    struct place place = {0};
    if (of->is_local)
        return of->run(c);
    int code = find_place(c, &place);
    if (code == EXIT_DONE) {
        c->client = client_new(place.url, place.login);
        code = of->run(c);
        client_free(c->client);
    }
    place_clear(&place);
    return code;
}

int main(int argc, char **argv)
{
    char text[200];
    struct cli c = {.now = clock_wall_ms()};
    setlocale(LC_TIME, "");
    const char *problem = options_read(argc, argv, &c.options, text, sizeof text);
    if (problem)
        return cli_fail(EXIT_MISUSED, "try --help", "%s", problem);
    if (c.options.values[OPTION_VERSION]) {
        printf("hookpace %s\n", HOOKPACE_VERSION);
        return EXIT_DONE;
    }
    const struct command *of = c.options.command ? find_command(c.options.command) : NULL;
    if (c.options.command && !of && strcmp(c.options.command, "help") == 0)
        return print_help(NULL);
    if (c.options.command && !of)
        return unknown_command(c.options.command);
    if (c.options.values[OPTION_HELP])
        return print_help(of);
    if (!of) {
        print_help(NULL);
        return EXIT_MISUSED;
    }
    if (check_use(of, &c.options) != EXIT_DONE)
        return EXIT_MISUSED;
    c.json = c.options.values[OPTION_JSON];
    c.use_colors = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    int code = run(&c, of);
    if (fflush(stdout) != 0 || ferror(stdout))
        return EXIT_FAILED;
    return code;
}
