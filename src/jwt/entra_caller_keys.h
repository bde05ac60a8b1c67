
/*
 * Copyright (C) nginx-entra authors
 *
 * Fetching what callers' tokens are validated with: a tenant's discovery
 * documents and key sets, of both versions.
 *
 * It has the shape of a credential, so that whatever serves tokens serves
 * keys too: one fetch for all workers, ahead of need, kept while the provider
 * fails.  It is not in the registry: no nginx.conf names it.  Its "token" is
 * the text of entra_keyset_write(), of up to ENTRA_KEYSET_MAX bytes, more
 * than ENTRA_TOKEN_MAX.
 */

#ifndef ENTRA_CALLER_KEYS_H
#define ENTRA_CALLER_KEYS_H


#include "entra_acquire.h"
#include "entra_caller_token.h"
#include "entra_env.h"
#include "entra_jwks.h"


/*
 * Fetched every 12 hours, as Microsoft's libraries do.  Old keys serve for a
 * week when that fails: while the provider is down nobody gets new tokens,
 * and the longest-lived ones (28 hours) are long gone by then.
 */
#define ENTRA_CALLER_KEYS_REFRESH   (12 * 3600)
#define ENTRA_CALLER_KEYS_LIFETIME  (7 * 24 * 3600)

/*
 * A kid that the keys at hand lack may be that of a new key, or made up: one
 * fetch answers for all of them.  Between the beginnings of two fetches there
 * is this time at least, in all workers together: whoever makes kids up causes
 * no more fetches, and delays a new key no longer.
 */
#define ENTRA_CALLER_KEYS_INTERVAL  2000    /* ms */

/* what the provider did not publish is not looked up again that soon */
#define ENTRA_CALLER_KEYS_ABSENT    10000   /* ms */
#define ENTRA_ABSENT_KIDS           256     /* that are remembered */


/* all zero: empty.  A kid that is overwritten by another costs a fetch. */
typedef struct {
    struct {
        char     kid[ENTRA_KID_MAX + 1];
        int64_t  until;
    } slots[ENTRA_ABSENT_KIDS];
} entra_absent_kids_t;


/*
 * A credential of that type for a complete conf, initialized; its scope is
 * "".  NULL and err.  To be freed with entra_credential_free().
 */
entra_credential_t *entra_caller_keys_create(
    const entra_caller_token_conf_t *conf, entra_env_t *env,
    entra_err_t *err);

/*
 * After ENTRA_JWT_UNKNOWN_KID.  Times are ms of one clock: seen is when the
 * request with it was first looked at, begun when the fetch of the keys at
 * hand began, 0: not known.  1: the provider does not publish that key, the
 * token is invalid; 0: it may have been published since, fetch them at
 * entra_caller_keys_due().
 */
int entra_caller_keys_absent(entra_absent_kids_t *absent, const char *kid,
    int64_t seen, int64_t begun, int64_t now);
int64_t entra_caller_keys_due(int64_t begun, int64_t now);


#endif /* ENTRA_CALLER_KEYS_H */
