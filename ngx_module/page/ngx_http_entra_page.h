
/*
 * Copyright (C) nginx-entra authors
 *
 * The status: one snapshot, and three printers that see nothing else.
 */

#ifndef _NGX_HTTP_ENTRA_PAGE_H_INCLUDED_
#define _NGX_HTTP_ENTRA_PAGE_H_INCLUDED_


#include "ngx_http_entra_request.h"
#include "ngx_http_entra_recent.h"


/* the words are ngx_http_entra_states[], docs/directives.md explains them */

typedef enum {
    NGX_HTTP_ENTRA_STATE_EMPTY = 0,
    NGX_HTTP_ENTRA_STATE_FETCHING,
    NGX_HTTP_ENTRA_STATE_VALID,
    NGX_HTTP_ENTRA_STATE_REFRESHING,
    NGX_HTTP_ENTRA_STATE_FAILING_VALID,
    NGX_HTTP_ENTRA_STATE_FAILING,
    NGX_HTTP_ENTRA_STATE_SIGN_IN_DUE,
    NGX_HTTP_ENTRA_STATE_EXPIRED,
    NGX_HTTP_ENTRA_STATES
} ngx_http_entra_state_e;


/* the last failed attempt; texts are bounded and hold no secrets */

typedef struct {
    time_t                           time;
    ngx_uint_t                       class;
    ngx_uint_t                       status;        /* HTTP, 0: no answer */
    uint32_t                         aadsts;        /* 0: none */
    const char                      *id;            /* correlation id, or "" */
    const char                      *text;
    const char                      *advice;        /* or "" */
} ngx_http_entra_shown_error_t;


/* the upstream's answers that are counted */

#define NGX_HTTP_ENTRA_REFUSALS  4

extern const ngx_uint_t  ngx_http_entra_refusals[];     /* 401 ... */


/* one credential for one scope; all times are in ms from now, 0: past */

typedef struct {
    ngx_http_entra_state_e           state;
    ngx_str_t                        credential;
    ngx_str_t                        scope;
    const char                      *type;
    const char                      *page;      /* to sign in, or NULL */

    int64_t                          age;
    int64_t                          expires_in;
    int64_t                          refresh_in;
    int64_t                          next_attempt_in;

    ngx_atomic_uint_t                fails;         /* in a row */
    ngx_atomic_uint_t                fetches;
    ngx_atomic_uint_t                failures;
    ngx_atomic_uint_t                fetch_ms;      /* sum */
    ngx_atomic_uint_t                took[NGX_HTTP_ENTRA_FETCH_BUCKETS];
    ngx_atomic_uint_t                generation;
    ngx_atomic_uint_t                waits;
    ngx_atomic_uint_t                replays;
    ngx_atomic_uint_t                upstream[NGX_HTTP_ENTRA_REFUSALS];
    ngx_atomic_uint_t                requests[NGX_HTTP_ENTRA_STATUSES];

    const char                      *member;        /* of a chain, or "" */
    const char                      *note;          /* or "" */
    ngx_http_entra_shown_error_t    *error;         /* NULL: none ever */

    int64_t                          cert_expires;  /* seconds, 0: none */
    ngx_uint_t                       stale_files;

    const ngx_http_entra_attempts_t *attempts;      /* NULL: not asked for */

    unsigned                         preload:1;
    unsigned                         held:1;        /* has a token or had */
    unsigned                         usable:1;      /* may be sent now */
    unsigned                         fetching:1;
    unsigned                         is_keys:1;     /* of callers' tokens */
    unsigned                         first:1;       /* of its credential */
    unsigned                         interactive:1;
} ngx_http_entra_shown_token_t;


typedef struct {
    const char                      *name;
    const char                      *state;
    int64_t                          until;         /* seconds, 0: none */
    ngx_atomic_uint_t                results[ENTRA_RESULTS];
    unsigned                         used:1;
    unsigned                         block:1;       /* else a grant */
} ngx_http_entra_shown_policy_t;


typedef struct {
    const char                      *name;
    ngx_uint_t                       entries;
    int64_t                          age;           /* seconds */
    ngx_uint_t                       failures;
    const char                      *error;         /* or "" */
} ngx_http_entra_shown_list_t;


typedef struct {
    time_t                           time;
    ngx_uint_t                       preloaded;
    ngx_uint_t                       missing;       /* of those */
    ngx_uint_t                       states[NGX_HTTP_ENTRA_STATES];

    ngx_uint_t                       ntokens;
    ngx_http_entra_shown_token_t    *tokens;        /* without keys */
    ngx_http_entra_shown_token_t    *keys;          /* NULL: none */
    ngx_uint_t                       keys_entries;

    ngx_uint_t                       npolicies;
    ngx_http_entra_shown_policy_t   *policies;
    ngx_uint_t                       ndenials;      /* newest one first */
    ngx_http_entra_denial_t          denials[NGX_HTTP_ENTRA_DENIALS];
    ngx_uint_t                       nlists;
    ngx_http_entra_shown_list_t     *lists;

    /* ngx_http_entra_counter_e; only with a zone */
    ngx_atomic_uint_t                counters[NGX_HTTP_ENTRA_ZONE_COUNTERS];
    unsigned                         zone:1;
} ngx_http_entra_snapshot_t;


/* which of it is asked for, and how */

typedef struct {
    ngx_str_t                        search;        /* lower case, or empty */
    ngx_int_t                        state;         /* NGX_ERROR: all */
    ngx_uint_t                       page;          /* from 1 */
    ngx_int_t                        refresh;       /* seconds, -1: not */
} ngx_http_entra_view_t;


extern const char *const  ngx_http_entra_states[];


/* from the request's pool; attempts: the last ones too; NULL: no memory */
ngx_http_entra_snapshot_t *ngx_http_entra_snapshot(ngx_http_request_t *r,
    ngx_uint_t attempts);

/* the printers */
void ngx_http_entra_status_json(const ngx_http_entra_snapshot_t *s,
    const ngx_http_entra_view_t *view, entra_buf_t *b);
void ngx_http_entra_status_json_error(const ngx_http_entra_shown_error_t *err,
    entra_buf_t *b);
void ngx_http_entra_status_prometheus(const ngx_http_entra_snapshot_t *s,
    entra_buf_t *b);
void ngx_http_entra_status_html(const ngx_http_entra_snapshot_t *s,
    const ngx_http_entra_view_t *view, entra_buf_t *b);

/* ngx_http_entra_view.c: from the query */
ngx_int_t ngx_http_entra_view(ngx_http_request_t *r,
    ngx_http_entra_view_t *view);
ngx_uint_t ngx_http_entra_view_has(const ngx_http_entra_view_t *view,
    const ngx_http_entra_shown_token_t *t);

/* ngx_http_entra_status_format.c: "format" of the query, or Accept */

typedef enum {
    NGX_HTTP_ENTRA_JSON = 0,
    NGX_HTTP_ENTRA_PROMETHEUS,
    NGX_HTTP_ENTRA_HTML,
    NGX_HTTP_ENTRA_UNKNOWN
} ngx_http_entra_format_e;

ngx_http_entra_format_e ngx_http_entra_status_format(ngx_http_request_t *r);

ngx_int_t ngx_http_entra_page_header(ngx_http_request_t *r, const char *key,
    const char *value);


/* ngx_http_entra_what_if.c */

char *ngx_http_entra_what_if(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ngx_http_entra_sign_in.c */

char *ngx_http_entra_sign_in(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_entra_sign_in_check(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
ngx_int_t ngx_http_entra_sign_in_init(ngx_http_entra_worker_t *worker);

/* ngx_http_entra_status.c */

extern const ngx_str_t  ngx_http_entra_status_names[];

char *ngx_http_entra_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_HTTP_ENTRA_PAGE_H_INCLUDED_ */
