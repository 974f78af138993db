/* replay - runs a fuzz target over the files that are named, or all files of a directory: what once
 * crashed stays a test, also where there is no libFuzzer. */
#include <dirent.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

enum { PATH_BYTES = 4096 };

static unsigned run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (!f || fstat(fileno(f), &st) != 0) {
        fprintf(stderr, "replay: cannot read %s\n", path);
        exit(2);
    }
    uint8_t *bytes = malloc((size_t)st.st_size + 1); /* exactly as large: ASan sees its end */
    size_t len = fread(bytes, 1, (size_t)st.st_size, f);
    fclose(f);
    uint8_t *exact = malloc(len ? len : 1);
    memcpy(exact, bytes, len);
    free(bytes);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return 1;
}

static unsigned run_directory(const char *path)
{
    DIR *d = opendir(path);
    if (!d)
        return run_file(path);
    unsigned count = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char name[PATH_BYTES];
        if (e->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        count += run_file(name);
    }
    closedir(d);
    return count;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    for (int i = 1; i < argc; i++)
        count += run_directory(argv[i]);
    printf("%u inputs\n", count);
    return count ? 0 : 2; /* a corpus that is not there tests nothing */
}
