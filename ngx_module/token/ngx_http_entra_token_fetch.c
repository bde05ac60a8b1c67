
/*
 * Copyright (C) nginx-entra authors
 *
 * One fetch of a token across all workers: who may begin it (a lease in the
 * shared record), what is asked for, and what its end leaves in the record.
 */

#include "ngx_http_entra_conf.h"
#include "ngx_http_entra_recent.h"

#include <openssl/evp.h>


#define NGX_HTTP_ENTRA_FIRST_LINES  10          /* of a worker */


static void ngx_http_entra_token_fetch(ngx_http_entra_token_t *token,
    entra_buf_t *claims, entra_buf_t *refused);
static void ngx_http_entra_token_done(void *data, entra_acquire_t *a);
static void ngx_http_entra_token_first_rest(void);
static void ngx_http_entra_token_success(ngx_http_entra_token_t *token,
    entra_acquire_t *a, int64_t now);
static ngx_atomic_uint_t ngx_http_entra_token_refused(
    ngx_http_entra_token_t *token);
static void ngx_http_entra_token_failure(ngx_http_entra_token_t *token,
    entra_acquire_t *a, int64_t now);
static void ngx_http_entra_token_report(ngx_http_entra_token_t *token,
    entra_acquire_t *a, entra_store_failure_t *failure);


void
ngx_http_entra_token_start_fetch(ngx_http_entra_token_t *token)
{
    int64_t      now;
    entra_buf_t  claims, refused;

    if (token->acquire) {
        return;
    }

    /* a worker that is leaving fetches for those who wait for it only */

    if (ngx_terminate
        || (ngx_exiting && ngx_queue_empty(&token->waiters)))
    {
        return;
    }

    now = ngx_http_entra_clock();

    entra_buf_init(&claims, NGX_HTTP_ENTRA_CLAIMS_MAX);
    entra_buf_init(&refused, ENTRA_TOKEN_MAX);

    if (ngx_http_entra_token_hold(token) == NGX_OK
        && entra_store_lease(token->store, &token->ref, now,
                             token->credential->digests[0], &claims, &refused)
           == ENTRA_STORE_LEASED)
    {
        ngx_http_entra_token_fetch(token, &claims, &refused);

    } else {
        ngx_http_entra_token_arm(token, now);
    }

    entra_buf_free(&claims);
    entra_buf_free(&refused);
}


static void
ngx_http_entra_token_fetch(ngx_http_entra_token_t *token, entra_buf_t *claims,
    entra_buf_t *refused)
{
    token->started = ngx_http_entra_clock();

    token->acquire = entra_acquire_start(&ngx_http_entra_worker->platform,
                                         token->credential->core,
                                         (entra_str_t) {
                                             token->scope.len,
                                             (char *) token->scope.data
                                         },
                                         claims->len ? claims->data : NULL,
                                         token->assertion,
                                         ngx_http_entra_token_done, token);

    if (token->acquire == NULL) {
        entra_store_release(token->store, &token->ref, token->started + 1000);
        ngx_http_entra_token_arm(token, token->started);
        return;
    }

    ngx_queue_insert_tail(&ngx_http_entra_worker->fetching, &token->fetching);

    /* a key has a second one: the acquisition has to know which was refused */

    if (refused->len) {
        (void) EVP_Digest(refused->data, refused->len, token->acquire->refused,
                          NULL, EVP_sha256(), NULL);
        token->acquire->has_refused = 1;
    }
}


static void
ngx_http_entra_token_done(void *data, entra_acquire_t *a)
{
    ngx_http_entra_token_t  *token = data;

    int64_t  now;

    token->acquire = NULL;
    ngx_queue_remove(&token->fetching);
    ngx_http_entra_worker->fetches++;
    now = ngx_http_entra_clock();

    ngx_http_entra_recent_attempt(ngx_http_entra_worker->conf, token,
                                  now - token->started, a->err.class);

    if (a->err.class == ENTRA_ERR_NONE) {
        ngx_http_entra_token_success(token, a, now);

    } else {
        ngx_http_entra_token_failure(token, a, now);

        if (token->again) {
            (void) entra_store_retry(token->store, &token->ref, now);
        }
    }

    ngx_http_entra_token_first_rest();

    token->again = 0;

    ngx_http_entra_token_arm(token, now);
    ngx_http_entra_token_rest(token);

    /* whose requests may be the last that hold it */

    ngx_http_entra_token_wake(token);
}


/* a good start is seen: a line each, or a few and the number of the rest */

static ngx_uint_t
ngx_http_entra_token_first(ngx_http_entra_token_t *token)
{
    if (token->assertion) {
        return NGX_LOG_INFO;
    }

    if (ngx_http_entra_worker->first_told == NGX_HTTP_ENTRA_FIRST_LINES) {
        ngx_http_entra_worker->first_more++;
        return NGX_LOG_INFO;
    }

    ngx_http_entra_worker->first_told++;

    return NGX_LOG_NOTICE;
}


static void
ngx_http_entra_token_first_rest(void)
{
    if (ngx_http_entra_worker->first_more
        && ngx_queue_empty(&ngx_http_entra_worker->fetching))
    {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "entra: %ui more credentials and scopes got their first"
                      " token", ngx_http_entra_worker->first_more);
        ngx_http_entra_worker->first_more = 0;
    }
}


static void
ngx_http_entra_token_success(ngx_http_entra_token_t *token,
    entra_acquire_t *a, int64_t now)
{
    u_char                  name[NGX_HTTP_ENTRA_NAME_MAX];
    int64_t                 refresh;
    ngx_uint_t              copy, level;
    const char             *what;
    entra_store_success_t   success;

    refresh = entra_token_refresh_after(a->token.lifetime, a->token.refresh_in,
                                        (uint32_t) ngx_random());

    (void) ngx_http_entra_secret_digest(token->credential);

    success.value.data = a->token.value;
    success.value.len = a->token.len;
    success.digest = token->credential->digests[0];
    success.note = token->credential->core->note;
    success.member = token->credential->core->member;
    success.now = now;
    success.wall = ngx_time();
    success.took = now - token->started;
    success.expires = now + a->token.lifetime * 1000;
    success.refresh = now + refresh * 1000;

    copy = token->header.len || token->assertion
           || !ngx_queue_empty(&token->waiters);

    if (entra_store_success(token->store, &token->ref, &success) != 0) {
        ngx_http_entra_zone_full(ngx_http_entra_worker->conf);
        copy = 1;
    }

    if (success.generation) {
        token->generation = success.generation;
    }

    if (copy) {
        ngx_http_entra_token_set_local(token, a->token.value, a->token.len);
    }

    token->expires = success.expires;
    token->refresh = success.refresh;

    (void) ngx_http_entra_token_name(token, name);
    what = token->caller_keys ? "the keys of callers' tokens" : "a token";

    if (success.fails == 0) {
        level = success.first ? ngx_http_entra_token_first(token)
                              : NGX_LOG_INFO;

        ngx_log_error(level, ngx_cycle->log, 0,
                      "%s: got %s for %L s, refresh in %L s",
                      name, what, a->token.lifetime, refresh);
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "%s: got %s for %L s, refresh in %L s, the failure is over "
                  "after %L s and %ui attempts, %uL requests were refused",
                  name, what, a->token.lifetime, refresh,
                  (now - success.since) / 1000, (ngx_uint_t) success.fails,
                  (uint64_t) (ngx_http_entra_token_refused(token)
                              - success.refused));
}


/* requests that there was no token for, in all workers */

static ngx_atomic_uint_t
ngx_http_entra_token_refused(ngx_http_entra_token_t *token)
{
    return token->record->counters[NGX_HTTP_ENTRA_ERROR]
           + token->record->counters[NGX_HTTP_ENTRA_EXPIRED];
}


static void
ngx_http_entra_token_failure(ngx_http_entra_token_t *token,
    entra_acquire_t *a, int64_t now)
{
    entra_store_failure_t  failure;

    failure.err = &a->err;
    failure.note = token->credential->core->note;
    failure.member = token->credential->core->member;
    failure.claims = token->assertion ? a->challenge : NULL;
    failure.now = now;
    failure.wall = ngx_time();
    failure.took = now - token->started;
    failure.usable = ngx_http_entra_token_valid(token, now);
    failure.random = (uint32_t) ngx_random();
    failure.refused = ngx_http_entra_token_refused(token);

    entra_store_failure(token->store, &token->ref, &failure);

    ngx_http_entra_token_report(token, a, &failure);
}


static void
ngx_http_entra_token_report(ngx_http_entra_token_t *token, entra_acquire_t *a,
    entra_store_failure_t *failure)
{
    u_char       name[NGX_HTTP_ENTRA_NAME_MAX];
    ngx_uint_t   level;
    entra_buf_t  line;
    const char  *state;

    entra_buf_init(&line, 4096);
    entra_err_line(&a->err, &line);

    /*
     * Once when it begins, when it becomes another one, and every few minutes;
     * that a person has to sign in is said once
     */

    if (!failure->tell
        || (token->credential->core->type->interactive && a->err.unavailable
            && failure->fails > 1))
    {
        level = NGX_LOG_INFO;

    } else {
        level = failure->usable ? NGX_LOG_WARN : NGX_LOG_ERR;
    }

    if (token->caller_keys) {
        state = failure->usable
                ? "the last keys are used"
                : "there are no keys to validate callers' tokens with";

    } else {
        state = failure->usable ? "the current token is still valid"
                                : "there is no valid token";
    }

    if (entra_buf_ok(&line) && line.data) {
        ngx_log_error(level, ngx_cycle->log, 0,
                      "%s: %s error: %s; %s, next attempt in %L s",
                      ngx_http_entra_token_name(token, name),
                      entra_err_class_name(a->err.class), line.data, state,
                      (failure->delay + 999) / 1000);
    }

    entra_buf_free(&line);
}


char *
ngx_http_entra_token_name(ngx_http_entra_token_t *token, u_char *buf)
{
    u_char     *p, *last;
    ngx_str_t  *name;

    name = &token->credential->name;
    last = buf + NGX_HTTP_ENTRA_NAME_MAX - 1;

    p = ngx_slprintf(buf, last, token->caller_keys
                                ? "%V" : "entra credential \"%V\"", name);

    if (token->scope.len) {
        p = ngx_slprintf(p, last, ", scope \"%V\"", &token->scope);
    }

    *p = '\0';

    return (char *) buf;
}


ngx_int_t
ngx_http_entra_token_invalidate(ngx_http_entra_token_t *token,
    ngx_atomic_uint_t generation, ngx_str_t *claims)
{
    int64_t      now;
    entra_str_t  text;

    /* a caller's may have been evicted since the token was sent */

    if (ngx_http_entra_token_hold(token) != NGX_OK) {
        return NGX_DECLINED;
    }

    now = ngx_http_entra_clock();

    text.data = claims ? (char *) claims->data : NULL;
    text.len = claims ? claims->len : 0;

    switch (entra_store_invalidate(token->store, &token->ref, generation, text,
                                   now))
    {

    case ENTRA_STORE_FETCH:
        token->refresh = now;
        ngx_http_entra_token_start_fetch(token);
        return NGX_OK;

    case ENTRA_STORE_NEWER:
        return NGX_OK;

    default:
        return NGX_DECLINED;
    }
}


ngx_int_t
ngx_http_entra_token_refresh_at(ngx_http_entra_token_t *token, int64_t when)
{
    if (entra_store_refresh_at(token->store, &token->ref, token->generation,
                               when, ngx_http_entra_clock())
        != 0)
    {
        return NGX_DECLINED;
    }

    token->refresh = ngx_min(token->refresh, when);
    ngx_http_entra_token_start_fetch(token);

    return NGX_OK;
}


void
ngx_http_entra_token_heartbeat(void)
{
    int64_t                  now;
    ngx_queue_t             *q;
    ngx_http_entra_token_t  *token;

    now = ngx_http_entra_clock();

    for (q = ngx_queue_head(&ngx_http_entra_worker->fetching);
         q != ngx_queue_sentinel(&ngx_http_entra_worker->fetching);
         q = ngx_queue_next(q))
    {
        token = ngx_queue_data(q, ngx_http_entra_token_t, fetching);

        entra_store_renew(token->store, &token->ref, now);
    }
}


ngx_int_t
ngx_http_entra_token_pending(ngx_http_entra_token_t *token)
{
    entra_store_snapshot_t  rec;

    if (token->acquire) {
        return 1;
    }

    ngx_http_entra_token_peek(token, &rec);

    return rec.lease != 0;
}


int64_t
ngx_http_entra_token_next(ngx_http_entra_token_t *token)
{
    int64_t                 wait;
    entra_store_snapshot_t  rec;

    ngx_http_entra_token_peek(token, &rec);

    wait = rec.next - ngx_http_entra_clock();

    return wait > 0 ? wait : 0;
}
