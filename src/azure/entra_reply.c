
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entra_aadsts.h"
#include "entra_ascii.h"
#include "entra_json.h"
#include "entra_refusal.h"
#include "entra_reply.h"
#include "entra_time.h"


#define ENTRA_REPLY_TEXT_MAX   400          /* of a description, bytes */
#define ENTRA_REPLY_CLAIMS     4096         /* bytes */
#define ENTRA_REPLY_POLICIES   4
#define ENTRA_REPLY_CODES      8
#define ENTRA_REPLY_HALF       7200         /* seconds */


static entra_json_t *
entra_reply_json(const entra_http_reply_t *reply)
{
    return entra_json_parse(reply->body, ENTRA_HTTP_BODY_MAX,
                            ENTRA_JSON_OBJECT);
}


static int
entra_reply_no_answer(const entra_http_reply_t *reply, const char *from,
    entra_err_t *err)
{
    const char  *what;

    if (reply->proxy_denied) {
        err->advice = "write \"entra_http_proxy URL credentials=FILE;\" with a"
                      " file of one line, USER:PASSWORD, and reload nginx when"
                      " it has changed";
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s: the proxy refuses its user and password, or"
                             " wants some (status 407)", from);
    }

    if (reply->no_files) {
        err->advice = "raise \"worker_rlimit_nofile\"";
    }

    what = reply->no_files ? "no file descriptor is left for the request"
           : reply->timed_out ? "the answer did not come in time"
           : reply->refused ? "the connection was refused"
           : "there was no answer";

    return entra_err_set(err, ENTRA_ERR_TRANSIENT, "%s: %s%s%.200s", from,
                         what, reply->error[0] ? ", " : "", reply->error);
}


/*
 * The number behind "AADSTS" at the start of a description; the rest follows
 * ": ".  Only what the operator reads depends on it.
 */

static uint32_t
entra_reply_aadsts(entra_str_t *text)
{
    size_t       i;
    int64_t      n;
    entra_str_t  digits;

    if (!entra_str_starts(*text, "AADSTS")) {
        return 0;
    }

    for (i = 6; i < text->len && entra_is_digit(text->data[i]); i++) {
        /* void */
    }

    digits.data = text->data + 6;
    digits.len = i - 6;

    if (entra_str_int(digits, &n) != 0 || n > UINT32_MAX) {
        return 0;
    }

    while (i < text->len && (text->data[i] == ':' || text->data[i] == ' ')) {
        i++;
    }

    text->data += i;
    text->len -= i;

    return (uint32_t) n;
}


/* the ids and the time that follow are repeated in members of their own */

static entra_str_t
entra_reply_sentence(entra_str_t text)
{
    char    *end;
    size_t   i;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] == '\r' || text.data[i] == '\n') {
            break;
        }
    }

    text.len = i;
    end = strstr(text.data, " Trace ID:");

    if (end && end < text.data + text.len) {
        text.len = (size_t) (end - text.data);
    }

    text = entra_str_trim(text);

    if (text.len > ENTRA_REPLY_TEXT_MAX) {
        text.len = ENTRA_REPLY_TEXT_MAX;
    }

    return text;
}


static entra_err_class_e
entra_reply_class(int status, const char *error, entra_err_class_e class)
{
    if (status == 429) {
        return ENTRA_ERR_THROTTLED;
    }

    if (status >= 500 || status == 408) {
        return ENTRA_ERR_TRANSIENT;
    }

    if (class != ENTRA_ERR_NONE) {
        return class;
    }

    /* of something that is not an OAuth server */

    if (error[0] == '\0' || status < 400) {
        return ENTRA_ERR_PROTOCOL;
    }

    return status == 401 || status == 403 ? ENTRA_ERR_DENIED
                                          : ENTRA_ERR_CONFIG;
}


/* {"error":{"code":...,"message":...}}, {"error":"..."}, {"statusCode":...} */

static entra_str_t
entra_reply_describe(const entra_json_t *root, entra_err_t *err)
{
    entra_str_t          text;
    const entra_json_t  *error, *from;

    error = entra_json_member(root, "error");
    from = entra_json_type(error) == ENTRA_JSON_IS_OBJECT ? error : root;

    if (from == error) {
        text = entra_json_member_string(from, "code");

    } else if (entra_json_string(error, &text) != 0) {
        text = entra_json_member_string(from, "code");
    }

    entra_err_clean(err->error, sizeof(err->error), text);

    text = entra_json_member_string(from, "error_description");

    return text.len ? text : entra_json_member_string(from, "message");
}


/*
 * There may be several numbers, the general one first: [70002, 500133] is
 * "Error validating credentials", "Assertion is not within its valid time
 * range".  The last one that is known tells most.
 */

static void
entra_reply_codes(const entra_json_t *root, entra_err_t *err)
{
    int64_t              n;
    unsigned             i;
    const entra_json_t  *code;

    code = entra_json_first(entra_json_member(root, "error_codes"));

    for (i = 0; code && i < ENTRA_REPLY_CODES; i++) {

        if (entra_json_int64(code, &n) == 0 && n > 0 && n <= UINT32_MAX
            && (err->aadsts == 0 || entra_aadsts_find((uint32_t) n)))
        {
            err->aadsts = (uint32_t) n;
        }

        code = entra_json_next(code);
    }
}


static void
entra_reply_ids(const entra_json_t *root, entra_err_t *err)
{
    entra_err_clean(err->suberror, sizeof(err->suberror),
                    entra_json_member_string(root, "suberror"));
    entra_err_clean(err->correlation_id, sizeof(err->correlation_id),
                    entra_json_member_string(root, "correlation_id"));
    entra_err_clean(err->trace_id, sizeof(err->trace_id),
                    entra_json_member_string(root, "trace_id"));

    entra_reply_codes(root, err);
}


static const char *
entra_reply_advice(int status, entra_err_class_e class)
{
    if (status >= 300 && status < 400) {
        return "authority_host has to be the server itself: redirects are not"
               " followed with secrets";
    }

    if (class == ENTRA_ERR_PROTOCOL) {
        return "look for a proxy or a wrong authority_host: this is not how"
               " Microsoft Entra answers";
    }

    return NULL;
}


/*
 * Which policies of the tenant block, as AADSTS53003 tells:
 * {"access_token": {"capolids": {"values": [ID, ...]}}}
 */

static void
entra_reply_policies(const entra_json_t *root, char *text, size_t size)
{
    char                 id[37];
    size_t               n;
    unsigned             i;
    const char          *before;
    entra_str_t          value;
    entra_json_t        *claims;
    const entra_json_t  *element;

    value = entra_json_member_string(root, "claims");
    claims = value.len ? entra_json_parse(value, ENTRA_REPLY_CLAIMS,
                                          ENTRA_JSON_OBJECT) : NULL;

    element = entra_json_first(entra_json_member(entra_json_member(
                  entra_json_member(claims, "access_token"), "capolids"),
                  "values"));

    before = " Policy: ";

    for (i = 0; element && i < ENTRA_REPLY_POLICIES; i++) {
        n = strlen(text);

        if (entra_json_string(element, &value) == 0) {
            entra_err_clean(id, sizeof(id), value);
            (void) snprintf(text + n, size - n, "%s%s", before, id);
            before = ", ";
        }

        element = entra_json_next(element);
    }

    entra_json_free(claims);
}


/* what the body says; text gets its sentence for the operator */

static void
entra_reply_read(const entra_http_reply_t *reply, entra_err_t *err,
    char text[ENTRA_REPLY_TEXT_MAX + 1])
{
    uint32_t       aadsts;
    entra_str_t    description;
    entra_json_t  *root;

    text[0] = '\0';

    root = entra_reply_json(reply);
    if (root == NULL) {
        return;
    }

    description = entra_reply_describe(root, err);
    entra_reply_ids(root, err);

    if (description.len) {
        aadsts = entra_reply_aadsts(&description);

        if (err->aadsts == 0) {
            err->aadsts = aadsts;
        }

        entra_err_clean(text, ENTRA_REPLY_TEXT_MAX + 1,
                        entra_reply_sentence(description));
        entra_reply_policies(root, text, ENTRA_REPLY_TEXT_MAX + 1);
    }

    entra_json_free(root);
}


static int
entra_reply_refusal(const entra_http_reply_t *reply, const char *from,
    unsigned flags, entra_err_t *err)
{
    char               text[ENTRA_REPLY_TEXT_MAX + 1];
    entra_refusal_t    refusal;
    entra_err_class_e  class;

    entra_err_clear(err);

    err->http_status = reply->status;
    err->retry_after = reply->retry_after;

    if (reply->too_large) {
        return entra_err_set(err, ENTRA_ERR_PROTOCOL,
                             "%s: an answer (status %d) of more than %d bytes",
                             from, reply->status, ENTRA_HTTP_BODY_MAX);
    }

    if (reply->status == 0) {
        return entra_reply_no_answer(reply, from, err);
    }

    entra_reply_read(reply, err, text);

    entra_refusal(err->error, err->suberror, err->aadsts,
                  (flags & ENTRA_REPLY_USER) != 0, &refusal);

    class = entra_reply_class(reply->status, err->error, refusal.class);

    (void) entra_err_set(err, class, "%s: status %d%s%s%s%s%s%s", from,
                         reply->status, err->error[0] ? ", " : "",
                         err->error, err->suberror[0] ? ", " : "",
                         err->suberror, text[0] ? ": " : "", text);

    err->remedy = class == ENTRA_ERR_DENIED ? refusal.remedy
                                            : ENTRA_REMEDY_NONE;
    err->advice = refusal.advice ? refusal.advice
                                 : entra_reply_advice(reply->status, class);

    if (err->aadsts == ENTRA_AADSTS_LOOP
        && err->retry_after < ENTRA_AADSTS_LOOP_WAIT)
    {
        err->retry_after = ENTRA_AADSTS_LOOP_WAIT;
    }

    entra_reply_redact(err, NULL);

    return -1;
}


int
entra_reply_error(const entra_http_reply_t *reply, const char *from,
    entra_err_t *err)
{
    return entra_reply_refusal(reply, from, 0, err);
}


static int
entra_reply_nonsense(const entra_http_reply_t *reply, const char *from,
    const char *what, entra_err_t *err)
{
    entra_err_clear(err);

    err->http_status = reply->status;
    err->retry_after = reply->retry_after;
    err->advice = entra_reply_advice(reply->status, ENTRA_ERR_PROTOCOL);

    return entra_err_set(err, ENTRA_ERR_PROTOCOL, "%s: status %d, but %s",
                         from, reply->status, what);
}


/* a number, or text: an integer, a decimal number or a date */

static int
entra_reply_expires_on(const entra_json_t *root, int64_t now, int64_t *left)
{
    char                 digits[24];
    int64_t              at;
    entra_str_t          text;
    const entra_json_t  *value;

    value = entra_json_member(root, "expires_on");

    if (entra_json_type(value) == ENTRA_JSON_IS_NUMBER) {
        if (entra_json_seconds(value, &at) != 0 || at < 0) {
            return -1;
        }

        snprintf(digits, sizeof(digits), "%lld", (long long) at);
        text = entra_str_c(digits);

    } else if (entra_json_string(value, &text) != 0) {
        return -1;
    }

    if (entra_time_expiry(text, now, &at) != 0) {
        return -1;
    }

    *left = at - now;

    return 0;
}


/* a number or a string, either with a fraction */

static int
entra_reply_seconds(const entra_json_t *root, const char *name,
    int64_t *seconds)
{
    return entra_json_member_seconds(root, name, seconds);
}


/*
 * expires_in needs no clock and goes first.  But a source on this machine may
 * hand out a token from its cache with the expires_in of its first day: its
 * date is the truth then, unless the clock is wrong.
 */

static int
entra_reply_left(const entra_json_t *root, unsigned flags, int64_t now,
    int64_t *left)
{
    int64_t  date;

    if (entra_reply_seconds(root, "expires_in", left) != 0) {
        return entra_reply_expires_on(root, now, left);
    }

    if ((flags & ENTRA_REPLY_LOCAL)
        && entra_reply_expires_on(root, now, &date) == 0
        && date > 0 && date < *left)
    {
        *left = date;
    }

    return 0;
}


static const char *
entra_reply_take(const entra_json_t *root, unsigned flags, int64_t now,
    entra_token_t *token, entra_err_t *err)
{
    int64_t      left, refresh;
    entra_str_t  type, value;

    type = entra_json_member_string(root, "token_type");

    if (!entra_str_case_eq_c(type, "Bearer")
        && !((flags & ENTRA_REPLY_LOCAL)
             && entra_json_member(root, "token_type") == NULL))
    {
        return "the token is not of the type Bearer";
    }

    if (entra_json_string(entra_json_member(root, "access_token"), &value)
        != 0 || value.len == 0)
    {
        return "there is no access_token in it";
    }

    if (entra_reply_left(root, flags, now, &left) != 0) {
        return "neither expires_in nor expires_on tells when the token"
               " expires";
    }

    if (left <= 0) {
        return "the token has expired already: is the clock of this machine"
               " right?";
    }

    if (entra_reply_seconds(root, "refresh_in", &refresh) != 0) {
        refresh = (flags & ENTRA_REPLY_LOCAL) && left > ENTRA_REPLY_HALF
                  ? left / 2 : 0;
    }

    return entra_token_set(token, value, left, refresh, err) == 0 ? NULL
                                                                  : err->text;
}


int
entra_reply_token(const entra_http_reply_t *reply, const char *from,
    unsigned flags, int64_t now, entra_token_t *token, entra_err_t *err)
{
    char           what[sizeof(err->text)];
    const char    *wrong;
    entra_json_t  *root;

    if ((reply->status != 200 && reply->status != 201) || reply->too_large) {
        return entra_reply_refusal(reply, from, flags, err);
    }

    root = entra_reply_json(reply);
    if (root == NULL) {
        return entra_reply_nonsense(reply, from,
                                    "the body is not a JSON object", err);
    }

    if (entra_json_member(root, "error")
        && entra_json_member(root, "access_token") == NULL)
    {
        entra_json_free(root);
        return entra_reply_refusal(reply, from, flags, err);
    }

    wrong = entra_reply_take(root, flags, now, token, err);

    entra_json_free(root);

    if (wrong == NULL) {
        return 0;
    }

    snprintf(what, sizeof(what), "%.200s", wrong);

    return entra_reply_nonsense(reply, from, what, err);
}


char *
entra_reply_member(const entra_http_reply_t *reply, const char *name)
{
    char          *copy = NULL;
    entra_str_t    text;
    entra_json_t  *root;

    root = entra_reply_json(reply);

    if (entra_json_string(entra_json_member(root, name), &text) == 0) {
        copy = entra_str_dup(text);
    }

    entra_json_free(root);

    return copy;
}


/* cuts n bytes at p out of err's text, and puts "[...]" there */

static void
entra_reply_cut(entra_err_t *err, char *p, size_t n)
{
    char  rest[sizeof(err->text)];

    snprintf(rest, sizeof(rest), "%s", p + n);
    snprintf(p, sizeof(err->text) - (size_t) (p - err->text), "[...]%s", rest);
}


void
entra_reply_redact(entra_err_t *err, const char *secret)
{
    char    *p;
    size_t   n;

    for (p = err->text; (p = strstr(p, "eyJ")) != NULL; p++) {
        n = entra_err_word(entra_str_c(p));

        if (n >= ENTRA_REPLY_TOKENISH) {
            entra_reply_cut(err, p, n);
        }
    }

    if (secret == NULL || strlen(secret) < 4) {
        return;
    }

    n = strlen(secret);

    for (p = err->text; (p = strstr(p, secret)) != NULL; p += strnlen(p, 5)) {
        entra_reply_cut(err, p, n);
    }
}
