
/*
 * Copyright (C) nginx-entra authors
 */

#include "ngx_http_entra_transfer.h"
#include "ngx_http_entra_compat.h"

#include "entra_time.h"

#include <openssl/ssl.h>


#define NGX_HTTP_ENTRA_HEADER_MAX   8192        /* one that is looked at */
#define NGX_HTTP_ENTRA_HEADERS_MAX  65536       /* all of an answer */
#define NGX_HTTP_ENTRA_LINE_MAX     65536       /* a header that is sent */


static int ngx_http_entra_transfer_options(ngx_http_entra_transfer_t *t);
static int ngx_http_entra_transfer_route(ngx_http_entra_transfer_t *t);
static int ngx_http_entra_transfer_connect_to(ngx_http_entra_transfer_t *t);
static int ngx_http_entra_transfer_method(ngx_http_entra_transfer_t *t);
static int ngx_http_entra_transfer_headers(ngx_http_entra_transfer_t *t);
static int ngx_http_entra_transfer_header_add(ngx_http_entra_transfer_t *t,
    const char *line);
static curl_socket_t ngx_http_entra_transfer_on_open(void *userp,
    curlsocktype purpose, struct curl_sockaddr *address);
static size_t ngx_http_entra_transfer_on_header(char *data, size_t size,
    size_t n, void *userp);
static entra_buf_t *ngx_http_entra_transfer_field(ngx_http_entra_transfer_t *t,
    entra_str_t name);
static size_t ngx_http_entra_transfer_on_body(char *data, size_t size,
    size_t n, void *userp);
static void ngx_http_entra_transfer_forget(ngx_http_entra_transfer_t *t);
static void ngx_http_entra_transfer_error(ngx_http_entra_transfer_t *t,
    CURLcode rc);
static ngx_err_t ngx_http_entra_transfer_files(ngx_http_entra_transfer_t *t,
    CURLcode rc);


ngx_http_entra_transfer_t *
ngx_http_entra_transfer_create(const ngx_http_entra_transfer_conf_t *conf,
    const entra_http_request_t *request, entra_http_done_pt done, void *ctx)
{
    ngx_http_entra_transfer_t  *t;

    t = ngx_calloc(sizeof(ngx_http_entra_transfer_t), conf->log);
    if (t == NULL) {
        return NULL;
    }

    t->conf = conf;
    t->request = request;
    t->done = done;
    t->ctx = ctx;
    t->reply.retry_after = -1;

    entra_buf_init(&t->body, ENTRA_HTTP_BODY_MAX);
    entra_buf_init(&t->content_type, NGX_HTTP_ENTRA_HEADER_MAX);
    entra_buf_init(&t->www_authenticate, NGX_HTTP_ENTRA_HEADER_MAX);
    entra_buf_init(&t->location, NGX_HTTP_ENTRA_HEADER_MAX);

    return t;
}


ngx_uint_t
ngx_http_entra_transfer_shareable(const ngx_http_entra_transfer_t *t)
{
    const entra_http_request_t  *request;

    request = t->request;

    return t->conf->http2 && !request->local && request->pinned_sha1 == NULL
           && request->ca_pem == NULL && request->connect_to == NULL;
}


ngx_uint_t
ngx_http_entra_transfer_multiplexed(const ngx_http_entra_transfer_t *t)
{
    unsigned                     len;
    const unsigned char         *protocol;
    struct curl_tlssessioninfo  *session;

    if (!t->fetch.share || !t->conf->openssl
        || curl_easy_getinfo(t->easy, CURLINFO_TLS_SSL_PTR, &session)
           != CURLE_OK
        || session->backend != CURLSSLBACKEND_OPENSSL
        || session->internals == NULL)
    {
        return 0;
    }

    SSL_get0_alpn_selected(session->internals, &protocol, &len);

    return len == 2 && ngx_memcmp(protocol, "h2", 2) == 0;
}


ngx_int_t
ngx_http_entra_transfer_prepare(ngx_http_entra_transfer_t *t)
{
    int  rc;

    t->easy = curl_easy_init();

    if (t->easy == NULL) {
        ngx_http_entra_transfer_fail(t, "libcurl has no memory");
        return NGX_ERROR;
    }

    rc = ngx_http_entra_transfer_options(t);
    rc |= ngx_http_entra_transfer_route(t);
    rc |= ngx_http_entra_transfer_connect_to(t);
    rc |= ngx_http_entra_transfer_method(t);
    rc |= ngx_http_entra_transfer_headers(t);
    rc |= ngx_http_entra_transfer_tls(t);

    if (rc == 0) {
        return NGX_OK;
    }

    if (t->reply.error[0] == '\0') {
        ngx_http_entra_transfer_fail(t, "libcurl refused an option of the "
                                     "request");
    }

    ngx_http_entra_transfer_release(t);

    return NGX_ERROR;
}


static int
ngx_http_entra_transfer_options(ngx_http_entra_transfer_t *t)
{
    int                          rc;
    CURL                        *easy;
    ngx_msec_t                   connect, total;
    const entra_http_request_t  *request;

    easy = t->easy;
    request = t->request;

    connect = request->connect_timeout ? request->connect_timeout
                                       : t->conf->connect_timeout;
    total = request->timeout ? request->timeout : t->conf->fetch_timeout;

    rc = curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    rc |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
    rc |= curl_easy_setopt(easy, CURLOPT_URL, request->url);
    rc |= curl_easy_setopt(easy, CURLOPT_USERAGENT,
                           "nginx-entra/" NGX_HTTP_ENTRA_VERSION);

    /* SIGALRM belongs to nginx */

    rc |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long) connect);
    rc |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long) total);
    ngx_http_entra_curl_quick_exit(easy);

    /*
     * A connection is shared by transfers of the same time and ends with the
     * last of them: one request an hour gains nothing from an idle connection,
     * and a stale one can hang.  Where that is not allowed, HTTP/1.1 sees to
     * it that nobody else joins, either.
     */

    rc |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                           (long) (t->fetch.share ? CURL_HTTP_VERSION_2TLS
                                                  : CURL_HTTP_VERSION_1_1));
    rc |= curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT,
                           t->fetch.share ? 0L : 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);

    /* the answer to a redirect is the caller's business */

    rc |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    rc |= curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    rc |= ngx_http_entra_curl_protocols(easy, request->local);

    rc |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION,
                           ngx_http_entra_transfer_on_open);
    rc |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);

    rc |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION,
                           ngx_http_entra_transfer_on_header);
    rc |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    rc |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION,
                           ngx_http_entra_transfer_on_body);
    rc |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);

    return rc;
}


/*
 * Explicit in both directions, so that proxy variables of the environment,
 * which "env" may let through, decide nothing.
 */

static int
ngx_http_entra_transfer_route(ngx_http_entra_transfer_t *t)
{
    int    rc;
    CURL  *easy;

    easy = t->easy;

    if (t->request->local || t->conf->proxy[0] == '\0') {
        rc = curl_easy_setopt(easy, CURLOPT_PROXY, "");
        rc |= curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");

        return rc;
    }

    rc = curl_easy_setopt(easy, CURLOPT_PROXY, t->conf->proxy);
    rc |= curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    rc |= curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);

    if (t->conf->ca_file) {
        (void) curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, t->conf->ca_file);
    }

    return rc;
}


/* whatever the URL names: there is one request on a connection */

static int
ngx_http_entra_transfer_connect_to(ngx_http_entra_transfer_t *t)
{
    entra_buf_t  line;

    if (t->request->connect_to == NULL) {
        return 0;
    }

    entra_buf_init(&line, NGX_HTTP_ENTRA_HEADER_MAX);
    entra_buf_add_c(&line, "::");
    entra_buf_add_c(&line, t->request->connect_to);

    if (entra_buf_ok(&line)) {
        t->connect_to = curl_slist_append(NULL, line.data);
    }

    entra_buf_free(&line);

    if (t->connect_to == NULL) {
        return -1;
    }

    return curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, t->connect_to);
}


static int
ngx_http_entra_transfer_method(ngx_http_entra_transfer_t *t)
{
    int                 rc;
    CURL               *easy;
    const char         *method;
    const entra_buf_t  *body;

    easy = t->easy;
    method = t->request->method;
    body = &t->request->body;

    if (ngx_strcmp(method, "GET") == 0) {
        return curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }

    if (ngx_strcmp(method, "HEAD") == 0) {
        return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }

    rc = curl_easy_setopt(easy, CURLOPT_POST, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                           (curl_off_t) body->len);

    /* not copied: the only copy stays with its owner, who wipes it */

    rc |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                           body->len ? body->data : "");

    if (ngx_strcmp(method, "POST") != 0) {
        rc |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    }

    return rc;
}


static int
ngx_http_entra_transfer_headers(ngx_http_entra_transfer_t *t)
{
    int                          rc;
    unsigned                     i;
    entra_buf_t                  line;
    const entra_http_header_t   *header;
    const entra_http_request_t  *request;

    request = t->request;
    entra_buf_init(&line, NGX_HTTP_ENTRA_LINE_MAX);

    /* "Expect: 100-continue" costs a second with servers that ignore it */

    rc = ngx_http_entra_transfer_header_add(t, "Expect:");

    for (i = 0; i < request->nheaders && rc == 0; i++) {
        header = &request->headers[i];

        entra_buf_reset(&line);
        entra_buf_add_c(&line, header->name);

        if (header->value[0] != '\0') {
            entra_buf_add_c(&line, ": ");
            entra_buf_add_c(&line, header->value);

        } else {
            /* libcurl's way to write a header without a value */
            entra_buf_add_char(&line, ';');
        }

        if (!entra_buf_ok(&line)) {
            ngx_http_entra_transfer_fail(t, "a header of the request is too "
                                         "long");
            rc = -1;
            break;
        }

        rc = ngx_http_entra_transfer_header_add(t, line.data);
    }

    entra_buf_free(&line);

    if (rc == 0) {
        rc = curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    }

    return rc;
}


static int
ngx_http_entra_transfer_header_add(ngx_http_entra_transfer_t *t,
    const char *line)
{
    struct curl_slist  *headers;

    headers = curl_slist_append(t->headers, line);

    if (headers == NULL) {
        return -1;
    }

    t->headers = headers;

    return 0;
}


/* as libcurl does, whose error says nothing of why there is no socket */

static curl_socket_t
ngx_http_entra_transfer_on_open(void *userp, curlsocktype purpose,
    struct curl_sockaddr *address)
{
    ngx_http_entra_transfer_t *t = userp;

    curl_socket_t  fd;

    fd = socket(address->family, address->socktype, address->protocol);

    if (fd == CURL_SOCKET_BAD) {
        t->socket_error = ngx_errno;
    }

    return fd;
}


static size_t
ngx_http_entra_transfer_on_header(char *data, size_t size, size_t n,
    void *userp)
{
    ngx_http_entra_transfer_t *t = userp;

    char         *colon;
    entra_str_t   line, name, value;
    entra_buf_t  *field;

    line.data = data;
    line.len = size * n;

    t->header_size += line.len;

    if (t->header_size > NGX_HTTP_ENTRA_HEADERS_MAX) {
        ngx_http_entra_transfer_fail(t, "the headers of the answer are too "
                                     "large");
        return 0;
    }

    if (entra_str_starts(line, "HTTP/")) {

        /* another answer, after an interim one */

        ngx_http_entra_transfer_forget(t);
        return line.len;
    }

    colon = memchr(data, ':', line.len);

    if (colon == NULL) {
        return line.len;
    }

    name.data = data;
    name.len = colon - data;
    value.data = colon + 1;
    value.len = data + line.len - value.data;
    value = entra_str_trim(value);

    if (entra_str_case_eq_c(name, "Retry-After")) {
        t->reply.retry_after = entra_time_retry_after(value, ngx_time());
        return line.len;
    }

    field = ngx_http_entra_transfer_field(t, name);

    if (field && field->len == 0) {
        entra_buf_add_str(field, value);
    }

    return line.len;
}


static entra_buf_t *
ngx_http_entra_transfer_field(ngx_http_entra_transfer_t *t, entra_str_t name)
{
    if (entra_str_case_eq_c(name, "Content-Type")) {
        return &t->content_type;
    }

    if (entra_str_case_eq_c(name, "WWW-Authenticate")) {
        return &t->www_authenticate;
    }

    if (entra_str_case_eq_c(name, "Location")) {
        return &t->location;
    }

    return NULL;
}


static size_t
ngx_http_entra_transfer_on_body(char *data, size_t size, size_t n, void *userp)
{
    ngx_http_entra_transfer_t *t = userp;

    entra_buf_add(&t->body, data, size * n);

    if (entra_buf_ok(&t->body)) {
        return size * n;
    }

    t->reply.too_large = 1;

    /* different from size * n also when that is 0 */

    return size * n + 1;
}


static void
ngx_http_entra_transfer_forget(ngx_http_entra_transfer_t *t)
{
    entra_buf_reset(&t->content_type);
    entra_buf_reset(&t->www_authenticate);
    entra_buf_reset(&t->location);
    t->reply.retry_after = -1;
}


void
ngx_http_entra_transfer_finish(ngx_http_entra_transfer_t *t, CURLcode rc)
{
    long                 status;
    entra_http_reply_t  *reply;

    reply = &t->reply;
    status = 0;

    (void) curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);

    if (rc == CURLE_OK && status == 0) {
        rc = CURLE_WEIRD_SERVER_REPLY;
    }

    if (rc != CURLE_OK && !reply->too_large) {
        ngx_http_entra_transfer_forget(t);
        ngx_http_entra_transfer_error(t, rc);
        return;
    }

    reply->status = (int) status;
    reply->content_type = entra_buf_str(&t->content_type);
    reply->www_authenticate = entra_buf_str(&t->www_authenticate);
    reply->location = entra_buf_str(&t->location);

    if (reply->too_large) {
        (void) ngx_snprintf((u_char *) reply->error, sizeof(reply->error),
                            "the answer is larger than %d bytes%Z",
                            ENTRA_HTTP_BODY_MAX);
        return;
    }

    reply->body = entra_buf_str(&t->body);
}


static void
ngx_http_entra_transfer_error(ngx_http_entra_transfer_t *t, CURLcode rc)
{
    long          err;
    const char   *text;
    entra_buf_t   b;

    err = ngx_http_entra_transfer_files(t, rc);

    if (err) {
        t->reply.no_files = 1;
        ngx_http_entra_transfer_fail(t, strerror((int) err));
        return;
    }

    err = 0;
    (void) curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &err);
    t->reply.proxy_denied = (err == 407);

    t->reply.timed_out = (rc == CURLE_OPERATION_TIMEDOUT);
    t->reply.refused = (rc == CURLE_COULDNT_CONNECT);

    if (t->reply.error[0] != '\0') {
        /* one of our own callbacks has said it */
        return;
    }

    if (t->mismatch) {
        ngx_http_entra_transfer_fail(t, "the server's certificate does not "
                                     "have the expected thumbprint");
        return;
    }

    text = t->error;

    /* the second: a proxy URL, with what may be its password */

    if (text[0] == '\0' || ngx_strchr(text, '@')) {
        text = curl_easy_strerror(rc);
    }

    entra_buf_init(&b, CURL_ERROR_SIZE + 128);
    entra_buf_add_c(&b, text);

    err = 0;

    if (rc == CURLE_COULDNT_CONNECT
        && curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &err) == CURLE_OK
        && err != 0)
    {
        entra_buf_addf(&b, " (%s)", strerror((int) err));
        t->reply.timed_out = (err == ETIMEDOUT);
        t->reply.refused = (err != ETIMEDOUT);
    }

    entra_err_clean(t->reply.error, sizeof(t->reply.error),
                    entra_str_trim(entra_buf_str(&b)));
    entra_buf_free(&b);
}


/*
 * Was it for want of descriptors?  A thread that resolves a name needs some,
 * too, and a CA file: libcurl says only that these failed.
 */

static ngx_err_t
ngx_http_entra_transfer_files(ngx_http_entra_transfer_t *t, CURLcode rc)
{
    int        fd;
    ngx_err_t  err;

    if (t->fetch.connected || rc == CURLE_OPERATION_TIMEDOUT) {
        return 0;
    }

    err = t->socket_error;

    if (err == 0) {
        fd = open("/dev/null", O_RDONLY|O_CLOEXEC);
        err = fd == -1 ? ngx_errno : 0;

        if (fd != -1) {
            (void) close(fd);
        }
    }

    return err == NGX_EMFILE || err == NGX_ENFILE ? err : 0;
}


void
ngx_http_entra_transfer_fail(ngx_http_entra_transfer_t *t, const char *text)
{
    t->reply.status = 0;
    entra_err_clean(t->reply.error, sizeof(t->reply.error),
                    entra_str_c(text));
}


void
ngx_http_entra_transfer_release(ngx_http_entra_transfer_t *t)
{
    struct curl_slist  *header;

    if (t->easy) {
        curl_easy_cleanup(t->easy);
        t->easy = NULL;
    }

    for (header = t->headers; header; header = header->next) {
        entra_wipe(header->data, ngx_strlen(header->data));
    }

    curl_slist_free_all(t->headers);
    t->headers = NULL;

    curl_slist_free_all(t->connect_to);
    t->connect_to = NULL;
}


void
ngx_http_entra_transfer_free(ngx_http_entra_transfer_t *t)
{
    ngx_http_entra_transfer_release(t);

    entra_buf_free(&t->body);
    entra_buf_free(&t->content_type);
    entra_buf_free(&t->www_authenticate);
    entra_buf_free(&t->location);

    entra_wipe(t, sizeof(ngx_http_entra_transfer_t));
    ngx_free(t);
}
