//! The kinds of metric servers, and the options that each has: names, bounds and defaults of Proxmox VE and Proxmox Backup Server.

use crate::rule::{Rule, Words};

/// The type of a section, and of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Graphite,
    InfluxDb,
    OpenTelemetry,
    InfluxDbHttp,
    InfluxDbUdp,
}

/// One option of a kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opt {
    pub(crate) name: &'static str,
    pub(crate) rule: Rule,
    pub(crate) is_required: bool,
}

const fn required(name: &'static str, rule: Rule) -> Opt {
    Opt { name, rule, is_required: true }
}

const fn optional(name: &'static str, rule: Rule) -> Opt {
    Opt { name, rule, is_required: false }
}

const MTU: Opt = optional("mtu", Rule::Integer(512, 65_536));
const TIMEOUT: Opt = optional("timeout", Rule::Integer(0, u64::MAX));
const DISABLE: Opt = optional("disable", Rule::Boolean);
const PORT: Rule = Rule::Integer(1, 65_535);
const ANY_SIZE: Rule = Rule::Integer(1, u64::MAX);
const SHORT: Rule = Rule::Text(1, 32);

/// In the order of names, as Proxmox VE writes them.
const GRAPHITE: &[Opt] = &[
    DISABLE,
    MTU,
    optional("path", Rule::GraphitePath),
    optional("port", PORT),
    optional("proto", Rule::Choice(&["udp", "tcp"])),
    required("server", Rule::Address),
    TIMEOUT,
];

const INFLUXDB: &[Opt] = &[
    optional("api-path-prefix", Rule::Text(0, 1024)),
    optional("bucket", Rule::Text(0, 1024)),
    DISABLE,
    optional("influxdbproto", Rule::Choice(&["udp", "http", "https"])),
    optional("max-body-size", ANY_SIZE),
    MTU,
    optional("organization", Rule::Text(0, 1024)),
    required("port", PORT),
    required("server", Rule::Address),
    TIMEOUT,
    optional("token", Rule::Secret),
    optional("verify-certificate", Rule::Boolean),
];

const OPENTELEMETRY: &[Opt] = &[
    DISABLE,
    optional("otel-compression", Rule::Choice(&["none", "gzip"])),
    optional("otel-headers", Rule::Headers),
    optional("otel-max-body-size", Rule::Integer(1024, u64::MAX)),
    optional("otel-path", Rule::Text(1, 1024)),
    optional("otel-protocol", Rule::Choice(&["http", "https"])),
    optional("otel-resource-attributes", Rule::Attributes),
    optional("otel-timeout", Rule::Integer(1, 10)),
    optional("otel-verify-ssl", Rule::Boolean),
    optional("port", PORT),
    required("server", Rule::Address),
];

const INFLUXDB_HTTP: &[Opt] = &[
    optional("bucket", SHORT),
    optional("comment", Rule::Text(0, 128)),
    optional("enable", Rule::Boolean),
    optional("max-body-size", ANY_SIZE),
    optional("organization", SHORT),
    optional("token", Rule::Secret),
    required("url", Rule::Url),
    optional("verify-tls", Rule::Boolean),
];

const INFLUXDB_UDP: &[Opt] = &[
    optional("comment", Rule::Text(0, 128)),
    optional("enable", Rule::Boolean),
    required("host", Rule::HostPort),
    MTU,
];

impl Kind {
    pub(crate) const ALL: [Kind; 5] =
        [Kind::Graphite, Kind::InfluxDb, Kind::OpenTelemetry, Kind::InfluxDbHttp, Kind::InfluxDbUdp];
    /// Those of Proxmox VE.
    pub(crate) const PVE: [Kind; 3] = [Kind::Graphite, Kind::InfluxDb, Kind::OpenTelemetry];

    /// The name in the header of a section.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Graphite => "graphite",
            Kind::InfluxDb => "influxdb",
            Kind::OpenTelemetry => "opentelemetry",
            Kind::InfluxDbHttp => "influxdb-http",
            Kind::InfluxDbUdp => "influxdb-udp",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whose kind it is.
    pub(crate) fn words(self) -> Words {
        if Kind::PVE.contains(&self) { Words::Pve } else { Words::Pbs }
    }

    pub(crate) fn options(self) -> &'static [Opt] {
        match self {
            Kind::Graphite => GRAPHITE,
            Kind::InfluxDb => INFLUXDB,
            Kind::OpenTelemetry => OPENTELEMETRY,
            Kind::InfluxDbHttp => INFLUXDB_HTTP,
            Kind::InfluxDbUdp => INFLUXDB_UDP,
        }
    }

    pub(crate) fn option(self, name: &str) -> Option<&'static Opt> {
        self.options().iter().find(|option| option.name == name)
    }

    /// The option whose value is kept in a file of its own.
    pub(crate) fn secret(self) -> Option<&'static str> {
        self.options().iter().find(|option| option.rule.is_secret()).map(|option| option.name)
    }
}

/// Returns the rule of an option of Proxmox VE, whichever of its kinds has it. An option has one rule in all of them.
pub(crate) fn pve_rule(name: &str) -> Option<Rule> {
    Kind::PVE.into_iter().find_map(|kind| kind.option(name)).map(|option| option.rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_stand_in_the_order_of_names_and_have_one_rule() {
        for kind in Kind::ALL {
            assert!(kind.options().is_sorted_by_key(|option| option.name), "{kind:?}");
            assert_eq!(Kind::of(kind.name()), Some(kind));
            if kind.words() == Words::Pve {
                for option in kind.options() {
                    assert_eq!(pve_rule(option.name), Some(option.rule), "{kind:?} {}", option.name);
                }
            }
        }
        assert_eq!(Kind::Graphite.secret(), None);
        assert_eq!(Kind::OpenTelemetry.secret(), Some("otel-headers"));
    }
}
