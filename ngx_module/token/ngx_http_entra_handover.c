
/*
 * Copyright (C) nginx-entra authors
 *
 * An upgrade of the binary (SIGUSR2): the new master has memory of its own,
 * and begins with a copy of the tokens that the old one holds.
 *
 * nginx asks no module then, but it forks before it executes the new binary.
 * In that child the zone is still mapped: what it holds is written to a memfd,
 * which the child alone has, and which the new binary inherits.  The new
 * master closes it as soon as it has read it; until then it is
 * close-on-exec.  Neither master waits for the other, and nothing changes for
 * the old one, which may go on.
 */

#include "ngx_http_entra_conf.h"
#include "entra_store_copy.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>


#define NGX_HTTP_ENTRA_HANDOVER      "nginx-entra"  /* of the memfd */
#define NGX_HTTP_ENTRA_HANDOVER_MAX  (1024 * 1024 * 1024)

#define NGX_HTTP_ENTRA_HANDOVER_KINDS                                         \
    ((1 << ENTRA_STORE_SHARED) | (1 << ENTRA_STORE_CALLER)                    \
     | (1 << ENTRA_STORE_SIGN_IN))


static void ngx_http_entra_handover_take(ngx_cycle_t *cycle,
    ngx_http_entra_main_conf_t *mcf);
static const char *ngx_http_entra_handover_map(entra_str_t *message);
static void ngx_http_entra_handover_import(ngx_cycle_t *cycle,
    ngx_http_entra_main_conf_t *mcf, entra_str_t records);
static void ngx_http_entra_handover_child(void);
static ngx_uint_t ngx_http_entra_handover_upgrade(void);
static const char *ngx_http_entra_handover_give(
    ngx_http_entra_main_conf_t *mcf);
static const char *ngx_http_entra_handover_seal(entra_buf_t *message);


static int  ngx_http_entra_handover_fd = -1;


/*
 * Called before other modules can start a process: it is closed in those.
 * Only a memfd that its writer has sealed is looked at later.
 */

void
ngx_http_entra_handover_find(void)
{
    int             fd;
    DIR            *dir;
    char            path[sizeof("/proc/self/fd/") + NGX_INT_T_LEN], link[64];
    ssize_t         n;
    struct dirent  *entry;

    static const char  name[] = "/memfd:" NGX_HTTP_ENTRA_HANDOVER " (deleted)";

    static ngx_uint_t  looked;

    if (!ngx_inherited || ngx_test_config || looked) {
        return;
    }

    looked = 1;

    dir = opendir("/proc/self/fd");
    if (dir == NULL) {
        return;
    }

    while ((entry = readdir(dir)) != NULL) {

        fd = (int) ngx_atoi((u_char *) entry->d_name,
                            ngx_strlen(entry->d_name));
        if (fd == NGX_ERROR) {
            continue;
        }

        (void) ngx_sprintf((u_char *) path, "/proc/self/fd/%d%Z", fd);

        n = readlink(path, link, sizeof(link));

        if (n != sizeof(name) - 1 || ngx_memcmp(link, name, n) != 0) {
            continue;
        }

        if (ngx_http_entra_handover_fd == -1) {
            (void) fcntl(fd, F_SETFD, FD_CLOEXEC);
            ngx_http_entra_handover_fd = fd;

        } else {
            (void) close(fd);
        }
    }

    (void) closedir(dir);
}


/* init_module: the zone is there, no worker is */

ngx_int_t
ngx_http_entra_handover_init(ngx_cycle_t *cycle)
{
    ngx_http_entra_main_conf_t  *mcf;

    static ngx_uint_t  registered;

    if (ngx_test_config) {
        return NGX_OK;
    }

    ngx_http_entra_handover_find();

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_entra_module);

    if (ngx_http_entra_handover_fd != -1) {
        ngx_http_entra_handover_take(cycle, mcf);
        (void) close(ngx_http_entra_handover_fd);
        ngx_http_entra_handover_fd = -1;
    }

    if (!registered
        && pthread_atfork(NULL, NULL, ngx_http_entra_handover_child) == 0)
    {
        registered = 1;
    }

    return NGX_OK;
}


static void
ngx_http_entra_handover_take(ngx_cycle_t *cycle,
    ngx_http_entra_main_conf_t *mcf)
{
    int           rc;
    const char   *why;
    entra_str_t   message, records;

    if (mcf == NULL || mcf->shared.zone == NULL) {
        return;
    }

    rc = -1;
    why = ngx_http_entra_handover_map(&message);

    if (why == NULL) {
        rc = entra_store_copy_open(message, &records);

        if (rc == 1) {
            ngx_http_entra_handover_import(cycle, mcf, records);

        } else if (rc == -1) {
            why = "it is damaged";
        }

        (void) munmap((void *) message.data, message.len);
    }

    if (rc == 0) {
        ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0,
                      "entra zone \"%V\": process %P holds its tokens as "
                      "another version of the module; they are fetched anew",
                      &mcf->shared.name, ngx_parent);

    } else if (why) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "entra zone \"%V\": what process %P handed over is not "
                      "used: %s; tokens are fetched anew",
                      &mcf->shared.name, ngx_parent, why);
    }
}


/* sealed: nobody changes or cuts it while it is read */

static const char *
ngx_http_entra_handover_map(entra_str_t *message)
{
#ifdef F_GET_SEALS

    int           fd, seals, want;
    void         *p;
    struct stat   st;

    fd = ngx_http_entra_handover_fd;
    want = F_SEAL_SEAL|F_SEAL_WRITE|F_SEAL_SHRINK|F_SEAL_GROW;
    seals = fcntl(fd, F_GET_SEALS);

    if (seals == -1 || (seals & want) != want) {
        return "it is not sealed";
    }

    if (fstat(fd, &st) != 0 || st.st_uid != geteuid()) {
        return "it is another user's";
    }

    if (st.st_size <= 0 || st.st_size > NGX_HTTP_ENTRA_HANDOVER_MAX) {
        return "it is empty or too large";
    }

    p = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED) {
        return "it cannot be read";
    }

    message->data = p;
    message->len = st.st_size;

    return NULL;

#else
    return "it is not sealed";
#endif
}


static void
ngx_http_entra_handover_import(ngx_cycle_t *cycle,
    ngx_http_entra_main_conf_t *mcf, entra_str_t records)
{
    entra_store_copy_t  copy;

    ngx_memzero(&copy, sizeof(entra_store_copy_t));
    copy.kinds = NGX_HTTP_ENTRA_HANDOVER_KINDS;

    (void) ngx_http_entra_zone_import(mcf, &copy, records);

    ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0,
                  "entra zone \"%V\": took over %ui tokens and sign-ins from "
                  "process %P, %ui are of no use here",
                  &mcf->shared.name, (ngx_uint_t) copy.copied, ngx_parent,
                  (ngx_uint_t) copy.dropped);
}


/* after each fork of this process and of its children */

static void
ngx_http_entra_handover_child(void)
{
    ngx_pid_t                    parent;
    const char                  *why;
    ngx_http_entra_main_conf_t  *mcf;

    if (!ngx_http_entra_handover_upgrade()) {
        return;
    }

    mcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                              ngx_http_entra_module);

    if (mcf == NULL || mcf->shared.zone == NULL) {
        return;
    }

    /* whose the lock is: should this process be killed, the master opens it */

    parent = ngx_pid;
    ngx_pid = ngx_getpid();

    why = ngx_http_entra_handover_give(mcf);

    if (why) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "entra zone \"%V\": the tokens are not handed over to "
                      "the new binary: %s; it fetches its own",
                      &mcf->shared.name, why);
    }

    ngx_pid = parent;
}


/*
 * The master, on its way to execute the new binary: a detached process has no
 * channel, and the pid file was renamed a moment ago.  Any other child that
 * some module forks gets nothing.
 */

static ngx_uint_t
ngx_http_entra_handover_upgrade(void)
{
    ngx_core_conf_t  *ccf;

    if (ngx_process != NGX_PROCESS_MASTER
        || ngx_processes[ngx_process_slot].channel[0] != -1)
    {
        return 0;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                           ngx_core_module);

    return access((char *) ccf->pid.data, F_OK) == -1
           && access((char *) ccf->oldpid.data, F_OK) == 0;
}


static const char *
ngx_http_entra_handover_give(ngx_http_entra_main_conf_t *mcf)
{
    int                  rc;
    u_char               head[ENTRA_STORE_COPY_HEAD];
    const char          *why;
    entra_buf_t          message;
    entra_store_copy_t   copy;

    ngx_memzero(&copy, sizeof(entra_store_copy_t));
    copy.kinds = NGX_HTTP_ENTRA_HANDOVER_KINDS;

    ngx_memzero(head, sizeof(head));
    entra_buf_init(&message, NGX_HTTP_ENTRA_HANDOVER_MAX);
    entra_buf_add(&message, head, sizeof(head));

    do {
        rc = ngx_http_entra_zone_export(mcf, &copy, &message);
    } while (rc == NGX_AGAIN);

    if (rc != NGX_OK) {
        why = "a worker holds the zone's lock";

    } else if (!entra_buf_ok(&message)) {
        why = "there is no memory";

    } else if (copy.copied == 0) {
        why = NULL;

    } else if (entra_store_copy_head((entra_str_t) {
                   message.len - sizeof(head), message.data + sizeof(head) },
                   head) != 0)
    {
        why = "there is no SHA-256";

    } else {
        ngx_memcpy(message.data, head, sizeof(head));
        why = ngx_http_entra_handover_seal(&message);
    }

    entra_buf_free(&message);

    return why;
}


static const char *
ngx_http_entra_handover_seal(entra_buf_t *message)
{
    int      fd;
    size_t   sent;
    ssize_t  n;

    fd = ngx_http_entra_memfd(NGX_HTTP_ENTRA_HANDOVER);

    if (fd == -1) {
        return "memfd_create() failed";
    }

    n = fchmod(fd, 0600);

    for (sent = 0; n >= 0 && sent < message->len; sent += n) {
        n = write(fd, message->data + sent, message->len - sent);
    }

#ifdef F_ADD_SEALS

    if (n >= 0
        && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL|F_SEAL_WRITE|F_SEAL_SHRINK
                                  |F_SEAL_GROW)
           == 0)
    {
        return NULL;
    }

#endif

    (void) close(fd);

    return "the memory could not be written";
}
