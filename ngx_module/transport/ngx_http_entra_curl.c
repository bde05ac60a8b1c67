
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

#include <openssl/err.h>


#define NGX_HTTP_ENTRA_CURL_ACTIVE   32         /* transfers at a time */
#define NGX_HTTP_ENTRA_CURL_WAITING  1024


struct ngx_http_entra_curl_s {
    CURLM                           *multi;     /* NULL: to be made */
    ngx_http_entra_transfer_conf_t   conf;
    ngx_http_entra_sockets_t         sockets;
    ngx_log_t                       *log;

    ngx_queue_t                      waiting;
    ngx_queue_t                      active;
    ngx_queue_t                      finished;  /* to be called back */
    ngx_uint_t                       nwaiting;
    ngx_uint_t                       nactive;

    ngx_event_t                      timer;     /* libcurl's */
    ngx_event_t                      finish;
    ngx_connection_t                 dummy;     /* of both */
};


static void ngx_http_entra_curl_event(ngx_http_entra_curl_t *curl,
    ngx_event_t *ev, ngx_event_handler_pt handler);
static ngx_int_t ngx_http_entra_curl_open(ngx_http_entra_curl_t *curl);
static void ngx_http_entra_curl_close(ngx_http_entra_curl_t *curl);

static ngx_int_t ngx_http_entra_curl_start(ngx_http_entra_curl_t *curl,
    ngx_http_entra_transfer_t *t);
static void ngx_http_entra_curl_start_waiting(ngx_http_entra_curl_t *curl);
static void ngx_http_entra_curl_stop(ngx_http_entra_curl_t *curl,
    ngx_http_entra_transfer_t *t);
static void ngx_http_entra_curl_give_up(ngx_http_entra_curl_t *curl,
    ngx_queue_t *transfers, const char *text);
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

    ngx_queue_init(&curl->waiting);
    ngx_queue_init(&curl->active);
    ngx_queue_init(&curl->finished);

    ngx_http_entra_sockets_init(&curl->sockets, cycle->log);
    curl->sockets.ready = ngx_http_entra_curl_action;
    curl->sockets.shutdown = ngx_http_entra_curl_shutdown;
    curl->sockets.data = curl;

    ngx_http_entra_curl_event(curl, &curl->timer,
                              ngx_http_entra_curl_timer_handler);
    ngx_http_entra_curl_event(curl, &curl->finish,
                              ngx_http_entra_curl_finish_handler);

    if (ngx_http_entra_transfer_conf(&curl->conf, cycle, conf) != NGX_OK) {
        return NULL;
    }

    if (ngx_http_entra_curl_open(curl) != NGX_OK) {
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
    ngx_http_entra_curl_timer_delete(&curl->finish);

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

    if (curl->nwaiting == NGX_HTTP_ENTRA_CURL_WAITING) {
        ngx_log_error(NGX_LOG_ERR, curl->log, 0,
                      "too many requests for tokens are waiting");
        return NULL;
    }

    t = ngx_http_entra_transfer_create(&curl->conf, request, done, ctx);
    if (t == NULL) {
        return NULL;
    }

    if (curl->nactive >= NGX_HTTP_ENTRA_CURL_ACTIVE || curl->nwaiting) {
        t->state = NGX_HTTP_ENTRA_TRANSFER_WAITING;
        ngx_queue_insert_tail(&curl->waiting, &t->queue);
        curl->nwaiting++;

        return t;
    }

    if (ngx_http_entra_curl_start(curl, t) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, curl->log, 0,
                      "a request for a token could not be sent: %s",
                      t->reply.error);
        ngx_http_entra_transfer_free(t);
        return NULL;
    }

    return t;
}


void
ngx_http_entra_curl_cancel(void *data, void *handle)
{
    ngx_http_entra_curl_t      *curl = data;
    ngx_http_entra_transfer_t  *t = handle;

    ngx_http_entra_curl_stop(curl, t);
    ngx_http_entra_transfer_free(t);

    ngx_http_entra_curl_start_waiting(curl);
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

    rc = curl_multi_add_handle(curl->multi, t->easy);

    if (rc != CURLM_OK) {
        ngx_http_entra_transfer_fail(t, curl_multi_strerror(rc));
        ngx_http_entra_transfer_release(t);
        return NGX_ERROR;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, curl->log, 0,
                   "entra fetch: %p %s", t, t->request->method);

    t->state = NGX_HTTP_ENTRA_TRANSFER_ACTIVE;
    ngx_queue_insert_tail(&curl->active, &t->queue);
    curl->nactive++;

    ngx_http_entra_sockets_start(&curl->sockets);

    return NGX_OK;
}


static void
ngx_http_entra_curl_start_waiting(ngx_http_entra_curl_t *curl)
{
    ngx_queue_t                *q;
    ngx_http_entra_transfer_t  *t;

    while (curl->nwaiting && curl->nactive < NGX_HTTP_ENTRA_CURL_ACTIVE) {

        q = ngx_queue_head(&curl->waiting);
        t = ngx_queue_data(q, ngx_http_entra_transfer_t, queue);

        ngx_queue_remove(q);
        curl->nwaiting--;

        if (ngx_http_entra_curl_start(curl, t) != NGX_OK) {
            ngx_http_entra_curl_finished(curl, t);
        }
    }
}


/* takes a transfer out of wherever it is; libcurl closes its sockets now */

static void
ngx_http_entra_curl_stop(ngx_http_entra_curl_t *curl,
    ngx_http_entra_transfer_t *t)
{
    ngx_queue_remove(&t->queue);

    if (t->state == NGX_HTTP_ENTRA_TRANSFER_WAITING) {
        curl->nwaiting--;

    } else if (t->state == NGX_HTTP_ENTRA_TRANSFER_ACTIVE) {
        curl->nactive--;
        (void) curl_multi_remove_handle(curl->multi, t->easy);
        ngx_http_entra_transfer_release(t);
        ERR_clear_error();
    }

    if (curl->nactive == 0) {
        ngx_http_entra_sockets_stop(&curl->sockets);
    }
}


static void
ngx_http_entra_curl_give_up(ngx_http_entra_curl_t *curl, ngx_queue_t *transfers,
    const char *text)
{
    ngx_queue_t                *q;
    ngx_http_entra_transfer_t  *t;

    while (!ngx_queue_empty(transfers)) {
        q = ngx_queue_head(transfers);
        t = ngx_queue_data(q, ngx_http_entra_transfer_t, queue);

        ngx_http_entra_curl_stop(curl, t);
        ngx_http_entra_transfer_fail(t, text);
        ngx_http_entra_curl_finished(curl, t);
    }
}


static void
ngx_http_entra_curl_finished(ngx_http_entra_curl_t *curl,
    ngx_http_entra_transfer_t *t)
{
    t->state = NGX_HTTP_ENTRA_TRANSFER_FINISHED;
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

    ngx_http_entra_curl_start_waiting(curl);

    if (curl->nactive == 0) {
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
        ngx_http_entra_curl_stop(curl, t);
        ngx_http_entra_curl_finished(curl, t);
    }
}


/* after an error the multi handle is good for nothing but being emptied */

static void
ngx_http_entra_curl_rebuild(ngx_http_entra_curl_t *curl, CURLMcode rc)
{
    ngx_log_error(NGX_LOG_ERR, curl->log, 0,
                  "libcurl failed (%s), %ui requests for tokens are given up",
                  curl_multi_strerror(rc), curl->nactive);

    ngx_http_entra_curl_give_up(curl, &curl->active,
                                "libcurl failed and was restarted");
    ngx_http_entra_curl_close(curl);

    (void) ngx_http_entra_curl_open(curl);
}


static void
ngx_http_entra_curl_shutdown(void *data)
{
    ngx_http_entra_curl_t *curl = data;

    ngx_http_entra_curl_give_up(curl, &curl->waiting,
                                "the worker is shutting down");
    ngx_http_entra_curl_give_up(curl, &curl->active,
                                "the worker is shutting down");
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
