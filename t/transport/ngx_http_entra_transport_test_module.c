
/*
 * Copyright (C) nginx-entra authors
 *
 * For tests only: makes a worker send requests and run processes as the
 * arguments of a request tell it, and answers with what came of it.
 *
 *     location = /fetch { test_fetch; }
 *         url= method= body= body_size= header=NAME:VALUE local=1 pin=
 *         ca=FILE timeout= connect_timeout= n=TIMES
 *     location = /run { test_run; }
 *         path= arg= env=NAME=VALUE timeout=
 *
 * The answer: lines "name: value", an empty line, the body.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_entra_curl.h"
#include "ngx_http_entra_exec.h"


#define TEST_MAX  256


typedef struct {
    ngx_http_entra_curl_conf_t   curl;
    ngx_str_t                    ca_pem_file;
    ngx_str_t                    on_start;
} ngx_http_entra_test_conf_t;


typedef struct ngx_http_entra_test_s  ngx_http_entra_test_t;

typedef struct {
    ngx_http_entra_test_t       *test;
    entra_http_request_t         request;
    void                        *handle;
} ngx_http_entra_test_fetch_t;

struct ngx_http_entra_test_s {
    ngx_http_request_t          *r;
    ngx_http_entra_test_fetch_t  fetches[TEST_MAX];
    ngx_uint_t                   n;
    ngx_uint_t                   left;
    entra_process_t              process;
    void                        *handle;
    entra_buf_t                  answer;
};


static void *ngx_http_entra_test_create_conf(ngx_conf_t *cf);
static char *ngx_http_entra_test_fetch(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_entra_test_run(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_entra_test_init(ngx_cycle_t *cycle);
static void ngx_http_entra_test_exit(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_entra_test_fetch_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_entra_test_run_handler(ngx_http_request_t *r);


static ngx_http_entra_curl_t  *ngx_http_entra_test_curl;
static entra_http_request_t    ngx_http_entra_test_first;


static ngx_command_t  ngx_http_entra_test_commands[] = {

    { ngx_string("test_ca_file"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_entra_test_conf_t, curl.ca_file),
      NULL },

    { ngx_string("test_ca_pem"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_entra_test_conf_t, ca_pem_file),
      NULL },

    { ngx_string("test_proxy"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_entra_test_conf_t, curl.proxy),
      NULL },

    { ngx_string("test_on_start"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_entra_test_conf_t, on_start),
      NULL },

    { ngx_string("test_fetch"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_entra_test_fetch,
      0,
      0,
      NULL },

    { ngx_string("test_run"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_entra_test_run,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_entra_test_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_entra_test_create_conf,       /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_entra_transport_test_module = {
    NGX_MODULE_V1,
    &ngx_http_entra_test_module_ctx,       /* module context */
    ngx_http_entra_test_commands,          /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_entra_test_init,              /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_entra_test_exit,              /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_http_entra_test_create_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_entra_test_conf_t));
}


static char *
ngx_http_entra_test_fetch(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_entra_test_fetch_handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_entra_test_run(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_entra_test_run_handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_entra_test_slurp(const char *file)
{
    char         buf[4096];
    FILE        *f;
    size_t       n;
    entra_buf_t  b;

    entra_buf_init(&b, 1024 * 1024);

    f = fopen(file, "r");

    if (f) {
        while ((n = fread(buf, 1, sizeof(buf), f)) > 0) {
            entra_buf_add(&b, buf, n);
        }

        fclose(f);
    }

    return entra_buf_steal(&b);
}


static void
ngx_http_entra_test_first_done(void *ctx, const entra_http_reply_t *reply)
{
    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "test: first fetch: %d %s", reply->status, reply->error);
    entra_http_request_free(&ngx_http_entra_test_first);
}


static ngx_int_t
ngx_http_entra_test_init(ngx_cycle_t *cycle)
{
    ngx_http_entra_test_conf_t  *conf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    conf = ngx_http_cycle_get_module_main_conf(cycle,
                                        ngx_http_entra_transport_test_module);
    if (conf == NULL) {
        return NGX_OK;
    }

    if (conf->ca_pem_file.len) {
        conf->curl.ca_pem.data = (u_char *)
            ngx_http_entra_test_slurp((char *) conf->ca_pem_file.data);
        conf->curl.ca_pem.len = ngx_strlen(conf->curl.ca_pem.data);
    }

    ngx_http_entra_test_curl = ngx_http_entra_curl_create(cycle, &conf->curl);

    if (conf->ca_pem_file.len) {
        ngx_free(conf->curl.ca_pem.data);
    }

    if (ngx_http_entra_test_curl == NULL) {
        return NGX_ERROR;
    }

    if (conf->on_start.len) {
        entra_http_request_init(&ngx_http_entra_test_first);
        ngx_http_entra_test_first.local = 1;
        ngx_http_entra_test_first.url =
                          entra_str_dup(entra_str_c((char *)
                                                    conf->on_start.data));
        (void) ngx_http_entra_curl_send(ngx_http_entra_test_curl,
                                        &ngx_http_entra_test_first,
                                        ngx_http_entra_test_first_done, NULL);
    }

    return NGX_OK;
}


static void
ngx_http_entra_test_exit(ngx_cycle_t *cycle)
{
    ngx_http_entra_exec_exit();
    ngx_http_entra_curl_destroy(ngx_http_entra_test_curl);
    entra_http_request_free(&ngx_http_entra_test_first);
}


/* the n-th argument of that name, unescaped, on the heap; NULL: none */

static char *
ngx_http_entra_test_arg(ngx_http_request_t *r, const char *name, ngx_uint_t n)
{
    size_t   len;
    u_char  *p, *end, *last, *src, *dst;

    len = ngx_strlen(name);
    last = r->args.data + r->args.len;

    for (p = r->args.data; p < last; p = end + 1) {
        end = ngx_strlchr(p, last, '&');

        if (end == NULL) {
            end = last;
        }

        if ((size_t) (end - p) <= len || p[len] != '='
            || ngx_strncmp(p, name, len) != 0 || n-- > 0)
        {
            continue;
        }

        src = p + len + 1;
        p = calloc(1, end - src + 1);

        if (p) {
            dst = p;
            ngx_unescape_uri(&dst, &src, end - src, 0);
        }

        return (char *) p;
    }

    return NULL;
}


static unsigned
ngx_http_entra_test_number(ngx_http_request_t *r, const char *name)
{
    char      *arg;
    unsigned   n;

    arg = ngx_http_entra_test_arg(r, name, 0);
    n = arg ? (unsigned) atoi(arg) : 0;
    free(arg);

    return n;
}


static void
ngx_http_entra_test_cleanup(void *data)
{
    ngx_http_entra_test_t *test = data;

    ngx_uint_t  i;

    for (i = 0; i < test->n; i++) {
        if (test->fetches[i].handle) {
            ngx_http_entra_curl_cancel(ngx_http_entra_test_curl,
                                       test->fetches[i].handle);
        }

        entra_http_request_free(&test->fetches[i].request);
    }

    if (test->handle) {
        ngx_http_entra_exec_cancel(NULL, test->handle);
    }

    entra_process_free(&test->process);
    entra_buf_free(&test->answer);
}


static ngx_http_entra_test_t *
ngx_http_entra_test_create(ngx_http_request_t *r)
{
    ngx_http_cleanup_t     *cln;
    ngx_http_entra_test_t  *test;

    test = ngx_pcalloc(r->pool, sizeof(ngx_http_entra_test_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (test == NULL || cln == NULL) {
        return NULL;
    }

    test->r = r;
    entra_buf_init(&test->answer, 16 * 1024 * 1024);
    entra_process_init(&test->process);

    cln->handler = ngx_http_entra_test_cleanup;
    cln->data = test;

    return test;
}


static ngx_int_t
ngx_http_entra_test_park(ngx_http_request_t *r)
{
    /* a client that goes away cancels */

    r->read_event_handler = ngx_http_test_reading;

    if (!r->connection->read->ready) {
        (void) ngx_handle_read_event(r->connection->read, 0);
    }

    r->main->count++;

    return NGX_DONE;
}


static void
ngx_http_entra_test_answer(ngx_http_entra_test_t *test)
{
    ngx_int_t            rc;
    ngx_buf_t           *b;
    entra_str_t          text;
    ngx_chain_t          out;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = test->r;
    c = r->connection;
    text = entra_buf_str(&test->answer);

    b = ngx_create_temp_buf(r->pool, text.len + 1);

    if (b == NULL) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    b->last = ngx_cpymem(b->last, text.data, text.len);
    b->last_buf = 1;
    out.buf = b;
    out.next = NULL;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = text.len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_OK) {
        rc = ngx_http_output_filter(r, &out);
    }

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_entra_test_fetched(void *ctx, const entra_http_reply_t *reply)
{
    ngx_http_entra_test_fetch_t *fetch = ctx;

    entra_buf_t            *b;
    ngx_http_entra_test_t  *test;

    test = fetch->test;
    fetch->handle = NULL;
    b = &test->answer;

    entra_buf_addf(b, "status: %d\n", reply->status);

    if (test->n == 1) {
        entra_buf_addf(b, "error: %s\n", reply->error);
        entra_buf_addf(b, "too_large: %d\n", reply->too_large);
        entra_buf_addf(b, "timed_out: %d\n", reply->timed_out);
        entra_buf_addf(b, "refused: %d\n", reply->refused);
        entra_buf_addf(b, "no_files: %d\n", reply->no_files);
        entra_buf_addf(b, "retry_after: %lld\n",
                       (long long) reply->retry_after);
        entra_buf_add_c(b, "content_type: ");
        entra_buf_add_str(b, reply->content_type);
        entra_buf_add_c(b, "\nwww_authenticate: ");
        entra_buf_add_str(b, reply->www_authenticate);
        entra_buf_add_c(b, "\nlocation: ");
        entra_buf_add_str(b, reply->location);
        entra_buf_add_c(b, "\n\n");
        entra_buf_add_str(b, reply->body);
    }

    if (--test->left == 0) {
        ngx_http_entra_test_answer(test);
    }
}


static void
ngx_http_entra_test_request(ngx_http_request_t *r,
    entra_http_request_t *request)
{
    char        *arg, *colon;
    unsigned     n;

    entra_http_request_init(request);

    request->url = ngx_http_entra_test_arg(r, "url", 0);
    request->pinned_sha1 = ngx_http_entra_test_arg(r, "pin", 0);
    request->local = (ngx_http_entra_test_number(r, "local") != 0);
    request->timeout = ngx_http_entra_test_number(r, "timeout");
    request->connect_timeout = ngx_http_entra_test_number(r,
                                                          "connect_timeout");

    arg = ngx_http_entra_test_arg(r, "method", 0);

    if (arg) {
        request->method = ngx_strcmp(arg, "POST") == 0 ? "POST"
                          : ngx_strcmp(arg, "PUT") == 0 ? "PUT"
                          : ngx_strcmp(arg, "HEAD") == 0 ? "HEAD" : "DELETE";
        free(arg);
    }

    arg = ngx_http_entra_test_arg(r, "body", 0);

    if (arg) {
        entra_buf_add_c(&request->body, arg);
        free(arg);
    }

    for (n = ngx_http_entra_test_number(r, "body_size"); n; n--) {
        entra_buf_add_char(&request->body, 'x');
    }

    arg = ngx_http_entra_test_arg(r, "ca", 0);

    if (arg) {
        request->ca_pem = ngx_http_entra_test_slurp(arg);
        free(arg);
    }

    for (n = 0; (arg = ngx_http_entra_test_arg(r, "header", n)) != NULL; n++) {
        colon = strchr(arg, ':');
        *colon = '\0';
        (void) entra_http_request_header(request, arg, entra_str_c(colon + 1));
        free(arg);
    }
}


static ngx_int_t
ngx_http_entra_test_fetch_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_uint_t                    i, n;
    ngx_http_entra_test_t        *test;
    ngx_http_entra_test_fetch_t  *fetch;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    test = ngx_http_entra_test_create(r);
    if (test == NULL) {
        return NGX_ERROR;
    }

    n = ngx_http_entra_test_number(r, "n");
    n = n ? ngx_min(n, TEST_MAX) : 1;

    for (i = 0; i < n; i++) {
        fetch = &test->fetches[i];
        fetch->test = test;
        ngx_http_entra_test_request(r, &fetch->request);
        fetch->handle = ngx_http_entra_curl_send(ngx_http_entra_test_curl,
                                                 &fetch->request,
                                                 ngx_http_entra_test_fetched,
                                                 fetch);
        test->n++;

        if (fetch->handle == NULL) {
            return NGX_HTTP_SERVICE_UNAVAILABLE;
        }

        test->left++;
    }

    return ngx_http_entra_test_park(r);
}


static void
ngx_http_entra_test_ran(void *ctx, const entra_process_result_t *result)
{
    ngx_http_entra_test_t *test = ctx;

    entra_buf_t  *b;

    test->handle = NULL;
    b = &test->answer;

    entra_buf_addf(b, "started: %d\n", result->started);
    entra_buf_addf(b, "status: %d\n", result->status);
    entra_buf_addf(b, "timed_out: %d\n", result->timed_out);
    entra_buf_addf(b, "too_large: %d\n", result->too_large);
    entra_buf_addf(b, "out_len: %d\n", (int) result->out.len);
    entra_buf_addf(b, "err_len: %d\n\n", (int) result->err.len);
    entra_buf_add_str(b, result->out);
    entra_buf_add_str(b, result->err);

    ngx_http_entra_test_answer(test);
}


static ngx_int_t
ngx_http_entra_test_run_handler(ngx_http_request_t *r)
{
    char                   *arg, *equals;
    ngx_int_t               rc;
    ngx_uint_t              n;
    entra_process_t        *process;
    ngx_http_entra_test_t  *test;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    test = ngx_http_entra_test_create(r);
    if (test == NULL) {
        return NGX_ERROR;
    }

    process = &test->process;
    process->path = ngx_http_entra_test_arg(r, "path", 0);
    process->timeout = ngx_http_entra_test_number(r, "timeout");
    (void) entra_process_arg(process, process->path);

    for (n = 0; (arg = ngx_http_entra_test_arg(r, "arg", n)) != NULL; n++) {
        (void) entra_process_arg(process, arg);
        free(arg);
    }

    for (n = 0; (arg = ngx_http_entra_test_arg(r, "env", n)) != NULL; n++) {
        equals = strchr(arg, '=');
        *equals = '\0';
        (void) entra_process_env(process, arg, equals + 1);
        free(arg);
    }

    test->handle = ngx_http_entra_exec_spawn(NULL, process,
                                             ngx_http_entra_test_ran, test);
    if (test->handle == NULL) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    return ngx_http_entra_test_park(r);
}
