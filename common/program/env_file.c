#include "common/program/env_file.h"

#include "common/base/alloc.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_MAX_BYTES ((size_t)256 << 10)
#define LINES_MAX 100000

static struct slice trim(struct slice s)
{
    while (s.len && isspace((unsigned char)s.ptr[0]))
        s = slice_skip(s, 1);
    while (s.len && isspace((unsigned char)s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static bool is_name(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!isalpha((unsigned char)s.ptr[i]) && s.ptr[i] != '_' &&
            (i == 0 || !isdigit((unsigned char)s.ptr[i])))
            return false;
    return s.len > 0;
}

static const char *read_plain(struct slice text, struct buf *value)
{
    for (size_t i = 0; i < text.len; i++)
        if (strchr("\"'\\", text.ptr[i]))
            return "has a quote or a backslash in a value without quotes; put the value in "
                   "'quotes'";
    buf_add_slice(value, text);
    return NULL;
}

/* TEXT begins with its quote. */
static const char *read_quoted(struct slice text, struct buf *value)
{
    char quote = text.ptr[0];
    size_t i = 1;
    for (; i < text.len && text.ptr[i] != quote; i++) {
        bool is_escape = quote == '"' && text.ptr[i] == '\\' && i + 1 < text.len &&
                         strchr("\"\\$`", text.ptr[i + 1]);
        i += is_escape;
        buf_add_char(value, text.ptr[i]);
    }
    if (i >= text.len)
        return "has no closing quote";
    return i + 1 < text.len ? "has text behind the closing quote" : NULL;
}

const char *env_file_line(struct slice line, struct slice *name, struct buf *value)
{
    line = trim(line);
    *name = (struct slice){0};
    if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';')
        return NULL;
    if (memchr(line.ptr, 0, line.len))
        return "has a NUL byte";
    struct slice rest = line, before = slice_cut(&rest, '=');
    if (before.len == line.len)
        return "is not NAME=value";
    if (!is_name(before))
        return "is not NAME=value: a name has letters, digits and '_' only, without a space";
    struct slice text = trim(rest);
    bool is_quoted = text.len && (text.ptr[0] == '"' || text.ptr[0] == '\'');
    const char *fault = is_quoted ? read_quoted(text, value) : read_plain(text, value);
    if (!fault)
        *name = before;
    return fault;
}

static void take_line(const char *path, size_t number, struct slice line, struct buf *problems)
{
    struct buf value;
    struct slice name;
    buf_init(&value, LINE_MAX_BYTES);
    const char *fault = env_file_line(line, &name, &value);
    if (fault) {
        buf_addf(problems, "%s:%zu: %s\n", path, number, fault);
    } else if (name.len) {
        char *z = xslicedup(name);
        setenv(z, value.len ? value.ptr : "", 1);
        free(z);
    }
    buf_clear(&value);
}

/* Reads the next line to OUT. OUT has failed if the line is too long; its rest is not read. False at the end of the file. */
static bool read_line(FILE *f, struct buf *out)
{
    int c = EOF;
    buf_reset(out);
    while (!out->failed && (c = getc_unlocked(f)) != EOF) {
        if (c == '\n')
            return true;
        buf_add_char(out, (char)c);
    }
    return out->failed || out->len;
}

/* A line that is too long ends it: the file may be a device without an end. */
static void read_lines(FILE *f, const char *path, struct buf *problems)
{
    struct buf line;
    size_t number = 0;
    buf_init(&line, LINE_MAX_BYTES);
    while (!line.failed && number <= LINES_MAX && read_line(f, &line)) {
        number++;
        if (number > LINES_MAX)
            buf_addf(problems, "%s: has over %d lines\n", path, LINES_MAX);
        else if (line.failed)
            buf_addf(problems, "%s:%zu: is over 256 KiB\n", path, number);
        else
            take_line(path, number, buf_slice(&line), problems);
    }
    buf_clear(&line);
}

enum err env_file_read(const char *path, struct buf *problems, struct error *e)
{
    size_t before = problems->len;
    FILE *f = fopen(path, "re"); /* also a pipe: --env-file <(decrypt secrets) */
    if (!f)
        return fail(e, ERR_IO, "cannot open the file %s: %s", path, strerror(errno));
    errno = 0;
    read_lines(f, path, problems);
    int why = errno;
    bool is_whole = !ferror(f);
    fclose(f);
    if (!is_whole)
        return fail(e, ERR_IO, "cannot read the file %s: %s", path, strerror(why));
    return problems->len > before ? ERR_INVALID : OK;
}
