#include "common/program/program.h"
#include "dispatcher/dispatcher.h"

int main(int argc, char **argv)
{
    struct config *conf = NULL;
    const char *path = NULL;
    int code = program_start(argc, argv, "hookpace-dispatcher",
                             "relays webhooks from the queue to their destinations", &conf, &path);
    return code >= 0 ? code : dispatcher_run(conf, path);
}
