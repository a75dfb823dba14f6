//! Which node an agent runs on: its UUID, or the addresses of its network ports.

use ferrometer_core::name;
use std::fmt;
use std::str::FromStr;

/// The most addresses of one node.
pub(crate) const MOST_ADDRESSES: usize = 64;

/// A node, as an agent names it.
///
/// ```
/// use ferrometer_agent::NodeId;
///
/// let node: NodeId = "1BE26C0B-03f2-4d2e-ae87-c02d7f33c123".parse()?;
/// assert_eq!(node, NodeId::Uuid("1be26c0b-03f2-4d2e-ae87-c02d7f33c123".into()));
/// let node: NodeId = "52:54:00:AB:cd:01, 52:54:00:ab:cd:02".parse()?;
/// assert_eq!(node, NodeId::Addresses(vec!["52:54:00:ab:cd:01".into(), "52:54:00:ab:cd:02".into()]));
/// assert!("node-7".parse::<NodeId>().is_err());
/// # Ok::<(), ferrometer_agent::BadNode>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeId {
    /// The node's UUID, in lower case.
    Uuid(String),
    /// MAC addresses of its ports, in lower case.
    Addresses(Vec<String>),
}

/// Text that names no node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadNode(String);

impl BadNode {
    #[cfg(feature = "routes")]
    pub(crate) fn new(what: String) -> BadNode {
        BadNode(what)
    }
}

impl fmt::Display for BadNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadNode {}

impl FromStr for NodeId {
    type Err = BadNode;

    fn from_str(text: &str) -> Result<NodeId, BadNode> {
        let wrong = match name::uuid(text) {
            Ok(uuid) => return Ok(NodeId::Uuid(uuid)),
            Err(wrong) => wrong,
        };
        let addresses: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
        if !addresses.is_empty() && addresses.len() <= MOST_ADDRESSES && addresses.iter().all(|part| is_address(part)) {
            return Ok(NodeId::Addresses(addresses.into_iter().map(normal).collect()));
        }
        let found: String = text.escape_debug().take(80).collect();
        Err(BadNode(format!(
            "a node is \"{found}\": expected its UUID, {}, or MAC addresses such as \"52:54:00:ab:cd:01\", joined with commas{}",
            name::UUID_FORM,
            wrong.hint()
        )))
    }
}

/// Returns an address as it is compared: in lower case, its octets parted by colons.
pub(crate) fn normal(address: &str) -> String {
    address.to_ascii_lowercase().replace('-', ":")
}

/// Returns `true` for a MAC address: six octets, or up to twenty as InfiniBand has them.
pub(crate) fn is_address(text: &str) -> bool {
    let octet = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
    (6..=20).contains(&text.split([':', '-']).count()) && text.split([':', '-']).all(octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_node_is_told_with_what_was_meant() {
        for (text, end) in [
            ("", "joined with commas"),
            ("node-7", "joined with commas"),
            ("1be26c0b03f24d2eae87c02d7f33c123", "; did you mean \"1be26c0b-03f2-4d2e-ae87-c02d7f33c123\"?"),
            ("52:54:00:ab:cd", "joined with commas"),
            ("52:54:00:ab:cd:0g", "joined with commas"),
            ("52:54:00:ab:cd:01,eth0", "joined with commas"),
        ] {
            let said = text.parse::<NodeId>().unwrap_err().to_string();
            assert!(said.starts_with(&format!("a node is \"{text}\": expected")) && said.ends_with(end), "{said}");
        }
        let long = "x\n".repeat(9000).parse::<NodeId>().unwrap_err().to_string();
        assert!(long.len() < 400 && !long.contains('\n'), "{long}");
        let many = vec!["52:54:00:ab:cd:01"; MOST_ADDRESSES + 1].join(",");
        assert!(many.parse::<NodeId>().is_err());
    }
}
