
/*
 * Copyright (C) nginx-entra authors
 *
 * What every part of a worker asks for: the time, and events without a
 * descriptor.
 */

#include "ngx_http_entra_conf.h"


ngx_http_entra_worker_t  *ngx_http_entra_worker;

ngx_http_entra_turn_t     ngx_http_entra_turn;


/*
 * CLOCK_BOOTTIME: the same for all processes, never stepped, and it counts
 * the time that a laptop or a virtual machine slept
 */

int64_t
ngx_http_entra_clock_read(void)
{
    int64_t          now;
    struct timespec  ts;

    if (clock_gettime(NGX_HTTP_ENTRA_CLOCK, &ts) != 0) {
        return (int64_t) ngx_current_msec;
    }

    now = (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;

    /* the time of a master does not go on */

    if (ngx_process != NGX_PROCESS_MASTER) {
        ngx_http_entra_turn.msec = ngx_current_msec;
        ngx_http_entra_turn.now = now;
    }

    return now;
}


/* a debug build logs the fd of whatever ev->data is */

void
ngx_http_entra_event(ngx_event_t *ev, ngx_event_handler_pt handler,
    ngx_uint_t cancelable)
{
    ngx_memzero(ev, sizeof(ngx_event_t));

    ev->handler = handler;
    ev->data = &ngx_http_entra_worker->dummy;
    ev->log = ngx_http_entra_worker->cycle->log;
    ev->cancelable = cancelable;
}
