
/*
 * Copyright (C) nginx-entra authors
 *
 * Child processes of the core on nginx's event loop: entra_platform_t.process
 * and process_cancel.  The first argument, the platform's data, is not used.
 *
 * Forking copies the page tables of the worker and stops it for that long:
 * 2.5 ms per 100 MB of its own memory, shared zones not counted.  Meant for
 * command line tools on a developer's machine.
 */

#ifndef _NGX_HTTP_ENTRA_EXEC_H_INCLUDED_
#define _NGX_HTTP_ENTRA_EXEC_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "entra_iface.h"


/*
 * The callback comes from a posted event, never from inside.  When a program
 * could not be executed, started is 0 and err says why.  What a process
 * leaves running ends with it; without Linux, in its process group only.
 */
void *ngx_http_entra_exec_spawn(void *data, const entra_process_t *process,
    entra_process_done_pt done, void *ctx);
void ngx_http_entra_exec_cancel(void *data, void *handle);

/* in exit_process: kills what is running, calls nothing back */
void ngx_http_entra_exec_exit(void);


/*
 * ngx_http_entra_exec_child.c: what runs in the forked process, and never
 * returns.  There only what is async-signal-safe is allowed: no allocation, no
 * logging.
 */

/* what its descriptors become, from 0 on; all else is closed */

typedef enum {
    NGX_HTTP_ENTRA_EXEC_FD_NULL = 0,        /* /dev/null */
    NGX_HTTP_ENTRA_EXEC_FD_OUT,             /* the writing ends of pipes */
    NGX_HTTP_ENTRA_EXEC_FD_ERR,
    NGX_HTTP_ENTRA_EXEC_FD_CONTROL,         /* a socket, to the worker */
    NGX_HTTP_ENTRA_EXEC_FD_OUT_END,         /* the reading ends: no SIGPIPE */
    NGX_HTTP_ENTRA_EXEC_FD_ERR_END,         /* while these are open */
    NGX_HTTP_ENTRA_EXEC_FDS
} ngx_http_entra_exec_fd_e;

typedef struct {
    const char        *path;
    char *const       *argv;
    char *const       *env;
    int                fds[NGX_HTTP_ENTRA_EXEC_FDS];
} ngx_http_entra_exec_child_t;


/* what it reports on the control socket */

#define NGX_HTTP_ENTRA_EXEC_FAILED  1       /* value: errno of execve() */
#define NGX_HTTP_ENTRA_EXEC_EXITED  2       /* value: as in the result */

typedef struct {
    int32_t            kind;
    int32_t            value;
} ngx_http_entra_exec_report_t;


/* called with all signals blocked */
void ngx_http_entra_exec_child(const ngx_http_entra_exec_child_t *child)
    __attribute__((noreturn));


/* what ngx_http_entra_exec.c and ngx_http_entra_exec_read.c share */

/* the worker's ends, in this order */

typedef enum {
    NGX_HTTP_ENTRA_EXEC_CONTROL = 0,
    NGX_HTTP_ENTRA_EXEC_OUT,
    NGX_HTTP_ENTRA_EXEC_ERR,
    NGX_HTTP_ENTRA_EXEC_ENDS
} ngx_http_entra_exec_end_e;


typedef struct {
    ngx_queue_t                    queue;
    ngx_connection_t              *ends[NGX_HTTP_ENTRA_EXEC_ENDS];
    ngx_event_t                    timer;
    ngx_connection_t               dummy;       /* of timer */

    entra_process_done_pt          done;
    void                          *ctx;

    ngx_http_entra_exec_report_t   report;
    size_t                         report_len;
    entra_buf_t                    out;
    entra_buf_t                    err;
    entra_process_result_t         result;

    unsigned                       finished:1;
} ngx_http_entra_exec_t;


/* ngx_http_entra_exec_read.c: events of the ends */

void ngx_http_entra_exec_read_handler(ngx_event_t *ev);
void ngx_http_entra_exec_write_handler(ngx_event_t *ev);

/* ngx_http_entra_exec.c: closes the ends and calls back, from an event */

void ngx_http_entra_exec_finish(ngx_http_entra_exec_t *e);


#endif /* _NGX_HTTP_ENTRA_EXEC_H_INCLUDED_ */
