
/*
 * Copyright (C) nginx-entra authors
 *
 * Credentials that ask a command line tool on which a developer has signed
 * in: what Azure CLI, Azure Developer CLI and Azure PowerShell have in common.
 *
 * The tool is run by its absolute path, without a shell, with an environment
 * made here; each of its arguments is checked with the characters that Azure
 * Identity allows, and cannot be taken for an option.
 */

#ifndef ENTRA_CLI_H
#define ENTRA_CLI_H


#include "entra_acquire.h"


#define ENTRA_CLI_TIMEOUT      10000        /* ms, as in Azure Identity */
#define ENTRA_CLI_TIMEOUT_MIN  100
#define ENTRA_CLI_TIMEOUT_MAX  (5 * 60 * 1000)
#define ENTRA_CLI_LINE         320          /* of what a tool said, bytes */
#define ENTRA_CLI_WORD         64           /* bytes: it may be a token */


/* parameters, the same for all; conf of these types */

typedef struct {
    char               *executable;
    char               *config_dir;
    char               *subscription;
    int64_t             process_timeout;

    char               *path;           /* owned; NULL: not found so far */
    uid_t               owner;          /* may own the tool, beside root */
} entra_cli_t;


#define ENTRA_CLI_PARAMS                                                      \
    { "executable", ENTRA_PARAM_STRING, offsetof(entra_cli_t, executable) },  \
    { "config_dir", ENTRA_PARAM_DIR, offsetof(entra_cli_t, config_dir) },     \
    { "subscription", ENTRA_PARAM_STRING,                                     \
      offsetof(entra_cli_t, subscription) },                                  \
    { "process_timeout", ENTRA_PARAM_MSEC,                                    \
      offsetof(entra_cli_t, process_timeout) }


typedef struct {
    const char         *name;           /* "the Azure CLI" */
    const char         *command;        /* "az" */
    const char *const  *places;         /* absolute paths, ended by NULL */
    const char         *install;        /* advice when there is none */
    const char         *config_env;     /* what config_dir becomes */
    const char         *no_subscription;    /* why it cannot be given */
} entra_cli_tool_t;


/* init() and free() of the types */
int entra_cli_init(entra_credential_t *c, const entra_cli_tool_t *tool,
    entra_err_t *err);
void entra_cli_free(entra_credential_t *c);
void entra_cli_identity(const entra_credential_t *c, entra_buf_t *out);

/*
 * Step 0: fills a->process with path, argv[0], time-out and the common
 * environment.  The caller adds arguments and variables of its own, and ends
 * with entra_cli_run().  0, or -1 and a->err.
 */
int entra_cli_begin(entra_acquire_t *a, const entra_cli_tool_t *tool);
void entra_cli_arg(entra_acquire_t *a, const char *arg);
void entra_cli_env(entra_acquire_t *a, const char *name, const char *value);
entra_next_e entra_cli_run(entra_acquire_t *a);

/*
 * Step 1, what all tools have in common: 0 when it ran and ended by itself
 * (with any exit code but 126 and 127); or -1 and a->err.
 */
int entra_cli_ended(entra_acquire_t *a, const entra_cli_tool_t *tool);

/* does this part of the tool's stderr appear (ASCII letters alike)? */
int entra_cli_says(entra_str_t text, const char *part);

/*
 * The line of stderr that tells most, without anything that looks like a
 * token (no word of ENTRA_CLI_WORD bytes, see entra_err_word()), without
 * control characters; "" when there is none.
 */
void entra_cli_line(entra_str_t text, char line[ENTRA_CLI_LINE]);

/* the number behind the first "AADSTS", or 0 */
uint32_t entra_cli_aadsts(entra_str_t text);

/*
 * The exit code says that it failed, and nothing known was said: the line,
 * and the AADSTS number with its class when there is one.  sign_in is the
 * advice that replaces "sign in again".  Always ENTRA_NEXT_FAILED.
 */
entra_next_e entra_cli_failed(entra_acquire_t *a,
    const entra_cli_tool_t *tool, const char *sign_in);

/*
 * The token was found; at is its expiry.  One that was refused before with
 * claims is an error with sign_in as advice: these tools cannot answer a
 * claims challenge by themselves.
 */
entra_next_e entra_cli_token(entra_acquire_t *a,
    const entra_cli_tool_t *tool, entra_str_t value, int64_t at,
    const char *sign_in);

/* what came out was no token; it is not repeated, it might hold one */
entra_next_e entra_cli_nonsense(entra_acquire_t *a,
    const entra_cli_tool_t *tool);


#endif /* ENTRA_CLI_H */
