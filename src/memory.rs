//! How much memory a configuration may take, known before anything is started.

use crate::config::Config;

impl Config {
    /// The most memory that recording takes under this configuration, in bytes: cells, names, snapshots, held values, and what its backends keep.
    /// Computed from the limits; nothing has to be started.
    ///
    /// It is the worst case, with names, labels and descriptions as long as they may be and every bucket of every distribution in use. Usual
    /// programs take a small part of it. Of servers that are managed, those count that their file describes now. Not in it: the stacks of the backends' threads, the texts a program itself makes, and answers of
    /// the pull cache's endpoint in progress.
    ///
    /// ```
    /// use ferrometer::Config;
    ///
    /// let small = Config::new().backend("statsd").max_instruments(500).max_label_sets(100).max_cell_bytes(4 << 20);
    /// assert!(small.max_bytes() < Config::new().backend("statsd").max_bytes());
    /// assert_eq!(Config::new().backend("noop").max_bytes(), 0);
    /// ```
    #[must_use]
    // Compiled in the program that calls it: most do not.
    #[inline]
    pub fn max_bytes(&self) -> usize {
        let backends = self.backends().iter().filter(|name| *name != "noop").count();
        let limits = crate::limits::limits(self);
        #[cfg(feature = "metric-servers")]
        let (servers, of_servers) =
            crate::metric_servers::settings(self).map_or((0, 0), |settings| settings.described(limits.max_instruments));
        #[cfg(not(feature = "metric-servers"))]
        let (servers, of_servers) = (0, 0);
        if backends + servers == 0 {
            return 0;
        }
        let mut bytes = limits.max_bytes(backends + servers).saturating_add(of_servers);
        // Each backend may keep the process's labels with each series: in its name, in its labels, and while both are made.
        let of_process: usize = self.labels.iter().map(|(key, value)| key.len() + value.len() + 32).sum();
        bytes = bytes.saturating_add(4 * of_process * (backends + servers) * limits.max_instruments);
        for name in self.backends() {
            let more = match name.as_str() {
                #[cfg(feature = "statsd")]
                "statsd" => ferrometer_statsd::max_bytes(limits.max_instruments),
                #[cfg(feature = "prometheus")]
                "prometheus" => crate::backends::prometheus_settings(self).max_bytes(limits.max_instruments),
                #[cfg(feature = "pull-cache")]
                "pull-cache" => crate::backends::pull_cache_settings(self).max_bytes(limits.max_instruments),
                name => crate::push::max_bytes(self, name, limits.max_instruments),
            };
            bytes = bytes.saturating_add(more);
            #[cfg(feature = "http")]
            if name == "pull-cache" && crate::backends::cache_has_totals(self) {
                let totals = crate::backends::prometheus_settings(self).max_bytes(limits.max_instruments);
                bytes = bytes.saturating_add(totals);
            }
        }
        bytes
    }
}
