//! Measures that wait, in Redis. Each change is one script, so it is made whole or not at all.
//!
//! | key | what |
//! |---|---|
//! | `…:last` | the last number of an entry |
//! | `…:sack:N` | set of the metrics of a sack with entries |
//! | `…:wait:METRIC` | hash of the entries of a metric, by number |
//! | `…:count`, `…:counts` | measures that wait, of all and by metric |

use super::{PREFIX, Redis};
use crate::Error;
use crate::cluster::places::{Entry, Part, SharedIncoming, decode_points, encode_points};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Numbers ascend by the clock, and by one where it stands, so that they are new also after the loss of the last one.
const APPEND: &str = "
local p, last = ARGV[1], tonumber(redis.call('GET', ARGV[1] .. ':last') or '0')
local now = redis.call('TIME')
last = math.max(last, tonumber(now[1]) * 1000000 + tonumber(now[2]))
for i = 2, #ARGV, 3 do
  last = last + 1
  redis.call('SADD', p .. ':sack:' .. ARGV[i], ARGV[i + 1])
  redis.call('HSET', p .. ':wait:' .. ARGV[i + 1], string.format('%.0f', last), ARGV[i + 2])
  local count = #ARGV[i + 2] / 16
  redis.call('INCRBY', p .. ':count', count)
  redis.call('HINCRBY', p .. ':counts', ARGV[i + 1], count)
end
redis.call('SET', p .. ':last', string.format('%.0f', last))
return #ARGV";

/// Removes entries by number, or all; a metric without entries leaves nothing behind.
const REMOVE: &str = "
local p, sack, metric = ARGV[1], ARGV[2], ARGV[3]
local key, gone = p .. ':wait:' .. metric, 0
if #ARGV == 3 then
  gone = tonumber(redis.call('HGET', p .. ':counts', metric) or '0')
  redis.call('DEL', key)
else
  for i = 4, #ARGV do
    local size = redis.call('HSTRLEN', key, ARGV[i])
    if redis.call('HDEL', key, ARGV[i]) == 1 then gone = gone + size / 16 end
  end
end
if gone > 0 then
  redis.call('DECRBY', p .. ':count', gone)
  redis.call('HINCRBY', p .. ':counts', metric, -gone)
end
if redis.call('EXISTS', key) == 0 then
  redis.call('SREM', p .. ':sack:' .. sack, metric)
  redis.call('HDEL', p .. ':counts', metric)
end
return gone";

/// Counts the entries of a metric, and the sum of all counts where no metric is named; returns 1 where what was counted before is another.
const RECOUNT: &str = "
local p, repair, wrong = ARGV[1], ARGV[2] == '1', 0
if #ARGV == 2 then
  local sum = 0
  for _, count in ipairs(redis.call('HVALS', p .. ':counts')) do sum = sum + tonumber(count) end
  if sum ~= tonumber(redis.call('GET', p .. ':count') or '0') then
    wrong = 1
    if repair then redis.call('SET', p .. ':count', string.format('%.0f', sum)) end
  end
  return wrong
end
local metric, sack, sum = ARGV[3], p .. ':sack:' .. ARGV[4], 0
local entries = redis.call('HVALS', p .. ':wait:' .. metric)
for _, entry in ipairs(entries) do sum = sum + math.floor(#entry / 16) end
local told = redis.call('HGET', p .. ':counts', metric)
if #entries > 0 then
  if tonumber(told or '-1') ~= sum or redis.call('SISMEMBER', sack, metric) == 0 then
    wrong = 1
    if repair then
      redis.call('HSET', p .. ':counts', metric, sum)
      redis.call('SADD', sack, metric)
    end
  end
elseif told or redis.call('SISMEMBER', sack, metric) == 1 then
  wrong = 1
  if repair then
    redis.call('HDEL', p .. ':counts', metric)
    redis.call('SREM', sack, metric)
  end
end
return wrong";

/// Most metrics of one script: Redis takes a million words.
const METRICS: usize = 300_000;
/// Most entries of a metric that are removed by one script.
const ENTRIES: usize = 5000;

fn waiting_key(metric: Uuid) -> String {
    format!("{PREFIX}:wait:{metric}")
}

fn script(text: &str) -> ::redis::Cmd {
    let mut command = ::redis::cmd("EVAL");
    command.arg(text).arg(0).arg(PREFIX);
    command
}

fn parse(text: &str) -> Result<i64, Error> {
    text.parse().map_err(|_| Error::Damaged(format!("Redis holds `{text}` where the number of an entry should be")))
}

impl SharedIncoming for Redis {
    fn append(&self, parts: &[Part]) -> Result<(), Error> {
        if parts.len() > METRICS {
            return Err(Error::Invalid(format!(
                "a batch of {} metrics is too large: Redis takes {METRICS} at once",
                parts.len()
            )));
        }
        let mut command = script(APPEND);
        for (sack, metric, points) in parts {
            command.arg(*sack).arg(metric.to_string()).arg(encode_points(points));
        }
        // Once more after a connection that broke: measures that come twice count once.
        self.run::<i64>(&command).map(drop)
    }

    fn waiting(&self, sack: u32, most: usize) -> Result<Vec<Uuid>, Error> {
        let key = format!("{PREFIX}:sack:{sack}");
        let metrics: Vec<String> = self.run(::redis::cmd("SRANDMEMBER").arg(key).arg(most))?;
        let uuid = |text: &String| {
            let wrong = |_| Error::Damaged(format!("Redis holds `{text}` where a metric should be"));
            Uuid::parse_str(text).map_err(wrong)
        };
        metrics.iter().map(uuid).collect()
    }

    fn pending(&self, _sack: u32, metric: Uuid, most: usize) -> Result<Vec<Entry>, Error> {
        let found: Vec<(String, Vec<u8>)> = self.run(::redis::cmd("HGETALL").arg(waiting_key(metric)))?;
        let entry = |(id, points): (String, Vec<u8>)| Ok(Entry { id: parse(&id)?, points: decode_points(&points)? });
        let mut entries = found.into_iter().map(entry).collect::<Result<Vec<Entry>, Error>>()?;
        entries.sort_unstable_by_key(|entry| entry.id);
        entries.truncate(most);
        Ok(entries)
    }

    fn remove(&self, sack: u32, metric: Uuid, ids: &[i64]) -> Result<(), Error> {
        for ids in ids.chunks(ENTRIES) {
            let mut command = script(REMOVE);
            command.arg(sack).arg(metric.to_string());
            ids.iter().for_each(|id| {
                command.arg(*id);
            });
            self.run::<i64>(&command)?;
        }
        Ok(())
    }

    fn forget(&self, sack: u32, metric: Uuid) -> Result<(), Error> {
        self.run::<i64>(script(REMOVE).arg(sack).arg(metric.to_string())).map(drop)
    }

    fn load(&self) -> Result<(u64, u64), Error> {
        let metrics: u64 = self.run(::redis::cmd("HLEN").arg(format!("{PREFIX}:counts")))?;
        let measures: Option<i64> = self.run(::redis::cmd("GET").arg(format!("{PREFIX}:count")))?;
        Ok((metrics, measures.unwrap_or(0).max(0) as u64))
    }

    fn recount(&self, sack: &dyn Fn(Uuid) -> u32, repair: bool) -> Result<u64, Error> {
        let mut metrics: BTreeSet<Uuid> = BTreeSet::new();
        let begin = format!("{PREFIX}:wait:");
        self.scan(&format!("{begin}*"), &mut |name| {
            metrics.extend(name.strip_prefix(&begin).and_then(|text| Uuid::parse_str(text).ok()));
            Ok(())
        })?;
        let counted: Vec<String> = self.run(::redis::cmd("HKEYS").arg(format!("{PREFIX}:counts")))?;
        metrics.extend(counted.iter().filter_map(|text| Uuid::parse_str(text).ok()));
        let mut wrong = 0;
        for metric in metrics {
            let mut command = script(RECOUNT);
            command.arg(i32::from(repair)).arg(metric.to_string()).arg(sack(metric));
            wrong += self.run::<u64>(&command)?;
        }
        Ok(wrong + self.run::<u64>(script(RECOUNT).arg(i32::from(repair)))?)
    }

    fn loads(&self, most: usize) -> Result<Vec<(Uuid, u64)>, Error> {
        let counts: Vec<(String, i64)> = self.run(::redis::cmd("HGETALL").arg(format!("{PREFIX}:counts")))?;
        let counts = counts.into_iter().take(most);
        Ok(counts.filter_map(|(metric, count)| Some((Uuid::parse_str(&metric).ok()?, count.max(0) as u64))).collect())
    }
}
