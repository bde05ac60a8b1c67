
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_caller.h"
#include "entra_suggest.h"


static void
entra_caller_line_free(entra_caller_line_t *line)
{
    unsigned  i;

    for (i = 0; i < line->ncerts; i++) {
        entra_cert_match_free(&line->certs[i]);
    }

    for (i = 0; i < line->nclaims; i++) {
        entra_claim_match_free(&line->claims[i]);
    }

    free(line->certs);
    free(line->claims);
}


void
entra_caller_free(entra_caller_t *caller)
{
    unsigned  i;

    for (i = 0; i < caller->nlines; i++) {
        entra_caller_line_free(&caller->lines[i]);
    }

    free(caller->lines);
    free(caller->name);

    memset(caller, 0, sizeof(entra_caller_t));
}


static entra_caller_line_t *
entra_caller_push(entra_caller_t *caller, entra_err_t *err)
{
    entra_caller_line_t  *lines, *line;

    if (caller->nlines == ENTRA_CALLER_LINES_MAX) {
        (void) entra_err_set(err, ENTRA_ERR_CONFIG,
                             "more than %u lines", ENTRA_CALLER_LINES_MAX);
        return NULL;
    }

    lines = realloc(caller->lines, (caller->nlines + 1)
                                   * sizeof(entra_caller_line_t));
    if (lines == NULL) {
        (void) entra_err_no_memory(err);
        return NULL;
    }

    caller->lines = lines;
    line = &lines[caller->nlines++];

    memset(line, 0, sizeof(entra_caller_line_t));
    line->certs = calloc(ENTRA_CALLER_KEYS_MAX, sizeof(entra_cert_match_t));
    line->claims = calloc(ENTRA_CALLER_KEYS_MAX, sizeof(entra_claim_match_t));

    if (line->certs == NULL || line->claims == NULL) {
        (void) entra_err_no_memory(err);
        return NULL;
    }

    return line;
}


static int
entra_caller_full(unsigned n, entra_err_t *err)
{
    if (n < ENTRA_CALLER_KEYS_MAX) {
        return 0;
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG, "more than %u keys on a line",
                         ENTRA_CALLER_KEYS_MAX);
}


static int
entra_caller_unknown(const char *kind, entra_str_t word, entra_err_t *err)
{
    char         meant[ENTRA_SUGGEST_TEXT];
    entra_str_t  rest = word;

    static const char *const  names[] = {
        "san_uri", "san_dns", "spki_sha256", "cert_sha256", NULL
    };

    if (kind[0] == 'c' ? entra_suggest(meant, entra_str_cut(&rest, '='), names)
                       : entra_claim_match_meant(meant, word))
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "unknown key \"%.*s\" of a %s%s", (int) word.len,
                             word.data, kind, meant);
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG,
                         "unknown key \"%.*s\" of a %s: write KEY=VALUE, where"
                         " KEY is one of %s", (int) word.len, word.data, kind,
                         kind[0] == 'c'
                             ? "san_uri, san_dns, spki_sha256, cert_sha256"
                             : entra_claim_match_names());
}


static int
entra_caller_cert(entra_caller_line_t *line, entra_str_t word,
    entra_err_t *err)
{
    int  rc;

    if (entra_caller_full(line->ncerts, err) != 0) {
        return -1;
    }

    rc = entra_cert_match_parse(&line->certs[line->ncerts], word, err);

    if (rc == 0) {
        line->ncerts++;

    } else if (rc == 1) {
        return entra_caller_unknown("certificate", word, err);
    }

    return rc;
}


static int
entra_caller_claim(entra_caller_line_t *line, entra_str_t word,
    entra_err_t *err)
{
    int  rc;

    if (entra_caller_full(line->nclaims, err) != 0) {
        return -1;
    }

    rc = entra_claim_match_parse(&line->claims[line->nclaims], word, err);

    if (rc == 0) {
        line->nclaims++;

    } else if (rc == 1) {
        return entra_caller_unknown("token", word, err);
    }

    return rc;
}


/* idtyp=user on the line says what kind of token its appid is about */

static void
entra_caller_delegated(entra_caller_line_t *line)
{
    unsigned  i, user;

    user = 0;

    for (i = 0; i < line->nclaims; i++) {
        user |= line->claims[i].claim == ENTRA_CLAIM_IDTYP
                && strcmp(line->claims[i].value, "user") == 0;
    }

    for (i = 0; i < line->nclaims; i++) {
        line->claims[i].delegated = user & 1;
    }
}


int
entra_caller_line(entra_caller_t *caller, const entra_str_t *words,
    unsigned nwords, entra_err_t *err)
{
    int                   rc;
    char                  meant[ENTRA_SUGGEST_TEXT];
    unsigned              i;
    entra_caller_line_t  *line;

    static const char *const  entra_caller_kinds[] = {
        "certificate", "token", NULL
    };

    line = entra_caller_push(caller, err);
    if (line == NULL) {
        return -1;
    }

    for (i = 0; i < nwords; i++) {

        if (entra_str_eq_c(words[i], "certificate") && !line->certificate
            && (i == 0 || line->token))
        {
            line->certificate = 1;
            continue;
        }

        if (entra_str_eq_c(words[i], "token") && !line->token
            && (i == 0 || line->certificate))
        {
            line->token = 1;
            continue;
        }

        if (i == 0) {
            (void) entra_suggest(meant, words[0], entra_caller_kinds);

            return entra_err_set(err, ENTRA_ERR_CONFIG,
                                 "a line begins with \"certificate\" or"
                                 " \"token\", not \"%.*s\"%s",
                                 (int) words[0].len, words[0].data, meant);
        }

        /* the keys belong to the word that came last */

        if (line->certificate
            && (!line->token || entra_str_eq_c(words[0], "token")))
        {
            rc = entra_caller_cert(line, words[i], err);

        } else {
            rc = entra_caller_claim(line, words[i], err);
        }

        if (rc != 0) {
            return -1;
        }
    }

    if (line->token && line->nclaims == 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "\"token\" alone would match anybody in the"
                             " tenant: write who, as in token oid=... or token"
                             " roles=...");
    }

    entra_caller_delegated(line);

    return 0;
}


static entra_truth_t
entra_caller_line_match(const entra_caller_line_t *line,
    const entra_signals_t *signals, unsigned open)
{
    unsigned       i, ncerts, nclaims;
    entra_truth_t  match;

    match = entra_truth(ENTRA_TRUE);
    ncerts = line->ncerts;
    nclaims = line->nclaims;

    if (line->certificate) {
        match = entra_signals_certificate(signals, open);

        if (signals->certificate != ENTRA_SIGNAL_VALID) {
            ncerts = 0;
        }
    }

    if (line->token) {
        match = entra_truth_and(match, entra_signals_token(signals, open));

        if (signals->token != ENTRA_SIGNAL_VALID) {
            nclaims = 0;
        }
    }

    for (i = 0; i < ncerts && match.hi != ENTRA_FALSE; i++) {
        match = entra_truth_and(match,
                    entra_truth(entra_cert_match(&line->certs[i],
                                                 signals->cert)));
    }

    for (i = 0; i < nclaims && match.hi != ENTRA_FALSE; i++) {
        match = entra_truth_and(match,
                    entra_truth(entra_claim_match(&line->claims[i],
                                                  signals->claims,
                                                  signals->now)));
    }

    return match;
}


entra_truth_t
entra_caller_match(const entra_caller_t *caller,
    const entra_signals_t *signals, unsigned open)
{
    unsigned       i;
    entra_truth_t  match;

    match = entra_truth(ENTRA_FALSE);

    for (i = 0; i < caller->nlines && match.lo != ENTRA_TRUE; i++) {
        match = entra_truth_or(match,
                               entra_caller_line_match(&caller->lines[i],
                                                       signals, open));
    }

    return match;
}
