#!/usr/bin/env python3
"""Sends the same requests to two servers of Gnocchi's API, and prints where their answers differ.

  compare.py http://127.0.0.1:8041 http://127.0.0.1:8042

Ids, times of making and texts of pages are left out. Numbers that differ by less than 1e-9 of their size are the same.
"""
import base64
import json
import math
import random
import re
import sys
import time
import urllib.error
import urllib.request

A, B = (url.rstrip("/") for url in sys.argv[1:3])
NAMES = {}
SEEN = DIFFERENT = 0


def send(url, method, path, body, headers, names):
    for name, value in names.items():
        path = path.replace("<%s>" % name, value)
    data = None
    if body is not None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        for name, value in names.items():
            data = data.replace(b"<%s>" % name.encode(), value.encode())
    all_headers = {"Accept": "application/json", "Content-Type": "application/json",
                   "Authorization": "basic " + base64.b64encode(b"admin:").decode(), **headers}
    request = urllib.request.Request(url + path, data, all_headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def plain(text, names, url):
    """Replaces ids by their names, and times of making."""
    text = text.replace(url, "<url>")
    for name, value in names.items():
        text = text.replace(value, "<%s>" % name)
    return re.sub(r"20[2-9]\d-\d\d-\d\dT[\d:.]+\+00:00", "<now>", text)


def same(a, b):
    if isinstance(a, (int, float)) and isinstance(b, (int, float)) and not isinstance(a, bool) and not isinstance(b, bool):
        return a == b or math.isclose(a, b, rel_tol=1e-9) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def decode(body, names, url):
    text = plain(body.decode(), names, url)
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return ordered(value)


def ordered(value):
    """Sorts what has no order, and leaves out ids that have no name here."""
    if isinstance(value, list):
        return [ordered(item) for item in value]
    if isinstance(value, dict):
        value = {key: ordered(item) for key, item in value.items()}
        if isinstance(value.get("aggregation_methods"), list):
            value["aggregation_methods"].sort()
        if isinstance(value.get("metrics"), dict):
            value["metrics"] = sorted(value["metrics"])
    return value


def both(method, path, body=None, save=None, headers={}, wait=None):
    """Sends a request to both; `save` names the id of the answer. `wait` asks again until the first server has as many rows."""
    global SEEN, DIFFERENT
    answers = []
    for url in (A, B):
        names = NAMES.setdefault(url, {})
        for _ in range(50):
            status, content, told = send(url, method, path, body, headers, names)
            if wait is None or status != 200 or len(json.loads(content)) >= wait:
                break
            time.sleep(0.2)
        if save and status in (200, 201):
            names[save] = json.loads(content)["id"]
        answers.append((status, decode(content, names, url), plain(told.get("Location") or "", names, url)))
    SEEN += 1
    if answers[0][0] != answers[1][0] or not same(answers[0][1], answers[1][1]) or answers[0][2] != answers[1][2]:
        DIFFERENT += 1
        print("%s %s %s" % (method, path, "" if body is None else str(body)[:120]))
        for url, answer in zip((A, B), answers):
            print("   ", url, *(str(part)[:400] for part in answer))


both("GET", "/v1/archive_policy/low")
both("GET", "/v1/archive_policy/bool")
both("GET", "/v1/capabilities")
both("GET", "/v1/archive_policy_rule")
both("POST", "/v1/archive_policy", {"name": "all", "aggregation_methods": ["*"], "back_window": 2, "definition": [
    {"granularity": "1 minute", "points": 1000}, {"granularity": "7s", "timespan": "1 hour"}, {"granularity": "1h", "points": 10}]})
both("POST", "/v1/archive_policy", {"name": "few", "aggregation_methods": ["-mean", "+last"], "definition": [{"granularity": "60s", "points": 5}]})
for wrong in ({}, {"name": "x"}, {"name": 1, "definition": []}, {"name": "x", "definition": [{"points": 0}]},
              {"name": "x", "definition": [{"granularity": "1s", "points": 2, "timespan": "3s"}]}, {"name": "low", "definition": [{"granularity": 1, "points": 1}]},
              {"name": "x", "definition": [{"granularity": "1s"}], "aggregation_methods": ["wat"]}, {"name": "x", "definition": [{"granularity": "1s"}], "y": 1}):
    both("POST", "/v1/archive_policy", wrong)
both("PATCH", "/v1/archive_policy/few", {"definition": [{"granularity": "60s", "points": 9}], "back_window": 1})
both("PATCH", "/v1/archive_policy/few", {"definition": [{"granularity": "61s", "points": 9}]})
both("PATCH", "/v1/archive_policy/none", {"definition": [{"granularity": "61s", "points": 9}]})
both("POST", "/v1/archive_policy_rule", {"name": "r1", "metric_pattern": "disk.io.*", "archive_policy_name": "few"})
both("POST", "/v1/archive_policy_rule", {"name": "r1", "metric_pattern": "disk.io.*", "archive_policy_name": "few"})
both("POST", "/v1/archive_policy_rule", {"name": "r2", "metric_pattern": "x", "archive_policy_name": "none"})
both("GET", "/v1/archive_policy_rule")
both("GET", "/v1/archive_policy_rule/none")

both("POST", "/v1/metric", {"archive_policy_name": "all", "name": "m1", "unit": "B"}, save="m1")
both("POST", "/v1/metric", {"name": "disk.io.x"}, save="m2")
both("POST", "/v1/metric", {"archive_policy_name": "high"}, save="m3")
for wrong in ({"name": "a/b"}, {"archive_policy_name": "none"}, {"unit": "x" * 32}, {"y": 1}, {"resource_id": "x"}, {"name": "q", "resource_id": "x"}, []):
    both("POST", "/v1/metric", wrong)
for name in ("m1", "m2", "m3"):
    both("GET", "/v1/metric/<%s>" % name)
both("GET", "/v1/metric?name=m1")
both("GET", "/v1/metric?limit=0")
both("GET", "/v1/metric?sort=wat")
both("GET", "/v1/metric/none")

rnd = random.Random(5)
base = 1412606000
points = [{"timestamp": base + rnd.randrange(0, 4000), "value": round(rnd.gauss(50, 20), 2)} for _ in range(600)]
points = list({p["timestamp"]: p for p in points}.values())
both("POST", "/v1/metric/<m1>/measures", points)
both("POST", "/v1/metric/<m2>/measures", points)
both("POST", "/v1/metric/<m3>/measures", [{"timestamp": "2014-10-06T14:33:57", "value": 43.1}, {"timestamp": "2014-10-06T14:34:12", "value": 12},
                                          {"timestamp": "2014-10-06T14:34:20", "value": 2}])
for name in ("m1", "m2"):
    both("GET", "/v1/metric/<%s>/measures?aggregation=count&refresh=true" % name, wait=1)
both("GET", "/v1/metric/<m3>/measures?refresh=true", wait=6)
for method in ("mean", "sum", "last", "max", "min", "std", "median", "first", "count", "1pct", "50pct", "95pct", "99pct",
               "rate:mean", "rate:sum", "rate:max", "rate:last", "rate:count", "rate:std", "rate:95pct"):
    both("GET", "/v1/metric/<m1>/measures?aggregation=" + method)
for query in ("start=%d" % (base + 1000), "stop=%d" % (base + 1000), "start=2014-10-06T14:50&stop=2014-10-06T15:00&granularity=60", "granularity=60&resample=300",
              "granularity=3600&resample=M", "granularity=3600&resample=W", "granularity=60&resample=Q&aggregation=max", "resample=60", "granularity=42", "aggregation=wat",
              "granularity=x", "start=x", "refresh=banana", "granularity=7", "granularity=60&aggregation=std&resample=H"):
    both("GET", "/v1/metric/<m1>/measures?" + query)
# Late points, in the back window of 2 hours and before it.
both("POST", "/v1/metric/<m1>/measures", [{"timestamp": base + 100, "value": 7}, {"timestamp": base - 20000, "value": 7}])
time.sleep(3)
both("GET", "/v1/metric/<m1>/measures?aggregation=sum&refresh=true")
both("GET", "/v1/metric/<m1>/measures?aggregation=count")
for wrong in (b"", b"[", b"{}", b"[1]", b'[{"timestamp": 1}]', b'[{"timestamp": 1, "value": null}]', b'[{"timestamp": "x", "value": 1}]', b'[{"timestamp": -5, "value": 1}]', b"[]",
              b'[{"value": 1}]', b'[{"timestamp": 1, "value": NaN}]'):
    both("POST", "/v1/metric/<m3>/measures", wrong)

both("POST", "/v1/resource_type", {"name": "instance", "attributes": {"host": {"type": "string", "required": False}, "n": {"type": "number", "required": False, "min": 1}}})
both("POST", "/v1/resource_type", {"name": "bad", "attributes": {"id": {"type": "string"}}})
both("POST", "/v1/resource_type", {"name": "bad", "attributes": {"x": {"type": "wat"}}})
both("GET", "/v1/resource_type/instance")
both("GET", "/v1/resource_type/none")
for i in range(6):
    both("POST", "/v1/resource/instance", {"id": "vm%d" % i, "host": "h%d" % (i % 2), "n": i + 1, "started_at": "2014-01-0%d" % (i + 1), "project_id": None if i == 5 else "p%d" % (i % 3),
                                           "metrics": {"cpu": {"archive_policy_name": "medium"}}}, save="r%d" % i)
    both("GET", "/v1/resource/instance/vm%d/metric/cpu" % i, save="c%d" % i)
both("POST", "/v1/resource/instance", {"id": "vm1"})
for wrong in ({}, {"id": "z", "n": 0}, {"id": "z", "host": 1}, {"id": "a/b"}, {"id": "z", "ended_at": "2010-01-01", "started_at": "2014-01-01"}, {"id": "z", "wat": 1}):
    both("POST", "/v1/resource/instance", wrong)
both("GET", "/v1/resource/instance/vm1")
both("GET", "/v1/resource/generic/vm1")
both("GET", "/v1/resource/instance/none")
both("PATCH", "/v1/resource/instance/vm1", {"host": "other"})
both("PATCH", "/v1/resource/instance/vm1", {"host": 5})
both("GET", "/v1/resource/instance/vm1/history")
both("GET", "/v1/resource/instance?limit=2&sort=n:desc")
both("GET", "/v1/resource/instance?sort=wat:asc")
for search in ({"=": {"host": "h1"}}, {"and": [{">": {"n": 2}}, {"not": {"=": {"host": "h1"}}}]}, {"in": {"project_id": ["p1", "p2"]}}, {"!=": {"project_id": "p1"}}, {"=": {"project_id": None}},
               {"like": {"host": "%1"}}, {"=": {"wat": 1}}, {"=": {"n": "x"}}, {"and": []}, {"wat": {"n": 1}}, [], {"≥": {"started_at": "2014-01-03"}}, {"=": {"id": "vm2"}}, {}):
    both("POST", "/v1/search/resource/instance?sort=n:asc", search)

batch = {"<c%d>" % i: [{"timestamp": base + 60 * j, "value": round(rnd.random() * 100, 3)} for j in range(60) if rnd.random() < 0.9] for i in range(6)}
both("POST", "/v1/batch/metrics/measures", batch)
for i in range(6):
    both("GET", "/v1/metric/<c%d>/measures?refresh=true&aggregation=count&granularity=3600" % i, wait=1)
two = "(metric (<c0> mean) (<c1> mean))"
for operations in ("(aggregate mean %s)" % two, "(aggregate std %s)" % two, "(aggregate rate:max %s)" % two, "(+ (metric <c0> mean) (metric <c1> mean))", "(* 2 %s)" % two,
                   "(rolling mean 5 %s)" % two, "(resample max 600 %s)" % two, "(clip_min %s 50)" % two, "(abs (neg (metric <c0> mean)))", "(rateofchange (metric <c0> mean))",
                   "(aggregate count (> %s 50))" % two, "(% (metric <c0> mean) 7)", "(metric <c0> wat)", "(wat (metric <c0> mean))", "(+ 1 2)", "", "(metric x mean)",
                   "(metric 2f0d5d2b-0000-0000-0000-000000000000 mean)", "(aggregate var %s)" % two, "(aggregate median %s)" % two):
    for query in ("granularity=60", "granularity=60&fill=0", "granularity=60&needed_overlap=0", "granularity=60&needed_overlap=100", "granularity=60&fill=full_ffill"):
        both("POST", "/v1/aggregates?" + query, {"operations": operations})
both("POST", "/v1/aggregates?granularity=60&fill=wat", {"operations": "(metric <c0> mean)"})
both("POST", "/v1/aggregates?granularity=42", {"operations": "(metric <c0> mean)"})
search = {"operations": "(aggregate mean (metric cpu mean))", "resource_type": "instance", "search": "n > 1"}
both("POST", "/v1/aggregates?granularity=3600", search)
both("POST", "/v1/aggregates?granularity=3600&groupby=host&groupby=project_id", search)
both("POST", "/v1/aggregates?granularity=3600&groupby=wat", search)
both("POST", "/v1/aggregates?granularity=3600", dict(search, operations="(metric c* max)"))
for query in ("aggregation=mean&granularity=60", "aggregation=max&reaggregation=sum&granularity=60&needed_overlap=10", "granularity=3600&fill=0", "granularity=60&fill=0&resample=600", "granularity=42", "aggregation=wat"):
    both("GET", "/v1/aggregation/metric?metric=<c0>&metric=<c1>&" + query)
    both("POST", "/v1/aggregation/resource/instance/metric/cpu?groupby=host&" + query, {"<": {"n": 5}})
both("GET", "/v1/aggregation/metric?metric=<c0>&granularity=60")
both("POST", "/v1/search/metric?metric_id=<c0>&granularity=60", {">=": 80})
both("POST", "/v1/search/metric?metric_id=<c0>&granularity=60", {"and": [{">": 20}, {"<": [{"%": 10}, 3]}]})
both("POST", "/v1/batch/metrics/measures", {"2f0d5d2b-0000-0000-0000-000000000000": []})
both("POST", "/v1/batch/metrics/measures", {"x": []})
both("POST", "/v1/batch/resources/metrics/measures", {"vm0": {"new": [{"timestamp": base, "value": 1}]}})
both("POST", "/v1/batch/resources/metrics/measures?create_metrics=true", {"vm0": {"new": [{"timestamp": base, "value": 1}]}})
both("POST", "/v1/batch/resources/metrics/measures?create_metrics=true", {"nope": {"new": [{"timestamp": base, "value": 1}]}})
both("DELETE", "/v1/archive_policy/all")
both("DELETE", "/v1/archive_policy/none")
both("DELETE", "/v1/resource_type/instance")
both("DELETE", "/v1/metric/<m1>")
both("DELETE", "/v1/resource/instance", {"=": {"host": "h0"}})
both("DELETE", "/v1/resource/instance")
both("DELETE", "/v1/resource/instance/vm1")
for _ in range(300):
    if not json.loads(send(A, "GET", "/v1/status?details=false", None, {}, {})[1])["storage"]["summary"]["measures"]:
        break
    time.sleep(0.2)
both("GET", "/v1/status?details=false")
print("%d requests, %d answers differ" % (SEEN, DIFFERENT))
