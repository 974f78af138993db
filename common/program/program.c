#include "common/program/program.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/process.h"
#include "common/config/config_redis.h"
#include "common/net/loop.h"
#include "common/program/env_file.h"
#include "common/program/options.h"
#include "common/program/schema.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define LOG_WATCH_US INT64_C(1000000)
#define PROBLEMS_MAX_BYTES ((size_t)64 << 10)

struct program {
    const char *name, *about;
};

static void print_help(const struct program *p)
{
    printf("%s - %s\n\n"
           "usage: %s [--config FILE] [--env-file FILE]... [--check-config]\n"
           "       %s --print-schema\n\n"
           "  --config FILE    the configuration; else $HOOKPACE_CONFIG, ./hookpace.json,\n"
           "                   /etc/hookpace/hookpace.json\n"
           "  --env-file FILE  set the variables of this file first: lines NAME=value\n"
           "  --check-config   print \"config ok\" or every problem found, and exit (0 or 2)\n"
           "  --print-schema   print a JSON Schema of the configuration, and exit\n"
           "  -V, --version    print the version and exit\n"
           "  -h, --help       print this and exit\n\n"
           "SIGHUP reads the configuration again. SIGTERM and SIGINT finish what is under way and\n"
           "exit; a second one exits at once. Exit codes: 0 stopped, 1 failed, 2 wrong options or\n"
           "configuration.\n\n"
           "HOOKPACE_<KEY> wins over the file: HOOKPACE_RECEIVER_THREADS=4 sets receiver.threads.\n"
           "HOOKPACE_LOG is debug, info, warn or error, HOOKPACE_LOG_FORMAT json or text.\n"
           "HOOKPACE_CORE_DUMPS=1 allows core dumps, which hold secrets.\n",
           p->name, p->about, p->name, p->name);
}

/* The exit code after printing. It is a failure if the output did not arrive, such as on a full disk. */
static int printed(void)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_STOPPED : EXIT_RUNTIME;
}

static int check_config(const char *path)
{
    struct config *c = NULL;
    struct config_problems problems;
    config_problems_init(&problems);
    enum err rc = config_load(path, &c, &problems);
    if (rc == OK && problems.warnings.len)
        fputs(problems.warnings.ptr, stdout);
    fputs(rc == OK ? "config ok\n" : problems.text.ptr, stdout);
    config_unref(c);
    config_problems_clear(&problems);
    return rc == OK ? printed() : EXIT_USAGE;
}

static void log_warnings(const struct config_problems *problems)
{
    struct slice rest = buf_slice(&problems->warnings);
    while (rest.len)
        LOG(LL_WARN, "config.warning", LSL("warning", slice_cut(&rest, '\n')));
}

static int load(const struct program *p, const char *path, struct config **config)
{
    struct config_problems problems;
    config_problems_init(&problems);
    enum err rc = config_load(path, config, &problems);
    if (rc != OK)
        fprintf(stderr, "%s: the configuration %s has problems:\n%s", p->name, path,
                problems.text.ptr);
    else
        log_warnings(&problems);
    config_problems_clear(&problems);
    return rc == OK ? -1 : EXIT_USAGE;
}

/* The lines of the log that wait are written however the program ends, unless it is killed. */
static void on_abort(int signo)
{
    log_flush_in_handler();
    sigaction(signo, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    raise(signo); /* blocked until this returns: then it ends the program */
}

static void keep_lines(void)
{
    sigaction(SIGABRT, &(struct sigaction){.sa_handler = on_abort}, NULL);
    atexit(log_flush);
}

struct log_watch {
    struct loop_timer *timer;
};

static void watch_log(void *ctx)
{
    struct log_watch *w = ctx;
    log_tell_left_out(clock_mono_us());
    loop_timer_arm(w->timer, LOG_WATCH_US);
}

struct log_watch *program_watch_log(struct loop *l)
{
    struct log_watch *w = NEW(struct log_watch);
    w->timer = loop_timer_new(l, watch_log, w);
    loop_timer_arm(w->timer, LOG_WATCH_US);
    return w;
}

void program_end_watch(struct log_watch *w)
{
    if (!w)
        return;
    log_tell_left_out(clock_mono_us() + 2 * LOG_WATCH_US);
    loop_timer_free(w->timer);
    free(w);
}

/* -1, or the exit code after an error. */
static int read_env_files(const struct program *p, const struct program_options *o)
{
    struct buf problems;
    struct error e;
    bool ok = true;
    buf_init(&problems, PROBLEMS_MAX_BYTES);
    for (size_t i = 0; i < o->env_file_count; i++) {
        enum err rc = env_file_read(o->env_files[i], &problems, &e);
        if (rc == ERR_IO)
            fprintf(stderr, "%s: %s\n", p->name, e.text);
        ok = ok && rc == OK;
    }
    if (problems.len)
        fputs(problems.ptr, stderr);
    buf_clear(&problems);
    return ok ? -1 : EXIT_USAGE;
}

static void print_schema(void)
{
    struct buf schema;
    buf_init(&schema, SCHEMA_MAX_BYTES);
    schema_write(&schema);
    fwrite(schema.ptr, 1, schema.len, stdout);
    buf_clear(&schema);
}

/* Prints the help, the version or the schema if O asks for it. Returns the exit code, or -1 if O asks for none of them. */
static int print_only(const struct program *p, const struct program_options *o)
{
    if (o->help)
        print_help(p);
    else if (o->version)
        printf("%s %s\n", p->name, HOOKPACE_VERSION);
    else if (o->print_schema)
        print_schema();
    else
        return -1;
    return printed();
}

static int say_no_file(const struct program *p)
{
    fprintf(stderr,
            "%s: there is no ./hookpace.json and no /etc/hookpace/hookpace.json\n"
            "%*suse --config FILE, or set HOOKPACE_CONFIG\n",
            p->name, (int)strlen(p->name) + 2, "");
    return EXIT_USAGE;
}

int program_start(int argc, char **argv, const char *name, const char *about,
                  struct config **config, const char **path)
{
    const struct program p = {name, about};
    struct program_options o;
    char text[200];
    const char *problem = program_options_read(argc, argv, &o, text, sizeof text);
    if (problem) {
        fprintf(stderr, "%s: %s\n%*stry --help\n", name, problem, (int)strlen(name) + 2, "");
        return EXIT_USAGE;
    }
    int code = print_only(&p, &o);
    if (code >= 0)
        return code;
    process_hide_memory(); /* before a secret is read */
    code = read_env_files(&p, &o);
    if (code >= 0)
        return code;
    *path = config_path(o.config);
    if (!*path)
        return say_no_file(&p);
    if (!log_init(name)) {
        fprintf(stderr,
                "%s: HOOKPACE_LOG must be debug, info, warn or error, and HOOKPACE_LOG_FORMAT "
                "json or text\n",
                name);
        return EXIT_USAGE;
    }
    if (o.check)
        return check_config(*path);
    process_raise_files();
    keep_lines();
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    return load(&p, *path, config);
}

static void log_rejected(const char *path, size_t problems)
{
    LOG(LL_ERROR, "config.rejected", LS("file", path), LI("problems", problems),
        LS("in_force", "the configuration before it"));
}

static void log_problems(const struct config_problems *problems)
{
    struct slice rest = buf_slice(&problems->text);
    while (rest.len)
        LOG(LL_ERROR, "config.problem", LSL("problem", slice_cut(&rest, '\n')));
}

static bool is_in(const char *const *sections, const char *key)
{
    struct slice rest = slice_str(key), section = slice_cut(&rest, '.');
    for (; *sections; sections++)
        if (slice_eq(section, slice_str(*sections)))
            return true;
    return false;
}

/* Logs the keys of SECTIONS that need a restart. Returns how many keys changed that must not change. */
static size_t log_restart(const struct config *was, const struct config *is,
                          const char *const *sections)
{
    size_t at = 0, refused = 0;
    bool is_fixed = false;
    const char *key;
    while ((key = config_restart_needed(was, is, &at, &is_fixed))) {
        char problem[128];
        snprintf(problem, sizeof problem, "%s: cannot change by a reload; restart the program",
                 key);
        if (is_fixed)
            LOG(LL_ERROR, "config.problem", LS("problem", problem));
        else if (is_in(sections, key))
            LOG(LL_WARN, "config.needs_restart", LS("key", key));
        refused += is_fixed;
    }
    return refused;
}

struct config *program_reload(const char *path, const struct config *was,
                              const char *const *sections)
{
    struct config *c = NULL;
    struct config_problems problems;
    config_problems_init(&problems);
    size_t refused = 0;
    if (config_load(path, &c, &problems) == OK)
        refused = log_restart(was, c, sections);
    else
        log_problems(&problems);
    if (c && !refused) {
        config_redis_inherit(&c->redis, &was->redis);
        log_warnings(&problems);
    } else {
        log_rejected(path, problems.count + refused);
    }
    if (refused) {
        config_unref(c);
        c = NULL;
    }
    config_problems_clear(&problems);
    return c;
}
