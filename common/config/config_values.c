#include "common/config/config_values.h"

#include "common/base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const char *config_env(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

char *config_file_path(struct slice path, const char *dir)
{
    struct buf b;
    buf_init(&b, CONFIG_VALUE_MAX * 2);
    if (path.len && path.ptr[0] != '/') {
        buf_add_str(&b, dir);
        buf_add_char(&b, '/');
    }
    buf_add_slice(&b, path);
    return buf_take(&b, NULL);
}

static enum err read_all(int fd, const char *path, struct buf *out, struct error *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail(e, ERR_IO, "cannot read the file %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fail(e, ERR_IO, "cannot read the file %s: not a regular file", path);
    for (;;) {
        char piece[8192];
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0)
            return fail(e, ERR_IO, "cannot read the file %s: %s", path, strerror(errno));
        if (n == 0)
            return OK;
        buf_add(out, piece, (size_t)n);
        if (out->failed)
            return fail(e, ERR_TOO_BIG, "the file %s is over %zu bytes", path, out->max);
    }
}

enum err config_read_file(const char *path, struct buf *out, struct error *e)
{
    /* O_NONBLOCK: opening a FIFO must not hang a reload. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail(e, ERR_IO, "cannot open the file %s: %s", path, strerror(errno));
    enum err rc = read_all(fd, path, out, e);
    close(fd);
    return rc;
}

static void cut_newline(struct buf *b)
{
    if (b->len == 0 || b->ptr[b->len - 1] != '\n')
        return;
    b->ptr[--b->len] = 0;
    if (b->len && b->ptr[b->len - 1] == '\r')
        b->ptr[--b->len] = 0;
}

static enum err from_env(struct slice name, struct buf *out, struct error *e)
{
    char *z = xslicedup(name);
    const char *value = getenv(z);
    free(z);
    if (name.len == 0)
        return fail(e, ERR_INVALID, "env: names no variable");
    if (!value)
        return fail(e, ERR_INVALID, "the environment variable %.*s is not set", SLICE_FMT(name));
    buf_add_str(out, value);
    if (out->failed)
        return fail(e, ERR_TOO_BIG, "the environment variable %.*s is over %zu bytes",
                    SLICE_FMT(name), out->max);
    cut_newline(out);
    return OK;
}

static enum err from_file(struct slice name, const char *dir, struct buf *out, struct error *e)
{
    if (name.len == 0)
        return fail(e, ERR_INVALID, "file: names no file");
    char *path = config_file_path(name, dir);
    enum err rc = config_read_file(path, out, e);
    free(path);
    if (rc == OK)
        cut_newline(out);
    return rc;
}

enum err config_value(struct slice raw, const char *dir, struct buf *out, struct error *e)
{
    const struct slice env = SLICE_LIT("env:"), file = SLICE_LIT("file:");
    if (slice_starts(raw, env))
        return from_env(slice_skip(raw, env.len), out, e);
    if (slice_starts(raw, file))
        return from_file(slice_skip(raw, file.len), dir, out, e);
    buf_add_slice(out, raw);
    return out->failed ? fail(e, ERR_TOO_BIG, "over %zu bytes", out->max) : OK;
}
