#!/usr/bin/env python3
"""A second opinion about policies.

Written from the description of the interface, not from the code in src/: what
a policy means, who may use a credential, what the answer is.  It makes up
configurations and requests, says what has to be decided, and prints both for
t/unit/entra_policy_model_test.c, which compares.

    policy_model.py [--cases N] [--seed N]

A value is the set of truths that it could be: {True}, {False}, or both for
what is unknown.  A question of the kind "could it have been allowed if ..." is
answered by trying all that is left open.
"""

import argparse
import copy
import datetime
import ipaddress
import itertools
import random
import re
import sys
from urllib.parse import quote, unquote, unquote_to_bytes

YES = frozenset([True])
NO = frozenset([False])
MAYBE = YES | NO
ALL = (NO, MAYBE, YES)


def both(a, b):
    return frozenset(x and y for x in a for y in b)


def either(a, b):
    return frozenset(x or y for x in a for y in b)


def no(a):
    return frozenset(not x for x in a)


def any_of(values):
    result = NO
    for value in values:
        result = either(result, value)
    return result


def all_of(values):
    result = YES
    for value in values:
        result = both(result, value)
    return result


def truth(flag):
    return YES if flag else NO


# What is left open, beside what is known: a set of these words.

OURS, OPERATION, CERTIFICATE, TOKEN = "ours operation certificate token".split()


def options(value, why, open_):
    """The values that something may take: what it is, or anything."""
    return ALL if why in open_ else (value,)


# --- addresses --------------------------------------------------------------

def address(text):
    if text in ("unknown", "unix:"):
        return text
    addr = ipaddress.ip_address(text)
    return getattr(addr, "ipv4_mapped", None) or addr


class Location:
    def __init__(self, items, complete=True):
        self.items = items
        self.complete = complete
        self.unix = "unix" in items
        self.networks = [ipaddress.ip_network(i) for i in items if i != "unix"]

    def values(self, addr, open_):
        if addr == "unknown":
            return (MAYBE,)
        if addr == "unix:":
            inside = self.unix
        else:
            inside = any(addr in n for n in self.networks
                         if n.version == addr.version)
        if inside:
            return (YES,)
        if self.complete:
            return (NO,)
        return options(MAYBE, OURS, open_)


# --- callers ----------------------------------------------------------------

STATE = {"valid": YES, "none": NO, "invalid": MAYBE, "unknown": MAYBE}


def presented(state, kind, open_):
    if state == "none":
        return options(NO, kind, open_)
    if state == "unknown":
        return options(MAYBE, OURS, open_)
    return (STATE[state],)


def claim_kind(claims):
    if "idtyp" in claims:
        return claims["idtyp"] if claims["idtyp"] in ("app", "user") else None
    return "user" if claims.get("scp") else None


def claim(test, request, line=()):
    """One KEY=VALUE, of a valid token."""
    key, value = test
    claims = request.claims

    if key in ("roles", "scp", "amr", "acrs"):
        return truth(value in claims.get(key, ()))
    if key == "groups":
        if value in claims.get("groups", ()):
            return YES
        return MAYBE if claims.get("groups_overage") else NO
    if key in ("oid", "azpacr"):
        return truth(claims[key] == value) if key in claims else MAYBE
    if key == "idtyp":
        kind = claim_kind(claims)
        return MAYBE if kind is None else truth(kind == value)
    if key == "appid":
        if "appid" not in claims:
            return MAYBE
        if claims["appid"] != value:
            return NO
        wanted = "user" if ("idtyp", "user") in line else "app"
        return truth(True) if claim_kind(claims) == wanted else MAYBE
    if key == "max_age":
        if "iat" not in claims or claims["iat"] > request.now + 60:
            return MAYBE
        return truth(request.now - claims["iat"] <= int(value))
    raise KeyError(key)


class Caller:
    """Lines are or; what is on a line is and."""

    def __init__(self, lines):
        self.lines = lines

    def line_values(self, line, request, open_):
        certs, claims = line
        parts = []

        if certs is not None:
            states = presented(request.certificate, CERTIFICATE, open_)
            if request.certificate == "valid":
                states = (all_of(truth(v in request.names[k])
                                 for k, v in certs),)
            parts.append(states)

        if claims is not None:
            states = presented(request.token, TOKEN, open_)
            if request.token == "valid":
                states = (all_of(claim(t, request, claims) for t in claims),)
            parts.append(states)

        return {all_of(p) for p in itertools.product(*parts)}

    def values(self, request, open_):
        lines = [self.line_values(line, request, open_) for line in self.lines]
        return {any_of(p) for p in itertools.product(*lines)}


# --- operations -------------------------------------------------------------

AMBIGUOUS = re.compile(
    r"//|/\.\.?(/|$)|[;\\]|\./|\.$|%20(/|$)|%(2[ef5f3]|5c|3[bf]|[01].|7f)|"
    r"%(?![0-9a-f]{2})|[^!-~]", re.I)


def segments(text):
    return text.split("/")[1:]


def segments_match(pattern, path):
    for i, want in enumerate(pattern):
        if want == "*" and i == len(pattern) - 1:
            return len(path) > i and path[i:] != [""]
        if i >= len(path) or (want == "*" and not path[i]) or \
                want not in ("*", path[i]):
            return False
    return len(pattern) == len(path)


def relaxed(path):
    text = unquote_to_bytes(path).decode("latin-1")
    text = re.sub("[A-Z]", lambda m: m.group().lower(), text)
    return text[:-1] if len(text) > 1 and text.endswith("/") else text


UNRESERVED = re.compile("%(28|29|2d|2e|5f|7e|3[0-9]|[46][1-9a-f]|[57][0-9a])",
                        re.I)


def canonical(path):
    path = UNRESERVED.sub(lambda m: chr(int(m.group(1), 16)), path)
    return re.sub("%..", lambda m: m.group().upper(), path)


def arm_action(method, path):
    """The action, None for a path of another service, "?" when unclear."""
    parts = segments(path)
    root = relaxed("/" + parts[0])[1:]
    if root not in ("subscriptions", "providers", "tenants", "batch"):
        return None
    verb = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write",
            "DELETE": "delete", "POST": "action"}.get(method)
    if verb is None:
        return "?"
    path = path.lower().rstrip("/")
    if "%" in path:
        if "providers" in [unquote(part) for part in path.split("/")
                           if "%" in part]:
            return "?"
        action = arm_words(method, path, verb)
        return "?" if "%" in action else action
    return arm_words(method, path, verb)


def arm_words(method, path, verb):
    _, provider, rest = path.rpartition("/providers/")
    words = rest.split("/")
    if provider and (len(words) > 1 or method == "POST"):
        return "/".join([words[0]] + words[1::2] + [verb])
    words = path.split("/")[1:]
    if words[0] in ("tenants", "batch") and len(words) > 1:
        return "?"
    if words[0] == "providers":
        return "microsoft.resources/providers/" + verb
    types = words[0:1] + words[2::2]
    return "/".join(["microsoft.resources"] + types + [verb])


class Pattern:
    def __init__(self, word):
        self.word = word
        if isinstance(word, str):
            methods, path = word.split(" ")
            self.methods = set(methods.split(","))
            if "GET" in self.methods:
                self.methods.add("HEAD")
            self.path = path

    def value(self, request):
        path = request.path
        if path is None:
            return MAYBE
        if isinstance(self.word, tuple):
            return getattr(self, self.word[0])(self.word[1], request)
        if AMBIGUOUS.search(path) or not path.startswith("/"):
            return MAYBE
        some = "*" in self.methods
        if (some or request.method in self.methods) and segments_match(
                segments(self.path), segments(canonical(path))):
            return YES
        if (some or request.method.upper() in self.methods) and segments_match(
                segments(relaxed(self.path)), segments(relaxed(path))):
            return MAYBE
        return NO

    def arm(self, pattern, request):
        if AMBIGUOUS.search(request.path) or request.path[0] != "/":
            return MAYBE
        action = arm_action(request.method, request.path)
        if action is None:
            return NO
        if action == "?":
            return MAYBE
        regex = ".*".join(map(re.escape, pattern.lower().split("*")))
        return truth(re.fullmatch(regex, action))

    def preset(self, name, request):
        if name == "read":
            reads = truth(request.method in ("GET", "HEAD"))
            if request.method in ("get", "head"):
                reads = MAYBE
            return both(reads, no(self.preset("secrets", request)))
        if AMBIGUOUS.search(request.path) or request.path[0] != "/":
            return MAYBE
        action = arm_action(request.method, request.path)
        if action == "?":
            return MAYBE
        if action is not None:
            path = relaxed(request.path)
            if name in PRESET_OF.get(path, {}).get(request.method, ()):
                return YES
            known = CLASSIFIED.get(path)
            if name != "score" and known is not None \
                    and request.method.upper() not in known.split():
                return MAYBE
            return NO
        if name == "score":
            if relaxed(request.path) != "/score":
                return NO
            if (request.method, canonical(request.path)) == ("POST", "/score"):
                return YES
            return truth(False) if request.method.upper() != "POST" else MAYBE
        last = relaxed(request.path).rpartition("/")[2]
        if name == "run" and request.method in ("GET", "HEAD"):
            return NO
        return truth(last in {"secrets": ("listkeys", "token"),
                              "run": ("jobs", "submit"),
                              "escape": ("batch", "$batch")}[name])


WS = ("/subscriptions/s/resourceGroups/rg/providers/"
      "Microsoft.MachineLearningServices/workspaces/ws")

# by hand: which presets these calls of Resource Manager belong to; what is
# called listKeys or token discloses, some services also take a GET

PRESET_OF = {
    WS.lower() + "/onlineendpoints/e/listkeys":
        {m: ["secrets"] for m in "GET HEAD PUT PATCH DELETE POST".split()},
    WS.lower() + "/onlineendpoints/e/token":
        {m: ["secrets"] for m in "GET HEAD PUT PATCH DELETE POST".split()},
    WS.lower() + "/onlineendpoints/e/score": {"POST": ["score"]},
    WS.lower() + "/jobs/j": {m: ["run"] for m in ("PUT", "PATCH", "POST")},
    WS.lower() + "/jobs/a b": {m: ["run"] for m in ("PUT", "PATCH", "POST")},
    "/batch": {m: ["escape"] for m in
               "GET HEAD PUT PATCH DELETE POST".split()},
    WS.lower() + "/providers/microsoft.authorization/roleassignments/r":
        {m: ["escape"] for m in "GET HEAD PUT PATCH DELETE POST".split()},
    "/subscriptions/s/resourcegroups/rg/providers/microsoft.resources/"
    "deployments/d": {m: ["escape"] for m in
                      "GET HEAD PUT PATCH DELETE POST".split()},
}


# of Azure ML's, what somebody has looked at: the others are in doubt

CLASSIFIED = {
    WS.lower(): "GET HEAD PUT PATCH DELETE",
    WS.lower() + "/jobs/j": "GET HEAD PUT PATCH DELETE",
    WS.lower() + "/jobs/a b": "GET HEAD PUT PATCH DELETE",
    WS.lower() + "/onlineendpoints/listkeys": "GET HEAD PUT PATCH DELETE",
    WS.lower() + "/onlineendpoints/e/listkeys": "POST",
    WS.lower() + "/onlineendpoints/e/token": "POST",
    WS.lower() + "/onlineendpoints/e/score": "POST",
}


class Operations:
    def __init__(self, patterns):
        self.patterns = [Pattern(p) for p in patterns]

    def value(self, request):
        return any_of(p.value(request) for p in self.patterns)


# --- policies ---------------------------------------------------------------

DAYS = "mon tue wed thu fri sat sun".split()


def in_window(window, now):
    days, start, end, offset = window
    local = datetime.datetime.fromtimestamp(
        now + offset * 60, datetime.timezone.utc)
    minute = local.hour * 60 + local.minute
    today, yesterday = local.weekday(), (local.weekday() - 1) % 7
    if start < end:
        return today in days and start <= minute < end
    return (today in days and minute >= start) or \
        (yesterday in days and minute < end)


class Policy:
    def __init__(self, name, state, dims, windows, block, need, controls):
        self.name, self.state = name, state
        self.dims, self.windows = dims, windows
        self.block, self.need, self.controls = block, need, controls

    def side_values(self, dim, items, request, open_):
        """All values that one side of an assignment may take."""
        if items == ["any"]:
            return {YES}
        if dim in ("locations", "peers"):
            addr = request.address if dim == "locations" else request.peer
            per_item = [i.values(addr, open_) for i in items]
        elif dim == "callers":
            per_item = [i.values(request, open_) for i in items]
        elif dim == "operations":
            if request.early:
                return set(options(MAYBE, OPERATION, open_))
            return {any_of(i.value(request) for i in items)}
        else:
            if request.early:
                return set(options(MAYBE, OPERATION, open_))
            return {self.deployment(items, request)}
        return {any_of(p) for p in itertools.product(*per_item)}

    @staticmethod
    def deployment(items, request):
        header = request.deployment
        if header is None:
            return truth("none" in items)
        if header == "?":
            return MAYBE
        names = [i for i in items if i != "none"]
        if header in names:
            return YES
        return MAYBE if header.lower() in map(str.lower, names) else NO

    def dim_values(self, dim, request, open_):
        include, exclude = self.dims[dim]
        values = self.side_values(dim, include, request, open_)
        if exclude:
            out = self.side_values(dim, exclude, request, open_)
            values = {both(a, no(b)) for a in values for b in out}
        return values

    def applies_values(self, request, open_):
        values = {YES}
        for dim in self.dims:
            more = self.dim_values(dim, request, open_)
            values = {both(a, b) for a in values for b in more}
        if self.windows:
            inside = truth(any(in_window(w, request.now)
                               for w in self.windows))
            values = {both(a, inside) for a in values}
        return values

    def control_values(self, control, request, open_):
        if control == "certificate":
            return presented(request.certificate, CERTIFICATE, open_)
        if control == "token":
            return presented(request.token, TOKEN, open_)
        if isinstance(control, str):
            least = {"tls": 1, "tls=1.2": 2, "tls=1.3": 3}[control]
            have = {"none": 0, "1.2": 2, "1.3": 3}[request.tls]
            return (truth(have >= least),)
        if request.token != "valid":
            return presented(request.token, TOKEN, open_)
        return (claim(control, request),)

    def met_values(self, request, open_):
        if not self.controls:
            return {YES}
        combine = any_of if self.need == "any" else all_of
        per_control = [self.control_values(c, request, open_)
                       for c in self.controls]
        return {combine(p) for p in itertools.product(*per_control)}

    def verdict(self, request, open_):
        """Has it to deny, can it permit?  In the best case left open."""
        applies = self.applies_values(request, open_)
        met = {NO} if self.block else self.met_values(request, open_)
        denies = all(True in a and m != YES for a in applies for m in met)
        permits = not self.block and YES in applies and YES in met
        return denies, permits

    def result(self, request, open_):
        if self.state == "disabled":
            return "0"
        denies, permits = self.verdict(request, open_)
        result = 3 if denies else 2 if permits else 1
        return str(result + (3 if self.state == "report_only" else 0))


def could_be_allowed(policies, request, open_):
    verdicts = [p.verdict(request, open_) for p in policies
                if p.state == "enabled"]
    return not any(d for d, _ in verdicts) and any(p for _, p in verdicts)


def decide(policies, request):
    """(outcome, status, denied by, would deny, results, not presented)"""
    open_ = frozenset([OPERATION] if request.early else [])
    results = "".join(p.result(request, open_) for p in policies)
    denied = [i for i, r in enumerate(results) if r == "3"]
    would = [i for i, r in enumerate(results) if r == "6"]

    if "invalid" in (request.certificate, request.token):
        return "deny", 401, [], would, results, ""
    if could_be_allowed(policies, request, open_):
        return "allow", 200, denied, would, results, ""
    open_ |= {OURS}
    if could_be_allowed(policies, request, open_):
        return "undetermined", 503, denied, would, results, ""
    shown = [m for m in (TOKEN, CERTIFICATE) if getattr(request, m) == "valid"]
    if shown:
        other = copy.copy(request)
        for m in shown:
            setattr(other, m, "none")
        if could_be_allowed(policies, other, open_ | set(shown)):
            return "deny", 403, denied, would, results, ""
    for more in ([TOKEN], [CERTIFICATE], [TOKEN, CERTIFICATE]):
        if all(getattr(request, m) == "none" for m in more) and \
                could_be_allowed(policies, request, open_ | set(more)):
            return ("deny", 401, denied, would, results,
                    "".join(m[0] for m in more))
    return "deny", 403, denied, would, results, ""


# --- made-up configurations and requests ------------------------------------

NETWORKS = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32",
            "192.0.2.0/25", "192.0.2.128/25", "2001:db8::/32",
            "2001:db8:1::/48", "2001:db8:1::1/128", "unix"]
ADDRESSES = ["10.1.2.3", "10.1.2.4", "10.1.3.0", "10.255.255.255", "11.0.0.0",
             "192.0.2.127", "192.0.2.128", "192.0.3.0", "::ffff:10.1.2.3",
             "2001:db8:1::1", "2001:db8:1::2", "2001:db9::", "::10.1.2.3",
             "2002:a01:203::1", "unix:"]
GUIDS = ["%08d-0000-0000-0000-000000000000" % i for i in range(4)]
SANS = [("san_dns", "a.example"), ("san_dns", "b.example"),
        ("san_uri", "spiffe://x/a"), ("san_uri", "spiffe://x/b")]
TESTS = ([("oid", g) for g in GUIDS[:2]] + [("appid", g) for g in GUIDS[:2]] +
         [("groups", g) for g in GUIDS[:2]] +
         [("roles", "Score"), ("roles", "Admin"), ("scp", "Score.Invoke"),
          ("amr", "mfa"), ("acrs", "c1"), ("idtyp", "app"), ("idtyp", "user"),
          ("azpacr", "2"), ("max_age", "900")])
PATTERNS = ["POST /score", "GET /score", "GET,POST /score/*", "* /admin/*",
            "POST /*/score", "GET /a%2Cb", "DELETE /", "* /*",
            ("arm", "Microsoft.MachineLearningServices/workspaces/*/read"),
            ("arm", "*/action"), ("arm", "microsoft.authorization/*"),
            ("preset", "score"), ("preset", "read"), ("preset", "secrets"),
            ("preset", "escape"), ("preset", "run")]
PATHS = ["/score", "/score/", "/Score", "/%73core", "/score/x", "/score/x/",
         "/ep/score", "/a,b", "/a%2cb", "/a%2Cb", "/", "/admin", "/admin/x",
         "/admin%2fx", "/x/../admin/x", "//score", "/score;x", "/score%20",
         "/a%zz", "/v1/$batch", "/v1/%24batch", "/x/listKeys", "/x/token/",
         WS, WS + "/", WS + "/jobs/j", WS + "/jobs/a%20b", WS.upper(),
         WS + "/onlineEndpoints/e/listKeys", WS + "/onlineEndpoints/e/score",
         WS + "/onlineEndpoints/e/token", WS + "/onlineEndpoints/listKeys",
         WS + "/providers/Microsoft.Authorization/roleAssignments/r",
         "/subscriptions", "/subscriptions/s", "/providers", "/tenants",
         "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Resources/"
         "deployments/d", "/batch", "/batch/x",
         "/subscriptions/s/providers/Microsoft.X/register"]
METHODS = ["GET", "POST", "HEAD", "PUT", "DELETE", "FOO", "post", "get"]
DEPLOYMENTS = ["blue", "green", "BLUE"]
NOW = 1795464000


class Request:
    def __init__(self, rnd):
        self.address_text = rnd.choice(ADDRESSES + ["unknown"] * 2)
        self.peer_text = rnd.choice(ADDRESSES + ["unknown"])
        self.method = rnd.choice(METHODS[:2] * 3 + METHODS)
        self.path = rnd.choice(PATHS + [None])
        self.now = NOW + rnd.randrange(14 * 86400)
        self.tls = rnd.choice(["none", "1.2", "1.3"])
        self.early = rnd.random() < 0.1
        self.deployment = rnd.choice([None, None, "?"] + DEPLOYMENTS)
        self.certificate = rnd.choices(
            ["none", "valid", "invalid", "unknown"], [5, 5, 1, 1])[0]
        self.token = rnd.choices(
            ["none", "valid", "invalid", "unknown"], [4, 8, 1, 1])[0]
        self.names = {"san_dns": set(), "san_uri": set()}
        self.claims = {}
        self.fill(rnd)
        self.ready()

    def ready(self):
        self.address = address(self.address_text)
        self.peer = address(self.peer_text)

    def fill(self, rnd):
        if self.certificate == "valid":
            for key, value in SANS:
                if rnd.random() < 0.5:
                    self.names[key].add(value)
        if self.token != "valid":
            return
        claims = self.claims
        for key, value in TESTS:
            if key in ("roles", "scp", "amr", "acrs", "groups") and \
                    rnd.random() < 0.4:
                claims.setdefault(key, []).append(value)
        for key in ("oid", "appid"):
            if rnd.random() < 0.8:
                claims[key] = rnd.choice(GUIDS[:3])
        if rnd.random() < 0.7:
            claims["idtyp"] = rnd.choice(["app", "user"])
        if rnd.random() < 0.7:
            claims["azpacr"] = rnd.choice("012")
        if rnd.random() < 0.2:
            claims["groups_overage"] = True
        if rnd.random() < 0.8:
            claims["iat"] = self.now - rnd.choice([0, 899, 900, 901, -60, -61])

    def query(self):
        pairs = [("address", self.address_text), ("peer", self.peer_text),
                 ("tls", self.tls)]
        when = datetime.datetime.fromtimestamp(self.now, datetime.timezone.utc)
        pairs.append(("time", when.strftime("%Y-%m-%dT%H:%M:%SZ")))
        if self.path is not None:
            pairs += [("method", self.method), ("path", self.path)]
        if self.deployment == "?":
            pairs += [("deployment", "blue"), ("deployment", "green")]
        elif self.deployment:
            pairs.append(("deployment", self.deployment))
        pairs += [("certificate", self.certificate), ("token", self.token)]
        for key in sorted(self.names):
            pairs += [(key, v) for v in sorted(self.names[key])]
        for key, value in self.claims.items():
            for one in value if isinstance(value, list) else [value]:
                pairs.append((key, str(one).lower() if one is True
                              else str(one)))
        return "&".join("%s=%s" % (k, quote(v, safe="")) for k, v in pairs)

    def refinements(self, rnd):
        """The same request, with something that was unknown made known."""
        other = Request.__new__(Request)
        other.__dict__ = dict(self.__dict__)
        other.claims = dict(self.claims)
        choices = []
        if self.address_text == "unknown":
            choices.append(("address_text", rnd.choice(ADDRESSES)))
        if self.peer_text == "unknown":
            choices.append(("peer_text", rnd.choice(ADDRESSES)))
        if self.deployment == "?":
            choices.append(("deployment",
                            rnd.choice([None] + DEPLOYMENTS[:2])))
        if self.path is None and not self.early:
            choices.append(("path", rnd.choice(PATHS)))
        if self.certificate == "unknown":
            choices.append(("certificate", rnd.choice(["none", "valid"])))
        if self.token == "unknown":
            choices.append(("token", rnd.choice(["none", "valid"])))
        if self.claims.get("groups_overage"):
            choices.append(("claims", dict(
                self.claims, groups_overage=False,
                groups=self.claims.get("groups", []) +
                rnd.choice([[], [GUIDS[0]], [GUIDS[1]]]))))
        if not choices:
            return None
        for key, value in rnd.sample(choices, rnd.randint(1, len(choices))):
            setattr(other, key, value)
        if not other.claims.get("groups_overage"):
            other.claims.pop("groups_overage", None)
        if "groups" in other.claims:
            other.claims["groups"] = sorted(set(other.claims["groups"]))
        other.ready()
        return other


class Config:
    def __init__(self, rnd):
        self.rnd = rnd
        self.lines = []
        self.locations, self.callers, self.operations = {}, {}, {}

        for name in ("l1", "l2", "l3"):
            items = rnd.sample(NETWORKS, rnd.randint(1, 3))
            self.lines.append("location %s: %s" % (name, " ".join(items)))
            complete = rnd.random() < 0.9
            if not complete:
                self.lines.append("incomplete " + name)
            self.locations[name] = Location(items, complete)

        for name in ("c1", "c2", "c3"):
            lines = [self.caller_line() for _ in range(rnd.randint(1, 2))]
            self.callers[name] = Caller([m for m, _ in lines])
            self.lines.append("caller %s: %s" % (
                name, "; ".join(t for _, t in lines)))

        for name in ("o1", "o2"):
            patterns = rnd.sample(PATTERNS, rnd.randint(1, 3))
            self.operations[name] = Operations(patterns)
            self.lines.append("operations %s: %s" % (
                name, "; ".join(map(pattern_text, patterns))))

        self.policies = [self.policy("p%d" % i)
                         for i in range(rnd.randint(1, 6))]

    def caller_line(self):
        rnd = self.rnd
        certs = claims = None
        words = []
        kind = rnd.choice(["certificate", "token", "both"])
        if kind != "token":
            certs = rnd.sample(SANS, rnd.randint(0, 2))
            words += ["certificate"] + ["%s=%s" % c for c in certs]
        if kind != "certificate":
            claims = rnd.sample(TESTS, rnd.randint(1, 2))
            words += ["token"] + ["%s=%s" % c for c in claims]
        return (certs, claims), " ".join(words)

    def items(self, dim, most):
        """Some items of a dimension, as objects and as words."""
        rnd = self.rnd
        n = rnd.randint(1, most)
        if dim in ("locations", "peers"):
            words = rnd.sample(list(self.locations) + NETWORKS, n)
            return [self.locations.get(w) or Location([w]) for w in words], \
                words
        if dim == "callers":
            words = rnd.sample(list(self.callers), n)
            return [self.callers[w] for w in words], words
        if dim == "operations":
            picks = rnd.sample(list(self.operations) + PATTERNS, n)
            return [self.operations[p] if p in self.operations
                    else Operations([p]) for p in picks], \
                [p if p in self.operations else pattern_text(p) for p in picks]
        words = rnd.sample(["none", "blue", "green"], n)
        return words, words

    def policy(self, name):
        rnd = self.rnd
        text = []
        state = rnd.choices(["enabled", "report_only", "disabled"],
                            [8, 2, 1])[0]
        if state != "enabled" or rnd.random() < 0.2:
            text.append("state " + state)

        dims = {}
        for dim in "locations peers callers operations deployments".split():
            if rnd.random() < 0.7:
                continue
            if rnd.random() < 0.4:
                include, words = ["any"], ["any"]
            else:
                include, words = self.items(dim, 2)
            exclude = []
            if rnd.random() < 0.5:
                exclude, more = self.items(dim, 2)
                words = words + ["except"] + more
            dims[dim] = (include, exclude)
            text.append(dim + " " + " ".join(words))

        windows = []
        if rnd.random() < 0.15:
            for _ in range(rnd.randint(1, 2)):
                window, words = self.window()
                windows.append(window)
                text.append("time " + words)

        block = rnd.random() < 0.3
        need, controls = "all", []
        if block:
            text.append("block")
        else:
            controls = rnd.sample(["certificate", "token", "tls", "tls=1.3"] +
                                  TESTS, rnd.choice([0, 0, 0, 1, 1, 2, 3]))
            need = rnd.choice(["all", "any"])
            words = [c if isinstance(c, str) else "%s=%s" % c
                     for c in controls]
            if controls and (need == "any" or rnd.random() < 0.5):
                words = [need] + words
            text.append(" ".join(["grant"] + words))

        rnd.shuffle(text)
        self.lines.append("policy %s: %s" % (name, "; ".join(text)))
        return Policy(name, state, dims, windows, block, need, controls)

    def window(self):
        rnd = self.rnd
        first, last = rnd.randrange(7), rnd.randrange(7)
        days, day = {first}, first
        while day != last:
            day = (day + 1) % 7
            days.add(day)
        start, end = rnd.sample(range(0, 1440, 30), 2)
        offset = rnd.choice([0, 60, -210, 840])
        words = "%s-%s %02d:%02d-%02d:%02d" % (
            DAYS[first], DAYS[last], start // 60, start % 60, end // 60,
            end % 60)
        if offset:
            words += " %s%02d:%02d" % ("-" if offset < 0 else "+",
                                       abs(offset) // 60, abs(offset) % 60)
        return (days, start, end or 1440, offset), words


def pattern_text(pattern):
    return " ".join(pattern) if isinstance(pattern, tuple) \
        else '"%s"' % pattern


def mask(indexes):
    return sum(1 << i for i in indexes)


def emit(out, kind, request, decision):
    outcome, status, denied, would, results, missing = decision
    out.write("%s %d %s\n" % (kind, request.early, request.query()))
    out.write("= %s %d %x %x %s %s\n" % (outcome, status, mask(denied),
                                         mask(would), results, missing or "-"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    rnd = random.Random(args.seed)
    out = sys.stdout
    n = 0

    while n < args.cases:
        config = Config(rnd)
        out.write("config\n")
        for line in config.lines:
            out.write(line + "\n")
        out.write("end\n")

        for _ in range(40):
            request = Request(rnd)
            decision = decide(config.policies, request)
            emit(out, "?", request, decision)
            n += 1
            finer = request.refinements(rnd)
            if finer is not None:
                refined = decide(config.policies, finer)
                if decision[0] == "allow" and refined[0] != "allow":
                    sys.exit("the model itself lets an unknown help:\n%s\n%s"
                             % (request.query(), finer.query()))
                emit(out, "!", finer, refined)
                n += 1


if __name__ == "__main__":
    main()
