
/*
 * Copyright (C) nginx-entra authors
 *
 * What happened lately, for the status page: the last attempts to get each
 * token, the last denials.  In a zone of its own, whose size follows from the
 * configuration; a reload with other credentials starts it anew.
 */

#ifndef _NGX_HTTP_ENTRA_RECENT_H_INCLUDED_
#define _NGX_HTTP_ENTRA_RECENT_H_INCLUDED_


#include "ngx_http_entra_conf.h"


#define NGX_HTTP_ENTRA_ATTEMPTS  50             /* of a token */
#define NGX_HTTP_ENTRA_DENIALS   20


typedef struct {
    uint32_t                      at;           /* Unix time */
    uint16_t                      took;         /* 10 ms, 65535: or more */
    uint8_t                       class;        /* entra_err_class_e */
} ngx_http_entra_attempt_t;


/* a ring: the next one goes to n % NGX_HTTP_ENTRA_ATTEMPTS */

typedef struct {
    u_char                        key[8];       /* the begin of the token's */
    uint32_t                      n;
    ngx_http_entra_attempt_t      ring[NGX_HTTP_ENTRA_ATTEMPTS];
} ngx_http_entra_attempts_t;


typedef struct {
    int64_t                       time;         /* Unix time, 0: none */
    ngx_uint_t                    status;
    ngx_uint_t                    reason;       /* ngx_http_entra_reason() */
    u_char                        credential[64];
    u_char                        text[480];    /* as in the error log */
} ngx_http_entra_denial_t;


/* once all tokens of the configuration are known */
ngx_int_t ngx_http_entra_recent_init(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);

/* nothing of callers' own tokens is kept */
void ngx_http_entra_recent_attempt(ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_token_t *token, int64_t ms, ngx_uint_t class);
void ngx_http_entra_recent_denial(ngx_http_entra_main_conf_t *mcf,
    ngx_uint_t status, ngx_uint_t reason, ngx_str_t *credential,
    entra_str_t text);

/*
 * Copies: of all tokens, in the order of mcf->tokens (NULL: not wanted), and
 * the denials, the newest one first.  The number of the latter.
 */
ngx_uint_t ngx_http_entra_recent(ngx_http_entra_main_conf_t *mcf,
    ngx_http_entra_attempts_t *attempts, ngx_http_entra_denial_t *denials);


#endif /* _NGX_HTTP_ENTRA_RECENT_H_INCLUDED_ */
