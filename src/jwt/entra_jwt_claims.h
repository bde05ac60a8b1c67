
/*
 * Copyright (C) nginx-entra authors
 *
 * The claims of an access token: what Microsoft documents for its tokens of
 * both versions, and nothing that resembles it.
 */

#ifndef ENTRA_JWT_CLAIMS_H
#define ENTRA_JWT_CLAIMS_H


#include "entra_caller_token.h"
#include "entra_claims.h"
#include "entra_json.h"
#include "entra_jwks.h"


/*
 * What can be validated without the tenant's documents: dates, version, tenant,
 * audience, and that it is no ID token.  0 and *version; or -1 and err
 * (denied).
 */
int entra_jwt_claims_check(const entra_json_t *payload,
    const entra_caller_token_conf_t *conf, int64_t now,
    entra_token_version_e *version, entra_err_t *err);

/* byte for byte; issuer NULL: none is known, so it is another; as above */
int entra_jwt_claims_issuer(const entra_json_t *payload, const char *issuer,
    entra_err_t *err);

/*
 * Fills claims, which the caller frees also after an error.  0; or -1 and err
 * (denied: a claim is of another type than Entra's; transient: no memory).
 */
int entra_jwt_claims_read(const entra_json_t *payload,
    const entra_caller_token_conf_t *conf, entra_token_version_e version,
    entra_claims_t *claims, entra_err_t *err);


#endif /* ENTRA_JWT_CLAIMS_H */
