//! Objects in Redis: a hash for each metric, with a checksum behind the bytes of each object.

use super::{PREFIX, Redis};
use crate::sealed::{open, seal};
use crate::storage::{Key, Storage, Usage};
use crate::{Error, Nanos};
use std::ops::RangeInclusive;
use uuid::Uuid;

fn hash(metric: Uuid) -> String {
    format!("{PREFIX}:object:{metric}")
}

fn field(key: &Key) -> String {
    format!("{}:{}", key.granularity, key.stretch)
}

impl Storage for Redis {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        let object: Option<Vec<u8>> = self.run(::redis::cmd("HGET").arg(hash(key.metric)).arg(field(key)))?;
        object.map(|object| open(object, key)).transpose()
    }

    fn stretches(&self, metric: Uuid, granularity: Nanos, range: RangeInclusive<i64>) -> Result<Vec<i64>, Error> {
        let fields: Vec<String> = self.run(::redis::cmd("HKEYS").arg(hash(metric)))?;
        let begin = format!("{granularity}:");
        let numbers = fields.iter().filter_map(|field| field.strip_prefix(&begin)?.parse().ok());
        let mut numbers: Vec<i64> = numbers.filter(|number| range.contains(number)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn keys(&self, each: &mut dyn FnMut(Key)) -> Result<(), Error> {
        let begin = hash(Uuid::nil()).replace(&Uuid::nil().to_string(), "");
        self.scan(&format!("{begin}*"), &mut |name| {
            let Some(metric) = name.strip_prefix(&begin).and_then(|text| Uuid::parse_str(text).ok()) else {
                return Ok(());
            };
            let fields: Vec<String> = self.run(::redis::cmd("HKEYS").arg(name))?;
            for field in fields {
                let Some((granularity, stretch)) = field.split_once(':') else { continue };
                if let (Ok(granularity), Ok(stretch)) = (granularity.parse(), stretch.parse()) {
                    each(Key { metric, granularity, stretch });
                }
            }
            Ok(())
        })
    }

    fn put(&self, changes: &[(Key, Option<Vec<u8>>)]) -> Result<(), Error> {
        for (key, object) in changes {
            match object {
                Some(object) => {
                    let object = seal(object.clone());
                    self.run::<i64>(::redis::cmd("HSET").arg(hash(key.metric)).arg(field(key)).arg(object))?
                }
                None => self.run::<i64>(::redis::cmd("HDEL").arg(hash(key.metric)).arg(field(key)))?,
            };
        }
        Ok(())
    }

    fn forget(&self, metric: Uuid) -> Result<(), Error> {
        self.run::<i64>(::redis::cmd("UNLINK").arg(hash(metric))).map(drop)
    }

    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Redis does not tell what the objects of an archive take.
    fn usage(&self) -> Result<Usage, Error> {
        Ok(Usage::default())
    }
}
