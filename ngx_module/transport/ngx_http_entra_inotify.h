
/*
 * Copyright (C) nginx-entra authors
 *
 * Tells when a file may have changed, by inotify on nginx's event loop.  What
 * is watched is each name that the kernel looks up on the way to the file:
 * the swap of a symbolic link (Kubernetes' "..data"), of a directory, or the
 * rename of an editor is a change.
 *
 * Where inotify says nothing (a file system of another machine, a file that
 * is a mount point or has a second name, a directory that a worker may not
 * read, too many watches, another kernel), the file has to be polled.
 */

#ifndef _NGX_HTTP_ENTRA_INOTIFY_H_INCLUDED_
#define _NGX_HTTP_ENTRA_INOTIFY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct ngx_http_entra_inotify_s  ngx_http_entra_inotify_t;
typedef struct ngx_http_entra_links_s    ngx_http_entra_links_t;


/* links: of whom; NULL: of all, as events were lost */
typedef void (*ngx_http_entra_inotify_pt)(void *data,
    ngx_http_entra_links_t *links);


/* the names that the files of one owner depend on; zeroed by the owner */

struct ngx_http_entra_links_s {
    void        *first;
};


/* in a worker; NULL: not available */
ngx_http_entra_inotify_t *ngx_http_entra_inotify_create(ngx_cycle_t *cycle,
    ngx_http_entra_inotify_pt changed, void *data);

/* all links are removed before */
void ngx_http_entra_inotify_destroy(ngx_http_entra_inotify_t *in);

/* NGX_DECLINED: changes of this file are not told, it has to be polled */
ngx_int_t ngx_http_entra_inotify_add(ngx_http_entra_inotify_t *in,
    ngx_http_entra_links_t *links, const char *path);

void ngx_http_entra_inotify_remove(ngx_http_entra_inotify_t *in,
    ngx_http_entra_links_t *links);


#endif /* _NGX_HTTP_ENTRA_INOTIFY_H_INCLUDED_ */
