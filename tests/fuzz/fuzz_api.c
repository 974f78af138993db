/* The task API answers a call of any path and body once, whatever Redis says to it. The answer is JSON whose counts are
 * right. A call without a login learns nothing. Paths, moments and logins also by themselves.
 *
 * Input: "METHOD TARGET", a line with credentials (empty: the right ones), the body; behind a line "~~" the replies of
 * Redis' scripts, with '~' between them. */
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/json/json_cut.h"
#include "common/json/json_scan.h"
#include "common/net/loop.h"
#include "common/ops/families.h"
#include "common/ops/router.h"
#include "receiver/accounts.h"
#include "receiver/admin.h"
#include "receiver/api/api_path.h"
#include "receiver/api/api_time.h"
#include "tests/fuzz/dial.h"
#include "tests/fuzz/fake_redis.h"

#include <errno.h>
#include <event2/event.h>

enum { TURNS = 400 };
#define PASSWORD "password-of-the-fuzzer"

static struct {
    struct loop *loop;
    struct config *conf;
    struct metrics *metrics;
    char login[2][128]; /* of an admin and a user, in base64 */
} world;

static bool workers_are_ready(void *ctx)
{
    return ctx == NULL;
}

static void on_ready(void *ctx)
{
    (void)ctx;
}

static size_t count_waiting(void *ctx)
{
    (void)ctx;
    return 0;
}

static void set_up(void)
{
    char text[1024];
    struct config_problems problems;
    setenv("HOOKPACE_LOG", "error", 1);
    INSIST(log_init("fuzz_api"));
    fake_start();
    snprintf(text, sizeof text,
             "{\"redis\":{\"url\":\"unix://"
             "%s\",\"timeout_ms\":60000},\"admin\":{\"listen\":\"127.0.0.1:0\"},"
             "\"accounts\":{\"root\":{\"password\":\"" PASSWORD "\",\"role\":\"admin\"},"
             "\"acme\":{\"password\":\"" PASSWORD "\",\"delay_ms\":100}},\"sources\":{},"
             "\"destinations\":{\"d\":{\"postback_url\":\"http://h/\"}}}",
             fake.address.sun_path);
    config_problems_init(&problems);
    if (config_parse(slice_str(text), "x", &world.conf, &problems) != OK)
        fprintf(stderr, "%s\n", problems.text.ptr);
    INSIST(world.conf);
    config_problems_clear(&problems);
    world.loop = loop_new();
    world.metrics = families_metrics("test", "0");
    text_base64("root:" PASSWORD, strlen("root:" PASSWORD), world.login[0]);
    text_base64("acme:" PASSWORD, strlen("acme:" PASSWORD), world.login[1]);
}

/* --- by themselves --- */

static void paths(struct slice raw)
{
    struct api_path p;
    static const char *const methods[] = {"GET", "POST", "PUT"};
    if (api_path_read(raw, &p)) {
        INSIST(p.count <= API_SEGMENTS_MAX);
        for (size_t i = 0; i < p.count; i++)
            INSIST(p.segments[i].len && (i + 1 == p.count || !text_has_control(p.segments[i])));
        for (size_t i = 0; i < 3; i++) {
            enum api_call call = api_path_route(&p, slice_str(methods[i]));
            if (call == API_NOTHING)
                continue;
            INSIST(i < 2 && p.count >= 3 && p.function >= 2 && p.function < p.count);
            struct buf path;
            buf_init(&path, 1 << 16);
            api_path_add(&p, &path);
            INSIST(path.len && !path.failed);
            INSIST(!api_path_is_plain(&p) ||
                   (!memmem(path.ptr, path.len, "//", 2) && !memchr(path.ptr, ' ', path.len)));
            buf_clear(&path);
        }
    }
    api_path_clear(&p);
}

static void moments(struct slice text)
{
    wall_ms at = 0, again = 0;
    char written[API_TIME_LEN + 1];
    if (!api_time_read(text, &at))
        return;
    api_time_write(at, written);
    INSIST(api_time_read(slice_str(written), &again) && again == at);
    if (text.len == 19)
        INSIST(memcmp(text.ptr, written, 19) == 0);
}

static bool find_account(void *ctx, struct slice credentials, struct caller *who)
{
    return accounts_find(ctx, credentials, who);
}

static void logins(struct slice header)
{
    static struct login_guard *guard;
    static uint32_t host;
    struct login_book book = {find_account, world.conf};
    struct addr peer = {.family = 4, .ip = {10}};
    struct caller who = {0};
    if (!guard)
        guard = login_guard_new();
    host++;
    memcpy(peer.ip + 1, &host, 3);
    enum login_verdict v = login_check(guard, &book, &peer, header, 1000000, &who).verdict;
    INSIST((v == LOGIN_OK) == (who.account != NULL) && v != LOGIN_LIMITED);
    if (v == LOGIN_OK)
        INSIST(memmem(header.ptr, header.len, world.login[who.role == ROLE_ADMIN ? 0 : 1], 20));
}

static bool is_of_api(struct slice path)
{
    static const struct route rows[] = {{METHOD_ANY, "/v3/...", 0, NULL}};
    struct route_match m;
    return route_find(rows, 1, SLICE_LIT("GET"), path, &m) == ROUTE_FOUND;
}

/* --- a call --- */

static void turn(void)
{
    event_base_loop(loop_base(world.loop), EVLOOP_NONBLOCK);
    fake_turn();
}

/* Every byte of S that a request target may have. */
static void add_target(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] > ' ' && s.ptr[i] < 0x7f && !strchr("\"#<>\\^`{|}", s.ptr[i]))
            buf_add_char(b, s.ptr[i]);
}

static void check_envelope(struct slice body, uint64_t status)
{
    enum { TASKS, COUNT, ERRORS, MEMBERS };
    struct json_member m[MEMBERS] = {[TASKS] = {.name = "tasks"},
                                     [COUNT] = {.name = "tasks_count"},
                                     [ERRORS] = {.name = "tasks_error"}};
    uint64_t count = 0, errors = 0;
    INSIST(json_scan_accepts(body));
    json_cut_members(body, m, MEMBERS);
    struct slice tasks = m[TASKS].value;
    if (status != 200 || m[TASKS].times == 0)
        return; /* a refusal of the server itself, or a result as it was stored */
    if (text_u64(m[COUNT].value, 1000, &count) == OK &&
        text_u64(m[ERRORS].value, 1000, &errors) == OK)
        INSIST(errors <= count && (json_cut_kind(tasks) == 'n' || json_cut_count(tasks) == count));
}

/* BYTES is everything that the server said. */
static void check_answer(struct slice bytes, bool is_api, bool is_right)
{
    uint64_t status = 0, length = 0;
    const char *end = memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4);
    INSIST(end && bytes.len > 12 && text_u64(slice_make(bytes.ptr + 9, 3), 599, &status) == OK);
    struct slice head = slice_make(bytes.ptr, (size_t)(end - bytes.ptr) + 2);
    struct slice body = slice_skip(bytes, head.len + 2);
    const char *at = memmem(head.ptr, head.len, "Content-Length: ", 16);
    struct slice rest = slice_skip(head, at ? (size_t)(at - head.ptr) + 16 : 0);
    INSIST(at && text_u64(slice_cut(&rest, '\r'), 1 << 30, &length) == OK);
    INSIST(body.len == length || body.len == 0); /* one answer; HEAD has no body */
    if (!is_api)
        return;
    INSIST(is_right ? status != 401 : status == 401 || status >= 400);
    INSIST(status == 200 || status == 400 || status == 401 || status == 404 || status == 405 ||
           status == 413 || status == 414 || status == 500);
    if (body.len)
        check_envelope(body, status);
}

static void ask(struct admin *admin, struct slice request, bool is_api, bool is_right)
{
    char bytes[65536];
    struct buf answer;
    buf_init(&answer, 1 << 24);
    int fd = dial(admin_http(admin));
    INSIST(send(fd, request.ptr, request.len, MSG_NOSIGNAL) == (ssize_t)request.len);
    ssize_t n = -1;
    for (int i = 0; i < TURNS && n != 0; i++) {
        turn();
        while ((n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
            buf_add(&answer, bytes, (size_t)n);
        if (n < 0 && errno != EAGAIN)
            break;
    }
    if (answer.len) /* nothing: Redis left something out, and is waited for */
        check_answer(buf_slice(&answer), is_api, is_right);
    close(fd);
    buf_clear(&answer);
}

static void call(struct slice line, struct slice login, struct slice body, struct slice replies)
{
    struct admin *admin = NULL;
    struct error e;
    struct admin_setup setup = {.conf = world.conf,
                                .metrics = world.metrics,
                                .workers_are_ready = workers_are_ready,
                                .count_waiting = count_waiting,
                                .on_ready = on_ready};
    INSIST(admin_open(world.loop, &setup, &admin, &e) == OK);
    fake.replies = slice_make(NULL, 0);
    for (int i = 0; i < TURNS && !admin_is_ready(admin); i++)
        turn();
    fake.replies = replies;
    struct slice target = line, method = slice_cut(&target, ' ');
    bool is_post = slice_eq(method, SLICE_LIT("POST")),
         is_right = !login.len || login.ptr[0] == '=';
    struct buf b;
    buf_init(&b, 1 << 24);
    buf_addf(&b, "%s /", is_post ? "POST" : slice_eq(method, SLICE_LIT("PUT")) ? "PUT" : "GET");
    add_target(&b, target);
    struct slice path = slice_skip(buf_slice(&b), is_post ? 5 : 4);
    path = slice_cut(&path, '?');
    bool is_api = is_of_api(path) && path.len < 4096;
    buf_addf(&b, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n", body.len);
    buf_add_str(&b, "Authorization: Basic ");
    if (is_right)
        buf_add_str(&b, world.login[login.len ? 1 : 0]);
    else
        add_target(&b, login);
    buf_add_str(&b, "\r\n\r\n");
    buf_add_slice(&b, body);
    ask(admin, buf_slice(&b), is_api, is_right);
    admin_close(admin);
    turn();
    fake_end();
    buf_clear(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!world.loop)
        set_up();
    struct slice body = slice_make(data, size), replies = {0};
    struct slice line = fuzz_line(&body), login = fuzz_line(&body);
    const char *mark = body.len ? memmem(body.ptr, body.len, "\n~~\n", 4) : NULL;
    if (mark) {
        replies = slice_skip(body, (size_t)(mark - body.ptr) + 4);
        body.len = (size_t)(mark - body.ptr);
    }
    paths(line);
    moments(line);
    logins(login);
    if (memmem(login.len ? login.ptr : "", login.len, world.login[0], 20) ||
        memmem(login.len ? login.ptr : "", login.len, world.login[1], 20))
        return 0;
    call(line, login, body, replies);
    return 0;
}
