
/*
 * Copyright (C) nginx-entra authors
 *
 * Sockets that libcurl owns, watched by nginx's events.  Used by
 * ngx_http_entra_curl.c only.
 *
 * A socket without a connection of nginx's is polled: clients come first when
 * worker_connections run short, and a fetch is only slower.
 */

#ifndef _NGX_HTTP_ENTRA_SOCKET_H_INCLUDED_
#define _NGX_HTTP_ENTRA_SOCKET_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <curl/curl.h>


/* mask: CURL_CSELECT_..., 0: libcurl has to look itself */
typedef void (*ngx_http_entra_socket_ready_pt)(void *data, curl_socket_t fd,
    int mask);

/* worker_shutdown_timeout is over */
typedef void (*ngx_http_entra_socket_shutdown_pt)(void *data);


typedef struct {
    ngx_queue_t                          queue;     /* of sockets */
    ngx_event_t                          poll;
    ngx_connection_t                     dummy;     /* of poll */
    ngx_log_t                           *log;

    ngx_http_entra_socket_ready_pt       ready;
    ngx_http_entra_socket_shutdown_pt    shutdown;
    void                                *data;
} ngx_http_entra_sockets_t;


typedef struct {
    ngx_queue_t                          queue;
    ngx_http_entra_sockets_t            *sockets;
    ngx_connection_t                    *connection;    /* NULL: polled */
    curl_socket_t                        fd;
    ino_t                                inode;         /* of it, watched */
    int                                  wanted;        /* CURL_POLL_... */
    unsigned                             polled:1;      /* for good */
} ngx_http_entra_socket_t;


void ngx_http_entra_sockets_init(ngx_http_entra_sockets_t *sockets,
    ngx_log_t *log);

/* between these two, what has to be polled is */
void ngx_http_entra_sockets_start(ngx_http_entra_sockets_t *sockets);
void ngx_http_entra_sockets_stop(ngx_http_entra_sockets_t *sockets);

/* libcurl is about to close it, whether it was said to be removed or not */
void ngx_http_entra_sockets_closing(ngx_http_entra_sockets_t *sockets,
    curl_socket_t fd);

void ngx_http_entra_sockets_clear(ngx_http_entra_sockets_t *sockets);

/* NULL: no memory */
ngx_http_entra_socket_t *ngx_http_entra_socket_create(
    ngx_http_entra_sockets_t *sockets, curl_socket_t fd);
void ngx_http_entra_socket_want(ngx_http_entra_socket_t *s, int what);

/* leaves the descriptor alone */
void ngx_http_entra_socket_free(ngx_http_entra_socket_t *s);


#endif /* _NGX_HTTP_ENTRA_SOCKET_H_INCLUDED_ */
