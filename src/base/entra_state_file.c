
/*
 * Copyright (C) nginx-entra authors
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "entra_file_kind.h"
#include "entra_state_file.h"


#define ENTRA_STATE_MAGIC      "entra-state 1\n"
#define ENTRA_STATE_MAGIC_LEN  (sizeof(ENTRA_STATE_MAGIC) - 1)
#define ENTRA_STATE_SALT       16
#define ENTRA_STATE_NONCE      12
#define ENTRA_STATE_TAG        16
#define ENTRA_STATE_HEAD       (ENTRA_STATE_MAGIC_LEN + ENTRA_STATE_SALT)
#define ENTRA_STATE_OVERHEAD                                                  \
    (ENTRA_STATE_HEAD + ENTRA_STATE_NONCE + ENTRA_STATE_TAG)


static int
entra_state_key(entra_str_t key, const unsigned char *salt,
    unsigned char aes[32])
{
    unsigned  n = 32;

    return HMAC(EVP_sha256(), key.data, (int) key.len, salt, ENTRA_STATE_SALT,
                aes, &n)
           ? 0 : -1;
}


/* head and owner; the same for both directions */

static int
entra_state_aad(EVP_CIPHER_CTX *ctx, const unsigned char *head,
    entra_str_t owner)
{
    int  n;

    return EVP_CipherUpdate(ctx, NULL, &n, head, ENTRA_STATE_HEAD) == 1
           && EVP_CipherUpdate(ctx, NULL, &n,
                               (const unsigned char *) owner.data,
                               (int) owner.len) == 1 ? 0 : -1;
}


static EVP_CIPHER_CTX *
entra_state_cipher(entra_str_t key, entra_str_t owner,
    const unsigned char *head, const unsigned char *nonce, int encrypt)
{
    int              ok;
    unsigned char    aes[32];
    EVP_CIPHER_CTX  *ctx;

    ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL) {
        return NULL;
    }

    ok = entra_state_key(key, head + ENTRA_STATE_MAGIC_LEN, aes) == 0
         && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, aes, nonce,
                              encrypt) == 1
         && entra_state_aad(ctx, head, owner) == 0;

    entra_wipe(aes, sizeof(aes));

    if (!ok) {
        EVP_CIPHER_CTX_free(ctx);
        return NULL;
    }

    return ctx;
}


static int
entra_state_encrypt(EVP_CIPHER_CTX *ctx, entra_str_t plain, entra_buf_t *out)
{
    int            n, rc = -1;
    unsigned char  text[ENTRA_STATE_MAX], tag[ENTRA_STATE_TAG];

    if (EVP_CipherUpdate(ctx, text, &n, (const unsigned char *) plain.data,
                         (int) plain.len) == 1
        && n == (int) plain.len
        && EVP_CipherFinal_ex(ctx, tag, &n) == 1 && n == 0
        && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, ENTRA_STATE_TAG,
                               tag) == 1)
    {
        entra_buf_add(out, text, plain.len);
        entra_buf_add(out, tag, sizeof(tag));
        rc = entra_buf_ok(out) ? 0 : -1;
    }

    return rc;
}


int
entra_state_seal(entra_str_t key, entra_str_t owner, entra_str_t plain,
    entra_buf_t *out)
{
    int              rc;
    unsigned char    head[ENTRA_STATE_HEAD + ENTRA_STATE_NONCE];
    EVP_CIPHER_CTX  *ctx;

    if (plain.len == 0 || plain.len + ENTRA_STATE_OVERHEAD > ENTRA_STATE_MAX) {
        return -1;
    }

    memcpy(head, ENTRA_STATE_MAGIC, ENTRA_STATE_MAGIC_LEN);

    if (RAND_bytes(head + ENTRA_STATE_MAGIC_LEN,
                   ENTRA_STATE_SALT + ENTRA_STATE_NONCE) != 1)
    {
        return -1;
    }

    ctx = entra_state_cipher(key, owner, head, head + ENTRA_STATE_HEAD, 1);
    if (ctx == NULL) {
        return -1;
    }

    entra_buf_add(out, head, sizeof(head));
    rc = entra_state_encrypt(ctx, plain, out);

    EVP_CIPHER_CTX_free(ctx);

    return rc;
}


static int
entra_state_decrypt(EVP_CIPHER_CTX *ctx, const unsigned char *text,
    size_t len, entra_buf_t *plain)
{
    int            n, rc = -1;
    unsigned char  out[ENTRA_STATE_MAX], last[16];

    if (EVP_CipherUpdate(ctx, out, &n, text, (int) len) == 1
        && n == (int) len
        && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, ENTRA_STATE_TAG,
                               (void *) (text + len)) == 1
        && EVP_CipherFinal_ex(ctx, last, &n) == 1)
    {
        entra_buf_add(plain, out, len);
        rc = entra_buf_ok(plain) ? 0 : -1;
    }

    entra_wipe(out, len);

    return rc;
}


int
entra_state_is_sealed(entra_str_t sealed)
{
    return sealed.len >= ENTRA_STATE_MAGIC_LEN
           && memcmp(sealed.data, ENTRA_STATE_MAGIC, ENTRA_STATE_MAGIC_LEN)
              == 0;
}


int
entra_state_open(entra_str_t key, entra_str_t owner, entra_str_t sealed,
    entra_buf_t *plain)
{
    int                   rc;
    EVP_CIPHER_CTX       *ctx;
    const unsigned char  *p = (const unsigned char *) sealed.data;

    if (sealed.len <= ENTRA_STATE_OVERHEAD || sealed.len > ENTRA_STATE_MAX
        || !entra_state_is_sealed(sealed))
    {
        return -1;
    }

    ctx = entra_state_cipher(key, owner, p, p + ENTRA_STATE_HEAD, 0);
    if (ctx == NULL) {
        return -1;
    }

    rc = entra_state_decrypt(ctx, p + ENTRA_STATE_HEAD + ENTRA_STATE_NONCE,
                             sealed.len - ENTRA_STATE_OVERHEAD, plain);

    EVP_CIPHER_CTX_free(ctx);

    return rc;
}


static int
entra_state_error(const char *what, const char *path, entra_err_t *err)
{
    int  failed = errno;

    if (failed == EACCES || failed == EPERM) {
        err->advice = "the user of nginx's workers has to own state_file, and"
                      " be able to write its directory";
    }

    return entra_err_set(err, ENTRA_ERR_CONFIG, "cannot %s state_file \"%s\":"
                         " %s", what, path, strerror(failed));
}


static int
entra_state_check(int fd, const char *path, size_t max, entra_err_t *err)
{
    char         size[ENTRA_SIZE_LEN], limit[ENTRA_SIZE_LEN];
    struct stat  st;

    if (fstat(fd, &st) != 0) {
        return entra_state_error("look at", path, err);
    }

    if (!S_ISREG(st.st_mode)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "state_file \"%s\" %s, not a regular file", path,
                             entra_file_kind_node(st.st_mode));
    }

    if (st.st_mode & 077) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "state_file \"%s\" is not used, as others than"
                             " its owner may read or write it; \"chmod 600\""
                             " it, or remove it", path);
    }

    if (st.st_size < 0 || (size_t) st.st_size > max) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "state_file \"%s\" is %s bytes, at most %s are"
                             " allowed", path,
                             entra_size(size, (uint64_t) st.st_size),
                             entra_size(limit, max));
    }

    return 0;
}


int
entra_state_file_read(const char *path, entra_buf_t *out, entra_err_t *err)
{
    int      fd, rc;
    char     chunk[4096];
    ssize_t  n;

    fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

    if (fd == -1) {
        return errno == ENOENT ? 0 : entra_state_error("open", path, err);
    }

    rc = entra_state_check(fd, path, out->max, err);

    while (rc == 0) {
        n = read(fd, chunk, sizeof(chunk));

        if (n < 0 && errno == EINTR) {
            continue;
        }

        if (n < 0) {
            rc = entra_state_error("read", path, err);
        }

        if (n <= 0) {
            break;
        }

        entra_buf_add(out, chunk, (size_t) n);

        if (!entra_buf_ok(out)) {
            rc = entra_err_set(err, ENTRA_ERR_CONFIG,
                               "state_file \"%s\" is too large", path);
        }
    }

    (void) close(fd);

    return rc == 0 ? 1 : -1;
}


int
entra_state_file_add(int fd, entra_str_t text)
{
    ssize_t  n;

    while (text.len) {
        n = write(fd, text.data, text.len);

        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }

            return -1;
        }

        text.data += n;
        text.len -= (size_t) n;
    }

    return 0;
}


/* the new name has to be on the disk, too */

static void
entra_state_sync_dir(const char *path)
{
    int          fd;
    char         dir[ENTRA_STATE_PATH_MAX];
    const char  *slash;

    slash = strrchr(path, '/');

    if (slash == NULL) {
        return;
    }

    snprintf(dir, sizeof(dir), "%.*s", (int) (slash - path + 1), path);

    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd != -1) {
        (void) fsync(fd);
        (void) close(fd);
    }
}


int
entra_state_file_create(const char *path, char *tmp, entra_err_t *err)
{
    int  fd, rc;

    rc = snprintf(tmp, ENTRA_STATE_PATH_MAX, "%s.%ld.tmp", path,
                  (long) getpid());

    if (rc < 0 || rc >= ENTRA_STATE_PATH_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "the path of state_file is too long");
    }

    /* of a process with the same number that was killed */
    (void) unlink(tmp);

    fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd == -1) {
        return entra_state_error("create the temporary file of", path, err);
    }

    if (fchmod(fd, 0600) != 0) {
        return entra_state_file_replace(path, tmp, fd, -1, err);
    }

    return fd;
}


int
entra_state_file_replace(const char *path, const char *tmp, int fd, int rc,
    entra_err_t *err)
{
    if (rc != 0) {
        (void) entra_state_error("write", path, err);
    }

    (void) close(fd);

    if (rc == 0 && rename(tmp, path) != 0) {
        rc = entra_state_error("replace", path, err);
    }

    if (rc != 0) {
        (void) unlink(tmp);
        return -1;
    }

    return 0;
}


int
entra_state_file_write(const char *path, entra_str_t text, entra_err_t *err)
{
    int   fd, rc;
    char  tmp[ENTRA_STATE_PATH_MAX];

    fd = entra_state_file_create(path, tmp, err);

    if (fd == -1) {
        return -1;
    }

    rc = entra_state_file_add(fd, text) == 0 ? fsync(fd) : -1;

    if (entra_state_file_replace(path, tmp, fd, rc, err) != 0) {
        return -1;
    }

    entra_state_sync_dir(path);

    return 0;
}


int
entra_state_file_remove(const char *path, entra_err_t *err)
{
    if (unlink(path) == 0 || errno == ENOENT) {
        return 0;
    }

    return entra_state_error("remove", path, err);
}
