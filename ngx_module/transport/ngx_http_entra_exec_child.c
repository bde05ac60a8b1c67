
/*
 * Copyright (C) nginx-entra authors
 *
 * The worker cannot wait for a process: nginx's handler of SIGCHLD takes the
 * status of every child, and logs an alert about one that a signal ended.  So
 * the child of the worker is a guard, which always exits with 0.  The program
 * is the guard's child, in a session of its own; the guard waits for it,
 * reports its status, and ends its process group when the worker closes the
 * control socket, be it on purpose or because the worker died.
 *
 * What left the group (setsid) becomes a child of the guard when its parent
 * ends, and is killed at the end, with all that comes after it.
 */

#include "ngx_http_entra_exec.h"
#include "ngx_http_entra_compat.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/wait.h>


#define NGX_HTTP_ENTRA_EXEC_FDS_MAX  1048576
#define NGX_HTTP_ENTRA_EXEC_GRACE    500    /* ms from SIGTERM to SIGKILL */
#define NGX_HTTP_ENTRA_EXEC_ROUNDS   200    /* of killing what is left */
#define NGX_HTTP_ENTRA_EXEC_PAUSE    10     /* ms between two */


static void ngx_http_entra_exec_signals(void);
static void ngx_http_entra_exec_fds(const ngx_http_entra_exec_child_t *child);
static void ngx_http_entra_exec_close_from(int fd);
static void ngx_http_entra_exec_program(
    const ngx_http_entra_exec_child_t *child) __attribute__((noreturn));
static void ngx_http_entra_exec_guard(pid_t pid) __attribute__((noreturn));
static void ngx_http_entra_exec_guard_init(void);
static int ngx_http_entra_exec_ended(pid_t pid);
static void ngx_http_entra_exec_sigchld(int signo);
static int ngx_http_entra_exec_wait(long ms, int control);
static void ngx_http_entra_exec_kill(pid_t pid, int signo);
static void ngx_http_entra_exec_kill_children(void);
static void ngx_http_entra_exec_kill_listed(const char *entries, long n);
static pid_t ngx_http_entra_exec_parent(const char *pid);
static long ngx_http_entra_exec_now(void);
static void ngx_http_entra_exec_report(int32_t kind, int32_t value);


void
ngx_http_entra_exec_child(const ngx_http_entra_exec_child_t *child)
{
    pid_t          pid;
    struct rlimit  limit;

    ngx_http_entra_exec_fds(child);
    ngx_http_entra_exec_signals();

    /* the terminal's signals are for nginx, not for the guard */

    (void) setsid();
    (void) umask(077);

    if (chdir("/") == -1) {
        ngx_http_entra_exec_report(NGX_HTTP_ENTRA_EXEC_FAILED, errno);
        _exit(0);
    }

    /* a core of the guard would be one of the worker, with its tokens */

    limit.rlim_cur = 0;
    limit.rlim_max = 0;
    (void) setrlimit(RLIMIT_CORE, &limit);

    (void) ngx_http_entra_subreaper();

    pid = fork();

    if (pid == 0) {
        ngx_http_entra_exec_program(child);
    }

    if (pid == -1) {
        ngx_http_entra_exec_report(NGX_HTTP_ENTRA_EXEC_FAILED, errno);
        _exit(0);
    }

    ngx_http_entra_exec_guard(pid);
}


/* nginx's handlers, and SIGPIPE, which it ignores: that would be inherited */

static void
ngx_http_entra_exec_signals(void)
{
    int               signo;
    struct sigaction  sa;

    ngx_memzero(&sa, sizeof(struct sigaction));
    sa.sa_handler = SIG_DFL;
    sigemptyset(&sa.sa_mask);

    for (signo = 1; signo < NSIG; signo++) {
        (void) sigaction(signo, &sa, NULL);
    }
}


/*
 * All but these few is closed at once, among it nginx's listening sockets and
 * its clients' connections.
 */

static void
ngx_http_entra_exec_fds(const ngx_http_entra_exec_child_t *child)
{
    int  i, fds[NGX_HTTP_ENTRA_EXEC_FDS];

    /* moved up first: one may have the number that another needs */

    for (i = 0; i < NGX_HTTP_ENTRA_EXEC_FDS; i++) {
        fds[i] = fcntl(child->fds[i], F_DUPFD, NGX_HTTP_ENTRA_EXEC_FDS);

        if (fds[i] == -1) {
            _exit(0);
        }
    }

    for (i = 0; i < NGX_HTTP_ENTRA_EXEC_FDS; i++) {

        if (dup2(fds[i], i) == -1) {
            _exit(0);
        }

        if (i >= NGX_HTTP_ENTRA_EXEC_FD_CONTROL) {
            (void) fcntl(i, F_SETFD, FD_CLOEXEC);
        }
    }

    ngx_http_entra_exec_close_from(NGX_HTTP_ENTRA_EXEC_FDS);
}


static void
ngx_http_entra_exec_close_from(int fd)
{
    int            max;
    struct rlimit  limit;

    if (ngx_http_entra_close_range(fd, ~0U) == 0) {
        return;
    }

    max = NGX_HTTP_ENTRA_EXEC_FDS_MAX;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < (rlim_t) max)
    {
        max = (int) limit.rlim_cur;
    }

    for ( /* void */ ; fd < max; fd++) {
        (void) close(fd);
    }
}


static void
ngx_http_entra_exec_program(const ngx_http_entra_exec_child_t *child)
{
    sigset_t  set;

    (void) setsid();

    sigemptyset(&set);
    (void) sigprocmask(SIG_SETMASK, &set, NULL);

    (void) execve(child->path, child->argv, child->env);

    ngx_http_entra_exec_report(NGX_HTTP_ENTRA_EXEC_FAILED, errno);
    _exit(127);
}


/*
 * All signals are blocked but SIGCHLD while waiting.  The program is not
 * taken from the process table before its group is dead, so that the number
 * cannot have become another group's.
 */

static void
ngx_http_entra_exec_guard(pid_t pid)
{
    int   status, control;
    long  deadline;

    ngx_http_entra_exec_guard_init();

    control = 1;
    deadline = 0;

    while (!ngx_http_entra_exec_ended(pid)) {

        if (control) {
            control = !ngx_http_entra_exec_wait(-1, 1);

            if (!control) {
                ngx_http_entra_exec_kill(pid, SIGTERM);
                deadline = ngx_http_entra_exec_now()
                           + NGX_HTTP_ENTRA_EXEC_GRACE;
            }

            continue;
        }

        if (ngx_http_entra_exec_now() >= deadline) {
            ngx_http_entra_exec_kill(pid, SIGKILL);
        }

        (void) ngx_http_entra_exec_wait(NGX_HTTP_ENTRA_EXEC_GRACE, 0);
    }

    ngx_http_entra_exec_kill(pid, SIGKILL);

    status = 0;

    while (waitpid(pid, &status, 0) == -1 && errno == EINTR) { /* void */ }

    ngx_http_entra_exec_report(NGX_HTTP_ENTRA_EXEC_EXITED,
                               WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                                                   : WEXITSTATUS(status));
    ngx_http_entra_exec_kill_children();
    _exit(0);
}


static void
ngx_http_entra_exec_guard_init(void)
{
    struct sigaction  sa;

    /* to write is the program's alone: its end is the end of the pipes */

    (void) dup2(NGX_HTTP_ENTRA_EXEC_FD_NULL, NGX_HTTP_ENTRA_EXEC_FD_OUT);
    (void) dup2(NGX_HTTP_ENTRA_EXEC_FD_NULL, NGX_HTTP_ENTRA_EXEC_FD_ERR);

    ngx_memzero(&sa, sizeof(struct sigaction));
    sa.sa_handler = ngx_http_entra_exec_sigchld;
    sigemptyset(&sa.sa_mask);
    (void) sigaction(SIGCHLD, &sa, NULL);

    ngx_http_entra_undumpable();
}


static int
ngx_http_entra_exec_ended(pid_t pid)
{
    siginfo_t  info;

    info.si_pid = 0;

    if (waitid(P_PID, pid, &info, WEXITED|WNOHANG|WNOWAIT) == -1) {
        return errno != EINTR;
    }

    return info.si_pid == pid;
}


/* interrupts pselect() */

static void
ngx_http_entra_exec_sigchld(int signo)
{
    /* void */
}


/* until a child ends, ms pass (-1: no limit), or, with 1, control is closed */

static int
ngx_http_entra_exec_wait(long ms, int control)
{
    int               n;
    fd_set            fds;
    sigset_t          mask;
    struct timespec   ts;

    FD_ZERO(&fds);

    if (control) {
        FD_SET(NGX_HTTP_ENTRA_EXEC_FD_CONTROL, &fds);
    }

    sigfillset(&mask);
    sigdelset(&mask, SIGCHLD);

    ts.tv_sec = ms / 1000;
    ts.tv_nsec = ms % 1000 * 1000000;

    n = pselect(NGX_HTTP_ENTRA_EXEC_FD_CONTROL + 1, &fds, NULL, NULL,
                ms < 0 ? NULL : &ts, &mask);

    return n > 0;
}


static void
ngx_http_entra_exec_kill(pid_t pid, int signo)
{
    /* it has no group before its setsid(): then it is alone, too */

    if (kill(-pid, signo) == -1) {
        (void) kill(pid, signo);
    }
}


/*
 * The children of a killed one become children of the guard, so that some
 * rounds reach all; whoever forks faster than that is left after the last.
 * The worker has its report by now, and does not wait.
 */

static void
ngx_http_entra_exec_kill_children(void)
{
    int         fd, i;
    char        buf[4096];
    long        n;
    pid_t       pid;

    for (i = 0; i < NGX_HTTP_ENTRA_EXEC_ROUNDS; i++) {

        do {
            pid = waitpid(-1, NULL, WNOHANG);
        } while (pid > 0 || (pid == -1 && errno == EINTR));

        if (pid == -1) {
            /* ECHILD */
            return;
        }

        fd = open("/proc", O_RDONLY|O_DIRECTORY|O_CLOEXEC);

        if (fd == -1) {
            return;
        }

        for ( ;; ) {
            n = ngx_http_entra_getdents(fd, buf, sizeof(buf));

            if (n <= 0) {
                break;
            }

            ngx_http_entra_exec_kill_listed(buf, n);
        }

        (void) close(fd);

        (void) ngx_http_entra_exec_wait(NGX_HTTP_ENTRA_EXEC_PAUSE, 0);
    }
}


/* struct linux_dirent64: ino, off: 8 bytes each, reclen: 2, type: 1, name */

static void
ngx_http_entra_exec_kill_listed(const char *entries, long n)
{
    long             at;
    unsigned short   len;
    const char      *name;

    for (at = 0; at < n; at += len) {
        ngx_memcpy(&len, entries + at + 16, sizeof(len));
        name = entries + at + 19;

        if (name[0] >= '1' && name[0] <= '9'
            && ngx_http_entra_exec_parent(name) == getpid())
        {
            (void) kill((pid_t) ngx_atoi((u_char *) name, ngx_strlen(name)),
                        SIGKILL);
        }
    }
}


/* the fourth field of /proc/PID/stat, after a name that may hold anything */

static pid_t
ngx_http_entra_exec_parent(const char *pid)
{
    int      fd;
    char     path[64], stat[1024], *p, *last;
    ssize_t  n;

    p = (char *) ngx_cpystrn((u_char *) path, (u_char *) "/proc/", 7);
    p = (char *) ngx_cpystrn((u_char *) p, (u_char *) pid, 24);
    (void) ngx_cpystrn((u_char *) p, (u_char *) "/stat", 6);

    fd = open(path, O_RDONLY|O_CLOEXEC);

    if (fd == -1) {
        return -1;
    }

    n = read(fd, stat, sizeof(stat) - 1);
    (void) close(fd);

    if (n <= 0) {
        return -1;
    }

    stat[n] = '\0';
    p = strrchr(stat, ')');

    /* ") S 123 ..." */

    if (p == NULL || stat + n - p < 5) {
        return -1;
    }

    p += 4;
    last = strchr(p, ' ');

    return last ? (pid_t) ngx_atoi((u_char *) p, last - p) : -1;
}


static long
ngx_http_entra_exec_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


static void
ngx_http_entra_exec_report(int32_t kind, int32_t value)
{
    ssize_t                       n;
    ngx_http_entra_exec_report_t  report;

    report.kind = kind;
    report.value = value;

    /* so few bytes go at once, or the worker is gone */

    n = write(NGX_HTTP_ENTRA_EXEC_FD_CONTROL, &report, sizeof(report));
    (void) n;
}
