
/*
 * Copyright (C) nginx-entra authors
 *
 * Every difference between versions of nginx, libcurl and the C library that
 * the module has to know.  The part about libcurl is for files that include
 * <curl/curl.h> before this one.
 */

#ifndef _NGX_HTTP_ENTRA_COMPAT_H_INCLUDED_
#define _NGX_HTTP_ENTRA_COMPAT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <time.h>


#define NGX_HTTP_ENTRA_VERSION  "0.1.0"


/* ngx_posted_next_events */

#if (nginx_version < 1017005)
#error nginx 1.17.5 or later is required
#endif


/*
 * What few requests need stays out of the functions that all of them pass:
 * inlined, its registers and its buffers would be everyone's.  What all of
 * them need is in those functions, although it is called from others too.
 */

#if defined(__GNUC__)
#define ngx_http_entra_cold  __attribute__ ((cold, noinline))
#define ngx_http_entra_hot   ngx_inline __attribute__ ((always_inline))
#else
#define ngx_http_entra_cold
#define ngx_http_entra_hot   ngx_inline
#endif


/* the same for all processes, counts the time that a machine slept */

#ifdef CLOCK_BOOTTIME
#define NGX_HTTP_ENTRA_CLOCK  CLOCK_BOOTTIME
#else
#define NGX_HTTP_ENTRA_CLOCK  CLOCK_MONOTONIC
#endif


/* headers are linked lists since 1.23.0 */

#if (nginx_version >= 1023000)
#define ngx_http_entra_header_next(h)  (h)->next = NULL
#else
#define ngx_http_entra_header_next(h)
#endif


/* 0, or -1: has to be done one by one */

#if (NGX_LINUX)

#include <sys/syscall.h>

#ifdef SYS_close_range
#define ngx_http_entra_close_range(first, last)                               \
    (int) syscall(SYS_close_range, (unsigned) (first), (unsigned) (last), 0)
#endif

/* memory behind a descriptor: not inherited without close-on-exec, so 0 */

#ifdef SYS_memfd_create
#define ngx_http_entra_memfd(name)                                            \
    (int) syscall(SYS_memfd_create, name, NGX_HTTP_ENTRA_MEMFD_SEALING)
#endif

#endif

#define NGX_HTTP_ENTRA_MEMFD_SEALING  0x0002U    /* MFD_ALLOW_SEALING */

#ifndef ngx_http_entra_memfd
#define ngx_http_entra_memfd(name)  -1
#endif

#ifndef ngx_http_entra_close_range
#define ngx_http_entra_close_range(first, last)  -1
#endif


#if (NGX_LINUX)
#include <sys/prctl.h>
#endif


/* a process whose parent ended becomes a child of this one: 0, or -1 */

#ifdef PR_SET_CHILD_SUBREAPER

#define ngx_http_entra_subreaper()  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

/* as readdir() does, which allocates memory */

#define ngx_http_entra_getdents(fd, buf, size)                                \
    syscall(SYS_getdents64, fd, buf, size)

#else

#define ngx_http_entra_subreaper()                      -1
#define ngx_http_entra_getdents(fd, buf, size)          -1

#endif


/* nobody may look into a copy of a worker, or make it dump core */

#if (NGX_HAVE_PR_SET_DUMPABLE)

#define ngx_http_entra_undumpable()                                           \
    (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)

#else
#define ngx_http_entra_undumpable()
#endif


#ifdef LIBCURL_VERSION_NUM

#if (LIBCURL_VERSION_NUM < 0x074a00)
#error libcurl 7.74.0 or later is required
#endif


#if (LIBCURL_VERSION_NUM >= 0x075500)

#define ngx_http_entra_curl_protocols(easy, http)                             \
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,                             \
                     (http) ? "http,https" : "https")

#else

#define ngx_http_entra_curl_protocols(easy, http)                             \
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS,                                 \
                     (http) ? (long) (CURLPROTO_HTTP|CURLPROTO_HTTPS)         \
                            : (long) CURLPROTO_HTTPS)

#endif


/*
 * Without CURLOPT_QUICK_EXIT a transfer that is given up while its name is
 * being resolved waits for getaddrinfo(), and the worker with it: before
 * 7.87 a name server that does not answer blocks a worker for seconds.
 *
 * CURLOPT_CA_CACHE_TIMEOUT: seconds that the parsed CA bundle is kept in the
 * multi handle; parsing it takes some 20 ms.
 */

#if (LIBCURL_VERSION_NUM >= 0x075700)

#define ngx_http_entra_curl_quick_exit(easy)                                  \
    (void) curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L)

#define ngx_http_entra_curl_ca_cache(easy, seconds)                           \
    (void) curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, (long) (seconds))

#else

#define ngx_http_entra_curl_quick_exit(easy)
#define ngx_http_entra_curl_ca_cache(easy, seconds)

#endif


/*
 * Before 7.80 nothing tells that a connection is there: the end of the first
 * transfer does.
 */

#if (LIBCURL_VERSION_NUM >= 0x075000)

#define ngx_http_entra_curl_connected(easy, handler, data)                    \
    (void) curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, handler);           \
    (void) curl_easy_setopt(easy, CURLOPT_PREREQDATA, data)

#else

#define CURL_PREREQFUNC_OK  0
#define ngx_http_entra_curl_connected(easy, handler, data)                    \
    (void) handler

#endif


/* from 8.20 on resolver threads belong to the multi handle */

#if (LIBCURL_VERSION_NUM >= 0x081400)

#define ngx_http_entra_curl_multi_quick_exit(multi)                           \
    (void) curl_multi_setopt(multi, CURLMOPT_QUICK_EXIT, 1L)

#else

#define ngx_http_entra_curl_multi_quick_exit(multi)

#endif


#endif /* LIBCURL_VERSION_NUM */


#endif /* _NGX_HTTP_ENTRA_COMPAT_H_INCLUDED_ */
