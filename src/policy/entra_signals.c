
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include "entra_ascii.h"
#include "entra_enc.h"
#include "entra_signals.h"


void
entra_signals_address(entra_signals_t *signals, const entra_addr_t *client,
    const entra_addr_t *peer, const entra_cidr_set_t *trusted_proxies)
{
    signals->address = *client;
    signals->peer = *peer;

    if (trusted_proxies == NULL) {
        return;
    }

    if (entra_cidr_set_has(trusted_proxies, client)
        || (!entra_addr_eq(client, peer)
            && !entra_cidr_set_has(trusted_proxies, peer)))
    {
        memset(&signals->address, 0, sizeof(entra_addr_t));
    }
}


static void
entra_signals_token_id(const entra_claims_t *claims, entra_buf_t *out)
{
    const char  *p;

    entra_buf_addf(out, "%s:%s/", claims->oid ? "oid" : "sub", claims->tid);

    for (p = claims->oid ? claims->oid : claims->sub; *p; p++) {
        if (entra_is_alnum(*p) || *p == '-' || *p == '_') {
            entra_buf_add_char(out, *p);

        } else {
            entra_buf_addf(out, "%%%02X", (unsigned char) *p);
        }
    }
}


/* whoever has an address of IPv6 has a whole network of them */

static void
entra_signals_nobody(const entra_signals_t *signals, const char *how,
    entra_buf_t *out)
{
    char          text[ENTRA_ADDR_TEXT_MAX];
    entra_addr_t  addr = signals->address;

    if (addr.family == ENTRA_ADDR_V6) {
        memset(addr.bytes + 8, 0, 8);
    }

    entra_buf_addf(out, "%s:%s%s", how, entra_addr_text(&addr, text),
                   addr.family == ENTRA_ADDR_V6 ? "/64" : "");
}


void
entra_signals_caller_id(const entra_signals_t *signals, entra_buf_t *out)
{
    if (signals->token == ENTRA_SIGNAL_VALID
        && (signals->claims->oid || signals->claims->sub))
    {
        entra_signals_token_id(signals->claims, out);
        return;
    }

    if (signals->token == ENTRA_SIGNAL_ABSENT
        && signals->certificate == ENTRA_SIGNAL_VALID)
    {
        entra_buf_add_c(out, "cert:");
        entra_enc_hex(out, signals->cert->sha256,
                      sizeof(signals->cert->sha256));
        return;
    }

    if (signals->token == ENTRA_SIGNAL_ABSENT
        && signals->certificate == ENTRA_SIGNAL_ABSENT)
    {
        entra_signals_nobody(signals, "none", out);

    } else if (signals->token == ENTRA_SIGNAL_INVALID
               || signals->certificate == ENTRA_SIGNAL_INVALID)
    {
        entra_signals_nobody(signals, "invalid", out);

    } else {
        entra_signals_nobody(signals, "unknown", out);
    }
}


void
entra_signals_deployment(entra_signals_t *signals, entra_str_t value,
    unsigned headers)
{
    signals->deployment_name = entra_str_null;

    if (headers == 0) {
        signals->deployment = ENTRA_DEPLOYMENT_NONE;
        return;
    }

    value = entra_str_trim(value);

    /* an empty one, or a list, is read in more than one way */

    if (headers > 1 || value.len == 0 || memchr(value.data, ',', value.len)) {
        signals->deployment = ENTRA_DEPLOYMENT_UNKNOWN;
        return;
    }

    signals->deployment = ENTRA_DEPLOYMENT_NAMED;
    signals->deployment_name = value;
}


static entra_truth_t
entra_signals_state(entra_signal_e state, unsigned absent, unsigned open)
{
    switch (state) {

    case ENTRA_SIGNAL_VALID:
        return entra_truth(ENTRA_TRUE);

    case ENTRA_SIGNAL_ABSENT:
        return entra_truth_open(ENTRA_FALSE, absent, open);

    case ENTRA_SIGNAL_UNKNOWN:
        return entra_truth_open(ENTRA_UNKNOWN, ENTRA_OPEN_OURS, open);

    case ENTRA_SIGNAL_INVALID:
        break;
    }

    return entra_truth(ENTRA_UNKNOWN);
}


entra_truth_t
entra_signals_certificate(const entra_signals_t *signals, unsigned open)
{
    return entra_signals_state(signals->certificate, ENTRA_OPEN_CERTIFICATE,
                               open);
}


entra_truth_t
entra_signals_token(const entra_signals_t *signals, unsigned open)
{
    return entra_signals_state(signals->token, ENTRA_OPEN_TOKEN, open);
}
