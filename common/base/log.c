#include "common/base/log.h"

#include "common/base/buf.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_MAX_BYTES 8192
#define LINES_PER_WINDOW 3
#define WINDOW_US 1000000

/* The process-wide log settings: set once in main before any thread starts, then only read. */
static struct {
    const char *program;
    enum log_level level;
    bool text;
} settings = {"hookpace", LL_INFO, false};

static const char *const level_words[] = {"debug", "info", "warn", "error"};

bool log_init(const char *program)
{
    const char *level = getenv("HOOKPACE_LOG");
    const char *format = getenv("HOOKPACE_LOG_FORMAT");
    settings.program = program;
    bool known = !level || !*level;
    for (int i = LL_DEBUG; !known && i <= LL_ERROR; i++)
        if (strcmp(level, level_words[i]) == 0) {
            settings.level = (enum log_level)i;
            known = true;
        }
    if (format && strcmp(format, "text") == 0)
        settings.text = true;
    else if (format && *format && strcmp(format, "json") != 0)
        known = false;
    return known;
}

bool log_enabled(enum log_level level)
{
    return level >= settings.level;
}

static void add_field(struct buf *b, const struct log_field *f, bool text)
{
    if (text)
        buf_addf(b, " %s=", f->key);
    else
        buf_addf(b, ",\"%s\":", f->key);
    if (f->kind == LOG_INT) {
        buf_add_i64(b, f->number);
        return;
    }
    struct slice s = f->text;
    if (s.len > 1024)
        s.len = 1024;
    buf_add_char(b, '"');
    buf_add_json(b, s);
    buf_add_char(b, '"');
}

/* Lines that could not be written since the last one that could. */
static atomic_uint lost;

/* A log that cannot be written must not stop the program: it does not wait for whoever reads it. */
static bool put(const struct buf *b)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    return !b->failed && poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) &&
           write(STDERR_FILENO, b->ptr, b->len) == (ssize_t)b->len;
}

static void add_line(struct buf *b, enum log_level level, const char *msg,
                     const struct log_field *fields)
{
    char ts[CLOCK_ISO_LEN + 1];
    clock_iso(clock_wall_ms(), ts);
    if (settings.text)
        buf_addf(b, "%s %-5s %s %s", ts, level_words[level], settings.program, msg);
    else
        buf_addf(b, "{\"ts\":\"%s\",\"level\":\"%s\",\"program\":\"%s\",\"pid\":%ld,\"msg\":\"%s\"",
                 ts, level_words[level], settings.program, (long)getpid(), msg);
    for (const struct log_field *f = fields; f->key; f++) {
        bool quiet = f->kind == LOG_INT && f->number == 0 && strcmp(f->key, "dropped") == 0;
        if (!quiet)
            add_field(b, f, settings.text);
    }
    buf_add_str(b, settings.text ? "\n" : "}\n");
}

void log_write(enum log_level level, const char *msg, const struct log_field *fields)
{
    struct buf b;
    buf_init(&b, LINE_MAX_BYTES);
    add_line(&b, level, msg, fields);
    unsigned before = atomic_exchange(&lost, 0);
    if (before)
        add_line(&b, LL_WARN, "log.lost", LOG_FIELDS(LI("lines", before)));
    if (!put(&b))
        atomic_fetch_add(&lost, before + 1);
    buf_clear(&b);
}

bool log_allow(struct log_limit *limit, mono_us now, uint32_t *dropped)
{
    int64_t window = now / WINDOW_US + 1;
    int64_t seen = atomic_load_explicit(&limit->window, memory_order_relaxed);
    if (seen != window && atomic_compare_exchange_strong(&limit->window, &seen, window)) {
        uint32_t before = atomic_exchange(&limit->count, 1);
        *dropped = before > LINES_PER_WINDOW ? before - LINES_PER_WINDOW : 0;
        return true;
    }
    return atomic_fetch_add(&limit->count, 1) < LINES_PER_WINDOW;
}
