/* The life of a call: routes, logins, bodies, clients that leave, and a drain. Clients are pairs of sockets. */
#include "common/ops/ops.h"

#include "common/base/text.h"
#include "common/net/loop.h"

#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { TURNS = 50 };

static struct loop *loop;
static struct ops *ops;
static struct login_guard *guard;
static struct ops_call *later; /* waits for its answer */
static int left;               /* calls whose client left before `run` */
static int empty;              /* times that the drain reported */
static char answer[4096];

/* --- the routes --- */

static void role_run(struct ops_call *c)
{
    ops_json(c, 200, c->who.role == ROLE_ADMIN ? SLICE_LIT("\"admin\"") : SLICE_LIT("\"other\""));
}

static void later_run(struct ops_call *c)
{
    later = c;
}

static void echo_run(struct ops_call *c)
{
    ops_json(c, 200, buf_slice(&c->body));
}

static enum flow refuse_head(struct ops_call *c)
{
    if (http_header(c->http, "x-refuse", NULL).len == 0)
        return GO_ON;
    ops_error(c, 409, SLICE_LIT(""), "refused", "by its head");
    return ENDED;
}

static void count_left(struct ops_call *c)
{
    assert_null(c->http);
    left++;
}

static void refused_run(struct ops_call *c, enum ops_refusal why)
{
    ops_json(c, 418, why == OPS_UNKNOWN ? SLICE_LIT("\"unknown\"") : SLICE_LIT("\"other\""));
}

static const struct ops_handler role = {.run = role_run}, late = {.run = later_run};
static const struct ops_handler echo = {
    .run = echo_run, .body_max = 8, .head = refuse_head, .left = count_left};
static const struct ops_handler own = {.run = role_run, .refused = refused_run};

static const struct route first[] = {
    {METHOD_GET, "/open", 0, &role},
    {METHOD_GET, "/later", 0, &late},
    {METHOD_POST, "/echo", 0, &echo},
};
static const struct route second[] = {
    {METHOD_GET, "/admin", ROLE_ADMIN, &role},
    {METHOD_GET, "/both", ROLE_ADMIN | ROLE_USER, &role},
    {METHOD_GET, "/own", ROLE_ADMIN, &own},
};

static bool find_account(void *ctx, struct slice credentials, struct caller *who)
{
    (void)ctx;
    who->account = ctx;
    who->role = slice_eq(credentials, SLICE_LIT("root:secret")) ? ROLE_ADMIN : ROLE_USER;
    return who->role == ROLE_ADMIN || slice_eq(credentials, SLICE_LIT("joe:secret"));
}

static int setup(void **state)
{
    struct error e;
    struct ops_setup setup = {.listen = "127.0.0.1:0",
                              .limits = {.uri_max = 1024,
                                         .headers_max = 4096,
                                         .header_count_max = 20,
                                         .body_max = 1024,
                                         .header_timeout_us = 10000000,
                                         .body_timeout_us = 10000000,
                                         .idle_timeout_us = 10000000,
                                         .connections_max = 10},
                              .login = {.find = find_account}};
    (void)state;
    left = empty = 0;
    later = NULL;
    loop = loop_new();
    setup.guard = guard = login_guard_new();
    assert_int_equal(ops_open(loop, &setup, &ops, &e), OK);
    ops_add(ops, first, sizeof first / sizeof *first, NULL);
    ops_add(ops, second, sizeof second / sizeof *second, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ops_close(ops);
    login_guard_free(guard);
    loop_free(loop);
    return 0;
}

/* --- a client --- */

static void turns(void)
{
    for (int i = 0; i < TURNS; i++)
        event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
}

static int dial(const char *request)
{
    struct addr peer = {.family = 4, .ip = {192, 0, 2, 1}};
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    http_server_take(ops_http(ops), ends[1], &peer);
    assert_int_equal(send(ends[0], request, strlen(request), MSG_NOSIGNAL), strlen(request));
    turns();
    return ends[0];
}

/* The status of what FD has got, with all of it in `answer`; 0 if there is nothing. */
static int read_status(int fd)
{
    uint64_t status = 0;
    ssize_t n = recv(fd, answer, sizeof answer - 1, MSG_DONTWAIT);
    answer[n > 0 ? n : 0] = '\0';
    if (n > 12)
        assert_int_equal(text_u64(slice_make(answer + 9, 3), 599, &status), OK);
    return (int)status;
}

static int ask(const char *method, const char *path, const char *headers, const char *body)
{
    char request[1024];
    snprintf(request, sizeof request,
             "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n%s\r\n%s", method, path,
             strlen(body), headers, body);
    int fd = dial(request);
    int status = read_status(fd);
    close(fd);
    turns();
    return status;
}

static int ask_as(const char *login, const char *path)
{
    char headers[256] = "Authorization: Basic ";
    size_t at = strlen(headers);
    at += text_base64(login, strlen(login), headers + at);
    strcpy(headers + at, "\r\n");
    return ask("GET", path, headers, "");
}

/* --- the tests --- */

static void routes_of_all_tables(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/open", "", ""), 200);
    assert_int_equal(ask("GET", "/nothing", "", ""), 404);
    assert_int_equal(ask("POST", "/open", "", ""), 405);
    assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD\r\n"));
    assert_int_equal(ask("HEAD", "/open", "", ""), 200);
    assert_null(strstr(answer, "other"));
}

static void roles(void **state)
{
    (void)state;
    assert_int_equal(ask_as("root:secret", "/admin"), 200);
    assert_non_null(strstr(answer, "\"admin\""));
    assert_int_equal(ask_as("joe:secret", "/admin"), 403);
    assert_int_equal(ask_as("joe:secret", "/both"), 200);
    assert_int_equal(ask_as("root:secret", "/both"), 200);
}

static void logins(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/both", "", ""), 401);
    assert_non_null(strstr(answer, "\r\nWWW-Authenticate: Basic "));
    assert_int_equal(ask("GET", "/both", "Origin: http://other\r\n", ""), 401);
    assert_null(strstr(answer, "WWW-Authenticate"));
    for (int i = 0; i < GUESSES; i++)
        assert_int_equal(ask_as("root:wrong", "/both"), 401);
    assert_int_equal(ask_as("root:secret", "/both"), 401);
    assert_non_null(strstr(answer, "\r\nRetry-After: 1\r\n"));
    assert_int_equal(ask("GET", "/open", "", ""), 200); /* needs no login */
}

static void a_handler_may_refuse_in_its_own_form(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/own", "", ""), 418);
    assert_non_null(strstr(answer, "\"unknown\""));
    assert_int_equal(ask_as("joe:secret", "/own"), 418);
    assert_non_null(strstr(answer, "\"other\""));
}

static void bodies(void **state)
{
    (void)state;
    assert_int_equal(ask("POST", "/echo", "", "12345678"), 200);
    assert_non_null(strstr(answer, "12345678"));
    assert_int_equal(ask("POST", "/echo", "", "123456789"), 413);
    assert_int_equal(ask("POST", "/echo", "X-Refuse: 1\r\n", "1234"), 409);
    assert_int_equal(left, 1); /* the server itself refused the one that was too long */
}

static void a_client_leaves_before_its_body_is_whole(void **state)
{
    (void)state;
    int fd = dial("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n12");
    close(fd);
    turns();
    assert_int_equal(left, 1);
}

static void a_client_leaves_before_its_answer(void **state)
{
    (void)state;
    int fd = dial("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_non_null(later);
    close(fd);
    ops_close(ops);
    assert_null(later->http);
    ops_json(later, 200, SLICE_LIT("{}")); /* goes to nobody, and frees the call */
    ops = NULL;
}

static void count_empty(void *ctx)
{
    (void)ctx;
    empty++;
}

static void a_drain_waits_for_calls_that_have_begun(void **state)
{
    (void)state;
    int fd = dial("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    ops_drain(ops, count_empty, NULL);
    turns();
    assert_int_equal(empty, 0);
    ops_json(later, 200, SLICE_LIT("{}"));
    turns();
    assert_int_equal(read_status(fd), 200);
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    assert_int_equal(empty, 1);
    close(fd);
}

static void an_idle_listener_is_empty_at_once(void **state)
{
    (void)state;
    ops_drain(ops, count_empty, NULL);
    assert_int_equal(empty, 0); /* never before the call returns */
    turns();
    assert_int_equal(empty, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(routes_of_all_tables, setup, teardown),
        cmocka_unit_test_setup_teardown(roles, setup, teardown),
        cmocka_unit_test_setup_teardown(logins, setup, teardown),
        cmocka_unit_test_setup_teardown(a_handler_may_refuse_in_its_own_form, setup, teardown),
        cmocka_unit_test_setup_teardown(bodies, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_leaves_before_its_body_is_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_leaves_before_its_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(a_drain_waits_for_calls_that_have_begun, setup, teardown),
        cmocka_unit_test_setup_teardown(an_idle_listener_is_empty_at_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
