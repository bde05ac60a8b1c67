
/*
 * Copyright (C) nginx-entra authors
 *
 * The platform that the core runs on: time, HTTP, processes, timers, the log.
 * The nginx module implements it on nginx's event loop, unit tests with a
 * fake.  Everything here is asynchronous and single-threaded: a callback is
 * never called from inside the function that registers it.
 */

#ifndef ENTRA_IFACE_H
#define ENTRA_IFACE_H


#include "entra_err.h"


#define ENTRA_HTTP_HEADERS_MAX  8
#define ENTRA_HTTP_BODY_MAX     (256 * 1024)    /* of an answer, bytes */
#define ENTRA_PROCESS_ARGS_MAX  24
#define ENTRA_PROCESS_ENV_MAX   16
#define ENTRA_PROCESS_OUT_MAX   (64 * 1024)     /* of stdout and of stderr */


/*
 * A request.  All strings belong to the request and live until
 * entra_http_request_free(); the transport copies nothing.
 */

typedef struct {
    char         *name;
    char         *value;
} entra_http_header_t;

typedef struct {
    const char           *method;               /* "GET", "POST"; static */
    char                 *url;                  /* absolute */
    entra_http_header_t   headers[ENTRA_HTTP_HEADERS_MAX];
    unsigned              nheaders;
    entra_buf_t           body;                 /* wiped when freed */

    /*
     * never through entra_http_proxy, and plain http allowed: IMDS, Arc,
     * App Service and other endpoints of the machine itself
     */
    unsigned              local:1;

    /*
     * what it brings is given once, for a code or a refresh token: a worker
     * that shuts down waits for it
     */
    unsigned              once:1;

    /* for one caller's token: shared credentials go first */
    unsigned              caller:1;

    /* SHA-1 of the server's certificate, hex; replaces CA checks, or NULL */
    char                 *pinned_sha1;

    /* PEM of CAs that replaces the configured ones, or NULL */
    char                 *ca_pem;

    /*
     * "host:port" to connect to in place of the URL's host, which TLS names
     * and verifies all the same; NULL: the URL's
     */
    char                 *connect_to;

    unsigned              connect_timeout;      /* ms, 0: as configured */
    unsigned              timeout;              /* ms, 0: as configured */
} entra_http_request_t;


/* An answer, valid during the callback that delivers it only. */

typedef struct {
    int           status;                /* 0: no answer, see error */
    entra_str_t   body;                  /* at most ENTRA_HTTP_BODY_MAX */
    entra_str_t   content_type;
    entra_str_t   www_authenticate;      /* the first one */
    entra_str_t   location;
    int64_t       retry_after;          /* seconds, -1: none; dates resolved */
    unsigned      too_large:1;           /* the body was over its bound */
    unsigned      timed_out:1;
    unsigned      refused:1;             /* connection refused, no route */
    unsigned      no_files:1;            /* no descriptor is left here */
    unsigned      proxy_denied:1;        /* 407: other credentials for it */
    char          error[256];            /* transport's own words, status 0 */
} entra_http_reply_t;


/* A child process: absolute path, no shell, nothing inherited. */

typedef struct {
    char         *path;
    char         *argv[ENTRA_PROCESS_ARGS_MAX + 1];     /* NULL-terminated */
    char         *env[ENTRA_PROCESS_ENV_MAX + 1];       /* "NAME=value" */
    unsigned      timeout;               /* ms; then the group is killed */
} entra_process_t;

typedef struct {
    int           started;              /* 0: path missing or not executable */
    int           status;               /* exit code; 128 + signal; -1: ? */
    unsigned      timed_out:1;
    unsigned      too_large:1;
    entra_str_t   out;
    entra_str_t   err;
} entra_process_result_t;


typedef void (*entra_http_done_pt)(void *ctx, const entra_http_reply_t *reply);
typedef void (*entra_process_done_pt)(void *ctx,
    const entra_process_result_t *result);
typedef void (*entra_timer_done_pt)(void *ctx);


typedef enum {
    ENTRA_LOG_ERR = 0,
    ENTRA_LOG_WARN,
    ENTRA_LOG_NOTICE
} entra_log_level_e;


typedef struct entra_platform_s  entra_platform_t;

struct entra_platform_s {
    void      *data;                    /* passed back as the first argument */

    /* seconds since the epoch, may step */
    int64_t  (*wall)(void *data);

    /*
     * Each starts something and returns a handle for cancel, or NULL when it
     * could not be started at all.  After cancel the callback does not come.
     * A handle is dead as soon as its callback is called.
     */
    void    *(*http)(void *data, const entra_http_request_t *request,
                 entra_http_done_pt done, void *ctx);
    void     (*http_cancel)(void *data, void *handle);

    void    *(*process)(void *data, const entra_process_t *process,
                 entra_process_done_pt done, void *ctx);
    void     (*process_cancel)(void *data, void *handle);

    void    *(*timer)(void *data, unsigned ms, entra_timer_done_pt done,
                 void *ctx);
    void     (*timer_cancel)(void *data, void *handle);

    /* text is one line without secrets */
    void     (*log)(void *data, entra_log_level_e level, const char *text);
};


void entra_http_request_init(entra_http_request_t *request);
void entra_http_request_free(entra_http_request_t *request);

/* copies name and value; -1 without memory, when full, or on CR, LF, NUL */
int entra_http_request_header(entra_http_request_t *request, const char *name,
    entra_str_t value);

void entra_process_init(entra_process_t *process);
void entra_process_free(entra_process_t *process);
int entra_process_arg(entra_process_t *process, const char *arg);
int entra_process_env(entra_process_t *process, const char *name,
    const char *value);


#endif /* ENTRA_IFACE_H */
