
/*
 * Copyright (C) nginx-entra authors
 *
 * What a worker does regularly: a sign of life in the zone, and a look at the
 * files of each credential.  A round takes two seconds and is
 * made in slices, so that no turn of the event loop does it for thousands.
 *
 * A credential whose files inotify watches is looked at when one of them
 * changed, and in every fifteenth round, should the kernel not have told.
 * The others are looked at in each round.
 */

#include "ngx_http_entra_conf.h"
#include "ngx_http_entra_inotify.h"


#define NGX_HTTP_ENTRA_WATCH_SLICES  100        /* of a round, at most */
#define NGX_HTTP_ENTRA_WATCH_FEW     16         /* are one slice */
#define NGX_HTTP_ENTRA_WATCH_ROUNDS  15
#define NGX_HTTP_ENTRA_WATCH_TURN    32         /* looks in a turn */

/*
 * ms from a change to the look at it: who writes a file in two steps is left
 * the time to.  Two more looks follow: most are taken only when they were not
 * written for ENTRA_FILE_QUIET, some when they stay as they are, and all may
 * be written twice in one tick of the file system's clock.
 */
#define NGX_HTTP_ENTRA_WATCH_DELAY   250
#define NGX_HTTP_ENTRA_WATCH_LATER   ENTRA_FILE_QUIET
#define NGX_HTTP_ENTRA_WATCH_AGAIN   2


typedef struct {
    ngx_http_entra_links_t        links;        /* first */
    ngx_queue_t                   queue;        /* of changed ones */
    ngx_http_entra_credential_t  *credential;
    ngx_msec_t                    due;
    unsigned                      changed:1;    /* is in a queue */
    unsigned                      again:2;      /* further looks */
    unsigned                      known:1;      /* was looked at */
    unsigned                      polled:1;
} ngx_http_entra_watch_item_t;


typedef struct {
    ngx_http_entra_main_conf_t   *conf;
    ngx_http_entra_inotify_t     *inotify;
    ngx_http_entra_watch_item_t  *items;
    ngx_uint_t                    nitems;
    ngx_array_t                   asking;       /* credentials, others */

    ngx_event_t                   slice;
    ngx_uint_t                    nslices;
    ngx_uint_t                    at;           /* slice of the round */
    ngx_uint_t                    round;

    ngx_event_t                   look;
    ngx_queue_t                   soon;         /* each sorted by due */
    ngx_queue_t                   later;
} ngx_http_entra_watch_t;


static void ngx_http_entra_watch_slice(ngx_event_t *ev);
static void ngx_http_entra_watch_round(ngx_http_entra_watch_t *watch,
    ngx_http_entra_watch_item_t *item, ngx_uint_t n);
static void ngx_http_entra_watch_register(ngx_http_entra_watch_t *watch,
    ngx_http_entra_watch_item_t *item);
static void ngx_http_entra_watch_file(void *data, const entra_file_t *file);
static void ngx_http_entra_watch_changed(void *data,
    ngx_http_entra_links_t *links);
static void ngx_http_entra_watch_put(ngx_http_entra_watch_t *watch,
    ngx_http_entra_watch_item_t *item, ngx_queue_t *queue, ngx_msec_t delay);
static void ngx_http_entra_watch_arm(ngx_http_entra_watch_t *watch,
    ngx_msec_t least);
static ngx_http_entra_watch_item_t *ngx_http_entra_watch_due(
    ngx_queue_t *queue);
static void ngx_http_entra_watch_look(ngx_event_t *ev);
static void ngx_http_entra_watch_credential(ngx_http_entra_credential_t *c);
static void ngx_http_entra_watch_retry(ngx_http_entra_credential_t *c);
static void ngx_http_entra_watch_retry_tokens(ngx_http_entra_credential_t *c);


static ngx_http_entra_watch_t  ngx_http_entra_watch;


ngx_int_t
ngx_http_entra_watch_init(ngx_cycle_t *cycle, ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t                     i, n;
    ngx_http_entra_watch_t        *watch;
    ngx_http_entra_credential_t  **credential, **c;

    watch = &ngx_http_entra_watch;
    ngx_memzero(watch, sizeof(ngx_http_entra_watch_t));

    n = mcf->credentials.nelts;
    credential = mcf->credentials.elts;

    watch->items = ngx_pcalloc(cycle->pool,
                               (n + 1) * sizeof(ngx_http_entra_watch_item_t));
    if (watch->items == NULL) {
        return NGX_ERROR;
    }

    watch->conf = mcf;
    watch->nitems = n;

    if (ngx_array_init(&watch->asking, cycle->pool, 4, sizeof(void *))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        watch->items[i].credential = credential[i];

        if (credential[i]->core->type->uses) {
            c = ngx_array_push(&watch->asking);
            if (c == NULL) {
                return NGX_ERROR;
            }

            *c = credential[i];
        }
    }

    ngx_queue_init(&watch->soon);
    ngx_queue_init(&watch->later);

    ngx_http_entra_event(&watch->slice, ngx_http_entra_watch_slice, 1);
    ngx_http_entra_event(&watch->look, ngx_http_entra_watch_look, 1);

    watch->inotify = ngx_http_entra_inotify_create(cycle,
                                                 ngx_http_entra_watch_changed,
                                                 watch);

    n = ngx_max(n, mcf->tokens.nelts) / NGX_HTTP_ENTRA_WATCH_FEW + 1;
    watch->nslices = ngx_min(n, NGX_HTTP_ENTRA_WATCH_SLICES);

    ngx_add_timer(&watch->slice, NGX_HTTP_ENTRA_WATCH / watch->nslices);

    return NGX_OK;
}


void
ngx_http_entra_watch_exit(void)
{
    ngx_uint_t               i;
    ngx_http_entra_watch_t  *watch;

    watch = &ngx_http_entra_watch;

    for (i = 0; i < watch->nitems; i++) {
        ngx_http_entra_inotify_remove(watch->inotify, &watch->items[i].links);
    }

    ngx_http_entra_inotify_destroy(watch->inotify);

    if (watch->slice.timer_set) {
        ngx_del_timer(&watch->slice);
    }

    if (watch->look.timer_set) {
        ngx_del_timer(&watch->look);
    }

    watch->nitems = 0;
}


static void
ngx_http_entra_watch_slice(ngx_event_t *ev)
{
    ngx_uint_t               i, n, last;
    ngx_http_entra_watch_t  *watch;

    if (ngx_terminate) {
        return;
    }

    watch = &ngx_http_entra_watch;

    if (watch->at == 0) {
        ngx_http_entra_token_heartbeat();
        ngx_http_entra_zone_watch(watch->conf);
    }

    n = watch->nitems;
    last = ngx_exiting ? 0 : n * (watch->at + 1) / watch->nslices;

    for (i = n * watch->at / watch->nslices; i < last; i++) {
        ngx_http_entra_watch_round(watch, &watch->items[i], i);
    }

    if (++watch->at == watch->nslices) {
        watch->at = 0;
        watch->round++;
    }

    ngx_add_timer(ev, NGX_HTTP_ENTRA_WATCH / watch->nslices);
}


static void
ngx_http_entra_watch_round(ngx_http_entra_watch_t *watch,
    ngx_http_entra_watch_item_t *item, ngx_uint_t n)
{
    if (item->credential->core->type->watch == NULL) {
        return;
    }

    if (!item->known) {
        item->known = 1;
        ngx_http_entra_watch_register(watch, item);

    } else if (!item->polled
               && (watch->round + n) % NGX_HTTP_ENTRA_WATCH_ROUNDS != 0)
    {
        return;
    }

    ngx_http_entra_watch_credential(item->credential);
}


static void
ngx_http_entra_watch_register(ngx_http_entra_watch_t *watch,
    ngx_http_entra_watch_item_t *item)
{
    entra_credential_t  *core;

    core = item->credential->core;

    item->polled = (watch->inotify == NULL || core->type->files == NULL);

    if (item->polled) {
        return;
    }

    ngx_http_entra_inotify_remove(watch->inotify, &item->links);

    core->type->files(core, ngx_http_entra_watch_file, item);

    if (item->polled) {
        ngx_http_entra_inotify_remove(watch->inotify, &item->links);
    }
}


static void
ngx_http_entra_watch_file(void *data, const entra_file_t *file)
{
    ngx_http_entra_watch_item_t *item = data;

    if (file->path && !item->polled
        && ngx_http_entra_inotify_add(ngx_http_entra_watch.inotify,
                                      &item->links, file->path)
           != NGX_OK)
    {
        item->polled = 1;
    }
}


/* only noted here: the links are not to change meanwhile */

static void
ngx_http_entra_watch_changed(void *data, ngx_http_entra_links_t *links)
{
    ngx_http_entra_watch_t *watch = data;

    ngx_uint_t                    i;
    ngx_http_entra_watch_item_t  *item;

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    for (i = 0; links == NULL && i < watch->nitems; i++) {
        if (watch->items[i].links.first) {
            ngx_http_entra_watch_changed(data, &watch->items[i].links);
        }
    }

    item = (ngx_http_entra_watch_item_t *) links;

    if (item == NULL || (item->changed
                         && item->again == NGX_HTTP_ENTRA_WATCH_AGAIN))
    {
        return;
    }

    if (item->changed) {
        ngx_queue_remove(&item->queue);
    }

    item->again = NGX_HTTP_ENTRA_WATCH_AGAIN;
    ngx_http_entra_watch_put(watch, item, &watch->soon,
                             NGX_HTTP_ENTRA_WATCH_DELAY);
}


static void
ngx_http_entra_watch_put(ngx_http_entra_watch_t *watch,
    ngx_http_entra_watch_item_t *item, ngx_queue_t *queue, ngx_msec_t delay)
{
    item->changed = 1;
    item->due = ngx_current_msec + delay;
    ngx_queue_insert_tail(queue, &item->queue);

    ngx_http_entra_watch_arm(watch, 1);
}


static void
ngx_http_entra_watch_arm(ngx_http_entra_watch_t *watch, ngx_msec_t least)
{
    ngx_uint_t                    i;
    ngx_queue_t                  *queues[2];
    ngx_msec_int_t                left, wait;
    ngx_http_entra_watch_item_t  *item;

    queues[0] = &watch->soon;
    queues[1] = &watch->later;
    wait = -1;

    for (i = 0; i < 2; i++) {

        if (ngx_queue_empty(queues[i])) {
            continue;
        }

        item = ngx_queue_data(ngx_queue_head(queues[i]),
                              ngx_http_entra_watch_item_t, queue);

        left = (ngx_msec_int_t) (item->due - ngx_current_msec);
        left = ngx_max(left, (ngx_msec_int_t) least);
        wait = wait == -1 ? left : ngx_min(wait, left);
    }

    if (watch->look.timer_set) {
        ngx_del_timer(&watch->look);
    }

    if (wait != -1) {
        ngx_add_timer(&watch->look, (ngx_msec_t) wait);
    }
}


static ngx_http_entra_watch_item_t *
ngx_http_entra_watch_due(ngx_queue_t *queue)
{
    ngx_http_entra_watch_item_t  *item;

    if (ngx_queue_empty(queue)) {
        return NULL;
    }

    item = ngx_queue_data(ngx_queue_head(queue), ngx_http_entra_watch_item_t,
                          queue);

    return (ngx_msec_int_t) (item->due - ngx_current_msec) <= 0 ? item : NULL;
}


static void
ngx_http_entra_watch_look(ngx_event_t *ev)
{
    ngx_uint_t                    i;
    ngx_http_entra_watch_t       *watch;
    ngx_http_entra_watch_item_t  *item;

    if (ngx_terminate || ngx_exiting) {
        return;
    }

    watch = &ngx_http_entra_watch;

    for (i = 0; i < NGX_HTTP_ENTRA_WATCH_TURN; i++) {

        item = ngx_http_entra_watch_due(&watch->soon);

        if (item == NULL) {
            item = ngx_http_entra_watch_due(&watch->later);
        }

        if (item == NULL) {
            break;
        }

        ngx_queue_remove(&item->queue);
        item->changed = 0;

        /* the names first: what changes from now on is told */

        if (item->again == NGX_HTTP_ENTRA_WATCH_AGAIN) {
            ngx_http_entra_watch_register(watch, item);
        }

        ngx_http_entra_watch_credential(item->credential);

        if (item->again && !item->polled) {
            item->again--;
            ngx_http_entra_watch_put(watch, item, &watch->later,
                                     NGX_HTTP_ENTRA_WATCH_LATER);
        }
    }

    ngx_http_entra_watch_arm(watch, 1);
}


static void
ngx_http_entra_watch_credential(ngx_http_entra_credential_t *c)
{
    int                       rc;
    ngx_uint_t                i;
    entra_err_t               err;
    entra_str_t               line, warnings;
    ngx_http_entra_token_t  **token;

    entra_err_clear(&err);

    rc = c->core->type->watch(c->core, &err);

    warnings = entra_buf_str(&c->core->warnings);

    while (warnings.len && ngx_worker == 0) {
        line = entra_str_cut(&warnings, '\n');

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "entra credential \"%V\": %*s", &c->name, line.len,
                      line.data);
    }

    if (c->core->warnings.len) {
        entra_buf_reset(&c->core->warnings);
    }

    if (rc == 0) {
        return;
    }

    if (rc < 0) {

        /* all workers look at the same files: one of them says it */

        if (ngx_worker == 0) {
            ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                          "entra credential \"%V\": %s; the last good value "
                          "is kept, and a file that workers cannot read is "
                          "read again with a reload only", &c->name, err.text);
        }

        return;
    }

    if (ngx_http_entra_secret_digest(c)) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "entra credential \"%V\": its %s changed, getting new "
                      "tokens", &c->name,
                      c->core->type->interactive ? "sign-in" : "files");

        token = c->tokens.elts;

        for (i = 0; i < c->tokens.nelts; i++) {
            ngx_http_entra_token_due(token[i]);
        }
    }

    ngx_http_entra_watch_retry(c);
}


/*
 * Whatever a token is made of, files of its credential or of one that this
 * asks: a failure may be over now
 */

static void
ngx_http_entra_watch_retry(ngx_http_entra_credential_t *c)
{
    ngx_uint_t                     i;
    ngx_http_entra_credential_t  **asking;

    ngx_http_entra_watch_retry_tokens(c);

    c->core->changed = 1;
    asking = ngx_http_entra_watch.asking.elts;

    for (i = 0; i < ngx_http_entra_watch.asking.nelts; i++) {
        if (asking[i] != c && entra_credential_changed(asking[i]->core)) {
            ngx_http_entra_watch_retry_tokens(asking[i]);
        }
    }

    c->core->changed = 0;
}


static void
ngx_http_entra_watch_retry_tokens(ngx_http_entra_credential_t *c)
{
    ngx_uint_t                i;
    ngx_http_entra_token_t  **token;

    token = c->tokens.elts;

    for (i = 0; i < c->tokens.nelts; i++) {
        ngx_http_entra_token_retry(token[i]);
    }

    if (c->core->type->per_caller) {
        ngx_http_entra_worker->retry_callers(c);
    }
}
