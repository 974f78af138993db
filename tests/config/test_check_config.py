"""The options of both programs: --check-config, --version, --help, bad usage and bad configurations."""

import json
import os
import subprocess

import pytest

from harness import certs, paths

PARTS = ("receiver", "dispatcher")

SECRETS = {name: "0123456789abcdef" for name in (
    "HOOKPACE_ADMIN_PASSWORD", "ACME_PASSWORD", "ACME_HMAC_KEY", "SERPHOUSE_SECRET", "SERPHOUSE_OLD_SECRET",
    "DATAFORSEO_TOKEN", "ORDERS_SECRET")}
SECRETS["ORDERS_SECRET"] = "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="

# every key of the documented example
WHOLE = {
    "redis": {"url": "redis://127.0.0.1:6379/0", "prefix": "hookpace", "partitions": 1, "timeout_ms": 2000},
    "receiver": {"listen": "0.0.0.0:8080", "threads": 1, "max_body_bytes": 10485760, "max_inflated_bytes": 104857600,
                 "max_inflight_bytes": 268435456, "header_timeout_ms": 10000, "body_timeout_ms": 30000,
                 "max_connections": 10000, "tls": {"cert": "server.pem", "key": "server.key"}},
    "admin": {"listen": "127.0.0.1:8081", "tls": None},
    "api": {"listen": None, "tls": None},
    "accounts": {"admin": {"password": "env:HOOKPACE_ADMIN_PASSWORD", "role": "admin"},
                 "acme": {"password": "env:ACME_PASSWORD", "role": "user", "delay_ms": 100, "payload": "envelope",
                          "order": "requeue", "concurrency": 16, "timeout_ms": 10000, "connect_timeout_ms": 3000,
                          "verify_tls": True, "ca_file": None, "crl_file": None, "client_cert": None, "client_key": None, "gzip": None, "headers": {"X-Team": "seo"},
                          "sign": {"scheme": "semscraper", "secrets": ["env:ACME_HMAC_KEY"]},
                          "retry": {"schedule_s": [5, 300], "jitter": 0.2}}},
    "dispatcher": {"listen": "127.0.0.1:8082", "concurrency": 256, "drain_ms": 15000,
                   "egress": {"allow": ["10.1.0.0/16"], "allow_accounts": ["10.2.0.0/16"], "deny": []}},
    "log": {"events": "all"}, "delay_ms": 0, "delay_step_ms": 100,
    "retention": {"done_s": 86400, "dead_s": 604800, "dedup_s": 86400},
    "sources": {
        "serphouse": {"verify": {"scheme": "serphouse", "secrets": ["env:SERPHOUSE_SECRET", "env:SERPHOUSE_OLD_SECRET"]},
                      "id": ["/id"], "tag": ["/tag"], "to": ["orders"]},
        "dataforseo": {"verify": {"scheme": "token", "secrets": ["env:DATAFORSEO_TOKEN"]},
                       "id": ["/tasks/0/id"], "tag": ["/tasks/0/data/tag"], "to": ["orders", "audit"]},
        "inbox": {"verify": {"scheme": "none", "allow": ["203.0.113.0/24"]}, "to": []}},
    "destinations": {
        "orders": {"postback_url": "https://app.example/hook?id=$id&tag=$tag", "lane": "orders", "delay_ms": 100,
                   "order": "requeue", "concurrency": 16, "timeout_ms": 10000, "connect_timeout_ms": 3000,
                   "verify_tls": True, "ca_file": None, "crl_file": None, "client_cert": None, "client_key": None, "gzip": None, "headers": {"X-Team": "seo"},
                   "sign": {"scheme": "serphouse", "secrets": ["env:ORDERS_SECRET"]},
                   "retry": {"schedule_s": [5, 300, 1800, 7200, 18000, 36000, 36000], "jitter": 0.2}},
        "audit": {"pingback_url": "https://audit.example/ping?id=$id&tag=$tag"}},
}


def run(part, *args, env=None, cwd=None):
    """Runs the receiver, the dispatcher, or the command (PART "cli")."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HOOKPACE_")}
    return subprocess.run([paths.command() if part == "cli" else paths.program(part), *map(str, args)], env={**clean, **(env or {})}, cwd=cwd,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)


def written(directory, conf, name="hookpace.json"):
    path = directory / name
    path.write_text(conf if isinstance(conf, str) else json.dumps(conf, indent=2))
    return path


@pytest.fixture
def whole(tmp_path):
    """WHOLE with its certificate, in a directory that is not the programs' working directory."""
    cert, key = certs.Authority(tmp_path / "ca").good()
    (tmp_path / "server.pem").write_bytes(cert.read_bytes())
    (tmp_path / "server.key").write_bytes(key.read_bytes())
    return written(tmp_path, WHOLE)


@pytest.mark.parametrize("part", PARTS)
def test_the_documented_example_is_in_order(part, whole):
    done = run(part, "--config", whole, "--check-config", env=SECRETS)
    note, _, rest = done.stdout.partition("\n")
    assert note.startswith("sources.inbox: warning: ")  # it takes anything from anybody and names no id
    assert (done.returncode, rest, done.stderr) == (0, "config ok\n", "")


@pytest.mark.parametrize("part", PARTS)
def test_the_file_to_start_from_is_in_order(part):
    env = {**SECRETS, "ORDERS_URL": "http://127.0.0.1:9000/hook?id=$id&tag=$tag",
           "AUDIT_URL": "http://127.0.0.1:9000/ping?id=$id&tag=$tag"}
    done = run(part, "--check-config", "--config", paths.REPOSITORY / "hookpace.example.json", env=env)
    assert (done.returncode, done.stdout) == (0, "config ok\n")


@pytest.mark.parametrize("part", PARTS)
def test_every_problem_is_told(part, whole):
    conf = json.loads(json.dumps(WHOLE))
    conf["destinations"]["orders"]["delay_ms"] = 75
    conf["sources"]["serphouse"]["to"] = ["ordres"]
    conf["redis"]["prefx"] = "x"
    conf["receiver"]["threads"] = 0
    whole.write_text(json.dumps(conf))
    checked = run(part, "--config", whole, "--check-config", env=SECRETS)
    assert checked.returncode == 2
    assert sorted(checked.stdout.splitlines()) == sorted([
        'redis.prefx: unknown key; did you mean "prefix"?',
        "receiver.threads: must be a whole number from 1 to 64",
        "destinations.orders.delay_ms: 75 is not allowed; use 0, 50, or a multiple of 100 up to 1000 (delay_step_ms)",
        'sources.serphouse.to[0]: no such destination; did you mean "orders"?'])
    started = run(part, "--config", whole, env=SECRETS)
    assert started.returncode == 2 and started.stdout == ""
    for line in checked.stdout.splitlines():
        assert line in started.stderr


@pytest.mark.parametrize("part", PARTS)
def test_names_of_the_admin_listener_are_checked(part, whole):
    hosts = ["hookpace.example:8081", "", "*.example", "http://hookpace.example", "[::1]", "two names"]
    whole.write_text(json.dumps({**WHOLE, "admin": {"hosts": ["hookpace.example", *hosts]}}))
    checked = run(part, "--config", whole, "--check-config", env=SECRETS)
    assert checked.returncode == 2
    assert [line.split(": ")[0] for line in checked.stdout.splitlines()] == [f"admin.hosts[{n + 1}]" for n in range(len(hosts))]
    assert all("must be a host name without a port" in line for line in checked.stdout.splitlines())


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("mode", ["keep", "always"])
def test_signed_gzip_is_warned_of(part, mode, whole):
    """What is wrong, where, what to do; and the configuration is in order all the same."""
    conf = json.loads(json.dumps(WHOLE))
    conf["destinations"]["orders"]["gzip"] = conf["destinations"]["audit"]["gzip"] = mode
    conf["accounts"]["acme"]["gzip"] = conf["accounts"]["admin"]["gzip"] = mode
    whole.write_text(json.dumps(conf))
    done = run(part, "--config", whole, "--check-config", env=SECRETS)
    says = (f"warning: is {mode} although `sign` is set, and receivers that verify the plain bytes refuse a signature over gzip; "
            "use null or never")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in done.stdout.splitlines() if not line.startswith("sources.")]
    assert lines == [f"accounts.acme.gzip: {says}", f"destinations.orders.gzip: {says}", "config ok"]
    conf["delay_ms"] = 75
    whole.write_text(json.dumps(conf))
    done = run(part, "--config", whole, "--check-config", env=SECRETS)
    assert done.returncode == 2 and "warning" not in done.stdout, "problems come first"


def encrypted(key):
    """KEY with a passphrase, beside it."""
    made = key.with_suffix(".locked")
    subprocess.run(["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", made], check=True, capture_output=True)
    return made


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("owner", ["destinations.orders", "accounts.acme"])
def test_files_of_tls_are_checked(part, owner, whole, tmp_path):
    """Each fault has the path of its key and the name of the file, and nobody is asked for a passphrase."""
    authority = certs.Authority(tmp_path / "of clients")
    (cert, key), (other, _) = authority.client("one"), authority.client("two")
    crl, over = tmp_path / "good.crl", tmp_path / "over.crl"
    crl.write_bytes(authority.revoke().read_bytes())
    over.write_bytes(authority.revoke(over=True).read_bytes())
    empty, junk, cut = tmp_path / "empty.pem", tmp_path / "junk.pem", tmp_path / "cut.pem"
    empty.write_text("")
    junk.write_text("no PEM\n" * 9)
    cut.write_text(crl.read_text() + "-----BEGIN X509 CRL-----\nMIIB\n")
    locked, cases = encrypted(key), []
    chain = tmp_path / "chain.pem"
    chain.write_text(cert.read_text() + authority.ca.read_text())
    both = tmp_path / "both.pem"
    both.write_text(cert.read_text() + key.read_text())
    for settings in ({"client_cert": cert, "client_key": key}, {"client_cert": chain, "client_key": key}, {"client_cert": both, "client_key": both},
                     {"crl_file": crl}):
        cases.append((settings, None, ""))
    cases += [({"client_cert": cert}, "client_cert", "needs client_key"), ({"client_key": key}, "client_key", "needs client_cert"),
              ({"client_cert": cert, "client_key": tmp_path / "none"}, "client_key", "cannot open the file"),
              ({"client_cert": tmp_path / "none", "client_key": key}, "client_cert", "cannot open the file"),
              ({"client_cert": cert, "client_key": empty}, "client_key", "no private key"),
              ({"client_cert": junk, "client_key": key}, "client_cert", "no certificate"),
              ({"client_cert": other, "client_key": key}, "client_key", "does not match"),
              ({"client_cert": cert, "client_key": locked}, "client_key", "has a passphrase"),
              ({"client_cert": tmp_path, "client_key": key}, "client_cert", "is not a file"),
              ({"crl_file": tmp_path / "none"}, "crl_file", "cannot open the file"), ({"crl_file": empty}, "crl_file", "no revocation list"),
              ({"crl_file": cert}, "crl_file", "no revocation list"), ({"crl_file": cut}, "crl_file", "no revocation list"),
              ({"crl_file": crl, "verify_tls": False}, "crl_file", "has no effect"), ({"crl_file": over}, "crl_file", "warning: has a list past")]
    for settings, key_name, says in cases:
        conf = json.loads(json.dumps(WHOLE))
        section, name = owner.split(".")
        conf[section][name].update({k: v if isinstance(v, bool) else str(v) for k, v in settings.items()})
        whole.write_text(json.dumps(conf))
        done = run(part, "--config", whole, "--check-config", env=SECRETS)
        lines = [line for line in done.stdout.splitlines() if not line.startswith("sources.") and line != "config ok"]
        assert done.stderr == "" and done.returncode == (2 if says and "warning" not in says else 0), (settings, done)
        assert len(lines) == bool(says) and (not says or lines[0].startswith(f"{owner}.{key_name}: ") and says in lines[0]), (settings, lines)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("listener", ["receiver", "admin", "api"])
def test_a_key_of_a_listener_with_a_passphrase(part, listener, whole, tmp_path):
    """It is refused without a question, also where there is a terminal to ask on."""
    conf = json.loads(json.dumps(WHOLE))
    conf[listener]["listen"] = "127.0.0.1:0"
    conf[listener]["tls"] = {"cert": "server.pem", "key": str(encrypted(tmp_path / "server.key"))}
    whole.write_text(json.dumps(conf))
    done = subprocess.run(["script", "-qec", f"{paths.program(part)} --config '{whole}' --check-config", "/dev/null"], env={**os.environ, **SECRETS},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2 and "has a passphrase" in done.stdout and "pass phrase" not in done.stdout.lower(), done.stdout


@pytest.mark.parametrize("part", PARTS)
def test_a_range_that_has_loopback_opens_none_of_it(part, whole):
    conf = json.loads(json.dumps(WHOLE))
    conf["dispatcher"]["egress"]["allow_accounts"] = ["127.0.0.1/32", "::1", "127.0.0.0/8", "10.0.0.0/8", "::/0", "127.1.0.0/16"]
    whole.write_text(json.dumps(conf))
    done = run(part, "--config", whole, "--check-config", env=SECRETS)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("sources.")]
    says = "warning: does not open loopback: an address of the dispatcher's own machine must be listed itself, as 127.0.0.1/32"
    assert (done.returncode, lines) == (0, [f"dispatcher.egress.allow_accounts[{n}]: {says}" for n in (2, 4, 5)] + ["config ok"])


@pytest.mark.parametrize("part", PARTS)
def test_accounts_are_checked_as_destinations_are(part, whole):
    wrong = {"delay_ms": 75, "order": "fiof", "concurrency": 0, "timeout_ms": "1", "connect_timeout_ms": 0, "verify_tls": 1,
             "ca_file": "none.pem", "gzip": "some", "headers": {"Host": "h"}, "retry": {"jitter": 2}, "timeuot_ms": 1,
             "sign": {"scheme": "none"}}
    conf = json.loads(json.dumps(WHOLE))
    conf["accounts"]["acme"].update(wrong)
    conf["destinations"]["orders"].update(wrong)
    whole.write_text(json.dumps(conf))
    done = run(part, "--config", whole, "--check-config", env=SECRETS)
    assert done.returncode == 2
    told = {owner: sorted(line.removeprefix(owner) for line in done.stdout.splitlines() if line.startswith(owner))
            for owner in ("accounts.acme", "destinations.orders")}
    assert told["accounts.acme"] == told["destinations.orders"]
    assert {line.split(":")[0] for line in told["accounts.acme"]} == {
        ".delay_ms", ".order", ".concurrency", ".timeout_ms", ".connect_timeout_ms", ".verify_tls", ".ca_file", ".gzip",
        ".headers.Host", ".retry.jitter", ".timeuot_ms", ".sign.scheme"}


@pytest.mark.parametrize("part", PARTS)
def test_secrets_must_be_there_and_are_not_shown(part, whole):
    env = {**SECRETS, "ORDERS_SECRET": "hunter2", "ACME_PASSWORD": ""}
    del env["SERPHOUSE_OLD_SECRET"]
    done = run(part, "--config", whole, "--check-config", env=env)
    assert done.returncode == 2
    assert sorted(line.split(":")[0] for line in done.stdout.splitlines()) == [
        "accounts.acme.password", "destinations.orders.sign.secrets[0]", "sources.serphouse.verify.secrets[1]"]
    assert "SERPHOUSE_OLD_SECRET is not set" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr and SECRETS["SERPHOUSE_SECRET"] not in done.stdout


def test_a_key_that_does_not_belong_to_the_certificate(whole, tmp_path):
    _, other = certs.Authority(tmp_path / "ca2").good()
    (tmp_path / "server.key").write_bytes(other.read_bytes())
    done = run("receiver", "--config", whole, "--check-config", env=SECRETS)
    assert done.returncode == 2 and done.stdout.startswith("receiver.tls: ")


@pytest.mark.parametrize("part", PARTS)
def test_where_the_file_is_looked_for(part, tmp_path):
    good, here = tmp_path / "good", tmp_path / "here"
    good.mkdir(), here.mkdir()
    named = written(good, {"sources": {}, "destinations": {}})
    written(here, "{")
    assert run(part, "--check-config", cwd=here).stdout == (
        "./hookpace.json: not valid JSON: line 1, column 2: the text ends too early\n")
    assert run(part, "--check-config", cwd=here, env={"HOOKPACE_CONFIG": str(named)}).stdout == "config ok\n"
    assert run(part, "--check-config", "--config", named, cwd=here).stdout == "config ok\n"
    missing = run(part, "--check-config", "--config", tmp_path / "none.json")
    assert missing.returncode == 2 and "No such file" in missing.stdout
    assert run(part, "--config", tmp_path / "none.json").returncode == 2
    if not os.path.exists("/etc/hookpace/hookpace.json"):
        none = run(part, "--check-config", cwd=tmp_path)
        assert none.returncode == 2 and "/etc/hookpace/hookpace.json\n" in none.stderr and "--config FILE" in none.stderr


@pytest.mark.parametrize("part", PARTS)
def test_version_and_help(part):
    done = run(part, "--version")
    assert (done.returncode, done.stdout) == (0, f"hookpace-{part} 0.1.0\n")
    assert run(part, "-V").stdout == done.stdout
    done = run(part, "--help")
    assert done.returncode == 0 and "--check-config" in done.stdout and done.stderr == ""
    assert run(part, "-h").stdout == done.stdout


def test_version_and_help_of_the_command():
    assert run("cli", "-V").stdout == run("cli", "--version").stdout == "hookpace 0.1.0\n"
    done = run("cli", "-h")
    assert done.returncode == 0 and "--env-file FILE" in done.stdout and done.stdout == run("cli", "--help").stdout


@pytest.mark.parametrize("part", [*PARTS, "cli"])
@pytest.mark.parametrize("args, what", [
    (["--confg", "x"], 'unknown option --confg; did you mean "--config"?'), (["-x"], "unknown option -x"),
    (["--nothing"], "unknown option --nothing"), (["--config"], "--config needs a value"),
    (["--version=1"], "--version"), (["--help=1"], "takes no value")])
def test_bad_usage(part, args, what):
    """One line that says what is wrong, and where the options are explained."""
    done = run(part, *args)
    assert (done.returncode, done.stdout) == (2, "")
    said, hint, *rest = done.stderr.splitlines()
    assert said.startswith("hookpace" if part == "cli" else f"hookpace-{part}: ") and what in said, said
    assert hint.strip() == "try --help" and not rest


@pytest.mark.parametrize("part", PARTS)
def test_an_argument_that_nobody_expects(part):
    done = run(part, "file.json")
    assert done.returncode == 2 and done.stderr.splitlines()[0] == f"hookpace-{part}: unexpected argument file.json"


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name, value", [("HOOKPACE_LOG", "loud"), ("HOOKPACE_LOG_FORMAT", "xml")])
def test_a_log_setting_that_does_not_exist(part, name, value, tmp_path):
    path = written(tmp_path, {"sources": {}, "destinations": {}})
    done = run(part, "--config", path, env={name: value})
    assert done.returncode == 2 and name in done.stderr


def test_repeats_that_are_not_recognised(tmp_path):
    """What is valid and yet gives something up is said, and changes no exit code."""
    def source(verify, **more):
        return {"verify": verify | ({} if verify["scheme"] == "none" else {"secrets": ["0123456789"]}), "to": [], **more}

    token, stripe = {"scheme": "token"}, {"scheme": "stripe"}
    conf = {"redis": {"url": "redis://127.0.0.1:6379/0"}, "destinations": {}, "retention": {"dedup_s": 600}, "sources": {
        "noid": source(token), "body": source({"scheme": "none"}, repeats="body"), "named": source(token, id=["/id"]),
        "never": source(token, repeats="none"), "signed": source({"scheme": "github"}), "short": source(stripe),
        "long": source(stripe | {"tolerance_s": 301})}}
    for part in PARTS:
        done = run(part, "--check-config", "--config", written(tmp_path, conf))
        *notes, last = done.stdout.splitlines()
        assert (done.returncode, last) == (0, "config ok"), done
        assert sorted(note.split(": ")[0] for note in notes) == ["sources.body", "sources.long.verify.tolerance_s", "sources.noid"]
        assert all(": warning: " in note for note in notes)


@pytest.mark.parametrize("url, says", [
    ("redis+sentinel://:hunter2hunter2@a,b", "the name of the master is missing behind the addresses: write "
     "redis+sentinel://host:26379/<master name>/<db>"),
    ("redis+sentinel://:hunter2hunter2@a,b:x/m/0", "address 2 of 2: the port must be 1 to 65535"),
    ("redis+cluster://:hunter2hunter2@a,b/3", "a cluster has database 0 only; remove /3 at the end"),
    ("redis://:hunter2hunter2@a,b", "only one host:port may be given; several are those of sentinels (redis+sentinel://) or of a "
     "cluster (redis+cluster://)"),
    ("valkey://:hunter2hunter2@a", "must be redis://[user:password@]host:port/db, unix:///path?db=N, "
     "redis+sentinel://host:port,host:port/<master name>/<db> or redis+cluster://host:port,host:port; with rediss for TLS"),
])
def test_what_is_wrong_with_a_redis_url(url, says, tmp_path):
    """In the file and in the variable; and the password is not shown."""
    file = written(tmp_path, {"redis": {"url": url}, "sources": {}, "destinations": {}})
    done = run("receiver", "--check-config", "--config", file)
    assert (done.returncode, done.stdout) == (2, f"redis.url: {says}\n")
    file = written(tmp_path, {"sources": {}, "destinations": {}})
    done = run("dispatcher", "--check-config", "--config", file, env={"HOOKPACE_REDIS_URL": url})
    assert (done.returncode, done.stdout) == (2, f"redis.url (HOOKPACE_REDIS_URL): {says}\n")


def test_keys_of_redis_that_do_not_fit_its_url(tmp_path):
    redis = {"url": "redis://h", "tls": {"verify": False, "ca_file": "ca.pem"}, "sentinel_password": "p", "wait_replicas": 99}
    file = written(tmp_path, {"redis": redis, "sources": {}, "destinations": {}})
    done = run("receiver", "--check-config", "--config", file)
    assert (done.returncode, done.stdout) == (2, "redis.wait_replicas: must be a whole number from 0 to 8\n")
    redis["wait_replicas"] = 1
    done = run("receiver", "--check-config", "--config", written(tmp_path, {"redis": redis, "sources": {}, "destinations": {}}))
    assert (done.returncode, sorted(done.stdout.splitlines())) == (2, [
        "redis.sentinel_password: has no effect without redis+sentinel:// in redis.url; remove it",
        "redis.tls: has no effect without TLS: begin redis.url with rediss, or remove it"])
    redis = {"url": "rediss://h", "tls": {"verify": False}}
    done = run("receiver", "--check-config", "--config", written(tmp_path, {"redis": redis, "sources": {}, "destinations": {}}))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "config ok")
    assert "redis.tls.verify: warning: whoever is between" in done.stdout
    redis = {"url": "redis+cluster://:hunter2hunter2@a,b"}
    done = run("receiver", "--check-config", "--config", written(tmp_path, {"redis": redis, "sources": {}, "destinations": {}}))
    assert done.returncode == 0 and "redis.partitions: warning: is 1" in done.stdout


@pytest.mark.parametrize("name, meant", [
    ("HOOKPACE_LISTN", "HOOKPACE_LISTEN"), ("HOOKPACE_RECEIVER_THREDS", "HOOKPACE_RECEIVER_THREADS"), ("HOOKPACE_REDIS_URI", "HOOKPACE_REDIS_URL"),
    ("HOOKPACE_LOG_FROMAT", "HOOKPACE_LOG_FORMAT"), ("HOOKPACE_RETENTION_DONE", "HOOKPACE_RETENTION_DONE_S"), ("HOOKPACE_CONFG", "HOOKPACE_CONFIG")])
@pytest.mark.parametrize("part", PARTS)
def test_a_misspelt_variable_is_told(tmp_path, part, name, meant):
    done = run(part, "--check-config", "--config", written(tmp_path, {"sources": {}, "destinations": {}}), env={name: "4"})
    assert done.returncode == 0
    assert done.stdout.splitlines() == [f'{name}: warning: nothing reads this environment variable; did you mean "{meant}"?', "config ok"]


@pytest.mark.parametrize("name", [
    "HOOKPACE_PORT", "HOOKPACE_REDIS_IMAGE", "HOOKPACE_CONFIG_DIR", "HOOKPACE_CONFIG_FILE", "HOOKPACE_ENV_FILE", "HOOKPACE_MEMORY", "HOOKPACE_LOGIN", "HOOKPACE_URL",
    "HOOKPACE_RECEIVER_PORT", "HOOKPACE_RECEIVER_SERVICE_HOST", "HOOKPACE_ADMIN_PASSWORD", "HOOKPACE_LISTEN", "HOOKPACE_LOG", "MY_LISTEN"])
def test_a_variable_of_others_is_no_misspelling(tmp_path, name):
    """Compose reads some from .env, Kubernetes makes some for each Service, and people name secrets of their own."""
    value = "127.0.0.1:1" if name == "HOOKPACE_LISTEN" else "info"
    done = run("receiver", "--check-config", "--config", written(tmp_path, {"sources": {}, "destinations": {}}), env={name: value})
    assert (done.returncode, done.stdout) == (0, "config ok\n")
    named = {"sources": {}, "destinations": {}, "secrets_key": "env:HOOKPACE_SECRET_KEY"}
    done = run("receiver", "--check-config", "--config", written(tmp_path, named), env={"HOOKPACE_SECRET_KEY": "0123456789abcdef" * 4})
    assert (done.returncode, done.stdout) == (0, "config ok\n")
