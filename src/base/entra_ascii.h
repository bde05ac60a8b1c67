
/*
 * Copyright (C) nginx-entra authors
 *
 * Classes of ASCII characters, without the locale of <ctype.h>.  They take a
 * char as it is: bytes above 0x7f, which may be negative, are in no class.
 */

#ifndef ENTRA_ASCII_H
#define ENTRA_ASCII_H


static inline int
entra_is_digit(int c)
{
    return c >= '0' && c <= '9';
}


static inline int
entra_is_alpha(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}


static inline int
entra_is_alnum(int c)
{
    return entra_is_digit(c) || entra_is_alpha(c);
}


/* SP, HT, CR, LF, VT, FF */

static inline int
entra_is_space(int c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}


static inline int
entra_is_control(int c)
{
    return (c >= 0 && c < ' ') || c == 0x7f;
}


/* neither a space nor a control character */

static inline int
entra_is_visible(int c)
{
    return c > ' ' && c < 0x7f;
}


static inline int
entra_lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}


/* 0 to 15, or -1 */

static inline int
entra_hex_digit(int c)
{
    if (entra_is_digit(c)) {
        return c - '0';
    }

    c |= 0x20;

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


/* the byte that two digits at p stand for, or -1 */

static inline int
entra_hex_byte(const char *p)
{
    int  high, low;

    high = entra_hex_digit(p[0]);
    low = high < 0 ? -1 : entra_hex_digit(p[1]);

    return low < 0 ? -1 : high << 4 | low;
}


#endif /* ENTRA_ASCII_H */
