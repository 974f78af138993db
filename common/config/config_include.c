#include "common/config/config_include.h"

#include "common/base/alloc.h"
#include "common/config/config_problems.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define PATH_BYTES ((size_t)128 << 10)
#define WILDCARDS "*?["

struct finding {
    struct config_reader *r;
    struct raw_texts *files;
    struct map found; /* path -> itself */
    bool has_main;
    struct stat main;
};

static bool has_wildcard(const char *text)
{
    return strpbrk(text, WILDCARDS) != NULL;
}

static bool is_main(const struct finding *f, const char *path)
{
    struct stat st;
    return f->has_main && stat(path, &st) == 0 && st.st_dev == f->main.st_dev &&
           st.st_ino == f->main.st_ino;
}

/* Takes over PATH. */
static void add_file(struct finding *f, char *path)
{
    if (is_main(f, path) || map_get(&f->found, slice_str(path))) {
        free(path);
        return;
    }
    map_set(&f->found, slice_str(path), path);
    raw_texts_add(f->files, path);
}

static char *join(const char *dir, const char *name)
{
    struct buf b;
    buf_init(&b, PATH_BYTES);
    buf_addf(&b, "%s%s%s", dir, dir[0] && dir[strlen(dir) - 1] == '/' ? "" : "/", name);
    return buf_take(&b, NULL);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Adds the names of D that match PATTERN to NAMES, sorted. A name that begins with a dot does not match `*`. */
static void read_names(DIR *d, const char *pattern, struct raw_texts *names)
{
    /* cppcheck-suppress readdirCalled ; the stream is this call's own, and readdir_r is deprecated */
    for (const struct dirent *e; names->count <= CONFIG_FILES_MAX && (e = readdir(d));)
        if (fnmatch(pattern, e->d_name, FNM_PERIOD) == 0)
            raw_texts_add(names, xstrdup(e->d_name));
    if (names->count)
        qsort(names->items, names->count, sizeof *names->items, by_bytes);
}

static void add_matches(struct finding *f, const char *dir, const char *pattern)
{
    struct raw_texts names = {0};
    DIR *d = opendir(dir);
    if (!d) {
        config_wrong(f->r, "cannot open the directory %s: %s", dir, strerror(errno));
        return;
    }
    read_names(d, pattern, &names);
    closedir(d);
    if (names.count == 0)
        config_problems_warn(f->r->problems, buf_slice(&f->r->path), "no file of %s matches %s",
                             dir, pattern);
    for (size_t i = 0; i < names.count; i++)
        add_file(f, join(dir, names.items[i]));
    raw_texts_clear(&names);
}

/* TEXT is an entry of `include`: a path, with wildcards in its last part or without. */
static void find_one(struct finding *f, const char *text)
{
    char *path = text[0] == '/' ? xstrdup(text) : join(f->r->dir, text);
    char *slash = strrchr(path, '/'); /* join has put one there */
    const char *written = strrchr(text, '/');
    char *dir = slash == path ? xstrdup("/") : xslicedup(slice_make(path, (size_t)(slash - path)));
    char *folders = xslicedup(slice_make(text, written ? (size_t)(written - text) : 0));
    if (!slash[1])
        config_wrong(f->r, "must name a file, such as tenants/*.json");
    else if (has_wildcard(folders))
        config_wrong(f->r, "may have *, ? and [...] in its last part only");
    else if (has_wildcard(slash + 1))
        add_matches(f, dir, slash + 1);
    else
        add_file(f, xstrdup(path));
    free(folders);
    free(dir);
    free(path);
}

void config_find_files(struct config_reader *r, const struct raw_texts *patterns,
                       struct raw_texts *files)
{
    struct finding f = {.r = r, .files = files};
    f.has_main = stat(r->name, &f.main) == 0;
    map_init(&f.found);
    for (size_t i = 0; i < patterns->count && files->count <= CONFIG_FILES_MAX; i++) {
        size_t mark = r->path.len;
        buf_addf(&r->path, "[%zu]", i);
        find_one(&f, patterns->items[i]);
        if (files->count > CONFIG_FILES_MAX)
            config_wrong(r, "brings the included files to over %d", CONFIG_FILES_MAX);
        config_path_pop(r, mark);
    }
    map_clear(&f.found);
}

void config_wrong_in_file(struct config_reader *r, const char *fmt, ...)
{
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (!r->file) {
        config_problems_add(r->problems, buf_slice(&r->path), "%s", what);
        return;
    }
    struct buf place;
    buf_init(&place, PATH_BYTES);
    buf_addf(&place, "%s%s", r->file, r->path.len ? ": " : "");
    buf_add_slice(&place, buf_slice(&r->path));
    config_problems_add(r->problems, buf_slice(&place), "%s", what);
    buf_clear(&place);
}

/* How much of LINE is the path of an account, source or destination: `sources.shop` or `sources."a name"`. */
static size_t owner_len(struct slice line)
{
    size_t i = 0;
    while (i < line.len && line.ptr[i] != '.' && line.ptr[i] != ':')
        i++;
    if (i + 1 >= line.len || line.ptr[i] != '.')
        return 0;
    bool is_quoted = line.ptr[++i] == '"';
    if (!is_quoted)
        return i + strcspn(line.ptr + i, ":.[ \n");
    for (i++; i < line.len && line.ptr[i] != '"'; i++)
        i += line.ptr[i] == '\\';
    return i < line.len ? i + 1 : 0;
}

static void name_files(struct buf *text, const struct map *origins)
{
    struct slice rest = buf_slice(text);
    struct buf out;
    buf_init(&out, text->max * 2);
    while (rest.len) {
        struct slice line = slice_cut(&rest, '\n');
        const char *file = map_get(origins, slice_make(line.ptr, owner_len(line)));
        if (file && *file)
            buf_addf(&out, "%s: ", file);
        buf_add_slice(&out, line);
        buf_add_char(&out, '\n');
    }
    buf_clear(text);
    *text = out;
}

void config_name_files(struct config_problems *p, const struct map *origins)
{
    if (map_count(origins) == 0)
        return;
    name_files(&p->text, origins);
    name_files(&p->warnings, origins);
}
