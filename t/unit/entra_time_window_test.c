
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <time.h>

#include "entra_time_window.h"
#include "tap.h"
#include "words.h"


static int64_t
at(const char *text)
{
    int64_t  seconds = -1;

    if (entra_time_moment(entra_str_c(text), &seconds) != 0) {
        ok(0, "reads %s", text);
    }

    return seconds;
}


static void
window(const char *line, const char *when, int want)
{
    unsigned             n;
    entra_err_t          err;
    entra_str_t          words[WORDS_MAX];
    entra_time_window_t  w;

    entra_err_clear(&err);
    n = words_of(line, words);

    if (entra_time_window_parse(&w, words, n, &err) != 0) {
        ok(0, "reads %s: %s", line, err.text);
        return;
    }

    ok(entra_time_window_has(&w, at(when)) == want, "%s is %s %s", when,
       want ? "in" : "outside of", line);
}


static void
refuses(const char *line)
{
    unsigned             n;
    entra_err_t          err;
    entra_str_t          words[WORDS_MAX];
    entra_time_window_t  w;

    entra_err_clear(&err);
    n = words_of(line, words);

    ok(entra_time_window_parse(&w, words, n, &err) == -1, "refuses %s", line);
}


static void
moment(const char *text, const char *want)
{
    int64_t  seconds;

    if (want == NULL) {
        ok(entra_time_moment(entra_str_c(text), &seconds) == -1,
           "refuses the time %s", text);
        return;
    }

    ok(at(text) == strtoll(want, NULL, 10), "%s is %s", text, want);
}


/* each minute of four weeks, against the C library's calendar */

static void
reference(void)
{
    int                  day, minute, inside, yesterday;
    time_t               t, base = 1764547200;          /* a Monday in 2025 */
    unsigned             i, k, n, wrong;
    struct tm            tm;
    entra_err_t          err;
    entra_str_t          words[WORDS_MAX];
    entra_time_window_t  w;

    static const struct {
        const char  *line;
        unsigned     days;
        int          from, to, offset;
    } windows[] = {
        { "mon-fri 07:00-19:00 +01:00", 0x1f, 420, 1140, 60 },
        { "sat,sun 22:00-06:00", 0x60, 1320, 360, 0 },
        { "fri-mon 23:59-00:01 -03:30", 0x71, 1439, 1, -210 },
        { "00:00-24:00", 0x7f, 0, 1440, 0 },
        { "sun 00:00-24:00 +14:00", 0x40, 0, 1440, 840 },
        { "wed 12:00-00:00 -14:00", 0x04, 720, 1440, -840 }
    };

    for (i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        n = words_of(windows[i].line, words);
        wrong = entra_time_window_parse(&w, words, n, &err) != 0;

        for (k = 0; k < 4 * 7 * 24 * 60; k++) {
            t = base + (time_t) k * 60 + windows[i].offset * 60;
            gmtime_r(&t, &tm);

            day = (tm.tm_wday + 6) % 7;
            yesterday = (day + 6) % 7;
            minute = tm.tm_hour * 60 + tm.tm_min;

            if (windows[i].from < windows[i].to) {
                inside = (windows[i].days >> day & 1)
                         && minute >= windows[i].from
                         && minute < windows[i].to;
            } else {
                inside = ((windows[i].days >> day & 1)
                          && minute >= windows[i].from)
                         || ((windows[i].days >> yesterday & 1)
                             && minute < windows[i].to);
            }

            wrong += entra_time_window_has(&w, base + (int64_t) k * 60 + k % 60)
                     != inside;
        }

        ok(wrong == 0, "%s, each minute of four weeks", windows[i].line);
    }
}


int
main(void)
{
    window("mon-fri 07:00-19:00", "2026-11-23T07:00:00Z", 1);
    window("mon-fri 07:00-19:00", "2026-11-23T06:59:59Z", 0);
    window("mon-fri 07:00-19:00", "2026-11-23T18:59:59Z", 1);
    window("mon-fri 07:00-19:00", "2026-11-23T19:00:00Z", 0);
    window("mon-fri 07:00-19:00", "2026-11-22T12:00:00Z", 0);
    window("mon-fri 07:00-19:00 +01:00", "2026-11-23T06:00:00Z", 1);
    window("mon-fri 07:00-19:00 +01:00", "2026-11-23T18:00:00Z", 0);
    window("mon-fri 07:00-19:00 UTC", "2026-11-23T07:00:00Z", 1);
    window("MON-Fri 07:00-19:00", "2026-11-23T07:00:00Z", 1);
    window("fri 22:00-06:00", "2026-11-28T05:59:00Z", 1);
    window("fri 22:00-06:00", "2026-11-27T05:59:00Z", 0);
    window("fri 22:00-06:00", "2026-11-28T22:00:00Z", 0);
    window("00:00-24:00", "2026-11-28T23:59:59Z", 1);

    reference();

    refuses("");
    refuses("mon-fri");
    refuses("7:00-19:00");
    refuses("07:00-25:00");
    refuses("07:60-19:00");
    refuses("24:00-07:00");
    refuses("07:00-24:01");
    refuses("07:00-07:00");
    refuses("07:00");
    refuses("07:00-19:00-20:00");
    refuses("07:00 - 19:00");
    refuses("0700-1900");
    refuses("mo-fr 07:00-19:00");
    refuses("mon- 07:00-19:00");
    refuses("-fri 07:00-19:00");
    refuses("mon,,fri 07:00-19:00");
    refuses("mon, 07:00-19:00");
    refuses("monday 07:00-19:00");
    refuses("07:00-19:00 +1:00");
    refuses("07:00-19:00 01:00");
    refuses("07:00-19:00 +15:00");
    refuses("07:00-19:00 CET");
    refuses("07:00-19:00 +01:00 x");
    refuses("mon tue 07:00-19:00");
    refuses("\"\" 07:00-19:00");

    moment("1970-01-01", "0");
    moment("2026-12-31", "1798675200");
    moment("2000-02-29", "951782400");
    moment("2024-02-29T23:59:59Z", "1709251199");
    moment("2026-11-23T20:00Z", "1795464000");
    moment("2026-11-23T20:00:00+01:00", "1795460400");
    moment("9999-12-31T23:59:59Z", "253402300799");
    moment("1900-01-01", NULL);
    moment("2100-02-29", NULL);
    moment("2026-02-29", NULL);
    moment("2026-13-01", NULL);
    moment("2026-00-01", NULL);
    moment("2026-01-32", NULL);
    moment("2026-1-1", NULL);
    moment("2026-01-01T", NULL);
    moment("2026-01-01T20:00", NULL);
    moment("2026-01-01 20:00Z", NULL);
    moment("2026-01-01T24:00Z", NULL);
    moment("2026-01-01T20:00:60Z", NULL);
    moment("2026-01-01x", NULL);
    moment("", NULL);

    return done();
}
