
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

/* an unknown kid, which anybody can make up, asks no more often than that */
#define ENTRA_CALLER_KEYS_FLOOR     300


/* what a kid means that is not in the keys at hand */
typedef enum {
    ENTRA_CALLER_KEYS_FETCH,    /* fetch now, then validate the token again */
    ENTRA_CALLER_KEYS_FINAL,    /* just fetched, and it is not there: 401 */
    ENTRA_CALLER_KEYS_UNKNOWN   /* the provider did not answer: 503 */
} entra_unknown_kid_e;


/*
 * A credential of that type for a complete conf, initialized; its scope is
 * "".  NULL and err.  To be freed with entra_credential_free().
 */
entra_credential_t *entra_caller_keys_create(
    const entra_caller_token_conf_t *conf, entra_env_t *env,
    entra_err_t *err);

/*
 * After ENTRA_JWT_UNKNOWN_KID.  tried is when the last fetch ended (seconds
 * since the epoch, 0: never), failed whether it failed.
 */
entra_unknown_kid_e entra_caller_keys_unknown_kid(int64_t tried,
    int failed, int64_t now);


#endif /* ENTRA_CALLER_KEYS_H */
