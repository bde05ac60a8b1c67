
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_iface.h"


#define ENTRA_PROCESS_ENV_LEN  (16 * 1024)


void
entra_http_request_init(entra_http_request_t *request)
{
    memset(request, 0, sizeof(entra_http_request_t));
    request->method = "GET";
    entra_buf_init(&request->body, ENTRA_HTTP_BODY_MAX);
}


void
entra_http_request_free(entra_http_request_t *request)
{
    unsigned  i;

    for (i = 0; i < request->nheaders; i++) {
        free(request->headers[i].name);
        entra_free_secret(request->headers[i].value);
    }

    entra_free_secret(request->url);
    entra_buf_free(&request->body);
    free(request->pinned_sha1);
    free(request->ca_pem);
    free(request->connect_to);

    entra_http_request_init(request);
}


static int
entra_header_ok(entra_str_t text)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] == '\r' || text.data[i] == '\n'
            || text.data[i] == '\0')
        {
            return 0;
        }
    }

    return 1;
}


int
entra_http_request_header(entra_http_request_t *request, const char *name,
    entra_str_t value)
{
    entra_http_header_t  *header;

    if (request->nheaders == ENTRA_HTTP_HEADERS_MAX
        || name[0] == '\0'
        || !entra_header_ok(entra_str_c(name))
        || !entra_header_ok(value))
    {
        return -1;
    }

    header = &request->headers[request->nheaders];

    header->name = entra_str_dup(entra_str_c(name));
    header->value = entra_str_dup(value);

    if (header->name == NULL || header->value == NULL) {
        free(header->name);
        entra_free_secret(header->value);
        return -1;
    }

    request->nheaders++;

    return 0;
}


void
entra_process_init(entra_process_t *process)
{
    memset(process, 0, sizeof(entra_process_t));
}


static void
entra_process_list_free(char **list)
{
    for ( /* void */ ; *list; list++) {
        entra_free_secret(*list);
        *list = NULL;
    }
}


void
entra_process_free(entra_process_t *process)
{
    free(process->path);
    entra_process_list_free(process->argv);
    entra_process_list_free(process->env);
    entra_process_init(process);
}


/* takes text over; max does not count the NULL at the end */

static int
entra_process_list_add(char **list, unsigned max, char *text)
{
    unsigned  n;

    if (text == NULL) {
        return -1;
    }

    for (n = 0; n < max; n++) {
        if (list[n] == NULL) {
            list[n] = text;
            return 0;
        }
    }

    entra_free_secret(text);

    return -1;
}


int
entra_process_arg(entra_process_t *process, const char *arg)
{
    return entra_process_list_add(process->argv, ENTRA_PROCESS_ARGS_MAX,
                                  entra_str_dup(entra_str_c(arg)));
}


int
entra_process_env(entra_process_t *process, const char *name,
    const char *value)
{
    entra_buf_t  b;

    if (name[0] == '\0' || strchr(name, '=')) {
        return -1;
    }

    entra_buf_init(&b, ENTRA_PROCESS_ENV_LEN);
    entra_buf_add_c(&b, name);
    entra_buf_add_char(&b, '=');
    entra_buf_add_c(&b, value);

    return entra_process_list_add(process->env, ENTRA_PROCESS_ENV_MAX,
                                  entra_buf_steal(&b));
}
