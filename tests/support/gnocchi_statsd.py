"""gnocchi-statsd without its database: its own parser and state. Listens on a port until its input ends, then prints what it holds as JSON."""
import asyncio
import json
import math
import sys

from gnocchi import statsd


class Stats(statsd.Stats):
    def __init__(self):
        self.gauges, self.counters, self.times = {}, {}, {}


async def main():
    stats = Stats()
    loop = asyncio.get_running_loop()
    server = lambda: statsd.StatsdServer(stats)
    await loop.create_datagram_endpoint(server, local_addr=("127.0.0.1", int(sys.argv[1])))
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    await asyncio.sleep(0.2)
    kinds = {"gauges": stats.gauges, "counters": stats.counters, "times": stats.times}
    # JSON has no numbers that are not finite.
    shown = lambda value: value if math.isfinite(value) else str(value)
    print(json.dumps({kind: {name: shown(at.value) for name, at in held.items()} for kind, held in kinds.items()}))


asyncio.run(main())
