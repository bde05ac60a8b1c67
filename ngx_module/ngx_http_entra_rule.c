
#include "ngx_http_entra_module.h"

ngx_int_t
ngx_http_entra_rules_init(ngx_conf_t *cf, ngx_http_entra_main_conf_t *mcf)
{
    return NGX_OK;
}

void ngx_http_entra_rules_watch(ngx_http_entra_main_conf_t *mcf) {}
void ngx_http_entra_status_json_rules(ngx_http_entra_main_conf_t *mcf, entra_buf_t *b) {}
void ngx_http_entra_prometheus_rules(ngx_http_entra_main_conf_t *mcf, entra_buf_t *b) {}
void ngx_http_entra_html_rules(ngx_http_entra_main_conf_t *mcf, entra_buf_t *b) {}
void ngx_http_entra_keys_free(ngx_http_entra_main_conf_t *mcf) {}
