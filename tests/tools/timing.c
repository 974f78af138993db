/* timing - does the time of a comparison tell where a forged value first differs?
 *
 *     timing WHAT [SAMPLES]
 *
 * WHAT: equal (crypto_equal), signature, token, basic (a whole verification), and as controls, which must be
 * found: equal-leaky, signature-leaky (the same, with a comparison that stops at the first difference).
 * After Reparaz, Balasch, Verbauwhede, "Dude, is my code constant time?" (2017): two classes of inputs, wrong in
 * the first byte and wrong in the last, in random order through the same memory; the slowest fifth of all is
 * cut off (interrupts); Welch's t-test. Prints {"what":..,"t":..,"samples":..}.
 */
#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/crypto/crypto.h"
#include "common/webhook/scheme.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define SECRET "a-secret-of-the-timing-test-0123456789"
#define BODY SLICE_LIT("{\"id\":\"a\",\"tag\":\"t\"}")
#define KEEP 0.8
#define BLOCK 1000 /* samples that are judged together */
#define INPUT_MAX 256

struct subject { /* what is timed */
    const char *what, *scheme, *header;
    bool is_leaky;
    int repeats; /* a sample, to be above the clock's resolution */
    struct scheme *compiled;
    unsigned char right[32];
    char inputs[2][INPUT_MAX]; /* by class */
    size_t len;
    char shown[INPUT_MAX]; /* what the subject reads */
};

static struct slice read_header(void *ctx, const char *name, unsigned *count)
{
    const struct subject *s = ctx;
    bool is_it = s->header && strcasecmp(name, s->header) == 0;
    if (count)
        *count = is_it;
    return is_it ? slice_make(s->shown, s->len) : SLICE_LIT("");
}

/* Not inlined and not understood by the compiler. */
static __attribute__((noinline)) bool leaky_equal(const void *a, const void *b, size_t len)
{
    const volatile unsigned char *x = a, *y = b;
    for (size_t i = 0; i < len; i++)
        if (x[i] != y[i])
            return false;
    return true;
}

static bool verify(struct subject *s)
{
    struct scheme_request request = {.header = read_header, .ctx = s, .now = 1};
    struct verify *v;
    if (verify_start(s->compiled, &request, &v) != SCHEME_OK)
        return false;
    verify_body(v, BODY);
    bool is_right = verify_end(v) == SCHEME_OK;
    bool is_near = s->is_leaky && leaky_equal(s->shown, s->inputs[1], s->len);
    return is_right || (is_near && s->len == 0);
}

static bool run(struct subject *s)
{
    if (s->scheme)
        return verify(s);
    if (s->is_leaky)
        return leaky_equal(s->shown, s->right, sizeof s->right);
    return crypto_equal(slice_make(s->shown, 32), slice_make((const char *)s->right, 32));
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double measure(struct subject *s, int class)
{
    memcpy(s->shown, s->inputs[class], s->len);
    double from = now_ns();
    for (int i = 0; i < s->repeats; i++)
        if (run(s))
            abort(); /* a forged value was right */
    return now_ns() - from;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct sums {
    double count, mean, m2;
};

static void add(struct sums *s, double x)
{
    double delta = x - s->mean;
    s->count++;
    s->mean += delta / s->count;
    s->m2 += delta * (x - s->mean);
}

/* The value below which KEEP of the N of TOOK are. */
static double cut(const double *took, size_t n)
{
    double sorted[BLOCK];
    memcpy(sorted, took, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, ascending);
    return sorted[(size_t)((double)n * KEEP)];
}

/* Block by block, each against its own mean: a machine that is slower for a while is so for both classes. */
static double welch(const double *took, const unsigned char *class, size_t n)
{
    struct sums by_class[2] = {0};
    for (size_t from = 0; from + BLOCK <= n; from += BLOCK) {
        const double *block = took + from;
        double limit = cut(block, BLOCK);
        struct sums all = {0};
        for (size_t i = 0; i < BLOCK; i++)
            if (block[i] <= limit)
                add(&all, block[i]);
        for (size_t i = 0; i < BLOCK; i++)
            if (block[i] <= limit)
                add(&by_class[class[from + i]], block[i] - all.mean);
    }
    const struct sums *a = &by_class[0], *b = &by_class[1];
    double spread = a->m2 / (a->count - 1) / a->count + b->m2 / (b->count - 1) / b->count;
    return spread > 0 ? (a->mean - b->mean) / sqrt(spread) : 0;
}

/* --- inputs: right, but for the first byte in class 0, and but for the last in class 1 --- */

static void make_bytes(struct subject *s)
{
    crypto_random(s->right, sizeof s->right);
    s->len = sizeof s->right;
    for (int c = 0; c < 2; c++) {
        memcpy(s->inputs[c], s->right, s->len);
        s->inputs[c][c ? s->len - 1 : 0] ^= 1;
    }
}

static void make_signature(struct subject *s)
{
    unsigned char mac[DIGEST_MAX];
    struct hmac_key *key = hmac_key_new(DIGEST_SHA256, SLICE_LIT(SECRET));
    struct hmac *h = hmac_start(key);
    hmac_add(h, BODY);
    hmac_end(h, mac);
    hmac_key_free(key);
    s->len = 64;
    for (int c = 0; c < 2; c++) {
        text_hex(mac, 32, s->inputs[c]);
        char *wrong = &s->inputs[c][c ? s->len - 1 : 0];
        *wrong ^= 1; /* a digit stays a digit and a letter one, as reading them differs */
        if (*wrong == '`' || *wrong == 'g')
            *wrong = *wrong == '`' ? 'b' : 'e';
    }
}

static void make_credential(struct subject *s, const char *word, struct slice plain, bool is_base64)
{
    for (int c = 0; c < 2; c++) {
        char text[INPUT_MAX];
        memcpy(text, plain.ptr, plain.len);
        text[c ? plain.len - 1 : 5] ^= 1; /* behind the user's name */
        struct buf b;
        buf_init(&b, INPUT_MAX);
        buf_add_str(&b, word);
        char encoded[INPUT_MAX];
        if (is_base64)
            encoded[text_base64(text, plain.len, encoded)] = 0;
        buf_add_slice(&b, is_base64 ? slice_str(encoded) : slice_make(text, plain.len));
        s->len = b.len;
        memcpy(s->inputs[c], b.ptr, b.len);
        buf_clear(&b);
    }
}

static void prepare(struct subject *s)
{
    struct scheme_spec spec = {.name = s->scheme, .tolerance_s = -1, .secret_count = 1};
    spec.secrets[0] = s->scheme && strcmp(s->scheme, "basic") == 0 ? "user:" SECRET : SECRET;
    struct error e;
    if (s->scheme && scheme_new(&spec, &s->compiled, &e) != OK) {
        fprintf(stderr, "timing: %s\n", e.text);
        exit(2);
    }
    if (!s->scheme)
        make_bytes(s);
    else if (strcmp(s->scheme, "token") == 0)
        make_credential(s, "Bearer ", SLICE_LIT(SECRET), false);
    else if (strcmp(s->scheme, "basic") == 0)
        make_credential(s, "Basic ", SLICE_LIT("user:" SECRET), true);
    else
        make_signature(s);
}

static struct subject subjects[] = {
    {.what = "equal", .repeats = 64},
    {.what = "equal-leaky", .repeats = 64, .is_leaky = true},
    {.what = "signature", .scheme = "serphouse", .header = "x-serphouse-signature", .repeats = 4},
    {.what = "signature-leaky",
     .scheme = "serphouse",
     .header = "x-serphouse-signature",
     .repeats = 4,
     .is_leaky = true},
    {.what = "token", .scheme = "token", .header = "Authorization", .repeats = 4},
    {.what = "basic", .scheme = "basic", .header = "Authorization", .repeats = 4},
};

static double time_it(struct subject *s, size_t n)
{
    double *took = xcalloc(n, sizeof *took);
    unsigned char *class = xcalloc(n, 1);
    crypto_random(class, n);
    for (size_t i = 0; i < n; i++)
        class[i] &= 1;
    for (size_t i = 0; i < n / 20; i++)
        (void)measure(s, class[i]); /* to warm up */
    for (size_t i = 0; i < n; i++)
        took[i] = measure(s, class[i]);
    double t = welch(took, class, n);
    free(took);
    free(class);
    return t;
}

int main(int argc, char **argv)
{
    size_t n = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 50000;
    for (size_t i = 0; argc > 1 && n >= BLOCK && i < sizeof subjects / sizeof *subjects; i++) {
        struct subject *s = &subjects[i];
        if (strcmp(s->what, argv[1]) != 0)
            continue;
        prepare(s);
        printf("{\"what\":\"%s\",\"t\":%.2f,\"samples\":%zu}\n", s->what, time_it(s, n), n);
        scheme_free(s->compiled);
        return 0;
    }
    fprintf(stderr,
            "usage: timing equal|equal-leaky|signature|signature-leaky|token|basic [SAMPLES]\n");
    return 2;
}
