
/*
 * Copyright (C) nginx-entra authors
 *
 * Preloaded into nginx by tests: a name server that does not answer, and a
 * libcurl that fails.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


typedef int (*getaddrinfo_pt)(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res);
typedef int (*socket_action_pt)(void *multi, int fd, int mask, int *running);


/* names that begin so are looked up for five seconds, in vain */

int
getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res)
{
    getaddrinfo_pt  next;

    if (node && strncmp(node, "blackhole", sizeof("blackhole") - 1) == 0) {
        sleep(5);
        return EAI_AGAIN;
    }

    next = (getaddrinfo_pt) dlsym(RTLD_NEXT, "getaddrinfo");

    return next(node, service, hints, res);
}


/* fails once for each file $TEST_FAIL that it finds */

int
curl_multi_socket_action(void *multi, int fd, int mask, int *running)
{
    const char        *file;
    socket_action_pt   next;

    file = getenv("TEST_FAIL");

    if (file && fd != -1 && access(file, F_OK) == 0 && unlink(file) == 0) {
        return 4;       /* CURLM_INTERNAL_ERROR */
    }

    next = (socket_action_pt) dlsym(RTLD_NEXT, "curl_multi_socket_action");

    return next(multi, fd, mask, running);
}
