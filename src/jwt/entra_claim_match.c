
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entra_ascii.h"
#include "entra_caller_token.h"
#include "entra_claim_match.h"


#define ENTRA_CLAIM_SKEW     60                 /* seconds, of clocks */
#define ENTRA_CLAIM_AGE_MAX  (30 * 24 * 3600)


typedef enum {
    ENTRA_CLAIM_TEXT,           /* anything that is visible */
    ENTRA_CLAIM_GUID,
    ENTRA_CLAIM_KIND,           /* app, user */
    ENTRA_CLAIM_STRENGTH,       /* 0, 1, 2 */
    ENTRA_CLAIM_METHOD,         /* of authentication, in lower case */
    ENTRA_CLAIM_TIME
} entra_claim_form_e;


typedef struct {
    const char          *name;
    entra_claim_e        claim;
    entra_claim_form_e   form;
} entra_claim_name_t;


static const entra_claim_name_t  entra_claim_names[] = {
    { "appid", ENTRA_CLAIM_APPID, ENTRA_CLAIM_GUID },
    { "azp", ENTRA_CLAIM_APPID, ENTRA_CLAIM_GUID },
    { "oid", ENTRA_CLAIM_OID, ENTRA_CLAIM_GUID },
    { "tid", ENTRA_CLAIM_TID, ENTRA_CLAIM_GUID },
    { "roles", ENTRA_CLAIM_ROLES, ENTRA_CLAIM_TEXT },
    { "groups", ENTRA_CLAIM_GROUPS, ENTRA_CLAIM_TEXT },
    { "wids", ENTRA_CLAIM_WIDS, ENTRA_CLAIM_GUID },
    { "scp", ENTRA_CLAIM_SCP, ENTRA_CLAIM_TEXT },
    { "amr", ENTRA_CLAIM_AMR, ENTRA_CLAIM_METHOD },
    { "acrs", ENTRA_CLAIM_ACRS, ENTRA_CLAIM_TEXT },
    { "idtyp", ENTRA_CLAIM_IDTYP, ENTRA_CLAIM_KIND },
    { "azpacr", ENTRA_CLAIM_AZPACR, ENTRA_CLAIM_STRENGTH },
    { "appidacr", ENTRA_CLAIM_AZPACR, ENTRA_CLAIM_STRENGTH },
    { "max_age", ENTRA_CLAIM_MAX_AGE, ENTRA_CLAIM_TIME }
};

#define ENTRA_CLAIM_NAMES                                                     \
    (sizeof(entra_claim_names) / sizeof(entra_claim_names[0]))


const char *
entra_claim_match_names(void)
{
    return "appid, oid, tid, roles, groups, wids, scp, amr, acrs, idtyp,"
           " azpacr, max_age";
}


int
entra_claim_match_meant(char text[ENTRA_SUGGEST_TEXT], entra_str_t word)
{
    unsigned         i;
    entra_str_t      rest = word;
    entra_suggest_t  s;

    entra_suggest_begin(&s, entra_str_cut(&rest, '='));

    for (i = 0; i < ENTRA_CLAIM_NAMES; i++) {
        entra_suggest_offer(&s, entra_str_c(entra_claim_names[i].name));
    }

    if (s.name.len == 0) {
        return 0;
    }

    (void) snprintf(text, ENTRA_SUGGEST_TEXT, ", did you mean \"%.*s=...\"?",
                    (int) s.name.len, s.name.data);

    return 1;
}


void
entra_claim_match_free(entra_claim_match_t *match)
{
    free(match->value);
    memset(match, 0, sizeof(entra_claim_match_t));
}


/* names that Entra puts into tokens and that anybody may choose for himself */

static int
entra_claim_mutable(entra_str_t name, entra_err_t *err)
{
    unsigned  i;

    static const char *const  names[] = {
        "email", "preferred_username", "unique_name", "upn", "name",
        "given_name", "family_name", "verified_primary_email"
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (entra_str_eq_c(name, names[i])) {
            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "\"%s\" can be changed and reassigned in"
                                 " Entra, so it identifies nobody: use oid",
                                 names[i]);
        }
    }

    return 1;
}


/* "900", "90s", "15m", "2h", "1d" */

static int
entra_claim_seconds(entra_str_t text, int64_t *seconds)
{
    int64_t  unit;

    unit = 1;

    if (text.len) {
        switch (text.data[text.len - 1]) {

        case 'd':
            unit = 24 * 3600;
            break;

        case 'h':
            unit = 3600;
            break;

        case 'm':
            unit = 60;
            break;

        case 's':
            break;

        default:
            unit = 0;
        }
    }

    if (unit) {
        text.len -= text.len != 0;

    } else {
        unit = 1;
    }

    if (entra_str_int(text, seconds) != 0 || *seconds < 1
        || *seconds > ENTRA_CLAIM_AGE_MAX / unit)
    {
        return -1;
    }

    *seconds *= unit;

    return 0;
}


static int
entra_claim_has_capital(entra_str_t value)
{
    size_t  i;

    for (i = 0; i < value.len; i++) {
        if (value.data[i] >= 'A' && value.data[i] <= 'Z') {
            return 1;
        }
    }

    return 0;
}


static const char *
entra_claim_wrong(entra_claim_form_e form, entra_str_t value,
    entra_claim_match_t *match)
{
    switch (form) {

    case ENTRA_CLAIM_GUID:
        return entra_str_is_guid(value) ? NULL : "is a GUID";

    case ENTRA_CLAIM_KIND:
        return entra_str_eq_c(value, "app") || entra_str_eq_c(value, "user")
               ? NULL : "is app or user";

    case ENTRA_CLAIM_STRENGTH:
        return value.len == 1 && value.data[0] >= '0' && value.data[0] <= '2'
               ? NULL : "is 0 (public client), 1 (secret) or 2 (certificate)";

    case ENTRA_CLAIM_TIME:
        return entra_claim_seconds(value, &match->seconds) == 0
               ? NULL : "is a time up to 30d, as in 15m";

    case ENTRA_CLAIM_METHOD:
        if (entra_claim_has_capital(value)) {
            return "is in lower case, as in amr=mfa";
        }

        break;

    case ENTRA_CLAIM_TEXT:
        break;
    }

    if (value.len == 0 || value.len > ENTRA_CLAIM_VALUE_MAX) {
        return "has 1 to 512 bytes";
    }

    return entra_str_has_control(value) ? "has no control characters" : NULL;
}


static int
entra_claim_set(entra_claim_match_t *match, const entra_claim_name_t *claim,
    entra_str_t value, entra_err_t *err)
{
    const char  *wrong;

    wrong = entra_claim_wrong(claim->form, value, match);

    if (wrong) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"%s=%.*s\": %s %s", claim->name,
                             (int) value.len, value.data, claim->name, wrong);
    }

    match->claim = claim->claim;
    match->guid = entra_str_is_guid(value);

    match->value = match->guid ? entra_str_dup_lower(value)
                             : entra_str_dup(value);

    return match->value ? 0 : entra_err_no_memory(err);
}


int
entra_claim_match_parse(entra_claim_match_t *match, entra_str_t word,
    entra_err_t *err)
{
    size_t        i;
    const char   *equals;
    entra_str_t   name, value;

    memset(match, 0, sizeof(entra_claim_match_t));

    equals = word.len ? memchr(word.data, '=', word.len) : NULL;

    if (equals == NULL) {
        return 1;
    }

    name.data = word.data;
    name.len = (size_t) (equals - word.data);
    value.data = equals + 1;
    value.len = word.len - name.len - 1;

    for (i = 0; i < ENTRA_CLAIM_NAMES; i++) {
        if (entra_str_eq_c(name, entra_claim_names[i].name)) {
            return entra_claim_set(match, &entra_claim_names[i], value, err);
        }
    }

    return entra_claim_mutable(name, err);
}


static int
entra_claim_equal(const entra_claim_match_t *match, const char *value)
{
    if (match->guid) {
        return entra_str_case_eq_c(entra_str_c(value), match->value);
    }

    return strcmp(value, match->value) == 0;
}


static unsigned
entra_claim_in(const entra_claim_match_t *match,
    const entra_claims_list_t *list, unsigned otherwise)
{
    unsigned  i;

    for (i = 0; i < list->n; i++) {
        if (entra_claim_equal(match, list->items[i])) {
            return ENTRA_TRUE;
        }
    }

    return otherwise;
}


static unsigned
entra_claim_is(const entra_claim_match_t *match, const char *value)
{
    if (value == NULL) {
        return ENTRA_UNKNOWN;
    }

    return entra_claim_equal(match, value) ? ENTRA_TRUE : ENTRA_FALSE;
}


/* 'a': an application's own token, 'u': a user's, 0: it does not tell */

static int
entra_claim_kind(const entra_claims_t *claims)
{
    if (claims->idtyp) {
        return strcmp(claims->idtyp, "app") == 0 ? 'a'
               : strcmp(claims->idtyp, "user") == 0 ? 'u' : 0;
    }

    return claims->scp.n ? 'u' : 0;
}


static unsigned
entra_claim_appid(const entra_claim_match_t *match,
    const entra_claims_t *claims)
{
    int       kind;
    unsigned  found;

    found = entra_claim_is(match, claims->appid);
    kind = entra_claim_kind(claims);

    if (found == ENTRA_TRUE && kind != (match->delegated ? 'u' : 'a')) {
        return ENTRA_UNKNOWN;
    }

    return found;
}


static unsigned
entra_claim_idtyp(const entra_claim_match_t *match,
    const entra_claims_t *claims)
{
    int  kind;

    kind = entra_claim_kind(claims);

    if (kind == 0) {
        return ENTRA_UNKNOWN;
    }

    return match->value[0] == kind ? ENTRA_TRUE : ENTRA_FALSE;
}


static unsigned
entra_claim_age(const entra_claim_match_t *match, const entra_claims_t *claims,
    int64_t now)
{
    if (claims->iat <= 0 || claims->iat - ENTRA_CLAIM_SKEW > now) {
        return ENTRA_UNKNOWN;
    }

    return now - claims->iat <= match->seconds ? ENTRA_TRUE : ENTRA_FALSE;
}


unsigned
entra_claim_match(const entra_claim_match_t *match,
    const entra_claims_t *claims, int64_t now)
{
    switch (match->claim) {

    case ENTRA_CLAIM_APPID:
        return entra_claim_appid(match, claims);

    case ENTRA_CLAIM_OID:
        return entra_claim_is(match, claims->oid);

    case ENTRA_CLAIM_TID:
        return entra_claim_is(match, claims->tid);

    case ENTRA_CLAIM_AZPACR:
        return entra_claim_is(match, claims->appidacr);

    case ENTRA_CLAIM_IDTYP:
        return entra_claim_idtyp(match, claims);

    case ENTRA_CLAIM_MAX_AGE:
        return entra_claim_age(match, claims, now);

    case ENTRA_CLAIM_GROUPS:
        return entra_claim_in(match, &claims->groups,
                              claims->groups_overage ? ENTRA_UNKNOWN
                                                     : ENTRA_FALSE);

    case ENTRA_CLAIM_ROLES:
        return entra_claim_in(match, &claims->roles, ENTRA_FALSE);

    case ENTRA_CLAIM_WIDS:
        return entra_claim_in(match, &claims->wids, ENTRA_FALSE);

    case ENTRA_CLAIM_SCP:
        return entra_claim_in(match, &claims->scp, ENTRA_FALSE);

    case ENTRA_CLAIM_AMR:
        return entra_claim_in(match, &claims->amr, ENTRA_FALSE);

    case ENTRA_CLAIM_ACRS:
        return entra_claim_in(match, &claims->acrs, ENTRA_FALSE);
    }

    return ENTRA_UNKNOWN;
}
