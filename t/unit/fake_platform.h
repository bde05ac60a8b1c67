
/*
 * Copyright (C) nginx-entra authors
 *
 * A platform for unit tests: time stands still until something waits for it,
 * answers are queued before they are asked for, and every request is kept.
 *
 *     fake_platform_t     w;
 *     fake_outcome_t  *o;
 *
 *     fake_init(&w);
 *     fake_reply(&w, 200, "{\"access_token\":\"T\", ...}");
 *     o = fake_acquire(&w, credential, "https://x/.default", NULL);
 *     is(o->token, "T", "token");
 *     is(w.requests[0].url, "https://...", "URL");
 *     fake_free(&w);
 *
 * A handle that is used after its callback, or callbacks that are never
 * delivered, are the bugs this is to find: the former aborts, the latter show
 * in fake_pending().
 */

#ifndef FAKE_PLATFORM_H
#define FAKE_PLATFORM_H


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entra_acquire.h"
#include "entra_cloud.h"
#include "entra_env.h"


#define FAKE_MAX  400


typedef enum {
    FAKE_HTTP,
    FAKE_PROCESS,
    FAKE_TIMER
} fake_kind_e;


typedef struct {
    fake_kind_e            kind;
    int                    live;
    int64_t                due;             /* of mono */
    void                  *ctx;
    entra_http_done_pt     http;
    entra_process_done_pt  process;
    entra_timer_done_pt    timer;
} fake_event_t;


typedef struct {
    char                  *method;
    char                  *url;
    char                  *headers;         /* "Name: value\n" each */
    char                  *body;
    char                  *pinned_sha1;
    char                  *ca_pem;
    char                  *connect_to;
    int                    local;
    unsigned               timeout;
    unsigned               connect_timeout;
} fake_request_t;


typedef struct {
    char                  *path;
    char                  *argv;            /* one word a line */
    char                  *env;
    unsigned               timeout;
} fake_command_t;


typedef struct {
    entra_http_reply_t     reply;
    char                  *body;
    char                  *content_type;
    char                  *www_authenticate;
} fake_reply_t;


typedef struct {
    entra_process_result_t result;
    char                  *out;
    char                  *err;
} fake_result_t;


typedef struct {
    int                    done;            /* times */
    int                    ok;
    char                   token[ENTRA_TOKEN_MAX + 1];
    int64_t                lifetime;
    int64_t                refresh_in;
    entra_err_t            err;
    char                   challenge[512];
} fake_outcome_t;


typedef struct {
    entra_platform_t       platform;
    int64_t                wall;            /* seconds */
    int64_t                mono;            /* ms, wall moves with it */

    fake_event_t          *events[FAKE_MAX];
    unsigned               nevents;

    fake_reply_t           replies[FAKE_MAX];
    unsigned               nreplies;
    unsigned               next_reply;

    fake_result_t          results[FAKE_MAX];
    unsigned               nresults;
    unsigned               next_result;

    fake_request_t         requests[FAKE_MAX];
    unsigned               nrequests;

    fake_command_t         commands[FAKE_MAX];
    unsigned               ncommands;

    unsigned               sleeps[FAKE_MAX];        /* ms, without the 0 */
    unsigned               nsleeps;

    int                    refuse;          /* nothing can be started */
    entra_buf_t            log;
    fake_outcome_t         outcome;
} fake_platform_t;


static int64_t
fake_wall(void *data)
{
    return ((fake_platform_t *) data)->wall;
}


static void
fake_log(void *data, entra_log_level_e level, const char *text)
{
    entra_buf_addf(&((fake_platform_t *) data)->log, "%d %s\n", (int) level,
                   text);
}


static char *
fake_dup(const char *text)
{
    return text ? strdup(text) : NULL;
}


static fake_event_t *
fake_event(fake_platform_t *w, fake_kind_e kind, void *ctx, int64_t due)
{
    fake_event_t  *event;

    if (w->nevents == FAKE_MAX) {
        abort();
    }

    event = calloc(1, sizeof(fake_event_t));
    event->kind = kind;
    event->live = 1;
    event->ctx = ctx;
    event->due = due;

    w->events[w->nevents++] = event;

    return event;
}


static void *
fake_http(void *data, const entra_http_request_t *request,
    entra_http_done_pt done, void *ctx)
{
    unsigned          i;
    entra_buf_t       b;
    fake_event_t     *event;
    fake_request_t   *r;
    fake_platform_t  *w = data;

    if (w->refuse) {
        return NULL;
    }

    r = &w->requests[w->nrequests++];
    r->method = fake_dup(request->method);
    r->url = fake_dup(request->url);
    r->body = fake_dup(entra_buf_str(&request->body).data);
    r->pinned_sha1 = fake_dup(request->pinned_sha1);
    r->ca_pem = fake_dup(request->ca_pem);
    r->connect_to = fake_dup(request->connect_to);
    r->local = request->local;
    r->timeout = request->timeout;
    r->connect_timeout = request->connect_timeout;

    entra_buf_init(&b, 100000);
    for (i = 0; i < request->nheaders; i++) {
        entra_buf_addf(&b, "%s: %s\n", request->headers[i].name,
                       request->headers[i].value);
    }
    r->headers = entra_buf_steal(&b);

    event = fake_event(w, FAKE_HTTP, ctx, w->mono);
    event->http = done;

    return event;
}


static void *
fake_process(void *data, const entra_process_t *process,
    entra_process_done_pt done, void *ctx)
{
    unsigned          i;
    entra_buf_t       b;
    fake_event_t     *event;
    fake_command_t   *c;
    fake_platform_t  *w = data;

    if (w->refuse) {
        return NULL;
    }

    c = &w->commands[w->ncommands++];
    c->path = fake_dup(process->path);
    c->timeout = process->timeout;

    entra_buf_init(&b, 100000);
    for (i = 0; process->argv[i]; i++) {
        entra_buf_addf(&b, "%s\n", process->argv[i]);
    }
    c->argv = entra_buf_steal(&b);

    for (i = 0; process->env[i]; i++) {
        entra_buf_addf(&b, "%s\n", process->env[i]);
    }
    c->env = entra_buf_steal(&b);

    event = fake_event(w, FAKE_PROCESS, ctx, w->mono);
    event->process = done;

    return event;
}


static void *
fake_timer(void *data, unsigned ms, entra_timer_done_pt done, void *ctx)
{
    fake_event_t     *event;
    fake_platform_t  *w = data;

    if (w->refuse) {
        return NULL;
    }

    if (ms) {
        w->sleeps[w->nsleeps++] = ms;
    }

    event = fake_event(w, FAKE_TIMER, ctx, w->mono + ms);
    event->timer = done;

    return event;
}


static void
fake_cancel(void *data, void *handle)
{
    fake_event_t  *event = handle;

    if (!event->live) {
        fprintf(stderr, "cancel of a dead handle\n");
        abort();
    }

    event->live = 0;
}


__attribute__((unused))
static void
fake_init(fake_platform_t *w)
{
    memset(w, 0, sizeof(fake_platform_t));

    w->wall = 1700000000;
    w->mono = 5000;
    entra_buf_init(&w->log, 100000);

    w->platform.data = w;
    w->platform.wall = fake_wall;
    w->platform.http = fake_http;
    w->platform.http_cancel = fake_cancel;
    w->platform.process = fake_process;
    w->platform.process_cancel = fake_cancel;
    w->platform.timer = fake_timer;
    w->platform.timer_cancel = fake_cancel;
    w->platform.log = fake_log;
}


__attribute__((unused))
static void
fake_free(fake_platform_t *w)
{
    unsigned  i;

    for (i = 0; i < w->nevents; i++) {
        free(w->events[i]);
    }

    for (i = 0; i < w->nreplies; i++) {
        free(w->replies[i].body);
        free(w->replies[i].content_type);
        free(w->replies[i].www_authenticate);
    }

    for (i = 0; i < w->nresults; i++) {
        free(w->results[i].out);
        free(w->results[i].err);
    }

    for (i = 0; i < w->nrequests; i++) {
        free(w->requests[i].method);
        free(w->requests[i].url);
        free(w->requests[i].headers);
        free(w->requests[i].body);
        free(w->requests[i].pinned_sha1);
        free(w->requests[i].ca_pem);
        free(w->requests[i].connect_to);
    }

    for (i = 0; i < w->ncommands; i++) {
        free(w->commands[i].path);
        free(w->commands[i].argv);
        free(w->commands[i].env);
    }

    entra_buf_free(&w->log);
}


/*
 * Queues an answer, which may be changed through the pointer: status 0 and
 * ->error for none, ->retry_after, ->timed_out, ->location ...
 */

__attribute__((unused))
static entra_http_reply_t *
fake_reply(fake_platform_t *w, int status, const char *body)
{
    fake_reply_t  *r;

    r = &w->replies[w->nreplies++];
    r->body = fake_dup(body ? body : "");
    r->content_type = fake_dup("application/json; charset=utf-8");
    r->reply.status = status;
    r->reply.body = entra_str_c(r->body);
    r->reply.content_type = entra_str_c(r->content_type);
    r->reply.retry_after = -1;

    return &r->reply;
}


__attribute__((unused))
static entra_http_reply_t *
fake_challenge(fake_platform_t *w, int status, const char *www_authenticate)
{
    entra_http_reply_t  *reply;
    fake_reply_t        *r;

    reply = fake_reply(w, status, "");

    r = &w->replies[w->nreplies - 1];
    r->www_authenticate = fake_dup(www_authenticate);
    reply->www_authenticate = entra_str_c(r->www_authenticate);

    return reply;
}


/* queues what the next child process does */

__attribute__((unused))
static entra_process_result_t *
fake_result(fake_platform_t *w, int status, const char *out, const char *err)
{
    fake_result_t  *r;

    r = &w->results[w->nresults++];
    r->out = fake_dup(out ? out : "");
    r->err = fake_dup(err ? err : "");
    r->result.started = 1;
    r->result.status = status;
    r->result.out = entra_str_c(r->out);
    r->result.err = entra_str_c(r->err);

    return &r->result;
}


static int
fake_ready(fake_platform_t *w, fake_event_t *event)
{
    switch (event->kind) {

    case FAKE_HTTP:
        return event->live && w->next_reply < w->nreplies;

    case FAKE_PROCESS:
        return event->live && w->next_result < w->nresults;

    case FAKE_TIMER:
        return event->live;
    }

    return 0;
}


/* delivers the next thing that is due, time moves there; 0: there is none */

__attribute__((unused))
static int
fake_step(fake_platform_t *w)
{
    unsigned       i;
    fake_event_t  *event = NULL;

    for (i = 0; i < w->nevents; i++) {
        if (fake_ready(w, w->events[i])
            && (event == NULL || w->events[i]->due < event->due))
        {
            event = w->events[i];
        }
    }

    if (event == NULL) {
        return 0;
    }

    event->live = 0;

    if (event->due > w->mono) {
        w->wall += (event->due - w->mono + 500) / 1000;
        w->mono = event->due;
    }

    switch (event->kind) {

    case FAKE_HTTP:
        event->http(event->ctx, &w->replies[w->next_reply++].reply);
        break;

    case FAKE_PROCESS:
        event->process(event->ctx, &w->results[w->next_result++].result);
        break;

    case FAKE_TIMER:
        event->timer(event->ctx);
        break;
    }

    return 1;
}


__attribute__((unused))
static void
fake_run(fake_platform_t *w)
{
    while (fake_step(w)) { /* void */ }
}


/* callbacks that somebody still waits for */

__attribute__((unused))
static unsigned
fake_pending(fake_platform_t *w)
{
    unsigned  i, n = 0;

    for (i = 0; i < w->nevents; i++) {
        n += w->events[i]->live != 0;
    }

    return n;
}


static void
fake_acquire_done(void *data, entra_acquire_t *a)
{
    fake_outcome_t  *o = data;

    o->done++;
    o->err = a->err;
    o->ok = a->err.class == ENTRA_ERR_NONE;

    snprintf(o->challenge, sizeof(o->challenge), "%s",
             a->challenge ? a->challenge : "");

    if (o->ok) {
        snprintf(o->token, sizeof(o->token), "%s", a->token.value);
        o->lifetime = a->token.lifetime;
        o->refresh_in = a->token.refresh_in;
    }
}


/* starts one; its outcome will be in w->outcome */

__attribute__((unused))
static entra_acquire_t *
fake_start(fake_platform_t *w, entra_credential_t *c, const char *scope,
    const char *claims, const char *assertion)
{
    memset(&w->outcome, 0, sizeof(fake_outcome_t));

    return entra_acquire_start(&w->platform, c, entra_str_c(scope), claims,
                               assertion, fake_acquire_done, &w->outcome);
}


/* and runs it to its end, or to where no answer is queued */

__attribute__((unused))
static fake_outcome_t *
fake_acquire(fake_platform_t *w, entra_credential_t *c, const char *scope,
    const char *claims)
{
    (void) fake_start(w, c, scope, claims, NULL);

    fake_run(w);

    return &w->outcome;
}


#endif /* FAKE_PLATFORM_H */
