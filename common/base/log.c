#include "common/base/log.h"

#include "common/base/buf.h"
#include "common/base/json_write.h"

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

/* Lines that could not be written since the last one that could. */
static atomic_uint lost;

/* A log that cannot be written must not stop the program: it does not wait for whoever reads it. */
static bool put(const struct buf *b)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    return !b->failed && poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) &&
           write(STDERR_FILENO, b->ptr, b->len) == (ssize_t)b->len;
}

#define FIELD_MAX 1024 /* bytes of a text that are logged */

static bool is_quiet(const struct log_field *f)
{
    return f->kind == LOG_INT && f->number == 0 && strcmp(f->key, "dropped") == 0;
}

static void add_text_line(struct buf *b, enum log_level level, const char *ts, const char *msg,
                          const struct log_field *fields)
{
    buf_addf(b, "%s %-5s %s %s", ts, level_words[level], settings.program, msg);
    for (const struct log_field *f = fields; f->key; f++) {
        if (is_quiet(f))
            continue;
        buf_addf(b, " %s=", f->key);
        if (f->kind == LOG_INT) {
            buf_add_i64(b, f->number);
        } else {
            buf_add_char(b, '"');
            buf_add_json(b, slice_head(f->text, FIELD_MAX));
            buf_add_char(b, '"');
        }
    }
}

static void add_json_line(struct buf *b, enum log_level level, const char *ts, const char *msg,
                          const struct log_field *fields)
{
    struct json_write w = json_write_to(b);
    jw_open(&w, NULL, '{');
    jw_str(&w, "ts", ts);
    jw_str(&w, "level", level_words[level]);
    jw_str(&w, "program", settings.program);
    jw_int(&w, "pid", getpid());
    jw_str(&w, "msg", msg);
    for (const struct log_field *f = fields; f->key; f++) {
        if (is_quiet(f))
            continue;
        if (f->kind == LOG_INT)
            jw_int(&w, f->key, f->number);
        else
            jw_text(&w, f->key, slice_head(f->text, FIELD_MAX));
    }
    jw_close(&w, '}');
}

static void add_line(struct buf *b, enum log_level level, const char *msg,
                     const struct log_field *fields)
{
    char ts[CLOCK_ISO_LEN + 1];
    clock_iso(clock_wall_ms(), ts);
    if (settings.text)
        add_text_line(b, level, ts, msg, fields);
    else
        add_json_line(b, level, ts, msg, fields);
    buf_add_char(b, '\n');
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
