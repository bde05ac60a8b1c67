
/*
 * Copyright (C) nginx-entra authors
 *
 * libcurl tells which sockets it waits for and when it wants to be called;
 * nginx's events tell when that is the case.
 */

#include "ngx_http_entra_curl.h"
#include "ngx_http_entra_socket.h"
#include "ngx_http_entra_transfer.h"
#include "ngx_http_entra_compat.h"

#include <sys/resource.h>

#include <openssl/err.h>


#define NGX_HTTP_ENTRA_CURL_ACTIVE       1024   /* transfers at a time */
#define NGX_HTTP_ENTRA_CURL_CONNECTIONS  1024   /* or half of all files */
#define NGX_HTTP_ENTRA_CURL_SHARED       32768  /* that wait */
#define NGX_HTTP_ENTRA_CURL_CALLERS      2048
#define NGX_HTTP_ENTRA_CURL_STREAMS      250    /* on a connection */
#define NGX_HTTP_ENTRA_CURL_STARTS       16     /* in a turn */
#define NGX_HTTP_ENTRA_CURL_QUIET        60     /* s between log lines */


struct ngx_http_entra_curl_s {
    CURLM                           *multi;     /* NULL: to be made */
    ngx_http_entra_transfer_conf_t   conf;
    ngx_http_entra_sockets_t         sockets;
    ngx_log_t                       *log;

    entra_schedule_t                *schedule;
    ngx_queue_t                      active;
    ngx_queue_t                      finished;  /* to be called back */
    time_t                           full;      /* logged */

    ngx_event_t                      timer;     /* libcurl's */
    ngx_event_t                      start;
    ngx_event_t                      finish;
    ngx_connection_t                 dummy;     /* of them */
};


static void ngx_http_entra_curl_event(ngx_http_entra_curl_t *curl,
    ngx_event_t *ev, ngx_event_handler_pt handler);
static ngx_int_t ngx_http_entra_curl_schedule(ngx_http_entra_curl_t *curl);
static ngx_int_t ngx_http_entra_curl_open(ngx_http_entra_curl_t *curl);
static void ngx_http_entra_curl_close(ngx_http_entra_curl_t *curl);

static ngx_int_t ngx_http_entra_curl_start(ngx_http_entra_curl_t *curl,
    ngx_http_entra_transfer_t *t);
static void ngx_http_entra_curl_start_handler(ngx_event_t *ev);
static void ngx_http_entra_curl_stop(ngx_http_entra_curl_t *curl,
    ngx_http_entra_transfer_t *t, entra_fetch_end_e how);
static void ngx_http_entra_curl_give_up(ngx_http_entra_curl_t *curl,
    const char *text);
static void ngx_http_entra_curl_give_up_one(ngx_http_entra_curl_t *curl,
    ngx_http_entra_transfer_t *t, const char *text);
static void ngx_http_entra_curl_finished(ngx_http_entra_curl_t *curl,
    ngx_http_entra_transfer_t *t);
static void ngx_http_entra_curl_finish_handler(ngx_event_t *ev);

static void ngx_http_entra_curl_action(void *data, curl_socket_t fd, int mask);
static void ngx_http_entra_curl_collect(ngx_http_entra_curl_t *curl);
static void ngx_http_entra_curl_rebuild(ngx_http_entra_curl_t *curl,
    CURLMcode rc);
static void ngx_http_entra_curl_shutdown(void *data);

static int ngx_http_entra_curl_on_timer(CURLM *multi, long ms, void *userp);
static void ngx_http_entra_curl_timer_delete(ngx_event_t *ev);
static void ngx_http_entra_curl_timer_handler(ngx_event_t *ev);
static int ngx_http_entra_curl_on_socket(CURL *easy, curl_socket_t fd,
    int what, void *userp, void *socketp);
static int ngx_http_entra_curl_on_connect(void *userp, char *ip,
    char *local_ip, int port, int local_port);
static int ngx_http_entra_curl_on_close(void *userp, curl_socket_t fd);


ngx_http_entra_curl_t *
ngx_http_entra_curl_create(ngx_cycle_t *cycle, ngx_http_entra_curl_conf_t *conf)
{
    ngx_http_entra_curl_t  *curl;

    curl = ngx_pcalloc(cycle->pool, sizeof(ngx_http_entra_curl_t));
    if (curl == NULL) {
        return NULL;
    }

    curl->log = cycle->log;
    curl->dummy.fd = (ngx_socket_t) -1;
    curl->dummy.data = curl;

    ngx_queue_init(&curl->active);
    ngx_queue_init(&curl->finished);

    ngx_http_entra_sockets_init(&curl->sockets, cycle->log);
    curl->sockets.ready = ngx_http_entra_curl_action;
    curl->sockets.shutdown = ngx_http_entra_curl_shutdown;
    curl->sockets.data = curl;

    ngx_http_entra_curl_event(curl, &curl->timer,
                              ngx_http_entra_curl_timer_handler);
    ngx_http_entra_curl_event(curl, &curl->start,
                              ngx_http_entra_curl_start_handler);
    ngx_http_entra_curl_event(curl, &curl->finish,
                              ngx_http_entra_curl_finish_handler);

    if (ngx_http_entra_curl_schedule(curl) != NGX_OK) {
        return NULL;
    }

    if (ngx_http_entra_transfer_conf(&curl->conf, cycle, conf) != NGX_OK) {
        entra_schedule_free(curl->schedule);
        return NULL;
    }

    if (ngx_http_entra_curl_open(curl) != NGX_OK) {
        entra_schedule_free(curl->schedule);
        X509_STORE_free(curl->conf.store);
        return NULL;
    }

    return curl;
}


/* a debug build logs the fd of what an event's data points to */

static void
ngx_http_entra_curl_event(ngx_http_entra_curl_t *curl, ngx_event_t *ev,
    ngx_event_handler_pt handler)
{
    ev->handler = handler;
    ev->data = &curl->dummy;
    ev->log = curl->log;
    ev->cancelable = 1;
}


/* the other half of the descriptors is for clients and upstreams */

static ngx_int_t
ngx_http_entra_curl_schedule(ngx_http_entra_curl_t *curl)
{
    struct rlimit            files;
    entra_schedule_limits_t  limits;

    limits.active = NGX_HTTP_ENTRA_CURL_ACTIVE;
    limits.connections = NGX_HTTP_ENTRA_CURL_CONNECTIONS;
    limits.waiting[ENTRA_FETCH_SHARED] = NGX_HTTP_ENTRA_CURL_SHARED;
    limits.waiting[ENTRA_FETCH_CALLER] = NGX_HTTP_ENTRA_CURL_CALLERS;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0
        && files.rlim_cur / 2 < limits.connections)
    {
        limits.connections = ngx_max(files.rlim_cur / 2, 16);
    }

    curl->schedule = entra_schedule_create(&limits);

    return curl->schedule ? NGX_OK : NGX_ERROR;
}


/*
 * In exit_process: what is not removed here is an open socket that nginx
 * finds left.
 */

void
ngx_http_entra_curl_destroy(ngx_http_entra_curl_t *curl)
{
    ngx_queue_t                *q;
    ngx_http_entra_transfer_t  *t;

    if (curl == NULL) {
        return;
    }

    ngx_http_entra_curl_shutdown(curl);

    while (!ngx_queue_empty(&curl->finished)) {
        q = ngx_queue_head(&curl->finished);
        t = ngx_queue_data(q, ngx_http_entra_transfer_t, queue);
        ngx_queue_remove(q);
        ngx_http_entra_transfer_free(t);
    }

    ngx_http_entra_curl_close(curl);
    ngx_http_entra_curl_timer_delete(&curl->start);
    ngx_http_entra_curl_timer_delete(&curl->finish);

    entra_schedule_free(curl->schedule);
    curl->schedule = NULL;

    X509_STORE_free(curl->conf.store);
    curl->conf.store = NULL;
}


static ngx_int_t
ngx_http_entra_curl_open(ngx_http_entra_curl_t *curl)
{
    int     rc;
    CURLM  *multi;

    multi = curl_multi_init();

    if (multi == NULL) {
        ngx_log_error(NGX_LOG_ERR, curl->log, 0, "curl_multi_init() failed");
        return NGX_ERROR;
    }

    rc = curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION,
                           ngx_http_entra_curl_on_socket);
    rc |= curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, curl);
    rc |= curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION,
                            ngx_http_entra_curl_on_timer);
    rc |= curl_multi_setopt(multi, CURLMOPT_TIMERDATA, curl);
    rc |= curl_multi_setopt(multi, CURLMOPT_PIPELINING,
                            (long) CURLPIPE_MULTIPLEX);
    rc |= curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS,
                            (long) NGX_HTTP_ENTRA_CURL_STREAMS);
    ngx_http_entra_curl_multi_quick_exit(multi);

    if (rc != CURLM_OK) {
        ngx_log_error(NGX_LOG_ERR, curl->log, 0, "curl_multi_setopt() failed");
        curl_multi_cleanup(multi);
        return NGX_ERROR;
    }

    curl->multi = multi;

    return NGX_OK;
}


/* without active transfers only */

static void
ngx_http_entra_curl_close(ngx_http_entra_curl_t *curl)
{
    if (curl->multi == NULL) {
        return;
    }

    /* newer versions have sockets that belong to no transfer */

    (void) curl_multi_setopt(curl->multi, CURLMOPT_SOCKETFUNCTION, NULL);
    (void) curl_multi_setopt(curl->multi, CURLMOPT_TIMERFUNCTION, NULL);
    ngx_http_entra_sockets_clear(&curl->sockets);

    curl_multi_cleanup(curl->multi);
    curl->multi = NULL;
    ERR_clear_error();

    ngx_http_entra_curl_timer_delete(&curl->timer);
}


void *
ngx_http_entra_curl_send(void *data, const entra_http_request_t *request,
    entra_http_done_pt done, void *ctx)
{
    ngx_http_entra_curl_t *curl = data;

    ngx_http_entra_transfer_t  *t;

    t = ngx_http_entra_transfer_create(&curl->conf, request, done, ctx);
    if (t == NULL) {
        return NULL;
    }

    if (entra_schedule_add(curl->schedule, &t->fetch,
                           entra_str_c(request->connect_to
                                       ? request->connect_to : request->url),
                           request->caller ? ENTRA_FETCH_CALLER
                                           : ENTRA_FETCH_SHARED,
                           ngx_http_entra_transfer_shareable(t))
        != 0)
    {
        if (ngx_time() - curl->full >= NGX_HTTP_ENTRA_CURL_QUIET) {
            curl->full = ngx_time();
            ngx_log_error(NGX_LOG_ERR, curl->log, 0,
                          "too many requests for tokens are waiting, further "
                          "ones fail");
        }

        ngx_http_entra_transfer_free(t);
        return NULL;
    }

    /* not the events of this turn: in init_process there is none yet */

    ngx_post_event(&curl->start, &ngx_posted_next_events);

    return t;
}


void
ngx_http_entra_curl_cancel(void *data, void *handle)
{
    ngx_http_entra_curl_t      *curl = data;
    ngx_http_entra_transfer_t  *t = handle;

    ngx_http_entra_curl_stop(curl, t, ENTRA_FETCH_CANCELLED);
    ngx_http_entra_transfer_free(t);
}


/* libcurl asks for its timer at once, and all the rest happens from there */

static ngx_int_t
ngx_http_entra_curl_start(ngx_http_entra_curl_t *curl,
    ngx_http_entra_transfer_t *t)
{
    CURLMcode  rc;

    if (curl->multi == NULL && ngx_http_entra_curl_open(curl) != NGX_OK) {
        ngx_http_entra_transfer_fail(t, "libcurl has no memory");
        return NGX_ERROR;
    }

    if (ngx_http_entra_transfer_prepare(t) != NGX_OK) {
        return NGX_ERROR;
    }

    (void) curl_easy_setopt(t->easy, CURLOPT_CLOSESOCKETFUNCTION,
                            ngx_http_entra_curl_on_close);
    (void) curl_easy_setopt(t->easy, CURLOPT_CLOSESOCKETDATA, curl);
    ngx_http_entra_curl_connected(t->easy, ngx_http_entra_curl_on_connect, t);

    rc = curl_multi_add_handle(curl->multi, t->easy);

    if (rc != CURLM_OK) {
        ngx_http_entra_transfer_fail(t, curl_multi_strerror(rc));
        ngx_http_entra_transfer_release(t);
        return NGX_ERROR;
    }

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, curl->log, 0,
                   "entra fetch: %p %s, share:%d", t, t->request->method,
                   t->fetch.share);

    ngx_queue_insert_tail(&curl->active, &t->queue);

    ngx_http_entra_sockets_start(&curl->sockets);

    return NGX_OK;
}


/*
 * Some at a time: each begins a connection or a stream, and clients are served
 * in between.
 */

static void
ngx_http_entra_curl_start_handler(ngx_event_t *ev)
{
    ngx_uint_t                  i;
    entra_fetch_t              *fetch;
    ngx_connection_t           *dummy = ev->data;
    ngx_http_entra_curl_t      *curl = dummy->data;
    ngx_http_entra_transfer_t  *t;

    for (i = 0; i < NGX_HTTP_ENTRA_CURL_STARTS; i++) {

        fetch = entra_schedule_next(curl->schedule, ngx_current_msec);

        if (fetch == NULL) {
            return;
        }

        t = ngx_queue_data(fetch, ngx_http_entra_transfer_t, fetch);

        if (ngx_http_entra_curl_start(curl, t) != NGX_OK) {
            entra_schedule_end(curl->schedule, fetch, ENTRA_FETCH_CANCELLED,
                               ngx_current_msec);
            ngx_http_entra_curl_finished(curl, t);
        }
    }

    ngx_post_event(&curl->start, &ngx_posted_next_events);
}


/* takes a transfer out of wherever it is; libcurl closes its sockets now */

static void
ngx_http_entra_curl_stop(ngx_http_entra_curl_t *curl,
    ngx_http_entra_transfer_t *t, entra_fetch_end_e how)
{
    if (t->fetch.state != ENTRA_FETCH_WAITING) {
        ngx_queue_remove(&t->queue);
    }

    if (t->fetch.state == ENTRA_FETCH_ACTIVE) {
        (void) curl_multi_remove_handle(curl->multi, t->easy);
        ngx_http_entra_transfer_release(t);
        ERR_clear_error();

        if (entra_schedule_waiting(curl->schedule)) {
            ngx_post_event(&curl->start, &ngx_posted_next_events);
        }
    }

    entra_schedule_end(curl->schedule, &t->fetch, how, ngx_current_msec);

    if (ngx_queue_empty(&curl->active)) {
        ngx_http_entra_sockets_stop(&curl->sockets);
    }
}


/* all that are under way */

static void
ngx_http_entra_curl_give_up(ngx_http_entra_curl_t *curl, const char *text)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&curl->active)) {
        q = ngx_queue_head(&curl->active);

        ngx_http_entra_curl_give_up_one(curl,
                         ngx_queue_data(q, ngx_http_entra_transfer_t, queue),
                         text);
    }
}


static void
ngx_http_entra_curl_give_up_one(ngx_http_entra_curl_t *curl,
    ngx_http_entra_transfer_t *t, const char *text)
{
    ngx_http_entra_curl_stop(curl, t, ENTRA_FETCH_CANCELLED);
    ngx_http_entra_transfer_fail(t, text);
    ngx_http_entra_curl_finished(curl, t);
}


static void
ngx_http_entra_curl_finished(ngx_http_entra_curl_t *curl,
    ngx_http_entra_transfer_t *t)
{
    ngx_queue_insert_tail(&curl->finished, &t->queue);

    ngx_post_event(&curl->finish, &ngx_posted_events);
}


static void
ngx_http_entra_curl_finish_handler(ngx_event_t *ev)
{
    ngx_queue_t                *q;
    ngx_connection_t           *dummy = ev->data;
    ngx_http_entra_curl_t      *curl = dummy->data;
    ngx_http_entra_transfer_t  *t;

    while (!ngx_queue_empty(&curl->finished)) {
        q = ngx_queue_head(&curl->finished);
        t = ngx_queue_data(q, ngx_http_entra_transfer_t, queue);
        ngx_queue_remove(q);

        ngx_log_debug2(NGX_LOG_DEBUG_EVENT, curl->log, 0,
                       "entra fetch: %p done, %d", t, t->reply.status);

        t->done(t->ctx, &t->reply);

        ngx_http_entra_transfer_free(t);
    }
}


static void
ngx_http_entra_curl_action(void *data, curl_socket_t fd, int mask)
{
    ngx_http_entra_curl_t *curl = data;

    int        running;
    CURLMcode  rc;

    if (curl->multi == NULL) {
        return;
    }

    rc = curl_multi_socket_action(curl->multi, fd, mask, &running);

    /* nginx takes what is left in the queue for its own, and logs an alert */

    ERR_clear_error();

    ngx_http_entra_curl_collect(curl);

    if (rc != CURLM_OK) {
        ngx_http_entra_curl_rebuild(curl, rc);
    }

    if (ngx_queue_empty(&curl->active)) {
        ngx_http_entra_sockets_stop(&curl->sockets);
    }
}


static void
ngx_http_entra_curl_collect(ngx_http_entra_curl_t *curl)
{
    int                         left;
    char                       *data;
    CURLMsg                    *msg;
    CURLcode                    rc;
    ngx_http_entra_transfer_t  *t;

    while ((msg = curl_multi_info_read(curl->multi, &left)) != NULL) {

        if (msg->msg != CURLMSG_DONE) {
            continue;
        }

        /* the message does not outlive the handle's stay in the multi */

        rc = msg->data.result;
        data = NULL;

        (void) curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &data);

        t = (ngx_http_entra_transfer_t *) data;

        ngx_http_entra_transfer_finish(t, rc);
        ngx_http_entra_curl_stop(curl, t, t->reply.status
                                          ? ENTRA_FETCH_ANSWERED
                                          : ENTRA_FETCH_FAILED);
        ngx_http_entra_curl_finished(curl, t);
    }
}


/* after an error the multi handle can only be emptied */

static void
ngx_http_entra_curl_rebuild(ngx_http_entra_curl_t *curl, CURLMcode rc)
{
    ngx_log_error(NGX_LOG_ERR, curl->log, 0,
                  "libcurl failed (%s), %ui requests for tokens are given up",
                  curl_multi_strerror(rc),
                  (ngx_uint_t) entra_schedule_active(curl->schedule));

    ngx_http_entra_curl_give_up(curl, "libcurl failed and was restarted");
    ngx_http_entra_curl_close(curl);

    (void) ngx_http_entra_curl_open(curl);
}


static void
ngx_http_entra_curl_shutdown(void *data)
{
    ngx_http_entra_curl_t *curl = data;

    entra_fetch_t  *fetch;

    for ( ;; ) {
        fetch = entra_schedule_waiting(curl->schedule);

        if (fetch == NULL) {
            break;
        }

        ngx_http_entra_curl_give_up_one(curl,
                     ngx_queue_data(fetch, ngx_http_entra_transfer_t, fetch),
                     "the worker is shutting down");
    }

    ngx_http_entra_curl_give_up(curl, "the worker is shutting down");
}


/*
 * Must not call libcurl.  "At once" is the next turn of the event loop, so
 * that a large answer does not keep clients waiting; a time already set
 * is deleted first, because ngx_add_timer() ignores changes below 300 ms.
 */

static int
ngx_http_entra_curl_on_timer(CURLM *multi, long ms, void *userp)
{
    ngx_http_entra_curl_t *curl = userp;

    ngx_http_entra_curl_timer_delete(&curl->timer);

    if (ms == 0) {
        ngx_post_event(&curl->timer, &ngx_posted_next_events);

    } else if (ms > 0) {
        ngx_add_timer(&curl->timer, (ngx_msec_t) ms);
    }

    return 0;
}


static void
ngx_http_entra_curl_timer_delete(ngx_event_t *ev)
{
    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }
}


static void
ngx_http_entra_curl_timer_handler(ngx_event_t *ev)
{
    ngx_connection_t  *dummy = ev->data;

    ngx_http_entra_curl_action(dummy->data, CURL_SOCKET_TIMEOUT, 0);
}


/* keyed by the socket: libcurl has easy handles of its own */

static int
ngx_http_entra_curl_on_socket(CURL *easy, curl_socket_t fd, int what,
    void *userp, void *socketp)
{
    ngx_http_entra_curl_t    *curl = userp;
    ngx_http_entra_socket_t  *s = socketp;

    if (what == CURL_POLL_REMOVE) {
        if (s) {
            ngx_http_entra_socket_free(s);
        }

        return 0;
    }

    if (s == NULL) {
        s = ngx_http_entra_socket_create(&curl->sockets, fd);
        if (s == NULL) {
            return -1;
        }

        if (curl_multi_assign(curl->multi, fd, s) != CURLM_OK) {
            ngx_http_entra_socket_free(s);
            return -1;
        }
    }

    ngx_http_entra_socket_want(s, what);

    return 0;
}


/*
 * There is a connection for the request, its TLS included: those that wait
 * for the first one may follow.
 */

static int
ngx_http_entra_curl_on_connect(void *userp, char *ip, char *local_ip,
    int port, int local_port)
{
    ngx_http_entra_transfer_t *t = userp;

    ngx_http_entra_curl_t  *curl;

    curl = ngx_queue_data(t->conf, ngx_http_entra_curl_t, conf);

    entra_schedule_connected(&t->fetch,
                             ngx_http_entra_transfer_multiplexed(t));

    if (entra_schedule_waiting(curl->schedule)) {
        ngx_post_event(&curl->start, &ngx_posted_next_events);
    }

    return CURL_PREREQFUNC_OK;
}


/*
 * Some versions of libcurl close a socket first and say later that it need
 * not be watched; then it is too late to take it out of epoll.
 */

static int
ngx_http_entra_curl_on_close(void *userp, curl_socket_t fd)
{
    ngx_http_entra_curl_t  *curl = userp;

    ngx_http_entra_sockets_closing(&curl->sockets, fd);

    return ngx_close_socket(fd);
}
