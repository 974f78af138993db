"""What the pytest suites share: private servers, the programs under test, senders, a scripted downstream.

Runs with Debian's python3, python3-pytest and python3-redis, the standard library otherwise. Nothing here
imports anything of the product: signatures and key names are written down a second time on purpose.

    paths         where the programs under test are
    wait          wait_for(condition, timeout, message)
    redis_server  RedisServer: a private redis-server; Keys: the documented key names
    config        configurations as dicts
    programs      Receiver, Dispatcher: the processes, their logs, signals and listeners
    sign          every signature scheme, made independently
    http          Client, raw exchanges, a Sender of many requests that logs what was acknowledged
    downstream    Downstream: a recording HTTP(S) sink with scripted behaviour
    provider      Provider: a fake provider whose results are pulled
    certs         certificates, good and bad, by the openssl command
    oracle        where every delivery is; nothing acknowledged lost; gaps on a lane
    snapshot      all that is in Redis at one moment, and what is inconsistent in it
    proxy         Proxy: a bad network between two ends, changed while it runs
    rig           Rig: a running set under a fault, and the one judgement over all it did
    stack         Stack: all of the above for one test, stopped and freed at its end
"""
