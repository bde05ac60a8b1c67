
/*
 * Copyright (C) nginx-entra authors
 *
 * Times as Microsoft's services write them.  All in UTC, seconds since the
 * epoch, years 1970 to 9999; nothing here asks a clock or the time zone.
 */

#ifndef ENTRA_TIME_H
#define ENTRA_TIME_H


#include "entra_str.h"


/* each gives 0 and *at, or -1 */

/* RFC 3339: "2026-08-21T07:00:00Z", with fractions, a space, an offset */
int entra_time_rfc3339(entra_str_t text, int64_t *at);

/*
 * Whatever is seen in "expires_on" and its like: an integer or
 * decimal number (of a string), RFC 3339, RFC 1123,
 * "MM/DD/YYYY HH:MM:SS +00:00", "M/D/YYYY h:mm:ss AM +00:00",
 * "YYYY-MM-DD HH:MM:SS[.fff]".  Without a zone it is UTC: az writes local
 * times in "expiresOn", prefer its "expires_on".
 */
int entra_time_parse(entra_str_t text, int64_t *at);

/*
 * The same for an expiry: a number below 978307200 (the year 2001) is
 * seconds from now, as MSAL reads it.
 */
int entra_time_expiry(entra_str_t text, int64_t now, int64_t *at);

/*
 * Retry-After: seconds or a date (RFC 9110, section 5.6.7: IMF-fixdate and the
 * two obsolete forms); seconds from now, or -1
 */
int64_t entra_time_retry_after(entra_str_t text, int64_t now);

/* appends "2026-08-21T07:00:00Z" */
void entra_time_format(int64_t at, entra_buf_t *out);

/* days since the epoch of a date of the Gregorian calendar, month from 1 */
int64_t entra_time_days(int year, int month, int day);


#endif /* ENTRA_TIME_H */
