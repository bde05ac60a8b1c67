
/*
 * Copyright (C) nginx-entra authors
 *
 * The client assertion (RFC 7523) that proves the possession of a certificate
 * to Microsoft Entra ("certificate-credentials"): a JWT for the token
 * endpoint, valid for ten minutes.
 */

#ifndef ENTRA_ASSERTION_H
#define ENTRA_ASSERTION_H


#include "entra_certificate.h"


#define ENTRA_ASSERTION_LIFETIME  600           /* seconds */
#define ENTRA_ASSERTION_MAX       (128 * 1024)  /* bytes, with its chain */

/* RS256 and the SHA-1 thumbprint x5t, instead of PS256 and x5t#S256 */
#define ENTRA_ASSERTION_RS256     1
/* x5c: for applications that trust subject name and issuer */
#define ENTRA_ASSERTION_CHAIN     2


/*
 * Issuer and subject are the client id, the audience is the token endpoint's
 * URL.  To be freed with entra_free_secret(); or NULL and err.
 */
char *entra_assertion_create(const entra_certificate_t *cert,
    const char *client_id, const char *audience, int64_t now, unsigned flags,
    entra_err_t *err);


#endif /* ENTRA_ASSERTION_H */
