
/*
 * Copyright (C) nginx-entra authors
 *
 * The worker process: its start and its end, the seams of the core on
 * nginx's event loop, and the look at lists of networks every few seconds.
 */

#include "ngx_http_entra_conf.h"
#include "ngx_http_entra_curl.h"
#include "ngx_http_entra_exec.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif


#define NGX_HTTP_ENTRA_START  64    /* fetches that begin with a worker */
#define NGX_HTTP_ENTRA_TRIM   64    /* that leave memory to give back */


typedef struct {
    ngx_event_t            event;
    entra_timer_done_pt    done;
    void                  *ctx;
} ngx_http_entra_timer_t;


/* a request that is under way */

typedef struct {
    ngx_queue_t            queue;
    ngx_event_t            hold;        /* the worker does not exit meanwhile */
    void                  *handle;
    entra_http_done_pt     done;
    void                  *ctx;
} ngx_http_entra_in_flight_t;


static ngx_int_t ngx_http_entra_worker_start(ngx_cycle_t *cycle,
    ngx_http_entra_main_conf_t *mcf);
static void ngx_http_entra_worker_no_core(ngx_cycle_t *cycle);
static void ngx_http_entra_worker_stagger(ngx_http_entra_token_t *token,
    ngx_uint_t n);
static void ngx_http_entra_worker_platform(ngx_http_entra_worker_t *worker);
static void ngx_http_entra_worker_watch(ngx_event_t *ev);
static void ngx_http_entra_worker_trim(ngx_http_entra_worker_t *worker);
static int64_t ngx_http_entra_worker_wall(void *data);
static void *ngx_http_entra_worker_http(void *data,
    const entra_http_request_t *request, entra_http_done_pt done, void *ctx);
static void ngx_http_entra_worker_http_done(void *ctx,
    const entra_http_reply_t *reply);
static void ngx_http_entra_worker_http_cancel(void *data, void *handle);
static void ngx_http_entra_worker_sent_free(ngx_http_entra_in_flight_t *sent);
static void ngx_http_entra_worker_hold_over(ngx_event_t *ev);
static void *ngx_http_entra_worker_timer(void *data, unsigned ms,
    entra_timer_done_pt done, void *ctx);
static void ngx_http_entra_worker_timer_fired(ngx_event_t *ev);
static void ngx_http_entra_worker_timer_cancel(void *data, void *handle);
static void ngx_http_entra_worker_log(void *data, entra_log_level_e level,
    const char *text);


ngx_int_t
ngx_http_entra_worker_init(ngx_cycle_t *cycle)
{
    ngx_http_entra_main_conf_t  *mcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_entra_module);

    if (mcf == NULL || mcf->tokens.nelts == 0) {
        return NGX_OK;
    }

    return ngx_http_entra_worker_start(cycle, mcf);
}


static ngx_int_t
ngx_http_entra_worker_start(ngx_cycle_t *cycle, ngx_http_entra_main_conf_t *mcf)
{
    ngx_http_entra_worker_t      *worker;
    ngx_http_entra_curl_conf_t    curl;

    worker = ngx_pcalloc(cycle->pool, sizeof(ngx_http_entra_worker_t));
    if (worker == NULL) {
        return NGX_ERROR;
    }

    worker->cycle = cycle;
    worker->conf = mcf;
    worker->dummy.fd = (ngx_socket_t) -1;
    ngx_queue_init(&worker->sent);
    ngx_queue_init(&worker->fetching);

    ngx_memzero(&curl, sizeof(ngx_http_entra_curl_conf_t));

    curl.ca_pem = mcf->provider.trusted_pem;
    curl.proxy = mcf->provider.proxy;
    curl.connect_timeout = mcf->provider.connect_timeout;
    curl.fetch_timeout = mcf->provider.fetch_timeout;

    worker->curl = ngx_http_entra_curl_create(cycle, &curl);
    if (worker->curl == NULL) {
        return NGX_ERROR;
    }

    ngx_http_entra_worker = worker;
    ngx_http_entra_worker_no_core(cycle);
    ngx_http_entra_worker_platform(worker);

    ngx_http_entra_zone_join(mcf);

    return NGX_OK;
}


/* once all parts are there: the tokens are fetched from now on */

ngx_int_t
ngx_http_entra_worker_begin(ngx_http_entra_worker_t *worker)
{
    ngx_uint_t                    i;
    ngx_http_entra_token_t      **token;
    ngx_http_entra_main_conf_t   *mcf;

    mcf = worker->conf;
    token = mcf->tokens.elts;

    for (i = 0; i < mcf->tokens.nelts; i++) {
        if (ngx_http_entra_token_attach(token[i]) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_http_entra_worker_stagger(token[i], i);
    }

    ngx_http_entra_event(&worker->watch, ngx_http_entra_worker_watch, 1);
    ngx_add_timer(&worker->watch, NGX_HTTP_ENTRA_WATCH);

    ngx_http_entra_state_init(worker);

    return ngx_http_entra_watch_init(worker->cycle, mcf);
}


/*
 * Thousands of first fetches are spread: each may sign an assertion, and
 * waits for an answer with its buffers.  A request that needs one of these
 * tokens does not wait for the timer.
 */

static void
ngx_http_entra_worker_stagger(ngx_http_entra_token_t *token, ngx_uint_t n)
{
    ngx_msec_t  wait;

    if (n < NGX_HTTP_ENTRA_START || !token->timer.timer_set) {
        return;
    }

    wait = 1 + ngx_worker * 10 + (n - NGX_HTTP_ENTRA_START) * 2;

    ngx_del_timer(&token->timer);
    ngx_add_timer(&token->timer, wait);
}


/*
 * A core holds tokens and secrets, and so does the memory that other processes
 * of the workers' user may read.  nginx makes workers dumpable after it has
 * changed their user; that is taken back, but where cores are asked for.
 */

static void
ngx_http_entra_worker_no_core(ngx_cycle_t *cycle)
{
#if (NGX_HAVE_PR_SET_DUMPABLE)

    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (ngx_process != NGX_PROCESS_WORKER
        || ccf->user == (ngx_uid_t) NGX_CONF_UNSET_UINT
        || ccf->rlimit_core != NGX_CONF_UNSET)
    {
        return;
    }

    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                      "prctl(PR_SET_DUMPABLE) failed");
    }

#endif
}


/* no fetch of the configuration's tokens is under way afterwards */

void
ngx_http_entra_worker_end(ngx_http_entra_worker_t *worker)
{
    ngx_uint_t                 i;
    ngx_http_entra_token_t   **token;

    token = worker->conf->tokens.elts;

    for (i = 0; i < worker->conf->tokens.nelts; i++) {
        ngx_http_entra_token_detach(token[i]);
    }
}


void
ngx_http_entra_worker_free(ngx_http_entra_worker_t *worker)
{
    if (worker->watch.timer_set) {
        ngx_del_timer(&worker->watch);
    }

    if (worker->retire.posted) {
        ngx_delete_posted_event(&worker->retire);
    }

    ngx_http_entra_token_free_retired();

    ngx_http_entra_watch_exit();
    ngx_http_entra_exec_exit();
    ngx_http_entra_curl_destroy(worker->curl);

    while (!ngx_queue_empty(&worker->sent)) {
        ngx_http_entra_worker_sent_free(
            ngx_queue_data(ngx_queue_head(&worker->sent),
                           ngx_http_entra_in_flight_t, queue));
    }

    ngx_http_entra_worker = NULL;
}


static void
ngx_http_entra_worker_platform(ngx_http_entra_worker_t *worker)
{
    entra_platform_t  *platform;

    platform = &worker->platform;

    platform->data = worker;
    platform->wall = ngx_http_entra_worker_wall;
    platform->http = ngx_http_entra_worker_http;
    platform->http_cancel = ngx_http_entra_worker_http_cancel;
    platform->process = ngx_http_entra_exec_spawn;
    platform->process_cancel = ngx_http_entra_exec_cancel;
    platform->timer = ngx_http_entra_worker_timer;
    platform->timer_cancel = ngx_http_entra_worker_timer_cancel;
    platform->log = ngx_http_entra_worker_log;
}


static void
ngx_http_entra_worker_watch(ngx_event_t *ev)
{
    ngx_http_entra_worker_t  *worker;

    if (ngx_terminate) {
        return;
    }

    worker = ngx_http_entra_worker;

    /* requests are served between two pieces of a long list */

    worker->reading = ngx_exiting ? 0
                                  : worker->watch_lists(worker->conf);

    ngx_http_entra_worker_trim(worker);

    ngx_add_timer(ev, worker->reading ? 1 : NGX_HTTP_ENTRA_WATCH);
}


/*
 * malloc keeps what many fetches at once needed, in each worker: it is given
 * back in the first round without any
 */

static void
ngx_http_entra_worker_trim(ngx_http_entra_worker_t *worker)
{
    if (worker->fetches != worker->fetches_seen) {
        worker->fetches_seen = worker->fetches;
        return;
    }

    if (worker->fetches < NGX_HTTP_ENTRA_TRIM
        || !ngx_queue_empty(&worker->fetching))
    {
        return;
    }

    worker->fetches = 0;
    worker->fetches_seen = 0;

#if defined(__GLIBC__)
    (void) malloc_trim(0);
#endif
}


static int64_t
ngx_http_entra_worker_wall(void *data)
{
    return (int64_t) ngx_time();
}


static void *
ngx_http_entra_worker_http(void *data, const entra_http_request_t *request,
    entra_http_done_pt done, void *ctx)
{
    ngx_http_entra_worker_t  *worker = data;

    ngx_http_entra_in_flight_t  *sent;

    sent = ngx_alloc(sizeof(ngx_http_entra_in_flight_t), ngx_cycle->log);
    if (sent == NULL) {
        return NULL;
    }

    sent->done = done;
    sent->ctx = ctx;

    sent->handle = ngx_http_entra_curl_send(worker->curl, request,
                                            ngx_http_entra_worker_http_done,
                                            sent);
    if (sent->handle == NULL) {
        ngx_free(sent);
        return NULL;
    }

    ngx_queue_insert_tail(&worker->sent, &sent->queue);

    ngx_http_entra_event(&sent->hold, ngx_http_entra_worker_hold_over, 0);

    if (request->once) {
        ngx_add_timer(&sent->hold, worker->conf->provider.fetch_timeout
                                   + NGX_HTTP_ENTRA_SHUTDOWN_HOLD);
    }

    return sent;
}


static void
ngx_http_entra_worker_http_done(void *ctx, const entra_http_reply_t *reply)
{
    ngx_http_entra_in_flight_t  *sent = ctx;

    void                *done_ctx;
    entra_http_done_pt   done;

    done = sent->done;
    done_ctx = sent->ctx;

    ngx_http_entra_worker_sent_free(sent);

    done(done_ctx, reply);
}


static void
ngx_http_entra_worker_http_cancel(void *data, void *handle)
{
    ngx_http_entra_in_flight_t    *sent = handle;
    ngx_http_entra_worker_t  *worker = data;

    ngx_http_entra_curl_cancel(worker->curl, sent->handle);
    ngx_http_entra_worker_sent_free(sent);
}


static void
ngx_http_entra_worker_sent_free(ngx_http_entra_in_flight_t *sent)
{
    if (sent->hold.timer_set) {
        ngx_del_timer(&sent->hold);
    }

    ngx_queue_remove(&sent->queue);
    ngx_free(sent);
}


/* the request has ended long ago, or its own time-out is about to */

static void
ngx_http_entra_worker_hold_over(ngx_event_t *ev)
{
}


static void *
ngx_http_entra_worker_timer(void *data, unsigned ms, entra_timer_done_pt done,
    void *ctx)
{
    ngx_http_entra_timer_t  *timer;

    timer = ngx_alloc(sizeof(ngx_http_entra_timer_t), ngx_cycle->log);
    if (timer == NULL) {
        return NULL;
    }

    timer->done = done;
    timer->ctx = ctx;

    ngx_http_entra_event(&timer->event, ngx_http_entra_worker_timer_fired, 1);
    ngx_add_timer(&timer->event, ms);

    return timer;
}


static void
ngx_http_entra_worker_timer_fired(ngx_event_t *ev)
{
    void                    *ctx;
    entra_timer_done_pt      done;
    ngx_http_entra_timer_t  *timer;

    timer = ngx_http_entra_of(ev, ngx_http_entra_timer_t, event);

    done = timer->done;
    ctx = timer->ctx;

    ngx_free(timer);

    done(ctx);
}


static void
ngx_http_entra_worker_timer_cancel(void *data, void *handle)
{
    ngx_http_entra_timer_t  *timer = handle;

    if (timer->event.timer_set) {
        ngx_del_timer(&timer->event);
    }

    ngx_free(timer);
}


static void
ngx_http_entra_worker_log(void *data, entra_log_level_e level,
    const char *text)
{
    static ngx_uint_t  levels[] = {
        NGX_LOG_ERR, NGX_LOG_WARN, NGX_LOG_NOTICE, NGX_LOG_INFO
    };

    ngx_log_error(levels[level], ngx_cycle->log, 0, "entra: %s", text);
}
