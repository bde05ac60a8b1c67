
/*
 * Copyright (C) nginx-entra authors
 *
 * What the status shows, copied record by record.
 */

#include "ngx_http_entra_page.h"


static ngx_int_t ngx_http_entra_snapshot_tokens(ngx_http_request_t *r,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_snapshot_t *s);
static void ngx_http_entra_snapshot_sum(ngx_http_entra_snapshot_t *s);
static ngx_int_t ngx_http_entra_snapshot_record(ngx_pool_t *pool,
    ngx_http_entra_token_t *token, int64_t now,
    ngx_http_entra_shown_token_t *t);
static ngx_int_t ngx_http_entra_snapshot_error(ngx_pool_t *pool,
    entra_store_snapshot_t *rec, ngx_http_entra_shown_token_t *t);
static const char *ngx_http_entra_snapshot_text(ngx_pool_t *pool,
    const char *text);
static ngx_int_t ngx_http_entra_snapshot_recent(ngx_http_request_t *r,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_snapshot_t *s,
    ngx_uint_t wanted);
static ngx_http_entra_state_e ngx_http_entra_snapshot_state(
    const ngx_http_entra_shown_token_t *t);
static ngx_int_t ngx_http_entra_snapshot_policies(ngx_http_request_t *r,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_snapshot_t *s);
static ngx_int_t ngx_http_entra_snapshot_lists(ngx_http_request_t *r,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_snapshot_t *s);


const char *const  ngx_http_entra_states[] = {
    "empty",
    "fetching",
    "valid",
    "refreshing",
    "failing_valid",
    "failing",
    "sign_in_due",
    "expired"
};


const ngx_uint_t  ngx_http_entra_refusals[] = { 401, 403, 424, 429 };


ngx_http_entra_snapshot_t *
ngx_http_entra_snapshot(ngx_http_request_t *r, ngx_uint_t attempts)
{
    ngx_uint_t                   i;
    volatile unsigned long      *counters;
    ngx_http_entra_snapshot_t   *s;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_entra_module);

    s = ngx_pcalloc(r->pool, sizeof(ngx_http_entra_snapshot_t));
    if (s == NULL) {
        return NULL;
    }

    s->time = ngx_time();
    s->zone = mcf->shared.zone != NULL;

    if (ngx_http_entra_snapshot_tokens(r, mcf, s) != NGX_OK
        || ngx_http_entra_snapshot_recent(r, mcf, s, attempts) != NGX_OK
        || ngx_http_entra_snapshot_policies(r, mcf, s) != NGX_OK
        || ngx_http_entra_snapshot_lists(r, mcf, s) != NGX_OK)
    {
        return NULL;
    }

    if (s->zone) {
        counters = ngx_http_entra_zone_counters(mcf);

        for (i = 0; i < NGX_HTTP_ENTRA_ZONE_COUNTERS; i++) {
            s->counters[i] = counters[i];
        }
    }

    return s;
}


static ngx_int_t
ngx_http_entra_snapshot_tokens(ngx_http_request_t *r,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_snapshot_t *s)
{
    int64_t                         now;
    ngx_int_t                       rc;
    ngx_uint_t                      i;
    ngx_http_entra_token_t        **token, *keys;
    ngx_http_entra_shown_token_t   *t;

    now = ngx_http_entra_clock();
    token = mcf->tokens.elts;
    keys = ngx_http_entra_caller_token_keys(mcf);

    s->tokens = ngx_pcalloc(r->pool, (mcf->tokens.nelts + 1)
                                     * sizeof(ngx_http_entra_shown_token_t));
    if (s->tokens == NULL) {
        return NGX_ERROR;
    }

    if (!s->zone) {
        return NGX_OK;
    }

    rc = NGX_OK;

    for (i = 0; i < mcf->tokens.nelts && rc == NGX_OK; i++) {

        if (token[i]->store == NULL) {
            continue;
        }

        /* what this worker knows */

        (void) ngx_http_entra_token_valid(token[i], now);

        /* the last one is there for the keys */

        t = token[i] == keys ? &s->tokens[mcf->tokens.nelts]
                             : &s->tokens[s->ntokens++];

        rc = ngx_http_entra_snapshot_record(r->pool, token[i], now, t);

        if (token[i] == keys) {
            s->keys = t;
        }
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    s->keys_entries = s->keys ? ngx_http_entra_caller_token_nkeys(mcf) : 0;

    ngx_http_entra_snapshot_sum(s);

    return NGX_OK;
}


/* what follows from the copies */

static void
ngx_http_entra_snapshot_sum(ngx_http_entra_snapshot_t *s)
{
    ngx_uint_t                     i;
    ngx_http_entra_shown_token_t  *t;

    for (i = 0; i <= s->ntokens; i++) {
        t = i < s->ntokens ? &s->tokens[i] : s->keys;

        if (t == NULL) {
            break;
        }

        t->state = ngx_http_entra_snapshot_state(t);

        s->preloaded += t->preload;
        s->missing += t->preload && !t->usable;

        if (t == s->keys) {
            t->is_keys = 1;
            break;
        }

        t->first = i == 0 || t->credential.data != t[-1].credential.data;
        s->states[t->state]++;
    }
}


/* all that is ever read of a record; texts are copied where there are any */

static ngx_int_t
ngx_http_entra_snapshot_record(ngx_pool_t *pool,
    ngx_http_entra_token_t *token, int64_t now,
    ngx_http_entra_shown_token_t *t)
{
    ngx_uint_t               i;
    entra_credential_t      *core;
    entra_store_snapshot_t   copy, *rec;

    rec = &copy;
    (void) entra_store_snapshot(token->store, &token->ref, now, rec, NULL);

    core = token->credential->core;

    t->credential = token->credential->name;
    t->scope = token->scope;
    t->type = core->type->name;
    t->page = core->page;
    t->interactive = core->type->interactive;
    t->cert_expires = core->cert_expires;
    t->stale_files = core->stale_files;
    t->preload = token->preload;

    t->held = token->expires != 0 || rec->expires != 0;
    t->usable = token->expires > now;
    t->fetching = rec->lease > now;

    t->age = rec->obtained ? ngx_max(now - rec->obtained, 0) : 0;
    t->expires_in = token->expires ? ngx_max(rec->expires - now, 0) : 0;
    t->refresh_in = token->expires ? ngx_max(rec->refresh - now, 0) : 0;
    t->next_attempt_in = ngx_max(rec->next - now, 0);

    t->fails = rec->fails;
    t->fetches = rec->fetches;
    t->failures = rec->failures;
    t->fetch_ms = rec->fetch_ms;
    t->generation = rec->generation;
    t->waits = rec->waits;
    t->replays = rec->replays;

    t->upstream[0] = rec->upstream_401;
    t->upstream[1] = rec->upstream_403;
    t->upstream[2] = rec->upstream_424;
    t->upstream[3] = rec->upstream_429;

    for (i = 0; i < NGX_HTTP_ENTRA_FETCH_BUCKETS; i++) {
        t->took[i] = rec->took[i];
    }

    for (i = 0; i < NGX_HTTP_ENTRA_STATUSES; i++) {
        t->requests[i] = rec->counters[i];
    }

    t->note = ngx_http_entra_snapshot_text(pool, rec->note);
    t->member = ngx_http_entra_snapshot_text(pool, rec->member);

    return t->note && t->member
           && ngx_http_entra_snapshot_error(pool, rec, t) == NGX_OK
           ? NGX_OK : NGX_ERROR;
}


/* under a mutex of its own, which nothing else waits for */

static ngx_int_t
ngx_http_entra_snapshot_recent(ngx_http_request_t *r,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_snapshot_t *s,
    ngx_uint_t wanted)
{
    ngx_uint_t                    i, n;
    ngx_http_entra_token_t      **token;
    ngx_http_entra_attempts_t    *rows;

    rows = NULL;

    if (wanted && mcf->shared.recent) {
        rows = ngx_palloc(r->pool, mcf->tokens.nelts
                                   * sizeof(ngx_http_entra_attempts_t) + 1);
        if (rows == NULL) {
            return NGX_ERROR;
        }
    }

    s->ndenials = ngx_http_entra_recent(mcf, rows, s->denials);

    token = mcf->tokens.elts;
    n = 0;

    for (i = 0; rows && i < mcf->tokens.nelts; i++) {

        if (token[i]->store == NULL
            || token[i] == ngx_http_entra_caller_token_keys(mcf))
        {
            continue;
        }

        if (ngx_memcmp(rows[i].key, token[i]->ref.key, sizeof(rows[i].key))
            == 0)
        {
            s->tokens[n].attempts = &rows[i];
        }

        n++;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_snapshot_error(ngx_pool_t *pool, entra_store_snapshot_t *rec,
    ngx_http_entra_shown_token_t *t)
{
    ngx_http_entra_shown_error_t  *err;

    if (rec->failed == 0) {
        return NGX_OK;
    }

    err = ngx_palloc(pool, sizeof(ngx_http_entra_shown_error_t));
    if (err == NULL) {
        return NGX_ERROR;
    }

    err->time = rec->failed;
    err->class = rec->error_class;
    err->status = rec->error_status;
    err->aadsts = rec->error_aadsts;
    err->id = ngx_http_entra_snapshot_text(pool, rec->error_id);
    err->text = ngx_http_entra_snapshot_text(pool, rec->error_text);
    err->advice = ngx_http_entra_snapshot_text(pool, rec->error_advice);

    t->error = err;

    return err->id && err->text && err->advice ? NGX_OK : NGX_ERROR;
}


static const char *
ngx_http_entra_snapshot_text(ngx_pool_t *pool, const char *text)
{
    u_char  *copy;
    size_t   len;

    if (text[0] == '\0') {
        return "";
    }

    len = ngx_strlen(text) + 1;

    copy = ngx_pnalloc(pool, len);
    if (copy) {
        ngx_memcpy(copy, text, len);
    }

    return (const char *) copy;
}


static ngx_http_entra_state_e
ngx_http_entra_snapshot_state(const ngx_http_entra_shown_token_t *t)
{
    if (t->usable) {

        if (t->fails) {
            return NGX_HTTP_ENTRA_STATE_FAILING_VALID;
        }

        return t->fetching ? NGX_HTTP_ENTRA_STATE_REFRESHING
                           : NGX_HTTP_ENTRA_STATE_VALID;
    }

    if (t->fails && t->interactive && t->error
        && ngx_strncmp(t->error->text, "sign-in is due", 14) == 0)
    {
        return NGX_HTTP_ENTRA_STATE_SIGN_IN_DUE;
    }

    if (t->fails) {
        return NGX_HTTP_ENTRA_STATE_FAILING;
    }

    if (t->fetching) {
        return NGX_HTTP_ENTRA_STATE_FETCHING;
    }

    return t->held ? NGX_HTTP_ENTRA_STATE_EXPIRED : NGX_HTTP_ENTRA_STATE_EMPTY;
}


static ngx_int_t
ngx_http_entra_snapshot_policies(ngx_http_request_t *r,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_snapshot_t *s)
{
    ngx_uint_t                      i, n;
    entra_policy_t                 *policy;
    entra_store_atomics_t          *rec;
    ngx_http_entra_shown_policy_t  *p;

    static const char *const  states[] = {
        "enabled", "report_only", "disabled"
    };

    for (n = 0; entra_rules_policy_nth(mcf->rules, n) != NULL; n++) {
        /* void */
    }

    s->policies = ngx_pcalloc(r->pool,
                              n * sizeof(ngx_http_entra_shown_policy_t) + 1);
    if (s->policies == NULL) {
        return NGX_ERROR;
    }

    s->npolicies = n;

    for (n = 0; n < s->npolicies; n++) {
        policy = entra_rules_policy_nth(mcf->rules, n);
        rec = policy->data;
        p = &s->policies[n];

        p->name = policy->name;
        p->state = states[policy->state];
        p->until = policy->until;
        p->block = policy->block;
        p->used = rec != NULL;

        for (i = 0; rec && i < ENTRA_RESULTS; i++) {
            p->results[i] = rec->counters[i];
        }
    }

    return NGX_OK;
}


/* of this worker: each reads the files itself */

static ngx_int_t
ngx_http_entra_snapshot_lists(ngx_http_request_t *r,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_snapshot_t *s)
{
    ngx_uint_t                     n;
    ngx_http_entra_shown_list_t   *l;
    const entra_named_location_t  *location;

    for (n = 0; entra_rules_location_nth(mcf->rules, n) != NULL; n++) {
        /* void */
    }

    s->lists = ngx_pcalloc(r->pool,
                           n * sizeof(ngx_http_entra_shown_list_t) + 1);
    if (s->lists == NULL) {
        return NGX_ERROR;
    }

    s->nlists = n;

    for (n = 0; n < s->nlists; n++) {
        location = entra_rules_location_nth(mcf->rules, n);
        l = &s->lists[n];

        l->name = location->name;
        l->entries = entra_named_location_entries(location);
        l->age = ngx_max(s->time - location->loaded_at, 0);
        l->failures = location->failures;
        l->error = location->error;
    }

    return NGX_OK;
}
