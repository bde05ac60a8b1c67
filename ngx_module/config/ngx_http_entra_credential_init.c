
/*
 * Copyright (C) nginx-entra authors
 *
 * What is made of the entra_credential blocks once the whole configuration
 * was read: the core's credentials, their tokens, where those may go.
 */

#include "ngx_http_entra_conf.h"
#include "entra_cloud.h"


/* Azure's hosts of a scope: one list for all tokens of it */

typedef struct {
    entra_egress_t        egress;           /* first */
    unsigned              n;
    const char           *hosts[ENTRA_CLOUD_HOSTS_MAX];
} ngx_http_entra_known_t;


static gid_t ngx_http_entra_credential_group(ngx_conf_t *cf);
static ngx_int_t ngx_http_entra_credential_user(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
static ngx_int_t ngx_http_entra_credential_finish(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_credential_t *credential);
static void ngx_http_entra_credential_warn(ngx_conf_t *cf,
    ngx_http_entra_credential_t *credential);
static void ngx_http_entra_credential_suffixes(ngx_conf_t *cf,
    ngx_http_entra_credential_t *credential);
static ngx_int_t ngx_http_entra_credential_hosts(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_token_t *token);
static entra_egress_t *ngx_http_entra_credential_known(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_known_t *wanted);


/* after the last directive: names resolve in any order */

ngx_int_t
ngx_http_entra_credential_init(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_uint_t                     i;
    ngx_http_entra_auth_t        **auth;
    ngx_http_entra_credential_t  **c;

    c = mcf->credentials.elts;

    if (ngx_http_entra_credential_user(cf, mcf) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < mcf->credentials.nelts; i++) {
        c[i]->core->group = ngx_http_entra_credential_group(cf);
        c[i]->core->user = mcf->user;
    }

    for (i = 0; i < mcf->credentials.nelts; i++) {
        if (ngx_http_entra_credential_finish(cf, mcf, c[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    auth = mcf->auths.elts;

    for (i = 0; i < mcf->auths.nelts; i++) {
        if (ngx_http_entra_auth_resolve(cf, mcf, auth[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* of the workers, as far as "user" has been read by now */

static gid_t
ngx_http_entra_credential_group(ngx_conf_t *cf)
{
    ngx_core_conf_t  *ccf;

    if (geteuid() != 0) {
        return getegid();
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                           ngx_core_module);

    return ccf->group == (ngx_gid_t) NGX_CONF_UNSET_UINT
           ? ENTRA_ACCESS_NO_GROUP : ccf->group;
}


/* the same; what is read by whoever starts nginx needs no look */

static ngx_int_t
ngx_http_entra_credential_user(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    ngx_core_conf_t      *ccf;
    entra_access_user_t  *user;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                           ngx_core_module);

    if (geteuid() != 0 || ccf->username == NULL) {
        return NGX_OK;
    }

    user = ngx_palloc(cf->pool, sizeof(entra_access_user_t));
    if (user == NULL) {
        return NGX_ERROR;
    }

    if (entra_access_user(user, ccf->username, ccf->group) == 0) {
        mcf->user = user;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_credential_finish(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_credential_t *credential)
{
    ngx_str_t                scope;
    ngx_uint_t               i;
    entra_err_t              err;
    entra_credential_t      *core;
    ngx_http_entra_line_t   *line;
    ngx_http_entra_token_t  *token;

    core = credential->core;

    entra_err_clear(&err);

    if (entra_credential_init(core, &err) != 0) {
        line = ngx_http_entra_conf_about(credential->lines, err.text);

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "credential \"%V\": %s in %s:%ui", &credential->name,
                      err.text, line ? line->file : credential->file,
                      line ? line->line : credential->line);
        return NGX_ERROR;
    }

    ngx_http_entra_credential_warn(cf, credential);
    ngx_http_entra_credential_suffixes(cf, credential);

    if (credential->preload == NGX_CONF_UNSET) {
        credential->preload = 1;
    }

    (void) ngx_http_entra_secret_digest(credential);

    /* each scope of its own is fetched at start and shown in the status */

    for (i = 0; i < core->nscopes; i++) {
        scope.data = (u_char *) core->scopes[i];
        scope.len = ngx_strlen(core->scopes[i]);

        token = ngx_http_entra_credential_token(cf, mcf, credential, &scope);
        if (token == NULL) {
            return NGX_ERROR;
        }

        token->preload = credential->preload && !core->type->per_caller;
    }

    if (core->type->no_scope) {
        ngx_str_null(&scope);

        token = ngx_http_entra_credential_token(cf, mcf, credential, &scope);
        if (token == NULL) {
            return NGX_ERROR;
        }

        token->preload = credential->preload;
    }

    return NGX_OK;
}


static void
ngx_http_entra_credential_warn(ngx_conf_t *cf,
    ngx_http_entra_credential_t *credential)
{
    char                   *text;
    entra_str_t             rest;
    entra_buf_t            *warnings = &credential->core->warnings;
    ngx_http_entra_line_t  *line;

    rest = entra_buf_str(warnings);

    while (rest.len) {
        text = entra_str_dup(entra_str_cut(&rest, '\n'));
        if (text == NULL) {
            break;
        }

        line = ngx_http_entra_conf_about(credential->lines, text);

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "credential \"%V\": %s in %s:%ui", &credential->name,
                      text, line ? line->file : credential->file,
                      line ? line->line : credential->line);
        free(text);
    }

    entra_buf_reset(warnings);
}


/* "upstreams *.SUFFIX", of which anybody can register a name */

static void
ngx_http_entra_credential_suffixes(ngx_conf_t *cf,
    ngx_http_entra_credential_t *credential)
{
    unsigned                i;
    const char             *suffix;
    ngx_http_entra_line_t  *line;

    for (i = 0; i < credential->egress.n; i++) {
        suffix = credential->egress.rules[i].host;

        if (!entra_egress_public(&credential->egress.rules[i])) {
            continue;
        }

        line = ngx_http_entra_conf_find(credential->lines, "upstreams");

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "credential \"%V\": \"*%s\" in \"upstreams\" holds "
                      "names that anybody can have, and its tokens may go "
                      "there; write the hosts that are meant in %s:%ui",
                      &credential->name, suffix,
                      line ? line->file : credential->file,
                      line ? line->line : credential->line);
    }
}


ngx_http_entra_token_t *
ngx_http_entra_credential_token(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_credential_t *credential,
    ngx_str_t *scope)
{
    ngx_uint_t                i;
    ngx_http_entra_token_t   *token, **t;

    t = credential->tokens.elts;

    for (i = 0; i < credential->tokens.nelts; i++) {
        if (t[i]->scope.len == scope->len
            && ngx_strncmp(t[i]->scope.data, scope->data, scope->len) == 0)
        {
            return t[i];
        }
    }

    token = ngx_pcalloc(cf->pool, sizeof(ngx_http_entra_token_t));
    if (token == NULL) {
        return NULL;
    }

    token->credential = credential;
    token->scope = *scope;
    ngx_queue_init(&token->waiters);

    if (ngx_http_entra_credential_hosts(cf, mcf, token) != NGX_OK) {
        return NULL;
    }

    entra_credential_key(credential->core,
                         (entra_str_t) { scope->len, (char *) scope->data },
                         token->ref.key);

    t = ngx_array_push(&credential->tokens);
    if (t == NULL) {
        return NULL;
    }

    *t = token;

    t = ngx_array_push(&mcf->tokens);
    if (t == NULL) {
        return NULL;
    }

    *t = token;

    return token;
}


/* Azure's hosts for the scope: the upstreams, when those are not written */

static ngx_int_t
ngx_http_entra_credential_hosts(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_token_t *token)
{
    char                         *scope;
    entra_err_t                   err;
    entra_credential_t           *core;
    ngx_http_entra_known_t        known;
    ngx_http_entra_credential_t  *credential;

    credential = token->credential;
    core = credential->core;
    entra_err_clear(&err);

    /* keys and tokens of endpoints are for them */

    scope = token->scope.len ? entra_str_dup((entra_str_t) {
                                   token->scope.len,
                                   (char *) token->scope.data })
                             : entra_cloud_scope(core->cloud, entra_str("aml"),
                                                 &err);
    if (scope == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&known, sizeof(ngx_http_entra_known_t));

    known.n = entra_cloud_hosts(core->cloud, scope, known.hosts);
    known.egress.unverified = credential->egress.unverified;

    free(scope);

    token->known = ngx_http_entra_credential_known(cf, mcf, &known);
    if (token->known == NULL) {
        return NGX_ERROR;
    }

    token->egress = credential->upstreams ? &credential->egress
                                          : token->known;
    return NGX_OK;
}


static entra_egress_t *
ngx_http_entra_credential_known(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, ngx_http_entra_known_t *wanted)
{
    ngx_uint_t               i;
    entra_err_t              err;
    ngx_http_entra_known_t  *known, **k;

    k = mcf->known.elts;

    for (i = 0; i < mcf->known.nelts; i++) {
        if (k[i]->egress.unverified == wanted->egress.unverified
            && k[i]->n == wanted->n
            && ngx_memcmp(k[i]->hosts, wanted->hosts,
                          wanted->n * sizeof(char *)) == 0)
        {
            return &k[i]->egress;
        }
    }

    known = ngx_pcalloc(cf->pool, sizeof(ngx_http_entra_known_t));
    if (known == NULL) {
        return NULL;
    }

    k = ngx_array_push(&mcf->known);
    if (k == NULL) {
        return NULL;
    }

    *k = known;
    *known = *wanted;

    for (i = 0; i < known->n; i++) {
        if (entra_egress_add(&known->egress, entra_str_c(known->hosts[i]),
                             &err)
            != 0)
        {
            return NULL;
        }
    }

    return &known->egress;
}
