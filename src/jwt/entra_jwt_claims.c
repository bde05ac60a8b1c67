
/*
 * Copyright (C) nginx-entra authors
 */

#include <stddef.h>
#include <string.h>

#include "entra_jwt_claims.h"


#define ENTRA_DATE_MAX  253402300799        /* 9999-12-31, not milliseconds */


typedef struct {
    const char  *name;
    size_t       offset;                    /* in entra_claims_t */
} entra_jwt_claim_t;


static const entra_jwt_claim_t  entra_jwt_texts[] = {
    { "iss", offsetof(entra_claims_t, iss) },
    { "tid", offsetof(entra_claims_t, tid) },
    { "oid", offsetof(entra_claims_t, oid) },
    { "sub", offsetof(entra_claims_t, sub) },
    { "idtyp", offsetof(entra_claims_t, idtyp) },
    { "ver", offsetof(entra_claims_t, ver) },
    { "uti", offsetof(entra_claims_t, uti) },
    { NULL, 0 }
};

static const entra_jwt_claim_t  entra_jwt_actors[ENTRA_TOKEN_VERSIONS][3] = {
    {
        { "appid", offsetof(entra_claims_t, appid) },
        { "appidacr", offsetof(entra_claims_t, appidacr) },
        { NULL, 0 }
    }, {
        { "azp", offsetof(entra_claims_t, appid) },
        { "azpacr", offsetof(entra_claims_t, appidacr) },
        { NULL, 0 }
    }
};

static const entra_jwt_claim_t  entra_jwt_lists[] = {
    { "roles", offsetof(entra_claims_t, roles) },
    { "groups", offsetof(entra_claims_t, groups) },
    { "amr", offsetof(entra_claims_t, amr) },
    { "acrs", offsetof(entra_claims_t, acrs) },
    { "wids", offsetof(entra_claims_t, wids) },
    { NULL, 0 }
};

/* what binds an ID token to a sign-in; no access token has them */

static const char *const  entra_jwt_id_token[] = {
    "nonce", "at_hash", "c_hash", NULL
};


static int
entra_jwt_malformed(const char *name, entra_err_t *err)
{
    return entra_err_set(err, ENTRA_ERR_DENIED,
                         "the token's \"%s\" is missing or malformed", name);
}


/* a number, not a string of digits; an integer, though RFC 7519 allows more */

static int
entra_jwt_date(const entra_json_t *payload, const char *name, int64_t *date,
    entra_err_t *err)
{
    const entra_json_t  *value;

    value = entra_json_member(payload, name);

    if (entra_json_type(value) != ENTRA_JSON_IS_NUMBER
        || entra_json_int64(value, date) != 0
        || *date < 0 || *date > ENTRA_DATE_MAX)
    {
        return entra_jwt_malformed(name, err);
    }

    return 0;
}


static int
entra_jwt_dates(const entra_json_t *payload, int64_t leeway, int64_t now,
    entra_err_t *err)
{
    int64_t  exp, nbf, iat;

    if (entra_jwt_date(payload, "exp", &exp, err) != 0
        || entra_jwt_date(payload, "nbf", &nbf, err) != 0
        || entra_jwt_date(payload, "iat", &iat, err) != 0)
    {
        return -1;
    }

    if (now - leeway >= exp) {
        return entra_err_set(err, ENTRA_ERR_DENIED,
                             "the token expired %lld s ago",
                             (long long) (now - exp));
    }

    if (now + leeway < nbf) {
        return entra_err_set(err, ENTRA_ERR_DENIED,
                             "the token is not valid yet, for %lld s",
                             (long long) (nbf - now));
    }

    if (now + leeway < iat) {
        return entra_err_set(err, ENTRA_ERR_DENIED,
                             "the token was issued %lld s in the future",
                             (long long) (iat - now));
    }

    return 0;
}


static int
entra_jwt_version(const entra_json_t *payload, entra_token_version_e *version,
    entra_err_t *err)
{
    entra_str_t  ver;

    ver = entra_json_member_string(payload, "ver");

    if (entra_str_eq_c(ver, "1.0")) {
        *version = ENTRA_TOKEN_V1;
        return 0;
    }

    if (entra_str_eq_c(ver, "2.0")) {
        *version = ENTRA_TOKEN_V2;
        return 0;
    }

    return entra_err_set(err, ENTRA_ERR_DENIED,
                         "the token's \"ver\" is not \"1.0\" or \"2.0\"");
}


static int
entra_jwt_tenant(const entra_json_t *payload, const char *tenant_id,
    entra_err_t *err)
{
    entra_str_t  tid;

    tid = entra_json_member_string(payload, "tid");

    if (!entra_str_eq_c(tid, tenant_id)) {
        return entra_err_set(err, ENTRA_ERR_DENIED,
                             "the token's \"tid\" is not the tenant, but"
                             " \"%.*s\"", (int) (tid.len < 64 ? tid.len : 64),
                             tid.data ? tid.data : "");
    }

    return 0;
}


static const char *
entra_jwt_audience(entra_str_t aud, const entra_caller_token_conf_t *conf)
{
    unsigned  i;

    for (i = 0; i < conf->naudiences; i++) {
        if (entra_str_eq_c(aud, conf->audiences[i])) {
            return conf->audiences[i];
        }
    }

    return NULL;
}


/*
 * The audience that was accepted, or NULL and err.  Of a list each has to be
 * ours: else others hold the same token, and could show it here.
 */

static const char *
entra_jwt_audiences(const entra_json_t *payload,
    const entra_caller_token_conf_t *conf, entra_err_t *err)
{
    unsigned             n = 0;
    entra_str_t          text = entra_str_null;
    const char          *found, *first = NULL;
    const entra_json_t  *aud, *item;

    aud = entra_json_member(payload, "aud");
    item = aud;

    if (entra_json_type(aud) == ENTRA_JSON_IS_ARRAY) {
        item = entra_json_first(aud);
    }

    while (item && n++ < ENTRA_AUDIENCES_MAX
           && entra_json_string(item, &text) == 0
           && (found = entra_jwt_audience(text, conf)) != NULL)
    {
        first = first ? first : found;

        if (item == aud) {
            return first;
        }

        item = entra_json_next(item);
        text = entra_str_null;
    }

    if (item == NULL && first) {
        return first;
    }

    (void) entra_err_set(err, ENTRA_ERR_DENIED,
                         "the token is for another audience (\"aud\"),"
                         " \"%.*s\"",
                         (int) (text.len < 128 ? text.len : 128),
                         text.data ? text.data : "");

    return NULL;
}


static int
entra_jwt_is_access_token(const entra_json_t *payload,
    entra_token_version_e version, entra_err_t *err)
{
    const char         *actor = entra_jwt_actors[version][0].name;
    const char *const  *name;

    for (name = entra_jwt_id_token; *name; name++) {
        if (entra_json_member(payload, *name)) {
            return entra_err_set(err, ENTRA_ERR_DENIED,
                                 "the token has \"%s\": it is an ID token, not"
                                 " an access token", *name);
        }
    }

    if (entra_json_member_string(payload, actor).len == 0) {
        return entra_err_set(err, ENTRA_ERR_DENIED,
                             "the token does not say to which application it"
                             " was issued (\"%s\"): it is an ID token, or not"
                             " Entra's", actor);
    }

    return 0;
}


int
entra_jwt_claims_check(const entra_json_t *payload,
    const entra_caller_token_conf_t *conf, int64_t now,
    entra_token_version_e *version, entra_err_t *err)
{
    if (entra_jwt_version(payload, version, err) != 0
        || entra_jwt_audiences(payload, conf, err) == NULL
        || entra_jwt_tenant(payload, conf->tenant_id, err) != 0
        || entra_jwt_dates(payload, conf->leeway, now, err) != 0)
    {
        return -1;
    }

    return entra_jwt_is_access_token(payload, *version, err);
}


int
entra_jwt_claims_issuer(const entra_json_t *payload, const char *issuer,
    entra_err_t *err)
{
    entra_str_t  iss;

    iss = entra_json_member_string(payload, "iss");

    if (issuer == NULL || !entra_str_eq_c(iss, issuer)) {
        return entra_err_set(err, ENTRA_ERR_DENIED,
                             "the token's \"iss\" is not the tenant's issuer"
                             " of that version, but \"%.*s\"",
                             (int) (iss.len < 128 ? iss.len : 128),
                             iss.data ? iss.data : "");
    }

    return 0;
}


static int
entra_jwt_read_texts(const entra_json_t *payload,
    const entra_jwt_claim_t *texts, entra_claims_t *claims, entra_err_t *err)
{
    char                    **p;
    entra_str_t               text;
    const entra_json_t       *value;
    const entra_jwt_claim_t  *claim;

    for (claim = texts; claim->name; claim++) {

        value = entra_json_member(payload, claim->name);
        if (value == NULL) {
            continue;
        }

        if (entra_json_string(value, &text) != 0) {
            return entra_jwt_malformed(claim->name, err);
        }

        p = (char **) (void *) ((char *) claims + claim->offset);

        *p = entra_str_dup(text);
        if (*p == NULL) {
            return entra_err_no_memory(err);
        }
    }

    return 0;
}


static int
entra_jwt_read_list(const entra_json_t *value, const char *name,
    entra_claims_list_t *list, entra_err_t *err)
{
    entra_str_t          text;
    const entra_json_t  *item;

    if (value == NULL) {
        return 0;
    }

    if (entra_json_type(value) != ENTRA_JSON_IS_ARRAY) {
        return entra_jwt_malformed(name, err);
    }

    for (item = entra_json_first(value); item; item = entra_json_next(item)) {

        if (list->n == ENTRA_CLAIMS_LIST_MAX
            || entra_json_string(item, &text) != 0)
        {
            return entra_jwt_malformed(name, err);
        }

        if (entra_claims_add(list, text) != 0) {
            return entra_err_no_memory(err);
        }
    }

    return 0;
}


static int
entra_jwt_read_scopes(const entra_json_t *value, entra_claims_list_t *scp,
    entra_err_t *err)
{
    size_t       i, start = 0;
    entra_str_t  text;

    if (value == NULL) {
        return 0;
    }

    if (entra_json_string(value, &text) != 0) {
        return entra_jwt_malformed("scp", err);
    }

    for (i = 0; i <= text.len; i++) {

        if (i < text.len && text.data[i] != ' ') {
            continue;
        }

        if (i > start) {
            if (scp->n == ENTRA_CLAIMS_LIST_MAX) {
                return entra_jwt_malformed("scp", err);
            }

            if (entra_claims_add(scp, (entra_str_t) { i - start,
                                                      text.data + start })
                != 0)
            {
                return entra_err_no_memory(err);
            }
        }

        start = i + 1;
    }

    return 0;
}


/*
 * Over 200 groups Entra writes where to ask for them instead: in
 * _claim_names, or as hasgroups in the implicit flow.
 */

static int
entra_jwt_read_overage(const entra_json_t *payload, entra_claims_t *claims,
    entra_err_t *err)
{
    int                  flag = 0;
    const entra_json_t  *value;

    value = entra_json_member(payload, "_claim_names");

    if (value) {
        if (entra_json_type(value) != ENTRA_JSON_IS_OBJECT) {
            return entra_jwt_malformed("_claim_names", err);
        }

        if (entra_json_member(value, "groups")) {
            claims->groups_overage = 1;
        }
    }

    value = entra_json_member(payload, "hasgroups");

    if (value) {
        if (entra_json_bool(value, &flag) != 0) {
            return entra_jwt_malformed("hasgroups", err);
        }

        claims->groups_overage |= flag ? 1 : 0;
    }

    return 0;
}


/* ["cp1"], seen as "CP1" and as one string too; only chooses an answer */

static unsigned
entra_jwt_capable(const entra_json_t *value)
{
    entra_str_t          text;
    const entra_json_t  *item;

    if (entra_json_string(value, &text) == 0) {
        return entra_str_case_eq_c(text, "cp1") ? 1 : 0;
    }

    if (entra_json_type(value) != ENTRA_JSON_IS_ARRAY) {
        return 0;
    }

    for (item = entra_json_first(value); item; item = entra_json_next(item)) {
        if (entra_json_string(item, &text) == 0
            && entra_str_case_eq_c(text, "cp1"))
        {
            return 1;
        }
    }

    return 0;
}


int
entra_jwt_claims_read(const entra_json_t *payload,
    const entra_caller_token_conf_t *conf, entra_token_version_e version,
    entra_claims_t *claims, entra_err_t *err)
{
    const char               *aud;
    entra_claims_list_t      *list;
    const entra_jwt_claim_t  *claim;

    aud = entra_jwt_audiences(payload, conf, err);

    if (aud == NULL
        || entra_jwt_date(payload, "exp", &claims->exp, err) != 0
        || entra_jwt_date(payload, "nbf", &claims->nbf, err) != 0
        || entra_jwt_date(payload, "iat", &claims->iat, err) != 0
        || entra_jwt_read_texts(payload, entra_jwt_texts, claims, err) != 0
        || entra_jwt_read_texts(payload, entra_jwt_actors[version], claims,
                                err) != 0
        || entra_jwt_read_scopes(entra_json_member(payload, "scp"),
                                 &claims->scp, err) != 0
        || entra_jwt_read_overage(payload, claims, err) != 0)
    {
        return -1;
    }

    for (claim = entra_jwt_lists; claim->name; claim++) {
        list = (entra_claims_list_t *) (void *) ((char *) claims
                                                 + claim->offset);

        if (entra_jwt_read_list(entra_json_member(payload, claim->name),
                                claim->name, list, err) != 0)
        {
            return -1;
        }
    }

    claims->claims_capable = entra_jwt_capable(entra_json_member(payload,
                                                                 "xms_cc"));

    claims->aud = entra_str_dup(entra_str_c(aud));

    return claims->aud ? 0 : entra_err_no_memory(err);
}
