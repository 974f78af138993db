"""What the pytest suites share: private servers, the programs under test, senders, a scripted downstream.

Runs with Debian's python3, python3-pytest and python3-redis, the standard library otherwise. Nothing here
imports anything of the product: signatures and key names are written down a second time on purpose.

    paths         where the programs under test are
    wait          wait_for(condition, timeout, message), stays, every, wait_exit
    redis_server  RedisServer: a private redis-server; Keys: the documented key names
    config        configurations as dicts
    programs      Receiver, Dispatcher: the processes, their logs, signals and listeners
    sign          every signature scheme, made independently
    http          Client, raw exchanges, a Sender of many requests that logs what was acknowledged
    downstream    Downstream: a recording HTTP(S) sink with scripted behaviour
    exchange      Request, Answer: what arrived at a sink, and what it does with it; sink_connection: on the wire
    provider      Provider: a fake provider whose results are pulled
    certs         certificates, good and bad, by the openssl command; a client that believes any
    ingest        receivers with sources of every scheme, and what their answers must look like
    pair          a receiver and dispatchers of the simple configuration, and the end of what they do
    fetching      a provider and both programs, for results that are only announced
    oracle        where every delivery is; nothing acknowledged lost; gaps on a lane
    snapshot      all that is in Redis at one moment, and what is inconsistent in it
    proxy         Proxy: a bad network between two ends, changed while it runs
    rig           Rig: a running set under a fault, and the one judgement over all it did
    figures       what each fault cost, as a table
    memory        what a program takes, and bytes that do not shrink
    namespace     a network of its own with its own name server; needs root
    stack         Stack: all of the above for one test, stopped and freed at its end
"""
