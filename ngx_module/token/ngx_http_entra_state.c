
/*
 * Copyright (C) nginx-entra authors
 *
 * The tokens of the configuration in a file, for a restart: the master reads
 * it into an empty zone, one worker writes it after tokens have changed.  It
 * does so in small steps, a few records each, and does not wait for the disk:
 * what a crash leaves of the file is noticed when it is read.
 */

#include "ngx_http_entra_conf.h"
#include "entra_access.h"
#include "entra_file.h"
#include "entra_state_file.h"
#include "entra_store_file.h"

#include <sys/stat.h>


#define NGX_HTTP_ENTRA_STATE_WAIT  1000         /* ms, for further changes */
#define NGX_HTTP_ENTRA_STATE_RATE  1024         /* bytes a ms, all in all */
#define NGX_HTTP_ENTRA_STATE_LOG   (60 * 60 * 1000)


struct ngx_http_entra_state_s {
    ngx_http_entra_main_conf_t  *conf;
    entra_file_t                 key;
    char                        *path;

    /* of the worker that writes */
    ngx_event_t                  event;
    uint32_t                     saved;         /* entra_store_changes() */
    uint32_t                     saving;
    int64_t                      failed;        /* when it was logged */

    int                          fd;            /* -1: at rest */
    char                         tmp[ENTRA_STATE_PATH_MAX];
    entra_store_file_t           file;
    entra_store_copy_t           copy;
    entra_buf_t                  plain;
    size_t                       written;
};


static void ngx_http_entra_state_free(void *data);
static ngx_int_t ngx_http_entra_state_check(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf, entra_err_t *err);
static ngx_int_t ngx_http_entra_state_key(ngx_http_entra_main_conf_t *mcf,
    entra_err_t *err);
static void ngx_http_entra_state_access(ngx_conf_t *cf,
    ngx_http_entra_main_conf_t *mcf);
static ngx_int_t ngx_http_entra_state_read(ngx_http_entra_state_t *state,
    ngx_log_t *log, entra_buf_t *records);
static int64_t ngx_http_entra_state_shift(void);
static void ngx_http_entra_state_event(ngx_event_t *ev);
static void ngx_http_entra_state_arm(ngx_http_entra_state_t *state,
    ngx_msec_t wait);
static ngx_int_t ngx_http_entra_state_begin(ngx_http_entra_state_t *state);
static ngx_int_t ngx_http_entra_state_step(ngx_http_entra_state_t *state);
static int ngx_http_entra_state_add(ngx_http_entra_state_t *state,
    entra_buf_t *out);
static void ngx_http_entra_state_end(ngx_http_entra_state_t *state, int rc,
    entra_err_t *err);
static void ngx_http_entra_state_failed(ngx_http_entra_state_t *state,
    entra_err_t *err);


ngx_int_t
ngx_http_entra_state_conf(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    entra_err_t              err;
    ngx_pool_cleanup_t      *cln;
    ngx_http_entra_state_t  *state;

    if (mcf->shared.state_file.len == 0 && mcf->shared.state_key_file.len == 0)
    {
        return NGX_OK;
    }

    entra_err_clear(&err);

    if (ngx_http_entra_state_check(cf, mcf, &err) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "entra_shared_zone: %s in %s:%ui", err.text,
                      mcf->shared.file, mcf->shared.line);
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_http_entra_state_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    state = cln->data;
    ngx_memzero(state, sizeof(ngx_http_entra_state_t));

    state->conf = mcf;
    state->path = (char *) mcf->shared.state_file.data;
    state->fd = -1;

    cln->handler = ngx_http_entra_state_free;
    mcf->shared.state = state;

    if (ngx_http_entra_state_key(mcf, &err) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "entra_shared_zone: %s in %s:%ui", err.text,
                      mcf->shared.file, mcf->shared.line);
        return NGX_ERROR;
    }

    ngx_http_entra_state_access(cf, mcf);

    return NGX_OK;
}


static void
ngx_http_entra_state_free(void *data)
{
    ngx_http_entra_state_t *state = data;

    entra_file_free(&state->key);
}


/* FILE.key, unless it is named */

static ngx_int_t
ngx_http_entra_state_check(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf,
    entra_err_t *err)
{
    u_char       *p, dir[ENTRA_STATE_PATH_MAX];
    ngx_str_t    *file, *key;
    struct stat   st;

    file = &mcf->shared.state_file;
    key = &mcf->shared.state_key_file;

    if (file->len == 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "state_key_file without state_file");
    }

    if (file->len >= sizeof(dir) - sizeof(".4294967295.tmp")) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "the path of state_file is too long");
    }

    if (key->len == 0) {
        key->data = ngx_pnalloc(cf->pool, file->len + sizeof(".key"));
        if (key->data == NULL) {
            return entra_err_no_memory(err);
        }

        key->len = file->len + sizeof(".key") - 1;
        p = ngx_cpymem(key->data, file->data, file->len);
        ngx_memcpy(p, ".key", sizeof(".key"));
    }

    if (file->len == key->len
        && ngx_memcmp(file->data, key->data, key->len) == 0)
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "state_file and state_key_file are the same");
    }

    p = (u_char *) strrchr((char *) file->data, '/');
    ngx_cpystrn(dir, file->data, p - file->data + 2);

    if (stat((char *) dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "the directory of state_file \"%s\" does not"
                             " exist: make it, and let the user of nginx's"
                             " workers write it", (char *) file->data);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_entra_state_key(ngx_http_entra_main_conf_t *mcf, entra_err_t *err)
{
    char          *path;
    entra_file_t  *key;

    key = &mcf->shared.state->key;
    path = (char *) mcf->shared.state_key_file.data;

    if (entra_file_init(key, path, ENTRA_STATE_KEY_MAX) != 0) {
        return entra_err_no_memory(err);
    }

    if (access(path, F_OK) != 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "state_file is encrypted with a key, and there is"
                             " no file \"%s\": make it with \"openssl rand"
                             " -base64 32\", readable by root only, or name"
                             " another with state_key_file=FILE", path);
    }

    if (entra_file_refresh(key, err) < 0) {
        return NGX_ERROR;
    }

    if (entra_file_text(key).len < ENTRA_STATE_KEY_MIN) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "state_key_file \"%s\" holds less than %d bytes:"
                             " make one with \"openssl rand -base64 32\"",
                             path, ENTRA_STATE_KEY_MIN);
    }

    return NGX_OK;
}


/* who else can get at the key, or put another file in the place of this one */

static void
ngx_http_entra_state_access(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    gid_t             group;
    entra_buf_t       warnings;
    entra_str_t       line, rest;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                           ngx_core_module);

    group = geteuid() != 0 ? getegid()
            : ccf->group == (ngx_gid_t) NGX_CONF_UNSET_UINT
              ? ENTRA_ACCESS_NO_GROUP : ccf->group;

    entra_buf_init(&warnings, 4096);
    entra_access_directory((char *) mcf->shared.state_file.data, group,
                           &warnings);
    entra_access_secret((char *) mcf->shared.state_key_file.data, group,
                        &warnings);

    rest = entra_buf_str(&warnings);

    while (rest.len) {
        line = entra_str_cut(&rest, '\n');

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "entra_shared_zone: %*s in %s:%ui", line.len, line.data,
                      mcf->shared.file, mcf->shared.line);
    }

    entra_buf_free(&warnings);
}


void
ngx_http_entra_state_load(ngx_cycle_t *cycle)
{
    ngx_uint_t                   level;
    entra_buf_t                  records;
    entra_store_copy_t           copy;
    ngx_http_entra_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_entra_module);

    if (mcf == NULL || mcf->shared.state == NULL || mcf->shared.zone == NULL
        || !ngx_http_entra_zone_fresh(mcf))
    {
        return;
    }

    entra_buf_init(&records, ENTRA_STORE_FILE_MAX);

    if (ngx_http_entra_state_read(mcf->shared.state, cycle->log, &records)
        == NGX_OK
        && !ngx_test_config)
    {
        ngx_memzero(&copy, sizeof(entra_store_copy_t));
        copy.kinds = 1 << ENTRA_STORE_SHARED;
        copy.shift = ngx_http_entra_state_shift();

        (void) ngx_http_entra_zone_import(mcf, &copy, entra_buf_str(&records));

        /* after an upgrade they are there already */

        level = ngx_inherited ? NGX_LOG_INFO : NGX_LOG_NOTICE;

        ngx_log_error(level, cycle->log, 0,
                      "entra zone \"%V\": took %ui tokens from state_file "
                      "\"%V\", %ui are of no use here",
                      &mcf->shared.name, (ngx_uint_t) copy.copied,
                      &mcf->shared.state_file, (ngx_uint_t) copy.dropped);
    }

    entra_buf_free(&records);
}


/* a file that is of no use costs a line, and is replaced by the next tokens */

static ngx_int_t
ngx_http_entra_state_read(ngx_http_entra_state_t *state, ngx_log_t *log,
    entra_buf_t *records)
{
    int          rc;
    ngx_str_t   *name;
    entra_err_t  err;
    entra_buf_t  text;

    name = &state->conf->shared.name;

    entra_err_clear(&err);
    entra_buf_init(&text, ENTRA_STORE_FILE_MAX);

    rc = entra_state_file_read(state->path, &text, &err);

    if (rc == -1) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "entra zone \"%V\": %s; tokens are fetched anew",
                      name, err.text);

    } else if (rc == 1) {
        rc = entra_store_file_open(entra_file_text(&state->key),
                                   entra_buf_str(&text), records);

        if (rc == 0) {
            ngx_log_error(NGX_LOG_NOTICE, log, 0,
                          "entra zone \"%V\": state_file \"%s\" is of another "
                          "version of the module; tokens are fetched anew",
                          name, state->path);

        } else if (rc == -1) {
            ngx_log_error(NGX_LOG_WARN, log, 0,
                          "entra zone \"%V\": state_file \"%s\" cannot be "
                          "decrypted: it was written with another key, or it "
                          "is damaged; tokens are fetched anew",
                          name, state->path);
        }
    }

    entra_buf_free(&text);

    return rc == 1 ? NGX_OK : NGX_DECLINED;
}


/* from the clock of this boot to that of all the world, ms */

static int64_t
ngx_http_entra_state_shift(void)
{
    ngx_time_t  *tp;

    ngx_time_update();
    tp = ngx_timeofday();

    return (int64_t) tp->sec * 1000 + tp->msec - ngx_http_entra_clock();
}


/* one of the workers */

void
ngx_http_entra_state_init(ngx_http_entra_worker_t *worker)
{
    ngx_http_entra_state_t  *state;

    state = worker->conf->shared.state;

    if (state == NULL || ngx_worker != 0) {
        return;
    }

    ngx_http_entra_event(&state->event, ngx_http_entra_state_event, 1);
    ngx_http_entra_state_arm(state, NGX_HTTP_ENTRA_STATE_WAIT);
}


static void
ngx_http_entra_state_event(ngx_event_t *ev)
{
    ngx_int_t                rc;
    ngx_msec_t               wait;
    ngx_http_entra_state_t  *state;

    state = ngx_http_entra_of(ev, ngx_http_entra_state_t, event);

    /* the rest is done when the worker exits */

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    rc = state->fd == -1 ? ngx_http_entra_state_begin(state)
                         : ngx_http_entra_state_step(state);

    if (rc == NGX_AGAIN) {
        ngx_http_entra_state_arm(state, 1);
        return;
    }

    wait = NGX_HTTP_ENTRA_STATE_WAIT
           + state->written / NGX_HTTP_ENTRA_STATE_RATE;

    ngx_http_entra_state_arm(state, wait);
}


static void
ngx_http_entra_state_arm(ngx_http_entra_state_t *state, ngx_msec_t wait)
{
    if (state->event.timer_set) {
        ngx_del_timer(&state->event);
    }

    ngx_add_timer(&state->event, wait);
}


/* NGX_AGAIN: it has begun; NGX_DECLINED: nothing to do, or it failed */

static ngx_int_t
ngx_http_entra_state_begin(ngx_http_entra_state_t *state)
{
    entra_err_t     err;
    entra_buf_t     out;
    entra_store_t  *store;

    store = ngx_http_entra_zone_store(state->conf);
    state->saving = entra_store_changes(store);

    if (state->saving == state->saved) {
        return NGX_DECLINED;
    }

    /* a new key, where this worker can read it */

    entra_err_clear(&err);
    (void) entra_file_refresh(&state->key, &err);

    entra_err_clear(&err);
    state->written = 0;
    state->fd = entra_state_file_create(state->path, state->tmp, &err);

    if (state->fd == -1) {
        ngx_http_entra_state_failed(state, &err);
        return NGX_DECLINED;
    }

    entra_buf_init(&state->plain, ENTRA_STORE_FILE_MAX);
    entra_buf_init(&out, 256);

    ngx_memzero(&state->copy, sizeof(entra_store_copy_t));
    state->copy.kinds = 1 << ENTRA_STORE_SHARED;
    state->copy.shift = ngx_http_entra_state_shift();

    if (entra_store_file_begin(&state->file, entra_file_text(&state->key),
                               &out) != 0
        || ngx_http_entra_state_add(state, &out) != 0)
    {
        ngx_http_entra_state_end(state, -1, &err);
        entra_buf_free(&out);
        return NGX_DECLINED;
    }

    entra_buf_free(&out);

    return NGX_AGAIN;
}


/* a few records; NGX_AGAIN: more are left; NGX_OK; NGX_DECLINED: it failed */

static ngx_int_t
ngx_http_entra_state_step(ngx_http_entra_state_t *state)
{
    int          rc, more;
    entra_err_t  err;
    entra_buf_t  out;

    entra_err_clear(&err);
    entra_buf_init(&out, ENTRA_STORE_FILE_MAX);

    state->copy.now = ngx_http_entra_clock();

    more = entra_store_export(ngx_http_entra_zone_store(state->conf),
                              &state->copy, &state->plain);

    rc = entra_store_file_seal(&state->file, &state->plain, !more, &out);

    if (rc == 0) {
        rc = ngx_http_entra_state_add(state, &out);
    }

    entra_buf_free(&out);

    if (rc == 0 && more) {
        return NGX_AGAIN;
    }

    ngx_http_entra_state_end(state, rc, &err);

    return rc == 0 ? NGX_OK : NGX_DECLINED;
}


static int
ngx_http_entra_state_add(ngx_http_entra_state_t *state, entra_buf_t *out)
{
    state->written += out->len;

    return entra_state_file_add(state->fd, entra_buf_str(out));
}


static void
ngx_http_entra_state_end(ngx_http_entra_state_t *state, int rc,
    entra_err_t *err)
{
    rc = entra_state_file_replace(state->path, state->tmp, state->fd, rc, err);

    state->fd = -1;
    entra_buf_free(&state->plain);

    if (rc == 0) {
        state->saved = state->saving;
        state->failed = 0;

    } else {
        ngx_http_entra_state_failed(state, err);
    }
}


static void
ngx_http_entra_state_failed(ngx_http_entra_state_t *state, entra_err_t *err)
{
    int64_t  now;

    now = ngx_http_entra_clock();

    if (state->failed && now - state->failed < NGX_HTTP_ENTRA_STATE_LOG) {
        return;
    }

    state->failed = now;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "entra zone \"%V\": %s%s%s; the tokens will not survive a "
                  "restart", &state->conf->shared.name, err->text,
                  err->advice ? ": " : "", err->advice ? err->advice : "");
}


/* of what has changed in the last moment, and waits for nobody any more */

void
ngx_http_entra_state_exit(ngx_http_entra_worker_t *worker)
{
    ngx_int_t                rc;
    ngx_http_entra_state_t  *state;

    state = worker->conf->shared.state;

    if (state == NULL || ngx_worker != 0) {
        return;
    }

    if (state->event.timer_set) {
        ngx_del_timer(&state->event);
    }

    rc = state->fd == -1 ? ngx_http_entra_state_begin(state) : NGX_AGAIN;

    while (rc == NGX_AGAIN) {
        rc = ngx_http_entra_state_step(state);
    }
}
