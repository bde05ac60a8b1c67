
/*
 * Copyright (C) nginx-entra authors
 *
 * The answer of a token endpoint: Entra's (v1 and v2), or that of a managed
 * identity source, whose numbers are strings and whose expiry is a date.
 */

#ifndef ENTRA_REPLY_H
#define ENTRA_REPLY_H


#include "entra_iface.h"
#include "entra_token.h"


/*
 * of a managed identity source: token_type may be absent, and a refresh is
 * due after half of a life of more than two hours, as in MSAL
 */
#define ENTRA_REPLY_LOCAL  1

/* a user's token was asked for: a policy that refuses is the user's */
#define ENTRA_REPLY_USER   2

#define ENTRA_REPLY_TOKENISH  40        /* bytes */


/*
 * Takes the token out of an answer of status 200 or 201, or says why not:
 * 0; or -1 and err, with its class.  from is what err's text begins with:
 * "login.microsoftonline.com", "the instance metadata service".  now is in
 * seconds since the epoch, and only used where the answer has a date.
 *
 * An answer that is not a token (not JSON, too large, another token type, no
 * or a past expiry) is an ENTRA_ERR_PROTOCOL, which is tried again: proxies
 * and captive portals answer 200, too.
 */
int entra_reply_token(const entra_http_reply_t *reply, const char *from,
    unsigned flags, int64_t now, entra_token_t *token, entra_err_t *err);

/*
 * Fills err from an answer that is no success, or from the lack of one:
 * class, OAuth error, suberror, AADSTS number, advice, ids, retry_after.
 * Always returns -1.  Understands {"error":"...","error_description":...},
 * {"error":{"code":...,"message":...}} and {"statusCode":...,"message":...}.
 */
int entra_reply_error(const entra_http_reply_t *reply, const char *from,
    entra_err_t *err);

/*
 * A string member of a JSON answer ("refresh_token"), to be freed with
 * entra_free_secret(); NULL when it is not there.
 */
char *entra_reply_member(const entra_http_reply_t *reply, const char *name);

/*
 * Replaces what looks like a token ("eyJ...", a word of 40 and more bytes, see
 * entra_err_word()), and the secret (may be NULL) when it appears, by "[...]":
 * some servers quote what they were sent.
 */
void entra_reply_redact(entra_err_t *err, const char *secret);


#endif /* ENTRA_REPLY_H */
