
/*
 * Copyright (C) nginx-entra authors
 *
 * on_behalf_of: tokens that belong to callers.  Each caller's token is found
 * by the hash of what the caller presents, so that nobody gets another one's;
 * it is fetched when it is asked for, and refreshed by later requests only.
 */

#include "ngx_http_entra_request.h"
#include "entra_jwt.h"

#include <openssl/evp.h>


/* callers' tokens that a worker keeps */
#define NGX_HTTP_ENTRA_OBO_MAX  1024


typedef struct {
    ngx_rbtree_node_t        node;
    ngx_queue_t              queue;             /* least recently used last */
    ngx_uint_t               refs;              /* requests */
    ngx_http_entra_token_t   token;
} ngx_http_entra_obo_t;


static ngx_http_entra_obo_t *ngx_http_entra_obo_find(u_char *key);
static ngx_http_entra_obo_t *ngx_http_entra_obo_create(
    ngx_http_entra_token_t *base, u_char *key, ngx_str_t *assertion);
static ngx_uint_t ngx_http_entra_obo_answer(ngx_http_entra_ctx_t *ctx,
    ngx_uint_t remedy, const char **detail);
static void ngx_http_entra_obo_evict(void);
static void ngx_http_entra_obo_free(ngx_http_entra_obo_t *obo);
static void ngx_http_entra_obo_release(void *data);
static void ngx_http_entra_obo_key(ngx_http_entra_token_t *base,
    ngx_str_t *assertion, u_char *key);


static ngx_rbtree_t       ngx_http_entra_obo_tree;
static ngx_rbtree_node_t  ngx_http_entra_obo_sentinel;
static ngx_queue_t        ngx_http_entra_obo_queue;
static ngx_uint_t         ngx_http_entra_obo_count;


void
ngx_http_entra_obo_init(void)
{
    ngx_rbtree_init(&ngx_http_entra_obo_tree, &ngx_http_entra_obo_sentinel,
                    ngx_rbtree_insert_value);
    ngx_queue_init(&ngx_http_entra_obo_queue);
    ngx_http_entra_obo_count = 0;
}


void
ngx_http_entra_obo_exit(void)
{
    ngx_http_entra_obo_t  *obo;

    while (!ngx_queue_empty(&ngx_http_entra_obo_queue)) {
        obo = ngx_queue_data(ngx_queue_head(&ngx_http_entra_obo_queue),
                             ngx_http_entra_obo_t, queue);
        ngx_http_entra_obo_free(obo);
    }
}


/*
 * NGX_OK: ctx->token is the caller's; NGX_AGAIN: parked, the keys that sign
 * callers' tokens are fetched; otherwise the status of an answer.
 */

ngx_int_t
ngx_http_entra_obo(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx)
{
    u_char                  key[32];
    ngx_int_t               rc;
    ngx_str_t              *value, assertion;
    entra_str_t             bearer;
    entra_signals_t         signals;
    ngx_pool_cleanup_t     *cln;
    ngx_http_entra_obo_t   *obo;

    ngx_memzero(&signals, sizeof(entra_signals_t));

    rc = ngx_http_entra_caller_token_signal(r, ctx, &signals);
    if (rc != NGX_OK) {
        return rc;
    }

    if (signals.token == ENTRA_SIGNAL_UNKNOWN) {
        return ngx_http_entra_answer(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                     "The gateway cannot decide about this "
                                     "request at present.", 5);
    }

    if (signals.token != ENTRA_SIGNAL_VALID) {
        ctx->status = NGX_HTTP_ENTRA_BLOCKED;
        ctx->answer.challenge = signals.token == ENTRA_SIGNAL_INVALID
                         ? "error=\"invalid_token\"" : NULL;

        return ngx_http_entra_answer(r, ctx, NGX_HTTP_UNAUTHORIZED,
                                     "Authentication of the caller is "
                                     "required or has failed.", 0);
    }

    value = &r->headers_in.authorization->value;

    (void) entra_jwt_bearer((entra_str_t) { value->len,
                                            (char *) value->data }, &bearer);

    assertion.data = (u_char *) bearer.data;
    assertion.len = bearer.len;

    ngx_http_entra_obo_key(ctx->token, &assertion, key);

    obo = ngx_http_entra_obo_find(key);

    if (obo == NULL) {
        obo = ngx_http_entra_obo_create(ctx->token, key, &assertion);
        if (obo == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_entra_obo_release;
    cln->data = obo;
    obo->refs++;

    ngx_queue_remove(&obo->queue);
    ngx_queue_insert_head(&ngx_http_entra_obo_queue, &obo->queue);

    ngx_http_entra_token_touch(&obo->token);

    ctx->token = &obo->token;

    return NGX_OK;
}


/* the gateway's own secret may have been what callers' tokens failed for */

void
ngx_http_entra_obo_retry(ngx_http_entra_credential_t *credential)
{
    ngx_queue_t           *q;
    ngx_http_entra_obo_t  *obo;

    for (q = ngx_queue_head(&ngx_http_entra_obo_queue);
         q != ngx_queue_sentinel(&ngx_http_entra_obo_queue);
         q = ngx_queue_next(q))
    {
        obo = ngx_queue_data(q, ngx_http_entra_obo_t, queue);

        if (obo->token.credential == credential) {
            ngx_http_entra_token_retry(&obo->token);
        }
    }
}


/* Entra has refused this very token: its caller need not wait for a retry */

ngx_uint_t
ngx_http_entra_obo_settled(ngx_http_entra_token_t *token)
{
    entra_store_snapshot_t  rec;

    ngx_http_entra_token_peek(token, &rec);

    return rec.state == ENTRA_STORE_FAILING
           && rec.error_class == ENTRA_ERR_DENIED
           && rec.next > ngx_http_entra_clock();
}


/*
 * Whether it is for the caller to do something, who is told what, so that an
 * equal token is not what comes next: "invalid_token" is said of those only
 * that another one can replace.  The status of the answer, or 0.
 */

ngx_uint_t
ngx_http_entra_obo_refused(ngx_http_request_t *r, ngx_http_entra_ctx_t *ctx,
    ngx_http_entra_token_t *token, const char **detail)
{
    ngx_uint_t               remedy;
    entra_buf_t              claims;
    entra_store_snapshot_t   rec;

    entra_buf_init(&claims, NGX_HTTP_ENTRA_CLAIMS_MAX);

    (void) entra_store_snapshot(token->store, &token->ref,
                                ngx_http_entra_clock(), &rec, &claims);

    remedy = rec.fails ? rec.error_remedy : ENTRA_REMEDY_NONE;

    if (remedy != ENTRA_REMEDY_NONE && claims.len && entra_buf_ok(&claims)) {
        ngx_http_entra_answer_claims(r, ctx, entra_buf_str(&claims));
    }

    entra_buf_free(&claims);

    return ngx_http_entra_obo_answer(ctx, remedy, detail);
}


static ngx_uint_t
ngx_http_entra_obo_answer(ngx_http_entra_ctx_t *ctx, ngx_uint_t remedy,
    const char **detail)
{
    switch (remedy) {

    case ENTRA_REMEDY_NONE:
        return 0;

    case ENTRA_REMEDY_SIGN_IN:
    case ENTRA_REMEDY_TOKEN:
        ctx->answer.challenge = "error=\"invalid_token\"";
        *detail = "The caller's token cannot be exchanged for one of the "
                  "upstream: another one is needed.";
        return NGX_HTTP_UNAUTHORIZED;

    case ENTRA_REMEDY_INTERACTION:
        *detail = "The user has to sign in interactively, for example with "
                  "multifactor authentication.";
        break;

    case ENTRA_REMEDY_CONSENT:
        *detail = "The user or an administrator has not consented to the "
                  "gateway's access to the upstream.";
        break;

    default: /* ENTRA_REMEDY_POLICY */
        *detail = "A policy of the tenant refuses the user access to the "
                  "upstream.";
        break;
    }

    if (ctx->answer.challenge) {
        return NGX_HTTP_UNAUTHORIZED;
    }

    if (remedy == ENTRA_REMEDY_INTERACTION) {

        /* RFC 9470 */

        ctx->answer.challenge = "error=\"insufficient_user_authentication\"";
        return NGX_HTTP_UNAUTHORIZED;
    }

    return NGX_HTTP_FORBIDDEN;
}


static void
ngx_http_entra_obo_key(ngx_http_entra_token_t *base, ngx_str_t *assertion,
    u_char *key)
{
    u_char  text[64];

    ngx_memcpy(text, base->ref.key, 32);

    (void) EVP_Digest(assertion->data, assertion->len, text + 32, NULL,
                      EVP_sha256(), NULL);
    (void) EVP_Digest(text, 64, key, NULL, EVP_sha256(), NULL);
}


static ngx_http_entra_obo_t *
ngx_http_entra_obo_find(u_char *key)
{
    ngx_rbtree_key_t       hash;
    ngx_rbtree_node_t     *node;
    ngx_http_entra_obo_t  *obo;

    ngx_memcpy(&hash, key, sizeof(ngx_rbtree_key_t));

    node = ngx_http_entra_obo_tree.root;

    while (node != &ngx_http_entra_obo_sentinel) {

        if (hash != node->key) {
            node = hash < node->key ? node->left : node->right;
            continue;
        }

        obo = ngx_http_entra_of(node, ngx_http_entra_obo_t, node);

        /* two with the same 8 bytes of a SHA-256 are not both kept */

        return ngx_memcmp(obo->token.ref.key, key, 32) == 0 ? obo : NULL;
    }

    return NULL;
}


static ngx_http_entra_obo_t *
ngx_http_entra_obo_create(ngx_http_entra_token_t *base, u_char *key,
    ngx_str_t *assertion)
{
    ngx_http_entra_obo_t    *obo;
    ngx_http_entra_token_t  *token;

    if (ngx_http_entra_obo_count >= NGX_HTTP_ENTRA_OBO_MAX) {
        ngx_http_entra_obo_evict();
    }

    obo = ngx_calloc(sizeof(ngx_http_entra_obo_t), ngx_cycle->log);
    if (obo == NULL) {
        return NULL;
    }

    token = &obo->token;

    token->credential = base->credential;
    token->scope = base->scope;
    token->known = base->known;
    token->egress = base->egress;
    ngx_memcpy(token->ref.key, key, 32);
    ngx_queue_init(&token->waiters);

    token->assertion = ngx_alloc(assertion->len + 1, ngx_cycle->log);

    if (token->assertion == NULL
        || ngx_http_entra_token_attach(token) != NGX_OK)
    {
        ngx_free(token->assertion);
        ngx_free(obo);
        return NULL;
    }

    ngx_memcpy(token->assertion, assertion->data, assertion->len);
    token->assertion[assertion->len] = '\0';

    ngx_memcpy(&obo->node.key, key, sizeof(ngx_rbtree_key_t));
    ngx_rbtree_insert(&ngx_http_entra_obo_tree, &obo->node);
    ngx_queue_insert_head(&ngx_http_entra_obo_queue, &obo->queue);
    ngx_http_entra_obo_count++;

    return obo;
}


/* the one that was used longest ago of those that nobody uses now */

static void
ngx_http_entra_obo_evict(void)
{
    ngx_queue_t           *q;
    ngx_http_entra_obo_t  *obo;

    for (q = ngx_queue_last(&ngx_http_entra_obo_queue);
         q != ngx_queue_sentinel(&ngx_http_entra_obo_queue);
         q = ngx_queue_prev(q))
    {
        obo = ngx_queue_data(q, ngx_http_entra_obo_t, queue);

        if (obo->refs == 0 && obo->token.acquire == NULL) {
            ngx_http_entra_obo_free(obo);
            return;
        }
    }
}


static void
ngx_http_entra_obo_free(ngx_http_entra_obo_t *obo)
{
    ngx_http_entra_token_t  *token;

    token = &obo->token;

    ngx_http_entra_token_detach(token);

    ngx_explicit_memzero(token->assertion, ngx_strlen(token->assertion));
    ngx_free(token->assertion);

    ngx_rbtree_delete(&ngx_http_entra_obo_tree, &obo->node);
    ngx_queue_remove(&obo->queue);
    ngx_http_entra_obo_count--;

    ngx_free(obo);
}


static void
ngx_http_entra_obo_release(void *data)
{
    ngx_http_entra_obo_t  *obo = data;

    if (--obo->refs == 0) {
        ngx_http_entra_token_rest(&obo->token);
    }
}
