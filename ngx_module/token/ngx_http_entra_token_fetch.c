
/*
 * Copyright (C) nginx-entra authors
 *
 * One fetch of a token across all workers: who may begin it (a lease in the
 * shared record), what is asked for, and what its end leaves in the record.
 */

#include "ngx_http_entra_module.h"
#include "ngx_http_entra_recent.h"

#include <signal.h>

#include <openssl/evp.h>


/*
 * Without any token requests fail: a provider that recovers is noticed
 * sooner than the usual backoff would, ms
 */
#define NGX_HTTP_ENTRA_BACKOFF_EMPTY  10000


static ngx_int_t ngx_http_entra_token_lease(ngx_http_entra_token_t *token,
    int64_t now, entra_buf_t *claims);
static ngx_int_t ngx_http_entra_token_leased(ngx_http_entra_record_t *rec,
    int64_t now);
static void ngx_http_entra_token_fetch(ngx_http_entra_token_t *token,
    entra_buf_t *claims);
static void ngx_http_entra_token_refused(ngx_http_entra_token_t *token);
static void ngx_http_entra_token_done(void *data, entra_acquire_t *a);
static void ngx_http_entra_token_success(ngx_http_entra_token_t *token,
    entra_acquire_t *a, int64_t now);
static void ngx_http_entra_token_failure(ngx_http_entra_token_t *token,
    entra_acquire_t *a, int64_t now);
static void ngx_http_entra_token_report(ngx_http_entra_token_t *token,
    entra_acquire_t *a, int64_t now, int64_t delay);
static void ngx_http_entra_token_took(ngx_http_entra_record_t *rec,
    int64_t ms);
static ngx_uint_t ngx_http_entra_token_is_keys(ngx_http_entra_token_t *token);


const int64_t  ngx_http_entra_fetch_bounds[] = {
    50, 100, 250, 500, 1000, 2500, 5000, 10000
};


void
ngx_http_entra_token_kick(ngx_http_entra_token_t *token)
{
    int64_t      now;
    ngx_int_t    rc;
    entra_buf_t  claims;

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

    rc = ngx_http_entra_token_lease(token, now, &claims);

    if (rc == NGX_OK) {
        ngx_http_entra_token_fetch(token, &claims);

    } else {
        ngx_http_entra_token_arm(token, now);
    }

    entra_buf_free(&claims);
}


/* NGX_OK: ours; NGX_BUSY: another worker fetches; NGX_DECLINED: not due */

static ngx_int_t
ngx_http_entra_token_lease(ngx_http_entra_token_t *token, int64_t now,
    entra_buf_t *claims)
{
    ngx_int_t                    rc;
    ngx_http_entra_record_t     *rec;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_entra_worker->conf;
    rec = token->record;

    ngx_http_entra_zone_lock(mcf);

    if (ngx_http_entra_token_leased(rec, now)) {
        rc = NGX_BUSY;

    } else if (rec->next > now) {
        rc = NGX_DECLINED;

    } else if (rec->value && rec->refresh > now
               && ngx_memcmp(rec->material, token->credential->material[0], 32)
                  == 0)
    {
        /* another worker was faster */
        rc = NGX_DECLINED;

    } else {
        rec->owner = ngx_pid;
        rec->lease = now + NGX_HTTP_ENTRA_LEASE;

        /* what Entra asked of the caller is not to be asked of Entra */

        if (token->assertion == NULL || rec->fails == 0) {
            entra_buf_add(claims, rec->claims, rec->claims_len);
        }

        rc = NGX_OK;
    }

    ngx_http_entra_zone_unlock(mcf);

    return rc;
}


static ngx_int_t
ngx_http_entra_token_leased(ngx_http_entra_record_t *rec, int64_t now)
{
    if (rec->lease <= now) {
        return 0;
    }

    /* killed in the middle of a fetch: nobody waits for the lease to end */

    if (kill(rec->owner, 0) == -1 && ngx_errno == NGX_ESRCH) {
        return 0;
    }

    return 1;
}


static void
ngx_http_entra_token_fetch(ngx_http_entra_token_t *token, entra_buf_t *claims)
{
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_entra_worker->conf;

    token->started = ngx_http_entra_clock();

    token->acquire = entra_acquire_start(&ngx_http_entra_worker->world,
                                         token->credential->core,
                                         (entra_str_t) {
                                             token->scope.len,
                                             (char *) token->scope.data
                                         },
                                         claims->len ? claims->data : NULL,
                                         token->assertion,
                                         ngx_http_entra_token_done, token);

    if (token->acquire == NULL) {
        ngx_http_entra_zone_lock(mcf);
        token->record->lease = 0;
        token->record->next = token->started + 1000;
        ngx_http_entra_zone_unlock(mcf);

        ngx_http_entra_token_arm(token, token->started);
        return;
    }

    (void) ngx_atomic_fetch_add(&token->record->fetches, 1);

    ngx_http_entra_token_refused(token);
}


/* a key has a second one: the acquisition has to know which was refused */

static void
ngx_http_entra_token_refused(ngx_http_entra_token_t *token)
{
    ngx_http_entra_record_t     *rec;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_entra_worker->conf;
    rec = token->record;

    ngx_http_entra_zone_lock(mcf);

    if (rec->forced && rec->forced_generation == rec->generation
        && rec->value)
    {
        (void) EVP_Digest(rec->value, rec->len, token->acquire->refused, NULL,
                          EVP_sha256(), NULL);
        token->acquire->has_refused = 1;
    }

    ngx_http_entra_zone_unlock(mcf);
}


static void
ngx_http_entra_token_done(void *data, entra_acquire_t *a)
{
    ngx_http_entra_token_t  *token = data;

    int64_t                   now;
    ngx_http_entra_record_t  *rec;

    token->acquire = NULL;
    rec = token->record;
    now = ngx_http_entra_clock();

    ngx_http_entra_token_took(rec, now - token->started);
    ngx_http_entra_recent_attempt(ngx_http_entra_worker->conf, token,
                                  now - token->started, a->err.class);

    if (a->err.class == ENTRA_ERR_NONE) {
        ngx_http_entra_token_success(token, a, now);

    } else {
        ngx_http_entra_token_failure(token, a, now);
    }

    ngx_http_entra_token_arm(token, now);
    ngx_http_entra_wake(token);
}


static void
ngx_http_entra_token_took(ngx_http_entra_record_t *rec, int64_t ms)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_ENTRA_FETCH_BUCKETS - 1; i++) {
        if (ms <= ngx_http_entra_fetch_bounds[i]) {
            break;
        }
    }

    (void) ngx_atomic_fetch_add(&rec->fetch_took[i], 1);
    (void) ngx_atomic_fetch_add(&rec->fetch_ms, ms);
}


static void
ngx_http_entra_token_success(ngx_http_entra_token_t *token,
    entra_acquire_t *a, int64_t now)
{
    u_char                       name[NGX_HTTP_ENTRA_NAME_MAX];
    int64_t                      refresh;
    ngx_int_t                    rc;
    ngx_uint_t                   fails, level;
    ngx_http_entra_record_t     *rec;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_entra_worker->conf;
    rec = token->record;

    refresh = entra_token_refresh_after(a->token.lifetime, a->token.refresh_in,
                                        (uint32_t) ngx_random());

    (void) ngx_http_entra_credential_material(token->credential);

    ngx_http_entra_zone_lock(mcf);

    fails = rec->fails;
    rec->tried = ngx_time();

    rc = ngx_http_entra_zone_store(mcf, rec, a->token.value, a->token.len);

    ngx_memcpy(rec->material, token->credential->material[0], 32);
    rec->obtained = now;
    rec->expires = now + a->token.lifetime * 1000;
    rec->refresh = now + refresh * 1000;
    rec->fails = 0;
    rec->next = 0;
    rec->lease = 0;
    rec->used = now;
    (void) ngx_http_entra_zone_claims(mcf, rec, NULL);
    ngx_cpystrn(rec->note, (u_char *) token->credential->core->note,
                sizeof(rec->note));
    ngx_cpystrn(rec->member, (u_char *) (token->credential->core->member
                                         ? token->credential->core->member
                                         : ""),
                sizeof(rec->member));

    /* the value is whole: now the others may look */

    ngx_memory_barrier();
    (void) ngx_atomic_fetch_add(&rec->generation, 1);
    token->generation = rec->generation;

    ngx_http_entra_zone_unlock(mcf);

    ngx_http_entra_token_set_local(token, a->token.value, a->token.len);
    token->expires = rec->expires;
    token->refresh = rec->refresh;

    if (rc != NGX_OK && !token->reported) {
        token->reported = 1;
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "entra zone \"%V\" is full, workers do not share the "
                      "token of credential \"%V\"; write a larger "
                      "\"entra_shared_zone zone=%V:SIZE\"",
                      &mcf->zone_name, &token->credential->name,
                      &mcf->zone_name);
    }

    level = fails ? NGX_LOG_NOTICE : NGX_LOG_INFO;

    ngx_log_error(level, ngx_cycle->log, 0,
                  "%s: got %s for %L s, refresh in %L s%s",
                  ngx_http_entra_token_name(token, name),
                  ngx_http_entra_token_is_keys(token)
                      ? "the keys of callers' tokens" : "a token",
                  a->token.lifetime, refresh,
                  fails ? ", the failure is over" : "");
}


static void
ngx_http_entra_token_failure(ngx_http_entra_token_t *token,
    entra_acquire_t *a, int64_t now)
{
    int64_t                      delay;
    ngx_int_t                    usable;
    ngx_str_t                    claims;
    ngx_http_entra_record_t     *rec;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_entra_worker->conf;
    rec = token->record;
    usable = ngx_http_entra_token_usable(token, now);

    (void) ngx_atomic_fetch_add(&rec->failures, 1);

    ngx_http_entra_zone_lock(mcf);

    rec->fails++;

    delay = entra_token_backoff(&a->err, rec->fails, (uint32_t) ngx_random());

    if (!usable && a->err.retry_after <= 0
        && (a->err.class == ENTRA_ERR_TRANSIENT
            || a->err.class == ENTRA_ERR_PROTOCOL))
    {
        delay = ngx_min(delay, NGX_HTTP_ENTRA_BACKOFF_EMPTY);
    }

    rec->next = now + delay;
    rec->lease = 0;

    rec->tried = ngx_time();
    rec->failed = rec->tried;
    rec->error_class = a->err.class;
    rec->error_status = a->err.http_status;
    rec->error_aadsts = a->err.aadsts;
    rec->error_remedy = a->err.remedy;
    ngx_cpystrn(rec->error_name, (u_char *) a->err.error,
                sizeof(rec->error_name));
    ngx_cpystrn(rec->error_id, (u_char *) a->err.correlation_id,
                sizeof(rec->error_id));
    ngx_cpystrn(rec->error_text, (u_char *) a->err.text,
                sizeof(rec->error_text));
    ngx_cpystrn(rec->error_advice,
                (u_char *) (a->err.advice ? a->err.advice : ""),
                sizeof(rec->error_advice));
    ngx_cpystrn(rec->note, (u_char *) token->credential->core->note,
                sizeof(rec->note));

    if (token->assertion) {
        claims.data = (u_char *) a->challenge;
        claims.len = a->challenge ? ngx_strlen(a->challenge) : 0;

        (void) ngx_http_entra_zone_claims(mcf, rec, &claims);
    }

    ngx_http_entra_zone_unlock(mcf);

    ngx_http_entra_token_report(token, a, now, delay);
}


static void
ngx_http_entra_token_report(ngx_http_entra_token_t *token, entra_acquire_t *a,
    int64_t now, int64_t delay)
{
    u_char       name[NGX_HTTP_ENTRA_NAME_MAX];
    ngx_uint_t   level, usable;
    entra_buf_t  line;
    const char  *state;

    entra_buf_init(&line, 4096);
    entra_err_line(&a->err, &line);

    /* that a person has to sign in is said once, not every minute */

    level = token->credential->core->type->interactive && a->err.unavailable
            && token->record->fails > 1 ? NGX_LOG_INFO : NGX_LOG_ERR;

    usable = token->header.len && now < token->expires;

    if (ngx_http_entra_token_is_keys(token)) {
        state = usable ? "the last keys are used"
                       : "there are no keys to judge callers' tokens by";

    } else {
        state = usable ? "the current token is still valid"
                       : "there is no valid token";
    }

    if (entra_buf_ok(&line) && line.data) {
        ngx_log_error(level, ngx_cycle->log, 0,
                      "%s: %s error: %s; %s, next attempt in %L s",
                      ngx_http_entra_token_name(token, name),
                      entra_err_class_name(a->err.class), line.data, state,
                      (delay + 999) / 1000);
    }

    entra_buf_free(&line);
}


/* not a token: what callers' tokens are validated with is fetched as one */

static ngx_uint_t
ngx_http_entra_token_is_keys(ngx_http_entra_token_t *token)
{
    return token == ngx_http_entra_keys_token(ngx_http_entra_worker->conf);
}


char *
ngx_http_entra_token_name(ngx_http_entra_token_t *token, u_char *buf)
{
    u_char     *p, *last;
    ngx_str_t  *name;

    name = &token->credential->name;
    last = buf + NGX_HTTP_ENTRA_NAME_MAX - 1;

    p = ngx_slprintf(buf, last, ngx_http_entra_token_is_keys(token)
                                ? "%V" : "entra credential \"%V\"", name);

    if (token->scope.len) {
        p = ngx_slprintf(p, last, ", scope \"%V\"", &token->scope);
    }

    *p = '\0';

    return (char *) buf;
}


ngx_int_t
ngx_http_entra_token_force(ngx_http_entra_token_t *token,
    ngx_atomic_uint_t generation, ngx_str_t *claims)
{
    int64_t                      now;
    ngx_int_t                    rc;
    ngx_http_entra_record_t     *rec;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_entra_worker->conf;
    rec = token->record;
    now = ngx_http_entra_clock();

    ngx_http_entra_zone_lock(mcf);

    if (rec->generation != generation) {
        rc = NGX_OK;

    } else if (rec->forced && rec->forced_generation == generation
               && ngx_http_entra_token_leased(rec, now))
    {
        rc = NGX_OK;

    } else if ((rec->forced
                && now - rec->forced < NGX_HTTP_ENTRA_FORCE << rec->vain)
               || rec->next > now)
    {
        rc = NGX_DECLINED;

    } else {
        /* the one that was forced is refused, too: less and less often */

        rec->vain = (claims == NULL && rec->forced
                     && generation == rec->forced_generation + 1)
                    ? ngx_min(rec->vain + 1, NGX_HTTP_ENTRA_VAIN_MAX) : 0;
        rec->forced = now;
        rec->forced_generation = generation;
        rec->refresh = now;
        (void) ngx_http_entra_zone_claims(mcf, rec, claims);
        rc = NGX_AGAIN;
    }

    ngx_http_entra_zone_unlock(mcf);

    if (rc == NGX_AGAIN) {
        token->refresh = now;
        ngx_http_entra_token_kick(token);
        rc = NGX_OK;
    }

    return rc;
}


void
ngx_http_entra_token_heartbeat(ngx_http_entra_token_t *token)
{
    int64_t  now;

    now = ngx_http_entra_clock();
    token->record->used = now;

    if (token->acquire && token->record->owner == ngx_pid) {
        token->record->lease = now + NGX_HTTP_ENTRA_LEASE;
    }
}


ngx_int_t
ngx_http_entra_token_pending(ngx_http_entra_token_t *token)
{
    return token->acquire != NULL
           || ngx_http_entra_token_leased(token->record,
                                          ngx_http_entra_clock());
}


int64_t
ngx_http_entra_token_next(ngx_http_entra_token_t *token)
{
    int64_t  wait;

    wait = token->record->next - ngx_http_entra_clock();

    return wait > 0 ? wait : 0;
}
