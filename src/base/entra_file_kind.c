
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "entra_ascii.h"
#include "entra_file_kind.h"


#define ENTRA_KIND_HEAD    4096         /* bytes that are looked at */
#define ENTRA_KIND_BASE64  200          /* shorter ones may be keys */
#define ENTRA_KIND_UTF16   64           /* bytes, to tell it without BOM */


typedef enum {
    ENTRA_KIND_RIGHT = 0,
    ENTRA_KIND_UTF16_TEXT,
    ENTRA_KIND_HTML,
    ENTRA_KIND_COLOURS,
    ENTRA_KIND_MESSAGES,
    ENTRA_KIND_BASE64_DER,
    ENTRA_KIND_BASE64_PEM,
    ENTRA_KIND_ESCAPED_PEM,
    ENTRA_KIND_PEM,
    ENTRA_KIND_BINARY,
    ENTRA_KIND_NULL_WORD,
    ENTRA_KIND_QUOTES,
    ENTRA_KIND_JSON,
    ENTRA_KIND_ARRAY,
    ENTRA_KIND_YAML,
    ENTRA_KIND_ASSIGNMENT,
    ENTRA_KIND_BEARER,
    ENTRA_KIND_JWT,
    ENTRA_KIND_LINES,
    ENTRA_KIND_CONTROL,
    ENTRA_KIND_NO_JSON
} entra_kind_e;


typedef struct {
    const char  *is;
    const char  *fix;                   /* NULL: the command of "make" */
} entra_kind_text_t;


static const entra_kind_text_t  entra_kind_texts[] = {
    [ENTRA_KIND_UTF16_TEXT] = {
        "is UTF-16, as Windows PowerShell writes with \">\"",
        "convert it with \"iconv -f UTF-16 -t UTF-8 FILE\", or write it with"
        " \"| Out-File -Encoding ascii FILE\"" },
    [ENTRA_KIND_HTML] = {
        "is HTML, perhaps the page of a proxy or of a sign-in", NULL },
    [ENTRA_KIND_COLOURS] = {
        "has the colours of a terminal (escape sequences) in it", NULL },
    [ENTRA_KIND_MESSAGES] = {
        "has WARNING or ERROR lines of a tool in it, as with \"2>&1\"", NULL },
    [ENTRA_KIND_BASE64_DER] = {
        "is base64 of a certificate, as Azure Key Vault gives it out",
        "decode it with \"base64 -d FILE > FILE.pfx\"" },
    [ENTRA_KIND_BASE64_PEM] = {
        "is base64 of PEM, as in the data of a Kubernetes Secret",
        "decode it with \"base64 -d FILE > FILE.pem\"" },
    [ENTRA_KIND_ESCAPED_PEM] = {
        "is PEM with \"\\n\" in place of line ends",
        "write it with \"printf '%b' \"$PEM\" > FILE\"" },
    [ENTRA_KIND_PEM] = {
        "is a certificate or key (PEM)", NULL },
    [ENTRA_KIND_BINARY] = {
        "is binary, or holds a control character", NULL },
    [ENTRA_KIND_NULL_WORD] = {
        "holds the word null or None: the query that wrote it found nothing",
        NULL },
    [ENTRA_KIND_QUOTES] = {
        "has quotes around it, as az prints without \"-o tsv\"", NULL },
    [ENTRA_KIND_JSON] = { "is JSON", NULL },
    [ENTRA_KIND_ARRAY] = { "is a JSON array", NULL },
    [ENTRA_KIND_YAML] = { "is YAML (a name, \":\" and a value)", NULL },
    [ENTRA_KIND_ASSIGNMENT] = {
        "is an assignment, as in a .env file (a name, \"=\" and a value)",
        NULL },
    [ENTRA_KIND_BEARER] = { "begins with \"Bearer\"", "leave it out" },
    [ENTRA_KIND_JWT] = { "is a token (JWT)", NULL },
    [ENTRA_KIND_LINES] = { "has more than one line", NULL },
    [ENTRA_KIND_CONTROL] = { "holds a control character", NULL },
    [ENTRA_KIND_NO_JSON] = { "is not a JSON object", NULL }
};


/* with a BOM, or every other one of the first bytes is NUL */

static int
entra_kind_is_utf16(entra_str_t s)
{
    size_t  i, n, zero[2] = { 0, 0 };

    if (entra_str_starts(s, "\xff\xfe") || entra_str_starts(s, "\xfe\xff")) {
        return 1;
    }

    n = s.len < ENTRA_KIND_UTF16 ? s.len & ~(size_t) 1 : ENTRA_KIND_UTF16;

    for (i = 0; i < n; i++) {
        zero[i & 1] += s.data[i] == '\0';
    }

    return n >= 4 && ((zero[0] == n / 2 && zero[1] == 0)
                      || (zero[1] == n / 2 && zero[0] == 0));
}


static int
entra_kind_starts(entra_str_t s, const char *word)
{
    entra_str_t  head = s;

    head.len = strlen(word);

    return head.len <= s.len && entra_str_case_eq_c(head, word);
}


static int
entra_kind_is_html(entra_str_t s)
{
    return entra_kind_starts(s, "<!doctype") || entra_kind_starts(s, "<html")
           || entra_kind_starts(s, "<head") || entra_kind_starts(s, "<body")
           || entra_kind_starts(s, "<?xml");
}


/* as az and azd prefix what they write to stderr; a Python trace, too */

static int
entra_kind_has_messages(entra_str_t s)
{
    entra_str_t  line;

    static const char  *const starts[] = {
        "WARNING: ", "ERROR: ", "DEBUG: ", "INFO: ",
        "Traceback (most recent", "To sign in, use a web browser", NULL
    };
    const char *const  *start;

    while (s.len) {
        line = entra_str_trim(entra_str_cut(&s, '\n'));

        for (start = starts; *start; start++) {
            if (entra_str_starts(line, *start)) {
                return 1;
            }
        }
    }

    return 0;
}


static int
entra_kind_is_base64(entra_str_t s, const char *prefix)
{
    char    c;
    size_t  i, n = 0;

    if (!entra_str_starts(s, prefix)) {
        return 0;
    }

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (!entra_is_space(c)) {
            if (!entra_is_alnum(c) && c != '+' && c != '/' && c != '=') {
                return 0;
            }

            n++;
        }
    }

    return n >= ENTRA_KIND_BASE64;
}


/* of the name at the start of s, with its separator behind it; or 0 */

static size_t
entra_kind_name(entra_str_t s, char separator)
{
    size_t  i = 0;

    while (i < s.len && (entra_is_alnum(s.data[i]) || s.data[i] == '_')) {
        i++;
    }

    return i && i < s.len && s.data[i] == separator ? i : 0;
}


static int
entra_kind_is_yaml(entra_str_t s)
{
    size_t  n;

    if (entra_str_starts(s, "---\n") || entra_str_starts(s, "---\r")) {
        return 1;
    }

    n = entra_kind_name(s, ':');

    return n && (n + 1 == s.len || entra_is_space(s.data[n + 1]));
}


/* base64 ends with "=", and may have "_" */

static int
entra_kind_is_assignment(entra_str_t s)
{
    size_t  i, n;

    if (entra_str_starts(s, "export ")) {
        return 1;
    }

    n = entra_kind_name(s, '=');

    if (n == 0 || n + 1 == s.len || entra_is_space(s.data[n + 1])
        || s.data[n + 1] == '=' || memchr(s.data, '_', n) == NULL)
    {
        return 0;
    }

    for (i = 0; i < n; i++) {
        if (entra_is_alpha(s.data[i]) && entra_lower(s.data[i]) == s.data[i])
        {
            return 0;
        }
    }

    return 1;
}


int
entra_file_kind_quoted(entra_str_t s)
{
    s = entra_str_trim(s);

    return s.len >= 2 && (s.data[0] == '"' || s.data[0] == '\'')
           && s.data[s.len - 1] == s.data[0];
}


static int
entra_kind_is_jwt(entra_str_t s)
{
    entra_str_t  header, payload;

    if (!entra_str_starts(s, "eyJ")) {
        return 0;
    }

    header = entra_str_cut(&s, '.');
    payload = entra_str_cut(&s, '.');

    return header.len > 8 && entra_str_starts(payload, "ey") && s.len;
}


/* a sequence of more than 127 bytes, or of indefinite length */

static int
entra_kind_is_der(entra_form_e form, entra_str_t s)
{
    return form == ENTRA_FORM_CERTIFICATE && s.len > 1
           && s.data[0] == '\x30' && (s.data[1] & 0x80);
}


static entra_kind_e
entra_kind_of_encoded(entra_str_t s)
{
    if (entra_kind_is_base64(s, "MI")) {
        return ENTRA_KIND_BASE64_DER;
    }

    return entra_kind_is_base64(s, "LS0tLS1CRUdJT") ? ENTRA_KIND_BASE64_PEM
                                                    : ENTRA_KIND_RIGHT;
}


/* what has a structure, where one value is wanted */

static entra_kind_e
entra_kind_of_structure(entra_str_t s)
{
    if (s.data[0] == '{' || s.data[0] == '[') {
        return s.data[0] == '{' ? ENTRA_KIND_JSON : ENTRA_KIND_ARRAY;
    }

    if (entra_str_eq_c(s, "null") || entra_str_eq_c(s, "None")
        || entra_str_eq_c(s, "undefined"))
    {
        return ENTRA_KIND_NULL_WORD;
    }

    if (entra_kind_starts(s, "Bearer ")) {
        return ENTRA_KIND_BEARER;
    }

    if (entra_kind_is_yaml(s)) {
        return ENTRA_KIND_YAML;
    }

    if (entra_kind_is_assignment(s)) {
        return ENTRA_KIND_ASSIGNMENT;
    }

    return entra_file_kind_quoted(s) ? ENTRA_KIND_QUOTES : ENTRA_KIND_RIGHT;
}


static entra_kind_e
entra_kind_of_line(entra_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] == '\n' || s.data[i] == '\r') {
            return ENTRA_KIND_LINES;
        }

        if (entra_is_control(s.data[i])) {
            return ENTRA_KIND_CONTROL;
        }
    }

    return ENTRA_KIND_RIGHT;
}


static entra_kind_e
entra_kind_of_value(entra_form_e form, entra_str_t s)
{
    entra_kind_e  kind;

    if (entra_kind_has_messages(s)) {
        return ENTRA_KIND_MESSAGES;
    }

    if (entra_str_starts(s, "-----BEGIN")) {
        return ENTRA_KIND_PEM;
    }

    kind = entra_kind_of_encoded(s);

    if (kind == ENTRA_KIND_RIGHT && form != ENTRA_FORM_PASSWORD) {
        kind = entra_kind_of_structure(s);
    }

    if (kind == ENTRA_KIND_RIGHT && form == ENTRA_FORM_VALUE
        && entra_kind_is_jwt(s))
    {
        kind = ENTRA_KIND_JWT;
    }

    return kind == ENTRA_KIND_RIGHT ? entra_kind_of_line(s) : kind;
}


static entra_kind_e
entra_kind_of_json(entra_str_t s)
{
    entra_kind_e  kind;

    if (entra_kind_has_messages(s)) {
        return ENTRA_KIND_MESSAGES;
    }

    if (s.data[0] == '{') {
        return ENTRA_KIND_RIGHT;
    }

    if (entra_str_starts(s, "-----BEGIN")) {
        return ENTRA_KIND_PEM;
    }

    kind = entra_kind_of_structure(s);

    return kind == ENTRA_KIND_RIGHT ? ENTRA_KIND_NO_JSON : kind;
}


/* PEM may have other lines in it */

static entra_kind_e
entra_kind_of_certificate(entra_str_t s)
{
    entra_kind_e  kind;

    if (entra_str_has(s, "-----BEGIN")) {
        return entra_str_has(s, "-----\\n") ? ENTRA_KIND_ESCAPED_PEM
                                            : ENTRA_KIND_RIGHT;
    }

    if (entra_kind_is_der(ENTRA_FORM_CERTIFICATE, s)) {
        return ENTRA_KIND_RIGHT;
    }

    if (entra_kind_has_messages(s)) {
        return ENTRA_KIND_MESSAGES;
    }

    kind = entra_kind_of_encoded(s);

    return kind == ENTRA_KIND_RIGHT ? entra_kind_of_structure(s) : kind;
}


static entra_kind_e
entra_kind_of_text(entra_form_e form, entra_str_t s)
{
    if (entra_str_starts(s, "-----BEGIN")) {
        return ENTRA_KIND_PEM;
    }

    /* its parser names the line */

    if (form == ENTRA_FORM_LIST) {
        return entra_kind_has_messages(s) ? ENTRA_KIND_MESSAGES
                                          : ENTRA_KIND_RIGHT;
    }

    if (memchr(s.data, '\0', s.len)) {
        return ENTRA_KIND_BINARY;
    }

    return s.data[0] == '{' ? ENTRA_KIND_JSON
           : entra_kind_is_yaml(s) ? ENTRA_KIND_YAML : ENTRA_KIND_RIGHT;
}


static entra_kind_e
entra_kind(entra_form_e form, entra_str_t s)
{
    if (s.len > ENTRA_KIND_HEAD && form != ENTRA_FORM_CERTIFICATE
        && form != ENTRA_FORM_VALUE)
    {
        s.len = ENTRA_KIND_HEAD;
    }

    if (form != ENTRA_FORM_KEY && entra_kind_is_utf16(s)) {
        return ENTRA_KIND_UTF16_TEXT;
    }

    if (entra_str_starts(s, "\xef\xbb\xbf")) {
        s.data += 3;
        s.len -= 3;
    }

    s = entra_str_trim(s);

    if (s.len == 0) {
        return ENTRA_KIND_RIGHT;
    }

    if (entra_kind_is_html(s)) {
        return ENTRA_KIND_HTML;
    }

    if (form == ENTRA_FORM_KEY) {
        return entra_str_starts(s, "-----BEGIN CERTIFICATE")
               ? ENTRA_KIND_PEM : ENTRA_KIND_RIGHT;
    }

    if (!entra_kind_is_der(form, s) && entra_str_has(s, "\x1b[")) {
        return ENTRA_KIND_COLOURS;
    }

    switch (form) {

    case ENTRA_FORM_JSON:
        return entra_kind_of_json(s);

    case ENTRA_FORM_CERTIFICATE:
        return entra_kind_of_certificate(s);

    case ENTRA_FORM_DOTENV:
    case ENTRA_FORM_LIST:
        return entra_kind_of_text(form, s);

    default:
        return entra_kind_of_value(form, s);
    }
}


/* what to do: as the content says, as the owner of the file, or a command */

static const char *
entra_kind_fix(const entra_file_want_t *want, entra_kind_e kind)
{
    if (kind == ENTRA_KIND_JSON) {
        return want->json;
    }

    if (kind == ENTRA_KIND_PEM) {
        return want->pem;
    }

    return kind == ENTRA_KIND_JWT ? want->jwt : entra_kind_texts[kind].fix;
}


int
entra_file_kind_check(const entra_file_want_t *want, const char *path,
    entra_str_t content, entra_err_t *err)
{
    char          subject[420];
    const char   *fix;
    entra_kind_e  kind;

    kind = entra_kind(want->form, content);

    if (kind == ENTRA_KIND_JWT && want->jwt == NULL) {
        kind = entra_kind_of_line(entra_str_trim(content));
    }

    if (kind == ENTRA_KIND_RIGHT) {
        return 0;
    }

    if (path) {
        (void) snprintf(subject, sizeof(subject), "\"%.400s\"", path);

    } else {
        (void) snprintf(subject, sizeof(subject), "the value");
    }

    fix = entra_kind_fix(want, kind);

    if (fix) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s %s: it should hold %s; %s", subject,
                             entra_kind_texts[kind].is, want->what, fix);
    }

    if (want->make) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s %s: it should hold %s, as \"%s\" writes it",
                             subject, entra_kind_texts[kind].is, want->what,
                             want->make);
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG, "%s %s: it should hold %s",
                         subject, entra_kind_texts[kind].is, want->what);
}


const char *
entra_file_kind_node(mode_t mode)
{
    switch (mode & S_IFMT) {

    case S_IFREG:
        return NULL;

    case S_IFDIR:
        return "is a directory";

    case S_IFIFO:
        return "is a FIFO";

    case S_IFCHR:
    case S_IFBLK:
        return "is a device";

    case S_IFSOCK:
        return "is a socket";

    default:
        return "is something else";
    }
}


const char *
entra_size(char out[ENTRA_SIZE_LEN], uint64_t bytes)
{
    int     n;
    char    digits[ENTRA_SIZE_LEN];
    size_t  i, len = 0;

    n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long) bytes);

    for (i = 0; i < (size_t) n && len < ENTRA_SIZE_LEN - 2; i++) {
        if (i && ((size_t) n - i) % 3 == 0) {
            out[len++] = ',';
        }

        out[len++] = digits[i];
    }

    out[len] = '\0';

    return out;
}
