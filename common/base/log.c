#include "common/base/log.h"

#include "common/base/buf.h"
#include "common/base/text.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES 8192
#define LINES_PER_WINDOW 3
#define WINDOW_US 1000000

#define LINES_ROOM ((size_t)256 * 1024) /* lines that wait; more are lost */
#define LINES_MANY ((size_t)32 * 1024)  /* with so many bytes, waiting lines are written at once */

/* The process-wide log settings: set once in main before any thread starts, then only read. */
static struct {
    const char *program;
    enum log_level level;
    bool text;
    bool is_file;                  /* stderr is a file, which takes any number of bytes at once */
    char heads[LL_ERROR + 1][160]; /* what a line has between its time and its message, by level */
    size_t head_lens[LL_ERROR + 1];
} settings = {"hookpace", LL_INFO, false, false, {""}, {0}};

/* The lines that wait to be written. All threads add to them under the lock, so they leave in the order in which they
 * were added. */
static char room[LINES_ROOM];
static struct {
    pthread_mutex_t lock;
    struct buf lines;
    _Atomic bool has_lines;
    unsigned lost; /* lines for which there was no room */
    struct clock_text now;
    struct log_limit *limits; /* of call sites that left lines out, ever */
} out = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *const level_words[] = {"debug", "info", "warn", "error"};

static void set_heads(void)
{
    for (int i = LL_DEBUG; i <= LL_ERROR; i++) {
        size_t size = sizeof settings.heads[i];
        if (settings.text)
            snprintf(settings.heads[i], size, " %-5s %s ", level_words[i], settings.program);
        else
            snprintf(settings.heads[i], size,
                     "\",\"level\":\"%s\",\"program\":\"%s\",\"pid\":%ld,\"msg\":\"",
                     level_words[i], settings.program, (long)getpid());
        settings.head_lens[i] = strlen(settings.heads[i]);
    }
}

bool log_init(const char *program)
{
    const char *level = getenv("HOOKPACE_LOG");
    const char *format = getenv("HOOKPACE_LOG_FORMAT");
    struct stat st;
    settings.program = program;
    settings.is_file = fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode);
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
    if (!out.lines.ptr)
        out.lines = buf_over(room);
    set_heads();
    return known;
}

bool log_enabled(enum log_level level)
{
    return level >= settings.level;
}

/* --- a line ---
 *
 * A healthy program writes a line for each event, so a line may cost a fiftieth of what an event costs. It is written by
 * hand into room that is reserved once. */

#define FIELD_MAX 1024 /* bytes of a text that are logged */

struct pen { /* writes up to END; leaves out the rest, and AT is END then */
    char *at, *end;
};

static void write_bytes(struct pen *p, const char *bytes, size_t len)
{
    if ((size_t)(p->end - p->at) < len) {
        p->at = p->end;
        return;
    }
    memcpy(p->at, bytes, len);
    p->at += len;
}

#define WRITE_LITERAL(p, z) write_bytes((p), (z), sizeof(z) - 1)

/* The inside of a JSON string. */
static void write_text(struct pen *p, struct slice s)
{
    s = slice_head(s, FIELD_MAX);
    size_t plain = text_json_plain(s);
    if (plain)
        write_bytes(p, s.ptr, plain);
    if (plain == s.len || p->at == p->end)
        return;
    struct buf rest = buf_over_(p->at, (size_t)(p->end - p->at));
    text_add_json(&rest, slice_skip(s, plain));
    p->at = rest.failed ? p->end : p->at + rest.len;
}

static void write_number(struct pen *p, int64_t n)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    do {
        digits[--at] = (char)('0' + left % 10);
    } while (left /= 10);
    if (n < 0)
        digits[--at] = '-';
    write_bytes(p, digits + at, sizeof digits - at);
}

static bool is_quiet(const struct log_field *f)
{
    return f->kind == LOG_ABSENT ||
           (f->kind == LOG_INT && f->number == 0 && strcmp(f->key, "dropped") == 0);
}

/* ,"key": or, as text,  key= */
static void write_field(struct pen *p, const struct log_field *f)
{
    if (settings.text) {
        WRITE_LITERAL(p, " ");
        write_bytes(p, f->key, f->key_len);
        WRITE_LITERAL(p, "=");
    } else {
        WRITE_LITERAL(p, ",\"");
        write_bytes(p, f->key, f->key_len);
        WRITE_LITERAL(p, "\":");
    }
    if (f->kind == LOG_INT) {
        write_number(p, f->number);
    } else if (f->kind == LOG_TRUE) {
        WRITE_LITERAL(p, "true");
    } else {
        WRITE_LITERAL(p, "\"");
        write_text(p, f->text);
        WRITE_LITERAL(p, "\"");
    }
}

static void write_line(struct pen *p, enum log_level level, const char *msg,
                       const struct log_field *fields)
{
    if (!settings.text)
        WRITE_LITERAL(p, "{\"ts\":\"");
    write_bytes(p, clock_iso_again(&out.now, clock_wall_ms()), CLOCK_ISO_LEN);
    write_bytes(p, settings.heads[level], settings.head_lens[level]);
    write_bytes(p, msg, strlen(msg)); /* a literal of ours */
    if (!settings.text)
        WRITE_LITERAL(p, "\"");
    for (const struct log_field *f = fields; f->key; f++)
        if (!is_quiet(f))
            write_field(p, f);
    if (settings.text)
        WRITE_LITERAL(p, "\n");
    else
        WRITE_LITERAL(p, "}\n");
}

/* --- the lines that wait --- */

/* Appends the line if there is room for it. */
static bool append(enum log_level level, const char *msg, const struct log_field *fields)
{
    char *to = buf_reserve(&out.lines, LINE_MAX_BYTES);
    struct pen p = {to, to ? to + LINE_MAX_BYTES : NULL};
    if (to)
        write_line(&p, level, msg, fields);
    if (p.at == p.end) {
        out.lines.failed = false;
        out.lost++;
        return false;
    }
    buf_wrote(&out.lines, (size_t)(p.at - to));
    return true;
}

/* The bytes to write next. A pipe that can be written takes PIPE_BUF bytes without waiting for its reader, and no more. */
static size_t next_piece(const char *at, size_t len)
{
    if (settings.is_file || len <= PIPE_BUF)
        return len;
    const char *end = memrchr(at, '\n', PIPE_BUF);
    return end ? (size_t)(end - at) + 1 : PIPE_BUF; /* the rest of a long line follows */
}

/* A log that cannot be written must not stop the program: it does not wait for whoever reads it. */
static bool can_write(void)
{
    struct pollfd to = {.fd = STDERR_FILENO, .events = POLLOUT};
    return settings.is_file || (poll(&to, 1, 0) == 1 && (to.revents & POLLOUT));
}

/* Writes what stderr takes without making anybody wait. The rest waits for the next call. */
static void write_lines(void)
{
    size_t done = 0;
    while (done < out.lines.len && can_write()) {
        const char *at = out.lines.ptr + done;
        ssize_t n = write(STDERR_FILENO, at, next_piece(at, out.lines.len - done));
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    out.lines.len -= done;
    if (done && out.lines.len)
        memmove(out.lines.ptr, out.lines.ptr + done, out.lines.len);
    if (done && out.lost) {
        unsigned lost = out.lost;
        /* If there is no room for this line either, a later line has the number. */
        out.lost = append(LL_WARN, "log.lost", LOG_FIELDS(LI("lines", lost))) ? 0 : lost;
    }
    atomic_store_explicit(&out.has_lines, out.lines.len > 0, memory_order_relaxed);
}

void log_write(enum log_level level, const char *msg, const struct log_field *fields)
{
    pthread_mutex_lock(&out.lock);
    append(level, msg, fields);
    write_lines();
    pthread_mutex_unlock(&out.lock);
}

void log_add(enum log_level level, const char *msg, const struct log_field *fields)
{
    pthread_mutex_lock(&out.lock);
    append(level, msg, fields);
    if (out.lines.len >= LINES_MANY)
        write_lines();
    else
        atomic_store_explicit(&out.has_lines, true, memory_order_relaxed);
    pthread_mutex_unlock(&out.lock);
}

void log_flush(void)
{
    if (!atomic_load_explicit(&out.has_lines, memory_order_relaxed))
        return;
    pthread_mutex_lock(&out.lock);
    write_lines();
    pthread_mutex_unlock(&out.lock);
}

void log_flush_in_handler(void)
{
    /* The thread that is ending may hold the lock itself. */
    if (pthread_mutex_trylock(&out.lock) == 0)
        write_lines();
}

/* --- few lines for one cause --- */

void log_left_out(struct log_limit *limit, enum log_level level, const char *msg)
{
    if (atomic_exchange(&limit->is_known, true))
        return;
    limit->level = level;
    limit->msg = msg;
    pthread_mutex_lock(&out.lock);
    limit->next = out.limits;
    out.limits = limit;
    pthread_mutex_unlock(&out.lock);
}

/* Returns how many lines LIMIT left out in a window that is over, and counts them as told. */
static uint32_t take_left_out(struct log_limit *limit, int64_t window)
{
    uint32_t count = atomic_load(&limit->count);
    if (atomic_load(&limit->window) >= window || count <= LINES_PER_WINDOW)
        return 0;
    return atomic_compare_exchange_strong(&limit->count, &count, LINES_PER_WINDOW)
               ? count - LINES_PER_WINDOW
               : 0;
}

void log_tell_left_out(mono_us now)
{
    pthread_mutex_lock(&out.lock);
    for (struct log_limit *l = out.limits; l; l = l->next) {
        uint32_t n = take_left_out(l, now / WINDOW_US + 1);
        if (n)
            append(l->level, "log.left_out", LOG_FIELDS(LS("of", l->msg), LI("dropped", n)));
    }
    write_lines();
    pthread_mutex_unlock(&out.lock);
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
