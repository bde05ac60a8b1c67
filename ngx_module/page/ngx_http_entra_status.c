
/*
 * Copyright (C) nginx-entra authors
 *
 * entra_status: JSON, Prometheus text, HTML; entra_status ready.
 */

#include "ngx_http_entra_module.h"
#include "entra_enc.h"


#define NGX_HTTP_ENTRA_STATUS_MAX  (16 * 1024 * 1024)


static ngx_int_t ngx_http_entra_status_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_entra_status_header(ngx_http_request_t *r,
    const char *key, const char *value);
static void ngx_http_entra_status_json_keys(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b, int64_t now);
static void ngx_http_entra_status_json(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b);
static void ngx_http_entra_status_json_token(entra_buf_t *b,
    ngx_http_entra_token_t *token, entra_store_snapshot_t *rec, int64_t now);
static void ngx_http_entra_status_json_error(entra_buf_t *b,
    entra_store_snapshot_t *rec);
static ngx_int_t ngx_http_entra_status_ready(ngx_http_request_t *r,
    ngx_http_entra_main_conf_t *mcf);
static ngx_int_t ngx_http_entra_status_ready_answer(ngx_http_request_t *r,
    entra_buf_t *list, ngx_uint_t missing);


char *
ngx_http_entra_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_entra_loc_conf_t *lcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;
    lcf->own = 1;

    if (cf->args->nelts == 2) {
        if (ngx_strcmp(value[1].data, "ready") != 0) {
            return "takes no parameter but \"ready\"";
        }

        lcf->ready = 1;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_entra_status_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_entra_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    entra_buf_t                  b;
    ngx_uint_t                   status;
    const char                  *type;
    ngx_http_entra_loc_conf_t   *lcf;
    ngx_http_entra_main_conf_t  *mcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_entra_module);
    lcf = ngx_http_get_module_loc_conf(r, ngx_http_entra_module);

    if (ngx_http_entra_status_header(r, "Cache-Control", "no-store") != NGX_OK
        || (!lcf->ready
            && ngx_http_entra_status_header(r, "Vary", "Accept") != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (lcf->ready) {
        return ngx_http_entra_status_ready(r, mcf);
    }

    entra_buf_init(&b, NGX_HTTP_ENTRA_STATUS_MAX);
    status = NGX_HTTP_OK;

    switch (ngx_http_entra_status_format(r)) {

    case NGX_HTTP_ENTRA_PROMETHEUS:
        ngx_http_entra_status_prometheus(mcf, &b);
        type = "text/plain; version=0.0.4; charset=utf-8";
        break;

    case NGX_HTTP_ENTRA_HTML:
        ngx_http_entra_status_html(mcf, &b);
        type = "text/html; charset=utf-8";
        break;

    case NGX_HTTP_ENTRA_UNKNOWN:
        entra_buf_add_c(&b, "{\"type\":\"about:blank\",\"title\":\"Bad "
                        "Request\",\"status\":400,\"detail\":\"format is json, "
                        "prometheus or html\"}\n");
        type = "application/problem+json";
        status = NGX_HTTP_BAD_REQUEST;
        break;

    default:
        ngx_http_entra_status_json(mcf, &b);
        type = "application/json";
    }

    rc = ngx_http_entra_answer_text(r, status, type, &b);

    entra_buf_free(&b);

    return rc;
}


static ngx_int_t
ngx_http_entra_status_header(ngx_http_request_t *r, const char *key,
    const char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    ngx_http_entra_header_next(h);
    h->key.data = (u_char *) key;
    h->key.len = ngx_strlen(key);
    h->value.data = (u_char *) value;
    h->value.len = ngx_strlen(value);

    return NGX_OK;
}


static void
ngx_http_entra_status_json(ngx_http_entra_main_conf_t *mcf, entra_buf_t *b)
{
    int64_t                    now;
    ngx_uint_t                 i;
    ngx_atomic_t              *counters;
    ngx_http_entra_token_t   **token;
    entra_store_snapshot_t    rec;

    now = ngx_http_entra_clock();
    token = mcf->tokens.elts;

    entra_buf_addf(b, "{\"version\":\"%s\",\"time\":%lld,\"worker\":%d,"
                   "\"credentials\":[", NGX_HTTP_ENTRA_VERSION,
                   (long long) ngx_time(), (int) ngx_pid);

    for (i = 0; i < mcf->tokens.nelts; i++) {

        if (token[i]->record == NULL
            || token[i] == ngx_http_entra_keys_token(mcf))
        {
            continue;
        }

        ngx_http_entra_status_record(mcf, token[i], &rec);

        if (b->data && b->data[b->len - 1] == '}') {
            entra_buf_add_char(b, ',');
        }

        ngx_http_entra_status_json_token(b, token[i], &rec, now);
    }

    entra_buf_add_c(b, "]");

    ngx_http_entra_status_json_keys(mcf, b, now);

    if (mcf->zone) {
        counters = ngx_http_entra_zone_counters(mcf);

        entra_buf_addf(b, ",\"decisions\":{\"allow\":%lu,\"deny\":%lu,"
                       "\"undetermined\":%lu},\"egress_blocked\":%lu,"
                       "\"ambiguous_paths\":%lu",
                       (unsigned long) counters[NGX_HTTP_ENTRA_COUNT_ALLOW],
                       (unsigned long) counters[NGX_HTTP_ENTRA_COUNT_DENY],
                       (unsigned long)
                           counters[NGX_HTTP_ENTRA_COUNT_UNDETERMINED],
                       (unsigned long) counters[NGX_HTTP_ENTRA_COUNT_EGRESS],
                       (unsigned long) counters[NGX_HTTP_ENTRA_COUNT_PATH]);
    }

    ngx_http_entra_status_json_rules(mcf, b);

    entra_buf_add_c(b, "}\n");
}


/* the keys that sign callers' tokens */

static void
ngx_http_entra_status_json_keys(ngx_http_entra_main_conf_t *mcf,
    entra_buf_t *b, int64_t now)
{
    ngx_http_entra_token_t   *token;
    entra_store_snapshot_t   rec;

    token = ngx_http_entra_keys_token(mcf);

    if (token == NULL || token->record == NULL) {
        return;
    }

    ngx_http_entra_status_record(mcf, token, &rec);

    entra_buf_addf(b, ",\"caller_keys\":{\"state\":\"%s\",\"entries\":%lu",
                   ngx_http_entra_status_state(token, &rec, now),
                   (unsigned long) ngx_http_entra_keys_number(mcf));

    if (token->header.len) {
        entra_buf_addf(b, ",\"age\":%lld,\"refresh_in\":%lld",
                       (long long) ngx_max((now - rec.obtained) / 1000, 0),
                       (long long) ngx_max((rec.refresh - now) / 1000, 0));

    } else {
        entra_buf_add_c(b, ",\"age\":null,\"refresh_in\":null");
    }

    entra_buf_addf(b, ",\"fetches\":%lu,\"failures\":%lu,\"waits\":%lu",
                   (unsigned long) rec.fetches, (unsigned long) rec.failures,
                   (unsigned long) rec.waits);

    ngx_http_entra_status_json_error(b, &rec);

    entra_buf_add_char(b, '}');
}


void
ngx_http_entra_status_record(ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_token_t *token, entra_store_snapshot_t *rec)
{
    int64_t  now;

    now = ngx_http_entra_clock();

    (void) ngx_http_entra_token_usable(token, now);
    (void) entra_store_snapshot(token->store, &token->ref, now, rec, NULL);
}


const char *
ngx_http_entra_status_state(ngx_http_entra_token_t *token,
    entra_store_snapshot_t *rec, int64_t now)
{
    if (token->header.len && token->expires > now) {
        return rec->fails ? "valid, refresh failing" : "valid";
    }

    if (rec->expires) {
        return "expired";
    }

    if (rec->lease > now) {
        return "fetching";
    }

    return rec->fails ? "failing" : "none";
}


static void
ngx_http_entra_status_json_token(entra_buf_t *b, ngx_http_entra_token_t *token,
    entra_store_snapshot_t *rec, int64_t now)
{
    ngx_uint_t                    i;
    ngx_http_entra_credential_t  *c;

    c = token->credential;

    entra_buf_add_c(b, "{\"credential\":");
    entra_enc_json(b, (entra_str_t) { c->name.len, (char *) c->name.data });
    entra_buf_addf(b, ",\"type\":\"%s\",\"scope\":", c->core->type->name);
    entra_enc_json(b, (entra_str_t) { token->scope.len,
                                      (char *) token->scope.data });
    entra_buf_addf(b, ",\"state\":\"%s\",\"preload\":%s",
                   ngx_http_entra_status_state(token, rec, now),
                   token->preload ? "true" : "false");

    if (token->header.len) {
        entra_buf_addf(b, ",\"expires_in\":%lld,\"refresh_in\":%lld",
                       (long long) ngx_max((rec->expires - now) / 1000, 0),
                       (long long) ngx_max((rec->refresh - now) / 1000, 0));

    } else {
        entra_buf_add_c(b, ",\"expires_in\":null,\"refresh_in\":null");
    }

    entra_buf_addf(b, ",\"fetching\":%s,\"next_attempt_in\":%lld"
                   ",\"fetches\":%lu,\"failures\":%lu,"
                   "\"failures_in_a_row\":%lu,\"fetch_seconds\":%.3f,"
                   "\"waits\":%lu,\"replays\":%lu,\"generation\":%lu",
                   rec->lease > now ? "true" : "false",
                   (long long) ngx_max((rec->next - now) / 1000, 0),
                   (unsigned long) rec->fetches, (unsigned long) rec->failures,
                   (unsigned long) rec->fails, (double) rec->fetch_ms / 1000,
                   (unsigned long) rec->waits, (unsigned long) rec->replays,
                   (unsigned long) rec->generation);

    entra_buf_addf(b, ",\"upstream\":{\"401\":%lu,\"403\":%lu,\"424\":%lu,"
                   "\"429\":%lu},\"requests\":{",
                   (unsigned long) rec->upstream_401,
                   (unsigned long) rec->upstream_403,
                   (unsigned long) rec->upstream_424,
                   (unsigned long) rec->upstream_429);

    for (i = NGX_HTTP_ENTRA_HIT; i < NGX_HTTP_ENTRA_STATUSES; i++) {
        entra_buf_addf(b, "%s\"%s\":%lu", i > NGX_HTTP_ENTRA_HIT ? "," : "",
                       (char *) ngx_http_entra_status_names[i].data,
                       (unsigned long) rec->counters[i]);
    }

    entra_buf_add_c(b, "}");

    if (rec->note[0]) {
        entra_buf_add_c(b, ",\"note\":");
        entra_enc_json(b, entra_str_c((char *) rec->note));
    }

    ngx_http_entra_status_json_error(b, rec);

    entra_buf_add_char(b, '}');
}


static void
ngx_http_entra_status_json_error(entra_buf_t *b, entra_store_snapshot_t *rec)
{
    if (rec->failed == 0) {
        entra_buf_add_c(b, ",\"last_error\":null");
        return;
    }

    entra_buf_addf(b, ",\"last_error\":{\"time\":%lld,\"class\":\"%s\","
                   "\"http_status\":%lu,\"aadsts\":",
                   (long long) rec->failed,
                   entra_err_class_name(rec->error_class),
                   (unsigned long) rec->error_status);

    if (rec->error_aadsts) {
        entra_buf_addf(b, "\"AADSTS%u\"", (unsigned) rec->error_aadsts);

    } else {
        entra_buf_add_c(b, "null");
    }

    entra_buf_add_c(b, ",\"correlation_id\":");
    entra_enc_json(b, entra_str_c((char *) rec->error_id));
    entra_buf_add_c(b, ",\"text\":");
    entra_enc_json(b, entra_str_c((char *) rec->error_text));

    if (rec->error_advice[0]) {
        entra_buf_add_c(b, ",\"advice\":");
        entra_enc_json(b, entra_str_c((char *) rec->error_advice));
    }

    entra_buf_add_char(b, '}');
}


static ngx_int_t
ngx_http_entra_status_ready(ngx_http_request_t *r,
    ngx_http_entra_main_conf_t *mcf)
{
    int64_t                   now;
    ngx_int_t                 rc;
    ngx_uint_t                i, missing;
    entra_buf_t               b;
    ngx_http_entra_token_t  **token;
    entra_store_snapshot_t   rec;

    now = ngx_http_entra_clock();
    token = mcf->tokens.elts;
    missing = 0;

    entra_buf_init(&b, NGX_HTTP_ENTRA_STATUS_MAX);
    entra_buf_add_c(&b, "\"not_ready\":[");

    for (i = 0; i < mcf->tokens.nelts; i++) {

        if (!token[i]->preload
            || ngx_http_entra_token_usable(token[i], now))
        {
            continue;
        }

        entra_buf_addf(&b, "%s{\"credential\":", missing++ ? "," : "");
        entra_enc_json(&b, (entra_str_t) {
                               token[i]->credential->name.len,
                               (char *) token[i]->credential->name.data });
        entra_buf_add_c(&b, ",\"scope\":");
        entra_enc_json(&b, (entra_str_t) { token[i]->scope.len,
                                           (char *) token[i]->scope.data });
        ngx_http_entra_status_record(mcf, token[i], &rec);
        ngx_http_entra_status_json_error(&b, &rec);
        entra_buf_add_char(&b, '}');
    }

    entra_buf_add_char(&b, ']');

    rc = ngx_http_entra_status_ready_answer(r, &b, missing);

    entra_buf_free(&b);

    return rc;
}


static ngx_int_t
ngx_http_entra_status_ready_answer(ngx_http_request_t *r, entra_buf_t *list,
    ngx_uint_t missing)
{
    ngx_int_t         rc;
    entra_buf_t       b;
    ngx_table_elt_t  *h;

    if (missing) {
        h = ngx_list_push(&r->headers_out.headers);
        if (h == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        h->hash = 1;
        ngx_http_entra_header_next(h);
        ngx_str_set(&h->key, "Retry-After");
        ngx_str_set(&h->value, "1");
    }

    entra_buf_init(&b, NGX_HTTP_ENTRA_STATUS_MAX);

    entra_buf_addf(&b, "{\"ready\":%s,", missing ? "false" : "true");
    entra_buf_add_str(&b, entra_buf_str(list));
    entra_buf_add_c(&b, "}\n");

    rc = ngx_http_entra_answer_text(r, missing ? NGX_HTTP_SERVICE_UNAVAILABLE
                                               : NGX_HTTP_OK,
                                    "application/json", &b);
    entra_buf_free(&b);

    return rc;
}
