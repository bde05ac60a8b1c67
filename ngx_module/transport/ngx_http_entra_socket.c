
/*
 * Copyright (C) nginx-entra authors
 */

#include "ngx_http_entra_socket.h"


#define NGX_HTTP_ENTRA_SOCKET_POLL  20          /* ms */
#define NGX_HTTP_ENTRA_SOCKETS      128         /* polled in one go */


static void ngx_http_entra_socket_watch(ngx_http_entra_socket_t *s);
static ngx_connection_t *ngx_http_entra_socket_connection(
    ngx_http_entra_socket_t *s);
static ngx_int_t ngx_http_entra_socket_events(ngx_http_entra_socket_t *s);
static ngx_int_t ngx_http_entra_socket_add(ngx_event_t *ev, ngx_int_t event);
static ngx_int_t ngx_http_entra_socket_delete(ngx_event_t *ev,
    ngx_int_t event, ngx_uint_t flags);
static ino_t ngx_http_entra_socket_inode(curl_socket_t fd);
static void ngx_http_entra_socket_unwatch(ngx_http_entra_socket_t *s);
static void ngx_http_entra_socket_handler(ngx_event_t *ev);
static void ngx_http_entra_socket_poll_handler(ngx_event_t *ev);


void
ngx_http_entra_sockets_init(ngx_http_entra_sockets_t *sockets, ngx_log_t *log)
{
    ngx_memzero(sockets, sizeof(ngx_http_entra_sockets_t));

    ngx_queue_init(&sockets->queue);
    sockets->log = log;

    /* a debug build logs the fd of what an event's data points to */

    sockets->dummy.fd = (ngx_socket_t) -1;
    sockets->dummy.data = sockets;

    sockets->poll.handler = ngx_http_entra_socket_poll_handler;
    sockets->poll.data = &sockets->dummy;
    sockets->poll.log = log;
    sockets->poll.cancelable = 1;
}


void
ngx_http_entra_sockets_start(ngx_http_entra_sockets_t *sockets)
{
    if (!sockets->poll.timer_set) {
        ngx_add_timer(&sockets->poll, NGX_HTTP_ENTRA_SOCKET_POLL);
    }
}


void
ngx_http_entra_sockets_stop(ngx_http_entra_sockets_t *sockets)
{
    if (sockets->poll.timer_set) {
        ngx_del_timer(&sockets->poll);
    }
}


void
ngx_http_entra_sockets_closing(ngx_http_entra_sockets_t *sockets,
    curl_socket_t fd)
{
    ngx_queue_t              *q;
    ngx_http_entra_socket_t  *s;

    for (q = ngx_queue_head(&sockets->queue);
         q != ngx_queue_sentinel(&sockets->queue);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_http_entra_socket_t, queue);

        if (s->fd == fd) {
            ngx_http_entra_socket_unwatch(s);
            s->polled = 1;
        }
    }
}


void
ngx_http_entra_sockets_clear(ngx_http_entra_sockets_t *sockets)
{
    ngx_queue_t              *q;
    ngx_http_entra_socket_t  *s;

    ngx_http_entra_sockets_stop(sockets);

    while (!ngx_queue_empty(&sockets->queue)) {
        q = ngx_queue_head(&sockets->queue);
        s = ngx_queue_data(q, ngx_http_entra_socket_t, queue);
        ngx_http_entra_socket_free(s);
    }
}


ngx_http_entra_socket_t *
ngx_http_entra_socket_create(ngx_http_entra_sockets_t *sockets,
    curl_socket_t fd)
{
    ngx_http_entra_socket_t  *s;

    s = ngx_calloc(sizeof(ngx_http_entra_socket_t), sockets->log);
    if (s == NULL) {
        return NULL;
    }

    s->sockets = sockets;
    s->fd = fd;
    ngx_queue_insert_tail(&sockets->queue, &s->queue);

    return s;
}


void
ngx_http_entra_socket_want(ngx_http_entra_socket_t *s, int what)
{
    s->wanted = what;
    s->polled = 0;

    ngx_http_entra_socket_watch(s);
}


void
ngx_http_entra_socket_free(ngx_http_entra_socket_t *s)
{
    ngx_http_entra_socket_unwatch(s);
    ngx_queue_remove(&s->queue);
    ngx_free(s);
}


static void
ngx_http_entra_socket_watch(ngx_http_entra_socket_t *s)
{
    if (s->connection == NULL) {
        s->connection = ngx_http_entra_socket_connection(s);
    }

    if (s->connection) {

        if (ngx_http_entra_socket_events(s) == NGX_OK) {
            return;
        }

        /* nginx has logged it, and would with every attempt */

        ngx_http_entra_socket_unwatch(s);
        s->polled = 1;
    }

    ngx_http_entra_sockets_start(s->sockets);
}


/*
 * An eighth of worker_connections is left to clients.  ngx_get_connection()
 * drains idle connections only below a sixteenth, so nothing else of nginx
 * runs here, inside libcurl's stack.
 */

static ngx_connection_t *
ngx_http_entra_socket_connection(ngx_http_entra_socket_t *s)
{
    ngx_connection_t  *c;

    if (ngx_cycle->free_connection_n <= ngx_cycle->connection_n / 8
        || ngx_cycle->free_connections == NULL)
    {
        return NULL;
    }

    c = ngx_get_connection(s->fd, s->sockets->log);
    if (c == NULL) {
        return NULL;
    }

    s->inode = ngx_http_entra_socket_inode(s->fd);

    /* both handlers: ngx_shutdown_timer_handler() calls the one for reading */

    c->data = s;
    c->read->handler = ngx_http_entra_socket_handler;
    c->write->handler = ngx_http_entra_socket_handler;
    c->read->log = c->log;
    c->write->log = c->log;

    return c;
}


/* adds before it deletes: the socket stays registered in between */

static ngx_int_t
ngx_http_entra_socket_events(ngx_http_entra_socket_t *s)
{
    ngx_int_t          rc;
    ngx_uint_t         in, out;
    ngx_connection_t  *c;

    c = s->connection;
    in = (s->wanted & CURL_POLL_IN) ? 1 : 0;
    out = (s->wanted & CURL_POLL_OUT) ? 1 : 0;
    rc = NGX_OK;

    if (in) {
        rc = ngx_http_entra_socket_add(c->read, NGX_READ_EVENT);
    }

    if (out && rc == NGX_OK) {
        rc = ngx_http_entra_socket_add(c->write, NGX_WRITE_EVENT);
    }

    if (!in && rc == NGX_OK) {
        rc = ngx_http_entra_socket_delete(c->read, NGX_READ_EVENT, 0);
    }

    if (!out && rc == NGX_OK) {
        rc = ngx_http_entra_socket_delete(c->write, NGX_WRITE_EVENT, 0);
    }

    return rc;
}


/*
 * Level-triggered: libcurl may stop reading before it has read all, and does
 * not come back for the rest.
 */

static ngx_int_t
ngx_http_entra_socket_add(ngx_event_t *ev, ngx_int_t event)
{
    return ev->active ? NGX_OK : ngx_add_event(ev, event, NGX_LEVEL_EVENT);
}


static ngx_int_t
ngx_http_entra_socket_delete(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t flags)
{
    return ev->active ? ngx_del_event(ev, event, flags) : NGX_OK;
}


/* 0: it is closed */

static ino_t
ngx_http_entra_socket_inode(curl_socket_t fd)
{
    struct stat  st;

    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}


/*
 * The socket stays open, or is closed by libcurl: so it has to leave epoll
 * now, and ngx_close_connection() must not see it.  Before 8.0, libcurl
 * closes one whose connect timed out without telling anybody: it has left
 * epoll by itself then, and its number may be another socket's already.
 */

static void
ngx_http_entra_socket_unwatch(ngx_http_entra_socket_t *s)
{
    ngx_uint_t         flags;
    ngx_connection_t  *c;

    c = s->connection;

    if (c == NULL) {
        return;
    }

    flags = ngx_http_entra_socket_inode(s->fd) == s->inode ? 0
                                                           : NGX_CLOSE_EVENT;

    (void) ngx_http_entra_socket_delete(c->read, NGX_READ_EVENT, flags);
    (void) ngx_http_entra_socket_delete(c->write, NGX_WRITE_EVENT, flags);

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    ngx_free_connection(c);

    /* free, and not an open socket that an exiting worker finds left */

    c->fd = (ngx_socket_t) -1;

    s->connection = NULL;
}


static void
ngx_http_entra_socket_handler(ngx_event_t *ev)
{
    ngx_connection_t          *c;
    ngx_http_entra_socket_t   *s;
    ngx_http_entra_sockets_t  *sockets;

    c = ev->data;
    s = c->data;
    sockets = s->sockets;

    if (c->close) {
        sockets->shutdown(sockets->data);
        return;
    }

    sockets->ready(sockets->data, s->fd,
                   ev->write ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
}


/*
 * Collects descriptors, not structures: each look of libcurl's may bring and
 * remove some.  Those that were looked at go to the end, so that each has its
 * turn.
 */

static void
ngx_http_entra_socket_poll_handler(ngx_event_t *ev)
{
    ngx_uint_t                 i, n;
    ngx_queue_t               *q, *last;
    curl_socket_t              fds[NGX_HTTP_ENTRA_SOCKETS];
    ngx_connection_t          *dummy;
    ngx_http_entra_socket_t   *s;
    ngx_http_entra_sockets_t  *sockets;

    dummy = ev->data;
    sockets = dummy->data;
    n = 0;

    last = ngx_queue_last(&sockets->queue);

    while (!ngx_queue_empty(&sockets->queue) && n < NGX_HTTP_ENTRA_SOCKETS) {
        q = ngx_queue_head(&sockets->queue);
        s = ngx_queue_data(q, ngx_http_entra_socket_t, queue);

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&sockets->queue, q);

        if (s->connection == NULL && !s->polled) {
            ngx_http_entra_socket_watch(s);
        }

        if (s->connection == NULL) {
            fds[n++] = s->fd;
        }

        if (q == last) {
            break;
        }
    }

    if (n) {
        ngx_http_entra_sockets_start(sockets);
    }

    for (i = 0; i < n; i++) {
        sockets->ready(sockets->data, fds[i], 0);
    }
}
