
/*
 * Copyright (C) nginx-entra authors
 *
 * The life of a process: started with a guard, watched, stopped, called back.
 */

#include "ngx_http_entra_exec.h"
#include "ngx_http_entra_compat.h"

#include <signal.h>
#include <sys/socket.h>


#define NGX_HTTP_ENTRA_EXEC_MAX      16         /* processes at a time */
#define NGX_HTTP_ENTRA_EXEC_TIMEOUT  10000      /* ms, default */


static ngx_http_entra_exec_t *ngx_http_entra_exec_create(
    const entra_process_t *process, entra_process_done_pt done, void *ctx);
static void ngx_http_entra_exec_free(ngx_http_entra_exec_t *e);
static void ngx_http_entra_exec_lists(ngx_log_t *log);
static ngx_int_t ngx_http_entra_exec_start(ngx_http_entra_exec_t *e,
    const entra_process_t *process);
static ngx_int_t ngx_http_entra_exec_open(int fds[][2]);
static ngx_int_t ngx_http_entra_exec_fork(ngx_http_entra_exec_t *e,
    const entra_process_t *process, int fds[][2]);
static ngx_int_t ngx_http_entra_exec_watch(ngx_http_entra_exec_t *e,
    ngx_uint_t end, int *fd);
static void ngx_http_entra_exec_close(int *fd);
static void ngx_http_entra_exec_timer_handler(ngx_event_t *ev);
static void ngx_http_entra_exec_close_ends(ngx_http_entra_exec_t *e);
static void ngx_http_entra_exec_finish_handler(ngx_event_t *ev);


/* of this worker; running and finished ones */

static ngx_queue_t       ngx_http_entra_exec_running;
static ngx_queue_t       ngx_http_entra_exec_finished;
static ngx_uint_t        ngx_http_entra_exec_n;
static ngx_event_t       ngx_http_entra_exec_event;
static ngx_connection_t  ngx_http_entra_exec_dummy;


void *
ngx_http_entra_exec_spawn(void *data, const entra_process_t *process,
    entra_process_done_pt done, void *ctx)
{
    ngx_log_t              *log;
    ngx_http_entra_exec_t  *e;

    log = ngx_cycle->log;

    ngx_http_entra_exec_lists(log);

    if (ngx_http_entra_exec_n == NGX_HTTP_ENTRA_EXEC_MAX) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "\"%s\" is not started: too many processes are running",
                      process->path);
        return NULL;
    }

    /* asked before, because ngx_get_connection() would log an alert */

    if (ngx_cycle->free_connection_n < NGX_HTTP_ENTRA_EXEC_ENDS) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "\"%s\" is not started: %ui worker_connections are not "
                      "enough", process->path, ngx_cycle->connection_n);
        return NULL;
    }

    e = ngx_http_entra_exec_create(process, done, ctx);
    if (e == NULL) {
        return NULL;
    }

    if (ngx_http_entra_exec_start(e, process) != NGX_OK) {
        ngx_http_entra_exec_free(e);
        return NULL;
    }

    ngx_queue_insert_tail(&ngx_http_entra_exec_running, &e->queue);
    ngx_http_entra_exec_n++;

    ngx_add_timer(&e->timer, process->timeout ? process->timeout
                                              : NGX_HTTP_ENTRA_EXEC_TIMEOUT);
    return e;
}


/* the guard takes the closed control socket as the order to kill */

void
ngx_http_entra_exec_cancel(void *data, void *handle)
{
    ngx_http_entra_exec_t  *e = handle;

    ngx_queue_remove(&e->queue);

    if (!e->finished) {
        ngx_http_entra_exec_n--;
    }

    ngx_http_entra_exec_free(e);
}


void
ngx_http_entra_exec_exit(void)
{
    ngx_queue_t            *q;
    ngx_http_entra_exec_t  *e;

    ngx_http_entra_exec_lists(ngx_cycle->log);

    while (!ngx_queue_empty(&ngx_http_entra_exec_running)) {
        q = ngx_queue_head(&ngx_http_entra_exec_running);
        e = ngx_queue_data(q, ngx_http_entra_exec_t, queue);
        ngx_http_entra_exec_cancel(NULL, e);
    }

    while (!ngx_queue_empty(&ngx_http_entra_exec_finished)) {
        q = ngx_queue_head(&ngx_http_entra_exec_finished);
        e = ngx_queue_data(q, ngx_http_entra_exec_t, queue);
        ngx_http_entra_exec_cancel(NULL, e);
    }

    if (ngx_http_entra_exec_event.posted) {
        ngx_delete_posted_event(&ngx_http_entra_exec_event);
    }
}


static void
ngx_http_entra_exec_lists(ngx_log_t *log)
{
    ngx_event_t  *ev;

    if (ngx_http_entra_exec_running.next) {
        return;
    }

    ngx_queue_init(&ngx_http_entra_exec_running);
    ngx_queue_init(&ngx_http_entra_exec_finished);

    ngx_http_entra_exec_dummy.fd = (ngx_socket_t) -1;

    ev = &ngx_http_entra_exec_event;
    ev->handler = ngx_http_entra_exec_finish_handler;
    ev->data = &ngx_http_entra_exec_dummy;
    ev->log = log;
}


static ngx_http_entra_exec_t *
ngx_http_entra_exec_create(const entra_process_t *process,
    entra_process_done_pt done, void *ctx)
{
    ngx_http_entra_exec_t  *e;

    e = ngx_calloc(sizeof(ngx_http_entra_exec_t), ngx_cycle->log);
    if (e == NULL) {
        return NULL;
    }

    e->done = done;
    e->ctx = ctx;

    /* a debug build logs the fd of what an event's data points to */

    e->dummy.fd = (ngx_socket_t) -1;
    e->dummy.data = e;

    e->timer.handler = ngx_http_entra_exec_timer_handler;
    e->timer.data = &e->dummy;
    e->timer.log = ngx_cycle->log;
    e->timer.cancelable = 1;

    entra_buf_init(&e->out, ENTRA_PROCESS_OUT_MAX);
    entra_buf_init(&e->err, ENTRA_PROCESS_OUT_MAX);

    e->result.started = 1;
    e->result.status = -1;

    return e;
}


static void
ngx_http_entra_exec_free(ngx_http_entra_exec_t *e)
{
    ngx_http_entra_exec_close_ends(e);

    if (e->timer.timer_set) {
        ngx_del_timer(&e->timer);
    }

    entra_buf_free(&e->out);
    entra_buf_free(&e->err);

    ngx_free(e);
}


static ngx_int_t
ngx_http_entra_exec_start(ngx_http_entra_exec_t *e,
    const entra_process_t *process)
{
    int         fds[NGX_HTTP_ENTRA_EXEC_ENDS][2];
    ngx_int_t   rc;
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_ENTRA_EXEC_ENDS; i++) {
        fds[i][0] = -1;
        fds[i][1] = -1;
    }

    rc = ngx_http_entra_exec_open(fds);

    for (i = 0; i < NGX_HTTP_ENTRA_EXEC_ENDS && rc == NGX_OK; i++) {
        rc = ngx_http_entra_exec_watch(e, i, &fds[i][0]);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_entra_exec_fork(e, process, fds);
    }

    for (i = 0; i < NGX_HTTP_ENTRA_EXEC_ENDS; i++) {
        ngx_http_entra_exec_close(&fds[i][0]);
        ngx_http_entra_exec_close(&fds[i][1]);
    }

    return rc;
}


/* [0] is the worker's end; only that one does not block */

static ngx_int_t
ngx_http_entra_exec_open(int fds[][2])
{
    ngx_uint_t  i;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds[NGX_HTTP_ENTRA_EXEC_CONTROL])
        == -1)
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_errno,
                      "socketpair() failed");
        return NGX_ERROR;
    }

    if (pipe(fds[NGX_HTTP_ENTRA_EXEC_OUT]) == -1
        || pipe(fds[NGX_HTTP_ENTRA_EXEC_ERR]) == -1)
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_errno,
                      "pipe() failed");
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_HTTP_ENTRA_EXEC_ENDS; i++) {

        if (fcntl(fds[i][0], F_SETFD, FD_CLOEXEC) == -1
            || fcntl(fds[i][1], F_SETFD, FD_CLOEXEC) == -1
            || ngx_nonblocking(fds[i][0]) == -1)
        {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_errno,
                          "fcntl() of a pipe failed");
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* takes the descriptor over */

static ngx_int_t
ngx_http_entra_exec_watch(ngx_http_entra_exec_t *e, ngx_uint_t end, int *fd)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(*fd, ngx_cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    *fd = -1;
    e->ends[end] = c;

    c->data = e;
    c->read->handler = ngx_http_entra_exec_read_handler;
    c->write->handler = ngx_http_entra_exec_write_handler;
    c->read->log = c->log;
    c->write->log = c->log;

    return ngx_add_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT);
}


/*
 * Signals are blocked, so that none of nginx's handlers runs in the child
 * before it has reset them.
 */

static ngx_int_t
ngx_http_entra_exec_fork(ngx_http_entra_exec_t *e,
    const entra_process_t *process, int fds[][2])
{
    int                          null;
    pid_t                        pid;
    sigset_t                     all, old;
    ngx_err_t                    err;
    ngx_http_entra_exec_child_t  child;

    child.path = process->path;
    child.argv = process->argv;
    child.env = process->env;

    child.fds[NGX_HTTP_ENTRA_EXEC_FD_OUT] = fds[NGX_HTTP_ENTRA_EXEC_OUT][1];
    child.fds[NGX_HTTP_ENTRA_EXEC_FD_ERR] = fds[NGX_HTTP_ENTRA_EXEC_ERR][1];
    child.fds[NGX_HTTP_ENTRA_EXEC_FD_CONTROL] =
                                         fds[NGX_HTTP_ENTRA_EXEC_CONTROL][1];
    child.fds[NGX_HTTP_ENTRA_EXEC_FD_OUT_END] =
                                      e->ends[NGX_HTTP_ENTRA_EXEC_OUT]->fd;
    child.fds[NGX_HTTP_ENTRA_EXEC_FD_ERR_END] =
                                      e->ends[NGX_HTTP_ENTRA_EXEC_ERR]->fd;

    null = open("/dev/null", O_RDWR|O_CLOEXEC);
    child.fds[NGX_HTTP_ENTRA_EXEC_FD_NULL] = null;

    if (null == -1) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_errno,
                      ngx_open_file_n " \"/dev/null\" failed");
        return NGX_ERROR;
    }

    sigfillset(&all);
    (void) sigprocmask(SIG_BLOCK, &all, &old);

    pid = fork();
    err = ngx_errno;

    if (pid == 0) {
        ngx_http_entra_exec_child(&child);
    }

    (void) sigprocmask(SIG_SETMASK, &old, NULL);

    ngx_http_entra_exec_close(&null);

    if (pid == -1) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, err, "fork() failed");
        return NGX_ERROR;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, ngx_cycle->log, 0,
                   "entra exec: %P \"%s\"", pid, process->path);

    return NGX_OK;
}


static void
ngx_http_entra_exec_close(int *fd)
{
    if (*fd != -1) {
        (void) close(*fd);
        *fd = -1;
    }
}


static void
ngx_http_entra_exec_timer_handler(ngx_event_t *ev)
{
    ngx_connection_t       *dummy;
    ngx_http_entra_exec_t  *e;

    dummy = ev->data;
    e = dummy->data;

    e->result.timed_out = 1;

    ngx_http_entra_exec_finish(e);
}


static void
ngx_http_entra_exec_close_ends(ngx_http_entra_exec_t *e)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_ENTRA_EXEC_ENDS; i++) {

        if (e->ends[i]) {
            ngx_close_connection(e->ends[i]);
            e->ends[i] = NULL;
        }
    }
}


/* closing its ends kills what is left of it */

void
ngx_http_entra_exec_finish(ngx_http_entra_exec_t *e)
{
    ngx_http_entra_exec_close_ends(e);

    if (e->timer.timer_set) {
        ngx_del_timer(&e->timer);
    }

    if (e->result.too_large || e->result.timed_out) {
        e->result.status = -1;
    }

    e->result.out = entra_buf_str(&e->out);
    e->result.err = entra_buf_str(&e->err);

    e->finished = 1;
    ngx_http_entra_exec_n--;

    ngx_queue_remove(&e->queue);
    ngx_queue_insert_tail(&ngx_http_entra_exec_finished, &e->queue);

    ngx_post_event(&ngx_http_entra_exec_event, &ngx_posted_events);
}


static void
ngx_http_entra_exec_finish_handler(ngx_event_t *ev)
{
    ngx_queue_t            *q;
    ngx_http_entra_exec_t  *e;

    while (!ngx_queue_empty(&ngx_http_entra_exec_finished)) {
        q = ngx_queue_head(&ngx_http_entra_exec_finished);
        e = ngx_queue_data(q, ngx_http_entra_exec_t, queue);
        ngx_queue_remove(q);

        e->done(e->ctx, &e->result);

        ngx_http_entra_exec_free(e);
    }
}
