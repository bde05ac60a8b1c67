
/*
 * Copyright (C) nginx-entra authors
 *
 * What a process writes, and the guard's report of its end.
 */

#include "ngx_http_entra_exec.h"


#define NGX_HTTP_ENTRA_EXEC_READ  4096


static void ngx_http_entra_exec_read_report(ngx_http_entra_exec_t *e);
static ngx_int_t ngx_http_entra_exec_read_output(ngx_http_entra_exec_t *e,
    ngx_uint_t end);
static ssize_t ngx_http_entra_exec_read(ngx_connection_t *c, void *buf,
    size_t size);


void
ngx_http_entra_exec_read_handler(ngx_event_t *ev)
{
    ngx_uint_t              end;
    ngx_connection_t       *c;
    ngx_http_entra_exec_t  *e;

    c = ev->data;
    e = c->data;

    if (c->close) {

        /* worker_shutdown_timeout is over */

        ngx_http_entra_exec_finish(e);
        return;
    }

    if (c == e->ends[NGX_HTTP_ENTRA_EXEC_CONTROL]) {
        ngx_http_entra_exec_read_report(e);
        return;
    }

    end = (c == e->ends[NGX_HTTP_ENTRA_EXEC_OUT]) ? NGX_HTTP_ENTRA_EXEC_OUT
                                                  : NGX_HTTP_ENTRA_EXEC_ERR;

    if (ngx_http_entra_exec_read_output(e, end) != NGX_OK) {
        e->result.too_large = 1;
        ngx_http_entra_exec_finish(e);
    }
}


/* nothing is written, but nginx may report an error there */

void
ngx_http_entra_exec_write_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_http_entra_exec_read_handler(c->read);
}


/*
 * The program's end, not that of its output, is the end: what it left running
 * in the background may hold the pipes.  All that it wrote is in them by now.
 */

static void
ngx_http_entra_exec_read_report(ngx_http_entra_exec_t *e)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = e->ends[NGX_HTTP_ENTRA_EXEC_CONTROL];

    for ( ;; ) {
        n = ngx_http_entra_exec_read(c, (u_char *) &e->report + e->report_len,
                                     sizeof(e->report) - e->report_len);

        if (n == NGX_AGAIN) {
            return;
        }

        if (n <= 0) {
            /* the guard was killed */
            break;
        }

        e->report_len += n;

        if (e->report_len < sizeof(e->report)) {
            continue;
        }

        e->report_len = 0;

        if (e->report.kind == NGX_HTTP_ENTRA_EXEC_FAILED) {
            e->result.started = 0;
            entra_buf_reset(&e->err);
            entra_buf_add_c(&e->err, strerror(e->report.value));
            continue;
        }

        if (e->result.started) {
            e->result.status = e->report.value;
        }

        break;
    }

    if (e->result.started
        && (ngx_http_entra_exec_read_output(e, NGX_HTTP_ENTRA_EXEC_OUT)
            != NGX_OK
            || ngx_http_entra_exec_read_output(e, NGX_HTTP_ENTRA_EXEC_ERR)
               != NGX_OK))
    {
        e->result.too_large = 1;
    }

    ngx_http_entra_exec_finish(e);
}


/* until there is no more for now; NGX_ERROR: it is too much */

static ngx_int_t
ngx_http_entra_exec_read_output(ngx_http_entra_exec_t *e, ngx_uint_t end)
{
    u_char             buf[NGX_HTTP_ENTRA_EXEC_READ];
    ssize_t            n;
    entra_buf_t       *b;
    ngx_connection_t  *c;

    c = e->ends[end];

    if (c == NULL) {
        return NGX_OK;
    }

    b = (end == NGX_HTTP_ENTRA_EXEC_OUT) ? &e->out : &e->err;

    for ( ;; ) {
        n = ngx_http_entra_exec_read(c, buf, sizeof(buf));

        if (n <= 0) {
            break;
        }

        entra_buf_add(b, buf, (size_t) n);
        entra_wipe(buf, (size_t) n);

        if (!entra_buf_ok(b)) {
            return NGX_ERROR;
        }
    }

    if (n != NGX_AGAIN) {
        ngx_close_connection(c);
        e->ends[end] = NULL;
    }

    return NGX_OK;
}


static ssize_t
ngx_http_entra_exec_read(ngx_connection_t *c, void *buf, size_t size)
{
    ssize_t  n;

    do {
        n = read(c->fd, buf, size);
    } while (n == -1 && ngx_errno == NGX_EINTR);

    if (n == -1) {
        return (ngx_errno == NGX_EAGAIN) ? NGX_AGAIN : NGX_ERROR;
    }

    return n;
}
