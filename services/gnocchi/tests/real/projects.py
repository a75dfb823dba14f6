#!/usr/bin/env python3
"""Does with a server of Gnocchi's API what programs that live on Gnocchi do with it, through the client that they use, and checks what comes back.

  projects.py http://127.0.0.1:8041[/PREFIX]

Ceilometer makes policies, types and resources, and writes; Aodh reads what an alarm compares; CloudKitty reads what it rates; Grafana's
data source asks as a page in a browser does. It runs with the Python that has gnocchiclient.
"""
import datetime
import json
import sys
import time
import urllib.error
import urllib.request
import uuid

from gnocchiclient import auth, client, exceptions

URL = sys.argv[1].rstrip("/")
START = 1700000000 // 3600 * 3600
gnocchi = client.Client("1", session_options={"auth": auth.GnocchiBasicPlugin(user="admin", endpoint=URL)},
                        adapter_options={"connect_retries": 3, "interface": "internalURL", "region_name": "RegionOne"})


def same(what, found, expected):
    if found != expected:
        sys.exit("%s\n  found    %r\n  expected %r" % (what, found, expected))


def refused(error, call, *arguments, **named):
    """Calls what is refused, and returns the message."""
    try:
        call(*arguments, **named)
    except error as told:
        return told.message
    sys.exit("%s(%r) was not refused" % (call.__name__, arguments))


def at(seconds):
    return datetime.datetime.fromtimestamp(START + seconds, datetime.timezone.utc).replace(tzinfo=None)


# Ceilometer: its policies and types, and changes of types, at every start.
text = {"type": "string", "min_length": 0, "max_length": 255}
TYPES = {
    "instance": {"flavor_id": dict(text, required=True), "host": dict(text, required=True), "display_name": dict(text, required=True)},
    "instance_disk": {"name": dict(text, required=True), "instance_id": {"type": "uuid", "required": True}},
    "volume": {"display_name": dict(text, required=False)},
    "switch_port": {"port_number_on_switch": {"type": "number", "min": 0, "max": 4294967295, "required": False}},
    "network": {},
}
CHANGES = [
    ("volume", [{"op": "add", "path": "/attributes/volume_type", "value": dict(text, required=False)}]),
    ("instance", [{"op": "add", "path": "/attributes/flavor_name", "value": dict(text, required=True, options={"fill": ""})}]),
    ("instance", [{"op": "add", "path": "/attributes/launched_at", "value": {"type": "datetime", "required": False}},
                  {"op": "add", "path": "/attributes/deleted_at", "value": {"type": "datetime", "required": False}}]),
    ("volume", [{"op": "add", "path": "/attributes/image_id", "value": {"type": "uuid", "required": False}}]),
]
POLICIES = [{"name": name, "aggregation_methods": methods, "back_window": 0, "definition": [{"granularity": "5 minutes", "timespan": "30 days"}]}
            for name, methods in (("ceilometer-low", ["mean"]), ("ceilometer-low-rate", ["mean", "rate:mean"]), ("rated", ["max", "mean", "min"]))]
gnocchi.build.get()
for _ in range(2):
    for policy in POLICIES:
        try:
            gnocchi.archive_policy.create(policy)
        except exceptions.ArchivePolicyAlreadyExists:
            pass
    for name, attributes in TYPES.items():
        try:
            gnocchi.resource_type.get(name=name)
        except exceptions.ResourceTypeNotFound:
            gnocchi.resource_type.create(resource_type={"name": name, "attributes": attributes})
    for name, operations in CHANGES:
        if operations[0]["path"].split("/")[-1] not in gnocchi.resource_type.get(name=name)["attributes"]:
            gnocchi.resource_type.update(name, operations)
same("a type that was changed", gnocchi.resource_type.get("instance")["attributes"]["flavor_name"], dict(text, required=True))

# It writes first, and makes what is said to be missing.
INSTANCES = [str(uuid.uuid5(uuid.NAMESPACE_DNS, str(number))) for number in range(4)]
points = [{"timestamp": at(60 * minute).isoformat(), "value": 10 * minute} for minute in range(0, 60)]
measures = {one: {"cpu": {"measures": points, "archive_policy_name": "ceilometer-low-rate", "unit": "ns"},
                  "memory.usage": {"measures": [dict(point, value=point["value"] + number) for point in points], "archive_policy_name": "rated", "unit": "MB"}}
            for number, one in enumerate(INSTANCES)}
told = refused(exceptions.BadRequest, gnocchi.metric.batch_resources_metrics_measures, measures, create_metrics=True)
same("the cause", told["cause"], "Unknown resources")
same("what is missing", {one["original_resource_id"] for one in told["detail"]}, set(INSTANCES))
for number, one in enumerate(INSTANCES):
    gnocchi.resource.create("instance", {"id": one, "user_id": "user", "project_id": "p%d" % (number % 2), "flavor_id": "1", "flavor_name": "small",
                                         "host": "h%d" % (number % 2), "display_name": "vm%d" % number, "started_at": at(0).isoformat()})
refused(exceptions.ResourceAlreadyExists, gnocchi.resource.create, "instance", {"id": INSTANCES[0], "flavor_id": "1", "flavor_name": "", "host": "h", "display_name": ""})
gnocchi.metric.batch_resources_metrics_measures(measures, create_metrics=True)
while gnocchi.status.get()["storage"]["summary"]["measures"]:
    time.sleep(0.2)
gnocchi.resource.create("instance_disk", {"id": INSTANCES[0] + "-vda", "name": "vda", "instance_id": INSTANCES[0], "started_at": at(0).isoformat()})
gnocchi.resource.update("instance", INSTANCES[0], {"host": "h7", "display_name": "vm0", "flavor_name": "small"})
same("what was updated", gnocchi.resource.get("instance", INSTANCES[0])["host"], "h7")
# An event ends an instance, and what belongs to it.
for resource in [{"id": INSTANCES[3], "type": "instance"}] + gnocchi.resource.search("instance_disk", {"=": {"instance_id": INSTANCES[0]}}):
    gnocchi.resource.update(resource["type"], resource["id"], {"ended_at": at(1800).isoformat()})
refused(exceptions.ResourceNotFound, gnocchi.resource.update, "instance", str(uuid.UUID(int=7)), {"ended_at": at(1).isoformat()})

# Aodh: one metric of a resource, several metrics, one metric of many resources; what is not there has its own error.
found = gnocchi.metric.get_measures(metric="memory.usage", granularity=300, start=at(600), stop=at(1800), resource_id=INSTANCES[1], aggregation="max")
same("an alarm of one resource", [row[2] for row in found], [141.0, 191.0, 241.0, 291.0])
same("its times", found[0][0], at(600).replace(tzinfo=datetime.timezone.utc))
refused(exceptions.MetricNotFound, gnocchi.metric.get_measures, metric="nothing", resource_id=INSTANCES[1], granularity=300, aggregation="max")
refused(exceptions.NotFound, gnocchi.metric.get_measures, metric="cpu", resource_id=str(uuid.UUID(int=7)), granularity=300, aggregation="max")
refused(exceptions.NotFound, gnocchi.metric.get_measures, metric="cpu", resource_id=INSTANCES[1], granularity=300, aggregation="95pct")
ids = [gnocchi.metric.get("memory.usage", one)["id"] for one in INSTANCES]
found = gnocchi.metric.aggregation(metrics=ids, granularity=300, start=at(0), stop=at(600), aggregation="mean", needed_overlap=0)
same("an alarm of several metrics", [row[2] for row in found], [21.5, 71.5])
refused(exceptions.MetricNotFound, gnocchi.metric.aggregation, metrics=[str(uuid.UUID(int=7))], granularity=300, aggregation="mean", needed_overlap=0)
query = {"and": [{"=": {"host": "h1"}}, {"or": [{"=": {"ended_at": None}}, {">": {"ended_at": at(1700).isoformat()}}]}]}
found = gnocchi.metric.aggregation(metrics="memory.usage", granularity=300, query=query, resource_type="instance", start=at(0), stop=at(600), aggregation="mean", needed_overlap=0)
same("an alarm of many resources", [row[2] for row in found], [22.0, 72.0])

# CloudKitty: what is rated, in groups; and the resources of the period, page by page.
search = {"and": [{"=": {"type": "instance"}}, {"=": {"project_id": "p1"}}]}
found = gnocchi.aggregates.fetch(["aggregate", "max", ["metric", "memory.usage", "max"]], resource_type="instance", start=at(0), stop=at(3600),
                                 groupby=["id", "flavor_name"], search=search)
same("what is rated", sorted((one["group"]["id"], one["group"]["flavor_name"], one["measures"]["measures"]["aggregated"][-1][2]) for one in found),
     sorted((INSTANCES[number], "small", 590.0 + number) for number in (1, 3)))
operation = ["aggregate", "max", ["metric", "cpu", "rate:mean"]]
found = gnocchi.aggregates.fetch(operation, resource_type="instance", start=at(0), stop=at(3600), groupby=["id"], search=search, granularity=300)
same("what grew", {one["measures"]["measures"]["aggregated"][-1][2] for one in found}, {10.0})
period = {"and": [{"or": [{"=": {"ended_at": None}}, {">=": {"ended_at": START + 1900}}]}, {"<=": {"started_at": START + 3600}}]}
resources, marker = [], None
while True:
    page = gnocchi.resource.search("instance", query=period, sorts=["id:asc"], marker=marker, limit=2)
    if not page:
        break
    resources, marker = resources + page, page[-1]["id"]
same("the resources of a period", [one["id"] for one in resources], sorted(INSTANCES[:3]))

# Grafana's data source, in a browser: it asks what it may, then it asks.
ORIGIN = "http://grafana.example.org"


def browse(method, path, body=None):
    def ask(method, headers, data=None):
        with urllib.request.urlopen(urllib.request.Request(URL + "/" + path, data, headers, method=method)) as answer:
            return answer, answer.read()
    preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,content-type,x-user-id"}
    answer, _ = ask("OPTIONS", preflight)
    same("who may ask", answer.headers["Access-Control-Allow-Origin"], ORIGIN)
    same("what it may send", answer.headers["Access-Control-Allow-Headers"], "authorization,content-type,x-user-id")
    same("how it may ask", answer.headers["Access-Control-Allow-Methods"], method)
    headers = {"Origin": ORIGIN, "Accept": "application/json, text/plain, */*", "Content-Type": "application/json", "Authorization": "Basic YWRtaW46", "X-User-Id": "admin"}
    answer, content = ask(method, headers, None if body is None else body.encode())
    same("who may read", answer.headers["Access-Control-Allow-Origin"], ORIGIN)
    return json.loads(content)


span = "aggregation=max&start=%s.000Z&end=%s.000Z&stop=%s.000Z" % (at(0).isoformat(), at(600).isoformat(), at(600).isoformat())
rows = [["%s+00:00" % at(300 * number).isoformat(), 300.0, 41.0 + 50 * number] for number in range(2)]
browse("GET", "v1/resource")
same("names to choose from", sorted(browse("GET", "v1/resource/generic/" + INSTANCES[1])["metrics"]), ["cpu", "memory.usage"])
same("metrics to choose from", {one["id"] for one in browse("GET", "v1/metric")} >= set(ids), True)
same("a curve of a metric", browse("GET", "v1/metric/%s/measures?%s" % (ids[1], span)), rows)
same("a curve of a resource", browse("GET", "v1/resource/instance/%s/metric/memory.usage/measures?%s" % (INSTANCES[1], span)), rows)
found = browse("POST", "v1/search/resource/instance", '{"=": {"display_name": "vm1"}}')
same("a search", [one["id"] for one in found], [INSTANCES[1]])
same("a curve of many", browse("POST", "v1/aggregation/resource/instance/metric/memory.usage?" + span, '{"=": {"display_name": "vm1"}}'), rows)
body = json.dumps({"operations": "(aggregate max (metric memory.usage max))", "resource_type": "instance", "search": "display_name = 'vm1'"})
found = browse("POST", "v1/aggregates?start=%s.000Z&stop=%s.000Z&granularity=300&groupby=display_name" % (at(0).isoformat(), at(600).isoformat()), body)
same("a curve of a group", (found[0]["group"], found[0]["measures"]["measures"]["aggregated"]), ({"display_name": "vm1"}, rows))
try:
    browse("GET", "v1/metric/%s/measures?aggregation=wat" % ids[1])
    sys.exit("a method that there is not was not refused")
except urllib.error.HTTPError as error:
    same("a page reads an error too", (error.code, error.headers["Access-Control-Allow-Origin"]), (404, ORIGIN))
print("Ceilometer, Aodh, CloudKitty and Grafana find what they look for")
