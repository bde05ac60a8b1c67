
/*
 * Copyright (C) nginx-entra authors
 *
 * The entra_caller_token block: whose access tokens callers may show, and
 * for whom those must have been issued.
 */

#ifndef ENTRA_CALLER_TOKEN_H
#define ENTRA_CALLER_TOKEN_H


#include "entra_cloud.h"


#define ENTRA_AUDIENCES_MAX   16
#define ENTRA_AUDIENCE_LEN    512
#define ENTRA_LEEWAY          60            /* seconds */
#define ENTRA_LEEWAY_MAX      300


typedef struct {
    char                 *tenant_id;        /* GUID, lower case; owned */
    char                 *audiences[ENTRA_AUDIENCES_MAX];    /* owned */
    unsigned              naudiences;
    char                 *authority_host;   /* https://host[:port]; owned */
    const entra_cloud_t  *cloud;
    int64_t               leeway;           /* seconds, -1: not given yet */
} entra_caller_token_conf_t;


void entra_caller_token_conf_init(entra_caller_token_conf_t *conf);
void entra_caller_token_conf_free(entra_caller_token_conf_t *conf);

/*
 * One line of the block, words[0] is the parameter: tenant_id GUID, audience
 * NAME ... (may be repeated), authority_host URL, cloud NAME, leeway TIME.
 * 0; or -1 and err, whose text says what to write instead.
 */
int entra_caller_token_conf_param(entra_caller_token_conf_t *conf,
    const entra_str_t *words, unsigned nwords, entra_err_t *err);

/* words[0] of a line could be that */
int entra_caller_token_is_param(entra_str_t name);

/* end of the block: what is required is there, what is not gets its default */
int entra_caller_token_conf_done(entra_caller_token_conf_t *conf,
    entra_err_t *err);

/*
 * For a claims challenge: where a client asks for the token that it lacks,
 * and the application that the token is for, where an audience names it:
 * authorization_uri="...", client_id="..."
 */
void entra_caller_token_challenge(const entra_caller_token_conf_t *conf,
    entra_buf_t *out);

#endif /* ENTRA_CALLER_TOKEN_H */
