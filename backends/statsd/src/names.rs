//! Names: the text before the colon, rendered for each line, and not kept, because its texts are.
//!
//! Most names hold nothing that the gate would change, and are then put together from the prefix, the logger's name, the metric's and the labels
//! as they are. Which those are is found out once for each series, when its name is claimed.

use crate::format::Format;
use ferrometer_core::{Cause, Naming, Series};
use ferrometer_export::{RenderedNames, labels_with_object};

/// The names in one form under one configuration.
pub(crate) struct Names {
    format: Format,
    naming: Naming,
    /// Everything before the logger's name, with a dot behind it.
    prefix: String,
    table: RenderedNames,
    /// Bits, by the series' id: its name stands on the wire as it was given.
    verbatim: Vec<u64>,
    /// The last one that was asked for.
    name: String,
    /// The logger's name in it, where it was put together, and where that ends: the next series is often one of the same logger.
    logger: &'static str,
    logger_end: usize,
}

impl Names {
    pub(crate) fn new(format: Format) -> Names {
        Names {
            format,
            naming: Naming::default(),
            prefix: String::new(),
            table: RenderedNames::new(),
            verbatim: Vec::new(),
            name: String::new(),
            logger: "",
            logger_end: 0,
        }
    }

    /// Takes over how names begin, and how many series there are. Another beginning is another configuration: all names are claimed again.
    pub(crate) fn begin(&mut self, naming: &Naming, series: usize) {
        if *naming != self.naming {
            *self = Names::new(self.format);
            self.naming = naming.clone();
            self.prefix = naming.prefix();
            if !self.prefix.is_empty() {
                self.prefix.push('.');
            }
        }
        self.table.expect(series);
    }

    /// The name of a series.
    ///
    /// # Errors
    /// Why the series cannot be delivered: its name is empty or too long, or belongs to another.
    #[inline]
    pub(crate) fn get(&mut self, series: &'static Series) -> Result<&str, Cause> {
        match self.table.known(series) {
            Some(known) => known?,
            None => self.claim(series)?,
        }
        let id = series.id();
        if self.verbatim.get(id / 64).is_some_and(|bits| bits >> (id % 64) & 1 == 1) {
            self.write(series);
        } else {
            self.name = self.format.name(&self.naming, series);
            self.logger_end = 0;
        }
        Ok(&self.name)
    }

    #[cold]
    fn claim(&mut self, series: &'static Series) -> Result<(), Cause> {
        self.write(series);
        let name = self.format.name(&self.naming, series);
        let unique = self.format.unique(&name, &self.naming, series);
        let (format, naming) = (self.format, &self.naming);
        self.table.claim(series, &name, &unique, |other| {
            let name = format.name(naming, other);
            format.unique(&name, naming, other)
        })?;
        if name == self.name {
            let id = series.id();
            if self.verbatim.len() <= id / 64 {
                self.verbatim.resize(id / 64 + 1, 0);
            }
            self.verbatim[id / 64] |= 1 << (id % 64);
        }
        Ok(())
    }

    /// Puts the name together from texts as they were given.
    #[inline]
    fn write(&mut self, series: &Series) {
        let (name, logger) = (&mut self.name, series.logger_name());
        if self.logger_end == 0 || !std::ptr::eq(self.logger, logger) {
            name.clear();
            name.push_str(&self.prefix);
            name.push_str(logger);
            name.push('.');
            (self.logger, self.logger_end) = (logger, name.len());
        }
        name.truncate(self.logger_end);
        name.push_str(series.metric_name());
        let Some((first, between)) = self.format.labels_in_name() else { return };
        for (key, value) in labels_with_object(&self.naming, series) {
            name.push(first);
            name.push_str(key);
            name.push(between);
            name.push_str(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use ferrometer_core::get_logger;

    #[test]
    fn a_name_is_the_same_whether_put_together_or_rendered() {
        let naming = |prefix: &str| Naming::default().global_prefix(prefix);
        for dialect in [Dialect::Etsy, Dialect::DogStatsD, Dialect::Telegraf, Dialect::Gnocchi] {
            let format = dialect.format();
            let mut names = Names::new(format);
            let labelled = |key: &str| naming("pre").labels(vec![(key.into(), "b".into())]);
            for naming in [naming(""), naming("pre.fix"), naming("p:x"), labelled("zone"), labelled("k"), naming("")] {
                names.begin(&naming, 0);
                let mut verbatim = 0;
                for logger in ["", "a", "a.b", "a..b", ".a", "a:b", "é"] {
                    for metric in ["m", "m.n", "", "m|n"] {
                        for labels in [&[][..], &[("k", "v")], &[("k", "v.w"), ("l", "x")], &[("", "v")], &[("k", "")]]
                        {
                            let logger = get_logger(logger).with_all(labels);
                            for logger in [logger.for_object("qemu/1"), logger.for_object("vm"), logger] {
                                let series = logger.counter(metric).series();
                                let rendered = format.name(&naming, series);
                                for _ in 0..2 {
                                    match names.get(series) {
                                        Ok(name) => assert_eq!(name, rendered, "{series:?}"),
                                        Err(cause) => assert!(matches!(cause, Cause::Name | Cause::Collision)),
                                    }
                                }
                                let id = series.id();
                                verbatim += names.verbatim.get(id / 64).map_or(0, |bits| bits >> (id % 64) & 1);
                            }
                        }
                    }
                }
                assert!((8..300).contains(&verbatim), "{verbatim}");
            }
        }
    }
}
