//! How full names begin: prefix, host and UUID, as the configuration says.

use crate::naming::name::{push_dotted, push_part};
use std::net::IpAddr;

/// How full names begin: the part of the configuration that naming needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Naming {
    /// Put before every name, dots in it make parts. Empty: nothing.
    pub global_prefix: String,
    /// Puts the host's name after the global prefix.
    pub prepend_host: bool,
    /// Writes the host's parts in reverse order, `host.example.com` as `com.example.host`.
    /// An IP address is never reversed.
    pub prepend_host_reverse: bool,
    /// The host's name; used only with `prepend_host`.
    pub host: String,
    /// Labels of the whole process, which a backend shows with every series that has none of that key itself.
    pub labels: Vec<(String, String)>,
    /// The UUID of the node that the program runs on, one part behind the host. Empty: nothing.
    pub uuid: String,
}

impl Naming {
    /// Everything before the logger's name, gated, without a trailing dot.
    ///
    /// ```
    /// # mod ferrometer { pub mod backend { pub use ferrometer_core::*; } }
    /// use ferrometer::backend::Naming;
    /// let naming = Naming::default()
    ///     .global_prefix("prod")
    ///     .prepend_host(true)
    ///     .prepend_host_reverse(true)
    ///     .host("host.example.com.")
    ///     .uuid("1be26c0b-03f2-4d2e-ae87-c02d7f33c123");
    /// assert_eq!(naming.prefix(), "prod.com.example.host.1be26c0b-03f2-4d2e-ae87-c02d7f33c123");
    /// ```
    #[must_use]
    pub fn prefix(&self) -> String {
        let mut out = String::new();
        push_dotted(&mut out, &self.global_prefix);
        if self.prepend_host {
            let mut host = self.host.as_str();
            while let Some(shorter) = host.strip_suffix('.') {
                host = shorter;
            }
            let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
            let is_address = bare.split_once('%').map_or(bare, |(h, _)| h).parse::<IpAddr>().is_ok();
            if self.prepend_host_reverse && !is_address {
                while let Some((rest, last)) = host.rsplit_once('.') {
                    push_part(&mut out, last);
                    host = rest;
                }
                push_part(&mut out, host);
            } else {
                push_dotted(&mut out, bare);
            }
        }
        push_part(&mut out, &self.uuid);
        out
    }

    /// Puts a prefix before every name; see [the field](Naming::global_prefix).
    #[must_use]
    pub fn global_prefix(mut self, global_prefix: impl Into<String>) -> Naming {
        self.global_prefix = global_prefix.into();
        self
    }

    /// Puts the host's name behind the prefix, or not; see [the field](Naming::prepend_host).
    #[must_use]
    pub fn prepend_host(mut self, prepend_host: bool) -> Naming {
        self.prepend_host = prepend_host;
        self
    }

    /// Writes the host's parts in reverse order, or not; see [the field](Naming::prepend_host_reverse).
    #[must_use]
    pub fn prepend_host_reverse(mut self, prepend_host_reverse: bool) -> Naming {
        self.prepend_host_reverse = prepend_host_reverse;
        self
    }

    /// Sets the host's name; see [the field](Naming::host).
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Naming {
        self.host = host.into();
        self
    }

    /// Sets the labels of the whole process; see [the field](Naming::labels).
    #[must_use]
    pub fn labels(mut self, labels: Vec<(String, String)>) -> Naming {
        self.labels = labels;
        self
    }

    /// Puts the UUID of the node behind the host; see [the field](Naming::uuid).
    #[must_use]
    pub fn uuid(mut self, uuid: impl Into<String>) -> Naming {
        self.uuid = uuid.into();
        self
    }

    /// The full name of a metric: `[global_prefix.][host.][uuid.]logger.metric`, gated. It may be empty or longer
    /// than [`MAX_NAME_BYTES`](crate::name::MAX_NAME_BYTES); [`check`](crate::name::check) tells.
    ///
    /// ```
    /// # mod ferrometer { pub mod backend { pub use ferrometer_core::*; } }
    /// let naming = ferrometer::backend::Naming::default().global_prefix("prod");
    /// assert_eq!(naming.render("shop", "sold/a day"), "prod.shop.sold_a_day");
    /// ```
    #[must_use]
    pub fn render(&self, logger: &str, metric: &str) -> String {
        let mut out = self.prefix();
        push_dotted(&mut out, logger);
        push_dotted(&mut out, metric);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naming::name::{NameError, check, logger_name};

    fn naming(prefix: &str, host: Option<(&str, bool)>) -> Naming {
        Naming {
            global_prefix: prefix.into(),
            prepend_host: host.is_some(),
            prepend_host_reverse: host.is_some_and(|h| h.1),
            host: host.map_or(String::new(), |h| h.0.into()),
            labels: Vec::new(),
            uuid: String::new(),
        }
    }

    #[test]
    fn names_under_each_option() {
        for (n, expected) in [
            (naming("", None), "module.blue.fish"),
            (naming("globalprefix", None), "globalprefix.module.blue.fish"),
            (naming("a.b.", None), "a.b.module.blue.fish"),
            (naming("", Some(("host.example.com", false))), "host.example.com.module.blue.fish"),
            (naming("g", Some(("host.example.com", true))), "g.com.example.host.module.blue.fish"),
            (naming("g", Some(("host.example.com.", true))), "g.com.example.host.module.blue.fish"),
            (naming("", Some(("10.0.0.1", true))), "10.0.0.1.module.blue.fish"),
            (naming("", Some(("fe80::1%eth0", true))), "fe80__1_eth0.module.blue.fish"),
            (naming("", Some(("[::1]", true))), "__1.module.blue.fish"),
            (naming("", Some(("", true))), "module.blue.fish"),
            (naming("", Some(("...", true))), "module.blue.fish"),
            (naming("", Some(("bücher.example", true))), "example.b_cher.module.blue.fish"),
            (naming("x\ny|c", None), "x_y_c.module.blue.fish"),
            (Naming { uuid: "1be2-c1".into(), ..naming("g", Some(("h.e", true))) }, "g.e.h.1be2-c1.module.blue.fish"),
            (Naming { uuid: "a.b\nc".into(), ..naming("", None) }, "a_b_c.module.blue.fish"),
        ] {
            assert_eq!(n.render("module", "blue.fish"), expected, "{n:?}");
        }
    }

    #[test]
    fn empty_parts_are_skipped() {
        let n = naming("", None);
        assert_eq!(n.render("", "x"), "x");
        assert_eq!(n.render("x", ""), "x");
        assert_eq!(n.render("..a..", "..b.."), "a.b");
        assert_eq!(check(&n.render("", "...")), Err(NameError::Empty));
        assert_eq!(check(&n.render("a", &"x".repeat(511))), Err(NameError::TooLong));
        assert_eq!(check(&n.render("a", &"x".repeat(510))), Ok(()));
    }

    #[test]
    fn module_paths_become_dots() {
        assert_eq!(logger_name("nova::compute::manager"), "nova.compute.manager");
        assert_eq!(naming("", None).render("a:b", "c"), "a_b.c");
    }
}
